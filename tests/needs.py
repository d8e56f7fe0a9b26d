"""What the tests need beyond git, make and Python: the one list of it.

Where it is missing a test is skipped with the line that installs it, and where CI is set it fails.
`python -m tests.needs` prints the packages of all that is missing here.
"""

import os
import shutil
from collections import Counter
from typing import NoReturn

import pytest

# A program, and what Debian has it in. Chromium writes Chinese with the font; kubectl is in Debian
# from 13 on, and else at kubernetes.io/docs/tasks/tools.
PACKAGES = {
    "cc": "gcc libc6-dev",
    "chromium": "chromium fonts-wqy-microhei",
    "curl": "curl",
    "kubectl": "kubectl",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "wrk": "wrk",
}
PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # servers are not on every PATH


def need(program: str) -> str:
    """The path of a program of the list. Without it the test ends here, as `lack` says."""
    path = shutil.which(program, path=PLACES)
    return path or lack(f"{program} is missing: apt-get install {PACKAGES[program]}")


def lack(sentence: str) -> NoReturn:
    """End the test: skipped, or failed where CI is set; what is no test ends with the sentence."""
    if "PYTEST_CURRENT_TEST" not in os.environ:
        raise SystemExit(sentence)
    if "CI" in os.environ:
        pytest.fail(f"{sentence}; where CI is set, that is a failure")
    pytest.skip(sentence)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count at the end what was skipped, by what was missing."""
    reasons = (report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    counted = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    if counted:
        terminalreporter.section(f"{counted.total()} skipped for what this machine lacks")
    for sentence, tests in counted.most_common():
        terminalreporter.write_line(f"{tests:4} {sentence}")


if __name__ == "__main__":
    missing = [name for name in PACKAGES if not shutil.which(name, path=PLACES)]
    print(*sorted({PACKAGES[name] for name in missing}))
