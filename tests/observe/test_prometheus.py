"""A real Prometheus scrapes the service with the shipped configuration, rules and dashboard."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
import requests
import yaml

from benchmarks.started import started
from models.publish import import_version
from models.registry import Registry
from service.observe.metrics.families import FAMILIES
from tests.needs import need
from tests.servers import PATIENCE, ROOT, ROW, Server, await_, free_port, running, shown

DEPLOY = ROOT / "deploy" / "prometheus"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "calories.json").read_text())
RULES = yaml.safe_load((DEPLOY / "rules.yml").read_text())["groups"]
TARGETS = [
    target["expr"].replace("$__rate_interval", "1m").replace("$model", ".*")
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
RECORDED = [rule["record"] for group in RULES for rule in group["rules"] if "record" in rule]
KEY = "the-key-of-prometheus"
HEADERS = {"X-API-Key": KEY}


def promtool(*arguments: str, given: str | None = None) -> str:
    """What it has to say of these arguments, in the folder of the shipped configuration."""
    command = [need("promtool"), *arguments]
    done = subprocess.run(
        command, cwd=DEPLOY, input=given, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Iterator[Server]:
    """A service with a key, whose second version of `calories` is broken."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "registry").mkdir()
    registry = Registry(folder / "registry")
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1), promote=False)
    (registry.folder("calories", 2) / "model.tflite").write_bytes(b"")
    keys = f"prometheus:{sha256(KEY.encode()).hexdigest()}"
    with running(folder, registry=registry.root, workers=2, predict_keys=keys) as server:
        yield server


@pytest.fixture(scope="module")
def load(server: Server) -> Iterator[None]:
    """A few requests of all kinds, again and again."""
    over = threading.Event()
    columns = [{"name": n, "datatype": "FP32", "shape": [1], "data": [1]} for n in ROW]
    bodies = {
        "/predict": {"sugar": [50, 1], "fiber": [0, 2], "protein": [1, 3]},
        "/v1/models/calories:predict": {"instances": [ROW]},
        "/v2/models/calories/infer": {"inputs": columns},
    }

    def ask() -> None:
        with requests.Session() as session:
            while not over.wait(0.05):
                for path, body in bodies.items():
                    session.post(server.url + path, json=body, headers=HEADERS, timeout=PATIENCE)
                session.post(f"{server.url}/predict", json=ROW, timeout=PATIENCE)  # has no key

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture(scope="module")
def prometheus(
    server: Server, load: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a Prometheus with the shipped configuration, that looks twice a second."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(DEPLOY / "rules.yml")]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{server.port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "calories.key").write_text(KEY)
    command = [
        need("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    with (
        (folder / "log").open("w") as log,
        started(command, stdout=log, stderr=subprocess.STDOUT) as process,
        shown(Server(process, port, folder / "log")),
    ):
        await_(lambda: bool(query(url, "up == 1")), "the service is scraped")
        yield url


def query(url: str, expr: str) -> list[dict[str, Any]]:
    """What is found; nothing as long as Prometheus does not answer."""
    with suppress(requests.ConnectionError):
        answer = requests.get(f"{url}/api/v1/query", params={"query": expr}, timeout=PATIENCE)
        if answer.status_code != 503:  # it is starting
            found: list[dict[str, Any]] = answer.json()["data"]["result"]
            return found
    return []


@pytest.mark.parametrize(
    "what",
    [
        "check config --syntax-only prometheus.yml",  # the key's file lies where Prometheus runs
        "check rules rules.yml",
        "test rules rules_test.yml",
    ],
)
def test_what_prometheus_is_given_is_a_configuration_and_rules_that_hold(what: str) -> None:
    assert promtool(*what.split()) == ""


def test_every_alert_is_tried_and_says_what_to_do() -> None:
    tests = (DEPLOY / "rules_test.yml").read_text()
    alerts = [rule for group in RULES for rule in group["rules"] if "alert" in rule]
    for alert in alerts:
        assert alert["alert"] in tests
        assert alert["annotations"].keys() == {"summary", "action"}


def test_promtool_finds_the_exposition_clean(server: Server, load: None) -> None:
    text = requests.get(f"{server.url}/metrics", headers=HEADERS, timeout=PATIENCE).text
    linted = promtool("check", "metrics", given=text).splitlines()
    # Its one complaint is of the service's name, which is also a unit.
    pattern = re.compile(r'calories_\S+ use base unit "joules" instead of "calories"')
    assert [line for line in linted if not pattern.fullmatch(line)] == []
    assert "calories_requests_total{" in text


def test_prometheus_sees_what_was_asked(prometheus: str) -> None:
    for dialect in ("native", "tfserving", "v2"):
        expr = f'sum(calories_request_rows_count{{dialect="{dialect}"}}) > 5'
        await_(lambda expr=expr: bool(query(prometheus, expr)), f"{dialect} is counted")  # type: ignore[misc]
    [refused] = query(prometheus, 'calories_version_info{state="failed"}')
    assert "model.tflite" in refused["metric"]["reason"]


def test_every_target_of_the_dashboard_and_every_recorded_rule_has_data(prometheus: str) -> None:
    assert len(TARGETS) > 20
    for expr in (*TARGETS, *RECORDED):
        await_(lambda expr=expr: bool(query(prometheus, expr)), f"there is data: {expr}")  # type: ignore[misc]


def test_every_rule_is_healthy_and_tells_a_broken_version_and_a_skewed_load(
    prometheus: str,
) -> None:
    refused = 'ALERTS{alertname="CaloriesVersionRefused"}'
    await_(lambda: bool(query(prometheus, refused)), "the broken version is told")
    drift = 'job_model_version_input:calories_drift:distance1h{input="protein"} > 0.2'
    await_(lambda: bool(query(prometheus, drift)), "protein is not as in training")
    groups = requests.get(f"{prometheus}/api/v1/rules", timeout=PATIENCE).json()["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


def test_the_page_lists_every_metric_with_its_labels() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    told = re.findall(
        r"^\| `((?:calories|process)_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", page, re.MULTILINE
    )
    held = [
        (name, family.type, ", ".join(f"`{label}`" for label in family.labels), family.help)
        for name, family in FAMILIES.items()
    ]
    assert told == held


def test_no_rule_and_no_panel_names_a_metric_that_is_not_there() -> None:
    text = (DEPLOY / "rules.yml").read_text() + json.dumps(DASHBOARD["panels"])
    names = set(re.findall(r"(?<![:\w])((?:calories|process)_\w+)", text))
    known = {name + end for name in FAMILIES for end in ("", "_bucket", "_sum", "_count")}
    assert names <= known
