"""A body that is read in parts is answered as if it were read at once."""

import pytest
from hypothesis import given, settings

from service.codecs import json_parts, text_csv
from tests.fuzz import bodies
from tests.fuzz.targets import Target, targets

SMALL = 6  # bytes of a part: fewer than most items have
BODIES = {
    "native": bodies.NATIVE,
    "explain": bodies.NATIVE,
    "csv": bodies.CSV,
    "v1": bodies.V1_ROWS,
    "v1-regress": bodies.V1_EXAMPLES,
    "v2": bodies.V2_JSON,
    "admin": bodies.MOVES,
}


@pytest.fixture(scope="module")
def operations() -> dict[str, Target]:
    return targets()


@pytest.mark.parametrize("name", BODIES)
def test_what_is_read_in_parts_is_answered_alike(operations: dict[str, Target], name: str) -> None:
    ask = operations[name]

    @settings(max_examples=500)
    @given(BODIES[name])
    def check(body: bytes) -> None:
        whole = ask(body)
        with pytest.MonkeyPatch.context() as patch:
            for codec in (json_parts, text_csv):
                patch.setattr(codec, "PART", SMALL)
            parts = ask(body)
        assert parts.status // 100 == whole.status // 100
        if whole.status == 200:
            assert parts.body == whole.body

    check()
