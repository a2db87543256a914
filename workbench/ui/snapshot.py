"""The choice as plain data: for links, for undo, for a file beside the notebook.

Of the state's traits it has the recipe's (dataset, network, steps, seed), `active`, `off` and those of ASIDE. A link
adds the lesson's: `locked`, `hidden`, `reason`. Left out on purpose:
what follows from the choice and is found again (recipe, problem, estimate, sample, run, report, decisions, notes,
remarks, runs, sensitivity, allocation, search, comparison, answers), and the questions themselves (asked): who opens a
link asks for what takes time, and a stranger's link must not;
what belongs to a machine and not to a choice (choices; labels, which its store has; plan and afresh, for a training is
of networks and under labels that are kept there);
a visitor's own picture, which nobody else gets by a link and which would not fit into one;
and what is happening just now (training, tuning, busy, doing, share, stopped, error, details).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..core.advice import Needs
from ..core.budget import parse_budget
from ..core.compressed import layers_of
from ..core.errors import WorkbenchError
from ..core.recipe import Recipe, from_json, to_json
from ..explain.attribution import attributions
from ..methods import checked
from .editing import Line
from .state import State
from .wishes import LOSS, TRIALS

VERSION = 3
MOST_STEPS, MOST_NAME = 32, 500
EXPLAINS = ("image", "target", "attribution")
"""What an explanation of one image is of."""
WISHES = ("budget", "my_steps", "trials", "needs", "tolerated", "together")
"""What was asked for: a budget, how to search within it, the answers to the advisor, and what layers may lose."""
SELECTED = ("layer", "unit", "pinned", "picked", "baseline", *EXPLAINS, "view")
ASIDE = (*WISHES, *SELECTED)
"""What is chosen beside the recipe: traits of the state, and fields of a snapshot by the same names."""


@dataclass(frozen=True)
class Snapshot:
    """What somebody chose; results follow from it. `version` lets later workbenches read older ones.

    off: places of the steps that are switched off. unit: of the layer, or None. target: the class that is explained,
    or None. pinned, picked: the keys of recipes, or empty. The rest is said beside the traits of the state.
    Version 1 had none of `off`, `unit`, `target` and `pinned`, and version 2 no wishes, `picked` and `baseline`.
    """

    recipe: Recipe
    active: int = 0
    off: tuple[int, ...] = ()
    layer: str = ""
    unit: int | None = None
    image: int = 0
    target: int | None = None
    attribution: str = ""
    view: str = ""
    pinned: str = ""
    picked: str = ""
    baseline: str = ""
    budget: str = ""
    my_steps: bool = False
    trials: int = 20
    needs: Needs = field(default_factory=Needs)
    tolerated: float = 1.0
    together: bool = False
    version: int = VERSION


@dataclass(frozen=True)
class Dated:
    """The part that every version has; where none is written down it is the first."""

    version: int = 1


def check_version(version: int) -> None:
    """WorkbenchError for one that this workbench does not read."""
    if not 1 <= version <= VERSION:
        raise WorkbenchError(f"This snapshot has version {version}; this workbench reads versions 1 to {VERSION}.")


def captured(state: State) -> Snapshot:
    """The state's choice, also where it makes no sense just now."""
    return Snapshot(
        recipe=Recipe(state.network, state.dataset, state.steps, state.seed),
        active=state.active,
        off=state.off,
        **{name: getattr(state, name) for name in ASIDE},
    )


def chosen_again(state: State, found: Snapshot) -> None:
    """Choose what `found` says, which the state held before or `checked_snapshot` has let through."""
    state.choose(found.recipe, found.active, found.off)
    explained = [getattr(state, name) for name in EXPLAINS]
    state.set({name: getattr(found, name) for name in ASIDE if getattr(state, name) != getattr(found, name)})
    if explained != [getattr(state, name) for name in EXPLAINS]:
        state.forget("attribution")


def snapshot(state: State) -> str:
    """The state's choice as JSON text."""
    return to_json(captured(state))


def restore(state: State, text: str) -> None:
    """Choose what `text` says; WorkbenchError when it cannot be read or run, and nothing has changed then."""
    check_version(from_json(text, Dated).version)
    chosen_again(state, checked_snapshot(state, from_json(text, Snapshot)))


def checked_snapshot(state: State, found: Snapshot) -> Snapshot:
    """With every knob checked and spelled out; WorkbenchError where somebody else's choice makes no sense here."""
    recipe = found.recipe
    if not 0 < len(recipe.steps) <= MOST_STEPS:
        raise WorkbenchError(f"A snapshot needs between 1 and {MOST_STEPS} steps; this one has {len(recipe.steps)}.")
    _within("seed", recipe.seed, 2**63)
    for place in (found.active, *found.off):
        _within("place of a step", place, len(recipe.steps))
    on = Line(recipe.steps, found.off).on
    if not on:
        raise WorkbenchError("A snapshot needs at least one step that is switched on.")
    state.choices.check(recipe.with_steps(*on))
    _check_selection(state, found)
    wishes = _checked_wishes(found)
    checks = tuple(checked(step) for step in recipe.steps)
    way = found.attribution or state.choices.attribution_for(recipe.network, state.attribution)
    return replace(found, recipe=recipe.with_steps(*checks), attribution=way, version=VERSION, **wishes)


def _checked_wishes(found: Snapshot) -> dict[str, Any]:
    """As the fields of the page would have them."""
    for name in ("pinned", "picked", "baseline"):
        if len(getattr(found, name)) > MOST_NAME:
            raise WorkbenchError(f"The name of what is {name} has {MOST_NAME} characters at most.")
    return {
        "budget": str(parse_budget(found.budget)) if found.budget else "",
        "trials": TRIALS.check("trials", found.trials),
        "tolerated": LOSS.check("tolerated", found.tolerated),
    }


def _check_selection(state: State, found: Snapshot) -> None:
    """Layer, unit, image, class and way to explain have to be there."""
    recipe, data = found.recipe, state.choices.datasets[found.recipe.dataset]
    network = state.choices.build(recipe.network)
    units = {layer.name: len(network.get_submodule(layer.name).weight) for layer in layers_of(network)}
    if found.layer and found.layer not in units:
        raise WorkbenchError(f"{recipe.network} has no layer {found.layer[:40]!r}; it has {', '.join(units)}.")
    if found.unit is not None:
        _within("unit", found.unit, units.get(found.layer, 0))
    if found.target is not None:
        _within("class", found.target, len(data.classes))
    if found.attribution and found.attribution not in attributions():
        raise WorkbenchError(f"There is no way to explain {found.attribution[:40]!r}; there are {_listed()}.")
    _within("image", found.image, data.sizes.get("validation") or found.image + 1)


def _within(what: str, number: int, end: int) -> None:
    if not 0 <= number < end:
        most = f"below {end}" if end > 0 else "given with a layer"
        raise WorkbenchError(f"The {what} must be an integer from 0 on and {most}; got {number}.")


def _listed() -> str:
    return ", ".join(attributions())
