"""The view of a training: what is drawn, said and marked, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.core.records import wilson
from workbench.core.training import DONE, FAILED, STOPPED, EpochRow, Training
from workbench.figures import training as figure

ROWS = (EpochRow(1, 2.0, 0.5, 1.5), EpochRow(2, 1.0, 0.9, 0.6), EpochRow(3, 0.8, 0.8, 0.7))
SEEN = Training("lenet5", "digits", 5, ROWS, ((3.25, 0.7), (3.5, 0.75)), best_epoch=2, n=100, classes=10)


def test_the_view_holds_every_epoch_with_its_interval_and_the_best() -> None:
    view = figure.view(SEEN, name="LeNet-5")
    assert view.title == "Training LeNet-5 on digits" and view.best == (2, 0.9)
    assert view.loss == ((1.0, 2.0, 3.0), (2.0, 1.0, 0.8)) and view.accuracy == ((1.0, 2.0, 3.0), (0.5, 0.9, 0.8))
    assert view.running == ((3.0, 3.25, 3.5), (0.8, 0.7, 0.75))  # hangs together with the last epoch
    for low, high, share in zip(view.low, view.high, view.accuracy.y, strict=True):
        assert (low, high) == pytest.approx(wilson(share * 100, 100))
    assert "epoch 2" in view.details[1] and "90.0 % of 100 validation images (82.6 to 94.5)" in view.details[1]
    assert figure.table(view)[1] == {"epoch": "2", "training loss": "1", "validation accuracy": "90.0 %"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "Epoch 4 of 5. Best so far: 90.0 % of 100 validation images (82.6 to 94.5)."),
        ({"resumed_at": 2}, "Epoch 4 of 5, resumed after epoch 2. Best so far: "),
        ({"outcome": STOPPED}, "Stopped after 3 epochs of 5. Best so far: 90.0 %"),
        ({"outcome": DONE}, "Done after 3 epochs. Kept: epoch 2, 90.0 % of 100"),
        ({"outcome": FAILED, "sentence": "Training diverged."}, "Training diverged."),
        ({"history": (), "running": (), "best_epoch": 0}, "Getting ready."),
    ],
)
def test_how_far_it_is_in_words(changed, sentence) -> None:
    assert figure.view(replace(SEEN, **changed)).state.startswith(sentence)


def test_a_network_that_only_guesses_is_told_apart() -> None:
    rows = tuple(EpochRow(i, 2.3, 0.11, 2.3) for i in (1, 2, 3))
    view = figure.view(replace(SEEN, history=rows, best_epoch=1))
    assert view.state.endswith("Guessing among 10 classes is as good: try a lower learning rate.")
    assert "Guessing" not in figure.view(replace(SEEN, history=rows[:1], best_epoch=1)).state
    assert "Guessing" not in figure.view(SEEN).state


def test_the_lines_that_are_drawn() -> None:
    drawn = figure.figure(figure.view(SEEN))
    by = {trace.name: trace for trace in drawn.data}
    assert set(by) == {figure.LOSS, figure.RUNNING, figure.LOW, figure.HIGH, figure.ACCURACY, figure.BEST}
    assert by[figure.RUNNING].line.dash == "dot" and by[figure.BEST].marker.symbol == "star"
    assert by[figure.ACCURACY].yaxis == "y2" and list(by[figure.BEST].x) == [2]
    assert drawn.layout.yaxis2.range[1] > 1 and drawn.layout.xaxis.range[1] >= 5


def test_without_a_validation_there_is_the_loss_alone() -> None:
    """As for training that a method asks for."""
    rows = (EpochRow(1, 0.5), EpochRow(2, 0.4))
    view = figure.view(Training("", "digits", 2, rows, outcome=DONE), name="while compressing")
    assert view.title == "Training while compressing on digits" and view.best is None and view.accuracy.x == ()
    assert [trace.name for trace in figure.figure(view).data] == [figure.LOSS]
    assert view.state == "Done after 2 epochs."


@pytest.mark.parametrize("training", [None, replace(SEEN, history=(), running=(), best_epoch=0, outcome=FAILED)])
def test_nothing_to_draw_is_a_sentence(training) -> None:
    drawn = figure.figure(figure.view(training))
    assert not drawn.data and drawn.layout.annotations[0].text


def test_a_long_training_is_drawn_without_markers() -> None:
    rows = tuple(EpochRow(i + 1, 1.0, 0.5, 1.0) for i in range(200))
    drawn = figure.figure(figure.view(Training("n", "d", 200, rows, best_epoch=1, n=10)))
    assert {t.mode for t in drawn.data if t.name in (figure.LOSS, figure.ACCURACY)} == {"lines"}


def test_dark_differs_in_colour_only() -> None:
    light, dark = (figure.figure(figure.view(SEEN), dark=dark) for dark in (False, True))
    assert [(t.type, t.name, t.x) for t in light.data] == [(t.type, t.name, t.x) for t in dark.data]
    assert light.data[0].line.color != dark.data[0].line.color
