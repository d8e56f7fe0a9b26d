"""What the settings may ask for and not everybody installs."""

import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

from service.settings import Settings


class Unavailable(Exception):
    """A setting asks for something that cannot be had here; its text says what to do."""


def check(settings: Settings) -> None:
    """Raise Unavailable for the first setting that cannot be followed."""
    if settings.traces == "otlp" and not installed("opentelemetry.sdk"):
        raise Unavailable(
            "TRACES=otlp needs OpenTelemetry, which is not installed: "
            f"{_install('tracing')}, or set TRACES=off."
        )
    if settings.prediction_log:
        _check_log(settings.prediction_log)


def warnings(settings: Settings) -> list[str]:
    """What somebody seems to want and does not get, a sentence each."""
    wanted = settings.traces == "auto" and settings.traces_endpoint_named
    if not wanted or traced(settings):
        return []
    sentence = (
        "an endpoint for traces is named, and nothing is sent: OpenTelemetry is not installed: "
        f"{_install('tracing')}, or set TRACES=off."
    )
    return [sentence]


def _check_log(folder: Path) -> None:
    if not installed("pyarrow"):
        raise Unavailable(
            f"PREDICTION_LOG needs pyarrow, which is not installed: {_install('bulk')}."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Unavailable(
            f"PREDICTION_LOG: {folder} cannot be written: {error.strerror}; name a folder that can."
        ) from error


def installed(module: str) -> bool:
    """Whether a module could be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # one that it lies in
        return False


def _install(lock: str) -> str:
    """The command, in the environment that the service runs in."""
    return f"{sys.executable} -m pip install --require-hashes -r requirements/{lock}.txt"


def traced(settings: Settings) -> bool:
    """Whether requests are traced."""
    if settings.traces == "auto":
        return settings.traces_endpoint_named and installed("opentelemetry.sdk")
    return settings.traces == "otlp"
