"""Many pages on one machine take turns to compute, so that every slider is answered while others measure.

With thirty workers on four cores each number comes late, and so does every answer that only takes milliseconds. Here as
many compute as there are cores, and what can wait has one place of its own. A turn is a lock on a file: the system
frees it when its holder is killed.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.home import home

PLACES = "WORKBENCH_TURNS"
"""The environment variable that says how many may compute at once; without it everybody may."""
PATIENT = 2
"""Jobs of this rank and above can wait: curves, searches, trainings."""
LONG_S = 0.5
"""After this long a turn is handed on, if somebody waits for it."""
_LOOK_S = 0.02

log = logging.getLogger("workbench.experiment")


class Turns:
    """folder: holds the locks; places: how many jobs run at once on the machine, and one patient one besides."""

    def __init__(self, folder: Path, places: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._prompt = [FileLock(folder / f"{i}.lock", thread_local=False) for i in range(places)]
        self._patient = [FileLock(folder / "patient.lock", thread_local=False)]

    @contextmanager
    def turn(self, rank: int, stop: threading.Event) -> Iterator[Turn]:
        """Wait for a turn, and hand it on in the end. Nobody has to have one who is told to stop."""
        mine = Turn(self._patient if rank >= PATIENT else self._prompt, stop)
        mine.take()
        try:
            yield mine
        finally:
            mine.leave()


class Turn:
    """The right to compute, for a while."""

    def __init__(self, locks: list[FileLock], stop: threading.Event) -> None:
        self._locks, self._stop = locks, stop
        self._held: FileLock | None = None
        self._since = 0.0

    def take(self) -> None:
        """Return with a turn, or without when the job is to stop."""
        while not self._stop.is_set():
            for lock in random.sample(self._locks, len(self._locks)):
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    continue
                self._held, self._since = lock, time.monotonic()
                return
            self._stop.wait(_LOOK_S * random.uniform(0.5, 1.5))  # noqa: S311 - so that nobody is always the last

    def leave(self) -> None:
        """Somebody else's turn."""
        if self._held is not None:
            self._held.release()
            self._held = None

    def over(self) -> bool:
        """Whether the job is to stop. Asked all along, which is the place to let others have their turn."""
        if self._held is not None and time.monotonic() - self._since > LONG_S:
            self.leave()
            time.sleep(_LOOK_S)
            self.take()
        return self._stop.is_set()


def turns_here() -> Turns | None:
    """What pages on this machine share, or None where they take no turns."""
    places = os.environ.get(PLACES, "")
    if not places.isdecimal() or int(places) < 1:
        return None
    try:
        return Turns(home() / "turns", int(places))
    except OSError as error:
        log.warning("Pages take no turns: %s", error)
        return None
