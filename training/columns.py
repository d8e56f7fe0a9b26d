"""Which columns of a table are the target and the inputs, and what they are called."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.manifest import INPUT_NAME, MOST_INPUTS, TAKEN, TAKEN_BESIDE, Input, Output
from training.card import Changes, InputCard, TableCard, TargetCard
from training.tables import DataError, Floats, Table

LISTED = 20  # names in a sentence


@dataclass(frozen=True)
class Chosen:
    """The header of each input, by its name; `by_itself` when nobody named them.

    `notes` are sentences on what was not taken, and why.
    """

    headers: Mapping[str, str]
    notes: tuple[str, ...] = ()
    by_itself: bool = False


def output_of(table: Table, card: TableCard, changes: Changes) -> tuple[Output, str]:
    """What is predicted, and the header of its column; raises DataError when nobody said it."""
    said = card.target
    if said and changes.target in {"", said.name, said.column}:
        header = said.column or said.name
    elif changes.target:
        header = _header(table, changes.target, changes.columns)
        [name] = named([changes.target], {*TAKEN, *TAKEN_BESIDE})
        said = TargetCard(name=name)
    else:
        raise DataError(
            f"{table.path}: which column is to be predicted? Name it with --target COLUMN; "
            f"it has: {listed(table.kinds)}."
        )
    unit = changes.unit or said.unit
    return Output(name=said.name, unit=unit, description=said.description, words=said.words), header


def inputs_of(
    table: Table, card: TableCard, changes: Changes, wanted: Sequence[str], target: str
) -> Chosen:
    """The inputs that were asked for, else those of the architecture, of the card, or of numbers.

    `wanted` are those of the architecture, which hold where the card has them all; `target` is the
    header that is no input. Raises DataError.
    """
    known = {name: each.column or name for name, each in card.inputs.items()}
    known.update(changes.columns)
    asked = changes.inputs or (wanted if card.inputs.keys() >= {*wanted} else ()) or card.inputs
    if asked:
        chosen = Chosen({name: _header(table, name, known) for name in asked})
    else:
        chosen = _of_numbers(table, {header: name for name, header in known.items()}, card, target)
    if target in chosen.headers.values():
        raise DataError(f"{table.path}: '{target}' is to be predicted, and cannot be an input too.")
    if lost := [name for name in changes.accept if name not in chosen.headers]:
        raise DataError(f"--accept {lost[0]}: it is no input; they are: {listed(chosen.headers)}.")
    return chosen


def telling(path: Path, chosen: Chosen, cells: Floats, target: str) -> tuple[Chosen, list[int]]:
    """Without those that tell nothing, of inputs that nobody named; and the places of the others.

    Those are a column that is the same in every row, and one that numbers the rows. Raises
    DataError when none is left, or too many are.
    """
    kept, notes = [], list(chosen.notes)
    for place, (name, header) in enumerate(chosen.headers.items()):
        fault = _fault(cells[:, place]) if chosen.by_itself else ""
        if fault:
            notes.append(f"not an input: '{header}' {fault}")
        else:
            kept.append((place, name, header))
    if not 1 <= len(kept) <= MOST_INPUTS:
        raise DataError(
            f"{path}: expected from 1 to {MOST_INPUTS} inputs, found {len(kept)} columns of "
            f"numbers beside '{target}' that tell something. Name them with --inputs A,B,C."
        )
    headers = {name: header for _, name, header in kept}
    return Chosen(headers, tuple(notes), chosen.by_itself), [place for place, *_ in kept]


def input_of(name: str, card: TableCard, changes: Changes) -> Input:
    """What is known of an input before it is measured."""
    said = card.inputs.get(name, InputCard())
    return Input(
        name=name,
        unit=said.unit,
        description=said.description,
        words=said.words,
        accept=changes.accept.get(name, said.accept),
    )


def named(headers: Iterable[str], taken: Collection[str] = TAKEN) -> list[str]:
    """A different plain name for each header: `Area (m2)` is Area_m2."""
    used: set[str] = {*taken}
    names = []
    for number, header in enumerate(headers, 1):
        plain = re.sub("[^A-Za-z0-9]+", "_", header).strip("_")
        plain = header if re.fullmatch(INPUT_NAME, header) else plain[:55] or f"column_{number}"
        name = first = plain if re.match("[A-Za-z_]", plain) else f"x{plain}"
        again = 1
        while name in used:
            again += 1
            name = f"{first}_{again}"
        used.add(name)
        names.append(name)
    return names


def listed(names: Iterable[str]) -> str:
    """The names with commas, of many the first."""
    every = [*names]
    return ", ".join(every[:LISTED]) + (", …" if len(every) > LISTED else "")


def _header(table: Table, name: str, known: Mapping[str, str]) -> str:
    """What is called so in the table: by the card or --column, by itself, or by its plain name."""
    if name in known or name in table.kinds:
        return known.get(name, name)
    plain = dict(zip(named(table.kinds), table.kinds, strict=True))
    return plain.get(name, name)


def _of_numbers(table: Table, names: Mapping[str, str], card: TableCard, target: str) -> Chosen:
    """Every column of numbers but the target."""
    taken, notes = [], []
    for header, kind in table.kinds.items():
        if header in {target, card.rows}:
            continue
        if kind in {"numbers", "true and false"}:
            taken.append(header)
        else:
            notes.append(f"not an input: '{header}' holds {kind}")
    plain = zip(taken, named(taken), strict=True)
    headers = {names.get(header, name): header for header, name in plain}
    notes += [f"{name} is the column '{it}'" for name, it in headers.items() if name != it]
    return Chosen(headers, tuple(notes), by_itself=True)


def _fault(cells: Floats) -> str:
    """Why a column tells nothing; empty when it may."""
    there = cells[~np.isnan(cells)]
    if not len(there) or (there == there[0]).all():
        return "is the same in every row"
    if np.array_equal(cells, cells[0] + np.arange(len(cells))) and cells[0] in {0, 1}:
        return "numbers the rows"
    return ""
