"""The head of a lesson: its title and aims, and once per notebook what all its pictures need."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import ipywidgets as w
import plotly.graph_objects as go
import torch

from ..ui.chart import Chart, PlotlyBundle
from ..ui.widgets import Heartbeat, Page

STYLE = Path(__file__).parent / "lesson.css"
HOW = (
    "How it works: guess before you look, and commit your guess. Move the sliders. In an exercise put your own line "
    "where the three dots are, run the cell, then run the check below it as often as you like."
)


def start(title: str, minutes: int, aims: Sequence[str]) -> w.VBox:
    """The first cell of a lesson. Same seed, same threads: the numbers are the same on every run of one machine."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    listed = "".join(f"<li>{escape(aim)}</li>" for aim in aims)
    head = f"<h1>{escape(title)}</h1><p>About {minutes} minutes. Afterwards you can</p><ul>{listed}</ul>"
    style = f"<style>{STYLE.read_text(encoding='utf-8')}</style>"
    head += f'<p class="wb-help">{escape(HOW)}</p>'
    parts = [Page(), Heartbeat(), PlotlyBundle(), w.HTML(style + head)]
    return w.VBox(parts).add_class("wb-app").add_class("wb-lesson").add_class("wb-lesson-head")


def draw(figure: go.Figure, label: str = "") -> w.VBox:
    """A figure on the page. label: what it shows, for who cannot see it; its title by default."""
    chart = Chart(label or str(figure.layout.title.text or "Picture"))
    chart.show(figure)
    return w.VBox([chart]).add_class("wb-app").add_class("wb-lesson")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> w.HTML:
    """Cells as text under a head."""
    cells = "".join(f"<tr>{''.join(f'<td>{escape(str(c))}</td>' for c in row)}</tr>" for row in rows)
    heads = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    text = f'<table class="wb-table"><tr>{heads}</tr>{cells}</table>'
    return w.HTML(text).add_class("wb-app").add_class("wb-lesson")
