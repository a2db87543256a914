"""The same experiment outside the app: what to type."""

from __future__ import annotations

import shlex

from ..core.recipe import Recipe


def as_command(recipe: Recipe) -> str:
    """One line for a terminal."""
    words = ["workbench", "compress", "--network", recipe.network, "--dataset", recipe.dataset]
    for step in recipe.steps:
        words += ["--step", str(step)]
    if recipe.seed:
        words += ["--seed", str(recipe.seed)]
    return shlex.join([*words, "-o", f"{recipe.network}.wbz"])


def as_python(recipe: Recipe) -> str:
    """A short program that measures the same thing."""
    steps = "".join(f"        parse_step({str(step)!r}),\n" for step in recipe.steps)
    return f"""from workbench.core.recipe import Recipe
from workbench.experiment.run import run
from workbench.methods import parse_step

recipe = Recipe(
    network={recipe.network!r},
    dataset={recipe.dataset!r},
    steps=(
{steps}    ),
    seed={recipe.seed},
)
print(run(recipe).run.measurement)
"""
