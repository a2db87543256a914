"""A formula as it stands in a paper, and under it the same with the learner's own numbers, worked out.

It is written as Python writes it, `S = N*b + 32*2**b`, and shown as MathML, which browsers draw without a library.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape

import ipywidgets as w

from ..core.errors import WorkbenchError

GREEK = {"Delta": "Δ", "rho": "ρ", "sigma": "σ", "tau": "τ", "eta": "η", "epsilon": "ε"}
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "log2": math.log2,
    "log10": math.log10,
    "exp": math.exp,
    "ceil": math.ceil,
    "floor": math.floor,
}
_WORK: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
_RANK: dict[type[ast.AST], int] = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 4, ast.Pow: 3}
_SIGN: dict[type[ast.AST], str] = {ast.Add: "+", ast.Sub: "−", ast.Mult: "·"}


@dataclass(frozen=True)
class Formula:
    """`text`: NAME = EXPRESSION of names, numbers, + - * / ** and FUNCTIONS. values: of the names, all of them.

    words: what each name means; unit: of the result. WorkbenchError where a name has no value.
    """

    text: str
    values: Mapping[str, float]
    words: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""

    @property
    def result(self) -> float:
        """What the expression comes to."""
        return _worked(_parts(self.text)[1], self.values)

    def html(self) -> str:
        """Three lines: the formula, the numbers in it with the result, what the names mean."""
        name, tree = _parts(self.text)
        symbols = _row(_symbol(name), "<mo>=</mo>", _drawn(tree, {}))
        unit = f"<mtext>&nbsp;{escape(self.unit)}</mtext>" if self.unit else ""
        worked = _number(self.result) + unit
        numbers = _row(_symbol(name), "<mo>=</mo>", _drawn(tree, self.values), "<mo>=</mo>", f"<mrow>{worked}</mrow>")
        lines = [f'<div class="wb-formula-line">{_math(line)}</div>' for line in (symbols, numbers)]
        meant = [f"<li>{_math(_symbol(name))} {escape(text)}</li>" for name, text in self.words.items()]
        return f'<div class="wb-formula">{"".join(lines)}<ul>{"".join(meant)}</ul></div>'


def formula(text: str, words: Mapping[str, str] | None = None, *, unit: str = "", **values: float) -> w.HTML:
    """`Formula` as a widget: formula("S = N*b", {"N": "weights"}, unit="bits", N=430500, b=4)."""
    return w.HTML(Formula(text, values, words or {}, unit).html()).add_class("wb-app").add_class("wb-lesson")


def number_text(value: float) -> str:
    """Five digits that count, thousands apart: 431,080 · 0.0312 · 1.25e-7."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def _parts(text: str) -> tuple[str, ast.expr]:
    name, equals, expression = text.partition("=")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        tree = None
    if tree is None or not equals or not name.strip().isidentifier():
        raise WorkbenchError(f"A formula is written NAME = EXPRESSION; got {text!r}.")
    return name.strip(), tree


def _worked(tree: ast.expr, values: Mapping[str, float]) -> float:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float):
        return tree.value
    if isinstance(tree, ast.Name) and tree.id in values:
        return float(values[tree.id])
    if isinstance(tree, ast.BinOp) and type(tree.op) in _WORK:
        return _WORK[type(tree.op)](_worked(tree.left, values), _worked(tree.right, values))
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return -_worked(tree.operand, values)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in FUNCTIONS:
        return FUNCTIONS[tree.func.id](*(_worked(x, values) for x in tree.args))
    raise WorkbenchError(f"A formula cannot use {ast.unparse(tree)!r}, or it has no value.")


def _drawn(tree: ast.expr, values: Mapping[str, float]) -> str:
    """MathML of the expression, names replaced by their values where there are any."""
    if isinstance(tree, ast.Constant):
        return _number(float(tree.value))  # type: ignore[arg-type]
    if isinstance(tree, ast.Name):
        return _number(values[tree.id]) if tree.id in values else _symbol(tree.id)
    if isinstance(tree, ast.UnaryOp):
        return _row("<mo>−</mo>", _within(tree.operand, 2, values))
    if isinstance(tree, ast.Call):
        assert isinstance(tree.func, ast.Name)
        return _called(tree.func.id, _flat(tree.args[0], values))
    assert isinstance(tree, ast.BinOp)
    if isinstance(tree.op, ast.Div):
        return f"<mfrac>{_drawn(tree.left, values)}{_drawn(tree.right, values)}</mfrac>"
    if isinstance(tree.op, ast.Pow):
        return f"<msup>{_within(tree.left, 5, values)}{_drawn(tree.right, values)}</msup>"
    rank = _RANK[type(tree.op)]
    right = rank + (not isinstance(tree.op, ast.Add))
    return _row(
        _within(tree.left, rank, values), f"<mo>{_SIGN[type(tree.op)]}</mo>", _within(tree.right, right, values)
    )


def _flat(tree: ast.expr, values: Mapping[str, float]) -> str:
    """With a stroke for a fraction, which would be too small to read in an exponent."""
    if not (isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div)):
        return _drawn(tree, values)
    return _row(_within(tree.left, 2, values), "<mo>/</mo>", _within(tree.right, 3, values))


def _within(tree: ast.expr, least: int, values: Mapping[str, float]) -> str:
    """In brackets where it binds less than its place needs."""
    drawn = _drawn(tree, values)
    weak = isinstance(tree, ast.BinOp) and _RANK[type(tree.op)] < least
    negative = isinstance(tree, ast.Name) and values.get(tree.id, 0) < 0
    return _row("<mo>(</mo>", drawn, "<mo>)</mo>") if weak or negative else drawn


def _called(name: str, inside: str) -> str:
    if name == "sqrt":
        return f"<msqrt>{inside}</msqrt>"
    if name in ("ceil", "floor"):
        left, right = ("⌈", "⌉") if name == "ceil" else ("⌊", "⌋")
        return _row(f"<mo>{left}</mo>", inside, f"<mo>{right}</mo>")
    if name == "exp":
        return f"<msup><mi>e</mi>{inside}</msup>"
    return _row(f"<msub><mi>log</mi><mn>{name[3:]}</mn></msub>", inside)


def _symbol(name: str) -> str:
    """`C_o` with a subscript, `Delta` as a Greek letter."""
    head, _, below = name.partition("_")
    letter = f"<mi>{escape(GREEK.get(head, head))}</mi>"
    return f"<msub>{letter}<mi>{escape(GREEK.get(below, below))}</mi></msub>" if below else letter


def _number(value: float) -> str:
    return f"<mn>{number_text(value).replace('-', '−')}</mn>"


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _math(inside: str) -> str:
    return f'<math displaystyle="true">{inside}</math>'
