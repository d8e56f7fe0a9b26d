"""FastAPI and a SavedModel, as usually written: pydantic models in and out, call the signature."""

import os

import tensorflow as tf
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = tf.saved_model.load(os.environ["SAVED_MODEL"])
serve = model.signatures["serving_default"]
INPUTS = ("sugar", "fiber", "protein")


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
    """Call the signature with one column an input."""
    columns = {n: tf.constant([getattr(row, n) for row in rows], tf.float32) for n in INPUTS}
    outputs = {name: values.numpy().tolist() for name, values in serve(**columns).items()}
    return [
        Answer(**dict(zip(outputs, values, strict=True)))
        for values in zip(*outputs.values(), strict=True)
    ]
