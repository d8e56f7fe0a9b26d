"""python -m service: check the settings and the port, then become the server."""

import errno
import os
import socket
import sys
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import CliApp

from service.config import Settings

HERE = Path(__file__).parent


def main() -> int:
    """Serve in this process; returns 1, with a sentence, only when that cannot work."""
    try:
        settings = CliApp.run(Settings)
        _try_to_listen(settings)
        _hand_on(settings)
        if settings.server == "granian":
            from service.granian import serve  # noqa: PLC0415  only for those who want it

            serve(settings)
            return 0
        _become_gunicorn()
    except ValidationError as error:
        for detail in error.errors():
            name = "".join(map(str, detail["loc"])).upper()
            _tell(f"{name}: {detail['msg']}, received {detail['input']!r}.")
    except OSError as error:
        _tell(_advice(error, settings))
    return 1


def _hand_on(settings: Settings) -> None:
    """Give the settings to the workers, by the environment."""
    for name, value in settings.model_dump(mode="json").items():
        os.environ[name.upper()] = str(value)
    os.chdir(HERE.parent)


def _become_gunicorn() -> None:
    """Run gunicorn in this process: started anew, Python would import everything twice."""
    from gunicorn import __file__ as package  # noqa: PLC0415  Granian needs none of it
    from gunicorn.app.wsgiapp import run  # noqa: PLC0415

    # Its command line; on SIGUSR2 it starts itself again by it.
    main = str(Path(package).with_name("__main__.py"))
    sys.argv = [main, "-c", str(HERE / "gunicorn.conf.py")]
    run()


def _try_to_listen(settings: Settings) -> None:
    """Raise OSError when the address cannot be listened on; gunicorn would retry for seconds."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((settings.host, settings.port))


def _advice(error: OSError, settings: Settings) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {settings.port} on {settings.host} is in use; stop what listens there or "
            f"choose another: make serve PORT={settings.port + 1}."
        )
    return f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}."


def _tell(sentence: str) -> None:
    print(f"service: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
