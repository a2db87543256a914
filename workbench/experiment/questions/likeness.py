"""Do both networks look at the same, over many images?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from ...core.attribution import Likeness
from ...core.progress import Progress
from ...explain.over_images import MOST, likeness
from . import SPLIT, Asked, Question


@dataclass(frozen=True)
class LikenessQuestion(Question):
    """method: an attribution method's id."""

    method: str
    kind: ClassVar[str] = "likeness"
    rank: ClassVar[int] = 2

    def answers(self, asked: Asked, progress: Progress) -> Iterator[Likeness]:
        model, subject = asked.compressed(progress.part(0.0, 0.3)), asked.subject
        batch = subject.dataset.split(SPLIT)
        chosen = torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(0))[:MOST]
        places, rest = tuple(chosen.tolist()), progress.part(0.3, 1.0)
        yield from likeness(
            self.method,
            subject.network,
            model.network,
            batch.images[chosen],
            places=places,
            weights=subject.fingerprint,
            progress=rest,
        )
