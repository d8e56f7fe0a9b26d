"""make reference: write docs/settings.md from service/settings.py, which says all of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.registry import SHELF
from service.settings import Settings

DOCUMENT = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """\
# Settings

<!-- written by make reference -->

Every setting is an environment variable, and an option of the command line under the same name
in small letters: `PORT=9000 make serve`, or `python -m service --port 9000`. The option goes
before the variable. What cannot be right is refused at the start, with the variable, what was
expected and what came.

| variable | takes | default | |
|---|---|---|---|
"""


def document() -> str:
    """The text of docs/settings.md."""
    return HEAD + "".join(rows())


def rows() -> Iterator[str]:
    """One row of the table a setting, in the order of service/settings.py."""
    schema = Settings.model_json_schema()["properties"]
    for name, field in Settings.model_fields.items():
        what = " ".join((field.description or "").split()).replace("|", "\\|")
        what = re.sub(r"docs/(\w+\.md)", r"[\1](\1)", what)
        yield f"| `{name.upper()}` | {takes(schema[name])} | {default(field.default)} | {what} |\n"


def takes(schema: dict[str, Any]) -> str:
    """What a setting may be, from its JSON schema."""
    kind = next((k for k in schema.get("anyOf", ()) if k.get("type") != "null"), schema)
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind["type"] == "boolean":
        return "`true`, `false`"
    if kind["type"] == "string":
        return "a path" if kind.get("format") == "path" else "text"
    return f"{'a whole number' if kind['type'] == 'integer' else 'a number'}{bounds(kind)}"


def bounds(schema: dict[str, Any]) -> str:
    """From where to where a number may be."""
    low, least, high = (
        f"{schema[name]:,.16g}" if name in schema else ""
        for name in ("minimum", "exclusiveMinimum", "maximum")
    )
    above = f" above {least}" if least else ""
    if low and high:
        return f" from {low} to {high}"
    return above + (f" from {low}" if low else "") + (f" up to {high}" if high else "")


def default(value: object) -> str:
    """A default as one would write it into the environment."""
    if value is None or value == "":
        return ""
    if value == SHELF:
        return "`models`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    DOCUMENT.write_text(document())
