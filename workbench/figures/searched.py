"""Settings within a budget: what is allowed, what was foreseen, every trial that was measured, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..core.budget import ACCURACIES, Budget, Limit
from ..core.recipe import Recipe
from ..core.searched import Search
from .theme import ESTIMATE_DASH, Paint, blank, bytes_text, bytes_ticks, empty, paint, percent

TITLE = "Settings within the budget"
NOTHING = "Say what it may cost, and settings are worked out."
ALLOWED, TRIALS, MET, GUESS, BEST = range(5)
"""Index of the traces, which are always there."""
COSTS = {"bytes": "bytes of the file", "macs": "multiply-adds for one image", "parameters": "parameters",
         "latency_ms": "milliseconds for one image"}  # fmt: skip


class Mark(NamedTuple):
    """One setting. key: of its recipe; name: what it is called; cost: in the budget's unit; accuracy in [0, 1]."""

    key: str
    name: str
    cost: float
    accuracy: float
    met: bool
    details: tuple[str, ...]


class SearchView(NamedTuple):
    """cost: the measure along the axis; most: its limit, least: that of the accuracy, each None without one.

    sentence: what came of it; asked: the budget in words.
    """

    cost: str = "bytes"
    most: float | None = None
    least: float | None = None
    trials: tuple[Mark, ...] = ()
    guess: Mark | None = None
    best: Mark | None = None
    sentence: str = ""
    asked: str = ""


def view(search: Search | None) -> SearchView:
    """None: nobody has said a budget yet."""
    if search is None:
        return SearchView()
    budget, best = search.budget, search.best
    cost = budget.cost
    trials = tuple(
        _mark(t.recipe.key, _called(t.number), t.figures, cost, t.met, str_of(t.recipe)) for t in search.measured
    )
    made = search.proposal
    known = made is not None and {cost, "accuracy"} <= made.figures.keys()
    guess = None
    if known and made is not None:
        guess = _mark(made.recipe.key, "estimate", made.figures, cost, made.met, str_of(made.recipe))
    return SearchView(
        cost=cost,
        most=_most(budget, cost),
        least=_least(budget, search.dense),
        trials=trials,
        guess=guess,
        best=next((t for t in trials if best is not None and t.key == best.recipe.key), None),
        sentence=told(search),
        asked=f"allowed: {spoken(budget)}",
    )


def figure(view: SearchView, *, dark: bool = False) -> go.Figure:
    """Cost along, accuracy up; the allowed corner is shaded, what is foreseen hollow, the best ringed."""
    marks = [*view.trials, *([view.guess] if view.guess else [])]
    if not marks:
        return empty(TITLE, view.sentence or NOTHING, dark=dark)
    colours, low, high = paint(dark), *_range(view, [m.cost for m in marks])
    ticks = dict(zip(("tickvals", "ticktext"), bytes_ticks(low, high), strict=True)) if view.cost == "bytes" else {}
    heights = [m.accuracy for m in marks] + ([view.least] if view.least is not None else [])
    bottom = max(0.0, min(heights) - 0.03)
    layout = {
        "xaxis": {"type": "log", "title": {"text": COSTS[view.cost]}, "range": _log(low, high), **ticks},
        "yaxis": {"title": {"text": "validation accuracy"}, "tickformat": ".1%", "range": [bottom, 1.02]},
    }
    return blank(TITLE, view.asked, dark=dark, data=_traces(view, colours, (low, high, bottom)), layout=layout)


def table(view: SearchView) -> list[dict[str, str]]:
    """Every setting as it was drawn, the best first."""
    marks = [*([view.guess] if view.guess else []), *view.trials]
    first = sorted(marks, key=lambda mark: mark != view.best)
    return [
        {
            "setting": m.name,
            COSTS[view.cost]: f"{m.cost:,.0f}",
            "accuracy": percent(m.accuracy),
            "within the budget": "yes" if m.met else "no",
            "steps": m.details[-1],
        }
        for m in first
    ]


def spoken(budget: Budget) -> str:
    """`at most 30.0 kB, at most 1 point of accuracy lost`."""
    return ", ".join(map(_limit, budget.limits))


def told(search: Search) -> str:
    """What is known so far, in one sentence; that nothing meets the budget is said, and what came closest."""
    best, many = search.best, len(search.trials)
    of = "1 trial" if many == 1 else f"{many} trials" if many else "what was measured before"
    if best is None:
        why = search.trials[-1].why if search.trials else ""
        return f"Every trial was refused: {why}" if why else f"Nothing is measured yet for {spoken(search.budget)}."
    if best.met:
        return f"Best of {of} within {spoken(search.budget)}: {figures_told(search.budget, best.figures)}."
    closest = figures_told(search.budget, best.figures)
    if not many:
        return f"Nothing that was measured before is within {spoken(search.budget)}; the closest has {closest}."
    end = "" if search.complete else " so far"
    return f"None of {of}{end} is within {spoken(search.budget)}; the closest has {closest}."


