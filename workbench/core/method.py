"""The one contract that every compression method fulfils."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

from torch import nn

from .compressed import CONV, LINEAR, Compressed, Layer, layers_of
from .context import Context
from .encoded import Encoded
from .errors import WorkbenchError
from .knob import Value, knobs_of
from .order import Done, reason_against
from .recipe import Step, covers
from .records import Decision


@dataclasses.dataclass(frozen=True)
class Method(ABC):
    """Base of all methods: a frozen dataclass whose fields are knobs.

    Class attributes: `title` for menus; `citation` with the year; `sets` is what a step changes (core/order.py);
    `needs` names fields of Context; `start` says from which network the paper starts; `axis` is the knob of the
    curve; `neutral` are the knob values at which nothing changes; `grows` is True when bytes grow with `axis`,
    False when they shrink; `excused` maps a conformance check to the reason why it does not apply.
    """

    title: ClassVar[str]
    citation: ClassVar[str]
    sets: ClassVar[str]
    axis: ClassVar[str]
    neutral: ClassVar[dict[str, Value] | None] = None
    grows: ClassVar[bool | None] = None
    acts_on: ClassVar[tuple[str, ...]] = (CONV, LINEAR)
    needs: ClassVar[tuple[str, ...]] = ()
    start: ClassVar[str] = "pretrained"
    excused: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        for name, knob in knobs_of(type(self)).items():
            object.__setattr__(self, name, knob.check(f"{self.id()}: {name}", getattr(self, name)))

    @classmethod
    def id(cls) -> str:
        """Family folder and file name: `quant.kmeans_share`."""
        return ".".join(cls.__module__.rsplit(".", 2)[-2:])

    @classmethod
    def family(cls) -> str:
        return cls.id().split(".")[0]

    def step(self, layers: tuple[str, ...] | None = None) -> Step:
        """This method as a step of a recipe, every knob spelled out but for names of nothing."""
        values = {name: (getattr(self, name), knob) for name, knob in knobs_of(type(self)).items()}
        return Step(
            self.id(), {name: value for name, (value, knob) in values.items() if value or not knob.names}, layers
        )

    def at(self, layer: str, context: Context) -> Self:
        """This method as the step wants it in one layer, by name."""
        own = context.own(layer)
        return dataclasses.replace(self, **own) if own else self

    @classmethod
    def refuses(cls, network: nn.Module) -> str | None:
        """Why the method cannot act on this network at all, or None."""
        if any(layer.kind in cls.acts_on for layer in layers_of(network)):
            return None
        return f"it acts on {' and '.join(cls.acts_on)} layers, and this network has none"

    def follows(self, layers: tuple[str, ...] | None, done: Sequence[Done]) -> str | None:
        """Why this step, limited to `layers`, cannot come after those in `done`, or None."""
        return reason_against(self.sets, layers, done)

    @abstractmethod
    def apply(self, model: Compressed, context: Context) -> Compressed:
        """The network after this step. `model` is the step's own copy and may be changed in place."""


@dataclasses.dataclass(frozen=True)
class LayerMethod(Method):
    """A method that looks at one weight at a time and says how it is stored."""

    @abstractmethod
    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        """How to store the weight. given: how it is stored now, shape (out, in, ...)."""

    def decide(self, given: Encoded, result: Encoded, layer: Layer) -> Decision | None:
        """Why, for the figures; None when the method removes nothing."""
        return None

    def targets(self, model: Compressed, context: Context) -> list[Layer]:
        """The layers it will act on; WorkbenchError when the step names one that it cannot."""
        return chosen(self, model, context)

    def apply(self, model: Compressed, context: Context) -> Compressed:
        targets = self.targets(model, context)
        for i, layer in enumerate(targets):
            context.progress(f"{self.title}: {layer.name}", i / len(targets))
            given, local = model.stored(layer), self.at(layer.name, context)
            result = local.encode(given, layer, context)
            decision = local.decide(given, result, layer)
            model.store(layer, result)
            if decision is not None:
                model.decisions = (*model.decisions, decision)
        return model


@dataclasses.dataclass(frozen=True)
class ModelMethod(Method):
    """A method that edits or trains the network as a whole."""


@dataclasses.dataclass(frozen=True)
class StructuredMethod(ModelMethod):
    """A method that makes the network physically smaller by taking out whole units."""

    @abstractmethod
    def masked(self, model: Compressed, context: Context) -> Compressed:
        """The same decision with the units zeroed and left in place; must compute what `apply` computes."""


@dataclasses.dataclass(frozen=True)
class Combination(Method):
    """A named sequence of steps."""

    @abstractmethod
    def steps(self, layers: Sequence[Layer]) -> tuple[Step, ...]:
        """What it stands for on a network with these layers."""

    def coding(self, encoded: Encoded) -> Encoded:
        """How the published combination writes a tensor; the writer's own choice by default."""
        return encoded

    def apply(self, model: Compressed, context: Context) -> Compressed:
        raise AssertionError(f"{self.id()} is expanded into its steps before anything runs")


def chosen(method: Method, model: Compressed, context: Context) -> list[Layer]:
    """The layers of `model` that a step of `method` acts on; a name that fits none is refused."""
    fitting = [layer for layer in layers_of(model.network) if layer.kind in method.acts_on]
    for name in (*(context.layers or ()), *context.per_layer):
        if not any(covers(name, layer.name) for layer in fitting):
            allowed = ", ".join(layer.name for layer in fitting) or "none"
            raise WorkbenchError(f"{method.id()} has no layer {name!r} to act on here; it can take {allowed}.")
    return [layer for layer in fitting if context.wants(layer)]
