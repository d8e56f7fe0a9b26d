"""The OpenAPI document, made from the table, what validates requests, and the service's answers.

Schemas of requests are those of the dialects' validating types. An example is a request that
is written down here and the answer that the service gives to it, so that no example is wrong.
"""

from service.api.admin import document as admin
from service.api.native import document as native
from service.api.openapi.document import written
from service.api.openapi.parts import About
from service.api.operating import document as operating
from service.api.table import Table
from service.api.tfserving import document as tfserving
from service.api.v2 import document as v2
from service.exchange import Application
from service.serving.loaded import Loaded

SECTIONS = (native.SECTION, tfserving.SECTION, v2.SECTION, admin.SECTION, operating.SECTION)


def document(table: Table, application: Application, source: Loaded, max_rows: int) -> bytes:
    """The document; `application` lets anyone in, `source` is what answers by default."""
    return written(table.operations, SECTIONS, About(source, max_rows), application)
