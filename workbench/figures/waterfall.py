"""Where the bytes went: each step's change from the dense weights to the file, and what the file consists of.

Beside each step stands the accuracy after it, once that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..core.records import Accuracy, Run
from ..core.stages import Stages
from .theme import Paint, blank, bytes_text, empty, method_in, paint, percent, wrapped

TITLE = "Where the bytes went"
NOTHING = "Measure a setting to see where its bytes went."
START, END, REST = "dense weights", "the file", "writing the file"

GAP = 0.16
"""Share of the height between the two plots."""

BESIDE = (0.7, 0.98)
"""Where the accuracies are, as shares of the width."""

PART_NAMES = {
    "header": "header (names, shapes, recipe)",
    "positions": "positions of the kept weights",
    "codes": "codes of the weights",
    "codebooks": "codebooks",
    "scales": "scales and zero points",
    "weights": "weights as plain floats",
    "biases": "biases",
    "batchnorm": "batch normalisation",
    "checksum": "checksum",
}


class Change(NamedTuple):
    """What one step changed: bytes after it, less those before it. accuracy: after it, where that is known."""

    label: str
    step: str
    change: int
    accuracy: Accuracy | None = None


class Part(NamedTuple):
    """One item of the file."""

    label: str
    part: str
    file_bytes: int


class WaterfallView(NamedTuple):
    """dense_bytes plus every change is file_bytes; the parts add up to file_bytes as well.

    dense, end: accuracy of the dense network and of the file. note: on which images, "" while no step was looked at.
    """

    dense_bytes: int
    changes: tuple[Change, ...]
    file_bytes: int
    parts: tuple[Part, ...]
    sentence: str
    dense: Accuracy | None = None
    end: Accuracy | None = None
    note: str = ""

    @property
    def accuracies(self) -> tuple[Accuracy | None, ...]:
        """From the dense network to the file, in the rows of the steps."""
        return (self.dense, *(change.accuracy for change in self.changes), self.end)


def view(
    run: Run | None, *, titles: Mapping[str, str] | None = None, after: Stages | None = None
) -> WaterfallView | None:
    """The waterfall of one run, None for none. titles: method id -> name. after: accuracy after each of its steps."""
    if run is None:
        return None
    measured, before, changes = run.measurement, run.measurement.dense_bytes, []
    looked_at = _looked_at(run, after)
    for i, stage in enumerate(run.stages):
        method, seen = method_in(stage.step), looked_at.steps[i].accuracy if looked_at else None
        changes.append(Change((titles or {}).get(method, method), stage.step, stage.file_bytes - before, seen))
        before = stage.file_bytes
    if before != measured.file_bytes:
        changes.append(Change(REST, "", measured.file_bytes - before))
    ordered = sorted(measured.bytes_by_part.items(), key=lambda item: -item[1])
    return WaterfallView(
        measured.dense_bytes,
        tuple(changes),
        measured.file_bytes,
        tuple(Part(PART_NAMES.get(name, name), name, size) for name, size in ordered),
        f"{bytes_text(measured.dense_bytes)} of dense weights became a file of {bytes_text(measured.file_bytes)}"
        + (f": {measured.compression_ratio:.1f}× smaller" if measured.compression_ratio > 1.05 else ", no smaller"),
        dense=looked_at.dense if looked_at else None,
        end=measured.accuracy,
        note=_note(looked_at) if looked_at else "",
    )


def _looked_at(run: Run, after: Stages | None) -> Stages | None:
    """`after` where it is about the steps of this run and has begun."""
    same = after is not None and [x.step for x in after.steps] == [stage.step for stage in run.stages]
    return after if same and after is not None and after.dense is not None else None


def _note(after: Stages) -> str:
    seen = [x for x in (after.dense, *(step.accuracy for step in after.steps)) if x is not None]
    n, total, split = min(x.n for x in seen), seen[0].total, seen[0].split
    images = f"{n:,} of {total:,}" if n < total else f"{n:,}"
    return f"Accuracy on {images} {split} images; bars are 95 % intervals"


def figure(view: WaterfallView | None, *, dark: bool = False) -> go.Figure:
    """Above, the steps from the dense weights to the file; below, on its own scale, what the file consists of."""
    if view is None:
        return empty(TITLE, NOTHING, dark=dark)
    rows = [len(view.changes) + 2, len(view.parts) + 1]
    share = rows[0] * (1 - GAP) / sum(rows)
    traces = [
        *_steps(view, paint(dark)),
        *({**trace, "xaxis": "x2", "yaxis": "y2"} for trace in _parts(view, paint(dark))),
    ]
    if view.note:
        traces.append(_accuracies(view, paint(dark)))
    layout = {
        **_axes("", (1 - share, 1), max(view.dense_bytes, view.file_bytes)),
        **(_axes_beside((1 - share, 1)) if view.note else {}),
        **_axes("2", (0, 1 - share - GAP), view.file_bytes),
        "annotations": [_heading(text, y) for text, y in zip(_headings(view), (1, 1 - share - GAP), strict=True)],
        "showlegend": False,
        "margin": {"t": 104},
    }
    if view.note:
        layout["xaxis"]["domain"] = [0, BESIDE[0] - 0.05]
        layout["annotations"] += [{**_heading("Accuracy after it", 1, BESIDE[0]), "yshift": 10}]
    # Built at once from plain data, which takes a tenth of the time of subplots that are filled and changed.
    return blank(TITLE, view.sentence, dark=dark, height=230 + 34 * sum(rows), data=traces, layout=layout)


def table(view: WaterfallView | None) -> list[dict[str, str]]:
    """The steps with the accuracy after each, then the parts with their share of the file; bytes unrounded."""
    if view is None:
        return []
    items = [START, *(c.step or c.label for c in view.changes), END]
    sizes = [f"{view.dense_bytes:,}", *(f"{c.change:+,}" for c in view.changes), f"{view.file_bytes:,}"]
    shares = [""] * (len(items) - 1) + [percent(1)]
    texts = ["" if x is None else _interval(x) for x in view.accuracies]
    rows = [_row(*cells) for cells in zip(items, sizes, shares, texts, strict=True)]
    return rows + [_row(p.label, f"{p.file_bytes:,}", percent(p.file_bytes / view.file_bytes)) for p in view.parts]


def _row(item: str, size: str, share: str, accuracy: str = "") -> dict[str, str]:
    return {"item": item, "bytes": size, "share of the file": share, "accuracy after it": accuracy}


def _headings(view: WaterfallView) -> list[str]:
    return ["Step by step", f"What the {bytes_text(view.file_bytes)} are"]


def _axes(n: str, rows: tuple[float, float], most: int) -> dict[str, Any]:
    """The axes of plot `n`, whose rows reach over a share of the height, with room for the labels outside the bars."""
    along = {"anchor": f"y{n}", "tickformat": "~s", "ticksuffix": "B", "range": [0, 1.36 * most], "nticks": 7}
    down = {"anchor": f"x{n}", "domain": rows, "autorange": "reversed", "type": "category", "showgrid": False}
    return {f"xaxis{n}": along, f"yaxis{n}": down}


def _axes_beside(rows: tuple[float, float]) -> dict[str, Any]:
    """A third plot in the rows of the first."""
    along = {"anchor": "y3", "domain": BESIDE, "tickformat": ".0%", "nticks": 4}
    down = {"anchor": "x3", "domain": rows, "autorange": "reversed", "type": "category", "showticklabels": False}
    return {"xaxis3": along, "yaxis3": {**down, "ticks": ""}}


def _heading(text: str, y: float, x: float = 0) -> dict[str, Any]:
    place = {"x": x, "xref": "paper", "xanchor": "left", "y": y, "yref": "paper", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 13}, **place}


def _steps(view: WaterfallView, colours: Paint) -> list[dict[str, Any]]:
    middle, labels = [c.change for c in view.changes], _rows(view)
    hover = [f"{START}: {view.dense_bytes:,} bytes (4 for each parameter and buffer value)"]
    hover += ["<br>".join(wrapped(f"{c.step or c.label}: {c.change:+,} bytes")) for c in view.changes]
    hover += [f"{END}: {view.file_bytes:,} bytes"]
    shown = [bytes_text(view.dense_bytes), *map(_signed, middle), bytes_text(view.file_bytes)]
    measure = ["absolute", *["relative"] * len(middle), "total"]
    tops = _tops([view.dense_bytes, *middle])
    bars = _bars(labels, [view.dense_bytes, *middle, view.file_bytes], measure, hover, colours)
    more, less = colours.families["quant"], colours.families["lowrank"]
    return [{**bars, **_coloured(more, less)}, _texts(labels, [*tops, view.file_bytes], shown, colours)]


def _rows(view: WaterfallView) -> list[str]:
    return [START, *_distinct([c.label for c in view.changes]), END]


def _accuracies(view: WaterfallView, colours: Paint) -> dict[str, Any]:
    """One mark in each row, hollow while it is a sample; a row that was not looked at has none."""
    seen, labels = view.accuracies, _rows(view)
    shown = [None if x is None else x.accuracy for x in seen]
    ends = [(0.0, 0.0) if x is None else (x.interval[1] - x.accuracy, x.accuracy - x.interval[0]) for x in seen]
    hover = ["" if x is None else f"after {label}: {_interval(x)}" for label, x in zip(labels, seen, strict=True)]
    marks = ["circle" if x is not None and x.complete else "circle-open" for x in seen]
    colour = colours.families["prune"]
    bars = {"type": "data", "array": [up for up, _ in ends], "arrayminus": [down for _, down in ends]}
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": shown,
        "y": labels,
        "xaxis": "x3",
        "yaxis": "y3",
        "error_x": {**bars, "color": colours.faint, "thickness": 1.5, "width": 4},
        "marker": {"symbol": marks, "size": 9, "color": colour, "line": {"color": colour, "width": 2}},
        "text": ["" if x is None else percent(x.accuracy) for x in seen],
        "textposition": "top center",
        "textfont": {"color": colours.ink, "size": 12},
        "cliponaxis": False,
        "hovertext": hover,
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _interval(seen: Accuracy) -> str:
    low, high = seen.interval
    return f"{percent(seen.accuracy)} ({percent(low)} to {percent(high)}, n = {seen.n:,})"


def _parts(view: WaterfallView, colours: Paint) -> list[dict[str, Any]]:
    sizes = [p.file_bytes for p in view.parts]
    labels = [*_distinct([p.label for p in view.parts]), "all of it"]
    hover = [f"{p.label}: {p.file_bytes:,} bytes" for p in view.parts] + [f"all of it: {sum(sizes):,} bytes"]
    shown = [f"{bytes_text(size)} ({percent(size / view.file_bytes)})" for size in sizes] + [bytes_text(sum(sizes))]
    bars = _bars(labels, [*sizes, sum(sizes)], [*["relative"] * len(sizes), "total"], hover, colours)
    bars = {**bars, **_coloured(colours.families["compact"], None)}
    return [bars, _texts(labels, [*_tops(sizes), sum(sizes)], shown, colours)]


def _coloured(more: str, less: str | None) -> dict[str, Any]:
    """How bars that add bytes and bars that take some away look."""
    found = {"increasing": more, "decreasing": less}
    return {which: {"marker": {"color": colour}} for which, colour in found.items() if colour}


def _tops(changes: list[int]) -> list[int]:
    """The right end of each floating bar."""
    after = list(accumulate(changes))
    return [max(total, total - change) for total, change in zip(after, changes, strict=True)]


def _bars(labels: list[str], sizes: list[int], measure: list[str], hover: list[str], colours: Paint) -> dict[str, Any]:
    return {
        "type": "waterfall",
        "orientation": "h",
        "y": labels,
        "x": sizes,
        "measure": measure,
        "textposition": "none",
        "hovertext": hover,
        "hovertemplate": "%{hovertext}<extra></extra>",
        "connector": {"line": {"color": colours.faint, "width": 1}},
        "totals": {"marker": {"color": colours.families["prune"]}},
    }


def _texts(labels: list[str], at: list[int], shown: list[str], colours: Paint) -> dict[str, Any]:
    """The numbers, always right of the bar: plotly itself would put those of shrinking steps over the axis."""
    place = {"textposition": "middle right", "cliponaxis": False, "hoverinfo": "skip"}
    looks = {"mode": "text", "textfont": {"color": colours.ink}, **place}
    return {"type": "scatter", "y": labels, "x": at, "text": [f" {s}" for s in shown], **looks}


def _signed(change: int) -> str:
    return ("−" if change < 0 else "+") + bytes_text(abs(change))


def _distinct(labels: list[str]) -> list[str]:
    """The same step twice would fall on one category: the later ones are numbered."""
    return [
        f"{label} ({labels[:i].count(label) + 1})" if label in labels[:i] else label for i, label in enumerate(labels)
    ]
