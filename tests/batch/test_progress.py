"""The progress bar of a scoring job: drawn for who looks, and for nobody else."""

import io
import sys
from types import SimpleNamespace

import pytest

from service.batch.progress import EVERY, WIDTH, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(screen: io.StringIO) -> list[str]:
    """The lines that were written over one another."""
    return [line.removesuffix("\x1b[K") for line in screen.getvalue().split("\r")[1:]]


def test_a_terminal_is_shown_the_share_and_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    Progress()(0.5, 1_000_000)
    [line] = drawn(screen)
    assert line.startswith(f"{'█' * (WIDTH // 2)}{'░' * (WIDTH // 2)}  50%  1,000,000 rows  ")


def test_the_end_is_drawn_and_then_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress()
    progress(0.5, 1)
    progress(1, 2)
    progress.close()
    assert drawn(screen)[-2:] == [f"{'█' * WIDTH} 100%  2 rows  0 s left", ""]


def test_it_is_not_drawn_more_often_than_an_eye_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    moments = iter([0.0, 10.0, 10.0 + EVERY / 2, 10.0 + EVERY * 2])
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr("service.batch.progress.time", clock)
    progress = Progress()
    for rows in (1, 2, 3):
        progress(0.1, rows)
    assert [line.split("  ")[-2] for line in drawn(screen)] == ["1 rows", "3 rows"]


def test_a_file_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    progress = Progress()
    progress(0.5, 1)
    progress.close()
    assert not file.getvalue()
