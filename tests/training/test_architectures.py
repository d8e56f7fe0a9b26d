"""The architectures, and what the introduction teaches of them."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from training.architectures import (
    ARCHITECTURES,
    Architecture,
    Network,
    Standardisation,
    build,
    fold,
    initial,
    with_weights,
)

DEEP = ARCHITECTURES["deep"]
GRAMS = np.random.default_rng(1).uniform(0, 15, (200, 3))


def networks(architecture: Architecture) -> list[Network]:
    rng = np.random.default_rng(0)
    return [initial(architecture, rng) for _ in range(architecture.members)]


def forward(network: Network, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """A stack of ReLU layers with a linear output, in NumPy."""
    for kernel, bias in network[:-1]:
        rows = np.maximum(rows @ kernel + bias, 0)
    kernel, bias = network[-1]
    answer: NDArray[np.float64] = (rows @ kernel + bias)[:, 0]
    return answer


def test_the_introductions_network_has_31_parameters() -> None:
    assert build(replace(DEEP, inputs=("sugar", "fiber"))).count_params() == 31


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_are_what_keras_counts(name: str) -> None:
    architecture = ARCHITECTURES[name]
    assert architecture.parameters == build(architecture).count_params()


def test_the_deep_stack_is_4_relu_3_relu_1_linear() -> None:
    layers = build(DEEP).layers
    assert [(layer.units, layer.activation.__name__) for layer in layers] == [
        (4, "relu"),
        (3, "relu"),
        (1, "linear"),
    ]


def test_two_dense_layers_with_nothing_between_collapse_to_a_linear_unit() -> None:
    stack = replace(DEEP, hidden=(4,), activation="linear")
    (first, a), (second, b) = networks(stack)[0]
    model = with_weights(stack, [[(first, a + 1), (second, b)]])
    collapsed = GRAMS @ (first @ second) + ((a + 1) @ second + b)
    np.testing.assert_allclose(model.predict(GRAMS, verbose=0), collapsed, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("activation", "bends"), [("relu", True), ("linear", False)])
def test_relu_is_what_bends_the_line(activation: str, bends: bool) -> None:
    stack = replace(DEEP, inputs=("sugar",), hidden=(8, 8), activation=activation)
    line = np.linspace(-5, 5, 101)[:, None]
    answers = with_weights(stack, networks(stack)).predict(line, verbose=0)[:, 0]
    assert bool(np.abs(np.diff(answers, 2)).max() > 1e-3) is bends


def test_folding_keeps_the_function() -> None:
    inputs = Standardisation(np.array([7.0, 2.0, 2.5]), np.array([4.0, 2.5, 1.0]))
    output = Standardisation(np.array(107.0), np.array(19.0))
    [network] = networks(DEEP)
    standardised = forward(network, (GRAMS - inputs.mean) / inputs.scale)
    in_grams = forward(fold(network, inputs, output), GRAMS)
    np.testing.assert_allclose(in_grams, standardised * output.scale + output.mean)


def test_an_ensemble_answers_the_mean_of_its_members() -> None:
    ensemble = ARCHITECTURES["ensemble"]
    members = networks(ensemble)
    answers = with_weights(ensemble, members).predict(GRAMS, verbose=0)[:, 0]
    expected = np.mean([forward(member, GRAMS) for member in members], axis=0)
    np.testing.assert_allclose(answers, expected, rtol=1e-4, atol=1e-4)


def test_initial_kernels_are_he_uniform_and_biases_zero() -> None:
    [(kernel, bias), *_] = networks(replace(DEEP, hidden=(400,)))[0]
    limit = np.sqrt(6 / 3)
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    assert not bias.any()
