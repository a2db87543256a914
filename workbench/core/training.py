"""A training as far as it is: what a live curve is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from .records import Accuracy, wilson

RUNNING, DONE, STOPPED, FAILED = "running", "done", "stopped", "failed"


@dataclass(frozen=True)
class EpochRow:
    """One epoch: mean training loss, and on the validation split the share right and the mean cross-entropy.

    The latter two are None where nobody measured them, as in a training that a compression method asked for.
    """

    epoch: int
    loss: float
    accuracy: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True)
class Training:
    """Grows while it runs. network: "" for one that a method asked for while compressing, which has no validation.

    epochs: how many at most. running: (place in epochs, mean loss since the epoch began) within the epoch that runs.
    best_epoch: counted from 1, 0 before there is one. n: validation images; classes: how many there are. resumed_at:
    epochs that an earlier, stopped training had done. label: what the result is called; test: of the result, once it
    is done.
    outcome: running, done, stopped or failed; sentence: what went wrong.
    """

    network: str
    dataset: str
    epochs: int
    history: tuple[EpochRow, ...] = ()
    running: tuple[tuple[float, float], ...] = ()
    best_epoch: int = 0
    n: int = 0
    classes: int = 0
    resumed_at: int = 0
    seconds_left: float | None = None
    label: str = ""
    test: Accuracy | None = None
    outcome: str = RUNNING
    sentence: str = ""

    @property
    def share(self) -> float:
        """How much is done, in [0, 1]; a training that stops early is done before it gets to 1."""
        return min(1.0, (self.running[-1][0] if self.running else len(self.history)) / self.epochs)

    @property
    def best(self) -> EpochRow | None:
        """The epoch whose weights are kept."""
        return self.history[self.best_epoch - 1] if self.best_epoch else None

    def interval(self, row: EpochRow) -> tuple[float, float]:
        """95 % Wilson interval of an epoch's validation accuracy."""
        assert row.accuracy is not None
        return wilson(row.accuracy * self.n, self.n)
