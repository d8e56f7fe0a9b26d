"""Releases: the workflows do what they say, and make release-check sees what is in the way."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import pins, release_check
from tests.servers import ROOT

COMMIT = "0123456789abcdef" * 2 + "01234567"
DIGEST = "@sha256:" + "0123456789abcdef" * 4
CI, RELEASE = (
    dict[Any, Any](yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text()))
    for name in ("ci.yml", "release.yml")
)


def steps(job: dict[str, Any]) -> str:
    """The commands of a job."""
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_ci_runs_what_lands_a_change_on_every_promised_python() -> None:
    assert ".ci/run" in steps(CI["jobs"]["ci"])
    promised = set(re.findall(r"3\.\d+", (ROOT / "scripts" / "find-python").read_text()))
    assert set(CI["jobs"]["ci"]["strategy"]["matrix"]["python"]) == promised
    assert CI["permissions"] == RELEASE["permissions"] == {"contents": "read"}


def test_a_release_needs_a_tag_and_the_checks_of_the_digest_that_it_is_built_on() -> None:
    assert RELEASE[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}  # YAML reads `on` so
    check, images = RELEASE["jobs"]["check"], RELEASE["jobs"]["images"]
    assert images["needs"] == "check"
    assert 'make release-check ARGS="--base ${{ steps.base.outputs.argument }}"' in steps(check)
    assert check["outputs"] == {"base": "${{ steps.base.outputs.argument }}"}
    action = "docker/build-push-action"
    [build] = [it["with"] for it in images["steps"] if it.get("uses", "").startswith(action)]
    asked = {"platforms": "linux/amd64,linux/arm64", "provenance": "mode=max"}
    assert {**asked, "sbom": True, "push": True}.items() <= build.items()
    for each in images["strategy"]["matrix"]["include"]:
        dockerfile = (ROOT / each["file"]).read_text()
        assert not each["target"] or f" AS {each['target']}\n" in dockerfile


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
    [script] = [it["run"] for it in RELEASE["jobs"]["check"]["steps"] if it.get("id") == "base"]
    path, output = f"{tmp_path}:{os.environ['PATH']}", tmp_path / "output"
    environment = {"PATH": path, "GITHUB_OUTPUT": str(output)}
    subprocess.run(["bash", "-e", "-c", script], cwd=ROOT, env=environment, check=True)  # noqa: S607
    assert output.read_text() == f"argument=PYTHON_IMAGE=python:3.12-slim{digest}\n"


@pytest.fixture
def commit(tmp_path: Path) -> Path:
    """A repository with one commit that may be tagged."""
    git(tmp_path, "init", "-q")
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    add(tmp_path, "CHANGELOG.md", "# Changelog\n\n## 1.2.3 (2026-11-25)\n")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    command = ["git", "-C", str(root), *author, *arguments]
    subprocess.run(command, check=True)


def add(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", file)


def in_the_way(root: Path) -> list[str]:
    found = (release_check.headings, release_check.tags, release_check.changes)
    return [*(line for look in found for line in look(root)), *release_check.pinned(root, {})]


def test_nothing_is_in_the_way_of_a_clean_commit_with_its_tag_or_none(commit: Path) -> None:
    assert in_the_way(commit) == []
    git(commit, "tag", "v1.2.3")
    assert in_the_way(commit) == []
    assert [*release_check.pinned(ROOT, {"PYTHON_IMAGE": f"python:3.12-slim{DIGEST}"})] == []
    git(commit, "commit", "-qm", "2", "--allow-empty")
    assert in_the_way(commit) == ["v1.2.3 is another commit; choose the next version."]


def test_another_version_in_the_heading_or_the_tag_is_in_the_way(commit: Path) -> None:
    git(commit, "tag", "v1.2.4")
    (commit / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n")
    heading, tag, change = in_the_way(commit)
    assert heading.startswith("CHANGELOG.md begins with 'Unreleased': expected '1.2.3'")
    assert tag == "this commit is tagged v1.2.4: expected v1.2.3."
    assert change == "CHANGELOG.md is not committed."


WORKFLOW = "jobs:\n  a:\n    uses: %s\n"


def test_an_action_that_can_become_another_is_in_the_way() -> None:
    moving = [
        *(
            f"actions/checkout{at}"
            for at in ("@v5", "@main", "", f"@{COMMIT}", f"@{COMMIT} # main")
        ),
        *(f"actions/checkout@{COMMIT[:7]} # v5.1.0", f"actions/checkout@{COMMIT[:-1]}g # v5.1.0"),
        *(f"actions/checkout@v5 # {COMMIT} # v5.1.0", "docker://alpine:3 # v3.0.0"),
        '"actions/checkout@v5"',
    ]
    forms = [
        "jobs: {a: {steps: [\n{name: b,\nuses: %s\n}]}}",
        WORKFLOW,
        "runs:\n  steps:\n    - uses: %s\n",
    ]
    told = {
        text: [*pins.actions("it", text)] for text in (f % uses for f in forms for uses in moving)
    }
    expected = "expected the commit of a release and its name"
    assert [text for text, lines in told.items() if expected not in "".join(lines)] == []
    fixed = (f"actions/checkout@{COMMIT} # v5.1.0", f"'a/b/c@{COMMIT}'  # v1.0.0", "./here")
    assert [line for uses in fixed for line in pins.actions("it", WORKFLOW % uses)] == []


def test_every_workflow_action_and_dockerfile_of_a_commit_is_looked_at(commit: Path) -> None:
    action = f"docker/build-push-action@{COMMIT} # v7.3.0"
    workflow = f"steps:\n  - uses: {action}\n    with: {{push: true}}\n"
    add(commit, ".github/workflows/any.yml", workflow)
    add(commit, ".github/workflows/any.yaml", WORKFLOW % "actions/checkout")
    add(commit, ".github/actions/any/action.yml", WORKFLOW % "actions/checkout")
    add(commit, "deploy/Dockerfile", "FROM python\n")
    told = in_the_way(commit)
    assert len(told) == 4
    assert told[0].startswith(".github/actions/any/action.yml uses actions/checkout: ")
    assert told[1].startswith(".github/workflows/any.yaml uses actions/checkout: ")
    assert "builds on what a tag means: expected build-args" in told[2]
    assert told[3].startswith("deploy/Dockerfile is built on python: ")


def test_a_base_for_which_no_digest_could_be_given_is_in_the_way() -> None:
    moving = [
        *("FROM python:3.12-slim\n", "from python\n", "ARG BASE\nFROM ${BASE}\n"),
        "ARG TAG=3.12\nFROM python:${TAG}-slim\n",
        "FROM --platform=linux/amd64 \\\n  python:3.12-slim AS base\n",
        "FROM scratch AS base\nCOPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/\n",
        "FROM scratch\nRUN --mount=type=bind,from=alpine,target=/x ls\n",
        "# syntax=docker/dockerfile:1\nFROM scratch\n",
        f"FROM python:3.12-slim{DIGEST[:-1]}\n",
    ]
    assert [text for text in moving if len([*pins.bases("it", text, {})]) != 1] == []
    fixed = [
        "ARG BASE=python:3.12-slim\nFROM $BASE AS one\nFROM one\nCOPY --from=one / /\n",
        *(f"FROM python:3.12-slim{DIGEST}\n", "FROM scratch\n# FROM python\n"),
    ]
    assert [line for text in fixed for line in pins.bases("it", text, {})] == []


def test_a_release_gives_each_base_by_its_digest(
    commit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add(commit, "Dockerfile", "ARG BASE=python:3.12-slim\nFROM ${BASE}\n")
    monkeypatch.setattr(release_check, "ROOT", commit)
    monkeypatch.setattr(release_check, "locks", lambda *_: [])
    assert release_check.main(["--base", f"BASE=python:3.12-slim{DIGEST}"]) == 0
    assert capsys.readouterr().out.startswith("Ready: ")
    for base in (
        *("", "BASE=python:3.12-slim", "BASE=python:3.12-slim@", f"BASE=alpine{DIGEST}"),
        *(f"BASE=python:3.12-slim{DIGEST[:-1]}", f"OTHER=python:3.12-slim{DIGEST}"),
    ):
        assert release_check.main(["--base", base]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert "expected --base BASE=python:3.12-slim@sha256:" in said.err
