"""What there is to pick, and why some of it is off just now."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from torch import nn

from ..core.advice import WAYS, Makeup
from ..core.compressed import layers_of
from ..core.errors import OrderError, WorkbenchError
from ..core.knob import Knob, knobs_of
from ..core.method import Combination, Method
from ..core.names import listed
from ..core.recipe import Recipe, Step, covers
from ..core.records import Sensitivity
from ..data import DatasetInfo, datasets, info_of, own_datasets
from ..experiment.pipeline import plan
from ..experiment.sensitivity import scannable
from ..explain.attribution import attributions, why_not
from ..figures.theme import percent
from ..measure.makeup import makeup
from ..methods import FAMILIES, method_named, method_of, methods
from ..networks import (
    NetworkSpec,
    build,
    has_weights,
    kept_weights,
    network_named,
    networks,
    own_networks,
    split_label,
    weights_info,
)
from .places import ABSENT, discreet, read_by_strangers

_SMALL = 3 * 64 * 64
"""Pixels up to which a method is tried on somebody's network before it is offered."""


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
    """Datasets, networks and methods by name. trained(network, dataset): whether there are weights of this pair.

    A network whose name ends in @LABEL is one that was trained on this machine. strangers: whether this is for a page's
    visitors, who are not told where files are or belong on this machine.
    """

    datasets: Mapping[str, DatasetInfo]
    networks: Mapping[str, NetworkSpec]
    methods: Mapping[str, type[Method]]
    build: Callable[[str], nn.Module]
    trained: Callable[[str, str], bool]
    strangers: bool = False

    def told(self, sentence: str) -> str:
        """The sentence for who reads it."""
        return discreet(sentence) if self.strangers else sentence

    def why_absent(self, dataset: str) -> str:
        """Why the data of `dataset` cannot be loaded, and for who runs the workbench where they belong; or ""."""
        why = self.datasets[dataset].available()
        return ABSENT.format(dataset) if why and self.strangers else why

    def layers(self, network: str) -> list[str]:
        """Names of the layers that methods act on."""
        return [layer.name for layer in layers_of(self.build(network))]

    def for_datasets(self) -> list[Group]:
        return [Group("", tuple(Option(d.name, d.title, self.why_not_dataset(d.name)) for d in self.datasets.values()))]

    def for_networks(self, dataset: str) -> list[Group]:
        plain = [n for name, n in self.networks.items() if "@" not in name]
        here = [name for name in self.networks if "@" in name and self.trained(name, dataset)]
        found = [Option(n.name, n.title, self.why_not_network(n.name, dataset)) for n in plain]
        groups = [Group("", tuple(found)), Group("Trained here", tuple(Option(n, title_of(n, dataset)) for n in here))]
        return [group for group in groups if group.options]

    def for_training_data(self) -> list[Group]:
        """Every dataset, for training: only one that is not on this machine is off."""
        return [Group("", tuple(Option(d.name, d.title, self.why_absent(d.name)) for d in self.datasets.values()))]

    def for_training(self, dataset: str) -> list[Group]:
        """Every network, for training on `dataset`: only one that cannot take its images is off."""
        plain = [n for name, n in self.networks.items() if "@" not in name]
        return [Group("", tuple(Option(n.name, n.title, self.why_not_trained(n.name, dataset)) for n in plain))]

    def for_teachers(self, dataset: str) -> list[Group]:
        """Nobody, or a network that has weights on `dataset`."""
        able = [Option(n, title_of(n, dataset)) for n in self.networks if self.trained(n, dataset)]
        return [Group("", (Option("", "nobody: from the labels alone"), *able))]

    def names_for(self, knob: Knob, dataset: str) -> list[tuple[str, str]]:
        """What a knob that takes a name may stand at, (text, name): networks that are trained on `dataset`."""
        return [(knob.nothing, ""), *((title_of(n, dataset), n) for n in self.networks if self.trained(n, dataset))]

    def why_not_trained(self, network: str, dataset: str) -> str:
        """Why `network` cannot be trained on `dataset`, or ""."""
        data = self.datasets[dataset]
        return self.networks[network].fits(data.input_shape, len(data.classes))

    def with_kept(self) -> Choices:
        """With every network that was trained on this machine up to now."""
        plain = {name: spec for name, spec in self.networks.items() if "@" not in name}
        return replace(self, networks={**plain, **_kept()})

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

    def why_not_allocated(self, step: Step, scan: Sensitivity | None) -> str:
        """Why the step's layers cannot get values of their own from the sensitivity, or nothing."""
        if why := self.why_not_scanned(step):
            return why
        cls = self.methods[step.method]
        if cls.grows is None or knobs_of(cls)[cls.axis].whole:
            return f"{cls.axis} of {step.method} cannot be chosen layer by layer."
        if scan is None or scan.method != step.method:
            return "Measure the sensitivity first, with the button above."
        return "" if scan.complete else "The sensitivity is not measured to its end yet."

    def why_not_own(self, network: str, step: Step, layer: str) -> str:
        """Why the step cannot have values of the layer's own, or nothing; words that end a sentence."""
        cls = self.methods[step.method]
        if issubclass(cls, Combination):
            return f"{step.method} is several steps; as steps of their own they take values for each layer"
        if not local_knobs(step.method):
            return f"all knobs of {step.method} hold for the whole network"
        kinds = {found.name: found.kind for found in layers_of(self.build(network))}
        if layer not in kinds:
            return f"{network} has no layer {layer[:40]!r}; it has {', '.join(kinds)}"
        if kinds[layer] not in cls.acts_on:
            return f"{step.method} acts on {' and '.join(cls.acts_on)} layers, and {layer} is {kinds[layer]}"
        if step.layers is not None and not any(covers(name, layer) for name in step.layers):
            return f"this step acts on {', '.join(step.layers)} only"
        return ""

    def everywhere_own(self, network: str, step: Step, knob: str) -> bool:
        """Whether every layer has its own value of the knob, so that the step's own changes nothing."""
        acts_on = self.methods[step.method].acts_on
        names = [x.name for x in layers_of(self.build(network)) if x.kind in acts_on]
        return bool(names) and all(any(covers(o, n) and knob in v for o, v in step.per_layer.items()) for n in names)

    def why_not_recovered(self, recipe: Recipe, method: str) -> str:
        """Why this recovery cannot follow the recipe's steps, or nothing; words that end a sentence."""
        if recipe.steps[-1].method == method:
            return "it is the last step already"
        if "fit" in method_named(method).needs and not self.datasets[recipe.dataset].sizes.get("train"):
            return f"{recipe.dataset} has no training images"
        made_anew = any(step.method.startswith("compact.") for step in recipe.steps)
        norms = (nn.BatchNorm1d, nn.BatchNorm2d)
        normed = made_anew or any(isinstance(m, norms) for m in self.build(recipe.network).modules())
        if method == "recover.batchnorm" and not normed:
            return f"{recipe.network} has no BatchNorm layer"
        return self._why_not_order(recipe.network, (*recipe.steps, default_step(method)))

    def makeup(self, network: str) -> Makeup:
        """What the network's weights and work lie in."""
        return _makeup(self.networks[network])

    def why_not_taken(self, network: str) -> dict[str, str]:
        """Id of each way of the advisor that cannot be taken on this network -> why; words that end a sentence."""
        refused = {}
        for way in WAYS:
            steps = tuple(map(default_step, way.steps))
            off = next(filter(None, (self.methods[m].refuses(self.build(network)) for m in way.steps)), "")
            if why := off or self._why_not_order(network, steps):
                refused[way.id] = why
        return refused

    def for_attributions(self, network: str) -> list[Group]:
        """Every way to explain an image."""
        found = [Option(name, a.title, self.why_not_explained(network, name)) for name, a in attributions().items()]
        return [Group("", tuple(found))]

    def why_not_explained(self, network: str, method: str) -> str:
        """Why an attribution is off for `network`, or "". The bundled networks are known to be fit for all."""
        spec, module = self.networks[network], self.build(network)
        if network in own_networks() and math.prod(spec.input_shape) <= _SMALL:
            return _tried(spec, method)
        return attributions()[method].refuses(module) or ""

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
            return "no network is trained on it yet; “Train a network” below does that"
        return self.why_absent(dataset)

    def why_not_network(self, network: str, dataset: str) -> str:
        """Why `network` cannot be used on `dataset`, or ""."""
        spec, data = self.networks[network], self.datasets[dataset]
        about = data.input_shape, len(data.classes)
        if "@" in network:
            return "" if self.trained(network, dataset) else f"was not trained on {dataset}"
        if why := spec.bound(*about):
            return why
        if not self.trained(network, dataset):
            return f"no weights trained on {dataset} yet; “Train a network” below makes some"
        return spec.fits(*about)

    def check(self, recipe: Recipe) -> None:
        """WorkbenchError, with one sentence, when this recipe cannot be run."""
        _listed("dataset", recipe.dataset, self.datasets)
        _listed("network", recipe.network, self.networks)
        if off := self.why_absent(recipe.dataset):
            raise WorkbenchError(f"{recipe.dataset} cannot be used here: {off}.")
        if off := self.why_not_network(recipe.network, recipe.dataset):
            raise WorkbenchError(f"{recipe.network} cannot be used here: {off}.")
        for step in recipe.steps:
            _listed("method", step.method, self.methods)
            self._check_layers(recipe.network, step)
            self._check_names(recipe.dataset, step)
        plan(recipe, self.build(recipe.network))

    def _check_names(self, dataset: str, step: Step) -> None:
        for name, knob in knobs_of(self.methods[step.method]).items():
            given = step.knobs.get(name, "") if knob.names else ""
            if given and not (given in self.networks and self.trained(str(given), dataset)):
                raise WorkbenchError(f"{step.method}: {name} must be {knob}; {given} is not trained on {dataset} here.")

    def _check_layers(self, network: str, step: Step) -> None:
        """Values that a layer has of its own may have been given when there was another network."""
        names = self.layers(network)
        gone = [layer for layer in step.per_layer if not any(covers(layer, name) for name in names)]
        if gone:
            raise WorkbenchError(
                f"{step.method} has own values for {', '.join(gone)[:80]}, and {network} has {', '.join(names)}; "
                "clear them, or pick the network that they were made for."
            )


