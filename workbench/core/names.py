"""How a sentence names what there is to choose from."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

MOST = 24
"""More names than these are no sentence any more."""


def listed(names: Iterable[str], wanted: str = "") -> str:
    """`a, b, c` in their order; of more than MOST those spelled most like `wanted`, the likest first, `and 12 more`."""
    names = list(names)
    if len(names) <= MOST:
        return ", ".join(names)
    matcher = SequenceMatcher()
    matcher.set_seq2(wanted[:80].lower())

    def unlike(name: str) -> float:
        matcher.set_seq1(name.lower())
        return -matcher.ratio()

    return f"{', '.join(sorted(names, key=unlike)[:MOST])} and {len(names) - MOST} more"
