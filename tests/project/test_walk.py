"""Every code block of the README and of docs/ runs, in a fresh clone against a real service."""

from pathlib import Path

import pytest

from tests.markdown import Block, blocks, documents
from tests.reader import alike, need_programs, parsed, reading
from tests.servers import ROOT

TYPED = ("sh", "python")
SHOWN = ("", "text", "json", "csv")
DATA = ("json", "toml", "yaml")
NOT_RUN = "not run: "

WALKED = [
    path
    for path in documents()
    if (path == ROOT / "README.md" or path.is_relative_to(ROOT / "docs")) and list(blocks(path))
]


@pytest.mark.parametrize("document", WALKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_does_what_the_document_says(document: Path, tmp_path: Path) -> None:
    for block in blocks(document):
        if block.language == "sh" and not block.remark.startswith(NOT_RUN):
            need_programs(block)
    shown = None
    with reading(tmp_path) as reader:
        try:
            for block in blocks(document):
                if block.remark.startswith(NOT_RUN):
                    shown = None
                elif block.language in TYPED:
                    shown = reader.type(block)
                elif shown is not None and block.follows and block.language in SHOWN:
                    same = alike(block.code, shown, trained=block.remark == "trained")
                    assert same, f"{block}: the document has\n{block.code}\nand shown was\n{shown}"
                    shown = None
                else:
                    assert block.language in DATA, f"{block}: nothing is known to do with it"
                    parsed(block)
        except AssertionError as error:
            error.add_note(f"{block}\n{reader.log.read_text() if reader.log.exists() else ''}")
            raise


@pytest.mark.parametrize(
    ("expected", "shown", "trained", "same"),
    [
        ("105.1 kcal", "105.1 kcal\n", False, True),
        ("105.1 kcal", "105.2 kcal", False, False),
        ("105.1 kcal", "105.2 kcal", True, True),
        ("105.1 kcal", "119.2 kcal", True, False),
        ("105.1 kcal", "105.1 g", True, False),
        ("first\n…\nlast", "first\nsecond\nthird\nlast", False, True),
        ("first\n…\nlast", "first\nsecond\nthird", False, False),
        ("first 1\nsecond …\nlast", "first 1  \nsecond   \nlast \n", False, True),
    ],
)
def test_a_wrong_answer_is_seen(expected: str, shown: str, trained: bool, same: bool) -> None:
    assert alike(expected, shown, trained=trained) is same


@pytest.mark.parametrize("code", ["false\ntrue\n", "python3 -c 'import ai_edge_litert'\n"])
def test_a_command_that_fails_or_lacks_the_packages_is_seen(tmp_path: Path, code: str) -> None:
    wrong = Block(ROOT / "README.md", 1, "sh", code, "", follows=False)
    with reading(tmp_path) as reader, pytest.raises(AssertionError, match="ended with 1"):
        reader.type(wrong)


def test_few_blocks_are_passed_over_and_each_says_why() -> None:
    every = (block for document in WALKED for block in blocks(document))
    told = [f"{it}: {it.remark}" for it in every if it.remark.startswith(NOT_RUN)]
    assert len(told) <= 20, "\n".join(told)
    assert all(len(each.partition(NOT_RUN)[2]) > 5 for each in told)
