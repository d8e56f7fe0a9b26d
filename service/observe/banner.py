"""What is told once the service answers: where, with which models, and a line to try."""

import json
import logging

from service.logs import catalogue, output
from service.serving.host import Host
from service.settings import UNIX, Settings

log = logging.getLogger("service")


def announce(settings: Settings, host: Host) -> None:
    """Print the banner, or log the same where every line is JSON."""
    if not output.as_json(settings):
        print(banner(settings, host), flush=True)
        return
    models = {
        name: {"versions": sorted(served.loaded), "labels": served.labels}
        for name, served in host.models.items()
    }
    catalogue.tell(log, catalogue.SERVING, url=settings.url, models=models)


def banner(settings: Settings, host: Host) -> str:
    """The lines to print; the curl line works as it stands."""
    served = host.models.get(settings.default_model)
    stable = served and served.loaded.get(served.labels.get("stable", 0))
    lines = ["", f"Serving at {settings.url}", *_models(host)]
    if stable:
        row = json.dumps(stable.manifest.example)
        kind = "-H 'content-type: application/json'"
        lines += ["", "Try:", f"  curl -s {_for_curl(settings)}/predict {kind} -d '{row}'"]
    else:
        lines.append(f"  {settings.default_model} has no version that can be served yet.")
    return "\n".join([*lines, ""])


def _for_curl(settings: Settings) -> str:
    if settings.bind:
        return f"--unix-socket {settings.bind.removeprefix(UNIX)} http://localhost"
    return settings.url


def _models(host: Host) -> list[str]:
    return [
        f"  {name}: version {', '.join(map(str, sorted(model.loaded))) or 'none'}"
        f" (stable: {model.labels.get('stable', 'none')})"
        for name, model in host.models.items()
    ]
