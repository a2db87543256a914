"""A training while it runs: validation accuracy with its interval above, training loss below, the best epoch marked."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from ..core.training import DONE, FAILED, STOPPED, EpochRow, Training
from .theme import blank, empty, paint, percent

NOTHING = "Pick a network, data and settings, then start: the curve grows here."
RUNNING, LOSS, LOW, HIGH, ACCURACY, BEST = (
    "within this epoch",
    "training loss",
    "lower end",
    "95 % interval",
    "validation accuracy",
    "best epoch, the one that is kept",
)


class Curve(NamedTuple):
    """Points of one line; x counts epochs that are done."""

    x: tuple[float, ...]
    y: tuple[float, ...]


class TrainingView(NamedTuple):
    """Accuracies are shares in [0, 1]. low, high: the interval of each; best: (epoch, accuracy) or None.

    accuracy is empty where nobody measures it; details: one text for each epoch.
    """

    title: str
    state: str
    epochs: int
    loss: Curve
    running: Curve
    accuracy: Curve
    low: tuple[float, ...]
    high: tuple[float, ...]
    best: tuple[int, float] | None
    details: tuple[str, ...]


def view(training: Training | None, *, name: str = "") -> TrainingView:
    """What is known so far. name: the network's title, or what else is being trained. None: nothing was trained."""
    if training is None:
        none = Curve((), ())
        return TrainingView("Training", "", 0, none, none, none, (), (), None, ())
    t, seen = training, [row for row in training.history if row.accuracy is not None]
    intervals = [t.interval(row) for row in seen]
    return TrainingView(
        title=f"Training {name or t.network} on {t.dataset}",
        state=_state(t),
        epochs=t.epochs,
        loss=Curve(tuple(float(row.epoch) for row in t.history), tuple(row.loss for row in t.history)),
        running=_running(t),
        accuracy=Curve(tuple(float(row.epoch) for row in seen), tuple(row.accuracy or 0.0 for row in seen)),
        low=tuple(low for low, _ in intervals),
        high=tuple(high for _, high in intervals),
        best=None if t.best is None or t.best.accuracy is None else (t.best_epoch, t.best.accuracy),
        details=tuple(_details(t, row) for row in t.history),
    )


def figure(view: TrainingView, *, dark: bool = False) -> go.Figure:
    """Two plots over the same epochs, or the loss alone where no accuracy is measured."""
    if not view.loss.x and not view.running.x:
        return empty(view.title, view.state or NOTHING, dark=dark, height=300)
    both = bool(view.best) or not view.loss.x
    drawn = blank(view.title, view.state, dark=dark, height=520 if both else 340)
    _draw_loss(drawn, view, dark)
    if both:
        _draw_accuracy(drawn, view, dark)
        drawn.update_layout(
            yaxis={"domain": [0, 0.44]},
            yaxis2={
                "domain": [0.56, 1],
                "title_text": "validation accuracy",
                "tickformat": ".1~%",
                "range": _room(view),
            },
        )
    drawn.update_xaxes(
        title_text="epoch: passes over the training images", range=[0, view.epochs * 1.02], dtick=_tick(view)
    )
    return drawn.update_layout(yaxis_title_text="training loss", yaxis_rangemode="tozero")


def table(view: TrainingView) -> list[dict[str, str]]:
    """One row per epoch."""
    right = dict(zip(view.accuracy.x, view.accuracy.y, strict=True))
    return [
        {
            "epoch": f"{x:g}",
            "training loss": f"{y:.3g}",
            "validation accuracy": percent(right[x]) if x in right else "-",
        }
        for x, y in zip(view.loss.x, view.loss.y, strict=True)
    ]


def _draw_loss(drawn: go.Figure, view: TrainingView, dark: bool) -> None:
    colour = paint(dark).families["quant"]
    few = len(view.loss.x) <= 60
    drawn.add_scatter(
        name=LOSS, x=view.loss.x, y=view.loss.y, text=view.details, hovertemplate="%{text}<extra></extra>",
        mode="lines+markers" if few else "lines", line={"color": colour}, marker={"symbol": "square", "size": 6},
    )  # fmt: skip
    if view.running.x:
        drawn.add_scatter(
            name=RUNNING, x=view.running.x, y=view.running.y, mode="lines", line={"color": colour, "dash": "dot"},
            hovertemplate="mean loss since the epoch began: %{y:.3g}<extra></extra>",
        )  # fmt: skip


