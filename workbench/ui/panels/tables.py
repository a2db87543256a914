"""The same numbers as a table, folded away beside its chart."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def folded(rows: Sequence[dict[str, str]], title: str = "Show as table") -> str:
    """HTML of rows that have the same keys; "" without a row."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row.values()) + "</tr>" for row in rows)
    table = f'<table class="wb-table"><tr>{head}</tr>{body}</table>'
    return f"<details><summary>{escape(title)}</summary>{table}</details>"
