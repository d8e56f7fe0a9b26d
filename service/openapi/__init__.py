"""The OpenAPI document, made from what validates requests and from the service's own answers.

Schemas of requests are those of the dialects' validating types. An example is a request that
is written down here and the answer that the service gives to it, so that no example is wrong.
"""

from service.openapi import admin, native, operating, tfserving, v2
from service.openapi.document import written
from service.openapi.exchange import Recorder
from service.openapi.parts import About, Operation
from service.snapshot import Loaded
from service.wire import App


def document(app: App, source: Loaded, max_rows: int) -> bytes:
    """The document of an app that lets anyone in, `source` being what answers by default."""
    about = About(source, max_rows)
    return written(operations(about), Recorder(app, about.path))


def operations(about: About) -> tuple[Operation, ...]:
    """Every operation there is."""
    dialects = (native, tfserving, v2, admin, operating)
    return tuple(each for dialect in dialects for each in dialect.operations(about))
