"""The page of a report: sections of words, tables, pictures and charts, and everything that they need, in one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.io import from_json
from plotly.offline import get_plotlyjs

from ..figures.theme import tamed

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1f2328;
  background: #fff; margin: 0 auto; max-width: 60rem; padding: 0 1rem 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; margin: 1.5rem 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
nav ol { padding-left: 1.25rem; columns: 16rem; } a { color: #0550ae; }
.wide { overflow-x: auto; } .plots { min-width: 40rem; }
figcaption { font-size: .875rem; color: #57606a; } figcaption strong { color: #1f2328; }
table { border-collapse: collapse; font-size: .875rem; margin: .5rem 0; }
th, td { border-bottom: 1px solid #d0d7de; padding: .25rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
dl.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1rem 0; }
dl.tiles div { border: 1px solid #d0d7de; border-radius: 6px; padding: .5rem .75rem; }
dl.tiles dt { font-size: .8125rem; color: #57606a; } dl.tiles dd { margin: 0; font-size: 1.25rem; font-weight: 600; }
dl.tiles small { display: block; font-weight: 400; font-size: .8125rem; color: #57606a; }
.warning { border-left: 4px solid #bc4c00; padding: .25rem .75rem; background: #fff8f0; }
figure { margin: 1rem 0; } details { margin: .25rem 0 1rem; } summary { cursor: pointer; color: #57606a; }
code { font-size: .875em; overflow-wrap: anywhere; }
"""
_TITLE, _LINE, _LEAST = 40, 16, 28
"""Pixels that a title and each line below it take of a chart, and what is left above the plot."""
_RESPONSIVE = {"responsive": True, "displaylogo": False, "displayModeBar": False}


@dataclass(frozen=True)
class Section:
    """One chapter; body: HTML, made by the functions of this file."""

    title: str
    body: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Where links within the page lead."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title.lower()).split())


def page(title: str, lead: Iterable[str], sections: Sequence[Section]) -> str:
    """The whole file. lead: what comes before the first section."""
    links = "".join(f'<li><a href="#{s.anchor}">{escape(s.title)}</a></li>' for s in sections)
    chapters = "".join(
        f'<section id="{s.anchor}"><h2>{escape(s.title)}</h2>{"".join(s.body)}</section>' for s in sections
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><h1>{escape(title)}</h1>{''.join(lead)}<nav><ol>{links}</ol></nav><main>{chapters}</main></body></html>"
    )


def words(*sentences: str, kind: str = "") -> str:
    """A paragraph, or nothing where there is nothing to say. kind: "warning" stands out."""
    said = " ".join(escape(s) for s in sentences if s)
    return f'<p class="{kind}">{said}</p>' if said and kind else f"<p>{said}</p>" if said else ""


def head(title: str) -> str:
    """The title of a part of a section."""
    return f"<h3>{escape(title)}</h3>"


def tiles(*numbers: tuple[str, str, str]) -> str:
    """(what, how much, what to know about it) each in a box."""
    boxes = (
        f"<div><dt>{escape(what)}</dt><dd>{escape(much)}<small>{escape(about)}</small></dd></div>"
        for what, much, about in numbers
    )
    return f'<dl class="tiles">{"".join(boxes)}</dl>'


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Numbers stand to the right; a phone scrolls it sideways."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def folded(summary: str, *body: str) -> str:
    """Shown when somebody asks for it."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(body)}</details>"


def chart(figure: go.Figure, alt: str) -> str:
    """As wide as the page, its title and what stands below it as words, which wrap. A phone scrolls several plots side
    by side. alt: what is to be seen, for who cannot see it.
    """
    figure, said = _without_title(figure)
    if not figure.data:
        return words(*(note.text for note in figure.layout.annotations))
    told = from_json(tamed(figure.to_json()))
    drawn = told.to_html(full_html=False, include_plotlyjs=False, config=_RESPONSIVE, default_width="100%")
    inside = f'<div class="plots">{drawn}</div>' if len(list(figure.select_xaxes())) > 1 else drawn
    return f'<figure role="img" aria-label="{escape(alt)}">{said}<div class="wide">{inside}</div></figure>'


def _without_title(figure: go.Figure) -> tuple[go.Figure, str]:
    figure = go.Figure(figure)
    title, subtitle = figure.layout.title.text or "", figure.layout.title.subtitle.text or ""
    lines = 1 + subtitle.count("<br>") if subtitle else 0
    margin = figure.layout.margin.t or figure.layout.template.layout.margin.t or 0
    figure.layout.title = None
    saved = min(_TITLE + _LINE * lines, max(0, margin - _LEAST))
    figure.update_layout(margin_t=margin - saved, height=figure.layout.height - saved)
    below = "".join(f"<br>{escape(part)}" for part in subtitle.split("<br>") if part)
    return figure, f"<figcaption><strong>{escape(title)}</strong>{below}</figcaption>"


def _cell(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = f"{value:,}" if isinstance(value, int) and number else f"{value:.4g}" if number else str(value)
    return f'<td class="number">{shown}</td>' if number else f"<td>{escape(shown)}</td>"
