"""One tensor taken apart and put together: shape, support, values."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from ..core.encoded import CODERS, Encoded
from ..core.errors import FileError
from ..core.values import Array
from .kinds import KINDS, ROLES, Place, read_values, write_values
from .sink import Sink
from .support import NAMES, as_matrix, read_support, write_support
from .wire import Cursor, Payload

_MOST_AXES = 8
_HEADS = list(product(KINDS, ROLES, CODERS))


def write_tensor(sink: Sink, encoded: Encoded, role: str) -> None:
    """Describe and store one tensor; FileError if it is empty."""
    if 0 in encoded.shape:
        raise FileError(f"A tensor of shape {encoded.shape} is empty and cannot be stored.")
    meta = sink.meta
    meta.uint(_HEADS.index((encoded.values.kind, role, encoded.coder)))
    meta.uint(len(encoded.shape))
    for length in encoded.shape:
        meta.uint(length)
    write_support(sink, encoded)
    write_values(sink, encoded, role)
    sink.outputs = _outputs(encoded, sink.outputs)


def _outputs(encoded: Encoded, before: Array | None) -> Array | None:
    """How many entries each row of a matrix keeps; vectors leave what was known `before`."""
    if len(encoded.shape) < 2:
        return before
    if encoded.keep is None:
        return np.full(encoded.shape[0], math.prod(encoded.shape[1:]))
    counts: Array = np.count_nonzero(as_matrix(encoded.keep), 1)
    return counts


def read_tensor(meta: Cursor, payload: Payload, most: int) -> tuple[Encoded, str]:
    """A tensor and its role; FileError if it claims more than `most` entries."""
    kind, role, coder = _HEADS[meta.uint(len(_HEADS) - 1)]
    shape = tuple(meta.uint((1 << 31) - 1) for _ in range(meta.uint(_MOST_AXES)))
    if 0 in shape:
        raise FileError(f"The file claims an empty tensor, of shape {shape}.")
    if math.prod(shape) > most:
        raise FileError(f"The file claims a tensor of shape {shape} where {most} more entries are allowed.")
    support = meta.uint(len(NAMES) - 1)
    keep = read_support(support, shape, meta, payload)
    size = math.prod(shape)
    n = size if keep is None else int(keep.sum())
    values = read_values(kind, Place(n, shape, keep, role, meta, payload))
    encoded = Encoded(shape, values, keep, NAMES[support], coder)
    payload.outputs = _outputs(encoded, payload.outputs)
    return encoded, role
