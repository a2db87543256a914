"""What somebody at a keyboard names: a network by its code, weights in a file, a recipe in another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.recipe import Recipe
from ..data import load_dataset
from ..export import recipe_in
from ..methods import parse_step
from ..networks import adopt_file, names_file, use_weights


def network_from(
    network: str, dataset: str, *, weights: Path | None = None, seed: int = 0, progress: Progress | None = None
) -> str:
    """The name by which everything else knows `network`, which may be `FILE.py:FACTORY`; runs what is in that file.

    weights: a safetensors file for it. seed: of what the code draws. Raises WorkbenchError, Cancelled.
    """
    if weights is None and not names_file(network):
        return network
    data = load_dataset(dataset, progress)
    shape, classes = data.input_shape, len(data.classes)
    if names_file(network):
        network = adopt_file(network, input_shape=shape, classes=classes, seed=seed).name
    if weights is not None:
        use_weights(network, data.name, weights, input_shape=shape, classes=classes)
    return network


def asked_recipe(
    file: Path | None,
    *,
    network: str | None = None,
    dataset: str | None = None,
    steps: Sequence[str] = (),
    seed: int | None = None,
    needs: str = "",
) -> Recipe:
    """The recipe in a file, of which network, dataset and seed may be given otherwise; without a file, of these alone.

    steps: as after `--step`. needs: the option that gives them, where there have to be some. A file names no code: what
    runs on this machine is named by who sits at it.
    """
    if file is None:
        given = {"--network": network, "--dataset": dataset, needs: steps or not needs}
        if lacking := [option for option, value in given.items() if not value]:
            needed = ", ".join(lacking)
            raise WorkbenchError(f"The following arguments are required: {needed} (or --recipe FILE, which says all).")
        return Recipe(str(network), str(dataset), tuple(map(parse_step, steps)), seed or 0)
    if steps:
        raise WorkbenchError(f"Steps come from --recipe or from {needs or '--step'}, and not from both.")
    found = recipe_in(file)
    if network is None and names_file(found.network):
        raise WorkbenchError(f"{file} names the code of a network, {found.network}; say --network FILE.py:FACTORY.")
    kept = found.seed if seed is None else seed
    return Recipe(network or found.network, dataset or found.dataset, found.steps, kept)


def step_named(recipe: Recipe, method: str | None) -> int:
    """The place of the step that `--method` names by its id, or of the only one; WorkbenchError says what there is."""
    names = [step.method for step in recipe.steps]
    places = [i for i, name in enumerate(names) if method in (None, name)]
    if len(places) == 1:
        return places[0]
    there = ", ".join(names) or "no step"
    raise WorkbenchError(f"--method has to name one step of the recipe by its id; got {method!r}, and it has {there}.")
