"""The choice as plain data: for links, for undo, for a file beside the notebook."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import WorkbenchError
from ..core.recipe import Recipe, from_json, to_json
from ..methods import checked
from .state import State

VERSION = 1


@dataclass(frozen=True)
class Snapshot:
    """What somebody chose; results follow from it. `version` lets later workbenches read older ones."""

    recipe: Recipe
    active: int = 0
    layer: str = ""
    image: int = 0
    attribution: str = ""
    view: str = ""
    version: int = VERSION


def snapshot(state: State) -> str:
    """The state's choice as JSON text."""
    recipe = Recipe(state.network, state.dataset, state.steps, state.seed)
    return to_json(Snapshot(recipe, state.active, state.layer, state.image, state.attribution, state.view))


def restore(state: State, text: str) -> None:
    """Choose what `text` says; WorkbenchError when it cannot be read or run, and nothing has changed then."""
    found: Snapshot = from_json(text, Snapshot)
    if found.version != VERSION:
        raise WorkbenchError(f"This snapshot has version {found.version}; this workbench reads version {VERSION}.")
    if not found.recipe.steps:
        raise WorkbenchError("A snapshot needs at least one step.")
    state.choices.check(found.recipe)
    steps = tuple(checked(step) for step in found.recipe.steps)
    state.choose(found.recipe.with_steps(*steps), found.active)
    state.set({"layer": found.layer, "image": found.image, "attribution": found.attribution, "view": found.view})
