"""The OpenAPI document, made from what validates requests and from the service's own answers.

Schemas of requests are those of the dialects' validating types. An example is a request that
is written down here and the answer that the service gives to it, so that no example is wrong.
"""

from service.api.admin import document as admin
from service.api.native import document as native
from service.api.openapi.document import written
from service.api.openapi.examples import Recorder
from service.api.openapi.parts import About, Operation
from service.api.operating import document as operating
from service.api.tfserving import document as tfserving
from service.api.v2 import document as v2
from service.gate.wire import App
from service.serving.loaded import Loaded


def document(app: App, source: Loaded, max_rows: int) -> bytes:
    """The document of an app that lets anyone in, `source` being what answers by default."""
    about = About(source, max_rows)
    return written(operations(about), Recorder(app, about.path))


def operations(about: About) -> tuple[Operation, ...]:
    """Every operation there is."""
    dialects = (native, tfserving, v2, admin, operating)
    return tuple(each for dialect in dialects for each in dialect.operations(about))
