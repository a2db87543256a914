"""The door for notebooks: `from workbench import Workbench; Workbench(network=my_module, data=my_dataset)`."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..core.errors import WorkbenchError
from ..core.recipe import Recipe, Step
from ..data import Dataset, load_dataset
from ..data import adopt as adopt_data
from ..methods import checked, parse_step
from ..networks import adopt, network_named
from .app import DATASET, METHOD, NETWORK, App
from .choices import default_step, installed
from .language import ENGLISH, speak


class Workbench(App):
    """The app on a network and data of your own, measuring from the start; `close` ends it.

    network: an nn.Module, which is copied and known as `own/CLASS` from then on, or the name of a network. data: what
    `workbench.data.adopt` takes, known as `own/data`, or the name of a dataset. step: the first method, a Step or the
    command line's spelling, `prune.l1_filter:pruning_ratio=0.4`. language: "en" or "zh", from now on in
    this notebook. WorkbenchError says what does not fit.
    """

    def __init__(
        self,
        network: nn.Module | str = NETWORK,
        data: Any = DATASET,
        step: Step | str | None = None,
        *,
        language: str = ENGLISH,
    ) -> None:
        speak(language)
        chosen = _step(step)
        found = _data(data)
        name = _network(network, found)
        recipe = Recipe(name, found.name, (chosen,))
        choices = installed()
        if choices.trained(name, found.name):  # else the page says so, and can train it
            choices.check(recipe)
        super().__init__(choices=choices, recipe=recipe)
        self.start()


def _step(step: Step | str | None) -> Step:
    if step is None:
        return default_step(METHOD)
    return parse_step(step) if isinstance(step, str) else checked(step)


def _data(data: Any) -> Dataset:
    return load_dataset(data) if isinstance(data, str) else adopt_data(data)


def _network(network: nn.Module | str, data: Dataset) -> str:
    """The name under which it is known, once it can tell the classes of these images apart."""
    classes = len(data.classes)
    if not isinstance(network, str):
        return adopt(network, input_shape=data.input_shape, classes=classes).name
    if why := network_named(network).fits(data.input_shape, classes):
        raise WorkbenchError(f"{network} cannot be used on {data.name}: {why}.")
    return network
