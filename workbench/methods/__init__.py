"""One file, one method: `methods/lowrank/tsvd.py` is `lowrank.tsvd`. A file that starts with _ is shared machinery."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from functools import cache
from typing import Any

from ..core.errors import WorkbenchError
from ..core.knob import Value, knobs_of
from ..core.method import Combination, Method
from ..core.names import listed
from ..core.recipe import Step, covers

FAMILIES = {
    "prune": "Pruning",
    "quant": "Quantization and sharing",
    "struct": "Structured matrices",
    "lowrank": "Low rank",
    "compact": "Compact filters",
    "kd": "Distillation",
    "recover": "Recovery",
    "combo": "Combinations",
    "fast": "Fast convolution",
}


@cache
def methods() -> dict[str, type[Method]]:
    """Every method by id, families in the order of FAMILIES."""
    return {f"{family}.{name}": _the_method_in(family, name) for family in FAMILIES for name in _files(family)}


def method_named(name: str) -> type[Method]:
    """The method with this id; WorkbenchError lists what there is."""
    if name not in methods():
        raise WorkbenchError(f"There is no method {name!r}; there are {listed(methods(), name)}.")
    return methods()[name]


def method_of(step: Step) -> Method:
    """The method of a step with its knobs checked; a knob that the method lacks is refused by name."""
    cls = method_named(step.method)
    knobs = knobs_of(cls)
    for name in step.knobs:
        if name not in knobs:
            has = f"it has {', '.join(knobs)}" if knobs else "it has none"
            raise WorkbenchError(f"{step.method} has no knob {name!r}; {has}.")
    return cls(**step.knobs)


def checked(step: Step) -> Step:
    """The step with every knob spelled out, its layers' own values only where they differ from the step's.

    WorkbenchError for a knob that the method lacks or that holds for the whole network, and for a layer with values
    of its own that the step leaves out; KnobError for a value out of range.
    """
    method = method_of(step)
    plain, own = method.step(step.layers), {}
    for layer, given in step.per_layer.items():
        if step.layers is not None and not any(covers(name, layer) for name in step.layers):
            raise WorkbenchError(f"{step.method} has values for {layer}, and acts on {', '.join(step.layers)} only.")
        values = {name: _own_value(method, layer, name, value) for name, value in given.items()}
        if different := {name: value for name, value in values.items() if value != plain.knobs[name]}:
            own[layer] = different
    return replace(plain, per_layer=dict(sorted(own.items())))


def _own_value(method: Method, layer: str, name: str, value: Value) -> Value:
    """A knob's value in one layer, checked."""
    knobs = knobs_of(type(method))
    if isinstance(method, Combination):
        raise WorkbenchError(f"{method.id()} is several steps; a layer can have values of its own in each of those.")
    local = {key: knob for key, knob in knobs.items() if not knob.whole}
    if name not in local:
        has = f"there it has {', '.join(local)}" if local else "there it has none"
        why = "holds for the whole network" if name in knobs else "is not a knob"
        raise WorkbenchError(f"{method.id()}: {name} {why} and cannot be set for {layer}; {has}.")
    checked_value: Value = knobs[name].check(f"{method.id()}: {name} at {layer}", value)
    return checked_value


def parse_step(text: str) -> Step:
    """`ID[:knob=value,...][/LAYER:knob=value,...][@layer+layer]`, as on the command line, as a checked Step."""
    return checked(parse_given(text))


def parse_given(text: str) -> Step:
    """The same with the knobs that the text names and no others; errors as for `parse_step`."""
    head, _, layers = text.partition("@")
    plain, *own = head.split("/")
    name, values = _parsed(plain, plain.partition(":")[0].strip())
    per_layer = dict(_parsed(part, name) for part in own)
    only = tuple(layer.strip() for layer in layers.split("+") if layer.strip()) or None
    given = Step(name, values, only, per_layer)
    checked(given)
    return given


def _parsed(text: str, method: str) -> tuple[str, dict[str, Any]]:
    """What stands before the colon of `NAME:knob=value,...`, and the values of the method's knobs after it."""
    head, _, pairs = text.partition(":")
    name, knobs = method, knobs_of(method_named(method))
    values: dict[str, Any] = {}
    for pair in filter(None, (p.strip() for p in pairs.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise WorkbenchError(f"{name}: {pair!r} is not of the form knob=value.")
        values[key] = knobs[key].parse(f"{name}: {key}", value) if key in knobs else value
    return head.strip(), values


def _files(family: str) -> list[str]:
    package = importlib.import_module(f"{__name__}.{family}")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def _the_method_in(family: str, file: str) -> type[Method]:
    module = importlib.import_module(f"{__name__}.{family}.{file}")
    own = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Method)]
    own = [c for c in own if c.__module__ == module.__name__]
    if len(own) != 1:
        raise WorkbenchError(f"methods/{family}/{file}.py must define one Method, and defines {len(own)}.")
    return own[0]
