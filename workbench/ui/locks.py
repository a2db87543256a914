"""What a lesson may switch off or take away, and whether a change is one of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core.knob import knobs_of
from ..core.method import Method
from ..core.recipe import Recipe, Step

CONTROLS = {
    "dataset": "Data",
    "network": "Network",
    "method": "Method",
    "steps": "Steps and their order",
    "curve": "Curve",
    "export": "Take it with you",
}
KNOB, VIEW = "knob.", "view."
"""How the names of knobs and of views begin: `knob.bits`, `view.costs`."""
HIDE_ONLY = frozenset({"curve"})


def known(name: str, methods: Mapping[str, type[Method]]) -> bool:
    """Whether a control may be called so. Views are known to the page alone."""
    if name.startswith(KNOB):
        return any(name.removeprefix(KNOB) in knobs_of(method) for method in methods.values())
    return name in CONTROLS or (name.startswith(VIEW) and name.removeprefix(VIEW).replace("_", "").isalpha())


def titled(name: str) -> str:
    """The name in words."""
    return CONTROLS.get(name) or name.removeprefix(KNOB).removeprefix(VIEW).replace("_", " ").capitalize()


def why_locked(locked: Iterable[str], reason: str, before: Recipe, after: Recipe) -> str:
    """One sentence on the first thing that differs and is locked, or ""."""
    found = next((name for name in touched(before, after) if name in set(locked)), "")
    if not found:
        return ""
    return f"{titled(found)}: locked in this lesson{f' ({reason})' if reason else ''}; nothing was changed."


def touched(before: Recipe, after: Recipe) -> list[str]:
    """The names of the controls that lead from one recipe to the other."""
    names = [name for name in ("dataset", "network") if getattr(before, name) != getattr(after, name)]
    if len(before.steps) != len(after.steps):
        return [*names, "steps"]
    for one, other in zip(before.steps, after.steps, strict=True):
        names += ["method"] if one.method != other.method else [KNOB + knob for knob in _turned(one, other)]
        names += ["steps"] if one.layers != other.layers else []
    return names


def _turned(one: Step, other: Step) -> list[str]:
    """The knobs with another value, in the step or at a layer."""
    found = [knob for knob in {**one.knobs, **other.knobs} if one.knobs.get(knob) != other.knobs.get(knob)]
    for layer in {**one.per_layer, **other.per_layer}:
        old, new = one.per_layer.get(layer, {}), other.per_layer.get(layer, {})
        found += [knob for knob in {**old, **new} if old.get(knob) != new.get(knob)]
    return list(dict.fromkeys(found))
