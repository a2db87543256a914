"""One point, wherever it is computed: what goes there and what comes back is plain data, written as JSON."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Protocol

import torch

from ... import __version__
from ...core.errors import Cancelled, WorkbenchError
from ...core.progress import Progress
from ...core.recipe import Recipe
from ...core.records import Run
from ...data import load_dataset
from ...networks import adopt_file, use_weights
from ..run import run
from ..store import Store
from ..subject import Subject, subject_named

SLOWER = "Times were taken while other points were computed on the same machine."


@dataclass(frozen=True)
class Environment:
    """What two machines must have in common for their numbers to stand in one table. network, data: digests."""

    workbench: str
    torch: str
    network: str
    data: str


@dataclass(frozen=True)
class Task:
    """What all points of a sweep share. code: `FILE.py:FACTORY` of an adopted network; weights: path of a file, or "".

    threads: of torch, for one point. note: what is to be said about every run that is made so.
    """

    network: str
    dataset: str
    split: str
    expected: Environment
    fingerprint: str
    code: str = ""
    weights: str = ""
    threads: int = 1
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """A run; or why this point fails, in a sentence; or why no point can be computed in that place."""

    run: Run | None = None
    failure: str = ""
    unfit: str = ""


@dataclass(frozen=True)
class Event:
    """What a crew tells of the recipe with this key: how far it is, or that it is settled and in the store or failed.

    lost: nobody is at it any more, and it will be begun again. said: why nothing happens; then the key is "".
    """

    key: str
    share: float = 0.0
    settled: bool = False
    failure: str = ""
    lost: bool = False
    said: str = ""


class Crew(Protocol):
    """Who computes. Every run goes into the store before its event; None is a breath in which to look around.

    elsewhere: whether what lives only in this process's memory is out of reach.
    """

    elsewhere: ClassVar[bool]

    def compute(
        self, task: Task, recipes: Sequence[Recipe], store: Store, progress: Progress
    ) -> Generator[Event | None, None, None]:
        """Computes every recipe once. Closing the iterator stops the work and leaves no process behind.

        progress: only whether the work is still wanted. WorkbenchError when nothing can be computed there.
        """
        ...


def environment(subject: Subject) -> Environment:
    """Of this process. torch: without the name of its build, such as +cpu."""
    network = subject.weights + (f"/{subject.identity}" if subject.identity else "")
    return Environment(__version__, str(torch.__version__).partition("+")[0], network, subject.dataset.digest)


def differs(here: Environment, there: Environment) -> str:
    """Why points cannot be computed there, in words that end a sentence; "" when they can."""
    if there.workbench != here.workbench:
        return f"it has workbench {there.workbench}, and {here.workbench} is needed"
    if there.torch != here.torch:
        return f"it has torch {there.torch}, and {here.torch} is needed"
    if there.network != here.network:
        return f"its weights of the network are others ({there.network[:12]}, and {here.network[:12]} are needed)"
    if there.data != here.data:
        return f"its data are others ({there.data[:12]}, and {here.data[:12]} are needed)"
    return ""


def answer(task: Task, recipe: Recipe, progress: Progress) -> Answer:
    """Compute one point in a process that may know nothing yet; raises Cancelled and nothing else."""
    try:
        subject = _subject(task)
    except WorkbenchError as error:
        return Answer(unfit=str(error).rstrip("."))
    if why := differs(task.expected, environment(subject)):
        return Answer(unfit=why)
    return computed(task, recipe, subject, progress)


def computed(task: Task, recipe: Recipe, subject: Subject, progress: Progress) -> Answer:
    """The run, or why there is none; raises Cancelled and nothing else."""
    try:
        made = run(recipe, split=task.split, subject=subject, progress=progress).run
    except Cancelled:
        raise
    except WorkbenchError as error:
        return Answer(failure=str(error))
    except Exception as error:  # our own mistake, or memory that ran out, costs one point and not the sweep
        return Answer(failure=f"Something went wrong inside the workbench ({type(error).__name__}: {error}).")
    return Answer(run=replace(made, notes=(*made.notes, task.note)) if task.note else made)


@lru_cache(maxsize=4)
def _subject(task: Task) -> Subject:
    data = load_dataset(task.dataset)
    shape, classes = data.input_shape, len(data.classes)
    if task.code:
        adopt_file(task.code, input_shape=shape, classes=classes, name=task.network.partition("/")[2])
    if task.weights:
        use_weights(task.network, data.name, Path(task.weights), input_shape=shape, classes=classes)
    return subject_named(task.network, task.dataset)
