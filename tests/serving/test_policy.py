"""Which versions are loaded beside the labelled ones."""

import pytest
from pydantic import ValidationError

from service.serving.version_policy import parse
from service.settings import Settings

VERSIONS = (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("text", "calories", "deep"),
    [
        ("latest:2", (3, 4), (3, 4)),
        ("latest:9", VERSIONS, VERSIONS),
        ("all", VERSIONS, VERSIONS),
        ("calories=1,3; deep=2", (1, 3), (2,)),
        ("calories=1,3", (1, 3), ()),
        ("latest:1;calories=1,3", (1, 3), (4,)),
        ("calories=7;all", (7,), VERSIONS),
    ],
)
def test_a_policy_says_which_versions_of_which_model(
    text: str, calories: tuple[int, ...], deep: tuple[int, ...]
) -> None:
    policy = parse(text)
    assert policy.wanted("calories", VERSIONS) == calories
    assert policy.wanted("deep", VERSIONS) == deep


@pytest.mark.parametrize(
    "text",
    [
        "",
        "newest",
        "latest:0",
        "latest",
        "calories=",
        "calories=0",
        "calories=1;calories=2",
        "all;",
    ],
)
def test_anything_else_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="expected 'latest:2', 'all'"):
        parse(text)


def test_two_general_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        parse("all;latest:2")


def test_a_wrong_policy_is_a_wrong_setting() -> None:
    with pytest.raises(ValidationError, match="'newest' names no versions"):
        Settings(versions="newest")
