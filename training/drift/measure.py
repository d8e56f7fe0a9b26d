"""How far what was asked is from what was trained on, column by column."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from training.drift.log import Asked, Floats
from training.drift.reference import Reference
from training.tables import DataError

BINS = 10
THRESHOLD = 0.25  # of the PSI: the usual rule is 0.1 some drift, 0.25 much (Siddiqi 2006)
CHANCE = 0.999  # below this quantile a PSI may be chance
OUTSIDE = 0.1  # the share of rows out of the training range that is drift by itself


@dataclass(frozen=True)
class Drift:
    """One input, or the predictions, in their own unit.

    `psi` is the population stability index over the deciles of training, `chance` what it may be
    without any drift. `ks` is the largest distance between the cumulative shares (Kolmogorov and
    Smirnov's statistic, 0 to 1). `shift` is that of the mean, in standard deviations of training.
    `outside` is the share of rows out of the range of training. `trained` [m] and `asked` [n] are
    the values.
    """

    name: str
    unit: str
    trained: Floats
    asked: Floats
    psi: float
    chance: float
    ks: float
    shift: float
    outside: float

    def drifted(self, threshold: float) -> bool:
        """Whether the index is above the threshold and beyond chance, or much is out of range."""
        return self.psi > max(threshold, self.chance) or self.outside > OUTSIDE


def drifts(reference: Reference, asked: Asked) -> list[Drift]:
    """Each input's, in the manifest's order, and the predictions'.

    Raises DataError when the version was asked with other inputs than it has now.
    """
    inputs = reference.manifest.input_names
    if asked.inputs != inputs:
        raise DataError(
            f"{asked.model} version {asked.version} was asked with {', '.join(asked.inputs)}, and "
            f"the one in the registry has {', '.join(inputs)}: it is another by now."
        )
    manifest = reference.manifest
    found = [
        compare(given.name, given.unit, trained, values, (seen.min, seen.max))
        for given, seen, trained, values in zip(
            manifest.inputs, manifest.seen, reference.rows.T, asked.rows.T, strict=True
        )
    ]
    answers, output = reference.answers, manifest.output
    span = (float(answers.min()), float(answers.max()))
    return [*found, compare(output.name, output.unit, answers, asked.answers, span)]


def compare(
    name: str, unit: str, trained: Floats, asked: Floats, span: tuple[float, float]
) -> Drift:
    """Compare values [n] with those of training [m], whose range is `span`."""
    low, high = map(np.float32, span)  # as the service has it, which computes in float32
    values = asked.astype(np.float32)
    psi, chance = stability(trained, asked)
    return Drift(
        name,
        unit,
        trained,
        asked,
        psi,
        chance,
        ks=farthest(trained, asked),
        shift=float((asked.mean() - trained.mean()) / (trained.std() or 1.0)),
        outside=float(((values < low) | (values > high)).mean()),
    )


def stability(trained: Floats, asked: Floats) -> tuple[float, float]:
    """The population stability index, and how large it may be by chance.

    It is the sum over bins of (a - t) ln(a / t), where a and t are the shares of what was asked and
    of training. The bins are training's deciles, fewer where they coincide; half a row more in each
    keeps the logarithm finite. Without drift the index, over 1/m + 1/n, has a chi-squared
    distribution with one degree of freedom less than there are bins (Yurdakul and Naranjo 2020,
    Statistical properties of the population stability index).
    """
    edges = np.unique(np.quantile(trained, np.arange(1, BINS) / BINS))
    t, a = (_shares(values, edges) for values in (trained, asked))
    psi = float(((a - t) * np.log(a / t)).sum())
    noise = 1 / len(trained) + 1 / len(asked)
    return psi, chi_squared(CHANCE, len(edges)) * noise


def chi_squared(level: float, degrees: int) -> float:
    """The quantile of a chi-squared distribution, within 4 % (Wilson and Hilferty 1931)."""
    part = 2 / (9 * degrees)
    cube: float = (1 - part + NormalDist().inv_cdf(level) * part**0.5) ** 3
    return degrees * cube


def farthest(one: Floats, other: Floats) -> float:
    """The largest distance between the cumulative shares of [m] and [n] values."""
    places = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(x), places, side="right") / len(x) for x in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return np.asarray((counts + 0.5) / (counts + 0.5).sum())
