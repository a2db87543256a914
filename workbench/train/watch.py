"""What a training lets others see: a sentence with the time left, and the curve so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..core.progress import Progress
from ..core.training import EpochRow, Training
from .loop import Seen

EVERY_S = 0.1
POINTS = 200
"""At most so many places within the epoch that runs; then every second one goes."""


class Watch:
    """Follows one training. Time that passes while it is interrupted does not count."""

    def __init__(self, training: Training, clock: Callable[[], float] = time.monotonic) -> None:
        self.training, self._clock = training, clock
        self._from, self._spent = training.share, 0.0
        self._at, self._said = clock(), -EVERY_S

    def resume(self, progress: Progress) -> None:
        """It begins, or goes on after an interruption."""
        self._at = self._clock()
        progress.tell(self.training)

    def step(self, seen: Seen, progress: Progress) -> None:
        """After each step; raises Cancelled when the training should stop."""
        progress.check()
        now = self._clock()
        self._spent, self._at = self._spent + now - self._at, now
        if now - self._said < EVERY_S and seen.share < 1:
            return
        self._said, done = now, len(self.training.history)
        running = (*self.training.running, (done + seen.share, seen.loss))
        self._show(progress, running=running if len(running) <= POINTS else running[1::2])
        epochs = self.training.epochs
        progress(f"epoch {done + 1}/{epochs} · loss {seen.loss:.3g}{self._left()}", (done + seen.share) / epochs)

    def epoch(self, history: tuple[EpochRow, ...], best_epoch: int, progress: Progress) -> None:
        """After each epoch, with all that were seen."""
        self._show(progress, history=history, best_epoch=best_epoch, running=())

    def end(self, progress: Progress, **known: object) -> None:
        """Once nothing more comes: the outcome, and what else is known then."""
        self._show(progress, running=(), seconds_left=None, **known)

    def _show(self, progress: Progress, **changed: object) -> None:
        grown = replace(self.training, **changed)  # type: ignore[arg-type]
        done = grown.share - self._from
        left = self._spent / done * (1 - grown.share) if done > 0 and "seconds_left" not in changed else None
        self.training = replace(grown, seconds_left=left)
        progress.tell(self.training)

    def _left(self) -> str:
        left = self.training.seconds_left
        return "" if left is None else f" · {duration(left)} left"


def duration(seconds: float) -> str:
    """`8 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
