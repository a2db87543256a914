"""Wait until the person's hand is still before work that takes more than a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What threading.Timer offers."""

    def start(self) -> None: ...
    def cancel(self) -> None: ...


class Debounce:
    """Calls `action` once, `delay_s` after the last `__call__`.

    A thread rather than an event loop: hosts run widget callbacks on different threads and loops.
    timer: makes a Timer from (seconds, action); `at_once` for tests.
    """

    def __init__(
        self, action: Callable[[], None], delay_s: float, timer: Callable[[float, Callable[[], None]], Timer] | None
    ) -> None:
        self._action, self._delay_s = action, delay_s
        self._make = timer or _thread
        self._timer: Timer | None = None

    def __call__(self) -> None:
        self.cancel()
        self._timer = self._make(self._delay_s, self._action)
        self._timer.start()

    def cancel(self) -> None:
        """Forget what was asked for and has not happened yet."""
        if self._timer is not None:
            self._timer.cancel()


class at_once:  # noqa: N801 - reads as a value where it is used
    """A timer that does not wait."""

    def __init__(self, _delay_s: float, action: Callable[[], None]) -> None:
        self._action = action

    def start(self) -> None:
        self._action()

    def cancel(self) -> None:
        """Nothing is ever waiting."""


def _thread(delay_s: float, action: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(delay_s, action)
    timer.daemon = True
    return timer