def _draw_accuracy(drawn: go.Figure, view: TrainingView, dark: bool) -> None:
    colour = paint(dark).families["prune"]
    band = {"x": view.accuracy.x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "yaxis": "y2"}
    drawn.add_scatter(**band, name=LOW, y=view.low, showlegend=False)
    drawn.add_scatter(**band, name=HIGH, y=view.high, fill="tonexty", fillcolor=_pale(colour))
    drawn.add_scatter(
        name=ACCURACY, x=view.accuracy.x, y=view.accuracy.y, yaxis="y2", text=view.details,
        hovertemplate="%{text}<extra></extra>", mode="lines+markers" if len(view.details) <= 60 else "lines",
        line={"color": colour}, marker={"symbol": "circle", "size": 6},
    )  # fmt: skip
    if view.best is not None:
        drawn.add_scatter(
            name=BEST, x=[view.best[0]], y=[view.best[1]], yaxis="y2", mode="markers+text",
            text=[f"<b>{percent(view.best[1])}</b>"], textposition="bottom center",
            marker={"symbol": "star", "size": 15, "color": paint(dark).ink}, hoverinfo="skip",
        )  # fmt: skip


def _state(t: Training) -> str:
    """How far it is, in one or two sentences."""
    done, best = len(t.history), ""
    if t.best is not None and t.best.accuracy is not None:
        low, high = t.interval(t.best)
        best = f"{percent(t.best.accuracy)} of {t.n:,} validation images ({100 * low:.1f} to {100 * high:.1f})"
    if t.outcome == FAILED:
        return t.sentence
    if t.outcome == STOPPED:
        return f"Stopped after {_epochs(done)} of {t.epochs}." + (f" Best so far: {best}." if best else "")
    if t.outcome == DONE:
        kept = f" Kept: epoch {t.best_epoch}, {best}." if best else ""
        return f"Done after {_epochs(done)}.{kept}{_unlearnt(t)}"
    where = f"Epoch {min(done + 1, t.epochs)} of {t.epochs}" if t.running or done else "Getting ready"
    again = f", resumed after epoch {t.resumed_at}" if t.resumed_at else ""
    return where + again + (f". Best so far: {best}." if best else ".") + _unlearnt(t)


def _unlearnt(t: Training) -> str:
    """Said once two epochs have taught nothing."""
    best = t.best
    if best is None or best.accuracy is None or not t.classes or len(t.history) < 2:
        return ""
    if t.interval(best)[0] > 1 / t.classes:
        return ""
    return f" Guessing among {t.classes} classes is as good: try a lower learning rate."


def _running(t: Training) -> Curve:
    """From the end of the last epoch on, so that the line hangs together."""
    before = [(float(t.history[-1].epoch), t.history[-1].loss)] if t.history and t.running else []
    points = [*before, *t.running]
    return Curve(tuple(x for x, _ in points), tuple(y for _, y in points))


def _details(t: Training, row: EpochRow) -> str:
    lines = [f"<b>epoch {row.epoch}</b>", f"mean training loss {row.loss:.3g}"]
    if row.accuracy is not None and row.validation_loss is not None:
        low, high = t.interval(row)
        lines.append(f"{percent(row.accuracy)} of {t.n:,} validation images ({100 * low:.1f} to {100 * high:.1f})")
        lines.append(f"validation loss {row.validation_loss:.3g}")
    return "<br>".join(lines)


def _epochs(n: int) -> str:
    return "1 epoch" if n == 1 else f"{n} epochs"


def _room(view: TrainingView) -> list[float]:
    """From well below the lowest interval, or from 0 where that is low anyway."""
    lowest = min(view.low, default=0.0)
    bottom = 0.0 if lowest < 0.5 else lowest - 0.25 * (1 - lowest) - 0.02
    return [bottom, 1 + 0.04 * (1 - bottom)]


def _tick(view: TrainingView) -> int | None:
    return 1 if view.epochs <= 12 else None


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
