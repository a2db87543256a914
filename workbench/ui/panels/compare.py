"""What was measured of this network and data, set against each other."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...figures import compare as figure
from ..chart import Chart
from ..choices import Group, Option
from ..engine import Engine
from ..guard import guard, when_seen
from ..spoken import HTML
from ..state import State
from ..widgets import Picker

NAME = "compare"
WHAT = """Every sequence of methods is one curve, made of all that was measured of it for this network and these data; a
hollow mark is a setting that another of the same curve beats. A range in brackets is the 95 % interval: such a range
holds the true number 19 times out of 20. Where two ranges overlap, more images are needed to tell the two apart."""
AGAINST = "The curve that the others are compared with in the last table"


def panel(state: State, engine: Engine) -> w.VBox:
    """The picture, the menu of the baseline and the tables."""
    chart = Chart("Accuracy against bytes of each sequence of methods, with intervals; the tables below say the same")
    baseline, tables = Picker(label="Baseline"), HTML()
    baseline.refuse = state.refuse
    baseline.pick = guard(state, lambda name: state.set({"baseline": name}))

    def show() -> None:
        titles = {name: cls.title for name, cls in state.choices.methods.items()}
        found = state.comparison
        view = figure.view(found, titles=titles)
        options = [Option(c.name, name) for c, name in zip(view.curves, view.names, strict=True)]
        baseline.offer([Group("", tuple(options))], found.baseline if found is not None else "", AGAINST)
        baseline.layout.display = "" if len(options) > 1 else "none"
        tables.value = "".join(map(_table, view.tables))
        chart.show(figure.figure(view), keep=f"{state.network} {state.dataset}")

    when_seen(state, NAME, engine.compare, "runs", "baseline")
    when_seen(state, NAME, show, "comparison")
    return w.VBox([HTML(f"<p>{WHAT}</p>"), chart, baseline, tables])


def _table(table: figure.Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f'<h2>{escape(table.title)}</h2><table class="wb-table"><tr>{head}</tr>{rows}</table>'
