"""python -m service: check the settings and the port, then become the server."""

import errno
import logging
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import CliApp

from models.numbers import SHOWN
from models.registry import RegistryError
from service import __version__
from service.gate.access import NoAccess, check, warnings
from service.logs import catalogue, output
from service.observe import installed
from service.server import tls
from service.serving import trust
from service.settings import UNIX, Settings

HERE = Path(__file__).parent


def main() -> int:
    """Serve in this process; returns 1, with a sentence, only when that cannot work."""
    try:
        settings = CliApp.run(Settings)
        check(settings)
        tls.context(settings)
        installed.check(settings)
        _try_to_listen(settings)
        trust.registry(settings.registry, settings.public_key)
        for warning in [*warnings(settings), *installed.warnings(settings)]:
            _tell(f"warning: {warning}")
        with _metrics_folder(settings) as folder:
            return _serve(settings.model_copy(update={"metrics_folder": folder}))
    except ValidationError as error:
        for detail in error.errors():
            name = "".join(map(str, detail["loc"])).upper()
            _tell(f"{name}: {detail['msg']}{_received(detail)}.")
    except (NoAccess, tls.BadCertificate, installed.Unavailable, RegistryError) as error:
        _tell(str(error))
    except OSError as error:
        _tell(_advice(error, settings))
    return 1


def _serve(settings: Settings) -> int:
    _hand_on(settings)
    output.configure(settings)
    told = settings.told()
    catalogue.tell(
        logging.getLogger("service"), catalogue.STARTING, release=__version__, settings=told
    )
    _run_gunicorn()
    return 1


@contextmanager
def _metrics_folder(settings: Settings) -> Iterator[Path]:
    """The folder that was named, or one in memory that is gone when the service ends."""
    if settings.metrics_folder:
        yield settings.metrics_folder
        return
    memory = Path("/dev/shm")  # noqa: S108  the name is made unguessable below
    place = memory if os.access(memory, os.W_OK) else None
    folder, owner = Path(mkdtemp(prefix="calories-", dir=place)), os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == owner:  # a worker of gunicorn leaves by this way, too
            shutil.rmtree(folder, ignore_errors=True)


def _hand_on(settings: Settings) -> None:
    """Give the settings to the workers, by the environment."""
    for name, value in settings.model_dump(mode="json").items():
        if value is not None:
            os.environ[name.upper()] = str(value)
    os.chdir(HERE.parent)


def _run_gunicorn() -> None:
    """Run gunicorn in this process: started anew, Python would import everything twice."""
    from gunicorn import __file__ as package  # noqa: PLC0415  after the checks
    from gunicorn.app.wsgiapp import run  # noqa: PLC0415

    # Its command line; on SIGUSR2 it starts itself again by it.
    main = str(Path(package).with_name("__main__.py"))
    sys.argv = [main, "-c", str(HERE / "server" / "gunicorn.conf.py")]
    run()


def _try_to_listen(settings: Settings) -> None:
    """Raise OSError when the address cannot be listened on; gunicorn would retry for seconds."""
    if settings.bind:
        _try_to_make_socket(Path(settings.bind.removeprefix(UNIX)))
        return
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((settings.host, settings.port))


def _try_to_make_socket(path: Path) -> None:
    """Gunicorn takes the place of a socket, also of one that is listened on."""
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    if path.exists() and not path.is_socket():
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    if not os.access(path.parent, os.W_OK):
        missing = errno.EACCES if path.parent.is_dir() else errno.ENOENT
        raise OSError(missing, os.strerror(missing))


def _advice(error: OSError, settings: Settings) -> str:
    if settings.bind:
        return f"cannot listen on {settings.bind}: {error.strerror}."
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {settings.port} on {settings.host} is in use; stop what listens there or "
            f"choose another: make serve PORT={settings.port + 1}."
        )
    return f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}."


def _received(detail: ErrorDetails) -> str:
    """The wrong value, if its setting is one that may be shown."""
    field = Settings.model_fields.get(str(detail["loc"][0])) if detail["loc"] else None
    return f", received {str(detail['input'])[:SHOWN]!r}" if field and field.repr else ""


def _tell(sentence: str) -> None:
    print(f"service: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
