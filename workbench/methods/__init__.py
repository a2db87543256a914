"""One file, one method: `methods/lowrank/tsvd.py` is `lowrank.tsvd`. A file that starts with _ is shared machinery."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from ..core.errors import WorkbenchError
from ..core.knob import knobs_of
from ..core.method import Method
from ..core.recipe import Step

FAMILIES = {
    "prune": "Pruning",
    "quant": "Quantization and sharing",
    "struct": "Structured matrices",
    "lowrank": "Low rank",
    "compact": "Compact filters",
    "kd": "Distillation",
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
        raise WorkbenchError(f"There is no method {name!r}; there are {', '.join(methods())}.")
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


def parse_step(text: str) -> Step:
    """`ID[:knob=value,...][@layer+layer]`, the spelling of the command line, as a checked Step."""
    head, _, layers = text.partition("@")
    name, _, pairs = head.partition(":")
    knobs = knobs_of(method_named(name.strip()))
    values: dict[str, Any] = {}
    for pair in filter(None, (p.strip() for p in pairs.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise WorkbenchError(f"{name}: {pair!r} is not of the form knob=value.")
        values[key] = knobs[key].parse(f"{name}: {key}", value) if key in knobs else value
    only = tuple(layer.strip() for layer in layers.split("+") if layer.strip()) or None
    return method_of(Step(name.strip(), values)).step(only)


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
