"""A wall clock that can be set, for a program that is started with its settings."""

import struct
import subprocess
from pathlib import Path

from tests.needs import need

HERE = Path(__file__).parent


class Clock:
    """A real one until it is set; the machine's own is never touched."""

    def __init__(self, folder: Path) -> None:
        library = folder / "clock.so"
        source = HERE / "clock.c"
        options = ("-shared", "-fPIC", "-Wall", "-Werror")
        subprocess.run([need("cc"), *options, "-o", library, source], check=True)
        self._file = folder / "clock"
        self._file.write_bytes(struct.pack("q", 0))
        self.settings = {"ld_preload": library, "clock_file": self._file}

    def set_back(self, seconds: int) -> None:
        """Let it be so many seconds earlier, from one moment to the next."""
        with self._file.open("r+b") as file:  # in place, for it is shared memory
            file.write(struct.pack("q", -seconds))