def installed() -> Choices:
    """Everything that came with the workbench, and what was adopted in this process.

    A dataset that takes a path is left out: visitors name no files.
    """
    data = {name: info for name, info in datasets().items() if not info.argument}
    data |= {name: info_of(found) for name, found in own_datasets().items()}
    all_networks = networks() | own_networks() | _kept()
    return Choices(data, all_networks, methods(), _build, _trained, strangers=read_by_strangers())


def _build(network: str) -> nn.Module:
    return _built(network_named(network))


@lru_cache(maxsize=64)
def _built(spec: NetworkSpec) -> nn.Module:
    """By what it is and not by its name, under which something else may be adopted."""
    return build(spec.name)


@lru_cache(maxsize=64)
def _makeup(spec: NetworkSpec) -> Makeup:
    return makeup(_built(spec), spec.input_shape)


@lru_cache(maxsize=256)
def _tried(spec: NetworkSpec, method: str) -> str:
    return why_not(method, _built(spec), spec.input_shape)


def _trained(network: str, dataset: str) -> bool:
    """An adopted network comes with its weights, whatever the data."""
    return network in own_networks() or has_weights(network, dataset)


def title_of(network: str, dataset: str) -> str:
    """`LeNet-5 · mine, 97.2 %`: what a network with its weights is called in a menu."""
    title, (_, label), info = network_named(network).title, split_label(network), weights_info(network, dataset)
    right = "" if info is None else f", {percent(info.test.accuracy)}"
    return f"{title} · {label}{right}" if label else title


def _kept() -> dict[str, NetworkSpec]:
    """By `network@label`; what is damaged is left out, and so is what belongs to a network that is not known here."""
    found = {}
    for weights in kept_weights():
        with suppress(WorkbenchError):
            if not weights.problem:
                found[weights.name] = replace(network_named(weights.name), name=weights.name)
    return found


def default_step(method: str) -> Step:
    """The method with every knob at its default."""
    return method_named(method)().step()


def axis_of(method: str) -> str | None:
    """The knob over which the method's curve is drawn, or None when it has no knob."""
    cls = method_named(method)
    return cls.axis if cls.axis in knobs_of(cls) else None


def local_knobs(method: str) -> dict[str, Knob]:
    """The knobs that a layer can have a value of its own for."""
    cls = method_named(method)
    return {} if issubclass(cls, Combination) else {n: k for n, k in knobs_of(cls).items() if not k.whole}


def _listed(what: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise WorkbenchError(f"There is no {what} {name!r}; there are {listed(known, name)}.")
