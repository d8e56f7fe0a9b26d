"""Adopt what was brought: look at it, ask it, make its twin, and publish all with a manifest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from models.labels import STABLE
from models.manifest import (
    SIGNATURES,
    TWIN,
    Input,
    Manifest,
    Output,
    Signature,
    fault,
)
from models.publish import Sign, publish, staging
from models.registry import Registry
from training import gate
from training.adopt import NotAdopted, asking, files, signature
from training.adopt.measure import measure
from training.card import Changes
from training.dataset import Dataset, load
from training.export import (
    DIFFERS,
    Ask,
    ExportError,
    Rows,
    difference,
    kinds_of_rows,
    twin_of,
)
from training.publish import ranges

TOLERANCE = 1e-6  # of the largest answer: what the twin may differ by
ALONE_TOLERANCE = 1e-5  # and what a row's answer may differ by among other rows
DEPENDS = (
    "An answer depends on the rows beside it, or on chance, so the same row would be answered in "
    "several ways: it differs"
)
NO_STABLE = "nothing was measured of it, so nobody knows whether it is better than stable"


@dataclass(frozen=True)
class Wanted:
    """What is to be adopted, and under which names. Empty: as the SavedModel has it."""

    path: Path
    model: str
    inputs: tuple[str, ...] = ()
    signature: str | None = None
    target: str = ""
    unit: str = ""
    accept: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    data: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    coverage: float = 0.9


@dataclass(frozen=True)
class Adopted:
    """A version in the registry.

    `difference` is what its twin differs by, as a share of the largest answer. `passed_over` are
    files that lay beside the SavedModel. `held_back` says why it is not stable; empty when it is.
    """

    manifest: Manifest
    difference: float
    passed_over: Sequence[str]
    held_back: str


def adopt(
    wanted: Wanted, registry: Registry, *, force_label: bool = False, sign: Sign | None = None
) -> Adopted:
    """Publish what `wanted` names; raises NotAdopted, and what the registry raises."""
    try:
        return _adopted(wanted, registry, force_label=force_label, sign=sign)
    except ValidationError as error:  # as of inputs with names that no request can have
        raise NotAdopted(f"This cannot be published: {fault(error)}.") from error


def _adopted(
    wanted: Wanted, registry: Registry, *, force_label: bool, sign: Sign | None
) -> Adopted:
    held_back = ""

    def passes() -> bool:
        nonlocal held_back
        held_back = "" if force_label else _refusal(registry, manifest)
        return not held_back

    with staging(registry, wanted.model) as draft:
        passed_over = files.bring(wanted.path, draft)
        saved_model = files.parse(draft)
        signatures = saved_model.meta_graphs[0].signature_def
        name = signature.choose(signatures, wanted.signature)
        card = signature.read(signatures[name], name, wanted.inputs)
        files.require_that_it_only_computes(saved_model)
        loaded = asking.load(draft)
        inputs, data = _inputs(card, wanted), _data(card, wanted)
        tried = kinds_of_rows(ranges(data) if data else inputs)
        ask = asking.ask_of(loaded, card)
        _require_own_answers(ask, tried)
        aliases = _aliases(signatures, loaded, card, np.concatenate([*tried.values()]))
        output = signature.output_name(card, wanted.target, [each.name for each in inputs])
        found = measure(ask, data, wanted.coverage) if data else None
        described = found.output if found else Output(name=output, unit=wanted.unit)
        half_width = found.interval.half_width if found else None
        twin, differs, why = _twin(loaded, card, described.name, half_width, ask, tried)
        if twin:
            (draft / TWIN).write_bytes(twin)
        (draft / SIGNATURES).write_text(json.dumps(files.metadata(signatures)))
        manifest = Manifest(
            model=wanted.model,
            version=1,
            inputs=found.inputs if found else inputs,
            output=described,
            interval=found.interval if found else None,
            evaluation=found.evaluation if found else None,
            signature=card.model_copy(update={"aliases": aliases, "no_twin": why}),
            created=datetime.now(UTC).replace(microsecond=0),
            files={},
        )
        number = publish(registry, draft, manifest, promote=passes, sign=sign)
    return Adopted(registry.manifest(wanted.model, number), differs, passed_over, held_back)


def _inputs(card: Signature, wanted: Wanted) -> tuple[Input, ...]:
    names = [name for each in card.tensors for name in each.inputs]
    if unknown := wanted.accept.keys() - {*names}:
        raise NotAdopted(f"--accept {min(unknown)}: the inputs are: {', '.join(names)}.")
    return tuple(Input(name=name, accept=wanted.accept.get(name)) for name in names)


def _data(card: Signature, wanted: Wanted) -> Dataset | None:
    """The rows to measure it with, in the order of its inputs; raises DataError."""
    if not wanted.data:
        return None
    names = tuple(name for each in card.tensors for name in each.inputs)
    changes = Changes(
        target=wanted.target,
        unit=wanted.unit,
        inputs=names,
        columns=wanted.columns,
        accept=wanted.accept,
    )
    return load(wanted.data, changes=changes)


def _require_own_answers(ask: Ask, tried: Mapping[str, Rows]) -> None:
    """Raise NotAdopted unless a row is answered alike alone, among others, and once more."""
    try:
        difference(ask, ask, tried, ALONE_TOLERANCE, DEPENDS)
    except ExportError as error:
        raise NotAdopted(f"{error} Export it as it answers when it is not trained.") from error


def _aliases(
    signatures: Mapping[str, Any], loaded: Any, card: Signature, rows: Rows
) -> tuple[str, ...]:
    """The other signatures of the same tensors that answer the same, bit for bit."""
    answers = asking.ask_of(loaded, card)(rows)
    chosen = _tensors(signatures[card.name])
    return tuple(
        name
        for name in sorted(signatures)
        if name != card.name
        and _tensors(signatures[name]) == chosen
        and np.array_equal(asking.ask_of(loaded, card, name)(rows), answers, equal_nan=True)
    )


def _tensors(signature_def: Any) -> list[dict[str, object]]:
    return [
        {
            name: (each.dtype, [dim.size for dim in each.tensor_shape.dim])
            for name, each in tensors.items()
        }
        for tensors in (signature_def.inputs, signature_def.outputs)
    ]


def _twin(  # noqa: PLR0913, PLR0917  what a twin is made of and held against
    loaded: Any,
    card: Signature,
    output: str,
    half_width: float | None,
    ask: Ask,
    tried: Mapping[str, Rows],
) -> tuple[bytes | None, float, str]:
    """The twin and what it differs by, or None and why there is none."""
    try:
        twin = asking.twin_of(loaded, card, output, half_width)
        return twin, difference(ask, twin_of(twin, (output,)), tried, TOLERANCE, DIFFERS), ""
    except (ExportError, RuntimeError, ValueError) as error:  # the last two are LiteRT's own
        why = " ".join(str(error).split())[:500]
        return None, 0.0, f"{why} The SavedModel itself is served, by TensorFlow."


def _refusal(registry: Registry, new: Manifest) -> str:
    """Why the version does not become stable; empty when it does."""
    stable = registry.manifest(new.model, registry.labelled(new.model, STABLE))
    if new.evaluation is None:
        return NO_STABLE
    return gate.judge(new.evaluation, stable.evaluation).refusal
