"""What the words of a command ask for: a recipe, in a file or in options, or the file that a recipe makes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .core.errors import WorkbenchError
from .core.progress import Progress
from .core.recipe import Recipe
from .experiment.named import asked_recipe, network_from, step_named
from .experiment.run import run
from .experiment.search.space import loosened
from .experiment.store import Store
from .experiment.sweep import Asked, Turned
from .methods import parse_given


def recipe_of(
    options: argparse.Namespace, progress: Progress, steps: Sequence[str] = (), needs: str = "--step"
) -> Recipe:
    """What the options ask for, or the file that --recipe names; runs the code of a network that an option names.

    steps: those that options name; needs: by which one, "" where there need not be any.
    """
    given = vars(options)
    parts = {name: given.get(name) for name in ("network", "dataset", "seed")}
    asked = asked_recipe(options.recipe, **parts, steps=steps, needs=needs)
    return _ready(asked, given.get("weights"), progress)


def step_of(options: argparse.Namespace, progress: Progress) -> tuple[Recipe, int]:
    """The recipe of one --method, or the one in a file, and the place of the step that --method names there."""
    if options.recipe is None:
        return recipe_of(options, progress, [options.method] if options.method else (), "--method"), 0
    recipe = recipe_of(options, progress)
    return recipe, step_named(recipe, options.method)


def open_recipe_of(options: argparse.Namespace, progress: Progress) -> Recipe:
    """What is searched: the knobs that no --step names, or the main ones of the recipe in a file."""
    asked = recipe_of(options, progress, options.step, "")
    return loosened(asked) if options.recipe else asked.with_steps(*map(parse_given, options.step))


def swept_of(options: argparse.Namespace, progress: Progress) -> tuple[Recipe, Asked]:
    """The recipe whose network and data are swept, and how its steps are turned."""
    turned = [text for text in options.steps if isinstance(text, Turned)]
    if options.recipe is None:
        recipe, spelled = recipe_of(options, progress, options.steps, "--method"), options.steps
    else:
        recipe = recipe_of(options, progress, [text for text in options.steps if not isinstance(text, Turned)])
        place = step_named(recipe, " and ".join(turned) or None)
        spelled = [Turned(step) if i == place else str(step) for i, step in enumerate(recipe.steps)]
    return recipe, Asked(spelled, options.grid or 0, options.axis or (), options.seeds or str(recipe.seed))


def made_of(options: argparse.Namespace, progress: Progress, store: Store | None = None) -> bytes | None:
    """The file that --recipe makes, its run in `store`; None where a FILE is named.

    WorkbenchError unless one of the two is there.
    """
    if (options.file is None) == (options.recipe is None):
        raise WorkbenchError(f"{options.command} takes either a FILE or --recipe FILE.")
    if options.recipe is None:
        return None
    recipe = _ready(asked_recipe(options.recipe, network=options.network), None, progress)
    return run(recipe, split="validation", store=store, progress=progress).data


def _ready(recipe: Recipe, weights: Path | None, progress: Progress) -> Recipe:
    """With the network under the name by which it is known from now on."""
    network = network_from(recipe.network, recipe.dataset, weights=weights, progress=progress)
    return replace(recipe, network=network)
