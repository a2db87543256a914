"""Weight sharing: the weights of a layer take one of a few values, found by k-means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.compressed import Compressed, Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.order import VALUES
from ...core.values import Codebook, bfloat16
from .._tuned import TunedLayerMethod
from ._kmeans import STARTS, Line, nearest

FLOAT, SHARED = "float", "shared"
FULL, SHORT = "float32", "bfloat16"


@dataclass(frozen=True)
class KmeansShare(TunedLayerMethod):
    """Cluster a layer's kept weights into 2^bits centroids; store an index per weight and the centroids.

    Weights that pruning has removed stay zero outside the codebook. Training tunes the centroids: a centroid's
    gradient is the sum over the weights that share it. Biases may be shared in the same way, which counts in files of
    few weights.
    """

    title = "k-means weight sharing"
    citation = (
        "Han, Mao, Dally 2016, arXiv:1510.00149; scalar k-means after Gong, Liu, Yang, Bourdev 2014, arXiv:1412.6115"
    )
    sets = VALUES
    axis = "bits"
    grows = True
    excused = {"neutral": "every width shares weights; a layer keeps its own values only where few are distinct"}

    bits: int = knob(5, "width of an index; the codebook holds 2^bits values", low=1, high=8, unit="bit")
    init: str = knob("linear", "where the centroids start", choices=STARTS)
    biases: str = knob(
        "float", "of the same layers: as they are, or shared too, by codebooks of their own", choices=(FLOAT, SHARED)
    )
    book: str = knob(
        FULL,
        "what a shared value is written as; bfloat16 has half the bytes and two to three digits",
        choices=(FULL, SHORT),
    )

    def apply(self, model: Compressed, context: Context) -> Compressed:
        for layer in self.targets(model, context):
            local, bias = self.at(layer.name, context), f"{layer.name}.bias"
            if local.biases == SHARED and model.network.get_submodule(layer.name).bias is not None:
                model.store(bias, local.encode(model.stored(bias), layer, context))
        return super().apply(model, context)

    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        stored = given.stored()
        if not stored.size:
            return given.with_values(Codebook(np.zeros(0, np.int32), np.zeros(1, np.float32)))
        seed = context.generator(self.id(), layer.name).initial_seed()
        centres = Line.of(stored).centres(2**self.bits, self.init, np.random.default_rng(seed))
        book = centres.astype(np.float32)
        book = np.unique(bfloat16(book) if self.book == SHORT else book)
        return given.with_values(Codebook(nearest(stored, book), book, short=self.book == SHORT))
