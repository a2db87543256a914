"""What speaks for the answer, in the dense and in the compressed network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...core.attribution import AttributionPair
from ...core.errors import WorkbenchError
from ...core.progress import Progress
from ...explain.attribution import attribute
from ..subject import Subject
from . import SPLIT, Asked, Question


@dataclass(frozen=True)
class AttributionQuestion(Question):
    """method: an attribution method's id. image: which one of validation, or the file of a picture somebody brought.

    target: the class that is explained, None for the dense network's answer.
    """

    method: str
    image: int | bytes
    target: int | None = None
    kind: ClassVar[str] = "attribution"

    def answers(self, asked: Asked, progress: Progress) -> Iterator[AttributionPair]:
        model = asked.compressed(progress.part(0.0, 0.5))
        image, about = image_of(asked.subject, self.image)
        rest, dense = progress.part(0.5, 1.0), asked.subject.network
        yield attribute(self.method, dense, model.network, image, **about, target=self.target, progress=rest)


def image_of(subject: Subject, image: int | bytes) -> tuple[Tensor, dict[str, int | None]]:
    """(image, its index and label), of the validation split by number, or of a picture's file."""
    if isinstance(image, bytes):
        return subject.dataset.picture(image), {"index": None, "label": None}
    batch = subject.dataset.split(SPLIT)
    if not 0 <= image < len(batch.labels):
        raise WorkbenchError(f"The image must be an integer in [0, {len(batch.labels) - 1}]; got {image}.")
    return batch.images[image], {"index": image, "label": int(batch.labels[image])}
