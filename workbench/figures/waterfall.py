"""Where the bytes went: each step's change from the dense weights to the file, and what the file consists of."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..core.records import Run
from .theme import Paint, blank, bytes_text, empty, method_in, paint, percent, wrapped

TITLE = "Where the bytes went"
NOTHING = "Measure a setting to see where its bytes went."
START, END, REST = "dense weights", "the file", "writing the file"

GAP = 0.16
"""Share of the height between the two plots."""

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
    """What one step changed: bytes after it, less those before it."""

    label: str
    step: str
    change: int


class Part(NamedTuple):
    """One item of the file."""

    label: str
    part: str
    file_bytes: int


class WaterfallView(NamedTuple):
    """dense_bytes plus every change is file_bytes; the parts add up to file_bytes as well."""

    dense_bytes: int
    changes: tuple[Change, ...]
    file_bytes: int
    parts: tuple[Part, ...]
    sentence: str


def view(run: Run | None, *, titles: Mapping[str, str] | None = None) -> WaterfallView | None:
    """The waterfall of one run, None for none. titles: method id -> name."""
    if run is None:
        return None
    measured, before, changes = run.measurement, run.measurement.dense_bytes, []
    for stage in run.stages:
        method = method_in(stage.step)
        changes.append(Change((titles or {}).get(method, method), stage.step, stage.file_bytes - before))
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
    )


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
    layout = {
        **_axes("", (1 - share, 1), max(view.dense_bytes, view.file_bytes)),
        **_axes("2", (0, 1 - share - GAP), view.file_bytes),
        "annotations": [_heading(text, y) for text, y in zip(_headings(view), (1, 1 - share - GAP), strict=True)],
        "showlegend": False,
        "margin": {"t": 104},
    }
    # Built at once from plain data, which takes a tenth of the time of subplots that are filled and changed.
    return blank(TITLE, view.sentence, dark=dark, height=230 + 34 * sum(rows), data=traces, layout=layout)


def table(view: WaterfallView | None) -> list[dict[str, str]]:
    """The steps, then the parts with their share of the file; bytes unrounded."""
    if view is None:
        return []
    rows = [{"item": START, "bytes": f"{view.dense_bytes:,}", "share of the file": ""}]
    rows += [{"item": c.step or c.label, "bytes": f"{c.change:+,}", "share of the file": ""} for c in view.changes]
    rows += [{"item": END, "bytes": f"{view.file_bytes:,}", "share of the file": percent(1)}]
    return rows + [
        {"item": p.label, "bytes": f"{p.file_bytes:,}", "share of the file": percent(p.file_bytes / view.file_bytes)}
        for p in view.parts
    ]


def _headings(view: WaterfallView) -> list[str]:
    return ["Step by step", f"What the {bytes_text(view.file_bytes)} are"]


def _axes(n: str, rows: tuple[float, float], most: int) -> dict[str, Any]:
    """The axes of plot `n`, whose rows reach over a share of the height, with room for the labels outside the bars."""
    along = {"anchor": f"y{n}", "tickformat": "~s", "ticksuffix": "B", "range": [0, 1.36 * most], "nticks": 7}
    down = {"anchor": f"x{n}", "domain": rows, "autorange": "reversed", "type": "category", "showgrid": False}
    return {f"xaxis{n}": along, f"yaxis{n}": down}


def _heading(text: str, y: float) -> dict[str, Any]:
    place = {"x": 0, "xref": "paper", "xanchor": "left", "y": y, "yref": "paper", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 13}, **place}


def _steps(view: WaterfallView, colours: Paint) -> list[dict[str, Any]]:
    middle = [c.change for c in view.changes]
    labels = [START, *_distinct([c.label for c in view.changes]), END]
    hover = [f"{START}: {view.dense_bytes:,} bytes (4 for each parameter and buffer value)"]
    hover += ["<br>".join(wrapped(f"{c.step or c.label}: {c.change:+,} bytes")) for c in view.changes]
    hover += [f"{END}: {view.file_bytes:,} bytes"]
    shown = [bytes_text(view.dense_bytes), *map(_signed, middle), bytes_text(view.file_bytes)]
    measure = ["absolute", *["relative"] * len(middle), "total"]
    tops = _tops([view.dense_bytes, *middle])
    bars = _bars(labels, [view.dense_bytes, *middle, view.file_bytes], measure, hover, colours)
    more, less = colours.families["quant"], colours.families["lowrank"]
    return [{**bars, **_coloured(more, less)}, _texts(labels, [*tops, view.file_bytes], shown, colours)]


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
