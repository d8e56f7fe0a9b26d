"""The environments that make makes: what their lock lists, by uv, with every hash looked at."""

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.servers import ROOT

UV = ROOT / ".venv" / "uv"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package `tiny`, which no index has."""
    path = tmp_path / "wheels" / "tiny-1.0-py3-none-any.whl"
    path.parent.mkdir()
    described, metadata = "tiny-1.0.dist-info/", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr(described + "METADATA", metadata)
        archive.writestr(described + "WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(described + "RECORD", "")
    return path


def made(checkout: Path, wheel: Path, sha256: str) -> subprocess.CompletedProcess[str]:
    """Make .venv/tiny in a checkout of what makes environments, without the network."""
    checkout.mkdir()
    shutil.copy(ROOT / "Makefile", checkout)
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    locks = checkout / "requirements"
    locks.mkdir()
    (locks / "tiny.txt").write_text(f"tiny==1.0 --hash=sha256:{sha256}\n")
    for name in ("pip", "uv"):
        (locks / f"{name}.txt").touch()
        os.utime(locks / f"{name}.txt", (0, 0))
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "uv").symlink_to(UV)
    offline = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(wheel.parent)}
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    return subprocess.run(
        ["make", ".venv/tiny/.installed"],  # noqa: S607
        cwd=checkout,
        env={**os.environ, **offline, **pip},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_environment_holds_what_its_lock_lists_by_uv_if_its_hash_is_the_lock_s(
    tmp_path: Path, wheel: Path
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    done = made(right, wheel, digest)
    assert done.returncode == 0, done.stderr
    [installed] = (right / ".venv" / "tiny").glob("lib/*/site-packages/*.dist-info")
    assert installed.name == "tiny-1.0.dist-info"
    assert (installed / "INSTALLER").read_text() == "uv"
    done = made(wrong, wheel, "0" * 64)
    assert done.returncode
    assert digest in done.stderr
    assert not (wrong / ".venv" / "tiny" / ".installed").exists()
