"""What there is to pick, and why some of it is off just now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from torch import nn

from ..core.compressed import layers_of
from ..core.errors import OrderError, WorkbenchError
from ..core.knob import knobs_of
from ..core.method import Method
from ..core.recipe import Recipe, Step
from ..data import DatasetInfo, datasets
from ..experiment.pipeline import plan
from ..experiment.sensitivity import scannable
from ..explain.attribution import attributions
from ..methods import FAMILIES, method_named, method_of, methods
from ..networks import NetworkSpec, build, networks, weights_info


class Option(NamedTuple):
    """One entry of a menu; `off` says why it cannot be picked, or is empty."""

    id: str
    text: str
    off: str = ""


class Group(NamedTuple):
    """Entries of a menu under one heading; a title of "" has no heading."""

    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Choices:
    """Datasets, networks and methods by name. trained(network, dataset): whether weights come with the workbench."""

    datasets: Mapping[str, DatasetInfo]
    networks: Mapping[str, NetworkSpec]
    methods: Mapping[str, type[Method]]
    build: Callable[[str], nn.Module]
    trained: Callable[[str, str], bool]

    def layers(self, network: str) -> list[str]:
        """Names of the layers that methods act on."""
        return [layer.name for layer in layers_of(self.build(network))]

    def for_datasets(self) -> list[Group]:
        return [Group("", tuple(Option(d.name, d.title, self.why_not_dataset(d.name)) for d in self.datasets.values()))]

    def for_networks(self, dataset: str) -> list[Group]:
        found = [Option(n.name, n.title, self.why_not_network(n.name, dataset)) for n in self.networks.values()]
        return [Group("", tuple(found))]

    def for_methods(self, network: str, steps: Sequence[Step], active: int) -> list[Group]:
        """Every method as the step at `active`, grouped by family."""
        found = [
            Group(title, tuple(self._as_step(m, network, tuple(steps), active) for m in self._family(family)))
            for family, title in FAMILIES.items()
        ]
        return [group for group in found if group.options]

    def why_not_scanned(self, step: Step) -> str:
        """Why the step has no sensitivity per layer, or nothing."""
        try:
            scannable(method_of(step))
        except WorkbenchError as error:
            return str(error)
        return ""

    def for_attributions(self, network: str) -> list[Group]:
        """Every way to explain an image."""
        module = self.build(network)
        found = [Option(name, a.title, a.refuses(module) or "") for name, a in attributions().items()]
        return [Group("", tuple(found))]

    def attribution_for(self, network: str, wanted: str) -> str:
        """`wanted` where it is on for `network`, else the first that is."""
        if network not in self.networks:
            return wanted
        on = [option.id for option in self.for_attributions(network)[0].options if not option.off]
        return wanted if wanted in on else on[0]

    def _family(self, family: str) -> list[type[Method]]:
        return [m for m in self.methods.values() if m.family() == family]

    def _as_step(self, method: type[Method], network: str, steps: tuple[Step, ...], active: int) -> Option:
        off = self.methods[method.id()].refuses(self.build(network)) or ""
        if not off and method.id() != steps[active].method:
            off = self._why_not_order(network, (*steps[:active], default_step(method.id()), *steps[active + 1 :]))
        return Option(method.id(), method.title, off)

    def _why_not_order(self, network: str, steps: tuple[Step, ...]) -> str:
        try:
            plan(Recipe(network, "", steps), self.build(network))
        except OrderError as error:
            return str(error).rstrip(".")
        except WorkbenchError:
            pass  # another step is off for this network, which the page says elsewhere
        return ""

    def why_not_dataset(self, dataset: str) -> str:
        """Why `dataset` cannot be used, or "". Nothing is downloaded on behalf of a page's visitor."""
        if not any(self.trained(network, dataset) for network in self.networks):
            return "no network that comes with the workbench is trained on it"
        return self.datasets[dataset].available()

    def why_not_network(self, network: str, dataset: str) -> str:
        """Why `network` cannot be used on `dataset`, or ""."""
        spec, data = self.networks[network], self.datasets[dataset]
        if tuple(spec.input_shape) != tuple(data.input_shape):
            return f"takes {_shape(spec.input_shape)} images, {dataset} has {_shape(data.input_shape)}"
        if spec.classes != len(data.classes):
            return f"tells {spec.classes} classes apart, {dataset} has {len(data.classes)}"
        return "" if self.trained(network, dataset) else f"no weights trained on {dataset} come with the workbench"

    def check(self, recipe: Recipe) -> None:
        """WorkbenchError, with one sentence, when this recipe cannot be run."""
        _listed("dataset", recipe.dataset, self.datasets)
        _listed("network", recipe.network, self.networks)
        if off := self.datasets[recipe.dataset].available():
            raise WorkbenchError(f"{recipe.dataset} cannot be used here: {off}.")
        if off := self.why_not_network(recipe.network, recipe.dataset):
            raise WorkbenchError(f"{recipe.network} cannot be used here: {off}.")
        for step in recipe.steps:
            _listed("method", step.method, self.methods)
        plan(recipe, self.build(recipe.network))


def installed() -> Choices:
    """Everything that came with the workbench. A dataset that takes a path is left out: visitors name no files."""
    plain = {name: info for name, info in datasets().items() if not info.argument}
    return Choices(plain, networks(), methods(), cache(build), lambda n, d: weights_info(n, d) is not None)


def default_step(method: str) -> Step:
    """The method with every knob at its default."""
    return method_named(method)().step()


def axis_of(method: str) -> str | None:
    """The knob over which the method's curve is drawn, or None when it has no knob."""
    cls = method_named(method)
    return cls.axis if cls.axis in knobs_of(cls) else None


def trains(step: Step) -> bool:
    """Whether the step trains the network, so that its result takes more than a moment."""
    if "epochs" in step.knobs:
        return bool(step.knobs["epochs"])
    return "fit" in method_named(step.method).needs


def _listed(what: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise WorkbenchError(f"There is no {what} {name!r}; there are {', '.join(known)}.")


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
