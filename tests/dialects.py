"""What the tests ask of every dialect, and how an answer is held against its dialect's form."""

import json
from typing import Any

import numpy as np
from werkzeug.test import TestResponse

ROW = {"sugar": 5, "fiber": 1, "protein": 2}

COLUMNS = {"sugar": [5, 12, 0], "fiber": [1, 0, 14], "protein": [2, 1, 4]}
TABLE = [list(row) for row in zip(*COLUMNS.values(), strict=True)]
ROWS = [dict(zip(ROW, row, strict=True)) for row in TABLE]
OUTPUTS = ["calories", "lower", "upper"]
PROBLEM = {"type", "title", "status", "detail"}  # RFC 9457


def tensor(name: str, data: Any, datatype: str = "FP32", shape: Any = None) -> dict[str, Any]:
    """A tensor of the Open Inference Protocol."""
    shape = list(np.shape(data)) if shape is None else shape
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def tensors(**changed: Any) -> list[dict[str, Any]]:
    """One for each input; a changed one replaces its fields."""
    return [
        {**tensor(name, data, "INT64"), **changed.get(name, {})} for name, data in COLUMNS.items()
    ]


def answer(response: TestResponse) -> Any:
    """What a right request gets, in JSON."""
    assert response.status_code == 200, response.data
    assert response.content_type == "application/json"
    return json.loads(response.data)


def is_problem(told: Any, content_type: str | None, status: int) -> bool:
    """Whether an error has the native dialect's form."""
    named = PROBLEM <= told.keys() <= PROBLEM | {"errors"}
    return content_type == "application/problem+json" and named and told["status"] == status


def is_error(told: Any, content_type: str | None, _: int) -> bool:
    """Whether an error has the form of the other dialects."""
    is_text = told.keys() == {"error"} and isinstance(told["error"], str)
    return content_type == "application/json" and is_text


def refusal(response: TestResponse, status: int = 400) -> str:
    """The sentence of an error body, which has its dialect's form and nothing more."""
    assert response.status_code == status, response.data
    told = json.loads(response.data)
    others = response.request.path.lower().startswith(("/v1", "/v2"))
    form = is_error if others else is_problem
    assert form(told, response.content_type, status), response.data
    sentence: str = told["error" if others else "detail"]
    assert "Traceback" not in sentence
    return sentence
