"""Budgets: read strictly, judged by hand-made figures."""

from __future__ import annotations

import pytest

from workbench.core.budget import SENSES, Budget, Limit, figures_of, parse_budget
from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe
from workbench.core.records import Accuracy, Latency, Measurement
from workbench.core.searched import Search, Trial


def test_limits_are_read_and_written_back():
    budget = parse_budget(" bytes <= 30000, accuracy_drop<=0.01,macs<=5e6 ,compression_ratio>=12.5")
    assert budget.limits == (
        Limit("bytes", 30000.0),
        Limit("accuracy_drop", 0.01),
        Limit("macs", 5e6),
        Limit("compression_ratio", 12.5),
    )
    assert str(budget) == "bytes<=30000,accuracy_drop<=0.01,macs<=5000000,compression_ratio>=12.5"
    assert parse_budget(str(budget)) == budget


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is no limit"),
        ("bytes", "'bytes' is no limit"),
        ("bytes<30000", "'bytes<30000' is no limit"),
        ("bytes<=", "is no limit"),
        ("bytes<=-1", "is no limit"),
        ("bytes<=nan", "is no limit"),
        ("bytes<=30kB", "is no limit"),
        ("bytes<=1,", "'' is no limit"),
        ("bytes<=2**9", "is no limit"),
        ("__import__('os')<=1", "is no limit"),
        ("flops<=1", "cannot limit 'flops'; allowed are bytes<="),
        ("bytes>=1", "can ask for bytes<= only; got 'bytes>=1'"),
        ("accuracy<=0.9", "accuracy>= only"),
        ("accuracy>=98", r"accuracy must be a share in \[0, 1\]; got 98"),
        ("bytes<=0", "above 0 and at most 1e15; got 0"),
        ("bytes<=1e99", "at most 1e15; got 1e99"),
        ("bytes<=1,bytes<=2", "limits bytes twice"),
    ],
)
def test_anything_else_is_one_sentence(text: str, sentence: str):
    with pytest.raises(WorkbenchError, match=sentence) as caught:
        parse_budget(text)
    assert str(caught.value).count(". ") == 0


def test_every_measure_can_be_limited():
    for name, sense in SENSES.items():
        assert parse_budget(f"{name}{sense}0.5").limits[0].measure == name


def figures(size: float, accuracy: float, macs: float = 1e6) -> dict[str, float]:
    return {"bytes": size, "accuracy": accuracy, "accuracy_drop": 0.99 - accuracy, "macs": macs}


def test_a_difference_of_shares_is_not_failed_by_floating_point():
    assert 0.99 - 0.98 > 0.01
    assert parse_budget("accuracy_drop<=0.01").met(figures(1, 0.98))
    assert not parse_budget("accuracy_drop<=0.01").met(figures(1, 0.979))


@pytest.mark.parametrize(
    ("text", "aims", "best"),
    [
        ("bytes<=30000", ("accuracy",), 2),  # the most accurate of those that fit
        ("accuracy_drop<=0.01", ("bytes",), 1),  # the smallest of those that hold
        ("bytes<=30000,accuracy_drop<=0.01", ("bytes", "accuracy"), 1),
        ("macs<=2e6,accuracy>=0.98", ("macs", "accuracy"), 0),
        ("bytes<=5000,accuracy>=0.97", ("bytes", "accuracy"), 3),  # none fits: twice too long beats 67 points short
        ("compression_ratio>=10,accuracy>=0.98", ("bytes", "accuracy"), None),
    ],
)
def test_what_is_best(text: str, aims: tuple[str, ...], best: int | None):
    many = [
        figures(29000, 0.985, 5e5),
        figures(20000, 0.98),
        figures(29500, 0.986),
        figures(10000, 0.97),
        figures(4000, 0.3),
    ]
    budget = parse_budget(text)
    assert budget.aims == aims
    if best is not None:
        assert budget.best(many) == best
    assert budget.best([]) is None


def measured(size: int, correct: int) -> Measurement:
    timed = Latency(2.5, 2.0, 3.0, 1, 1, "cpu", 5, 1)
    return Measurement(Accuracy(correct, 1000, 1000, "validation"), size, 400_000, {}, 5, 4, 7, 9, timed)


def test_figures_are_those_of_the_measurement():
    assert figures_of(measured(40_000, 970), 0.98) == pytest.approx(
        {
            "bytes": 40_000,
            "accuracy": 0.97,
            "accuracy_drop": 0.01,
            "macs": 7,
            "parameters": 5,
            "compression_ratio": 10.0,
            "latency_ms": 2.5,
        }
    )


def test_a_search_says_what_came_of_it():
    budget = parse_budget("bytes<=30000,accuracy_drop<=0.01")

    def trial(number: int, size: int, correct: int) -> Trial:
        found = figures_of(measured(size, correct), 0.98)
        return Trial(number, Recipe("n", "d"), measured(size, correct), found, budget.met(found))

    empty = Search("n", "d", budget, 0, 3, 0.98)
    assert empty.best is None and empty.said == "Nothing is measured yet."
    refused = Trial(2, Recipe("n", "d"), None, why="no layer.")
    one = Search("n", "d", budget, 0, 3, 0.98, trials=(trial(0, 40_000, 980), trial(1, 20_000, 900), refused))
    assert one.best.number == 0 and [t.number for t in one.frontier] == [1, 0]
    assert one.said.startswith(
        "None of 3 trials is within bytes<=30000,accuracy_drop<=0.01; the closest has bytes 40,000"
    )
    more = Search("n", "d", budget, 0, 3, 0.98, earlier=(trial(-1, 29_000, 975),), trials=one.trials)
    assert more.best.number == -1 and more.said.startswith("Best of 3 trials within")
    assert isinstance(more.budget, Budget)
