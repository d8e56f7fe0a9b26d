"""The SavedModel that was brought, as what can be asked, and the twin that is made of it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf

from models.manifest import FEATURES, Signature
from training.adopt import NotAdopted
from training.export import (
    Answers,
    Ask,
    ExportError,
    Rows,
    compile_twin,
    with_interval,
)

LACKS = re.compile(r"\btf\.([A-Z]\w+)")  # what the converter says of operations


def load(folder: Path) -> Any:
    """The SavedModel, whose graph was looked at; raises NotAdopted when TensorFlow cannot."""
    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow raises whatever a wrong file leads to
        raise NotAdopted(f"TensorFlow cannot load it: {_first_line(error)}.") from error


def ask_of(loaded: Any, signature: Signature, name: str | None = None) -> Ask:
    """Ask one of its signatures, as its clients do; float32 [n, k] gives float64 [1, n].

    Raises NotAdopted for rows that it cannot answer, or not one by one.
    """
    call = loaded.signatures[name or signature.name]

    def ask(rows: Rows) -> Answers:
        try:
            answers = np.asarray(_called(call, signature, tf.constant(rows)), np.float64)
        except Exception as error:
            raise NotAdopted(
                f"TensorFlow cannot answer {len(rows)} rows: {_first_line(error)}."
            ) from error
        if answers.shape != rows.shape[:1]:
            raise NotAdopted(
                f"{len(rows)} rows are answered as {list(answers.shape)}; expected one each."
            )
        return answers[None].astype(np.float32).astype(np.float64)  # as it is served

    return ask


def twin_of(loaded: Any, signature: Signature, output: str, half_width: float | None) -> bytes:
    """The twin of a signature, with the interval in it; raises ExportError when LiteRT lacks it.

    `features` [n, k] in the manifest's order gives [n]: a signature around the one that was
    brought, saved once more and compiled.
    """
    call = loaded.signatures[signature.name]
    width = sum(len(each.inputs) for each in signature.tensors)

    def answer(features: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = tf.cast(_called(call, signature, features), tf.float32)
        return with_interval(output, answers, half_width)

    module = tf.Module()
    module.loaded = loaded
    module.features = tf.function(
        answer, [tf.TensorSpec((None, width), tf.float32, FEATURES)], autograph=False
    )
    with TemporaryDirectory(prefix="adopt-") as folder:
        try:
            tf.saved_model.save(module, folder, {FEATURES: module.features})
            with _quiet():
                return compile_twin(Path(folder))
        except Exception as error:
            lacks = sorted({*LACKS.findall(str(error))})
            why = (
                f"LiteRT lacks {', '.join(lacks)} of such numbers" if lacks else _first_line(error)
            )
            raise ExportError(f"The twin cannot be compiled: {why}.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the compiler writes on standard error: it is told in a sentence."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _called(call: Any, signature: Signature, rows: tf.Tensor) -> tf.Tensor:
    """The answers [n] of a signature to rows [n, k]."""
    _, specs = call.structured_input_signature
    tensors = {
        name: tf.cast(part, specs[name].dtype) for name, part in signature.split(rows).items()
    }
    answers = call(**tensors)[signature.output.name]
    return answers[:, 0] if len(signature.output.shape) == 2 else answers


def _first_line(error: Exception) -> str:
    lines = [*filter(None, map(str.strip, str(error).splitlines())), type(error).__name__]
    return lines[0][:300].rstrip(".")
