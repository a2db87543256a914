"""What did each step cost?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from ...core.progress import Progress
from ...core.records import Accuracy
from ...core.stages import AfterStep, Stages
from ...measure.accuracy import anytime
from . import SPLIT, Asked, Question

FIRST = 256
"""Images on which every step is looked at before any is looked at on all."""


@dataclass(frozen=True)
class StagesQuestion(Question):
    """Accuracy after each step: step by step on the first images of a fixed random order, then on all."""

    kind: ClassVar[str] = "stages"
    rank: ClassVar[int] = 2

    def answers(self, asked: Asked, progress: Progress) -> Iterator[Stages]:
        """The dense network comes first. No image is evaluated twice."""
        trail = asked.trail(progress.part(0.0, 0.4))
        networks = [asked.subject.network, *(model.network for _, model in trail)]
        parts = [progress.part(0.4 + 0.6 * i / len(networks), 1.0) for i in range(len(networks))]
        counts = [_Count(network, asked, part) for network, part in zip(networks, parts, strict=True)]
        names = [str(step) for step, _ in trail]
        seen: list[Accuracy | None] = [None] * len(counts)
        for last in (False, True):
            for i, count in enumerate(counts):
                seen[i] = count.all() if last else count.first()
                yield _stages(names, seen)
        yield _stages(names, seen, complete=True)


class _Count:
    """One network, counted twice: on the first images, and on the rest."""

    def __init__(self, network: nn.Module, asked: Asked, progress: Progress) -> None:
        batch = asked.subject.dataset.split(SPLIT)
        self._counts = anytime(network, batch, split=SPLIT, first=FIRST, growth=1e9, progress=progress)

    def first(self) -> Accuracy:
        self._found = next(self._counts)
        return self._found

    def all(self) -> Accuracy:
        return next(self._counts, self._found)


def _stages(names: list[str], seen: list[Accuracy | None], complete: bool = False) -> Stages:
    dense, *rest = seen
    return Stages(dense, tuple(map(AfterStep, names, rest)), complete)
