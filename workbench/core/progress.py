"""How long work says what it is doing and learns that it should stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import Cancelled
from .training import Training


def _unheard(doing: str, share: float | None) -> None:
    """Report to nobody."""


def _untold(training: Training) -> None:
    """Nobody looks at the curve."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Progress:
    """Passed down through every long computation.

    report(doing, share): what is being done, and the share done in [0, 1] or None when unknown.
    cancelled(): True once the work is no longer wanted.
    tell(training): how far a training is that this work contains, for who draws its curve.
    """

    report: Callable[[str, float | None], None] = _unheard
    cancelled: Callable[[], bool] = _never
    tell: Callable[[Training], None] = _untold

    def __call__(self, doing: str, share: float | None = None) -> None:
        """Say what is being done; raises Cancelled when the work should stop."""
        self.check()
        self.report(doing, share)

    def check(self) -> None:
        """Raise Cancelled when the work should stop."""
        if self.cancelled():
            raise Cancelled

    def part(self, low: float, high: float, prefix: str = "") -> Progress:
        """A Progress for a sub-task that fills [low, high] of this one."""

        def report(doing: str, share: float | None) -> None:
            self.report(prefix + doing, None if share is None else low + (high - low) * share)

        return Progress(report, self.cancelled, self.tell)
