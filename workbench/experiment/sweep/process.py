"""A worker process of a sweep: lines of JSON in on stdin, runs into the store, lines of JSON out on stdout.

Started by `Processes` as `python -m`. The first line is a Charge, every other one a recipe. Stdin that ends means that
nobody wants the work any more, also when the parent was killed: the point is cancelled and the process ends.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

import torch

from ...core.errors import Cancelled
from ...core.progress import Progress
from ...core.recipe import Recipe, from_json, to_json
from ..store import Store
from .point import Answer, Event, Task, answer

GRACE_S = 5.0
_EVERY_S = 0.3


@dataclass(frozen=True)
class Charge:
    """store: the path of its file."""

    task: Task
    store: str


@dataclass(frozen=True)
class Told:
    """What a worker says. unfit: why it can compute no point at all."""

    event: Event | None = None
    unfit: str = ""


def main() -> None:
    """Work until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    out = _only_for_us()
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    unwanted = threading.Event()
    threading.Thread(target=_listen, args=(lines, unwanted), daemon=True).start()

    def tell(told: Told) -> None:
        out.write(to_json(told).encode() + b"\n")
        out.flush()

    try:
        _work(lines, unwanted.is_set, tell)
    except (Cancelled, BrokenPipeError):
        return


def _work(lines: queue.SimpleQueue[bytes | None], unwanted: Callable[[], bool], tell: Callable[[Told], None]) -> None:
    first = lines.get()
    if first is None:
        return
    charge: Charge = from_json(first, Charge)
    torch.set_num_threads(charge.task.threads)
    store = Store(charge.store)
    tell(Told())
    while (line := lines.get()) is not None:
        recipe: Recipe = from_json(line, Recipe)
        tell(Told(Event(recipe.key)))
        made = _point(charge.task, recipe, store, _reporting(recipe.key, unwanted, tell))
        event = Event(recipe.key, 1.0, settled=True, failure=made.failure)
        tell(Told(unfit=made.unfit) if made.unfit else Told(event))


def _point(task: Task, recipe: Recipe, store: Store, progress: Progress) -> Answer:
    """Stored before anybody hears of it; another sweep may have been here in the meantime."""
    if (known := store.get(recipe, task.split, task.fingerprint)) is not None:
        return Answer(run=known)
    made = answer(task, recipe, progress)
    if made.run is not None:
        store.put(made.run, task.fingerprint)
    return made


def _reporting(key: str, unwanted: Callable[[], bool], tell: Callable[[Told], None]) -> Progress:
    last = time.monotonic()

    def report(_doing: str, share: float | None) -> None:
        nonlocal last
        if share is not None and time.monotonic() - last > _EVERY_S:
            last = time.monotonic()
            tell(Told(Event(key, share)))

    return Progress(report, unwanted)


def _listen(lines: queue.SimpleQueue[bytes | None], unwanted: threading.Event) -> None:
    for line in sys.stdin.buffer:
        lines.put(line)
    unwanted.set()
    lines.put(None)
    time.sleep(GRACE_S)
    os._exit(1)


def _only_for_us() -> IO[bytes]:
    """The real stdout; whatever else is printed goes to stderr."""
    ours = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return ours


if __name__ == "__main__":
    main()
