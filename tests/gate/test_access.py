"""Who may do what, through Flask and the fast path alike."""

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from models.registry import Registry
from service.app import create_app, create_host
from service.gate.access import NoAccess, check, warnings
from service.gate.rate import Rates
from service.serving.host import Host
from service.settings import Settings
from tests.both_ways import both_ways

ROW = {"sugar": 5, "fiber": 1, "protein": 2}
TENSORS = {"inputs": [{"name": "sugar", "shape": [1], "datatype": "FP32", "data": [5]}]}
PREDICT, ADMIN = "predicting", "administering"
KEYS: dict[str, Any] = {
    "predict_keys": f"shop:{sha256(PREDICT.encode()).hexdigest()}",
    "admin_keys": f"ops:{sha256(ADMIN.encode()).hexdigest()}",
}
OPEN = ["/healthz", "/readyz", "/version", "/", "/v2/health/live", "/v2/health/ready"]


@pytest.fixture(scope="module")
def host(shipped: Registry) -> Iterator[Host]:
    host = create_host(Settings(registry=shipped.root))
    yield host
    host.close()


Serve = Callable[..., Client]


@pytest.fixture
def serve(host: Host, shipped: Registry) -> Serve:
    """A client of the service with these settings."""
    return lambda **given: both_ways(Settings(registry=shipped.root, **given), host)


def listed(folder: Path, secret: str, scope: str = "predict", more: str = "") -> Path:
    """A file with one key."""
    digest = sha256(secret.encode()).hexdigest()
    path = folder / "keys.toml"
    path.write_text(f'[[key]]\nname = "shop"\nscope = "{scope}"\nsha256 = "{digest}"\n{more}')
    return path


def ask(client: Client, path: str, key: str = "", method: str = "GET", **more: Any) -> TestResponse:
    return client.open(path, method=method, headers={"X-API-Key": key} if key else {}, **more)


@pytest.mark.parametrize("path", OPEN)
def test_health_and_what_it_is_take_no_key(serve: Serve, path: str) -> None:
    assert ask(serve(**KEYS), path).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"X-API-Key": PREDICT}, {"Authorization": f"bearer {PREDICT}"}]
)
def test_a_predict_key_predicts(serve: Serve, headers: dict[str, str]) -> None:
    assert serve(**KEYS).post("/predict", json=ROW, headers=headers).status_code == 200


def test_a_key_in_another_scheme_is_none(serve: Serve) -> None:
    headers = {"Authorization": f"Basic {PREDICT}"}
    assert serve(**KEYS).post("/predict", json=ROW, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "form"),
    [
        ("/predict", ROW, {"title": "Unauthorized", "status": 401}),
        ("/v1/models/calories:predict", {"instances": [ROW]}, "error"),
        ("/V1/models/calories:predict", {"instances": [ROW]}, "error"),
        ("/v2/models/calories/infer", TENSORS, "error"),
    ],
)
@pytest.mark.parametrize("key", ["", "wrong", ADMIN])
def test_without_the_right_key_each_dialect_refuses_in_its_form(
    serve: Serve, path: str, body: object, form: str | dict[str, Any], key: str
) -> None:
    answer = ask(serve(**KEYS), path, key, "POST", json=body)
    assert answer.status_code == (403 if key == ADMIN else 401)
    if key != ADMIN:
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="calories"'
    content = answer.get_json()
    if isinstance(form, str):
        assert list(content) == [form]
    else:
        assert content["status"] == answer.status_code
        assert answer.content_type == "application/problem+json"


def test_the_refusal_says_how_a_key_is_sent_and_not_which_was(serve: Serve) -> None:
    client = serve(**KEYS)
    assert "'X-API-Key: KEY'" in ask(client, "/models").get_json()["detail"]
    assert b"wrong-one" not in ask(client, "/models", "wrong-one").data


