"""What compression cost, for a terminal and for a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.costs import Costs
from ..figures import classes, flips
from ..texts import columns


def costs_json(found: Costs) -> dict[str, Any]:
    """The numbers of what compression cost, without pictures."""
    return {
        "split": found.split,
        "n": found.n,
        "change": found.pairs.change,
        "interval": found.pairs.interval(),
        "flips": [
            {"image": f.index, "label": f.label, "dense": f.dense, "compressed": f.compressed, "lost": f.lost}
            for f in found.flips
        ],
        "classes": [
            {"label": c.label, "change": c.pairs.change, "interval": (c.low, c.high), "p_value": c.p_value}
            for c in found.classes
        ],
        "hidden": [c.label for c in found.hidden],
    }


def explained_text(found: Costs, names: Sequence[str], report: Path | None) -> str:
    """What compression cost, class by class, and the images that it cost most."""
    by_class, flipped = classes.view(found, classes=names), flips.view(found, classes=names)
    rows = [tuple(row.values()) for row in classes.table(by_class)]
    head = tuple(classes.table(by_class)[0])
    gone = flips.table(flipped)[:10]
    images = [tuple(gone[0]), *(tuple(row.values()) for row in gone)] if gone else []
    parts = [by_class.sentence.replace("<br>", ". "), *by_class.warnings, columns([head, *rows]), flipped.sentence]
    parts += [columns(images)] if images else []
    said = f"The report is in {report}." if report else "With -o report.html this becomes a page with every picture."
    return "\n\n".join([*parts, said])
