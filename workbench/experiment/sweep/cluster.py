"""Points on the workers of a Dask scheduler, which may stand on other machines.

Dask writes the name of a function of ours and two texts, the task and the recipe as JSON; a Run comes back as JSON and
goes into the store here. Nothing else of ours is sent, so a worker needs this workbench installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from typing import Any, ClassVar

import torch

from ...core.errors import Cancelled, WorkbenchError
from ...core.progress import Progress
from ...core.recipe import Recipe, from_json, to_json
from ..store import Store
from .point import SLOWER, Answer, Event, Task, answer

_TICK_S = 0.2
_LOOK_S = 0.5
_CONNECT_S = 10
_EXTRA = "A scheduler needs Dask: `pip install distributed` brings it."
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Scheduler:
    """address: as the scheduler prints it, `tcp://HOST:8786`."""

    address: str
    elsewhere: ClassVar[bool] = True

    def compute(
        self, task: Task, recipes: Sequence[Recipe], store: Store, progress: Progress
    ) -> Generator[Event | None, None, None]:
        """As Crew says; WorkbenchError also when nobody answers, or a worker has another workbench or other data."""
        connect = _client_class()
        with _quiet(), _connected(connect, self.address) as client:
            _check_installed(client)
            yield from _Sent(client, self.address, replace(task, note=SLOWER), store).events(recipes)


class _Sent:
    """The points that a scheduler has been given."""

    def __init__(self, client: Any, address: str, task: Task, store: Store) -> None:
        self._client, self._address, self._task, self._store = client, address, task, store
        self._inbox: queue.SimpleQueue[Event | WorkbenchError] = queue.SimpleQueue()
        self._futures: list[Any] = []
        self._next_look = 0.0

    def events(self, recipes: Sequence[Recipe]) -> Iterator[Event | None]:
        """Until all are settled; whatever is not is cancelled in the end, on the workers too."""
        try:
            self._submit(recipes)
            left = len(recipes)
            while left:
                try:
                    event = self._inbox.get(timeout=_TICK_S)
                except queue.Empty:
                    yield self._waiting()
                    continue
                if isinstance(event, WorkbenchError):
                    raise event
                left -= 1
                yield event
        finally:
            with contextlib.suppress(Exception):  # a scheduler that is gone has nothing to cancel
                self._client.cancel(self._futures, force=True)

    def _waiting(self) -> Event | None:
        """Says so while there is nobody to work, as before a queue has let the workers in."""
        if time.monotonic() < self._next_look:
            return None
        self._next_look = time.monotonic() + _LOOK_S
        with contextlib.suppress(Exception):  # what a scheduler that is gone means is heard of by the futures
            if not self._client.scheduler_info()["workers"]:
                return Event("", said="waiting, the scheduler has no workers")
        return None

    def _submit(self, recipes: Sequence[Recipe]) -> None:
        task, sweep = to_json(self._task), uuid.uuid4().hex[:12]
        for i, recipe in enumerate(recipes):
            key = f"workbench-{recipe.key}-{sweep}"  # never that of a point that somebody has just cancelled
            future = self._client.submit(point_there, task, to_json(recipe), key=key, pure=False, priority=-i)
            self._futures.append(future)
            future.add_done_callback(self._heard(recipe))

    def _heard(self, recipe: Recipe) -> Callable[[Any], None]:
        """Stores the run at once, in Dask's own thread, whoever is slow to look at the events."""

        def heard(future: Any) -> None:
            try:
                self._inbox.put(self._settled(recipe, future))
            except WorkbenchError as error:
                self._inbox.put(error)
            except Exception as error:  # the thread is not ours
                self._inbox.put(
                    WorkbenchError(f"sweep: a point could not be stored ({type(error).__name__}: {error}).")
                )

        return heard

    def _settled(self, recipe: Recipe, future: Any) -> Event:
        if future.status == "error":
            return Event(recipe.key, 1.0, settled=True, failure=self._lost(future.exception()))
        if future.status != "finished":
            raise WorkbenchError(
                f"The scheduler at {self._address} has gone; what was finished is stored, and the same sweep goes on."
            )
        made: Answer = from_json(future.result(), Answer)
        if made.unfit:
            raise WorkbenchError(f"sweep: {made.unfit}.")
        if made.run is not None:
            self._store.put(made.run, self._task.fingerprint)
        return Event(recipe.key, 1.0, settled=True, failure=made.failure)

    def _lost(self, error: BaseException) -> str:
        """Why Dask has no answer; raises when no other point will have one either."""
        if isinstance(error, ImportError | AttributeError):
            raise WorkbenchError(f"sweep: a worker of {self._address} has no such workbench ({error}).")
        if type(error).__name__ == "KilledWorker":
            return "The workers that computed this point ended each time, as when memory runs out."
        return f"A worker could not compute this point ({type(error).__name__}: {str(error).rstrip('.')})."


def point_there(task_json: str, recipe_json: str) -> str:
    """Computed by a worker: an Answer as JSON.

    One point at a time in a process, however many threads the worker has: they are torch's then, and what draws random
    numbers is not disturbed by a neighbour.
    """
    from distributed import get_worker

    worker = get_worker()
    task: Task = replace(from_json(task_json, Task), threads=worker.state.nthreads)
    progress = Progress(cancelled=_Unwanted(worker, worker.get_current_task()))
    with _one_at_a_time:
        torch.set_num_threads(task.threads)
        try:
            made = answer(task, from_json(recipe_json, Recipe), progress)
        except Cancelled:
            return to_json(Answer(failure="Cancelled."))  # which nobody reads
    return (
        to_json(replace(made, unfit=f"worker {worker.address} cannot compute these points: {made.unfit}"))
        if made.unfit
        else to_json(made)
    )


class _Unwanted:
    """Whether the scheduler has taken a key back, as when its client cancels or dies; looked up now and then."""

    def __init__(self, worker: Any, key: Any) -> None:
        self._worker, self._key, self._next, self._found = worker, key, 0.0, False

    def __call__(self) -> bool:
        if time.monotonic() > self._next and not self._found:
            self._next = time.monotonic() + _LOOK_S
            state = self._worker.state.tasks.get(self._key)
            self._found = state is None or state.state == "cancelled"
        return self._found


def _client_class() -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise WorkbenchError(_EXTRA) from None
    return Client


def _connected(connect: Any, address: str) -> Any:
    try:
        return connect(address, timeout=_CONNECT_S, set_as_default=False, name="workbench-sweep")
    except (OSError, TimeoutError, ValueError, ImportError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise WorkbenchError(f"No scheduler answers at {address} ({why}).") from None


def _check_installed(client: Any) -> None:
    """A worker that cannot load what it is sent ends without an answer, so it is asked beforehand."""
    found = client.run(importlib.util.find_spec, "workbench", on_error="return")
    for address, spec in found.items():
        if not isinstance(spec, ModuleSpec):
            raise WorkbenchError(f"sweep: worker {address} has no workbench installed.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What Dask logs about a connection that is lost is said by us, in a sentence."""
    logs = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