def test_a_body_is_not_read_before_the_key(serve: Serve) -> None:
    client = serve(**KEYS, max_body_bytes=1024)
    assert ask(client, "/predict", "", "POST", data=b"x" * 4096).status_code == 401
    assert ask(client, "/predict", PREDICT, "POST", data=b"x" * 4096).status_code == 413


@pytest.mark.parametrize(("key", "status"), [("", 401), (PREDICT, 200), (ADMIN, 200)])
def test_metrics_take_either_key_once_predicting_takes_one(
    host: Host, shipped: Registry, key: str, status: int
) -> None:
    app = create_app(Settings(registry=shipped.root, **KEYS), host)
    assert ask(Client(app.wsgi_app, TestResponse), "/metrics", key).status_code == status


def test_metrics_are_open_where_predicting_is(host: Host, shipped: Registry) -> None:
    app = create_app(Settings(registry=shipped.root, admin_keys=KEYS["admin_keys"]), host)
    assert ask(Client(app.wsgi_app, TestResponse), "/metrics").status_code == 200


def test_without_an_admin_key_administration_says_how_to_make_one(serve: Serve) -> None:
    refused = ask(serve(), "/admin/status")
    assert refused.status_code == 403
    assert "python -m service.keys NAME --scope admin" in refused.get_json()["detail"]


def test_the_waiver_for_predicting_opens_no_administration(serve: Serve) -> None:
    assert ask(serve(predict_key_waived=True), "/admin/status").status_code == 403


def test_on_loopback_without_keys_anyone_predicts(serve: Serve) -> None:
    assert serve().post("/predict", json=ROW).status_code == 200


@pytest.mark.parametrize("host_name", ["0.0.0.0", "::", "", "192.0.2.1", "calories.example"])  # noqa: S104
def test_beyond_loopback_keys_or_the_waiver_are_needed_to_start(host_name: str) -> None:
    with pytest.raises(NoAccess, match=r"service\.keys NAME.*PREDICT_KEY_WAIVED=true"):
        check(Settings(host=host_name))
    check(Settings(host=host_name, predict_keys=KEYS["predict_keys"]))
    waived = Settings(host=host_name, predict_key_waived=True)
    check(waived)
    [warning] = warnings(waived)
    assert "without a key" in warning


@pytest.mark.parametrize("host_name", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_loopback_nothing_is_needed_and_nothing_warned_of(host_name: str) -> None:
    settings = Settings(host=host_name)
    check(settings)
    assert not settings.predict_needs_key
    assert not warnings(settings)


def test_keys_beside_their_waiver_are_refused(tmp_path: Path) -> None:
    for given in ({"predict_keys": KEYS["predict_keys"]}, {"keys_file": listed(tmp_path, PREDICT)}):
        with pytest.raises(NoAccess, match="take one of them away"):
            check(Settings(predict_key_waived=True, **given))


def test_a_file_without_a_key_for_predicting_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(NoAccess, match=r"KEYS_FILE names none.*PREDICT_KEY_WAIVED=true"):
        check(Settings(keys_file=listed(tmp_path, ADMIN, "admin")))


def test_a_file_of_keys_that_is_not_there_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(NoAccess, match=r"KEYS_FILE: .*keys\.toml: No such file"):
        check(Settings(keys_file=tmp_path / "keys.toml", predict_keys=KEYS["predict_keys"]))


def test_a_file_that_takes_the_name_of_a_given_key_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(NoAccess, match="KEYS_FILE: two keys for predict are named 'shop'"):
        check(Settings(keys_file=listed(tmp_path, "another"), predict_keys=KEYS["predict_keys"]))


def test_a_waived_admin_key_is_warned_of_everywhere() -> None:
    [warning] = warnings(Settings(admin_key_waived=True))
    assert "WITHOUT A KEY" in warning


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/predict", "detail"),
        ("/v1/models/calories:predict", "error"),
        ("/v2/models/calories/infer", "error"),
    ],
)
def test_a_key_over_its_rate_gets_429_in_each_dialects_form(
    serve: Serve, path: str, form: str
) -> None:
    client = serve(**KEYS, rate_limit=0.001, workers=1)
    assert ask(client, path, PREDICT, "POST", json={}).status_code in {400, 422}
    answer = ask(client, path, PREDICT, "POST", json={})
    assert answer.status_code == 429
    assert 900 < int(answer.headers["Retry-After"]) <= 1000
    assert "'shop' may send 0.001 requests a second" in answer.get_json()[form]


