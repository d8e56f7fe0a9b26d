"""Markdown documents as what a test asks of them: code blocks, links and headings."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.servers import ROOT

FOREIGN = ("http://", "https://", "mailto:")


@dataclass(frozen=True)
class Block:
    """A block of code."""

    document: Path
    line: int  # of its first line of code, from 1
    language: str
    code: str
    remark: str  # the HTML comment right above it, such as "not run: needs a cluster"
    follows: bool  # whether nothing but a remark stands between the block before and this one

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """The documents of the repository, without what was installed or trained beside them."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(path for name in listed.stdout.split() if (path := ROOT / name).exists())


def tokens(document: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(document.read_text())


def blocks(document: Path) -> Iterator[Block]:
    """The blocks of code in their order; an indented one, which has no language, is `indented`."""
    remark, follows = "", False
    for token in tokens(document):
        if token.type in {"fence", "code_block"}:
            assert token.map
            line = token.map[0] + 2
            language = token.info.strip() if token.type == "fence" else "indented"
            yield Block(document, line, language, token.content, remark, follows)
            remark, follows = "", True
        elif token.type == "html_block":
            remark = token.content.strip().removeprefix("<!--").removesuffix("-->").strip()
        else:
            remark, follows = "", False


def links(document: Path) -> Iterator[str]:
    """Where its links and pictures lead, without those that leave the repository."""
    for token in tokens(document):
        for child in token.children or ():
            target = str(child.attrs.get("href") or child.attrs.get("src") or "")
            if target and not target.startswith(FOREIGN):
                yield target


def anchors(document: Path) -> set[str]:
    """The fragments that GitHub gives to its headings."""
    seen: Counter[str] = Counter()
    found = set()
    parsed = tokens(document)
    for opening, inside in pairwise(parsed):
        if opening.type == "heading_open":
            words = "".join(child.content for child in inside.children or ())
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return found
