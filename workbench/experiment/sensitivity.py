"""How much accuracy each layer costs when it alone is compressed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..core.compressed import Compressed, layers_of
from ..core.errors import WorkbenchError
from ..core.knob import Value, knobs_of
from ..core.method import Combination, Method
from ..core.order import FACTORS, SHAPE, SUPPORT, VALUES
from ..core.progress import Progress
from ..core.recipe import Recipe, Step
from ..core.records import Sensitivity
from ..measure.sensitivity import SensitivityRefused, sensitivity
from ..methods import checked, method_of
from .pipeline import Planned, run_step
from .subject import Subject

LEVELS = 10
SPLIT = "validation"


def scan(
    step: Step, subject: Subject, *, seed: int = 0, levels: int = LEVELS, progress: Progress | None = None
) -> Iterator[Sensitivity]:
    """The growing scan over the axis of the step's method, every other knob as given, without training.

    WorkbenchError for a method that does not act layer by layer.
    """
    progress = progress or Progress()
    method = scannable(method_of(step))
    values = [float(v) for v in knobs_of(method)[method.axis].grid(levels)]
    names = tuple(x.name for x in layers_of(subject.network) if x.kind in method.acts_on)
    recipe = Recipe(subject.name, subject.dataset.name, seed=seed)
    context = subject.context(recipe, Progress(cancelled=progress.cancelled))
    base = Compressed.of(subject.network)

    def variant(layer: str, value: float) -> Compressed:
        own = {**step.per_layer.get(layer, {}), method.axis: _as(method, value)}
        turned = method_of(Step(step.method, {**_untrained(method), **own}))
        planned = Planned(turned.step((layer,)), turned)
        return run_step(planned, base, replace(context, layers=(layer,)))

    found = Sensitivity(
        subject.name, subject.dataset.name, method.id(), method.axis, subject.dense_accuracy(SPLIT), layers=names
    )
    batch = subject.dataset.split(SPLIT)
    points = sensitivity(
        subject.network, batch, variants=variant, layers=names, levels=values, split=SPLIT, progress=progress
    )
    for point in points:
        if isinstance(point, SensitivityRefused):
            found = replace(found, refused={**found.refused, point.layer: point.reason})
        else:
            found = replace(found, points=(*found.points, point))
        yield found
    yield replace(found, complete=True)


def scan_of(step: Step) -> Step:
    """The step that stands for all with the same scan, which asks neither where the axis is nor for any training."""
    method = scannable(method_of(step))
    knobs = {**_untrained(method), method.axis: knobs_of(method)[method.axis].default}
    own = {
        layer: {name: value for name, value in given.items() if name != method.axis}
        for layer, given in step.per_layer.items()
    }
    return checked(Step(step.method, knobs, per_layer=own))


def scannable(method: Method) -> Method:
    """`method`; WorkbenchError when it does not act on one layer at a time."""
    if isinstance(method, Combination):
        raise WorkbenchError(f"{method.id()} is several steps; scan the sensitivity of one of them.")
    if method.sets not in (SHAPE, FACTORS, SUPPORT, VALUES):
        raise WorkbenchError(f"{method.id()} trains the whole network; it has no sensitivity per layer.")
    return method


def _untrained(method: Method) -> dict[str, Value]:
    knobs = method.step().knobs
    return {**knobs, "epochs": 0} if "epochs" in knobs else dict(knobs)


def _as(method: Method, value: float) -> Value:
    kind: type[Value] = knobs_of(method)[method.axis].kind
    return kind(value)
