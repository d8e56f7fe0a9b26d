"""API keys: who holds one, for what. Only their SHA-256 digests are ever written down.

    python -m service.keys shop --scope predict --append keys.toml

prints a new key once, and adds the lines that let it in. A file of keys reads

    [[key]]
    name = "shop"
    scope = "predict"       # or "admin"
    sha256 = "9f86d0818..."
    rate = 50               # requests a second, where RATE_LIMIT is not right; may be left out

and is read once a second. A key has 256 random bits, so that a fast digest is enough.
"""

import argparse
import logging
import os
import re
import secrets
import stat
import sys
import threading
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.numbers import decimal_argument

log = logging.getLogger("service.keys")

Scope = Literal["predict", "admin"]
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
ENTRY = re.compile(rf"({NAME}):([0-9a-fA-F]{{64}})")
MADE_WITH = "make one with 'python -m service.keys NAME'"
SECONDS = 1.0  # between two looks at the file
LARGEST = 1 << 20  # bytes of it


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
    return _parsed(path, _content(path))


def _content(path: Path) -> bytes:
    """What a file holds; a pipe in its place is not waited for."""
    with open(path, "rb", opener=lambda name, how: os.open(name, how | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path} is no file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path} has more bytes than the {LARGEST:,} that it may have")
    return content


def _parsed(path: Path, content: bytes) -> tuple[Key, ...]:
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


class Keys:
    """The keys that are let in: those given at the start, and those of a file as it is now."""

    def __init__(self, given: Iterable[Key] = (), file: Path | None = None) -> None:
        self._given = tuple(given)
        self._file = file
        self._all = self._given
        self._content: bytes | None = None  # of the file as it was when its keys were taken
        self._trouble = ""
        self._looked = 0.0
        self._looking = threading.Lock()
        self._follow()

    def find(self, secret: str) -> Key | None:
        """The key whose digest the secret has.

        All are compared, each in constant time, so that how long it takes tells nothing.
        """
        digest = sha256(secret.encode(errors="replace")).digest()
        found = None
        for key in self.all():
            if compare_digest(key.digest, digest):
                found = key
        return found

    def all(self) -> tuple[Key, ...]:
        """Every key that is let in now."""
        if self._file and monotonic() - self._looked > SECONDS:
            self._follow()
        return self._all

    def holds(self, scope: Scope) -> bool:
        """Whether there is any key of this scope."""
        return any(key.scope == scope for key in self.all())

    def _follow(self) -> None:
        """Take the keys of the file where it is another than before, or could not be read.

        What cannot be read leaves the keys as they were, and is read again at the next look.
        """
        if not self._file or not self._looking.acquire(blocking=False):
            return
        try:
            content = _content(self._file)
            if content != self._content or self._trouble:
                self._all = distinct([*self._given, *_parsed(self._file, content)])
                self._content, self._trouble = content, ""
                log.info("%s holds: %s", self._file, ", ".join(map(_told, self._all)) or "no key")
        except (OSError, ValueError) as error:
            self._tell(str(error.strerror if isinstance(error, OSError) else error))
        finally:
            self._looked = monotonic()
            self._looking.release()

    def _tell(self, why: str) -> None:
        """Log trouble once, not at every look."""
        if self._trouble != why:
            log.error("KEYS_FILE %s cannot be read, the keys stay: %s.", self._file, why)
        self._trouble = why


def _told(key: Key) -> str:
    return f"{key.name} ({key.scope})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a key: the key itself on standard output, all else on standard error."""
    options = _options(arguments)
    secret = "calories_" + secrets.token_urlsafe(32)
    digest = sha256(secret.encode()).hexdigest()
    try:
        if options.append:
            _append(options.append, options, digest)
    except (OSError, ValueError) as error:
        print(f"keys: {error}; nothing was added.", file=sys.stderr)
        return 1
    print(secret, flush=True)
    print("This key is not shown again. The line that lets it in:", file=sys.stderr)
    print(f"  {options.scope.upper()}_KEYS={options.name}:{digest}", file=sys.stderr)
    if options.append:
        print(f"It is in {options.append}; no restart is needed.", file=sys.stderr)
    return 0


def _append(path: Path, options: argparse.Namespace, digest: str) -> None:
    """Add the key to the file, which is made for its owner alone; raises ValueError, OSError.

    One write, so that a service which looks meanwhile finds the key whole or not at all.
    """
    known = read(path) if path.exists() else ()
    distinct([*known, Key(options.name, options.scope, bytes.fromhex(digest))])
    lines = [
        "",
        "[[key]]",
        f'name = "{options.name}"',
        f'scope = "{options.scope}"',
        f'sha256 = "{digest}"',
        *([f"rate = {options.rate}"] if options.rate else []),
        "",
    ]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:  # noqa: PTH123
        file.write("\n".join(lines))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service.keys", description="Make an API key.")
    parser.add_argument("name", help="whose key it is; the access log tells it")
    parser.add_argument("--scope", choices=("predict", "admin"), default="predict")
    parser.add_argument("--append", type=Path, metavar="FILE", help="add it to a KEYS_FILE")
    parser.add_argument("--rate", type=decimal_argument(), help="its own requests a second")
    options = parser.parse_args(arguments)
    if not re.fullmatch(NAME, options.name):
        parser.error(f"expected a name of letters, digits and . _ -, received {options.name!r}")
    if options.rate is not None and options.rate <= 0:
        parser.error(f"expected a --rate above 0, received {options.rate:g}")
    if options.rate and not options.append:
        parser.error("--rate is kept in a file: give --append FILE, or set RATE_LIMIT for all keys")
    return options


if __name__ == "__main__":
    sys.exit(main())
