"""Who may do what and how often, and what a service needs to start."""

from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from service.gate.rate import Rates
from tests.fuzz.doors import ADMIN, DIGESTS, PREDICT
from tests.gate.conftest import BothWays, Serve, Start, written
from tests.servers import ROW

EVERYWHERE = "0.0.0.0"  # noqa: S104  beyond loopback: what is tested
DIALECTS = {
    "/predict": {"type", "title", "status", "detail"},
    "/V1/models/calories:predict": {"error"},
    "/v2/models/calories/infer": {"error"},
}


def ask(client: Client, path: str, key: str = "", method: str = "GET", **more: Any) -> TestResponse:
    return client.open(path, method=method, headers={"X-API-Key": key} if key else {}, **more)


def predicted(client: Client, key: str = PREDICT, times: int = 4) -> list[int]:
    return [ask(client, "/predict", key, "POST", json=ROW).status_code for _ in range(times)]


@pytest.mark.parametrize(
    ("settings", "headers", "statuses"),
    [
        ({}, {}, (200, 200, 200, 403)),
        ({"predict_key_waived": True}, {}, (200, 200, 200, 403)),
        ({"admin_keys": DIGESTS["admin_keys"]}, {}, (200, 200, 200, 401)),
        ({"admin_key_waived": True}, {}, (200, 200, 200, 200)),
        (DIGESTS, {}, (200, 401, 401, 401)),
        (DIGESTS, {"X-API-Key": "wrong"}, (200, 401, 401, 401)),
        (DIGESTS, {"X-API-Key": PREDICT}, (200, 200, 200, 403)),
        (DIGESTS, {"Authorization": f"bearer {PREDICT}"}, (200, 200, 200, 403)),
        (DIGESTS, {"Authorization": f"Basic {PREDICT}"}, (200, 401, 401, 401)),
        (DIGESTS, {"X-API-Key": ADMIN}, (200, 403, 200, 200)),
    ],
)
def test_each_scope_takes_its_keys(
    serve: Serve, settings: dict[str, Any], headers: dict[str, str], statuses: tuple[int, ...]
) -> None:
    client = serve(**settings).test_client()
    paths = ("/healthz", "/models", "/metrics", "/admin/status")
    assert tuple(client.get(path, headers=headers).status_code for path in paths) == statuses


@pytest.mark.parametrize("path", DIALECTS)
def test_a_refusal_comes_before_the_body_in_the_form_of_the_dialect(
    both: BothWays, path: str
) -> None:
    client = both(**DIGESTS, rate_limit=0.001, workers=1, max_body_bytes=1024)
    kind = "application/problem+json" if path == "/predict" else "application/json"
    for key, status, sentence in (
        ("", 401, "'X-API-Key: KEY'"),
        ("wrong-one", 401, "none that is known"),
        (ADMIN, 403, "'admin' is for admin"),
        (PREDICT, 413, "MAX_BODY_BYTES allows, 1024 bytes"),
        (PREDICT, 429, "'predict' may send 0.001 requests a second"),
    ):
        refused = ask(client, path, key, "POST", data=b"x" * 4096)
        assert (refused.status_code, refused.content_type) == (status, kind)
        assert refused.get_json().keys() == DIALECTS[path]
        assert sentence in refused.text
        assert "wrong-one" not in refused.text
        asked = refused.headers.get("WWW-Authenticate")
        assert asked == ('Bearer realm="calories"' if status == 401 else None)
    assert 900 < int(refused.headers["Retry-After"]) <= 1000


def test_without_an_admin_key_administration_says_how_to_make_one(both: BothWays) -> None:
    refused = ask(both(), "/admin/status").text
    assert "python -m service.keys NAME --scope admin" in refused


def test_the_burst_is_as_long_as_the_setting_says(both: BothWays) -> None:
    client = both(**DIGESTS, rate_limit=0.001, rate_burst_seconds=3000, workers=1)
    assert predicted(client) == [200, 200, 200, 429]


