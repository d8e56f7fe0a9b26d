"""Releases: the workflows do what they say, and make release-check sees what is in the way."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import release_check
from tests.servers import ROOT

COMMIT = "0123456789abcdef" * 2 + "01234567"
DIGEST = "@sha256:" + "0123456789abcdef" * 4
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


def test_images_are_built_on_the_digest_that_was_checked() -> None:
    runs = [step.get("run", "") for step in steps("release.yml", "check")]
    assert 'make release-check ARGS="--base ${{ steps.base.outputs.argument }}"' in runs
    checked = workflow("release.yml")["jobs"]["check"]["outputs"]
    assert checked == {"base": "${{ steps.base.outputs.argument }}"}


INSPECTED = f"""\
Name:      docker.io/library/python:3.12-slim
MediaType: application/vnd.oci.image.index.v1+json
Digest:    {DIGEST[1:]}

Manifests:
  Name:        docker.io/library/python:3.12-slim@sha256:{"f" * 64}
  MediaType:   application/vnd.oci.image.manifest.v1+json
  Platform:    linux/amd64
"""


@pytest.mark.parametrize(("inspected", "digest"), [(INSPECTED, DIGEST), ("", "@")])
def test_the_base_is_what_its_tag_means_now(tmp_path: Path, inspected: str, digest: str) -> None:
    (tmp_path / "inspected").write_text(inspected)
    (tmp_path / "docker").write_text(f"#!/bin/sh\ncat {tmp_path}/inspected\n")
    (tmp_path / "docker").chmod(0o755)
    [script] = [it["run"] for it in steps("release.yml", "check") if it.get("id") == "base"]
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    subprocess.run(["bash", "-e", "-c", script], cwd=ROOT, env=environment, check=True)  # noqa: S607
    told = (tmp_path / "output").read_text()
    assert told == f"argument=PYTHON_IMAGE=python:3.12-slim{digest}\n"


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
    assert any(run.startswith("make release-check ") for run in runs)


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


def add(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)
    git(root, "add", "-A")
    git(root, *AUTHOR, "commit", "-qm", file)


def in_the_way(root: Path) -> list[str]:
    return [
        *release_check.headings(root),
        *release_check.tags(root),
        *release_check.changes(root),
        *release_check.pinned(root, {}),
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


def test_our_own_workflows_and_images_may_be_released() -> None:
    assert [*release_check.pinned(ROOT, {})] == []
    given = {"PYTHON_IMAGE": f"python:3.12-slim{DIGEST}"}
    assert [*release_check.pinned(ROOT, given)] == []


@pytest.mark.parametrize(
    "uses",
    [
        "actions/checkout@v5",
        "actions/checkout@main",
        "actions/checkout",
        f"actions/checkout@{COMMIT}",
        f"actions/checkout@{COMMIT} # main",
        f"actions/checkout@{COMMIT[:7]} # v5.1.0",
        f"actions/checkout@{COMMIT[:-1]}g # v5.1.0",
        f"actions/checkout@v5 # {COMMIT} # v5.1.0",
        "docker://alpine:3 # v3.0.0",
        '"actions/checkout@v5"',
    ],
)
@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".github/workflows/any.yml", "jobs: {a: {steps: [\n{name: b,\nuses: %s\n}]}}"),
        (".github/workflows/any.yaml", "jobs:\n  a:\n    uses: %s\n"),
        (".github/actions/any/action.yml", "runs:\n  steps:\n    - uses: %s\n"),
    ],
)
def test_an_action_that_can_become_another_is_in_the_way(
    commit: Path, file: str, text: str, uses: str
) -> None:
    add(commit, file, text % uses)
    [told] = in_the_way(commit)
    assert told.startswith(f"{file} uses ")
    assert "expected the commit of a release and its name" in told


@pytest.mark.parametrize(
    "uses", [f"actions/checkout@{COMMIT} # v5.1.0", f"'a/b/c@{COMMIT}'  # v1.0.0", "./here"]
)
def test_an_action_of_a_release_by_its_commit_is_not(commit: Path, uses: str) -> None:
    add(commit, ".github/workflows/any.yml", f"jobs:\n  a:\n    steps:\n      - uses: {uses}\n")
    assert in_the_way(commit) == []


def test_an_image_that_is_built_without_a_digest_is_in_the_way(commit: Path) -> None:
    action = f"docker/build-push-action@{COMMIT} # v7.3.0"
    add(
        commit,
        ".github/workflows/any.yml",
        f"steps:\n  - uses: {action}\n    with: {{push: true}}\n",
    )
    [told] = in_the_way(commit)
    assert "builds on what a tag means: expected build-args" in told


@pytest.mark.parametrize(
    "text",
    [
        "FROM python:3.12-slim\n",
        "from python\n",
        "ARG TAG=3.12\nFROM python:${TAG}-slim\n",
        "ARG BASE\nFROM ${BASE}\n",
        "FROM --platform=linux/amd64 \\\n  python:3.12-slim AS base\n",
        "FROM scratch AS base\nCOPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/\n",
        "FROM scratch\nRUN --mount=type=bind,from=alpine,target=/x ls\n",
        "# syntax=docker/dockerfile:1\nFROM scratch\n",
        f"FROM python:3.12-slim{DIGEST[:-1]}\n",
    ],
)
def test_a_base_for_which_no_digest_could_be_given_is_in_the_way(commit: Path, text: str) -> None:
    add(commit, "deploy/Dockerfile", text)
    [told] = in_the_way(commit)
    assert told.startswith("deploy/Dockerfile is built on ")


@pytest.mark.parametrize(
    "text",
    [
        "ARG BASE=python:3.12-slim\nFROM $BASE AS one\nFROM one\nCOPY --from=one / /\n",
        f"FROM python:3.12-slim{DIGEST}\n",
        "FROM scratch\n# FROM python\n",
    ],
)
def test_a_base_that_is_an_argument_or_has_its_digest_is_not(commit: Path, text: str) -> None:
    add(commit, "deploy/Dockerfile", text)
    assert in_the_way(commit) == []


@pytest.mark.parametrize(
    ("base", "ready"),
    [
        (f"BASE=python:3.12-slim{DIGEST}", True),
        ("BASE=python:3.12-slim", False),
        ("BASE=python:3.12-slim@", False),
        (f"BASE=python:3.12-slim{DIGEST[:-1]}", False),
        (f"BASE=alpine{DIGEST}", False),
        (f"OTHER=python:3.12-slim{DIGEST}", False),
        ("", False),
    ],
)
def test_a_release_gives_each_base_by_its_digest(
    commit: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    base: str,
    ready: bool,
) -> None:
    add(commit, "Dockerfile", "ARG BASE=python:3.12-slim\nFROM ${BASE}\n")
    monkeypatch.setattr(release_check, "ROOT", commit)
    monkeypatch.setattr(release_check, "locks", lambda *_: [])
    assert release_check.main(["--base", base]) == (0 if ready else 1)
    said = capsys.readouterr()
    assert said.out.startswith("Ready: ") is ready
    assert ("expected --base BASE=python:3.12-slim@sha256:" in said.err) is not ready


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
