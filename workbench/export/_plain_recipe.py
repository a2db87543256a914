"""From plain data to a recipe: every field checked, and named when it is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from ..core.errors import WorkbenchError
from ..core.knob import Knob, Value, knobs_of
from ..core.recipe import Recipe, Step
from ..methods import checked, method_named, parse_step

_SEEDS = (-(2**63), 2**63 - 1)


def recipe_of(raw: Any) -> Recipe:
    """The recipe, every knob spelled out; WorkbenchError names the field that is missing, unknown or wrong."""
    given = _fields(raw, "The recipe", needed=("network", "dataset", "steps"), others=("seed",))
    network, dataset = (_word(given[key], key) for key in ("network", "dataset"))
    steps = _list(given["steps"], "steps")
    seed = given.get("seed", 0)
    if type(seed) is not int or not _SEEDS[0] <= seed <= _SEEDS[1]:
        raise WorkbenchError(f"seed must be an integer of at most 64 bits; got {_shown(seed)}.")
    return Recipe(network, dataset, tuple(_step(step, f"steps[{i}]") for i, step in enumerate(steps)), seed)


def _step(raw: Any, where: str) -> Step:
    try:
        if isinstance(raw, str):
            return parse_step(raw)
        given = _fields(raw, where, needed=("method",), others=("knobs", "layers", "per_layer"))
        method = _word(given["method"], f"{where}.method")
        knobs = knobs_of(method_named(method))
        own = _mapping(given.get("per_layer"), f"{where}.per_layer")
        return checked(
            Step(
                method,
                _knobs(given.get("knobs"), knobs, f"{where}.knobs"),
                _layers(given.get("layers"), f"{where}.layers"),
                {name: _knobs(values, knobs, f"{where}.per_layer.{name}") for name, values in own.items()},
            )
        )
    except WorkbenchError as error:
        said = str(error)
        raise type(error)(said if said.startswith(where) else f"{where}: {said}") from None


def _knobs(raw: Any, knobs: Mapping[str, Knob], where: str) -> dict[str, Value]:
    """Values by name. YAML takes 1e-3 for text, so that a numeric knob may be given as text."""
    found: dict[str, Value] = {}
    for name, value in _mapping(raw, where).items():
        if not isinstance(value, bool | int | float | str):
            raise WorkbenchError(f"{where}.{name} must be one value; got {_shown(value)}.")
        if isinstance(value, str) and name in knobs and knobs[name].numeric:
            value = knobs[name].parse(f"{where}.{name}", value)
        found[name] = value
    return found


def _layers(raw: Any, where: str) -> tuple[str, ...] | None:
    if raw is None:
        return None
    if not _list(raw, where):
        raise WorkbenchError(f"{where} must name at least one layer; leave it out for all.")
    return tuple(_word(name, f"{where}[{i}]") for i, name in enumerate(raw))


def _fields(raw: Any, where: str, *, needed: tuple[str, ...], others: tuple[str, ...]) -> dict[str, Any]:
    given = _mapping(raw, where)
    for name in given:
        if name not in (*needed, *others):
            raise WorkbenchError(f"{where} has no field {name!r}; it has {', '.join((*needed, *others))}.")
    for name in needed:
        if given.get(name) is None:
            raise WorkbenchError(f"{where} lacks the field {name!r}; it has {', '.join((*needed, *others))}.")
    return given


def _mapping(raw: Any, where: str) -> dict[str, Any]:
    if raw is None and where != "The recipe":
        return {}
    if not isinstance(raw, dict) or not all(isinstance(name, str) for name in raw):
        raise WorkbenchError(f"{where} must be a mapping of names to values; got {_shown(raw)}.")
    return raw


def _list(raw: Any, where: str) -> list[Any]:
    if not isinstance(raw, list):
        raise WorkbenchError(f"{where} must be a list; got {_shown(raw)}.")
    return raw


def _word(raw: Any, where: str) -> str:
    if not isinstance(raw, str) or not raw:
        raise WorkbenchError(f"{where} must be text; got {_shown(raw)}.")
    return raw


def _shown(raw: Any) -> str:
    """A value as JSON has it, in a few characters."""
    try:
        said = json.dumps(raw, default=str, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        said = type(raw).__name__
    return said if len(said) <= 40 else f"{said[:37]}..."


def plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """Plain data for `recipe_of`, what is empty left out."""
    plain: dict[str, Any] = msgspec.to_builtins(recipe)
    plain["steps"] = [{key: value for key, value in step.items() if value} for step in plain["steps"]]
    order = ("network", "dataset", "seed", "steps")
    return {key: plain[key] for key in order}
