"""What can be asked about a network and its compressed form, one file for each question.

A question is a small frozen record. The page keeps one answer of each kind, the worker runs the newest question of
each kind, and another file here is all that another question takes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from ...core.compressed import Compressed
from ...core.context import Context
from ...core.progress import Progress
from ...core.recipe import Recipe, Step
from ..pipeline import compress
from ..subject import Subject

SPLIT = "validation"
"""Whatever is looked at while choosing; held-out images answer no question."""


Trail = tuple[tuple[Step, Compressed], ...]
"""Every step with the network after it."""


def _no_file() -> bytes | None:
    """Nothing was written."""
    return None


@dataclass(frozen=True, eq=False)
class Asked:
    """What the question is about. recipe: canonical; make: compresses, or hands over what was made last.

    file: the artifact that was measured, or None where there is none. walk: the network after each step, where somebody
    has kept them.
    """

    subject: Subject
    recipe: Recipe
    make: Callable[[Progress], Compressed]
    file: Callable[[], bytes | None] = _no_file
    walk: Callable[[Progress], Trail] | None = None

    def compressed(self, progress: Progress) -> Compressed:
        """The network that the recipe makes, with its decisions; not to be changed. Raises Cancelled."""
        return self.make(progress)

    def trail(self, progress: Progress) -> Trail:
        """The network after each step that ran; not to be changed. Raises Cancelled."""
        if self.walk is not None:
            return self.walk(progress)
        found: list[tuple[Step, Compressed]] = []
        compress(self.recipe, self.subject, progress=progress, after=lambda step, made: found.append((step, made)))
        return tuple(found)

    def context(self, progress: Progress) -> Context:
        """What criteria may use of the dense network and its data."""
        return self.subject.context(self.recipe, progress)


class Question(ABC):
    """Hashable: an answer is remembered by its question."""

    kind: ClassVar[str]
    """Its place on the page and its lane in the worker."""
    dense: ClassVar[bool] = False
    """Whether the answer is about the dense network alone, so that it holds for every recipe."""
    rank: ClassVar[int] = 1
    """Its turn in the worker: 2 for one that takes minutes, so that others go first."""
    kept: ClassVar[bool] = True
    """False for one whose answer is large: it is found anew when somebody asks again."""

    @abstractmethod
    def answers(self, asked: Asked, progress: Progress) -> Iterator[object]:
        """The same record growing; the last is complete. WorkbenchError in one sentence; Cancelled within a second."""


def last(answers: Iterator[object]) -> Any:
    """The complete answer, for who does not watch it grow."""
    return deque(answers, maxlen=1)[0]


class Answer(NamedTuple):
    """value: the record that the question names; final: whether nothing is to be added."""

    question: Question
    value: object
    final: bool
