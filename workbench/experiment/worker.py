"""One thread that computes: the newest job of each lane wins, urgent lanes first, cancel at any time."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from ..core.errors import Cancelled, WorkbenchError
from ..core.progress import Progress
from .turns import Turns

Job = Callable[[Progress], None]
DONE, CANCELLED, FAILED = "done", "cancelled", "failed"


class Listener(Protocol):
    """Hears of every job; called from the worker's thread."""

    def working(self, doing: str, share: float | None) -> None: ...
    def idle(self, outcome: str) -> None: ...
    def failed(self, sentence: str, details: str) -> None: ...


@dataclass(eq=False)
class _Entry:
    lane: str
    rank: int
    job: Job
    stop: threading.Event = field(default_factory=threading.Event)
    again: bool = False


class Worker:
    """Runs submitted jobs one at a time. A lane holds at most one waiting job; a newer one takes its place and stops
    the one of its lane that runs. A job of lower rank interrupts a running one of higher rank, which starts again
    afterwards. turns: taken with the workers of other pages on the machine.
    """

    def __init__(self, listener: Listener, turns: Turns | None = None) -> None:
        self._listener, self._turns = listener, turns
        self._waiting: dict[str, _Entry] = {}
        self._running: _Entry | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="workbench-worker", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._changed:
            return self._running is not None or bool(self._waiting)

    def holds(self, lane: str) -> bool:
        """Whether a job of this lane runs or waits."""
        with self._changed:
            return lane in self._waiting or (self._running is not None and self._running.lane == lane)

    def submit(self, lane: str, job: Job, *, rank: int = 1) -> None:
        """Queue `job`; returns at once."""
        with self._changed:
            self._waiting[lane] = _Entry(lane, rank, job)
            running = self._running
            if running is not None and (running.lane == lane or running.rank > rank):
                running.again = running.lane != lane
                running.stop.set()
            self._changed.notify_all()

    def cancel(self, lane: str | None = None, *, but: Collection[str] = ()) -> None:
        """Stop what runs and forget what waits, in one lane or in all but a few."""
        with self._changed:
            for name in [n for n in self._waiting if lane in (None, n) and n not in but]:
                del self._waiting[name]
            running = self._running
            if running is not None and lane in (None, running.lane) and running.lane not in but:
                running.again = False
                running.stop.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing runs or waits; False when the time is up first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running is None and not self._waiting, timeout)

    def close(self) -> None:
        """Cancel everything and end the thread."""
        self.cancel()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=5)

    def _loop(self) -> None:
        while (entry := self._next()) is not None:
            outcome = self._outcome(entry)
            with self._changed:
                if entry.again and entry.lane not in self._waiting and not self._closed:
                    self._waiting[entry.lane] = _Entry(entry.lane, entry.rank, entry.job)
                self._running = None
                more = bool(self._waiting)
                self._changed.notify_all()
            if not more:
                self._tell(partial(self._listener.idle, outcome))

    def _next(self) -> _Entry | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            entry = min(self._waiting.values(), key=lambda e: e.rank)
            del self._waiting[entry.lane]
            self._running = entry
            return entry

    def _outcome(self, entry: _Entry) -> str:
        try:
            self._run(entry)
        except Cancelled:
            return CANCELLED
        except WorkbenchError as error:
            sentence, details = str(error), ""
        except Exception as error:  # our own mistake must reach the status line, not end the thread
            sentence = f"Something went wrong inside the workbench ({type(error).__name__}: {error})."
            details = traceback.format_exc()
        else:
            return DONE
        self._tell(lambda: self._listener.failed(sentence, details))
        return FAILED

    def _run(self, entry: _Entry) -> None:
        if self._turns is None:
            entry.job(Progress(self._listener.working, entry.stop.is_set))
            return
        with self._turns.turn(entry.rank, entry.stop) as turn:
            progress = Progress(self._listener.working, turn.over)
            progress.check()
            entry.job(progress)

    def _tell(self, call: Callable[[], None]) -> None:
        """A listener's own mistake must not end the thread either."""
        try:
            call()
        except Exception:
            traceback.print_exc()
