"""Why could this unit go, and what does it cost?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...core.progress import Progress
from ...core.units import UnitCard
from ...explain.units import unit_card
from . import SPLIT, Asked, Question


@dataclass(frozen=True)
class UnitQuestion(Question):
    """layer: of the dense network; unit: from 0, None for the layer as a whole."""

    layer: str
    unit: int | None = None
    kind: ClassVar[str] = "unit"
    dense: ClassVar[bool] = True

    def answers(self, asked: Asked, progress: Progress) -> Iterator[UnitCard]:
        subject = asked.subject
        data = subject.dataset.split(SPLIT)
        context = asked.context(progress)
        yield from unit_card(subject.network, self.layer, self.unit, data=data, context=context, split=SPLIT)
