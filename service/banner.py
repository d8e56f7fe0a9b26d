"""What is printed once the service answers: where, with which models, and a line to try."""

import json

from service.config import Settings
from service.host import Host

EXAMPLE = {"sugar": 5, "fiber": 1, "protein": 2}


def banner(settings: Settings, host: Host) -> str:
    """The lines to print; the curl line works as it stands."""
    scheme = "https" if settings.tls_certificate else "http"
    url = f"{scheme}://{_reachable(settings.host)}:{settings.port}"
    served = host.snapshot.get(settings.default_model)
    stable = served and served.loaded.get(served.labels.get("stable", 0))
    lines = ["", f"Serving calories at {url}", *_models(host)]
    if stable:
        row = json.dumps({name: EXAMPLE.get(name, 1) for name in stable.inputs})
        lines += [
            "",
            "Try:",
            f"  curl -s {url}/predict -H 'content-type: application/json' -d '{row}'",
        ]
    else:
        lines.append(f"  {settings.default_model} has no version that can be served yet.")
    return "\n".join([*lines, ""])


def _models(host: Host) -> list[str]:
    return [
        f"  {name}: version {', '.join(map(str, sorted(model.loaded))) or 'none'}"
        f" (stable: {model.labels.get('stable', 'none')})"
        for name, model in host.snapshot.items()
    ]


def _reachable(host: str) -> str:
    """An address to connect to: 0.0.0.0 and :: listen everywhere, and are nowhere."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  recognised, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host
