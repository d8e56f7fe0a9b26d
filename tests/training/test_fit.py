"""Networks and their fit: the right numbers, the same numbers, and no fold knows of another."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifest import Input, Output
from training import fit as fitting
from training.architectures import (
    ARCHITECTURES,
    Architecture,
    Network,
    Standardisation,
    build,
    fold,
    initial,
    of_size,
    with_weights,
)
from training.dataset import Dataset
from training.fit import CHUNK, Fit
from training.report.rectifier import forward

GRAMS = np.random.default_rng(1).uniform(0, 15, (200, 3))


def answered(network: Network, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(forward(network, rows)[-1][:, 0])


def drawn(architecture: Architecture) -> list[Network]:
    rng = np.random.default_rng(0)
    return [initial(architecture, rng) for _ in range(architecture.members)]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_are_what_keras_counts(name: str) -> None:
    architecture = ARCHITECTURES[name]
    assert architecture.parameters == build(architecture).count_params()


def test_folding_keeps_the_function() -> None:
    inputs = Standardisation(np.array([7.0, 2.0, 2.5]), np.array([4.0, 2.5, 1.0]))
    output = Standardisation(np.array(107.0), np.array(19.0))
    [network] = drawn(ARCHITECTURES["deep"])
    standardised = answered(network, (GRAMS - inputs.mean) / inputs.scale)
    in_grams = answered(fold(network, inputs, output), GRAMS)
    np.testing.assert_allclose(in_grams, standardised * output.scale + output.mean)


def test_an_ensemble_answers_the_mean_of_its_members() -> None:
    ensemble = ARCHITECTURES["ensemble"]
    members = drawn(ensemble)
    answers = with_weights(ensemble, members)(GRAMS.astype(np.float32))[:, 0]
    expected = np.mean([answered(member, GRAMS) for member in members], axis=0)
    np.testing.assert_allclose(answers, expected, rtol=1e-4, atol=1e-4)


def test_initial_kernels_are_he_uniform_and_biases_zero() -> None:
    [(kernel, bias), *_] = drawn(replace(ARCHITECTURES["deep"], hidden=(400,)))[0]
    limit = np.sqrt(6 / 3)
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    assert not bias.any()


def of_steps(name: str, steps: int) -> Architecture:
    architecture = ARCHITECTURES[name]
    return replace(architecture, recipe=replace(architecture.recipe, steps=steps))


DEEP = of_steps("deep", 2 * CHUNK)


def fit(data: Dataset, masks: NDArray[np.bool_], seed: int = 3) -> Fit:
    decays = np.full(len(masks), DEEP.recipe.weight_decays[0])
    return fitting.fit(DEEP, data, masks, decays, seed)


@pytest.fixture(scope="module")
def halves(cereals: Dataset) -> NDArray[np.bool_]:
    """Two folds: one sees the even rows, one the odd."""
    even = np.arange(len(cereals)) % 2 == 0
    return np.stack([even, ~even])


@pytest.fixture(scope="module")
def fitted(cereals: Dataset, halves: NDArray[np.bool_]) -> Fit:
    return fit(cereals, halves)


def test_the_linear_unit_is_the_least_squares_plane_and_stops_early(cereals: Dataset) -> None:
    linear, everything = of_steps("linear", 5000), np.ones((1, len(cereals)), bool)
    fitted = fitting.fit(linear, cereals, everything, np.zeros(1), 0)
    [[[(kernel, bias)]]] = fitted.networks
    assert kernel[:, 0] == pytest.approx([2.837, -3.483, 7.982], rel=0.01)
    assert bias[0] == pytest.approx(74.450, rel=0.01)
    np.testing.assert_allclose(cereals.rows @ kernel[:, 0] + bias, fitted.predictions[0], atol=1e-3)
    assert fitted.history[-1].step < linear.recipe.steps


def test_the_same_seed_gives_the_same_bits_whatever_a_fold_does_not_see(
    cereals: Dataset, halves: NDArray[np.bool_], fitted: Fit
) -> None:
    seen = halves[0]
    rows = np.where(seen[:, None], cereals.rows, 99.0)
    changed = replace(cereals, rows=rows, target=np.where(seen, cereals.target, 999.0))
    again = fit(changed, halves)
    np.testing.assert_array_equal(fitted.predictions[0][seen], again.predictions[0][seen])
    assert np.abs(fitted.predictions[1] - again.predictions[1]).max() > 1


def test_another_seed_gives_other_answers(
    cereals: Dataset, halves: NDArray[np.bool_], fitted: Fit
) -> None:
    assert np.abs(fitted.predictions - fit(cereals, halves, seed=4).predictions).max() > 0.1


def test_folds_fitted_together_are_those_fitted_alone(
    cereals: Dataset, halves: NDArray[np.bool_], fitted: Fit
) -> None:
    np.testing.assert_allclose(
        fitted.predictions[1:], fit(cereals, halves[1:]).predictions, atol=0.05
    )


def test_each_fold_has_its_own_decay_and_a_constant_column_does_no_harm(cereals: Dataset) -> None:
    rows = cereals.rows.copy()
    rows[:, 1] = 3.0
    everything = np.ones((2, len(cereals)), bool)
    decays = np.array([0.0, 10.0])
    fitted = fitting.fit(DEEP, replace(cereals, rows=rows), everything, decays, seed=0)
    assert np.isfinite(fitted.predictions).all()
    weak, strong = fitted.networks
    assert np.abs(strong[0][1][0]).max() < np.abs(weak[0][1][0]).max()


# Any table: outliers kept between bounds, and batches of a large one.


def sized(data: Dataset, *, batch: int) -> Architecture:
    architecture = of_size(len(data))
    recipe = replace(architecture.recipe, steps=6 * CHUNK, batch=batch)
    return replace(architecture, inputs=data.inputs, hidden=(8,), recipe=recipe)


@pytest.fixture(scope="module")
def bent() -> Dataset:
    """Rows far from zero, with a bend in their target, and one that cannot be right."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(1e6, 3, 3000), rng.normal(-5, 1e-3, 3000)])
    target = 1000 + 50 * np.abs(rows[:, 0] - 1e6) + 2e4 * (rows[:, 1] + 5)
    rows[0] = 1e9
    columns = (Input(name="a"), Input(name="b"))
    names = tuple(map(str, range(3000)))
    return Dataset("bent", "0" * 64, columns, Output(name="y"), names, rows, target)


