"""The documents: their links lead somewhere, and the Chinese README keeps to the English one."""

from pathlib import Path

import pytest

from scripts import settings
from tests.markdown import anchors, blocks, documents, links, tokens
from tests.servers import ROOT

DOCUMENTS = documents()
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_the_repository_leads_somewhere(document: Path) -> None:
    for target in links(document):
        path, _, fragment = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.is_relative_to(ROOT), f"{target} leaves the repository"
        assert file.exists(), f"{target} is not there"
        if fragment:
            assert fragment in anchors(file), f"{target}: no such heading"


def test_the_index_links_every_document() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target).resolve() for target in links(index)}
    assert {*(ROOT / "docs").rglob("*.md")} - listed == {index}


def test_the_list_of_settings_is_the_settings() -> None:
    assert settings.DOCUMENT.read_text() == settings.document(), "write it with 'make reference'"


def words(readme: Path) -> set[str]:
    """What stands in code."""
    inline = (child for token in tokens(readme) for child in token.children or ())
    return {child.content for child in inline if child.type == "code_inline"}


def test_the_chinese_readme_has_the_blocks_links_and_words_in_code_of_the_english_one() -> None:
    english, chinese = ([b.code for b in blocks(path)] for path in (README, CHINESE))
    assert chinese == english
    assert {*links(CHINESE)} ^ {*links(README)} == {README.name, CHINESE.name}  # each the other
    assert words(CHINESE) == words(README)