def test_the_burst_is_as_long_as_the_setting_says(serve: Serve) -> None:
    client = serve(**KEYS, rate_limit=0.001, rate_burst_seconds=3000, workers=1)
    answers = [ask(client, "/predict", PREDICT, "POST", json=ROW) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


def test_the_rate_of_a_key_goes_before_that_of_all(serve: Serve, tmp_path: Path) -> None:
    file = listed(tmp_path, PREDICT, more="rate = 0.001")
    client = serve(keys_file=file, rate_limit=1000, workers=1)
    answers = [ask(client, "/predict", PREDICT, "POST", json=ROW) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]


def test_a_key_takes_nothing_from_its_namesake_of_the_other_scope(
    serve: Serve, tmp_path: Path
) -> None:
    file = listed(tmp_path, ADMIN, "admin")
    client = serve(predict_keys=KEYS["predict_keys"], keys_file=file, rate_limit=0.001, workers=1)
    assert ask(client, "/predict", PREDICT, "POST", json=ROW).status_code == 200
    assert ask(client, "/admin/models/no/rollback", ADMIN, "POST").status_code == 404


def test_without_a_rate_limit_nothing_is_counted(serve: Serve) -> None:
    client = serve(**KEYS)
    answers = [ask(client, "/predict", PREDICT, "POST", json=ROW) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    clock = Clock()
    rates = Rates(burst_seconds=2, clock=clock)
    assert [rates.take("shop", 2) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    clock.now += 0.5
    assert [rates.take("shop", 2) for _ in range(2)] == [0, 0.5]


def test_a_key_that_was_quiet_gets_no_more_than_its_burst() -> None:
    clock = Clock()
    rates = Rates(burst_seconds=2, clock=clock)
    rates.take("shop", 2)
    clock.now += 3600
    assert [rates.take("shop", 2) for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_keys_have_buckets_of_their_own() -> None:
    rates = Rates(burst_seconds=1, clock=Clock())
    assert [rates.take(name, 1) for name in ("a", "a", "b")] == [0, 1, 0]


def test_workers_share_a_rate() -> None:
    clock = Clock()
    workers = [Rates(burst_seconds=1, workers=2, clock=clock) for _ in range(2)]
    taken = [sum(rates.take("shop", 10) == 0 for _ in range(20)) for rates in workers]
    assert sum(taken) == 10


def test_a_rate_below_one_in_its_burst_lets_one_through() -> None:
    clock = Clock()
    rates = Rates(burst_seconds=1, workers=4, clock=clock)
    assert [rates.take("shop", 0.1) for _ in range(2)] == [0, 40]


def test_every_page_says_what_it_may_load_and_none_is_sniffed(
    host: Host, shipped: Registry
) -> None:
    app = create_app(Settings(registry=shipped.root), host)
    client = Client(app.wsgi_app, TestResponse)
    pages = set()
    for path in (
        "/",
        "/docs",
        "/models/calories/1/report",
        "/models//calories",
        "/no",
        "/models/",
        "/static/",
    ):
        answer = client.get(path)
        if answer.mimetype == "text/html":
            pages.add(path)
            policy = answer.headers["Content-Security-Policy"]
            [scripts] = re.findall(r"script-src ([^;]*)", policy) or ["'none'"]
            assert "unsafe" not in scripts
            assert "default-src 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert pages >= {"/", "/docs", "/models/calories/1/report"}
