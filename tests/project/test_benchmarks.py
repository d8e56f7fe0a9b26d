"""The benchmarks' own instruments: what they read, count and refuse."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import capacity, load, soak
from benchmarks.bodies import ONE, Body, WrongAnswer, predictions
from benchmarks.load import LoadFailed, Window, read_autocannon, read_wrk
from benchmarks.machine import Machine
from benchmarks.measure import Plan, Record, Sample, measure
from benchmarks.processes import memory, processor_seconds, tree
from benchmarks.report import BEGIN, END, report, write
from benchmarks.results import Results, Soak
from benchmarks.server import SubjectFailed, serving
from benchmarks.started import started
from benchmarks.subjects import BARE, GUNICORN, ROOT, SERVICE, Cell, Subject
from benchmarks.targets import TARGETS
from tests.needs import need

CORE = min(os.sched_getaffinity(0))
PLAN = Plan(CORE, ROOT / ".venv", seconds=0.2)
WRK = '{"requests":%d,"seconds":0.5,"failed":%d,"p50":210.5,"p99":900}\n'
FAULTS = ("errors", "timeouts", "non2xx")


def autocannon(**faults: int) -> str:
    latency = {"p50": 1, "p99": 4}
    said = {"requests": {"total": 9}, "duration": 1.0, "latency": latency}
    return json.dumps(said | dict.fromkeys(FAULTS, 0) | faults)


BUSY = """
import os, subprocess, sys, time
seconds = float(sys.argv[1])
while time.process_time() < seconds: pass
if len(sys.argv) > 2:
    subprocess.run([sys.executable, __file__, sys.argv[2]], stdin=subprocess.DEVNULL)
    print("burnt", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("read", "output", "sentence"),
    [
        (read_wrk, WRK % (2000, 3), "3 of 2000 requests failed"),
        (read_wrk, "unable to connect", "unable to connect"),
        (read_wrk, "", "it printed nothing"),
        *(
            (read_autocannon, autocannon(**{fault: 1}), "1 of 9 requests failed")
            for fault in FAULTS
        ),
    ],
)
def test_a_failed_request_fails_the_window(
    read: Callable[[str], Window], output: str, sentence: str
) -> None:
    with pytest.raises(LoadFailed, match=sentence):
        read(output)


def test_what_was_counted_is_read() -> None:
    assert read_wrk("Running 1m test\n" + WRK % (2000, 0)) == Window(2000, 0.5, 210.5, 900)
    assert read_autocannon(autocannon()) == Window(9, 1.0, 1000, 4000)


def test_processor_time_counts_living_and_reaped_processes(tmp_path: Path) -> None:
    script = tmp_path / "busy.py"
    script.write_text(BUSY)
    command = [sys.executable, script, "0.2", "0.3"]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == "burnt\n"
        assert 0.48 < processor_seconds(process.pid) < 2
        assert memory(process.pid).rss > memory(process.pid).pss > 1e6
        process.communicate("")


@pytest.mark.parametrize("body", [ONE, Body("rows", 3), Body("columns", 3)], ids=str)
def test_answers_are_held_against_the_twin(body: Body) -> None:
    calories = predictions(body.count).tolist()
    forms = {
        "row": {"calories": calories[0]},
        "rows": {"predictions": [{"calories": each} for each in calories]},
        "columns": {"calories": calories},
    }
    body.check(json.dumps(forms[body.form]).encode())
    with pytest.raises(WrongAnswer, match=r"differ from the twin's by|expected"):
        body.check(b'{"calories":100}')


def test_a_constant_is_served_on_a_free_port_and_ends(tmp_path: Path) -> None:
    with serving(GUNICORN, CORE, tmp_path) as server:
        ONE.check(server.post(ONE))
        started = tree(server.pid)
    assert server.start > 0
    assert len(started) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


def test_a_window_ends_however_short_it_is(tmp_path: Path) -> None:
    need("wrk")
    body = tmp_path / "body.json"
    body.write_bytes(ONE.content())
    with serving(BARE, CORE, tmp_path) as server:
        for seconds in (0.001, 0.01, 0.1):
            assert load.run(server.url(ONE), body, 2, seconds).requests >= 0


def test_a_subject_is_measured() -> None:
    need("wrk")
    subject = replace(SERVICE, cells=(Cell(ONE, 2), Cell(Body("columns", 10), 1)))
    kept: list[Record] = []
    measure([subject], 1, PLAN, [], kept.append)
    [record] = kept
    assert not record.failure
    assert [sample.body for sample in record.samples] == ["one row", "10 rows as columns"]
    assert all(sample.processor > 0 < sample.rate for sample in record.samples)


def test_a_subject_that_fails_is_told_and_the_others_go_on() -> None:
    broken = Subject("broken", "floor", "service", ("-c", "raise SystemExit('out of luck')"), ())
    kept: list[Record] = []
    constant = replace(BARE, cells=())
    measure([broken, constant], 2, PLAN, [(1, constant.name)], kept.append)
    assert [(each.subject, each.round) for each in kept] == [("broken", 1), (constant.name, 2)]
    assert "exit code 1" in kept[0].failure
    assert "out of luck" in kept[0].failure


def test_a_setting_the_service_lacks_is_no_silent_default(tmp_path: Path) -> None:
    subject = Subject("s", "service", "service", ("-m", "service"), (), {"FAST_PAHT": "1"})
    with (
        pytest.raises(SubjectFailed, match="no setting FAST_PAHT"),
        serving(subject, CORE, tmp_path),
    ):
        pass


def test_targets_are_met_missed_or_not_measured() -> None:
    found = {target.name: target.found(_results(490.0)) for target in TARGETS}
    first, *_ = TARGETS
    assert found[first.name] == pytest.approx(4.9)
    assert first.met(4.9)
    assert not first.met(5.1)
    assert found["FastAPI + LiteRT, over one row"] is None
    text = report(_results(540.0))
    assert f"| {first.name} | ≤ 5 times | 5.40 times | **not met** |" in text
    assert "not measured" in text


def test_the_report_replaces_what_stands_between_the_markers(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write("new", document)
    assert document.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


@pytest.mark.parametrize(("grown", "code"), [(0.5, 0), (2.5, 1)])
def test_the_soak_fails_when_the_worker_grew_too_much(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    grown: float,
    code: int,
) -> None:
    end = 60_000_000 + int(grown * 1e6)
    found = Soak(minutes=10, requests=200_000, start=60_000_000, after=None, end=end)
    monkeypatch.setattr(soak, "soak", lambda *_: found)
    monkeypatch.setattr(soak, "RUNS", tmp_path)
    assert soak.main([]) == code
    assert capsys.readouterr().out.endswith(f"it grew by {grown:.2f} MB, of 2 that it may.\n")


def _results(processor: float) -> Results:
    """The service at so many microseconds, the constant at 100."""

    def record(subject: Subject, processor: float) -> Record:
        of = {"body": ONE.name, "connections": 16, "rows": 1}
        sample = Sample.model_validate(dict.fromkeys(Sample.model_fields, processor) | of)
        return Record(round=1, subject=subject.name, samples=[sample])

    machine = Machine.model_validate({**dict.fromkeys(Machine.model_fields, "9"), "versions": {}})
    return Results([record(SERVICE, processor), record(BARE, 100.0)], machine)


def test_what_a_rate_needs_is_told_as_it_is_computed() -> None:
    told = (ROOT / "docs" / "scale.md").read_text().splitlines()
    lines = list(capacity.needs())
    assert len(lines) == 2 + len(capacity.RATES)
    assert [line for line in lines if line not in told] == []
