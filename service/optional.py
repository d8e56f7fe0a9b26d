"""What the settings may ask for and not everybody installs."""

from importlib.util import find_spec

from service.config import Settings


class NotInstalled(Exception):
    """A setting asks for something that is not installed; its text says how to install it."""


def check(settings: Settings) -> None:
    """Raise NotInstalled for the first setting that cannot be had."""
    if settings.traces == "otlp" and not installed("opentelemetry.sdk"):
        raise NotInstalled(
            "TRACES=otlp needs OpenTelemetry, which is not installed: "
            "pip install -r requirements/tracing.txt, or set TRACES=off."
        )


def installed(module: str) -> bool:
    """Whether a module could be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # one that it lies in
        return False


def traced(settings: Settings) -> bool:
    """Whether requests are traced."""
    if settings.traces == "auto":
        return settings.traces_endpoint_named and installed("opentelemetry.sdk")
    return settings.traces == "otlp"
