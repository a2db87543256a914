"""Says what is right in an exercise and what to try next, and keeps the answer to itself.

A function is tried on inputs that are drawn for the check, so that a number written into it does not pass. Steps are
carried out and what comes of them is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets as w
import numpy as np

from ..core.errors import WorkbenchError
from .bench import Bench, Made

Draw = Callable[[np.random.Generator], tuple[Any, ...]]
TRIES = 12
_failed: Counter[str] = Counter()


@dataclass(frozen=True)
class Slip:
    """A mistake that people make: the function somebody writes who makes it, and what to say to them."""

    function: Callable[..., Any]
    sentence: str


@dataclass(frozen=True)
class Task:
    """A function to write. oracle: what it should do; draw(generator): one tuple of arguments.

    hints: one more after each failed check. judge(arguments, answer): where more than one answer is right, what is
    wrong with this one, or "".
    """

    name: str
    oracle: Callable[..., Any]
    draw: Draw
    hints: tuple[str, ...]
    slips: tuple[Slip, ...] = ()
    judge: Callable[[tuple[Any, ...], Any], str] | None = None


@dataclass(frozen=True)
class Limit:
    """asked: in words; holds(made): whether; found(made): what it came to, in words."""

    asked: str
    holds: Callable[[Made], bool]
    found: Callable[[Made], str]


@dataclass(frozen=True)
class Goal:
    """Steps to find, which keep every limit."""

    name: str
    limits: tuple[Limit, ...]
    hints: tuple[str, ...]


class Verdict(w.HTML):
    """What the checker says. passed: all of it was right."""

    def __init__(self, passed: bool, lines: Sequence[str], task: str) -> None:
        self.passed = passed
        head = "Right." if passed else "Not yet."
        kind = "wb-passed" if passed else "wb-not-yet"
        listed = "".join(f"<li>{line}</li>" for line in lines)
        text = f'<div class="wb-verdict {kind}" role="status"><b>{escape(task)}: {head}</b><ul>{listed}</ul></div>'
        super().__init__(text)
        self.add_class("wb-app").add_class("wb-lesson")

    @property
    def text(self) -> str:
        return str(self.value)


def check_function(task: Task, function: Callable[..., Any]) -> Verdict:
    """Try `function` on inputs of its own and say how it did."""
    if not callable(function):
        return _verdict(task, ["Give the function itself, as in check(name, function), without calling it."])
    attempt = _failed[task.name]
    tries = [task.draw(np.random.default_rng((attempt, i))) for i in range(TRIES)]
    given = [_answer(function, arguments) for arguments in tries]
    if all(answer is None or answer is ... for answer, _ in given) and not any(problem for _, problem in given):
        return _verdict(task, ["Nothing yet: put your own expression in the place of the three dots."], count=False)
    wanted = [task.oracle(*_copies(arguments)) for arguments in tries]
    wrong = [
        why or _why(task, arguments, answer, right)
        for arguments, (answer, why), right in zip(tries, given, wanted, strict=True)
    ]
    if not any(wrong):
        return _verdict(task, [f"All {TRIES} inputs that were drawn for this check came out right."], passed=True)
    return _verdict(task, _lines(task, tries, [answer for answer, _ in given], wanted, wrong))


def check_steps(goal: Goal, bench: Bench, steps: Sequence[str]) -> Verdict:
    """Carry the steps out and hold what was measured against every limit."""
    asked = [steps] if isinstance(steps, str) else list(steps)
    if not asked or not all(isinstance(step, str) and step.strip() for step in asked):
        return _verdict(goal, ["Nothing yet: write at least one step between the brackets."], count=False)
    try:
        made = bench.run(*asked)
    except WorkbenchError as error:
        return _verdict(goal, [escape(f"These steps do not run: {error}")])
    held = [limit.holds(made) for limit in goal.limits]
    lines = [
        f"{'✓' if good else '✗'} {escape(limit.asked)}: {escape(limit.found(made))}"
        for good, limit in zip(held, goal.limits, strict=True)
    ]
    return _verdict(goal, lines, passed=all(held))


def _verdict(task: Task | Goal, lines: list[str], *, passed: bool = False, count: bool = True) -> Verdict:
    """With the next hint when it did not pass; asking without an answer uses no hint up."""
    if not passed and count:
        hint = task.hints[min(_failed[task.name], len(task.hints) - 1)]
        lines = [*lines, f"<b>Try:</b> {escape(hint)}"]
        _failed[task.name] += 1
    return Verdict(passed, lines, task.name)


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, str]:
    """(what it returned, "") or (None, how it failed); it gets copies."""
    try:
        return function(*_copies(arguments)), ""
    except Exception as error:
        return None, f"it stopped with {type(error).__name__}: {error}"


def _copies(arguments: tuple[Any, ...]) -> list[Any]:
    return [x.copy() if isinstance(x, np.ndarray | list | dict) else x for x in arguments]


def _why(task: Task, arguments: tuple[Any, ...], answer: Any, right: Any) -> str:
    if task.judge is not None:
        return task.judge(arguments, answer)
    return "" if _same(answer, right) else f"it answered {_short(answer)}, which is not it"


def _same(answer: Any, right: Any) -> bool:
    """Equal numbers to six digits, of the same shape; booleans and whole numbers count as numbers."""
    try:
        mine, theirs = np.asarray(answer, dtype=np.float64), np.asarray(right, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return mine.shape == theirs.shape and bool(np.allclose(mine, theirs, rtol=1e-6, atol=1e-9))


def _lines(
    task: Task, tries: Sequence[tuple[Any, ...]], given: list[Any], wanted: list[Any], wrong: list[str]
) -> list[str]:
    good = wrong.count("")
    first = next(i for i, why in enumerate(wrong) if why)
    lines = [f"{good} of {TRIES} inputs came out right." if good else "No input came out right so far."]
    lines.append(escape(f"For {', '.join(map(_short, tries[first]))} {wrong[first]}."))
    if all(_same(given[0], other) for other in given[1:]) and not all(_same(wanted[0], x) for x in wanted[1:]):
        lines.append("It says the same whatever it is given: a number that was read off somewhere will not do.")
    else:
        lines += [escape(slip.sentence) for slip in task.slips if _slipped(slip, tries, given)][:1]
    return lines


def _slipped(slip: Slip, tries: Sequence[tuple[Any, ...]], given: list[Any]) -> bool:
    try:
        return all(_same(answer, slip.function(*_copies(x))) for answer, x in zip(given, tries, strict=True))
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return False


def _short(value: Any) -> str:
    """An input in a few words: arrays by their first numbers and their shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        some = ", ".join(f"{x:.3g}" for x in value.ravel()[:4])
        return f"[{some}{', …' if value.size > 4 else ''}] ({' x '.join(map(str, value.shape))})"
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
