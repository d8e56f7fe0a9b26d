"""Releases: the workflows do what they say, and make release-check sees what is in the way."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import release_check
from tests.serving import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@b.c")


def workflow(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((WORKFLOWS / name).read_text()))


def steps(name: str, job: str) -> list[dict[str, Any]]:
    return list(workflow(name)["jobs"][job]["steps"])


def test_ci_runs_what_lands_a_change_on_every_promised_python() -> None:
    assert any(".ci/run" in step.get("run", "") for step in steps("ci.yml", "ci"))
    promised = set(re.findall(r"3\.\d+", (ROOT / "scripts" / "find-python").read_text()))
    assert set(workflow("ci.yml")["jobs"]["ci"]["strategy"]["matrix"]["python"]) == promised


def test_images_are_built_for_both_processors_with_provenance_and_parts() -> None:
    [build] = [
        step["with"]
        for step in steps("release.yml", "images")
        if step.get("uses", "").startswith("docker/build-push-action")
    ]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert build["provenance"] == "mode=max"
    assert build["sbom"] is True
    assert build["push"] is True


def test_a_release_needs_a_tag_and_the_checks() -> None:
    release = workflow("release.yml")
    assert release[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}  # YAML reads `on` so
    assert release["jobs"]["images"]["needs"] == "check"
    runs = [step.get("run", "") for step in steps("release.yml", "check")]
    assert "make release-check" in runs


def test_every_image_of_a_release_is_built_from_what_is_there() -> None:
    for each in workflow("release.yml")["jobs"]["images"]["strategy"]["matrix"]["include"]:
        dockerfile = (ROOT / each["file"]).read_text()
        assert not each["target"] or f" AS {each['target']}\n" in dockerfile


def test_workflows_may_only_read_the_code() -> None:
    for name in ("ci.yml", "release.yml"):
        assert workflow(name)["permissions"] == {"contents": "read"}


@pytest.fixture
def commit(tmp_path: Path) -> Path:
    """A repository with one commit that may be tagged."""
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 (2026-11-25)\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, *AUTHOR, "commit", "-qm", "One")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    command = ["git", "-C", str(root), *arguments]
    subprocess.run(command, check=True)


def in_the_way(root: Path) -> list[str]:
    return [
        *release_check.headings(root),
        *release_check.tags(root),
        *release_check.changes(root),
    ]


def test_nothing_is_in_the_way_of_a_clean_commit(commit: Path) -> None:
    assert in_the_way(commit) == []


def test_nothing_is_in_the_way_of_a_commit_with_its_tag(commit: Path) -> None:
    git(commit, "tag", "v1.2.3")
    assert in_the_way(commit) == []


def test_a_heading_of_another_version_is_in_the_way(commit: Path) -> None:
    (commit / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n")
    [heading, change] = in_the_way(commit)
    assert heading.startswith("CHANGELOG.md begins with 'Unreleased': expected '1.2.3'")
    assert change == "CHANGELOG.md is not committed."


def test_a_tag_of_another_version_is_in_the_way(commit: Path) -> None:
    git(commit, "tag", "v1.2.4")
    assert in_the_way(commit) == ["this commit is tagged v1.2.4: expected v1.2.3."]


def test_a_version_that_was_released_is_in_the_way(commit: Path) -> None:
    git(commit, "tag", "v1.2.3")
    git(
        commit,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "2",
    )
    assert in_the_way(commit) == ["v1.2.3 is another commit; choose the next version."]