def figures_told(budget: Budget, figures: Mapping[str, float]) -> str:
    """The figures that the budget is about, then accuracy: `28.1 kB, 0.4 points lost, accuracy 98.2 %`."""
    names = dict.fromkeys((*(limit.measure for limit in budget.limits), budget.cost, "accuracy"))
    return ", ".join(figure_text(name, figures[name]) for name in names if name in figures)


def figure_text(measure: str, value: float) -> str:
    """One figure with its unit."""
    match measure:
        case "bytes":
            return bytes_text(value)
        case "accuracy":
            return f"accuracy {percent(value)}"
        case "accuracy_drop":
            return f"{abs(100 * value):.1f} points {'lost' if value >= 0 else 'gained'}"
        case "macs":
            return f"{_short(value)} multiply-adds"
        case "latency_ms":
            return f"{value:.3g} ms"
        case "compression_ratio":
            return f"{value:.3g}× smaller"
    return f"{_short(value)} {measure}"


def str_of(recipe: Recipe) -> str:
    """The steps as the command line spells them."""
    return " | ".join(map(str, recipe.steps))


def _limit(limit: Limit) -> str:
    if limit.measure == "accuracy_drop":
        lost = f"{100 * limit.value:.3g}"
        return "at most 1 point of accuracy lost" if lost == "1" else f"at most {lost} points of accuracy lost"
    side = "at least" if limit.measure in ("accuracy", "compression_ratio") else "at most"
    return f"{side} {figure_text(limit.measure, limit.value)}"


def _short(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def _called(number: int) -> str:
    return f"trial {number + 1}" if number >= 0 else "measured before"


def _mark(key: str, name: str, figures: Mapping[str, float], cost: str, met: bool, steps: str) -> Mark:
    said = [figure_text(k, figures[k]) for k in ("bytes", "accuracy", "accuracy_drop", "macs") if k in figures]
    return Mark(key, name, figures[cost], figures["accuracy"], met, (*said, steps))


def _most(budget: Budget, cost: str) -> float | None:
    return next((limit.value for limit in budget.costs if limit.measure == cost), None)


def _least(budget: Budget, dense: float) -> float | None:
    found = [x.value if x.measure == "accuracy" else dense - x.value for x in budget.limits if x.measure in ACCURACIES]
    return max(found, default=None)


def _range(view: SearchView, costs: list[float]) -> tuple[float, float]:
    every = [*costs, *([view.most] if view.most is not None else [])]
    return min(every) / 1.3, max(every) * 1.3


def _log(low: float, high: float) -> list[float]:
    return [math.log10(low), math.log10(high)]


def _traces(view: SearchView, colours: Paint, ends: tuple[float, float, float]) -> list[dict[str, Any]]:
    good, other = colours.families["lowrank"], colours.families["quant"]
    met, missed = [m for m in view.trials if m.met], [m for m in view.trials if not m.met]
    guess, best = [view.guess] if view.guess else [], [view.best] if view.best else []
    hollow = {"symbol": "diamond-open", "size": 13, "line": {"width": 2}, "color": colours.ink}
    ring = {"symbol": "circle-open", "size": 20, "line": {"width": 3}, "color": colours.ink}
    return [
        _allowed(view, colours, ends),
        _marks("outside the budget", missed, {"symbol": "x", "size": 9, "color": other}),
        _marks("within the budget", met, {"symbol": "circle", "size": 10, "color": good}),
        _marks("estimate", guess, hollow),
        _marks("best so far", best, ring),
    ]


def _allowed(view: SearchView, colours: Paint, ends: tuple[float, float, float]) -> dict[str, Any]:
    """The corner of what is cheap and accurate enough; a side without a limit is open."""
    low, high, bottom = ends
    right, floor = view.most if view.most is not None else high, view.least if view.least is not None else bottom
    line = {"color": colours.faint, "dash": ESTIMATE_DASH, "width": 1.5}
    x, y = [low, right, right, low, low], [floor, floor, 1.02, 1.02, floor]
    return {"type": "scatter", "x": x, "y": y, "mode": "lines", "fill": "toself", "line": line, "name": "allowed",
            "fillcolor": colours.grid, "opacity": 0.5, "hoverinfo": "skip"}  # fmt: skip


def _marks(name: str, marks: list[Mark], marker: Mapping[str, Any]) -> dict[str, Any]:
    hover = ["<br>".join((m.name, *m.details)) for m in marks]
    return {"type": "scatter", "mode": "markers", "name": name, "x": [m.cost for m in marks],
            "y": [m.accuracy for m in marks], "marker": dict(marker), "hovertext": hover,
            "hovertemplate": "%{hovertext}<extra></extra>", "showlegend": bool(marks)}  # fmt: skip


def recipe_at(view: SearchView, trace: int, point: int) -> str | None:
    """The recipe behind a mark, or None."""
    marks = {
        TRIALS: [m for m in view.trials if not m.met],
        MET: [m for m in view.trials if m.met],
        GUESS: [view.guess] if view.guess else [],
        BEST: [view.best] if view.best else [],
    }.get(trace, [])
    return marks[point].key if point < len(marks) else None
