"""Every measured run of this network and data: named, pinned, taken over, compared, and found again by its numbers."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as w

from ...core.label import Label, run_name
from ...core.recipe import Step
from ...core.records import Run
from ...experiment.labels import Labels
from ...figures import parallel
from ..chart import Chart, Point
from ..choices import axis_of, default_step
from ..guard import guard, watch, when_seen
from ..runtable import RunTable
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Line
from . import difference as compared

NAME = "history"
WHAT = """Every setting that was measured of this network and data. Pick one in the table, or click its line. Drag
across an axis, or type limits into the table, to see only what is within them."""
UNITS = {"bytes": ("bytes", 1.0), "accuracy": ("%", 100.0), "macs": ("million", 1e-6), "latency": ("ms", 1.0)}
"""What limits are typed in: the unit, and by what a value is multiplied to get there."""
_KNOBS = 3


def panel(state: State, labels: Labels) -> w.VBox:
    """The picture, the table behind it, what can be done with the picked run, and what differs."""
    runs = _Runs(state)
    head = HTML(f"<p>{WHAT}</p>")
    parts = [
        head,
        runs.chart,
        w.Box([runs.clear]).add_class("wb-buttons"),
        runs.table,
        _picked(state, labels),
        compared.panel(state, NAME),
    ]

    def read() -> None:
        state.labels = labels.of(state.network, state.dataset)

    watch(state, read, "network", "dataset")
    return w.VBox(parts).add_class("wb-history")


def title(state: State, run: Run) -> str:
    """What a run is called: its name, or else its steps."""
    return state.label(run.recipe.key).name or " | ".join(map(_short, run.recipe.steps)) or "dense network"


def _short(step: Step) -> str:
    """The step without the knobs that stand where they stand by default, but for its main one."""
    usual, axis = default_step(step.method).knobs, axis_of(step.method)
    told = {name: value for name, value in step.knobs.items() if name == axis or usual.get(name) != value}
    return str(replace(step, knobs=told))


class _Runs:
    """The chart and the table, which show the same runs under the same limits."""

    def __init__(self, state: State) -> None:
        self._state, self._view = state, parallel.view(())
        self._limits: dict[str, parallel.Range] = {}
        self.chart = Chart(
            "Every measured run as a line across its bytes, accuracy, costs and knobs; the table below says the same"
        )
        self.chart.clicked, self.chart.brushed = guard(state, self._clicked), guard(state, self._brushed)
        self.table = RunTable("Measured runs", guard(state, self._pick), guard(state, self._limit))
        self.table.refuse = state.refuse
        self.clear = Button(description="Clear all limits", tooltip="Show every run again")
        self.clear.on_click(guard(state, self._clear))
        state.observe(guard(state, lambda _change: self._limits.clear()), ["network", "dataset"])
        when_seen(state, NAME, self._show, "runs", "labels", "pinned", "picked", "recipe")

    def _show(self) -> None:
        state = self._state
        names = {key: title(state, run) for key, run in state.runs.items()}
        titles = {name: cls.title for name, cls in state.choices.methods.items()}
        now = state.recipe.key if state.recipe else ""
        marks = {now: parallel.NOW, state.pinned: parallel.PINNED, state.picked: parallel.PICKED}
        self._view = parallel.view(
            list(state.runs.values()),
            knobs=_knobs(state),
            names=names,
            titles=titles,
            ranges=self._limits,
            marks={key: what for key, what in marks.items() if key},
        )
        self.chart.show(parallel.figure(self._view))
        with self.table.hold_sync():
            self.table.columns = [_column(axis, dict(self._view.ranges)) for axis in self._view.axes]
            self.table.rows = _rows(state, self._view)
            self.table.picked = state.picked
        self.clear.layout.display = "" if self._limits else "none"

    def _clicked(self, trace: int, point: Point) -> None:
        key = parallel.run_at(self._view, trace, point) if isinstance(point, int) else None
        if key is not None:
            self._state.picked = key

    def _pick(self, key: str) -> None:
        self._state.picked = "" if self._state.picked == key else key

    def _brushed(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self._limits |= parallel.brushed(self._view, x, y)
        self._show()

    def _limit(self, name: str, low: float | None, high: float | None) -> None:
        by = UNITS.get(name, ("", 1.0))[1]
        ends = None if low is None else low / by, None if high is None else high / by
        self._limits = {n: r for n, r in {**self._limits, name: ends}.items() if r != (None, None)}
        self._show()

    def _clear(self, _button: object) -> None:
        self._limits.clear()
        self._show()


def _knobs(state: State) -> list[tuple[str, str]]:
    """The main knob of every method that is in the line now."""
    methods = dict.fromkeys(step.method for step in state.steps)
    return [(method, knob) for method in methods if (knob := axis_of(method)) is not None][:_KNOBS]


def _column(axis: parallel.Axis, ranges: dict[str, parallel.Range]) -> dict[str, str]:
    unit, by = UNITS.get(axis.name, ("", 1.0))
    low, high = ("" if end is None else f"{end * by:.6g}" for end in ranges.get(axis.name, (None, None)))
    return {"name": axis.name, "title": axis.title.replace("<br>", ", "), "unit": unit, "low": low, "high": high}


def _rows(state: State, view: parallel.ParallelView) -> list[dict[str, Any]]:
    """Pinned ones first, then the newest."""
    pinned = [thread for thread in view.inside if state.label(thread.key).pinned]
    others = [thread for thread in reversed(view.inside) if thread not in pinned]
    return [_row(state, view, thread) for thread in (*pinned, *others)]


def _row(state: State, view: parallel.ParallelView, thread: parallel.Thread) -> dict[str, Any]:
    marks = [dict(view.marks).get(thread.key, ""), "best of its size" if thread.best else ""]
    marks += ["kept on top"] if state.label(thread.key).pinned and thread.key != state.pinned else []
    cells = [axis.text(value) for axis, value in zip(view.axes, thread.values, strict=True)]
    return {
        "key": thread.key,
        "name": thread.name or thread.steps,
        "steps": thread.steps,
        "marks": ", ".join(filter(None, marks)),
        "cells": cells,
        "values": list(thread.values),
    }


def _picked(state: State, labels: Labels) -> w.VBox:
    """Name, pin and take over."""
    said, name = HTML(), Line(description="Name", placeholder="a name for this run", continuous_update=False)
    name.refuse = state.refuse
    pin = Button(description="Pin as reference", tooltip="Hold everything against this run, and keep it on top")
    take = Button(description="Take over its recipe", tooltip="Set network, steps and knobs as they were; go on there")
    following = False

    def change(run: Run, label: Label) -> None:
        labels.put(run.recipe, label)
        state.labels = {**state.labels, run.recipe.key: label}

    def show() -> None:
        nonlocal following
        run = state.runs.get(state.picked)
        following = True
        name.value = state.label(state.picked).name if run else ""
        following = False
        name.disabled = pin.disabled = take.disabled = run is None
        pin.description = "Unpin" if run and state.pinned == state.picked else "Pin as reference"
        said.value = f"<p>{escape(_said(state, run))}</p>"

    def rename(change_: dict[str, str]) -> None:
        run = state.runs.get(state.picked)
        if run is not None and not following:
            change(run, replace(state.label(state.picked), name=run_name(change_["new"])))

    def turn() -> None:
        run, pinned = state.runs[state.picked], state.pinned != state.picked
        state.pinned = state.picked if pinned else ""
        change(run, replace(state.label(state.picked), pinned=pinned))

    name.observe(guard(state, rename), "value")
    pin.on_click(guard(state, lambda _button: turn()))
    take.on_click(guard(state, lambda _button: state.follow(state.runs[state.picked])))
    when_seen(state, NAME, show, "picked", "pinned", "labels", "runs")
    return w.VBox([HTML("<h2>The picked run</h2>"), said, w.Box([name, pin, take]).add_class("wb-buttons")])


def _said(state: State, run: Run | None) -> str:
    lost = " The pinned run of this link was not measured here; take its settings over to measure it."
    missing = lost if state.pinned and state.reference is None else ""
    if run is None:
        return f"No run is picked.{missing}"
    return f"{title(state, run)}.{missing}"
