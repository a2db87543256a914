"""A cell that is run again: what it made before is closed, since nobody can reach it any more."""

from __future__ import annotations

from typing import Any, Protocol

_made: dict[str, tuple[str, list[Closes]]] = {}
"""Cell -> its newest run and what that made."""


class Closes(Protocol):
    """Something with widgets and a worker."""

    def close(self) -> None: ...


def running() -> tuple[str, str]:
    """(cell, run) of the notebook's cell that runs now; ("", "") elsewhere, and where the notebook does not tell."""
    try:
        from IPython import get_ipython
    except ImportError:
        return "", ""
    parent: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    return parent.get("metadata", {}).get("cellId", ""), parent.get("header", {}).get("msg_id", "")


def replace_earlier(page: Closes) -> None:
    """Close what an earlier run of this cell made; pages that one run makes stay together."""
    cell, run = running()
    if not cell:
        return
    before, pages = _made.get(cell, (run, []))
    if before != run:
        for each in pages:
            each.close()
        pages = []
    _made[cell] = run, [*pages, page]
