"""What has been measured so far: by this page, and by every other one that shares its store, also just now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ..core.errors import WorkbenchError
from ..core.recipe import Recipe
from ..core.records import Estimate
from .estimate import Known
from .questions import SPLIT
from .store import Store
from .subject import Subject, stamp_of

_LATE_S = 2.0
"""So much later than it says a run may have come into the store."""


@dataclass
class _Pair:
    """What is known of one network on its data. stamp: while it is the same, so is the fingerprint. read: up to when
    the store was."""

    fingerprint: str
    stamp: tuple[object, ...] = ()
    known: Known = field(default_factory=Known)
    read: float = 0.0


class Remembered:
    """Validation runs by network and data. forget: called when a network has other weights than before.

    In a class the first page that measures a setting does so for all.
    """

    def __init__(self, store: Store | None, forget: Callable[[], None]) -> None:
        self._store, self._forget = store, forget
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._lock = threading.Lock()

    def of(self, subject: Subject) -> Known:
        """All that is known by now. Other weights under the same name: nothing known counts."""
        key = subject.name, subject.dataset.name
        with self._lock:
            pair = self._pairs.get(key)
            if pair is not None and pair.fingerprint != subject.fingerprint:
                pair = None
                self._forget()
            if pair is None:
                pair = self._pairs[key] = _Pair(subject.fingerprint)
            pair.stamp = stamp_of(*key)
            self._catch_up(key, pair)
            return pair.known

    def estimate(self, recipe: Recipe) -> Estimate | None:
        """A guess at once; the store is looked into only where there would be none."""
        pair = self._current(recipe.network, recipe.dataset)
        guess = None if pair is None else pair.known.estimate(recipe)
        return guess or self.at_once(recipe.network, recipe.dataset).estimate(recipe)

    def at_once(self, network: str, dataset: str) -> Known:
        """All that is known without waiting; nothing before anybody has asked `of` this network on these data."""
        pair = self._current(network, dataset)
        if pair is None:
            return Known()
        if self._lock.acquire(blocking=False):  # else somebody reads already
            try:
                self._catch_up((network, dataset), pair)
            finally:
                self._lock.release()
        return pair.known

    def _current(self, network: str, dataset: str) -> _Pair | None:
        """What is known under these names, unless they mean something else by now."""
        pair = self._pairs.get((network, dataset))
        with suppress(WorkbenchError):
            return pair if pair is not None and pair.stamp == stamp_of(network, dataset) else None
        return None

    def _catch_up(self, key: tuple[str, str], pair: _Pair) -> None:
        if self._store is None:
            return
        since, pair.read = pair.read, time.time() - _LATE_S
        for run in self._store.runs(*key, SPLIT, pair.fingerprint, since=since):
            if pair.known.get(run.recipe) is None:
                pair.known.add(run)
