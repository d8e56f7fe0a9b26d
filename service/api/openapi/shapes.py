"""The schemas of requests and answers, made by pydantic from the types."""

from collections.abc import Sequence
from typing import Any

from openapi_pydantic import Reference, Schema
from pydantic import TypeAdapter

from service.api.openapi.parts import Part, Shape

TEMPLATE = "#/components/schemas/{model}"


class Shapes:
    """The schemas of all that operations take and give; named types are `components`."""

    def __init__(self, parts: Sequence[Part], errors: Sequence[Shape]) -> None:
        given = [shape for each in parts for shape in each.gives.values()]
        self._found, rest = TypeAdapter.json_schemas(
            [
                *(
                    (repr(shape), "validation", _adapter(shape))
                    for each in parts
                    for any_of in each.takes.values()
                    for shape in _several(any_of)
                ),
                *(
                    (repr(shape), "serialization", _adapter(shape))
                    for shape in (*given, *dict.fromkeys(errors))
                ),
            ],
            ref_template=TEMPLATE,
        )
        self.components = {
            name: Schema.model_validate(schema) for name, schema in rest["$defs"].items()
        }

    def taken(self, shape: Shape) -> Schema | Reference:
        """The schema of a request."""
        found = [_parsed(self._found[repr(each), "validation"]) for each in _several(shape)]
        return found[0] if len(found) == 1 else Schema(anyOf=found)

    def given(self, shape: Shape) -> Schema | Reference:
        """The schema of an answer."""
        return _parsed(self._found[repr(shape), "serialization"])


def _several(shape: Shape) -> tuple[Shape, ...]:
    return shape if isinstance(shape, tuple) else (shape,)


def _adapter(shape: Shape) -> TypeAdapter[Any]:
    return shape if isinstance(shape, TypeAdapter) else TypeAdapter(shape)


def _parsed(schema: dict[str, Any]) -> Schema | Reference:
    return (Reference if "$ref" in schema else Schema).model_validate(schema)
