"""Manifests that somebody else wrote: refused with a reason, and no trouble of another model."""

import json

import pytest
from flask.testing import FlaskClient

from models.publish import import_version, publish, staging
from models.registry import Registry, RegistryError
from service.app import create_app, create_host
from service.serving.host import Host
from service.settings import Settings
from tests.fuzz.manifests import WORST
from tests.fuzz.shelf import Shelf, attack, attack_in_process, judge
from tests.servers import ROW

NAMES = sorted(WORST)
PARTS_OF_TRAINING = ("architecture", "data", "evaluation", "interval")
ODD = {"no quantiles", "the largest float32"}
FINE = ODD.union(f"no {part}" for part in PARTS_OF_TRAINING)  # nothing is wrong with them


def model(name: str) -> str:
    """The model with such a manifest."""
    return f"worst-{NAMES.index(name)}"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Host:
    """Of a registry with a healthy model, and one for each of the worst manifests."""
    root = tmp_path_factory.mktemp("worst") / "registry"
    root.mkdir()
    import_version(Registry(root), shipped.folder("calories", 1))
    shelf = Shelf(root, shipped)
    for name in NAMES:
        shelf.put(model(name), 1, WORST[name](shelf.card(model(name))))
    return create_host(Settings(registry=root))


def asking(host: Host, default: str = "calories") -> FlaskClient:
    settings = Settings(registry=host.registry.root, default_model=default)
    return create_app(settings, host).test_client()


@pytest.fixture(scope="module")
def client(host: Host) -> FlaskClient:
    return asking(host)


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_manifest_is_its_own_versions_trouble_and_says_what_is_wrong_in_a_line(
    client: FlaskClient, name: str
) -> None:
    def ask(method: str, path: str, body: object) -> tuple[int, str]:
        data = None if body is None else json.dumps(body)
        answer = client.open(path, method=method, data=data, content_type="application/json")
        return answer.status_code, answer.text

    assert judge(ask, model(name), 1) == ("loaded" if name in FINE else "failed")
    if name not in FINE:
        [version] = json.loads(ask("GET", f"/models/{model(name)}", None)[1])["versions"]
        reason = version["reason"]
        assert (20 < len(reason) < 400, reason.isprintable()) == (True, True)
        assert model(name) in reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a quantile whose level is no number", "inputs.0.quantiles: String should match pattern"),
        ("quantiles that fall", "inputs.0: expected quantiles that rise from min to max, each"),
        ("min over max", "inputs.0: expected min, mean and max in this order, received 16, 7.0"),
        ("NaN", "inputs.0.mean: Input should be a finite number, received nan"),
        ("10**400 rows", "data.rows: Input should be less than or equal to 1000000000000, "),
        ("no time zone", "created: Input should have timezone info"),
        ("an input twice", "inputs: expected different names, received sugar 2 times"),
        ("1,000 inputs", "inputs: Tuple should have at most 256 items after validation, not 1000"),
        ("a field twice", "the file: expected each field of an object once, received one twice"),
        ("300,000 quantiles", "manifest.json has more bytes than the 1,048,576 that it may have"),
        ("an input less than the model takes", "takes 3 inputs, and its manifest has 1"),
    ],
)
def test_the_reason_names_the_field_what_was_expected_and_what_came(
    client: FlaskClient, name: str, reason: str
) -> None:
    told = client.get(f"/models/{model(name)}/1")
    assert told.status_code == 503
    assert reason in told.get_json()["detail"]


@pytest.mark.parametrize("name", [*sorted(FINE), "NaN", "300,000 quantiles"])
def test_the_page_and_the_document_say_so_when_it_is_the_default_model(
    host: Host, name: str
) -> None:
    client = asking(host, default=model(name))
    expected = 200 if name in FINE else 503
    assert [client.get(path).status_code for path in ("/", "/docs", "/metrics")] == [200] * 3
    assert [client.get(path).status_code for path in ("/openapi.json", "/readyz")] == [expected] * 2


def test_the_service_goes_on_counting_and_following(
    client: FlaskClient, host: Host, shipped: Registry
) -> None:
    version = import_version(host.registry, shipped.folder("calories", 1)).version
    host.refresh()
    assert client.post("/predict", json=ROW).get_json()["version"] == version
    rows = f'calories_rows_total{{label="",model="calories",version="{version}"}} 1'
    assert rows in client.get("/metrics").text


def test_no_manifest_of_a_generator_harms_another_model(
    registry: Registry, shipped: Registry
) -> None:
    found = attack_in_process(registry.root, shipped, 30)
    assert found.failures == []
    assert set(found.statuses) == {200, 503}


def test_a_manifest_that_harms_others_is_found(registry: Registry, shipped: Registry) -> None:
    """Break the metrics whenever another model than the healthy one is there."""

    def ask(method: str, path: str, _: object) -> tuple[int, str]:
        if method == "GET" and path == "/models/strange":
            return 200, '{"versions":[{"version":1,"state":"loaded"}]}'
        return (500, "") if path == "/metrics" else (200, "")

    [failure] = attack(Shelf(registry.root, shipped), ask, lambda *_: None, 1).failures
    assert "/metrics" in failure


def test_nothing_is_published_that_cannot_be_read(registry: Registry, shipped: Registry) -> None:
    card = shipped.manifest("linear-unit", 1)
    wrong = card.model_copy(update={"inputs": (*card.inputs, *card.inputs)})
    with (
        staging(registry, card.model) as draft,
        pytest.raises(RegistryError, match="inputs: expected different names, received sugar 2"),
    ):
        publish(registry, draft, wrong, promote=True)
    assert registry.versions(card.model) == ()
