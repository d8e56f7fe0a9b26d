"""API keys as they are written: in settings, and in a file.

    [[key]]
    name = "shop"
    scope = "predict"       # or "admin"
    sha256 = "9f86d0818..."
    rate = 50               # requests a second, where RATE_LIMIT is not right; may be left out

Only their SHA-256 digests are ever written down. A key has 256 random bits, so that a fast digest
is enough.
"""

import os
import re
import stat
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Scope = Literal["predict", "admin"]
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
ENTRY = re.compile(rf"({NAME}):([0-9a-fA-F]{{64}})")
MADE_WITH = "make one with 'python -m service.keys NAME'"
LARGEST = 1 << 20  # bytes of a file


class Key(NamedTuple):
    """One key: what it may do, and how many requests a second (None: as RATE_LIMIT says)."""

    name: str
    scope: Scope
    digest: bytes
    rate: float | None = None


class _Written(BaseModel):
    """One `[[key]]` of a file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=f"^{NAME}$")
    scope: Scope
    sha256: str = Field(pattern="^[0-9a-fA-F]{64}$")
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: list[_Written] = []


KNOWN = {*_File.model_fields, *_Written.model_fields}  # other names are not repeated


def parse(text: str, scope: Scope) -> tuple[Key, ...]:
    """The keys of `name:digest,name2:digest2`; none for an empty text.

    Raises ValueError, which never repeats the text: someone may have put a key in it.
    """
    keys = []
    for number, entry in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        found = ENTRY.fullmatch(entry)
        if not found:
            raise ValueError(
                f"expected name:digest, the digest in 64 hexadecimal digits; entry {number} is "
                f"not that ({MADE_WITH})"
            )
        keys.append(Key(found[1], scope, bytes.fromhex(found[2])))
    return distinct(keys)


def read(path: Path) -> tuple[Key, ...]:
    """The keys of a file; raises ValueError or OSError, which repeat nothing of its content."""
    return parsed(path, content_of(path))


def content_of(path: Path) -> bytes:
    """What a file holds, as `read` reads it; a pipe in its place is not waited for."""
    with open(path, "rb", opener=lambda name, how: os.open(name, how | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path} is no file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path} has more bytes than the {LARGEST:,} that it may have")
    return content


def parsed(path: Path, content: bytes) -> tuple[Key, ...]:
    """The keys in the content of a file; raises ValueError."""
    try:
        found = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        at = re.search(r" \(at .*\)$", str(error))
        raise ValueError(f"{path} is no TOML{at[0] if at else ''}") from None
    try:
        written = _File.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(it) for it in first["loc"] if it in KNOWN or isinstance(it, int))
        raise ValueError(f"{path}: {place}: {first['msg']} ({MADE_WITH})") from None
    except (ValueError, RecursionError):  # Python's own, of the TOML reader
        raise ValueError(f"{path} has a number that is too long, or is nested too deep") from None
    return distinct(
        [Key(it.name, it.scope, bytes.fromhex(it.sha256), it.rate) for it in written.key]
    )


def distinct(keys: Iterable[Key]) -> tuple[Key, ...]:
    """The keys, if a name in a log tells one of them; raises ValueError."""
    keys = tuple(keys)
    for (scope, name), times in Counter((key.scope, key.name) for key in keys).items():
        if times > 1:
            raise ValueError(f"two keys for {scope} are named '{name}'; give each its own name")
    return keys