def test_the_rate_of_a_key_is_its_own(both: BothWays, tmp_path: Path) -> None:
    """It goes before that of all, and the key of the same name for administration has another."""
    file = tmp_path / "keys.toml"
    file.write_text(written("a", "predict", "1", "rate = 0.001") + written("a", "admin", "2"))
    client = both(keys_file=file, rate_limit=1000, workers=1)
    assert predicted(client, "1", 2) == [200, 429]
    assert ask(client, "/admin/models/no/rollback", "2", "POST").status_code == 404


def taken(rates: Rates, rate: float, times: int, key: str = "shop") -> list[float]:
    return [rates.take(key, rate) for _ in range(times)]


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = [100.0]
    rates = Rates(burst_seconds=2, clock=lambda: clock[0])
    assert taken(rates, 2, 5) == [0, 0, 0, 0, 0.5]
    assert taken(rates, 2, 1, "another key") == [0]
    clock[0] += 0.5
    assert taken(rates, 2, 2) == [0, 0.5]
    clock[0] += 3600  # a pause earns no more than the burst
    assert taken(rates, 2, 5) == [0, 0, 0, 0, 0.5]


def test_workers_share_a_rate_and_each_lets_one_through_at_least() -> None:
    workers = [Rates(burst_seconds=1, workers=2, clock=lambda: 0.0) for _ in range(2)]
    assert [taken(rates, 10, 20).count(0) for rates in workers] == [5, 5]
    assert taken(workers[0], 0.1, 2, "slow") == [0, 20]


FILE = {"keys_file": "keys.toml"}
WAIVED = {"predict_key_waived": True}


@pytest.mark.parametrize(
    ("settings", "content", "sentence"),
    [
        *(
            ({"host": host}, "", f"there is none (HOST={host} is reachable): make one with")
            for host in (EVERYWHERE, "::", "", "192.0.2.1", "calories.example")
        ),
        ({"host": EVERYWHERE}, "", "or let anyone in with PREDICT_KEY_WAIVED=true."),
        (FILE, written("ops", "admin", "x"), "there is none (KEYS_FILE names none)"),
        (FILE, "", "there is none (KEYS_FILE names none)"),
        ({"keys_file": "nowhere.toml"}, "", "nowhere.toml: No such file or directory."),
        (DIGESTS | FILE, written("predict", "predict", "x"), "two keys for predict are named"),
        (DIGESTS | WAIVED, "", "lets in whoever has none; take one of them away."),
        (FILE | WAIVED, written("a", "predict", "x"), "take one of them away."),
        ({"predict_keys": f"shop:{PREDICT}"}, "", "PREDICT_KEYS: "),
        (FILE, written("a", "predict", "").replace("sha256 =", PREDICT), "KEYS_FILE: "),
    ],
)
def test_what_lets_nobody_in_or_contradicts_itself_does_not_start(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    content: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.toml").write_text(content)
    code, told = start(**settings)
    assert code == 1
    [line] = told.splitlines()
    assert line.startswith("service: ")
    assert sentence in line
    assert PREDICT not in line


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        *(({"host": host}, []) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
        ({"host": EVERYWHERE, **DIGESTS}, []),
        (
            {"host": EVERYWHERE, **WAIVED},
            [f"PREDICT_KEY_WAIVED=true: whoever reaches {EVERYWHERE}"],
        ),
        ({"admin_key_waived": True}, ["ADMIN_KEY_WAIVED=true: WHOEVER REACHES 127.0.0.1"]),
    ],
)
def test_what_is_open_beyond_loopback_is_warned_of_at_the_start(
    start: Start, settings: dict[str, Any], warnings: list[str]
) -> None:
    code, told = start(**settings)
    assert code == 0
    assert told.count("warning: ") == len(warnings)
    assert all(f"service: warning: {warning}" in told for warning in warnings)


def test_every_page_has_a_policy_and_is_not_sniffed(both: BothWays) -> None:
    client = both()
    for path in ("/", "/docs", "/models/calories/1/report"):
        page = client.get(path)
        assert page.content_type == "text/html; charset=utf-8"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy.partition("script-src")[2].partition(";")[0]
    for path in ("/no", "/models/", "/static/", "/models//calories"):
        assert client.get(path).mimetype != "text/html"
