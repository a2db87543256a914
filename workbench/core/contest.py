"""A contest of files: the smallest one that still answers well enough wins."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from .errors import WorkbenchError

MOST_NAME = 24
MOST_FILE = 4_000_000
"""Bytes of an entry; the dense networks that a class compresses are smaller."""


@dataclass(frozen=True)
class Rule:
    """At least `least` of the held-out images of `dataset` right, a share; the smallest file wins."""

    dataset: str = "digits"
    least: float = 0.98

    def __str__(self) -> str:
        return f"the smallest file with at least {100 * self.least:g} % right on {self.dataset}"


@dataclass(frozen=True)
class Entry:
    """One file that was handed in and scored. handed_in: ISO 8601, UTC; number: counts entries from 1."""

    number: int
    name: str
    file_bytes: int
    correct: int
    n: int
    network: str
    steps: str
    handed_in: str

    @property
    def accuracy(self) -> float:
        """Share of right answers, in [0, 1]."""
        return self.correct / self.n

    def meets(self, rule: Rule) -> bool:
        """Counted in images, so that 98 % of 350 is 343 and nothing hangs on the last digit of a division."""
        return self.correct >= rule.least * self.n - 1e-9


def standing(entries: list[Entry], rule: Rule) -> list[Entry]:
    """The best entry of each name that meets the rule, the smallest file first, of equal ones the earlier."""
    best: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda e: (e.file_bytes, e.number)):
        if entry.meets(rule):
            best.setdefault(entry.name.casefold(), entry)
    return list(best.values())


def entrant(name: str) -> str:
    """The name as the board writes it; WorkbenchError where it is none: letters, digits, spaces and - _ . ' alone."""
    tidy = " ".join(unicodedata.normalize("NFC", name).split(" ")).strip(" ")
    fine = tidy and len(tidy) <= MOST_NAME and any(c.isalnum() for c in tidy)
    if not fine or not all(c.isalnum() or c in " -_.'" or unicodedata.category(c) in ("Mn", "Mc") for c in tidy):
        raise WorkbenchError(
            f"A name has 1 to {MOST_NAME} letters, digits, spaces or - _ . ' in it; got {_shown(name)}."
        )
    return " ".join(tidy.split())


def checked_least(least: float) -> float:
    """WorkbenchError unless it is a share above 0 and up to 1."""
    if not 0 < least <= 1:
        raise WorkbenchError(f"The accuracy that an entry needs must be a share in (0, 1]; got {least}.")
    return least


def _shown(name: str) -> str:
    short = name if len(name) <= 40 else name[:37] + "..."
    return ascii(short)
