"""Everything there is to see inside a compressed network, the quick things first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from ..core.compressed import Compressed
from ..core.context import Batch
from ..core.inside import Inside
from ..core.progress import Progress
from .answers import shuffled
from .directions import directions, factorised
from .levels import levels
from .noise import noise
from .pictures import pictures

IMAGES = 256


def inside(
    dense: nn.Module, compressed: Compressed, batch: Batch, *, split: str, progress: Progress | None = None
) -> Iterator[Inside]:
    """On at most IMAGES images of the batch, picked at random. Raises Cancelled within some chunks of images.

    WorkbenchError when the images do not fit. Neither network is changed.
    """
    progress = progress or Progress()
    indices = shuffled(len(batch.labels))[:IMAGES]
    some = Batch(batch.images[indices], batch.labels[indices])
    stored, lowrank = levels(dense, compressed), bool(factorised(dense, compressed))
    found = Inside(split, 0, len(indices), (), None, stored)
    for n, rows, answer in noise(dense, compressed, some, progress.part(0.0, 0.6 if lowrank else 1.0)):
        found = replace(found, n=n, noise=rows, answer=answer, complete=n == len(indices) and not lowrank)
        yield found
    if lowrank:
        lost = directions(dense, compressed, some, progress.part(0.6, 1.0), indices=indices)
        named = list(dict.fromkeys(index for one in lost for index in one.indices))
        labels = dict(zip(named, batch.labels[torch.tensor(named, dtype=torch.int64)].tolist(), strict=True))
        yield replace(found, directions=lost, pictures=pictures(batch, named), labels=labels, complete=True)
