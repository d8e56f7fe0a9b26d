"""Publish: export a trained model, check it, write its manifest and give it a number."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf

from models.labels import STABLE
from models.manifest import Architecture, Code, Data, Evaluation, Input, Manifest, Quantity
from models.publish import Sign, publish, staging
from models.registry import Registry
from training import gate, report, sample
from training.dataset import Dataset
from training.export import export
from training.tables import Floats
from training.train import Trained

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Published:
    """A version in the registry. `verdict` says why it is not stable; empty when it is.

    `difference` is the largest found between twin and SavedModel, as `export` gives it.
    """

    manifest: Manifest
    difference: float
    verdict: gate.Verdict


def publish_trained(
    trained: Trained,
    registry: Registry,
    model: str,
    *,
    force_label: bool = False,
    sign: Sign | None = None,
) -> Published:
    """Publish under the name `model`; `stable` moves when the gate, or `force_label`, lets it.

    Raises ExportError when twin and SavedModel differ.
    """
    verdict = gate.Verdict()

    def passes() -> bool:
        nonlocal verdict
        if not force_label:
            verdict = gate.judge(trained.evaluation, _stable(registry, model))
        return not verdict.refusal

    with staging(registry, model) as draft:
        manifest = describe(trained, model)
        difference = export(
            trained.model,
            manifest.inputs,
            manifest.output.name,
            trained.interval.half_width,
            draft,
        )
        report.write(report.content_of(trained, manifest), draft)
        sample.write(trained.data, draft)
        number = publish(registry, draft, manifest, promote=passes, sign=sign)
    return Published(registry.manifest(model, number), difference, verdict)


def _stable(registry: Registry, model: str) -> Evaluation | None:
    """What stable scores."""
    return registry.manifest(model, registry.labelled(model, STABLE)).evaluation


def describe(trained: Trained, model: str) -> Manifest:
    """The manifest, but for the version and the checksums, which publishing adds."""
    config, data = trained.config, trained.data
    architecture = trained.architecture
    return Manifest(
        model=model,
        version=1,
        intended_use=data.intended_use,
        not_for=data.not_for,
        architecture=Architecture(
            name=architecture.name,
            inputs=architecture.inputs,
            hidden=architecture.hidden,
            activation=architecture.activation,
            members=architecture.members,
            parameters=trained.model.count_params(),
            seed=config.seed,
            recipe=vars(architecture.recipe) | {"weight_decay": trained.weight_decay},
            libraries={
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "ai-edge-litert": version("ai-edge-litert"),
            },
        ),
        inputs=ranges(data),
        output=measured(data.output, data.target),
        interval=trained.interval,
        data=Data(
            source=data.source,
            rows=len(data),
            left_out=sum(len(each.names) for each in data.left_out),
            sha256=data.sha256,
            origin=data.origin,
            year=data.year,
            filled=data.filled,
        ),
        evaluation=trained.evaluation,
        code=_revision(),
        created=datetime.now(UTC).replace(microsecond=0),
        files={},
    )


def ranges(data: Dataset) -> tuple[Input, ...]:
    """What each input was in training."""
    return tuple(map(measured, data.columns, data.rows.T))


Described = TypeVar("Described", bound=Quantity)


def measured(quantity: Described, values: Floats) -> Described:
    """The quantity with what training saw of it, values float64 [n]."""
    levels = np.quantile(values, QUANTILES)
    return type(quantity).model_validate(
        {
            **dict(quantity),
            "min": float(values.min()),
            "max": float(values.max()),
            "mean": float(values.mean()),
            "quantiles": {f"{q:g}": float(it) for q, it in zip(QUANTILES, levels, strict=True)},
        }
    )


def _revision() -> Code:
    """The commit of the code, or "unknown" outside a git checkout (in an image, say)."""
    try:
        revision = _git("rev-parse", "HEAD")
        return Code(revision=revision, modified=bool(_git("status", "--porcelain")))
    except (OSError, subprocess.CalledProcessError):
        return Code(revision="unknown", modified=False)


def _git(*arguments: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(ROOT), *arguments],  # noqa: S607  the user's own git
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()
