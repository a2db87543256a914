"""A worker that measures nothing: it answers at once with made-up runs, or when told to."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from workbench.core.recipe import Recipe
from workbench.core.records import (
    Accuracy,
    Count,
    Decision,
    Estimate,
    Histogram,
    LayerRow,
    Measurement,
    Provenance,
    Run,
    Stage,
)
from workbench.experiment.reports import Idle, Measured, Recalled, Sampled, Working
from workbench.ui.app import App
from workbench.ui.choices import Choices, installed
from workbench.ui.debounce import at_once


@cache
def choices() -> Choices:
    """All that is installed, as if every network had weights for every dataset."""
    return replace(installed(), trained=lambda _network, _dataset: True)


def accuracy(correct: int = 90, n: int = 100, split: str = "validation", total: int = 100) -> Accuracy:
    return Accuracy(correct, n, total, split, per_class=(Count(correct, n),), loss=0.3)


def made_up(recipe: Recipe, *, correct: int = 90, size: int = 50_000, split: str = "validation") -> Run:
    """A run that nobody measured."""
    measured = Measurement(
        accuracy=accuracy(correct, split=split),
        file_bytes=size,
        dense_bytes=1_724_320,
        bytes_by_part={"header": 500, "codes": size - 508, "checksum": 8},
        parameters=431_080,
        nonzeros=40_000,
        macs=2_000_000,
        dense_macs=2_293_000,
    )
    rows = tuple(
        LayerRow(name, kind, shape, 500, 100, 1000, 400, 500, "float, sparse")
        for name, kind, shape in (("conv1", "conv", (20, 1, 5, 5)), ("fc1", "linear", (500, 800)))
    )
    cut = Decision(
        "conv1", "prune.l1_filter", "norm", "filter", 0.5, 3, 1, (0.2, 0.9, 1.4), (False, True, True),
        Histogram((0.0, 0.5, 1.5), (0, 2), (1, 0)),
    )  # fmt: skip
    stages = tuple(Stage(str(step), size, {"codes": size}, 431_080, 40_000) for step in recipe.steps)
    made = Provenance("0", "2", "2", "3.11", "test", 2, "abc", "2026-01-01T00:00:00+00:00", 0.1)
    return Run(recipe, measured, rows, (cut,), stages, made)


class FakeLive:
    """Keeps what it was asked for in `asked`. With `answers` it measures at once; `notify` sends any event."""

    def __init__(self, notify, *, answers: bool = False, known: tuple[Run, ...] = ()) -> None:
        self.notify, self.answers, self.stored = notify, answers, known
        self.asked: list[tuple] = []
        self.files: dict[str, bytes] = {}
        self.closed = False

    def show(self, recipe: Recipe) -> Estimate | None:
        self.asked.append(("show", recipe))
        if self.answers:
            self.notify(Working("compressing", 0.5))
            self.notify(Sampled(recipe, accuracy(40, 50), 51_000))
            self.files[recipe.key] = b"file of " + recipe.key.encode()
            self.notify(Measured(recipe, made_up(recipe)))
            self.notify(Idle("done"))
        return Estimate(0.91, 49_000.0, "two runs beside it")

    def fill(self, recipe, step, knob, points=9) -> None:
        self.asked.append(("fill", recipe, step, knob))

    def baseline(self, network, dataset) -> None:
        self.asked.append(("baseline", network, dataset))

    def sensitivity(self, recipe, step) -> None:
        self.asked.append(("sensitivity", recipe, step))

    def allocate(self, recipe, step, lost, together=False) -> None:
        self.asked.append(("allocate", recipe, step, lost, together))

    def propose(self, recipe, budget) -> None:
        self.asked.append(("propose", recipe, budget))

    def search(self, recipe, budget, trials=30) -> None:
        self.asked.append(("search", recipe, budget, trials))

    def stop_search(self) -> None:
        self.asked.append(("stop_search",))

    def compare(self, runs, baseline="") -> None:
        self.asked.append(("compare", tuple(runs), baseline))

    def ask(self, recipe, question) -> None:
        self.asked.append((question.kind, recipe, question))

    def recall(self, network, dataset) -> None:
        self.notify(Recalled(network, dataset, tuple(self.known(network, dataset)), ()))

    def report(self, recipe) -> None:
        self.asked.append(("report", recipe))

    def file_of(self, recipe) -> bytes | None:
        return self.files.get(recipe.key)

    def known(self, network, dataset) -> list[Run]:
        return [r for r in self.stored if (r.recipe.network, r.recipe.dataset) == (network, dataset)]

    def train(self, plan, *, fresh=False) -> None:
        self.asked.append(("train", plan, fresh))

    def stop_training(self) -> None:
        self.asked.append(("stop_training",))

    def cancel(self, *, training=True) -> None:
        self.asked.append(("cancel", training))

    def close(self) -> None:
        self.closed = True

    def names(self) -> list[str]:
        return [entry[0] for entry in self.asked]


def app(*, answers: bool = False, known: tuple[Run, ...] = ()) -> App:
    """The whole page on a FakeLive, started, with timers that do not wait."""
    return App(
        choices=choices(), live=lambda notify: FakeLive(notify, answers=answers, known=known), timer=at_once
    ).start()
