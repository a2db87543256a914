"""Is the object what the network looks at, while a knob moves? For data that know where the object is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...core.attribution import ObjectCurve, ObjectPoint
from ...core.errors import WorkbenchError
from ...core.progress import Progress
from ...core.recipe import Recipe, Step
from ...explain.on_object import drawn, on_object
from ..pipeline import compress
from ..subject import Subject
from ..sweep import along, axis
from . import SPLIT, Asked, Question

POINTS = 6


@dataclass(frozen=True)
class ObjectQuestion(Question):
    """method: an attribution method's id. Along the main knob of step `index`, whose own value does not matter.

    The answer does not depend on the recipe but on `steps`, so that it stays while that knob moves.
    """

    method: str
    steps: tuple[Step, ...]
    index: int
    kind: ClassVar[str] = "object"
    dense: ClassVar[bool] = True
    rank: ClassVar[int] = 2

    def answers(self, asked: Asked, progress: Progress) -> Iterator[ObjectCurve]:
        """WorkbenchError where nobody knows where the object is."""
        subject, data = asked.subject, asked.subject.dataset
        if SPLIT not in data.masks:
            raise WorkbenchError(f"Where the object is, is not known for {data.name}; it is for shapes.")
        step = self.steps[self.index]
        knob, values = axis(step.method, POINTS)
        recipe = Recipe(asked.recipe.network, asked.recipe.dataset, self.steps, asked.recipe.seed)
        recipes = [Recipe(recipe.network, recipe.dataset), *along(recipe, self.index, knob, values)]
        chosen = drawn(len(data.validation.labels))
        area = float(data.masks[SPLIT][chosen].float().mean())
        points: tuple[ObjectPoint, ...] = ()
        for i, (value, turned) in enumerate(zip((None, *values), recipes, strict=True)):
            part = progress.part(i / len(recipes), (i + 1) / len(recipes), f"setting {i + 1} of {len(recipes)}: ")
            points += (self._point(subject, turned, None if value is None else float(value), part),)
            yield ObjectCurve(self.method, step.method, knob, area, points, len(recipes))

    def _point(self, subject: Subject, recipe: Recipe, value: float | None, progress: Progress) -> ObjectPoint:
        network = compress(recipe, subject, progress=progress.part(0.0, 0.4)).network
        data, chosen = subject.dataset, drawn(len(subject.dataset.validation.labels))
        batch, masks = data.split(SPLIT), data.masks[SPLIT][chosen]
        images, labels = batch.images[chosen], batch.labels[chosen]
        rest = progress.part(0.4, 1.0)
        return on_object(self.method, network, images, labels, masks, value=value, progress=rest)
