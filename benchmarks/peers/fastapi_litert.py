"""FastAPI and LiteRT, as usually written: pydantic models, one interpreter behind a lock."""

import os
import threading

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
runner = Interpreter(os.environ["TWIN"]).get_signature_runner("features")
lock = threading.Lock()


class Row(BaseModel):
    """One serving, in grams."""

    sugar: float
    fiber: float
    protein: float


class Answer(BaseModel):
    """One prediction, in kcal."""

    calories: float
    lower: float
    upper: float


class Answers(BaseModel):
    """Predictions in the order of the rows."""

    predictions: list[Answer]


@app.post("/predict")
def predict(row: Row) -> Answer:
    """Predict calories for one row."""
    return answer([row])[0]


@app.post("/predict/batch")
def predict_batch(rows: list[Row]) -> Answers:
    """Predict calories for rows."""
    return Answers(predictions=answer(rows))


def answer(rows: list[Row]) -> list[Answer]:
    """Run the twin on all rows at once."""
    features = np.array([[row.sugar, row.fiber, row.protein] for row in rows], np.float32)
    with lock:
        outputs = runner(features=features)
    columns = [outputs[name].tolist() for name in ("calories", "lower", "upper")]
    return [
        Answer(calories=calories, lower=lower, upper=upper)
        for calories, lower, upper in zip(*columns, strict=True)
    ]
