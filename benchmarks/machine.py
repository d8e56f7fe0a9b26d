"""The machine and the versions of a run, in words; no names of hosts or folders."""

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from benchmarks.load import generator

SHOWN = ("flask", "gunicorn", "granian", "ai-edge-litert", "pydantic", "numpy", "orjson")
PEERS = ("tensorflow-cpu", "tensorflow", "fastapi", "uvicorn", "pydantic", "flask", "gunicorn")


class Machine(BaseModel):
    """What a figure depends on besides the code."""

    date: str
    cores: int
    memory: int  # bytes
    processor: str
    python: str
    generator: str
    revision: str
    versions: dict[str, str]
    service_bytes: int  # of the service's environment on disk


def describe(root: Path, environments: Path, peers: list[str]) -> Machine:
    """The present machine, and the versions in the environments that are used."""
    versions = {"service": _versions(environments / "service", SHOWN)}
    versions |= {name: _versions(environments / name, PEERS) for name in peers}
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        processor=_processor(),
        python=platform.python_version(),
        generator=_generator(),
        revision=_revision(root),
        versions=versions,
        service_bytes=_size(environments / "service"),
    )


def _processor() -> str:
    """The family alone, as in `AMD EPYC`."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1].partition("@")[0].strip() if found else platform.machine()


def _versions(environment: Path, names: tuple[str, ...]) -> str:
    """As in `flask 3.1.3, gunicorn 27.0.1`, read from the installed packages' folders."""
    folders = (environment / "lib").glob("python*/site-packages/*.dist-info")
    installed = dict(path.name.removesuffix(".dist-info").rsplit("-", 1) for path in folders)
    installed = {name.lower().replace("_", "-"): version for name, version in installed.items()}
    return ", ".join(f"{name} {installed[name]}" for name in names if name in installed)


def _generator() -> str:
    if generator() == "autocannon":
        return "autocannon"
    command = [shutil.which("wrk") or "wrk", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", said.stdout)
    return f"wrk {found[0]}" if found else "wrk"


def _revision(root: Path) -> str:
    """The commit, and whether something was changed after it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    revision = git("rev-parse", "--short=10", "HEAD") or "unknown"
    return f"{revision}, with changes" if git("status", "--porcelain") else revision


def _size(environment: Path) -> int:
    return sum(path.lstat().st_size for path in environment.rglob("*") if path.is_file())
