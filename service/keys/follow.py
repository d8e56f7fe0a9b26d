"""The keys that are let in, as a file of keys changes. It is read once a second."""

import logging
import threading
from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from time import monotonic

from service.keys.parse import Key, Scope, content_of, distinct, parsed

log = logging.getLogger("service.keys")

SECONDS = 1.0  # between two looks at the file


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
            content = content_of(self._file)
            if content != self._content or self._trouble:
                self._all = distinct([*self._given, *parsed(self._file, content)])
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
