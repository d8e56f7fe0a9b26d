"""What cannot be answered is refused in the dialect that was spoken, with a sentence.

The wording of TensorFlow Serving is that of its http_rest_api_handler_test.cc and api_rest.md.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import Client

from tests.dialects import COLUMNS, ROW, ROWS, TABLE, refusal, tensor, tensors

P, V1, V2 = "/predict", "/v1/models/calories:predict", "/v2/models/calories/infer"
REGRESS, V1_EXPLAIN = "/v1/models/calories:regress", "/v1/models/calories:explain"
STATUS = {P: 422, V1: 400, V2: 400}  # of what is JSON, and wrong
KEYS = "an object whose keys are sugar, fiber, protein"


def refused(client: Client, path: str, body: object, status: int, **headers: str) -> str:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    kind = headers.pop("kind", "application/json")
    return refusal(client.post(path, data=data, content_type=kind, headers=headers), status)


NATIVE = [
    ({"sugar": 5, "fiber": 1}, "protein: expected a number from 0 to 1000 (g a serving)"),
    ({**ROW, "fat": 1}, "fat: expected no such field, only sugar, fiber, protein, received 1."),
    ([ROW, {**ROW, "fiber": "x"}], "[1].fiber: expected a number"),
    ({**COLUMNS, "fiber": [1]}, "fiber: expected 3 numbers, as sugar has, received 1."),
    ([], "body: expected at least one row, received 0."),
    ({name: [] for name in ROW}, "sugar: expected at least one row, received 0; fiber:"),
    (5, "body: expected an object with sugar, fiber, protein, received 5."),
    ([ROW] * 51, "body: expected at most 50 rows, received 51."),
]
TFSERVING = [
    ([], "body: expected an object, received []"),
    ({}, "Missing 'inputs' or 'instances' key"),
    ({"instances": ROWS, "inputs": COLUMNS}, "expecting only one of"),
    ({"instances": ROW}, "instances: expected an array"),
    ({"instances": []}, "expected at least one row, received 0"),
    ({"instances": [ROW] * 51}, "expected at most 50 rows, received 51"),
    ({"instances": [ROW, TABLE[0]]}, f"instances[1]: expected {KEYS}"),
    ({"instances": [ROW, {**ROW, "fat": 1}]}, f"instances[1]: expected {KEYS}"),
    ({"instances": [ROW], "signature_name": 5}, "signature_name: expected a string"),
    ({"instances": [ROW], "signature_name": "x"}, 'signature name: "x" not found'),
    ({"instances": [[1, 2]], "signature_name": "features"}, "an array of 3 numbers"),
    ({"inputs": [1, 2]}, "inputs: expected an object of arrays: sugar, fiber, protein"),
    ({"inputs": {"sugar": [1], "fiber": [1]}}, "inputs.protein: expected an array"),
    ({"inputs": {**COLUMNS, "fiber": [1]}}, "inputs.fiber[]: expected 3 rows"),
    ({"inputs": {**COLUMNS, "fiber": [[1], [2], [3]]}}, "inputs.fiber[0]: expected a number"),
]
EXAMPLES = [
    ({}, "Key 'examples' is expected"),
    ({"examples": []}, "expected at least one row, received 0"),
    ({"examples": [1]}, "examples[0]: expected an object, received 1"),
    ({"examples": [{**ROW, "sugar": [1, 2]}]}, "examples[0].sugar: expected a number"),
    ({"examples": [ROW], "signature_name": "x"}, 'signature name: "x" not found'),
    ({"context": {"fat": 1}, "examples": [ROW]}, "context: expected no keys but sugar, fiber"),
    ({"context": {"sugar": 2}, "examples": [ROW]}, "examples[0]: expected no sugar, for it is in"),
]
UNKNOWN = ("BOOL", "BYTES", "BF16", "fp32", "FLOAT")
BEYOND: Any = ("INT8", 128), ("UINT8", 256), ("UINT8", -1), ("INT64", 5.5), ("INT32", True)
FIELDS: Any = [
    ({"id": 42}, "id: expected a string, received 42"),
    ({"parameters": 1}, "parameters: expected an object"),
    ({"parameters": {"a": []}}, "parameters.a"),
    ({"parameters": {"binary_data_output": 1}}, "output: expected true or false"),
    ({"outputs": [{}]}, "outputs[0].name: expected a value"),
    ({"outputs": [{"name": "x"}]}, "outputs: expected of calories"),
    *(  # they would change the answer
        ({"outputs": [{"name": "upper", "parameters": {it: 1}}]}, f"expected no {it}")
        for it in ("classification", "shared_memory_region")
    ),
]
FEATURES = tensor("features", TABLE)
PROTOCOL: list[tuple[object, str]] = [
    ([], "body: expected an object"),
    ({}, "inputs: expected a value, received nothing"),
    *(
        ({"inputs": inputs}, sentence)
        for inputs, sentence in (
            ({}, "inputs: expected an array"),
            ([], "inputs: expected at least one item"),
            ([1], "inputs[0]: expected an object"),
            ([{}], "inputs[0].name: expected a value"),
            (tensors()[:2], "inputs: expected each of sugar, fiber, protein once"),
            ([*tensors(), FEATURES], "inputs: expected each of sugar"),
            ([{"name": "features", "shape": [1, 3], "datatype": "FP32"}], "features.data"),
            ([tensor("features", [[1, 1, 1]] * 51)], "expected at most 50 rows, received 51"),
            ([tensor("features", [[1, 2]])], "features.shape: expected [n, 3], received [1, 2]"),
            ([tensor("features", [[5, 1, 2], [5, 1, -2]])], "features[1][2]: expected a number"),
        )
    ),
    *(({"inputs": tensors(), **field}, sentence) for field, sentence in FIELDS),
    *(
        ({"inputs": tensors(sugar=change)}, sentence)
        for change, sentence in (
            ({"shape": [2]}, "sugar.data: expected 2 numbers, as its shape, received 3"),
            ({"shape": []}, "sugar.shape: expected [n] or [n, 1], received []"),
            ({"shape": [-3]}, "sugar.shape: expected no negative dimension"),
            ({"shape": [3.0]}, "inputs[0].shape[0]: expected a whole number"),
            ({"shape": [3, 1], "data": [[5], [12], 0]}, "sugar.data[2]: expected an array of 1"),
            ({"data": [[5], [12], [0]]}, "sugar.data[0]: expected a whole number"),
            ({"data": 5}, "inputs[0].data: expected an array"),
            ({"shape": [0], "data": []}, "fiber[]: expected 0 rows"),
            *(({"datatype": it}, "sugar.datatype: expected one of UINT8") for it in UNKNOWN),
            *(
                ({"datatype": it, "data": [5, value, 5]}, "sugar.data[1]: expected a whole number")
                for it, value in BEYOND
            ),
        )
    ),
]
WRONG: Any = {P: NATIVE, V1: TFSERVING, REGRESS: EXAMPLES, V2: PROTOCOL}
BODIES = [(path, body, said) for path, bodies in WRONG.items() for body, said in bodies]


@pytest.mark.parametrize(("path", "body", "sentence"), BODIES, ids=range(len(BODIES)))
def test_a_wrong_body_is_refused_with_what_was_expected(
    client: Client, path: str, body: object, sentence: str
) -> None:
    assert sentence in refused(client, path, body, STATUS.get(path, 400))


def places() -> Iterator[tuple[str, Any, str]]:
    """The places of a number, in a body that has N there."""
    wrong = {**ROW, "sugar": "N"}
    yield P, wrong, "sugar"
    yield P, [ROW, wrong], "[1].sugar"
    yield P, {**COLUMNS, "fiber": [1, "N", 1]}, "fiber[1]"
    yield V1, {"instances": [ROW, wrong]}, "instances[1].sugar"
    yield V1, {"inputs": {**COLUMNS, "fiber": [1, "N", 1]}}, "inputs.fiber[1]"
    rows = [[5, 1, 2], [5, "N", 2]]
    yield V1, {"signature_name": "features", "instances": rows}, "instances[1][1]"
    for datatype in ("FP16", "FP32", "FP64"):
        yield V2, {"inputs": tensors(sugar={"datatype": datatype, "data": [5, "N", 5]})}, "sugar[1]"


@pytest.mark.parametrize(("path", "body", "place"), list(places()))
def test_what_is_no_gram_is_refused_by_its_place(
    client: Client, path: str, body: object, place: str
) -> None:
    values = ["true", '"1.5"', "null", "{}", "-1", "1000.5", "1e300"]
    values += ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400] if path == P else []
    for value in values:
        text = json.dumps(body).replace('"N"', value)
        sentence = refused(client, path, text, STATUS[path])
        assert sentence.startswith(f"{place}: expected a number from 0 to 1000 (g a"), value


def test_each_fault_is_told_for_programs_too(client: Client) -> None:
    answer = client.post(
        P, data=f'{{"sugar":1e999,"fiber":{10**400}}}', content_type="application/json"
    )
    gram = "a number from 0 to 1000 (g a serving)"
    received = {"sugar": "Infinity", "fiber": f"{10**59}…", "protein": "nothing"}
    assert json.loads(answer.data)["errors"] == [
        {"field": field, "expected": gram, "received": said} for field, said in received.items()
    ]


NO_JSON = [
    b"",
    b"{",
    b"[1,]",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b'{"a":"\\ud800"}',
    b"[" * 4000,
    b"{}x",
]
NO_NUMBERS = [b'{"inputs": [%b]}' % name for name in (b"NaN", b"Infinity")]  # as JSON has them


@pytest.mark.parametrize("path", [P, V1, V2])
def test_what_is_no_json_gets_400(client: Client, path: str) -> None:
    for body in NO_JSON if path == P else NO_JSON + NO_NUMBERS:
        sentence = "The body is not JSON: " if path == P else "JSON Parse error: "
        assert refused(client, path, body, 400).startswith(sentence), body


@pytest.mark.parametrize("path", [P, "/explain", V1, V2])
def test_a_body_over_the_limit_and_a_compressed_one_are_refused(client: Client, path: str) -> None:
    assert "MAX_BODY_BYTES" in refused(client, path, " " * 8193, 413)
    for encoding in ("gzip", "deflate"):
        assert "send it plain" in refused(client, path, b"?", 415, content_encoding=encoding)


ONE, EXAMPLE, TENSORS = {"instances": [ROW]}, {"examples": [ROW]}, {"inputs": tensors()}
OF = "/v1/models/"


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/predict?model=bread", ROW, 404, "served are: calories, deep, linear, linear-unit"),
        ("/predict?model=../models", ROW, 404, "served are: calories"),
        ("/predict?version=7", ROW, 404, "loaded are: 1"),
        ("/predict?label=canary", ROW, 404, "it has: stable"),
        ("/predict?modle=deep", ROW, 422, "?modle: expected model, version or label"),
        ("/predict?version=-1", ROW, 422, "?version: expected a positive whole number"),
        ("/predict?version=1&version=1", ROW, 422, "?version: expected one value"),
        ("/predict?version=1&label=stable", ROW, 422, "?"),
        ("/predict?model=", ROW, 422, "?model: expected a value"),
        ("/explain", {}, 422, "sugar: expected a number from 0 to 1000"),
        ("/explain", [ROW] * 7, 422, "at most 6 rows to explain, each by 8 predictions"),
        (V1_EXPLAIN, {"inputs": COLUMNS}, 400, "'instances'"),
        (V1_EXPLAIN, {"instances": [ROW] * 7}, 400, "at most 6 rows"),
        ("/v1/models/calories:classify", EXAMPLE, 400, "Expected classification signature method"),
        (OF + "half:predict", ONE, 404, "Servable not found for request: Latest(half)"),
        (OF + "foo/versions/50:predict", ONE, 404, "Servable not found for request: Specific(foo"),
        (OF + "a%0Ab:predict", ONE, 404, "Servable not found for request: Latest(a\nb)"),
        (OF + "calories/versions/99:predict", ONE, 404, "Specific(calories, 99)"),
        (OF + f"calories/versions/{2**64}:regress", ONE, 400, "Failed to convert version"),
        (OF + "calories/labels/none:predict", ONE, 400, "Unrecognized servable version label: no"),
        ("/v2/models/bread/infer", TENSORS, 404, "bread"),
        ("/v2/models/calories/versions/9/infer", TENSORS, 404, "9"),
        ("/v2/repository/index", [], 400, ""),
        ("/v2/repository/index", "{", 400, ""),
        ("/v2/repository/index", {"ready": 1}, 400, ""),
        ("/v2/repository/models/calories/load", "", 400, "registry on disk"),
        ("/v2/repository/models/calories/unload", "", 400, "models label calories stable VERSION"),
    ],
)
def test_what_is_not_served_is_named_with_what_is(
    client: Client, path: str, body: object, status: int, sentence: str
) -> None:
    assert sentence in refused(client, path, body, status)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(("GET", path, 404) for path in ("/nowhere", "/models//1", "/models/bread")),
        *(("GET", path, 404) for path in ("/models/deep/9", "/models/bread/1")),
        *((method, P, 405) for method in ("GET", "PUT", "DELETE", "PATCH")),
        *(
            (method, f"/v1/{path}", 400)
            for method, path in (
                *(("GET", "foo"), ("POST", "foo"), ("GET", "models"), ("POST", "models")),
                *(("GET", "models/foo:predict"), ("GET", "models/foo/version/50:predict")),
                *(("POST", "models/foo/version/50:regress"), ("DELETE", "models/calories")),
                *(("POST", "models/foo/versions/HELLO:regress"), ("GET", "models/calories/")),
                *(("POST", "models/calories:PREDICT"), ("PUT", "models/calories:predict")),
            )
        ),
        *(("GET", f"/v1/models/{path}", 404) for path in ("half", "calories/versions/9")),
        *(("GET", f"/v2/{path}", 404) for path in ("nowhere", "models/calories/config")),
        *(
            ("GET", f"/v2/models/{path}{end}", 404)
            for path in ("bread", "calories/versions/9", "calories/versions/v10")
            for end in ("", "/ready")
        ),
        *(("GET", V2, 405), ("POST", "/v2", 405), ("DELETE", "/v2/models/calories", 405)),
    ],
)
def test_another_path_or_method_is_refused_in_its_dialect(
    client: Client, method: str, path: str, status: int
) -> None:
    response = client.open(path, method=method)
    sentence = refusal(response, status)
    assert ("Allow" in response.headers) == (status == 405)
    if path in {"/nowhere", P}:
        assert "POST" in sentence
    if status == 400:
        assert sentence.startswith(f"Malformed request: {method} {path}")
    if path.startswith("/v1/models") and status == 404:
        assert sentence.startswith("Could not find ")
