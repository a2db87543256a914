"""A recipe: plain data that says everything about an experiment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from .errors import WorkbenchError
from .knob import Value, spelled


@dataclass(frozen=True)
class Step:
    """One method with its knob values; `layers` limits it to those layers (None: every layer it can act on).

    A name in `layers` also stands for everything inside it: "fc1" matches "fc1.first". per_layer: layer -> the knobs
    that have another value there.
    """

    method: str
    knobs: dict[str, Value] = field(default_factory=dict)
    layers: tuple[str, ...] | None = None
    per_layer: dict[str, dict[str, Value]] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(msgspec.json.encode(self, order="sorted"))

    def __str__(self) -> str:
        """The command line's spelling: `quant.kmeans_share:bits=4,init=linear/conv1:bits=6@conv1+fc2`."""
        own = "".join(f"/{layer}{_pairs(knobs)}" for layer, knobs in self.per_layer.items())
        return self.method + _pairs(self.knobs) + own + ("@" + "+".join(self.layers) if self.layers else "")


@dataclass(frozen=True)
class Recipe:
    """Network, dataset, ordered steps and seed. Its `key` is the name of the experiment in the store."""

    network: str
    dataset: str
    steps: tuple[Step, ...] = ()
    seed: int = 0

    @property
    def key(self) -> str:
        """A short name for this exact recipe; knobs in another order give the same key."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:24]

    def with_steps(self, *steps: Step) -> Recipe:
        return replace(self, steps=steps)


def covers(name: str, layer: str) -> bool:
    """Whether `name` stands for the layer: its own name, or that of a module around it."""
    return layer == name or layer.startswith(f"{name}.")


def _pairs(knobs: dict[str, Value]) -> str:
    pairs = ",".join(f"{name}={spelled(value)}" for name, value in knobs.items())
    return f":{pairs}" if pairs else ""


def to_json(record: Any, indent: int = 0) -> str:
    """Any record as JSON text with its keys in order."""
    text = msgspec.json.encode(record)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def from_json(text: str | bytes, kind: type[Any]) -> Any:
    """A record of `kind` from JSON; WorkbenchError says where the text does not fit."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WorkbenchError(f"This is not a {kind.__name__.lower()}: {str(error).rstrip('.')}.") from None
