"""What compression changed inside the layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...core.inside import Inside
from ...core.progress import Progress
from ...explain.inside import inside
from . import SPLIT, Asked, Question


@dataclass(frozen=True)
class InsideQuestion(Question):
    """Errors per layer, levels and lost directions, whatever of it the network has."""

    kind: ClassVar[str] = "inside"

    def answers(self, asked: Asked, progress: Progress) -> Iterator[Inside]:
        model, batch = asked.compressed(progress.part(0.0, 0.5)), asked.subject.dataset.split(SPLIT)
        yield from inside(asked.subject.network, model, batch, split=SPLIT, progress=progress.part(0.5, 1.0))
