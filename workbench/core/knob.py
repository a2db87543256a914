"""A knob: one parameter of a method, declared once; command line, widgets, docs, tests and sweeps read it."""

from __future__ import annotations

import dataclasses
import math
import re
from functools import cache
from typing import Any
from urllib.parse import unquote

from .errors import KnobError

Value = bool | int | float | str
_NAME = re.compile(r"[\w.@/-]{0,80}")
_QUOTED = str.maketrans({"@": "%40", "/": "%2F"})


@dataclasses.dataclass(frozen=True)
class Knob:
    """What may be turned, how far, in which unit, and why.

    `low` and `high` are closed bounds that are enforced; `choices` replaces them for a categorical knob.
    `log` spaces sliders and sweeps geometrically. `step` is the slider's step for a number. `whole`: it holds for the
    network as a whole and cannot differ from layer to layer, like the length of a training. `names` says of what the
    value is a name, which is looked up where it is used; "" stands for `nothing` and is left out of a recipe.
    """

    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    names: str = ""
    nothing: str = ""
    unit: str = ""
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def kind(self) -> type:
        """bool, int, float or str."""
        return type(self.default)

    def __str__(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.names:
            return f"the name of {self.names}, or empty for {self.nothing}"
        if self.kind is bool:
            return "true or false"
        number = "an integer" if self.kind is int else "a number"
        return f"{number} in [{self.low:g}, {self.high:g}]" + (f" {self.unit}" if self.unit else "")

    @property
    def bounds(self) -> tuple[float, float]:
        """(low, high) of a numeric knob."""
        assert self.low is not None and self.high is not None, "a numeric knob declares both bounds"
        return self.low, self.high

    @property
    def numeric(self) -> bool:
        return self.kind in (int, float)

    def accepts(self, value: object) -> bool:
        """Whether `value` has the right kind and lies in the range."""
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if self.names:
            return isinstance(value, str) and _NAME.fullmatch(value) is not None
        if self.kind is bool:
            return isinstance(value, bool)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.kind is int and not isinstance(value, int):
            return False
        low, high = self.bounds
        return math.isfinite(value) and low <= value <= high

    def check(self, where: str, value: object) -> Any:
        """`value` in the knob's own kind; KnobError names the owner, the range and the value."""
        if not self.accepts(value):
            raise KnobError(f"{where} must be {self}; got {value!r}.")
        return float(value) if self.kind is float else value  # type: ignore[arg-type]

    def parse(self, where: str, text: str) -> Any:
        """The value that `text` from a command line or a link stands for."""
        if self.choices or self.names:
            return self.check(where, unquote(text) if self.names else text)
        if self.kind is bool:
            return self.check(where, {"true": True, "false": False}.get(text.strip().lower(), text))
        try:
            return self.check(where, self.kind(text))
        except (ValueError, OverflowError) as error:
            if isinstance(error, KnobError):
                raise
            raise KnobError(f"{where} must be {self}; got {text!r}.") from None

    def clamp(self, value: Any) -> Any:
        """The nearest legal number; for sliders, whose ends are rounded by the browser or by log10."""
        if not self.numeric:
            return value
        low, high = self.bounds
        return self.kind(min(max(value, low), high))

    def grid(self, n: int) -> list[Value]:
        """At most n values that span the knob, ends included, ascending."""
        if self.choices or self.names:
            return list(self.choices) or [self.default]
        if self.kind is bool:
            return [False, True]
        low, high = self.bounds
        shares = [i / max(n - 1, 1) for i in range(n)]
        raw = [low * (high / low) ** t if self.log else low + t * (high - low) for t in shares]
        if self.kind is int:
            return sorted({int(self.clamp(round(x))) for x in raw})
        return sorted({self.clamp(float(f"{x:.6g}")) for x in raw})

    def bad_values(self) -> list[object]:
        """Values that a test can be sure are refused."""
        if self.choices:
            return ["no such choice", 3, None]
        if self.names:
            return ["no such: name", "x" * 100, 3, None, True]
        if self.kind is bool:
            return [2, "yes", None]
        low, high = self.bounds
        step = 1 if self.kind is int else 1e-3 * max(1.0, abs(high))
        wrong: list[object] = [low - step, high + step, float("nan"), float("inf"), "text", None, True]
        return [*wrong, low + 0.5] if self.kind is int else wrong


def spelled(value: Value) -> str:
    """A value as command lines, links and tables spell it; `Knob.parse` reads it back exactly.

    What parts a step from its layers is written as in a web address: `teacher=lenet5%40mine`.
    """
    return str(value).lower() if isinstance(value, bool) else str(value).translate(_QUOTED)


def knob(default: Value, help: str, **spec: Any) -> Any:
    """Declare a dataclass field that is also a Knob."""
    return dataclasses.field(default=default, metadata={"knob": Knob(default, help, **spec)})


def knobs_of(owner: Any) -> dict[str, Knob]:
    """The knobs of a dataclass (type or instance) by field name; a class's own come before inherited ones."""
    return dict(_declared(owner if isinstance(owner, type) else type(owner)))


@cache
def _declared(cls: Any) -> dict[str, Knob]:
    declared = {f.name: f.metadata["knob"] for f in dataclasses.fields(cls) if "knob" in f.metadata}
    order = [name for part in cls.__mro__ for name in vars(part).get("__annotations__", {}) if name in declared]
    return {name: declared[name] for name in dict.fromkeys(order)}
