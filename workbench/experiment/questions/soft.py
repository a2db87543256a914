"""What the teacher says besides its answer, and what the student made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from ...core.errors import WorkbenchError
from ...core.progress import Progress
from ...core.recipe import Recipe, Step
from ...core.soft import SoftTargets, Taught
from ...explain.soft import soft_targets, taught
from ..pipeline import compress
from . import SPLIT, Asked, Question

METHOD = "kd.hinton"


@dataclass(frozen=True)
class SoftQuestion(Question):
    """The dense network's soft targets."""

    kind: ClassVar[str] = "soft"
    dense: ClassVar[bool] = True

    def answers(self, asked: Asked, progress: Progress) -> Iterator[SoftTargets]:
        yield soft_targets(asked.subject.network, asked.subject.dataset.split(SPLIT), split=SPLIT, progress=progress)


@dataclass(frozen=True)
class TaughtQuestion(Question):
    """The recipe's student beside the same one taught by the labels alone, which has to be trained for it."""

    kind: ClassVar[str] = "taught"

    def answers(self, asked: Asked, progress: Progress) -> Iterator[Taught]:
        step = distilling(asked.recipe)
        if why := why_not_taught(asked.recipe):
            raise WorkbenchError(f"{why[0].upper()}{why[1:]}.")
        assert step is not None
        model = asked.compressed(progress.part(0.0, 0.3))
        alone = compress(by_labels(asked.recipe), asked.subject, progress=progress.part(0.3, 0.9, "labels alone: "))
        yield taught(
            asked.context(progress).lent_teacher(METHOD, str(step.knobs.get("teacher", ""))),
            (alone.network, model.network),
            asked.subject.dataset.split(SPLIT),
            split=SPLIT,
            temperature=float(step.knobs["temperature"]),
            weight=float(step.knobs["weight"]),
            progress=progress.part(0.9, 1.0),
        )


def distilling(recipe: Recipe) -> Step | None:
    """The last step that distils, or None."""
    return next((step for step in reversed(recipe.steps) if step.method == METHOD), None)


def why_not_taught(recipe: Recipe) -> str:
    """Why there is no student to compare, in words that end a sentence; "" where there is one. recipe: canonical."""
    step = distilling(recipe)
    if step is None:
        return "no step of this recipe learns from a teacher"
    if not step.knobs["epochs"] or not step.knobs["weight"]:
        return "the student is not taught anything by the teacher with no epochs, or with no weight on its answers"
    return ""


def by_labels(recipe: Recipe) -> Recipe:
    """The same recipe with the teacher's answers weighing nothing."""
    step = distilling(recipe)
    plain = [replace(s, knobs={**s.knobs, "weight": 0.0}) if s is step else s for s in recipe.steps]
    return recipe.with_steps(*plain)