@pytest.mark.parametrize("batch", [0, 256])
def test_a_network_of_the_tables_size_finds_the_bend_and_its_model_answers_the_same(
    bent: Dataset, batch: int
) -> None:
    architecture = sized(bent, batch=batch)
    masks = np.ones((2, len(bent)), bool)
    masks[0, ::4] = False
    fitted = fitting.fit(architecture, bent, masks, np.full(2, 0.01), 0)
    again = fitting.fit(architecture, bent, masks, np.full(2, 0.01), 0)
    np.testing.assert_array_equal(fitted.predictions, again.predictions)
    error = np.abs(fitted.predictions[0] - bent.target)[1:]
    assert error[~masks[0, 1:]].mean() < 0.2 * bent.target.std()
    model = with_weights(architecture, fitted.networks[-1], fitted.outliers[-1])
    answers = np.asarray(model(bent.rows.astype(np.float32)))[:, 0]
    # Of 1e6 + 3 float32 keeps a sixteenth.
    assert np.abs(answers - fitted.predictions[-1]).max() < 0.1 * bent.target.std()


def test_beyond_the_bounds_an_answer_goes_on_level(bent: Dataset) -> None:
    architecture = sized(bent, batch=256)
    fitted = fitting.fit(architecture, bent, np.ones((1, len(bent)), bool), np.zeros(1), 0)
    model = with_weights(architecture, fitted.networks[-1], fitted.outliers[-1])
    far = np.array([[1e7, -5.0], [1e30, -5.0]], np.float32)
    one, other = np.asarray(model(far))[:, 0]
    assert one == other


def test_what_a_batch_does_not_see_changes_nothing(bent: Dataset) -> None:
    architecture = sized(bent, batch=256)
    seen = np.arange(len(bent)) % 2 == 0
    changed = replace(bent, target=np.where(seen, bent.target, 0.0))
    one, other = (
        fitting.fit(architecture, data, seen[None], np.zeros(1), 0) for data in (bent, changed)
    )
    np.testing.assert_allclose(one.predictions[0], other.predictions[0], rtol=0.02)


@pytest.mark.parametrize("rows", [20, 500, 3000, 50_000, 1_000_000])
def test_a_larger_table_gets_no_smaller_network_and_batches_from_some_size_on(rows: int) -> None:
    small, large = of_size(rows), of_size(10 * rows)
    assert small.parameters <= large.parameters
    assert small.recipe.batch <= large.recipe.batch
    assert bool(small.recipe.batch) == (rows >= 2000)
