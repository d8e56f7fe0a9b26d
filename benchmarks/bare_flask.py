"""A Flask app of one constant route: what start-up is compared with."""

import os

from flask import Flask, Response

ANSWER = os.environ["ANSWER"]
app = Flask(__name__)


@app.post("/predict")
def predict() -> Response:
    """Answer with ANSWER."""
    return Response(ANSWER, content_type="application/json")
