"""From a recipe to a compressed network: steps resolved, their order checked, each run on a copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..core.compressed import Compressed, layers_of
from ..core.context import Context
from ..core.errors import OrderError, WorkbenchError
from ..core.method import Combination, Method
from ..core.order import Done
from ..core.progress import Progress
from ..core.recipe import Recipe, Step
from ..methods import checked, method_named, method_of
from .subject import Subject

After = Callable[[Step, Compressed], None]


@dataclass(frozen=True)
class Planned:
    """One step that will run. combination: what it came from, when it is the last step of one."""

    step: Step
    method: Method
    combination: Combination | None = None


def canonical(recipe: Recipe) -> Recipe:
    """The same recipe with every knob spelled out, so that equal experiments have equal keys."""
    return recipe.with_steps(*map(checked, recipe.steps))


def plan(recipe: Recipe, network: nn.Module) -> list[Planned]:
    """The steps that will run on `network`; OrderError or WorkbenchError when one of them makes no sense."""
    planned: list[Planned] = []
    done: list[Done] = []
    for entry in (p for step in recipe.steps for p in _expanded(step, network)):
        why = entry.method.refuses(network)
        if why:
            raise WorkbenchError(f"{entry.method.id()} cannot be used on {recipe.network}: {why}.")
        why = entry.method.follows(entry.step.layers, done)
        if why:
            raise OrderError(f"{entry.method.id()} cannot come here: {why}.")
        done.append((entry.method.id(), entry.method.sets, entry.step.layers))
        planned.append(entry)
    return planned


def _expanded(step: Step, network: nn.Module) -> list[Planned]:
    step = checked(step)
    method = method_of(step)
    if not isinstance(method, Combination):
        return [Planned(step, method)]
    layers = [x for x in layers_of(network) if step.layers is None or x.name in step.layers]
    parts = [Planned(part, method_of(part)) for part in map(checked, method.steps(layers))]
    return [*parts[:-1], replace(parts[-1], combination=method)] if parts else []


def compress(
    recipe: Recipe, subject: Subject, *, progress: Progress | None = None, after: After | None = None
) -> Compressed:
    """The network that the recipe's steps make of the dense one, which is left as it is.

    after(step, model): called after every step, for the waterfall. Raises WorkbenchError, or Cancelled.
    """
    progress = progress or Progress()
    steps = plan(recipe, subject.network)
    model = Compressed.of(subject.network)
    context = subject.context(recipe, progress)
    for i, planned in enumerate(steps):
        part = progress.part(i / len(steps), (i + 1) / len(steps))
        model = run_step(planned, model, context.of_step(planned.step, part))
        if after is not None:
            after(planned.step, model)
    return model


def run_step(planned: Planned, model: Compressed, context: Context) -> Compressed:
    """`model` after one step; `model` itself stays as it was."""
    before = model
    model = planned.method.apply(model.copy(), context)
    if planned.combination is not None:
        model.encoded = {name: planned.combination.coding(e) for name, e in model.encoded.items()}
    model.network.eval()
    if _same(before, model) and len(model.notes) == len(before.notes):
        model.note(f"{planned.step} changed nothing.")
    return model


def _same(a: Compressed, b: Compressed) -> bool:
    """Whether a step left everything as it was."""
    return _forms(a) == _forms(b) and _equal_weights(a, b)


def _forms(model: Compressed) -> dict[str, tuple[str, bool]]:
    """How each tensor is stored that is not plain floats."""
    forms = {name: (e.values.kind, e.keep is None) for name, e in model.encoded.items()}
    return {name: form for name, form in forms.items() if form != ("float", True)}


def _equal_weights(a: Compressed, b: Compressed) -> bool:
    mine, theirs = a.network.state_dict(), b.network.state_dict()
    return mine.keys() == theirs.keys() and all(
        mine[n].shape == theirs[n].shape and torch.equal(mine[n], theirs[n]) for n in mine
    )


def trains(step: Step) -> bool:
    """Whether the step trains the network, so that its result takes more than a moment."""
    if "epochs" in step.knobs:
        return bool(step.knobs["epochs"])
    return "fit" in method_named(step.method).needs
