"""How far the pictures of one image can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...core.attribution import Faithfulness, Randomised
from ...core.progress import Progress
from ...explain.faithful import faithfulness
from ...explain.randomised import randomised
from . import Asked, Question
from .attribution import image_of


@dataclass(frozen=True)
class TrustQuestion(Question):
    """Do the networks need what the pictures call important? The fields are those of AttributionQuestion."""

    method: str
    image: int | bytes
    target: int | None = None
    kind: ClassVar[str] = "trust"

    def answers(self, asked: Asked, progress: Progress) -> Iterator[Faithfulness]:
        model = asked.compressed(progress.part(0.0, 0.3))
        image, about = image_of(asked.subject, self.image)
        rest, dense, index = progress.part(0.3, 1.0), asked.subject.network, about["index"]
        yield from faithfulness(
            self.method, dense, model.network, image, index=index, target=self.target, progress=rest
        )


@dataclass(frozen=True)
class RandomQuestion(Question):
    """Would the dense network get the same picture with random weights? The fields are those of AttributionQuestion."""

    method: str
    image: int | bytes
    target: int | None = None
    kind: ClassVar[str] = "random"
    dense: ClassVar[bool] = True

    def answers(self, asked: Asked, progress: Progress) -> Iterator[Randomised]:
        image, about = image_of(asked.subject, self.image)
        yield from randomised(
            self.method, asked.subject.network, image, index=about["index"], target=self.target, progress=progress
        )
