"""What a search may turn: the knobs that the steps leave open, layer by layer where they may differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...core.knob import Knob, Value, knobs_of
from ...core.method import Combination, Method
from ...core.order import FACTORS, SHAPE, SUPPORT, VALUES
from ...core.recipe import Recipe, Step, covers
from ...core.records import Sensitivity
from ...methods import method_of
from ..pipeline import canonical

TIME = ("epochs", "rounds", "images", "starts", "sweeps")
"""Knobs that buy quality with time, of which no budget is the limit: they stay as they are given."""
LARGEST = 8
"""Layers of one step with a value of their own; all others share one, so that few trials can tell values apart."""
Params = dict[str, Value]


@dataclass(frozen=True)
class Free:
    """One open value. layer: "" for the step as a whole; spec: the knob, perhaps with a narrower range."""

    step: int
    layer: str
    knob: str
    spec: Knob

    @property
    def name(self) -> str:
        return " ".join(filter(None, (str(self.step + 1), self.layer, self.knob)))


@dataclass(frozen=True)
class Space:
    """recipe: as given, its steps naming only the knobs that are held; free: what is open."""

    recipe: Recipe
    free: tuple[Free, ...]

    def recipe_of(self, params: Mapping[str, Value]) -> Recipe:
        """The recipe with the open values at `params`, canonical."""
        steps = list(self.recipe.steps)
        for free in self.free:
            step, value = steps[free.step], tidy(free.spec, params[free.name])
            if free.layer:
                own = {**step.per_layer, free.layer: {**step.per_layer.get(free.layer, {}), free.knob: value}}
                steps[free.step] = replace(step, per_layer=own)
            else:
                steps[free.step] = replace(step, knobs={**step.knobs, free.knob: value})
        return canonical(self.recipe.with_steps(*steps))

    def params_of(self, recipe: Recipe) -> Params | None:
        """The open values that make `recipe`, which is canonical; None when it is not of this space."""
        if [step.method for step in recipe.steps] != [step.method for step in self.recipe.steps]:
            return None
        params = {free.name: _value(recipe.steps[free.step], free) for free in self.free}
        if not all(free.spec.accepts(params[free.name]) for free in self.free):
            return None
        return params if self.recipe_of(params) == recipe else None

    def narrowed(self, ends: Mapping[str, tuple[float, float]]) -> Space:
        """The same with closer bounds for the values named."""
        return replace(self, free=tuple(_narrow(free, ends.get(free.name)) for free in self.free))

    def around(self, params: Mapping[str, Value], share: float) -> Space:
        """The same with numbers at most `share` of their range from those of `params`, whole ones at least by one."""
        ends = {}
        for free in self.free:
            if free.spec.numeric and not free.spec.log:
                low, high = free.spec.bounds
                here, on = float(params[free.name]), max(share * (high - low), 1.0 if free.spec.kind is int else 0.0)
                ends[free.name] = max(low, here - on), min(high, here + on)
        return self.narrowed(ends)


def space_of(recipe: Recipe, scans: Sequence[Sensitivity | None], sizes: Mapping[str, float]) -> Space:
    """All that the steps leave open. scans: of each step, None where layers cannot differ; sizes: weights by layer.

    A knob that a step names is held, and so is what a step says about a layer. A learning rate is open where the step
    trains. WorkbenchError for a step that makes no sense.
    """
    free: list[Free] = []
    for i, (step, scan) in enumerate(zip(recipe.steps, scans, strict=True)):
        method = method_of(step)
        for name, knob in knobs_of(method).items():
            if scan is not None and name == scan.knob:
                layers, more = apart(step, scan, sizes)
                free += [Free(i, layer, name, knob) for layer in layers]
                free += [Free(i, "", name, knob)] if more else []
            elif name not in step.knobs and _open(method, name):
                free.append(Free(i, "", name, knob))
    return Space(recipe, tuple(free))


def loosened(recipe: Recipe) -> Recipe:
    """The recipe with the main knob of every step open, in every layer, and all others held as they are.

    A main knob that buys quality with time stays too.
    """
    return recipe.with_steps(*map(_loosened, recipe.steps))


def _loosened(step: Step) -> Step:
    axis = type(method_of(step)).axis
    if axis in TIME:
        return step
    own = {layer: {k: v for k, v in knobs.items() if k != axis} for layer, knobs in step.per_layer.items()}
    knobs = {k: v for k, v in step.knobs.items() if k != axis}
    return replace(step, knobs=knobs, per_layer={layer: rest for layer, rest in own.items() if rest})


def open_by_layer(step: Step) -> bool:
    """Whether the axis of the step's method is open and may differ from layer to layer."""
    method = method_of(step)
    if isinstance(method, Combination) or method.sets not in (SHAPE, FACTORS, SUPPORT, VALUES):
        return False
    knob = knobs_of(method)[method.axis]
    return knob.numeric and not knob.whole and method.grows is not None and method.axis not in step.knobs


def apart(step: Step, scan: Sensitivity, sizes: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Layers that get a value of their own, the largest ones, and those that share one."""
    known = {point.layer for point in scan.points}
    held = {layer for layer, knobs in step.per_layer.items() if scan.knob in knobs}
    wanted = [x for x in scan.layers if x in known and (step.layers is None or any(covers(n, x) for n in step.layers))]
    wanted = [x for x in wanted if not any(covers(name, x) for name in held)]
    if len(wanted) <= LARGEST:
        return wanted, []
    largest = sorted(wanted, key=lambda x: -sizes.get(x, 0))[:LARGEST]
    return [x for x in wanted if x in largest], [x for x in wanted if x not in largest]


def tidy(knob: Knob, value: Value) -> Value:
    """The value without digits that say nothing: on the knob's steps where it has any, else four digits."""
    if knob.kind is not float:
        return value
    number = float(value)
    on_step = round(number / knob.step) * knob.step if knob.step and not knob.log else number
    clamped: Value = knob.clamp(float(f"{on_step:.4g}"))
    return clamped


def _open(method: Method, name: str) -> bool:
    if name == "learning_rate":
        return bool(getattr(method, "epochs", 0))
    return name not in TIME and not knobs_of(method)[name].names


def _value(step: Step, free: Free) -> Value:
    own = step.per_layer.get(free.layer, {})
    return own.get(free.knob, step.knobs.get(free.knob, free.spec.default))


def _narrow(free: Free, ends: tuple[float, float] | None) -> Free:
    if ends is None:
        return free
    low, high = (float(tidy(free.spec, free.spec.kind(end))) for end in ends)
    return replace(free, spec=replace(free.spec, low=low, high=high)) if low < high else free
