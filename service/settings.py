"""Settings: every knob of the service, read once from the environment or the command line."""

import os
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.registry import SHELF
from service.keys.parse import Scope
from service.keys.parse import parse as parse_keys
from service.serving import version_policy

MEBIBYTE = 1024 * 1024
UNIX = "unix:"  # before the path of a socket
LONGEST_SOCKET = 107  # bytes of that path: what Linux has room for
Absolute = Annotated[Path, AfterValidator(Path.absolute)]  # the servers work in another folder


def _spelled(text: str) -> str:
    version_policy.parse(text)
    return text


def _digests(scope: Scope, text: str) -> str:
    parse_keys(text, scope)
    return text


def _socket(text: str) -> str:
    path = text.removeprefix(UNIX)
    if text and not (text.startswith(f"{UNIX}/") and len(os.fsencode(path)) <= LONGEST_SOCKET):
        raise ValueError(
            f"expected a path of at most {LONGEST_SOCKET} bytes, as in unix:/run/calories.sock"
        )
    return text


class Settings(BaseSettings):
    """Read from the environment by the field's name in capitals: PORT=9000."""

    model_config = SettingsConfigDict(
        frozen=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_prog_name="python -m service",
        use_attribute_docstrings=True,
    )

    host: str = "127.0.0.1"
    """The address to listen on. The default is reachable from this machine only."""

    port: int = Field(8000, ge=1, le=65535)
    """The port to listen on."""

    bind: Annotated[str, AfterValidator(_socket)] = ""
    """A Unix socket to listen on in the place of HOST and PORT, as in `unix:/run/calories.sock`.
    Who can reach it counts as one on this machine."""

    workers: int = Field(2, ge=1, le=256)
    """Worker processes; one a core is a good start."""

    registry: Absolute = SHELF
    """The folder of the models; the default is the one that ships with the code."""

    public_key: Absolute | None = None
    """A PEM file with an ECDSA key: only versions that it signed are served (docs/trust.md).
    Needs requirements/signing.txt."""

    default_model: str = "calories"
    """The model that answers when a request names none."""

    engine: Literal["auto", "litert", "saved_model"] = "auto"
    """What computes the answers. `auto` takes the twin where a version has one, else TensorFlow."""

    versions: Annotated[str, AfterValidator(_spelled)] = "latest:2"
    """The versions of each model that are loaded beside the labelled ones: `latest:N`, `all`,
    or by name, as in `calories=1,3;deep=2` or `latest:1;calories=1,3`."""

    poll_seconds: float = Field(1.0, gt=0, le=3600)
    """How often the registry is looked at for new versions and moved labels."""

    max_body_bytes: int = Field(8 * MEBIBYTE, ge=1024, le=1024 * MEBIBYTE)
    """The largest request body; a larger one gets 413."""

    max_bodies_bytes: int = Field(16 * MEBIBYTE, ge=1024, le=1024 * 1024 * MEBIBYTE)
    """The most bytes of all bodies that a worker reads or answers at once, those of at most 16 KiB
    not counted; a body that finds no room gets 503 and is told to try again. It is never less than
    MAX_BODY_BYTES."""

    predict_keys: Annotated[str, AfterValidator(partial(_digests, "predict"))] = Field(
        "", repr=False
    )
    """The keys that may predict, as name:digest,name2:digest2; `python -m service.keys` makes them.
    Once there are any, or a KEYS_FILE, what predicts or tells of models asks for one."""

    admin_keys: Annotated[str, AfterValidator(partial(_digests, "admin"))] = Field("", repr=False)
    """The keys that may move labels by /admin, written likewise."""

    keys_file: Absolute | None = None
    """A TOML file of keys of both kinds, read again when it changes (docs/security.md)."""

    predict_key_waived: bool = False
    """Predict for anyone. Beyond loopback the service starts only with keys or with this."""

    admin_key_waived: bool = False
    """Let anyone move labels. Without it, and without a key for it, nobody can by HTTP."""

    rate_limit: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Requests a second a key; more get 429. Each worker gives out its share of them."""

    rate_burst_seconds: float = Field(1.0, gt=0, le=3600)
    """The seconds of RATE_LIMIT that a key which was quiet may send at once."""

    tls_certificate: Absolute | None = None
    """A PEM file with the certificate and its chain; with it the service speaks HTTPS only."""

    tls_key: Absolute | None = None
    """The PEM file with the certificate's private key."""

    max_rows: int = Field(100_000, ge=1, le=1_000_000_000)
    """The most rows one request may hold; more get 422."""

    max_wait_seconds: float = Field(1.0, gt=0, le=600)
    """How long a request may wait for its turn; one that would wait longer gets 503 at once and is
    told to try again. A client that waits less says so with X-Request-Timeout, in seconds."""

    max_header_bytes: int = Field(16 * 1024, ge=1024, le=MEBIBYTE)
    """The most bytes of a request before its body, its path and query included."""

    header_seconds: float = Field(10.0, gt=0, le=3600)
    """How long these may take to come, with a TLS handshake before them; then 408, or the end."""

    body_seconds: float = Field(60.0, gt=0, le=3600)
    """How long a request's body may take to come; a slower one gets 408."""

    idle_seconds: float = Field(65.0, gt=0, le=3600)
    """How long a connection is kept between two requests. A proxy in front must be the one that
    closes it: nginx does after 60 s."""

    write_seconds: float = Field(60.0, gt=0, le=3600)
    """How long a client may leave an answer untaken; then its connection is closed."""

    max_connections: int = Field(4096, ge=1, le=100_000)
    """The most connections of a worker, fewer where it may not open so many files (RLIMIT_NOFILE).
    For one more, that ends which has waited for its client for longest."""

    max_connections_of_one_address: int = Field(3072, ge=1, le=100_000)
    """The most of them that come from one address. For one more, that of its own ends which has
    waited for its client for longest; where all wait for answers, it is closed at once."""

    fast_path: bool = True
    """Answer the predict URLs ahead of Flask; the answers are the same, for a third of the time."""

    metrics_folder: Absolute | None = None
    """Where workers leave what they counted for each other; `python -m service` makes one in
    memory at each start unless one is named."""

    drain_seconds: float = Field(0.0, ge=0, le=600)
    """How long everything is still answered after SIGTERM while /readyz says 503 and each answer
    closes its connection, so that a load balancer has moved away before the port is closed."""

    graceful_seconds: int = Field(30, ge=1, le=3600)
    """How long requests in flight may take to finish after SIGTERM and DRAIN_SECONDS."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least urgent messages that are logged."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """How log lines look on standard output (docs/logs.md): `auto` is JSON, but for a terminal."""

    access_log: float = Field(0.0, ge=0, le=1)
    """The share of requests that leave a log line; above 0, those that fail (5xx) always do."""

    prediction_log: Absolute | None = None
    """A folder for Parquet files of what was predicted for what (docs/drift.md), of all models and
    callers; needs requirements/bulk.txt."""

    prediction_log_megabytes: int = Field(1000, ge=1, le=1_000_000_000)
    """How large that folder may become; the oldest files go."""

    traces: Literal["auto", "otlp", "off"] = "auto"
    """OpenTelemetry traces (docs/traces.md); needs requirements/tracing.txt. `auto`: where that
    is installed and OTEL_EXPORTER_OTLP_ENDPOINT says where they go."""

    @property
    def traces_endpoint_named(self) -> bool:
        """Whether OpenTelemetry's own variables say where traces go."""
        names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        return any(map(os.environ.get, names))

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.bind:
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def predict_needs_key(self) -> bool:
        """Whether what predicts or tells of models asks for a key.

        The settings alone decide, so that a file which loses its last key opens nothing.
        """
        keyed = bool(self.predict_keys or self.keys_file)
        return not self.predict_key_waived and (keyed or not self.on_loopback)

    @property
    def room_for_bodies(self) -> int:
        """Bytes, of which the largest body that is allowed can have all."""
        return max(self.max_bodies_bytes, self.max_body_bytes)

    @property
    def address(self) -> str:
        """What is listened on, as gunicorn has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.bind or f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Where the service is reached from this machine, if from nowhere else."""
        if self.bind:
            return self.bind
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://{_reachable(self.host)}:{self.port}"

    def told(self) -> dict[str, Any]:
        """The settings without those that hold keys or their digests, as JSON can say them."""
        hidden = {name for name, field in type(self).model_fields.items() if not field.repr}
        return self.model_dump(mode="json", exclude=hidden)


def _reachable(host: str) -> str:
    """An address to connect to: 0.0.0.0 and :: listen everywhere, and are nowhere."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  recognised, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host
