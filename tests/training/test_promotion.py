"""The gate: what is worse is published, and stable stays."""

import pytest

from models.manifest import Evaluation, Score
from models.registry import Registry
from training import gate
from training.__main__ import main
from training.exit_codes import HELD_BACK


def evaluation(error: float, least_squares: float = 11.5) -> Evaluation:
    def of(each: float) -> Score:
        return Score(mean_absolute_error=each, root_mean_squared_error=each, r2=0)

    return Evaluation(folds="", model=of(error), baselines={"least squares": of(least_squares)})


@pytest.mark.parametrize(
    ("error", "refused"), [(7.0, ""), (7.6, ""), (7.8, "at most 5% more"), (11.7, "is worse than")]
)
def test_a_version_must_be_nearly_as_good_as_stable(error: float, refused: str) -> None:
    said = gate.refusal(evaluation(error), evaluation(7.3))
    assert (refused in said) if refused else not said


def test_a_linear_unit_passes_beside_the_least_squares_that_it_is() -> None:
    assert not gate.refusal(evaluation(11.51), None)


def test_versions_of_different_tables_are_compared_by_their_share_of_least_squares() -> None:
    on_another_table = evaluation(14.0, least_squares=23.0)  # 61 %, as 7.0 of 11.5
    assert not gate.refusal(on_another_table, evaluation(7.0))


@pytest.fixture
def shelf(registry: Registry, shipped: Registry) -> Registry:
    """A fresh clone's `calories`: version 1 and no labels.json."""
    (registry.root / "calories").mkdir()
    (registry.root / "calories" / "1").symlink_to(shipped.folder("calories", 1))
    return registry


WORSE = ["--architecture", "linear", "--model", "calories"]


def test_a_worse_model_is_published_and_stable_stays_at_1(
    shelf: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the second is held against stable, not against the first
        assert main([*WORSE, "--registry", str(shelf.root)]) == HELD_BACK
    assert shelf.versions("calories") == (1, 2, 3)
    assert shelf.labelled("calories", "stable") == 1
    assert "stable stays where it is: its held-out error is" in capsys.readouterr().out


def test_force_label_makes_it_stable_all_the_same(shelf: Registry) -> None:
    assert main([*WORSE, "--registry", str(shelf.root), "--force-label"]) == 0
    assert shelf.labelled("calories", "stable") == 2
