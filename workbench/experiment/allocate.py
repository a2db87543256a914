"""From a sensitivity scan to knob values of each layer's own."""

from __future__ import annotations

from dataclasses import replace

from ..core.errors import WorkbenchError
from ..core.knob import Value, knobs_of
from ..core.method import Method
from ..core.progress import Progress
from ..core.recipe import Recipe, Step
from ..core.records import Allocation, LayerChoice, Sensitivity, SensitivityPoint
from ..measure.accuracy import accuracy
from ..methods import checked, method_of
from .pipeline import compress
from .subject import Subject

HIGHEST = 0.5
_HALVINGS = 6


def allocate(step: Step, found: Sensitivity, tolerance: float) -> Allocation:
    """`step` with the strongest value for every layer at which that layer alone loses at most `tolerance`.

    A value counts only if all milder ones hold as well, so that one lucky sample decides nothing. Where even the
    mildest costs more, the layer gets the value at which nothing changes if the method has one, else the mildest.
    tolerance: share of accuracy in [0, 0.5]. WorkbenchError for another method's scan or one that is not complete.
    """
    method = method_of(step)
    _check(method, found, tolerance)
    choices = tuple(_choice(method, layer, found, tolerance) for layer in found.layers)
    knob = knobs_of(method)[found.knob]
    own: dict[str, dict[str, Value]] = {layer: dict(knobs) for layer, knobs in step.per_layer.items()}
    for choice in choices:
        if choice.value is not None and (step.layers is None or choice.layer in step.layers):
            own.setdefault(choice.layer, {})[found.knob] = knob.kind(choice.value)
    return Allocation(checked(replace(step, per_layer=own)), found.knob, tolerance, choices)


def allocate_within(
    recipe: Recipe, index: int, found: Sensitivity, lost: float, subject: Subject, progress: Progress | None = None
) -> Allocation:
    """The loosest allocation of step `index` with which the whole recipe loses at most `lost` on validation data.

    The tolerance of each layer is halved towards the answer, and every try is compressed, without the training that
    its steps may ask for, and measured. Raises Cancelled; WorkbenchError as `allocate`.
    """
    progress = progress or Progress()
    low, high = 0.0, lost
    best = measured(recipe, index, allocate(recipe.steps[index], found, 0.0), subject, progress.part(0.0, 0.1))
    for i in range(_HALVINGS):
        middle = high if i == 0 else (low + high) / 2
        part = progress.part((i + 1) / (_HALVINGS + 1), (i + 2) / (_HALVINGS + 1))
        tried = measured(recipe, index, allocate(recipe.steps[index], found, middle), subject, part)
        assert tried.lost is not None
        if tried.lost <= lost:
            best, low = tried, middle
            if i == 0:
                break
        else:
            high = middle
    return best


def measured(recipe: Recipe, index: int, made: Allocation, subject: Subject, progress: Progress) -> Allocation:
    """`made`, with what the whole recipe loses on validation data without the training that its steps may ask for."""
    steps = tuple(made.step if i == index else step for i, step in enumerate(recipe.steps))
    model = compress(recipe.with_steps(*map(untrained, steps)), subject, progress=progress)
    dense = subject.dense_accuracy("validation").accuracy
    now = accuracy(model.network, subject.dataset.validation, split="validation", progress=progress)
    return replace(made, lost=dense - now.accuracy)


def untrained(step: Step) -> Step:
    """The step without the training that it may ask for."""
    return replace(step, knobs={**step.knobs, "epochs": 0}) if "epochs" in step.knobs else step


def _check(method: Method, found: Sensitivity, tolerance: float) -> None:
    if not 0.0 <= tolerance <= HIGHEST:
        raise WorkbenchError(f"The tolerated loss must be a number in [0, {HIGHEST:g}]; got {tolerance!r}.")
    if method.id() != found.method:
        raise WorkbenchError(f"The scan is of {found.method}; {method.id()} needs a scan of its own.")
    if not found.complete:
        raise WorkbenchError("The sensitivity scan is not complete yet.")
    if knobs_of(method)[found.knob].whole or method.grows is None:
        raise WorkbenchError(f"{found.knob} of {method.id()} cannot be chosen layer by layer.")


def _choice(method: Method, layer: str, found: Sensitivity, tolerance: float) -> LayerChoice:
    points = [point for point in found.points if point.layer == layer]
    if not points:
        return LayerChoice(layer, None, None, found.refused.get(layer, "the scan has no point of it"))
    points.sort(key=lambda p: p.value, reverse=bool(method.grows))  # mildest first
    held = 0
    while held < len(points) and _lost(found, points[held]) <= tolerance:
        held += 1
    if held == 0:
        return _untouched(method, found, points[0])
    chosen = points[held - 1]
    reason = f"alone it loses {_points(_lost(found, chosen))}"
    if held < len(points):
        reason += f"; the next value, {points[held].value:g}, would lose {_points(_lost(found, points[held]))}"
    return LayerChoice(layer, chosen.value, chosen.accuracy, reason)


def _untouched(method: Method, found: Sensitivity, mildest: SensitivityPoint) -> LayerChoice:
    """For a layer that even the mildest value hurts too much."""
    why = f"even {found.knob} {mildest.value:g} would lose {_points(_lost(found, mildest))}"
    neutral = (method.neutral or {}).get(found.knob)
    if neutral is None:
        return LayerChoice(mildest.layer, mildest.value, mildest.accuracy, f"{why}, and there is nothing milder")
    return LayerChoice(mildest.layer, float(neutral), found.dense, f"{why}, so it stays as it is")


def _lost(found: Sensitivity, point: SensitivityPoint) -> float:
    return found.dense.accuracy - point.accuracy.accuracy


def _points(share: float) -> str:
    """A loss of accuracy in words; a gain is no loss."""
    number = f"{100 * share:.2g}"
    return "nothing" if share <= 0 else f"{number} point" if number == "1" else f"{number} points"
