"""python -m benchmarks: measure the subjects, print the report, write it into the docs."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.chart import draw
from benchmarks.load import LoadFailed, generator
from benchmarks.machine import describe
from benchmarks.measure import Plan, measure
from benchmarks.report import DOCUMENT, report, write
from benchmarks.subjects import PEERS, ROOT, SUBJECTS, Subject


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 1, with a sentence, when something failed."""
    options = _parser().parse_args(arguments)
    try:
        if not options.report:
            _run(options)
        found = results.results()
    except (LoadFailed, results.NotMeasured, CannotMeasure) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = report(found)
    print(text)
    if options.write:
        write(text)
        draw(found, DOCUMENT.with_suffix(".svg"))
    for name, reason in found.failures.items():
        print(f"bench: {name} failed: {reason}", file=sys.stderr)
    return 1 if found.failures else 0


class CannotMeasure(Exception):
    """This machine does not allow it."""


def _run(options: argparse.Namespace) -> None:
    """Measure on two cores: the subjects on the first, the load and this process on the last."""
    generator()
    if not sys.platform.startswith("linux"):
        raise CannotMeasure("processor time and memory are read from Linux's /proc")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise CannotMeasure("two cores are needed: one for the servers, one for the load")
    subjects = _chosen(options)
    if not options.resume:
        (results.RUNS / "records.jsonl").unlink(missing_ok=True)
    peers = [each.environment for each in subjects if each.kind == "peer"]
    results.RUNS.mkdir(parents=True, exist_ok=True)
    machine = describe(ROOT, options.environments, peers)
    (results.RUNS / "machine.json").write_text(machine.model_dump_json(indent=2))
    os.sched_setaffinity(0, {cores[-1]})
    done = [(each.round, each.subject) for each in results.records() if not each.failure]
    plan = Plan(cores[0], options.environments, options.seconds)
    measure(subjects, options.rounds, plan, done, results.keep)


def _chosen(options: argparse.Namespace) -> list[Subject]:
    subjects = [*SUBJECTS, *(PEERS if options.peers else ())]
    if not options.only:
        return subjects
    names = options.only.lower()
    return [each for each in (*SUBJECTS, *PEERS) if names in each.name.lower()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="measure what people write today, too")
    parser.add_argument("--only", default="", help="subjects with this in their name")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--seconds", type=float, default=0.6, help="a window; default: 0.6")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument(
        "--report", action="store_true", help="report the last run, measure nothing"
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.md as well")
    parser.add_argument(
        "--environments", type=Path, default=ROOT / ".venv", help="where they are; default: .venv"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
