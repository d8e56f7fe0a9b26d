"""The long forms of the tests fail by what was not kept, and keep no other from running."""

import os
import subprocess
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.servers import ROOT


@pytest.mark.parametrize(
    ("form", "found_by", "arguments"),
    [
        ("tests.soak.__main__", "soak", []),
        ("tests.soak.__main__", "faults", ["--faults"]),
        ("tests.overload.__main__", "measure", []),
    ],
)
def test_a_long_form_ends_with_1_and_tells_what_was_not_kept(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    form: str,
    found_by: str,
    arguments: list[str],
) -> None:
    monkeypatch.setattr("sys.argv", [form, *arguments])
    for broken in ([], ["A promise was not kept.", "Nor was another."]):
        found = SimpleNamespace(broken=lambda broken=broken: broken)
        monkeypatch.setattr(f"{form}.{found_by}", lambda *_, found=found, **__: found)
        assert import_module(form).main() == min(len(broken), 1)
        assert capsys.readouterr().err.split("\n")[:-1] == (broken or [""])


def test_a_long_form_that_fails_keeps_no_other_from_running(tmp_path: Path) -> None:
    python, ran = tmp_path / "bin" / "python", tmp_path / "ran"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\necho "$@" >> {ran}\nexit 1\n')
    python.chmod(0o755)
    (tmp_path / ".installed").touch()
    ended = subprocess.run(
        ["make", "soak", f"DEV={tmp_path}", f"SERVICE={tmp_path}"],  # noqa: S607
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},  # nothing of the `make test` that runs this
        capture_output=True,
        check=False,
    )
    assert ended.returncode != 0
    assert ran.read_text().splitlines() == [
        "-m benchmarks.soak",
        "-m tests.soak",
        "-m tests.soak --faults",
        "-m tests.overload",
        "-m tests.overload.bodies",
    ]
