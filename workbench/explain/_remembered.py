"""Remember what depends on a network and on images, so that the next click does not pay for it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from ..core.context import Batch
from ..core.memo import remember
from ..core.values import Array

T = TypeVar("T")


def key_of(network: nn.Module, batch: Batch) -> Array:
    """A digest of the architecture, its weights and the images with their labels."""
    digest = hashlib.blake2b(repr((type(network), network)).encode())
    for name, tensor in (*network.state_dict().items(), ("images", batch.images), ("labels", batch.labels)):
        if isinstance(tensor, Tensor):
            digest.update(repr((name, tuple(tensor.shape), tensor.dtype)).encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def known(what: object, key: Array, compute: Callable[[], T]) -> T:
    """`compute()`, or what it gave the last time under the same key. The result is shared: do not change it."""
    return remember(repr(what), key, compute)
