"""Deep Compression: prune, share, Huffman-code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...core.compressed import CONV, LINEAR, Layer
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.method import Combination
from ...core.order import VALUES
from ...core.recipe import Step


@dataclass(frozen=True)
class DeepCompression(Combination):
    """Magnitude pruning, retraining, weight sharing, tuning of the centroids, then relative gaps and Huffman codes.

    Convolutions and linear layers have ratios and widths of their own, as published. With 0 epochs nothing is
    retrained, which is quick and costs accuracy.
    """

    title = "Deep Compression"
    citation = "Han, Mao, Dally 2016, arXiv:1510.00149"
    sets = VALUES
    axis = "linear_ratio"
    grows = False
    needs = ("fit",)
    excused = {
        "neutral": "it always shares weights and always writes gaps and Huffman codes",
        "monotone": "with few weights removed the gaps, which are always written, cost more than the removal saves",
    }

    conv_ratio: float = knob(0.6, "share of a convolution's weights that are removed", low=0.0, high=0.9, step=0.01)
    linear_ratio: float = knob(0.9, "share of a linear layer's weights that are removed", low=0.0, high=0.99, step=0.01)
    conv_bits: int = knob(8, "index width in convolutions", low=1, high=8, unit="bit")
    linear_bits: int = knob(5, "index width in linear layers", low=1, high=8, unit="bit")
    epochs: int = knob(2, "training epochs after pruning, and again after sharing", low=0, high=50)
    learning_rate: float = knob(1e-3, "of that training", low=1e-5, high=0.1, log=True)

    def steps(self, layers: Sequence[Layer]) -> tuple[Step, ...]:
        tuned = {"epochs": self.epochs, "learning_rate": self.learning_rate}
        kinds = [(CONV, self.conv_ratio, self.conv_bits), (LINEAR, self.linear_ratio, self.linear_bits)]
        present = [(tuple(x.name for x in layers if x.kind == kind), r, b) for kind, r, b in kinds]
        present = [entry for entry in present if entry[0]]
        prune = [Step("prune.magnitude_iter", {"pruning_ratio": r}, names) for names, r, _ in present]
        share = [Step("quant.kmeans_share", {"bits": b}, names) for names, _, b in present]
        for chain in (prune, share):  # both kinds of layer first, then one training for the whole network
            chain[-1] = replace(chain[-1], knobs={**chain[-1].knobs, **tuned})
        return (*prune, *share)

    def coding(self, encoded: Encoded) -> Encoded:
        support = encoded.support if encoded.keep is None else "gaps"
        return replace(encoded, support=support, coder="huffman")
