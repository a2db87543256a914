"""What somebody wrote on a measured run."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import WorkbenchError

MOST = 60
"""Characters of a name."""


@dataclass(frozen=True)
class Label:
    """name: what the run is called, or empty. pinned: whether it stands first in the history."""

    name: str = ""
    pinned: bool = False


def run_name(text: str) -> str:
    """The text as a name, its spaces tidied; WorkbenchError when it is too long or cannot be printed."""
    name = " ".join(text.split())
    if len(name) > MOST or not name.isprintable():
        raise WorkbenchError(f"The name of a run has at most {MOST} printable characters; this one has {len(name)}.")
    return name
