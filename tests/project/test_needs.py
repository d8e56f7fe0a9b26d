"""A test that lacks a program is skipped, told of and counted; where CI is set it fails."""

import os
import subprocess
from pathlib import Path

from tests.servers import DEV_PYTHON, ROOT

CHROMIUM = "chromium is missing: apt-get install chromium fonts-wqy-microhei"
WRK = "wrk is missing: apt-get install wrk"
TEST = """
from tests.needs import need
def test_with_a_browser(): need("chromium")
def test_with_a_browser_too(): need("chromium")
def test_with_a_generator(): need("wrk")
def test_with_nothing(): pass
"""


def run(*arguments: str | Path, ci: bool = False) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository, where no program is on PATH."""
    unwanted = ("CI", "PYTEST_CURRENT_TEST")
    inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment = {**inherited, "PATH": "/nowhere", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment |= {"CI": "true"} if ci else {}
    command = [DEV_PYTHON, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def outcome(folder: Path, *, ci: bool = False) -> subprocess.CompletedProcess[str]:
    test = folder / "test_it.py"
    test.write_text(TEST)
    own = ("-c", os.devnull, "--rootdir", folder, "-p", "tests.needs")
    return run("-m", "pytest", *own, test, ci=ci)


def test_what_is_missing_skips_and_is_counted_and_where_ci_is_set_fails(tmp_path: Path) -> None:
    done = outcome(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "3 skipped for what this machine lacks" in done.stdout
    assert f"   2 {CHROMIUM}\n   1 {WRK}\n" in done.stdout
    assert "1 passed, 3 skipped" in done.stdout
    done = outcome(tmp_path, ci=True)
    assert done.returncode == 1
    assert "3 failed, 1 passed" in done.stdout
    assert CHROMIUM in done.stdout


def test_a_program_that_is_no_test_ends_with_the_sentence() -> None:
    done = run("-c", "from tests.needs import need; need('wrk')")
    assert (done.returncode, done.stderr) == (1, f"{WRK}\n")


def test_the_packages_of_what_is_missing_are_told_for_ci() -> None:
    told = run("-m", "tests.needs").stdout.split()
    assert {"chromium", "fonts-wqy-microhei", "gcc", "kubectl", "prometheus", "wrk"} <= {*told}
    assert len(told) == len({*told})
