"""Did the criterion know what each unit is worth?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...core.agreement import Agreement
from ...core.progress import Progress
from ...explain.against_truth import against_truth
from . import SPLIT, Asked, Question


@dataclass(frozen=True)
class CriterionQuestion(Question):
    """criterion: the name of one, at its usual settings. It takes long: whatever else is asked goes first."""

    criterion: str = "l1"
    kind: ClassVar[str] = "criterion"
    dense: ClassVar[bool] = True
    rank: ClassVar[int] = 2

    def answers(self, asked: Asked, progress: Progress) -> Iterator[Agreement]:
        subject = asked.subject
        data = subject.dataset.split(SPLIT)
        context = asked.context(progress)
        yield from against_truth(self.criterion, subject.network, data=data, context=context, split=SPLIT)
