"""Two commands at once on one registry: what each decides by is still so when it writes."""

import multiprocessing
import sys
from collections.abc import Callable

from models.__main__ import main
from models.registry import Registry
from models.signing import verifier
from tests.conftest import Keys, Publish
from tests.servers import PATIENCE, await_

FORK = multiprocessing.get_context("fork")


def when(event: str, name: str, then: Callable[[], object]) -> None:
    """Call `then` when this process is about to do what CPython calls `event` to such a file."""

    def hook(happening: str, arguments: tuple[object, ...]) -> None:
        if happening == event and name in str(arguments[0]):
            then()

    sys.addaudithook(hook)


def run(prepare: Callable[[], object], registry: Registry, command: str) -> None:
    prepare()
    sys.exit(main(["--registry", str(registry.root), *command.split()]))


def at_once(registry: Registry, first: str, name: str, second: str) -> tuple[int | None, ...]:
    """The exit codes of two commands.

    The first stops before it renames `name`, until the second waits for the lock or has ended.
    """
    there, waiting = FORK.Event(), FORK.Event()

    def stop() -> None:
        there.set()
        waiting.wait(PATIENCE)

    one = FORK.Process(target=run, args=(lambda: when("os.rename", name, stop), registry, first))
    other = FORK.Process(
        target=run, args=(lambda: when("fcntl.flock", "", waiting.set), registry, second)
    )
    try:
        one.start()
        await_(there.is_set, f"'{first}' renames {name}")
        other.start()
        await_(lambda: waiting.is_set() or not other.is_alive(), f"'{second}' waits or ends")
        waiting.set()
        one.join(PATIENCE)
        other.join(PATIENCE)
    finally:
        for child in (one, other):
            if child.pid:
                child.kill()
                child.join()
    return one.exitcode, other.exitcode


def test_no_label_is_put_at_a_version_that_is_being_pruned(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    publish_text()
    ended = at_once(registry, "prune half --keep 1", "half/1", "label half stable 1")
    assert registry.versions("half") == (2,)
    assert registry.labels("half") == {"stable": 2}
    assert ended == (0, 1)


def test_two_who_sign_a_version_leave_it_signed(
    registry: Registry, publish_text: Publish, keys: Keys
) -> None:
    publish_text()
    sign = f"sign half 1 --private-key {keys.private}"
    assert at_once(registry, sign, "model.sig", sign) == (0, 0)
    assert Registry(registry.root, verifier(keys.public)).verify("half", 1)
