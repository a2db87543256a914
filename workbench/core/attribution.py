"""The same image explained twice: what the dense and what the compressed network looked at."""

from __future__ import annotations

from dataclasses import dataclass

from .values import Array


@dataclass(frozen=True, eq=False)
class AttributionPair:
    """Attribution maps of one image for one class, from both networks.

    index, label: of a validation image; None for a picture that the person brought, whose class nobody has said.
    image: (channels, height, width) in [0, 1]; dense, compressed: (height, width) signed, in units of the target's
    score; probabilities are those of `target`; predictions are the classes that each network answers.
    """

    method: str
    index: int | None
    label: int | None
    target: int
    image: Array
    dense: Array
    compressed: Array
    dense_probability: float
    compressed_probability: float
    dense_prediction: int
    compressed_prediction: int
    similarity: float
    note: str = ""

    @property
    def difference(self) -> Array:
        """compressed - dense, (height, width)."""
        return self.compressed - self.dense
