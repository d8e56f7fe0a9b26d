"""What the tests of the gate share: services in this process, keys as they are written, a start."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from flask import Flask
from werkzeug.test import Client

from service import __main__ as service
from service.app import Observer, create_app
from service.serving.host import Host
from service.settings import Settings
from tests.both_ways import both_ways
from tests.servers import free_port

Serve = Callable[..., Flask]
BothWays = Callable[..., Client]
Start = Callable[..., tuple[int, str]]


@pytest.fixture
def serve(host: Host) -> Serve:
    """An app with these settings."""

    def serve(*observers: Observer, **given: object) -> Flask:
        settings = Settings(registry=host.registry.root, **given)  # type: ignore[arg-type]
        return create_app(settings, host, observers=observers)

    return serve


@pytest.fixture
def both(host: Host) -> BothWays:
    """A client of a service with these settings, through Flask and the fast path alike."""
    return lambda **given: both_ways(Settings(registry=host.registry.root, **given), host)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Start:
    """Start `python -m service` with these settings, up to where it would serve.

    Gives its exit code (0 where it would serve) and what it says.
    """

    def start(**settings: object) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            patch.setattr("sys.argv", ["service"])
            patch.setattr(service, "_serve", lambda _: 0)
            for name, value in {"port": free_port(), **settings}.items():
                patch.setenv(name.upper(), str(value))
            return service.main(), capsys.readouterr().err

    return start


def written(name: str, scope: str, secret: str, more: str = "") -> str:
    """A key as a file of keys has it."""
    digest = sha256(secret.encode()).hexdigest()
    return f'[[key]]\nname = "{name}"\nscope = "{scope}"\nsha256 = "{digest}"\n{more}\n'
