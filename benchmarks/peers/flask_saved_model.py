"""Flask and a SavedModel, as usually written: load at import, read JSON, call the signature."""

import os
from typing import Any

import tensorflow as tf
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
model = tf.saved_model.load(os.environ["SAVED_MODEL"])
serve = model.signatures["serving_default"]
INPUTS = ("sugar", "fiber", "protein")


@app.post("/predict")
def predict() -> Response:
    """Predict calories for one row."""
    return jsonify(answer([request.get_json()])[0])


@app.post("/predict/batch")
def predict_batch() -> Response:
    """Predict calories for rows."""
    return jsonify({"predictions": answer(request.get_json())})


def answer(rows: list[dict[str, float]]) -> list[dict[str, Any]]:
    """Call the signature with one column an input."""
    columns = {name: tf.constant([row[name] for row in rows], tf.float32) for name in INPUTS}
    outputs = {name: values.numpy().tolist() for name, values in serve(**columns).items()}
    return [
        dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)
    ]
