"""How alike the maps of two networks are over many images, growing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from ..core.attribution import Likeness, Similarity
from ..core.memo import remember
from ..core.progress import Progress
from ..core.values import Array
from .attribution import answers_of, flat_maps
from .likeness import similarity

MOST = 64
"""Images over which maps are compared in the app, and CHUNK of them at once."""
CHUNK = 4


def likeness(
    method: str,
    dense: nn.Module,
    compressed: nn.Module,
    images: Tensor,
    *,
    places: Sequence[int] | None = None,
    weights: str = "",
    progress: Progress,
) -> Iterator[Likeness]:
    """Growing: each image explained for the dense network's answer.

    images: (n, c, h, w); places: their indices in the split, 0 to n - 1 when None. weights: names the dense network's
    content, so that its maps are made once for all of its compressed forms. WorkbenchError where the method is off;
    Cancelled.
    """
    found: list[Similarity] = []
    places = range(len(images)) if places is None else places
    for start in range(0, len(images), CHUNK):
        batch = images[start : start + CHUNK]
        part = progress.part(start / len(images), min(1.0, (start + CHUNK) / len(images)))
        before = _dense_maps(method, dense, batch, weights, part.part(0.0, 0.5))
        after = flat_maps(method, compressed, batch, answers_of(dense, batch), part.part(0.5, 1.0))
        found += [similarity(a, b) for a, b in zip(before, after, strict=True)]
        yield Likeness(method, tuple(places[: len(found)]), tuple(found), len(images))


def _dense_maps(method: str, dense: nn.Module, images: Tensor, weights: str, progress: Progress) -> Array:
    def compute() -> Array:
        return flat_maps(method, dense, images, answers_of(dense, images), progress)

    return remember(f"{method} of {weights}", images.numpy(), compute) if weights else compute()
