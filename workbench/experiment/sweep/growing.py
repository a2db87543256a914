"""A sweep: what is in the store is there at once, the rest is computed by a crew, and the record grows."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ...core.errors import WorkbenchError
from ...core.progress import Progress
from ...core.recipe import Recipe
from ...core.sweep import Sweep, SweepPoint
from ...data import SPLITS
from ...networks import network_named
from ..pipeline import canonical, plan
from ..store import Store
from ..subject import Subject, subject_named
from .local import Processes
from .point import Crew, Event, Task, environment


def sweep(
    recipes: Sequence[Recipe],
    *,
    on: Crew | None = None,
    split: str = "test",
    store: Store | None = None,
    weights: Path | None = None,
    progress: Progress | None = None,
) -> Generator[Sweep, None, None]:
    """The growing record of `recipes`, all about one network and dataset; equal ones are one point.

    on: Processes() (default), Scheduler(address) or Here(). store: this machine's own where None; every run goes there
    as soon as it is measured, and what is there already is not measured again, so that a sweep that was cut short goes
    on. weights: the file that was named by use_weights, for processes that do not know it. A point that fails says why
    and the rest goes on. WorkbenchError when no point at all makes sense; raises Cancelled. Whoever stops early closes
    the iterator, which ends every process.
    """
    progress, store, crew = progress or Progress(), store or Store(), on or Processes()
    if split not in SPLITS:
        raise WorkbenchError(f"sweep: split must be one of {', '.join(SPLITS)}; got {split!r}.")
    name, dataset = _about(recipes)
    subject = subject_named(name, dataset, progress)
    task = _task(subject, split, weights, crew)
    growing = _Growing(split, [_started(recipe, subject, split, store) for recipe in recipes])
    yield growing.record()
    waiting = growing.waiting()
    _check_any(waiting, growing, subject)
    if waiting:
        with closing(crew.compute(task, waiting, store, progress)) as events:
            for event in events:
                progress(growing.sentence(), growing.share())
                if event is not None and growing.take(event, store, subject.fingerprint):
                    yield growing.record()
    progress(growing.sentence(), 1.0)


def _about(recipes: Sequence[Recipe]) -> tuple[str, str]:
    """(network, dataset) of all."""
    found = sorted({(recipe.network, recipe.dataset) for recipe in recipes})
    if not found:
        raise WorkbenchError("sweep: there is no recipe to measure.")
    if len(found) > 1:
        raise WorkbenchError(f"sweep: all recipes must be about one network and dataset; these are about {found[:3]}.")
    return found[0]


def _task(subject: Subject, split: str, weights: Path | None, crew: Crew) -> Task:
    """What a process elsewhere must be told; WorkbenchError for what it cannot be."""
    spec, data = network_named(subject.name), subject.dataset.name
    for what, name, source in (("network", subject.name, spec.source), ("dataset", data, "")):
        if crew.elsewhere and name.startswith("own/") and not source:
            door = "give its code as FILE.py:FACTORY" if what == "network" else "put it into a folder (folder:PATH)"
            raise WorkbenchError(
                f"sweep: {what} {name} lives in the memory of this process, where no other one finds it; {door}, or "
                "sweep in this process (on=Here())."
            )
    return Task(
        network=subject.name,
        dataset=data,
        split=split,
        expected=environment(subject),
        fingerprint=subject.fingerprint,
        code=str(Path(spec.source).expanduser().absolute()) if spec.source else "",
        weights=str(Path(weights).expanduser().absolute()) if weights else "",
    )


def _started(recipe: Recipe, subject: Subject, split: str, store: Store) -> SweepPoint:
    """The point as it is found."""
    try:
        recipe = canonical(recipe)
    except WorkbenchError as error:
        return SweepPoint(recipe, failure=str(error))
    known = store.get(recipe, split, subject.fingerprint)
    return SweepPoint(recipe, known, known=known is not None)


def _check_any(waiting: Sequence[Recipe], growing: _Growing, subject: Subject) -> None:
    """A request in which nothing makes sense is refused before any process is started."""
    sentences = [point.failure for point in growing.points if point.failure]
    if len(sentences) == len(growing.points):
        raise WorkbenchError(sentences[0])
    refused = ""
    for recipe in waiting:
        try:
            plan(recipe, subject.network)
            return
        except WorkbenchError as error:
            refused = refused or str(error)
    if refused and len(waiting) == len(growing.points):
        raise WorkbenchError(refused)


class _Growing:
    """The points so far, what runs now, and how fast it goes."""

    def __init__(self, split: str, points: Sequence[SweepPoint]) -> None:
        self._split = split
        self._at: dict[str, int] = {}
        self.points: list[SweepPoint] = []
        for point in points:
            if self._at.setdefault(point.recipe.key, len(self.points)) == len(self.points):
                self.points.append(point)
        self._running: dict[str, float] = {}
        self._opened = time.monotonic()
        self._began: float | None = None
        self._computed = 0
        self._said = ""

    def waiting(self) -> list[Recipe]:
        return [point.recipe for point in self.points if not point.settled]

    def take(self, event: Event, store: Store, fingerprint: str) -> bool:
        """Whether the record has changed."""
        self._said = event.said
        if not event.key:
            return False
        if self._began is None:
            self._began = self._opened if event.settled else time.monotonic()  # starting processes is no pace
        if event.lost:
            return self._running.pop(event.key, None) is not None
        if not event.settled:
            fresh = event.key not in self._running
            self._running[event.key] = event.share
            return fresh
        self._running.pop(event.key, None)
        self._computed += 1
        i = self._at[event.key]
        point = self.points[i]
        run = None if event.failure else store.get(point.recipe, self._split, fingerprint)
        lost = "" if run is not None else "The run was computed, and is not in the store any more."
        self.points[i] = replace(point, run=run, failure=event.failure or lost)
        return True

    def record(self) -> Sweep:
        return Sweep(self._split, tuple(self.points), tuple(self._running), self.seconds_left())

    def share(self) -> float:
        """Of all points, those half done counted half."""
        return (self._settled() + sum(self._running.values())) / len(self.points)

    def seconds_left(self) -> float | None:
        """From the pace so far; None while there is none."""
        done = self._computed + sum(self._running.values())
        if self._began is None or done <= 0:
            return 0.0 if not self.waiting() else None
        left = len(self.points) - self._settled() - sum(self._running.values())
        return left * (time.monotonic() - self._began) / done

    def sentence(self) -> str:
        left, failed = self.seconds_left(), sum(bool(point.failure) for point in self.points)
        words = [f"{self._settled()}/{len(self.points)} points"]
        words += [f"{failed} failed"] if failed else []
        words += [self._said] if self._said else []
        words += [f"about {_spoken(left)} left"] if left else []
        return ", ".join(words)

    def _settled(self) -> int:
        return sum(point.settled for point in self.points)


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
