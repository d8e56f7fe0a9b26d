"""What a release is made with, by names that cannot come to mean something else.

A tag moves: whoever may move that of an action runs with the token that publishes, whoever may
move that of an image is in all that is built on it. So an action is named by the commit of a
release, and a Dockerfile takes its base as a build argument, for which a release gives a digest.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

ACTION = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
RELEASE = r"[\"']?\s+# v\d+\.\d+\.\d+$"
DIGEST = r"@sha256:[0-9a-f]{64}"
BUILD = "docker/build-push-action@"
CHECKED = "${{ needs.check.outputs.base }}"  # what `make release-check` was given as --base

COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)
DEFAULT = re.compile(r"^ARG\s+(\w+)=(\S+)", re.MULTILINE | re.IGNORECASE)
STAGE = re.compile(r"^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.MULTILINE | re.IGNORECASE)
TAKEN = re.compile(r"\bfrom=([^\s,]+)", re.IGNORECASE)  # COPY --from=, RUN --mount=from=
SYNTAX = re.compile(r"^#\s*syntax\s*=\s*(\S+)", re.MULTILINE | re.IGNORECASE)
ARGUMENT = re.compile(r"\$\{?(\w+)\}?")


def actions(file: str, text: str) -> Iterator[str]:
    """What is in the way in a workflow."""
    for step in _steps(yaml.safe_load(text)):
        action = str(step["uses"])
        named = re.search(re.escape(action) + RELEASE, text, re.MULTILINE)
        if not action.startswith("./") and not (ACTION.fullmatch(action) and named):
            yield (
                f"{file} uses {action}: expected the commit of a release and its name, as "
                "actions/checkout@, 40 hexadecimal digits, # v5.1.0."
            )
        if action.startswith(BUILD) and step.get("with", {}).get("build-args") != CHECKED:
            yield f"{file} builds on what a tag means: expected build-args: {CHECKED}."


def bases(file: str, text: str, given: Mapping[str, str]) -> Iterator[str]:
    """What is in the way in a Dockerfile, and in the images that are given for its arguments."""
    defaults = dict(DEFAULT.findall(text))
    stages: set[str] = set()
    images = SYNTAX.findall(text)
    instructions = COMMENT.sub("", text).replace("\\\n", " ")
    for image, name in STAGE.findall(instructions):
        argument = ARGUMENT.fullmatch(image)
        if argument and argument[1] in defaults:
            yield from _given(file, argument[1], defaults[argument[1]], given)
        elif image not in stages:
            images.append(image)
        stages.add(name)
    images += [image for image in TAKEN.findall(instructions) if image not in stages]
    for image in images:
        if image != "scratch" and not re.search(f"{DIGEST}$", image):
            yield (
                f"{file} is built on {image}: expected an ARG before the first FROM, for which a "
                "release gives a digest."
            )


def _given(file: str, name: str, default: str, given: Mapping[str, str]) -> Iterator[str]:
    """Nothing is given but in a release."""
    image = given.get(name, "")
    if given and not re.fullmatch(re.escape(default) + DIGEST, image):
        yield f"{file} is built on {image or 'a tag'}: expected --base {name}={default}@sha256:…"


def _steps(document: Any) -> Iterator[dict[str, Any]]:
    """Every part of a document that uses an action or a workflow."""
    parts = document.values() if isinstance(document, dict) else document
    if isinstance(document, dict) and "uses" in document:
        yield document
    if isinstance(document, dict | list):
        for part in parts:
            yield from _steps(part)
