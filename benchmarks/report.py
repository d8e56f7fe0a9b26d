"""The tables, and their place in docs/performance.md."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bodies import BATCHES, BULK, ONE, Body
from benchmarks.machine import Machine
from benchmarks.measure import Sample
from benchmarks.results import NotMeasured, Results
from benchmarks.subjects import CONNECTIONS, PEERS, ROOT, SUBJECTS, Subject
from benchmarks.targets import MEGABYTE, TARGETS, Target

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"
PICTURE = "![Processor time a request of one row, and rows a second](performance.svg)"
LOAD = ["connections", "processor time a request, µs", "requests a second", "p50, ms", "p99, ms"]


def write(text: str, document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of the document."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document.name} lacks the lines '{BEGIN}' and '{END}'")
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def report(results: Results) -> str:
    """The whole of a run as Markdown."""
    sections = [
        _machine(results.machine, results.rounds),
        PICTURE,
        "### Targets",
        _targets(results),
        "### One row",
        _loads(results, [ONE]),
        "### Start and memory",
        _starts(results),
        "### Many rows",
        _loads(results, BATCHES),
        "### The cost a row, one connection",
        _bulk(results),
        *_failures(results),
    ]
    return "\n\n".join(sections)


def _machine(machine: Machine, rounds: int) -> str:
    versions = [f"- `{name}`: {found}" for name, found in machine.versions.items()]
    what = (
        f"{machine.date}, {machine.cores} cores ({machine.processor}), "
        f"{machine.memory / 2**30:.0f} GiB of memory, Python {machine.python}, "
        f"{machine.generator}; medians of {rounds} rounds; revision {machine.revision}."
    )
    return "\n".join([what, "", *versions])


def _targets(results: Results) -> str:
    return _table(
        ["target", "to reach", "found", ""],
        [_target(each, each.found(results)) for each in TARGETS],
    )


def _target(target: Target, found: float | None) -> list[str]:
    bound = f"{'≤' if target.at == 'most' else '≥'} {target.bound:g} {target.unit}"
    if found is None:
        return [target.name, bound, "", "not measured"]
    verdict = "met" if target.met(found) else "**not met**"
    return [target.name, bound, f"{found:.2f} {target.unit}", verdict]


def _loads(results: Results, bodies: Sequence[Body]) -> str:
    """A table of every subject, body and number of connections."""
    one = len(bodies) == 1
    lines = [
        [subject.name, *([] if one else [body.name]), *_figures(found)]
        for body in bodies
        for subject in (*SUBJECTS, *PEERS)
        for connections in CONNECTIONS
        if (found := _sample(results, subject, body, connections))
    ]
    return _table(["subject", *([] if one else ["body"]), *LOAD], lines)


def _sample(results: Results, subject: Subject, body: Body, connections: int) -> Sample | None:
    try:
        return results.sample(subject, body, connections)
    except NotMeasured:
        return None


def _figures(found: Sample) -> list[str]:
    return [
        str(found.connections),
        f"{found.processor:,.0f}",
        f"{found.rate:,.0f}",
        f"{found.p50 / 1000:.2f}",
        f"{found.p99 / 1000:.2f}",
    ]


def _bulk(results: Results) -> str:
    """The cost a row at one connection: it must go on falling with the size of the request."""
    bodies = [ONE, *(body for body in BATCHES if body.form == "columns"), *BULK]
    lines = [
        [
            subject.name,
            body.name,
            f"{found.processor:,.0f}",
            f"{found.processor / body.count:.3f}",
            f"{found.rate * body.count:,.0f}",
        ]
        for subject in SUBJECTS
        if _sample(results, subject, BULK[0], 1)
        for body in bodies
        if (found := _sample(results, subject, body, 1))
    ]
    return _table(["subject", "body", "µs a request", "µs a row", "rows a second"], lines)


def _starts(results: Results) -> str:
    lines = []
    for subject in (*SUBJECTS, *PEERS):
        if results.has(subject):
            pss, rss = (f"{size / MEGABYTE:.0f}" for size in results.memory(subject))
            lines.append([subject.name, f"{results.start(subject):.2f}", pss, rss])
    return _table(
        ["subject", "start to first answer, s", "worker PSS, MB", "worker RSS, MB"], lines
    )


def _failures(results: Results) -> list[str]:
    return [f"**{name} failed**: {why.splitlines()[0]}" for name, why in results.failures.items()]


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; columns of figures stand to the right."""
    marks = [
        "---:" if _is_figures([line[i] for line in lines]) else "---" for i in range(len(head))
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *lines))


def _is_figures(cells: Sequence[str]) -> bool:
    return bool(cells) and all(re.fullmatch(r"[\d.,]+", cell) for cell in cells)
