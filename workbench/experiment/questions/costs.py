"""What compression cost, and whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...core.costs import Costs
from ...core.progress import Progress
from ...explain.costs import costs
from ...networks.artifact import unpack_model
from . import SPLIT, Asked, Question


@dataclass(frozen=True)
class CostsQuestion(Question):
    """Every validation image, answered by both networks; the compressed one as its file says, where there is one."""

    kind: ClassVar[str] = "costs"

    def answers(self, asked: Asked, progress: Progress) -> Iterator[Costs]:
        data, batch = asked.file(), asked.subject.dataset.split(SPLIT)
        made = unpack_model(data) if data is not None else asked.compressed(progress.part(0.0, 0.5))
        rest = progress.part(0.5, 1.0)
        yield from costs(asked.subject.network, made.network, batch, split=SPLIT, file=data is not None, progress=rest)
