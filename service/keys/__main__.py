"""python -m service.keys shop --scope predict --append keys.toml: make an API key.

It prints the new key once, and adds the lines that let it in.
"""

import argparse
import os
import re
import secrets
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from models.numbers import decimal_argument
from service.keys.parse import NAME, Key, distinct, read


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
