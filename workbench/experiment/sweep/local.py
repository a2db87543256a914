"""Points on worker processes of this machine; one that is killed costs the point it was at, which is computed again."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, ClassVar

from ...core.errors import WorkbenchError
from ...core.progress import Progress
from ...core.recipe import Recipe, from_json, to_json
from ..store import Store
from .point import SLOWER, Event, Task
from .process import GRACE_S, Charge, Told

WORKERS = 64
_TRIES = 2
_TICK_S = 0.2
_MODULE = "workbench.experiment.sweep.process"


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Processes:
    """workers: 1 to 64, 0 for one a core, 4 at most. threads: of torch in each, 0 for an equal share of the cores.

    Points that train give the same numbers to the last digit only with the same `threads`.
    """

    workers: int = 0
    threads: int = 0
    elsewhere: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("threads", self.threads)):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= WORKERS:
                raise WorkbenchError(f"sweep: {name} must be an integer in [0, {WORKERS}]; got {value!r}.")

    def compute(
        self, task: Task, recipes: Sequence[Recipe], store: Store, progress: Progress
    ) -> Generator[Event | None, None, None]:
        """As Crew says."""
        workers = min(self.workers or min(4, cores()), len(recipes))
        threads = self.threads or max(1, cores() // max(workers, 1))
        task = replace(task, threads=threads, note=SLOWER if workers > 1 else "")
        team = _Team(Charge(task, str(store.path.absolute())), deque(recipes))
        try:
            team.hire(workers)
            yield from team.events()
        finally:
            team.dismiss()


@dataclass(eq=False)
class _Member:
    """One process and the recipe that it is at. fresh: it has not said yet that it is there."""

    process: subprocess.Popen[bytes]
    complaints: IO[bytes]
    recipe: Recipe | None = None
    fresh: bool = True


@dataclass
class _Team:
    charge: Charge
    waiting: deque[Recipe]
    members: list[_Member] = field(default_factory=list)
    inbox: queue.SimpleQueue[tuple[_Member, Told | None]] = field(default_factory=queue.SimpleQueue)
    tries: Counter[str] = field(default_factory=Counter)
    stillborn: int = 0

    def hire(self, workers: int) -> None:
        for _ in range(workers):
            complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
            process = subprocess.Popen(  # noqa: S603 - this very Python
                [sys.executable, "-P", "-m", _MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=_environment(self.charge.task.threads),
            )
            member = _Member(process, complaints)
            self.members.append(member)
            threading.Thread(target=self._hear, args=(member,), daemon=True).start()
            self._say(member, to_json(self.charge))

    def events(self) -> Iterator[Event | None]:
        """Until every recipe is settled."""
        while self.waiting or any(m.recipe for m in self.members):
            try:
                member, told = self.inbox.get(timeout=_TICK_S)
            except queue.Empty:
                yield None
                continue
            event = self._lost(member) if told is None else self._heard(member, told)
            if event is not None:
                yield event

    def dismiss(self) -> None:
        """Nobody wants the work any more: ask, wait a little, then kill."""
        try:
            for member in self.members:
                with contextlib.suppress(OSError):
                    member.process.stdin.close()  # type: ignore[union-attr]
            end = time.monotonic() + GRACE_S
            for member in self.members:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    member.process.wait(max(0.0, end - time.monotonic()))
        finally:
            for member in self.members:
                member.process.kill()
                member.process.wait()

    def _heard(self, member: _Member, told: Told) -> Event | None:
        if told.unfit:
            raise WorkbenchError(f"sweep: a worker process cannot compute these points: {told.unfit}.")
        if member.fresh or (told.event is not None and told.event.settled):
            member.fresh, member.recipe = False, None
            self._give(member)
        return told.event

    def _give(self, member: _Member) -> None:
        if self.waiting:
            member.recipe = self.waiting.popleft()
            self.tries[member.recipe.key] += 1
            self._say(member, to_json(member.recipe))

    def _lost(self, member: _Member) -> Event | None:
        """A worker has ended by itself, or was killed."""
        ended, recipe = member.process.wait(), member.recipe
        self.members.remove(member)
        if member.fresh:
            self.stillborn += 1
            if self.stillborn >= _TRIES:
                raise WorkbenchError(f"sweep: worker processes do not start ({_last_line(member)}).")
        if recipe is not None and self.tries[recipe.key] < _TRIES:
            self.waiting.appendleft(recipe)
        if self.waiting:
            self.hire(1)
        return None if recipe is None else self._again(recipe, ended)

    def _again(self, recipe: Recipe, ended: int) -> Event:
        """What is told of a recipe whose worker has gone."""
        if self.tries[recipe.key] < _TRIES:
            return Event(recipe.key, lost=True)
        why = f"The worker process that computed this point ended, {_TRIES} times ({_how(ended)})."
        return Event(recipe.key, 1.0, settled=True, failure=why)

    def _say(self, member: _Member, line: str) -> None:
        """A worker that is gone is heard of through its stdout."""
        assert member.process.stdin is not None
        with contextlib.suppress(OSError):
            member.process.stdin.write(line.encode() + b"\n")
            member.process.stdin.flush()

    def _hear(self, member: _Member) -> None:
        assert member.process.stdout is not None
        for line in member.process.stdout:
            with contextlib.suppress(WorkbenchError):  # the last line of a killed process may be half a line
                self.inbox.put((member, from_json(line, Told)))
        self.inbox.put((member, None))


def _environment(threads: int) -> dict[str, str]:
    """This process's own, with threads that are set before torch is loaded and this very workbench on the path.

    Threads that wait must sleep: on a machine with other work, spinning made a point 20 times slower.
    """
    paths = [str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])]
    count = str(threads)
    return {
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
    }


def _how(ended: int) -> str:
    if ended >= 0:
        return f"exit status {ended}"
    name = signal.Signals(-ended).name
    return f"{name}, as when memory runs out" if name == "SIGKILL" else name


def _last_line(member: _Member) -> str:
    member.complaints.seek(0)
    said = member.complaints.read().decode(errors="replace").strip().splitlines()
    return said[-1].rstrip(".") if said else _how(member.process.wait())
