"""Two runs, layer by layer: where the bytes of one are that the other does without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..core.records import LayerRow, Run
from .theme import blank, bytes_text, empty, paint, percent, points

TITLE = "What differs, layer by layer"
NOTHING = "Pick two runs to see where they differ."
REST = "everything else in the file"
LESS, MORE = range(2)
"""Index of the traces: layers that take fewer bytes in the second run, and layers that take more."""


class Side(NamedTuple):
    """One layer in one run. shapes: of its tensors as stored; bits: stored bits for each dense weight."""

    file_bytes: int
    parameters: int
    nonzeros: int
    bits: float
    shapes: str
    stored: str


class Pair(NamedTuple):
    """One layer of the dense network; None where it is gone. change: bytes of the second less those of the first."""

    layer: str
    first: Side | None
    second: Side | None
    change: int


class DifferenceView(NamedTuple):
    """names of the two runs; head: (what, first, second, difference) of the whole.

    rest: bytes by which they differ and that no layer explains. selected: the layer that is emphasised.
    """

    names: tuple[str, str] = ("", "")
    pairs: tuple[Pair, ...] = ()
    rest: int = 0
    head: tuple[tuple[str, str, str, str], ...] = ()
    selected: str | None = None

    @property
    def sentence(self) -> str:
        """The difference in one line."""
        total = sum(pair.change for pair in self.pairs) + self.rest
        return f"“{self.names[1]}” against “{self.names[0]}”: {signed_bytes(total)} in all"


def view(
    first: Run | None, second: Run | None, *, names: tuple[str, str] = ("", ""), selected: str = ""
) -> DifferenceView:
    """Both of the same network. names: what they are called; selected: the layer that is emphasised."""
    if first is None or second is None:
        return DifferenceView()
    one, other = _layers(first), _layers(second)
    pairs = tuple(_pair(layer, one.get(layer, ()), other.get(layer, ())) for layer in _ordered(first, second))
    whole = second.measurement.file_bytes - first.measurement.file_bytes
    return DifferenceView(names, pairs, whole - sum(p.change for p in pairs), _head(first, second), selected or None)


def layer_at(view: DifferenceView, trace: int, point: int) -> str | None:
    """The layer behind a click on (trace, point) of `figure(view)`; None for what belongs to no layer."""
    return view.pairs[point].layer if trace in (LESS, MORE) and 0 <= point < len(view.pairs) else None


def figure(view: DifferenceView, *, dark: bool = False) -> go.Figure:
    """A bar for each layer from nothing to its change in bytes. Traces: LESS, MORE."""
    if not view.pairs:
        return empty(TITLE, NOTHING, dark=dark, height=200)
    colours = paint(dark)
    changes = [*(pair.change for pair in view.pairs), view.rest]
    labels = [f"<b>▸ {p.layer}</b>" if p.layer == view.selected else p.layer for p in view.pairs] + [REST]
    drawn = blank(TITLE, view.sentence, dark=dark, height=190 + 34 * len(changes))
    kinds = (("fewer bytes", colours.families["prune"], ""), ("more bytes", colours.families["quant"], "/"))
    for (name, colour, shape), grown in zip(kinds, (False, True), strict=True):
        shown = [n if (n > 0) == grown else None for n in changes]
        drawn.add_bar(
            name=name,
            orientation="h",
            y=labels,
            x=shown,
            text=["" if n is None else signed_bytes(n) for n in shown],
            textposition="outside",
            cliponaxis=False,
            marker={
                "color": colour,
                "pattern": {"shape": shape, "fgcolor": colours.paper, "bgcolor": colour, "size": 7},
            },
            hovertext=[*(_told(pair, view.names) for pair in view.pairs), REST],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    reach = 1.7 * max(1, *map(abs, changes))
    drawn.update_xaxes(title_text="bytes more or fewer", range=[-reach, reach], zeroline=True, zerolinewidth=2)
    drawn.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return drawn.update_layout(barmode="overlay", bargap=0.3)


def table(view: DifferenceView) -> list[dict[str, str]]:
    """One row a layer: bytes, weights that are not zero, bits and shapes of both."""
    rows = []
    for layer, first, second, change in view.pairs:
        sides = [(x.file_bytes, x.nonzeros, x.bits, x.shapes, x.stored) if x else None for x in (first, second)]
        rows.append(
            {"layer": layer, "bytes": _both(sides, 0, bytes_text), "difference": signed_bytes(change)}
            | {"not zero": _both(sides, 1, lambda n: f"{n:,}"), "bits a weight": _both(sides, 2, lambda b: f"{b:.2f}")}
            | {"shape": _both(sides, 3, str), "stored as": _both(sides, 4, str)}
        )
    return rows


def signed_bytes(n: float) -> str:
    """`+1.2 kB`, `−340 B`, `no difference`."""
    return "no difference" if not n else ("+" if n > 0 else "−") + bytes_text(abs(n))


def _both(sides: Sequence[tuple[Any, ...] | None], i: int, text: Callable[[Any], str]) -> str:
    """`12.3 kB → 4.5 kB`, or one of them where they are the same."""
    said = ["gone" if side is None else text(side[i]) for side in sides]
    return said[0] if said[0] == said[1] else " → ".join(said)


def _layers(run: Run) -> dict[str, tuple[LayerRow, ...]]:
    """By the layer of the dense network; a factorised layer has several rows."""
    found: dict[str, tuple[LayerRow, ...]] = {}
    for row in run.layers:
        name = row.whole or row.layer
        found[name] = (*found.get(name, ()), row)
    return found


def _ordered(first: Run, second: Run) -> list[str]:
    return list({**_layers(first), **_layers(second)})


def _pair(layer: str, first: tuple[LayerRow, ...], second: tuple[LayerRow, ...]) -> Pair:
    one, other = _side(first), _side(second)
    return Pair(layer, one, other, (other.file_bytes if other else 0) - (one.file_bytes if one else 0))


def _side(rows: tuple[LayerRow, ...]) -> Side | None:
    if not rows:
        return None
    size, dense = sum(row.file_bytes for row in rows), rows[0].dense_parameters
    return Side(
        file_bytes=size,
        parameters=sum(row.parameters for row in rows),
        nonzeros=sum(row.nonzeros for row in rows),
        bits=8 * size / dense if dense else 0.0,
        shapes=", ".join("×".join(map(str, row.shape)) for row in rows),
        stored=", ".join(dict.fromkeys(row.stored_as for row in rows)),
    )


def _head(first: Run, second: Run) -> tuple[tuple[str, str, str, str], ...]:
    a, b = first.measurement, second.measurement
    right = a.accuracy.accuracy, b.accuracy.accuracy
    rows = [("accuracy", percent(right[0]), percent(right[1]), points(right[1] - right[0]))]
    grown = signed_bytes(b.file_bytes - a.file_bytes)
    rows.append(("file size", bytes_text(a.file_bytes), bytes_text(b.file_bytes), grown))
    for what, one, other in (
        ("weights stored", a.parameters, b.parameters),
        ("weights that are not zero", a.nonzeros, b.nonzeros),
        ("multiply-adds", a.macs, b.macs),
    ):
        rows.append((what, f"{one:,}", f"{other:,}", f"{other - one:+,}".replace("-", "−") if other != one else "none"))
    if a.latency and b.latency:
        times = a.latency.median_ms, b.latency.median_ms
        rows.append(
            ("time", f"{times[0]:.2f} ms", f"{times[1]:.2f} ms", f"{times[1] - times[0]:+.2f} ms".replace("-", "−"))
        )
    return tuple(rows)


def _told(pair: Pair, names: tuple[str, str]) -> str:
    lines = [f"<b>{pair.layer}</b>: {signed_bytes(pair.change)}"]
    for name, side in zip(names, (pair.first, pair.second), strict=True):
        if side is None:
            lines.append(f"{name}: gone")
        else:
            lines.append(
                f"{name}: {side.file_bytes:,} bytes, {side.nonzeros:,} of {side.parameters:,} not zero, "
                f"{side.bits:.2f} bits a weight, {side.shapes}, {side.stored}"
            )
    return "<br>".join(lines)
