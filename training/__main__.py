"""python -m training: train and publish, adopt what was made elsewhere, or look for drift."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["drift"]:
        from training.drift.command import main as drift  # noqa: PLC0415

        return drift(given[1:])
    if given[:1] == ["adopt"]:
        from training.adopt.command import main as adopt  # noqa: PLC0415

        return adopt(given[1:])
    from training.commands import main as train  # noqa: PLC0415

    return train(given)


if __name__ == "__main__":
    sys.exit(main())
