"""What is to be said about an exported file, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.exported import Check, Exported
from ..layers.circulant import CirculantLinear
from ..networks.artifact import Loaded
from ._check import rounds
from ._codes import FLOAT


def notes_of(record: Exported, loaded: Loaded) -> tuple[str, ...]:
    """Size, agreement, and what the format lacks."""
    return tuple(_sentences(record, loaded))


def _sentences(record: Exported, loaded: Loaded) -> Iterator[str]:
    yield _size(record)
    if record.check is not None:
        yield _agreement(record.check)
    else:
        yield "Read back, every weight is the same to the last bit."
    circulant = [path for path, m in loaded.network.named_modules() if isinstance(m, CirculantLinear)]
    if circulant and record.check is not None:
        yield (
            f"{', '.join(circulant)}: only the columns of the circulant blocks are stored, and multiplied out when the "
            "file runs, which takes as many products as a dense layer."
        )
    if rounds(loaded.network):
        yield "Activations are rounded where the file says so, and computed with in float32: simulated, as here."


def _size(record: Exported) -> str:
    codes = sum(how != FLOAT for how in record.stored.values())
    how = f"{codes} of {len(record.stored)} tensors take a byte a weight" if codes else "every weight takes four bytes"
    times = record.file_bytes / record.wbz_bytes
    return (
        f"{record.file_bytes:,} bytes, {times:.1f} times the .wbz ({record.wbz_bytes:,}): {how}, zeros too, and "
        "nothing is entropy coded."
    )


def _agreement(check: Check) -> str:
    images = f"{check.n:,} {check.split} images"
    if check.same_answers:
        said = f"the same answers as torch to all {images}"
    else:
        said = f"other answers than torch to {check.n - check.same} of {images}"
    return (
        f"{check.runtime} gives {said}; scores differ by at most {check.largest_difference:.2g} and reach "
        f"{check.largest_score:.3g}."
    )
