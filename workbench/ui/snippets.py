"""The same experiment outside the app: what to type."""

from __future__ import annotations

import re
import shlex

from ..core.recipe import Recipe
from ..networks import network_named

OWN = "own/"
CODE = "FILE.py:FACTORY"


def as_command(recipe: Recipe) -> str:
    """One line for a terminal; FILE.py:FACTORY and folder:PATH stand for what is known in Python only."""
    network, data = recipe.network, recipe.dataset
    if network.startswith(OWN):
        network = network_named(network).source or CODE
    words = [
        "workbench",
        "compress",
        "--network",
        network,
        "--dataset",
        "folder:PATH" if data.startswith(OWN) else data,
    ]
    for step in recipe.steps:
        words += ["--step", str(step)]
    if recipe.seed:
        words += ["--seed", str(recipe.seed)]
    return shlex.join([*words, "-o", f"{plain(recipe.network)}.wbz"])


def as_python(recipe: Recipe) -> str:
    """A short program that measures the same thing."""
    steps = "".join(f"        parse_step({str(step)!r}),\n" for step in recipe.steps)
    return f"""from workbench.core.recipe import Recipe
from workbench.experiment.run import run
from workbench.methods import parse_step
{_adopting(recipe)}
recipe = Recipe(
    network={recipe.network!r},
    dataset={recipe.dataset!r},
    steps=(
{steps}    ),
    seed={recipe.seed},
)
print(run(recipe).run.measurement)
"""


def plain(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^\w.@-]+", "_", name)


def _adopting(recipe: Recipe) -> str:
    """The lines that make what is the person's own known, from their own variables."""
    lines = []
    if recipe.network.startswith(OWN):
        spec = network_named(recipe.network)
        about = f"input_shape={spec.input_shape}, classes={spec.classes}, name={spec.name.removeprefix(OWN)!r}"
        lines += ["from workbench.networks import adopt as adopt_network", f"adopt_network(my_network, {about})"]
    if recipe.dataset.startswith(OWN):
        name = recipe.dataset.removeprefix(OWN)
        lines += ["from workbench.data import adopt as adopt_data", f"adopt_data(my_data, name={name!r})"]
    return "".join(f"{line}\n" for line in sorted(lines, reverse=True))
