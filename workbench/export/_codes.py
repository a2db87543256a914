"""Weights of an ONNX graph as integers where the file has codes: bit for bit the same floats once it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.encoded import Encoded
from ..core.values import Array, Codebook, FixedPoint, Levels

FLOAT = "float32"
_WORTHWHILE = 256
"""Entries from which one byte each and the nodes that decode them are fewer bytes than floats."""


@dataclass(frozen=True)
class _Scaled:
    """weight = (codes - zero) * scale. scale, zero: (g,), g = 1 or one for each row."""

    codes: Array
    scale: Array
    zero: Array

    def arrays(self) -> dict[str, Array]:
        scale, zero = (a.reshape(()) if a.size == 1 else a for a in (self.scale, self.zero))
        return {"codes": self.codes, "scale": scale, "zero": zero}

    def nodes(self, name: str) -> list[Any]:
        from onnx import helper

        given = [f"{name}.{part}" for part in ("codes", "scale", "zero")]
        return [helper.make_node("DequantizeLinear", given, [name], axis=0)]

    def decoded(self) -> Array:
        across = (-1, *[1] * (self.codes.ndim - 1))
        steps = self.codes.astype(np.float32) - self.zero.astype(np.float32).reshape(across)
        found: Array = steps * self.scale.reshape(across)
        return found

    def __str__(self) -> str:
        return f"{self.codes.dtype}, scaled"


@dataclass(frozen=True)
class _Looked:
    """weight = book[codes]."""

    codes: Array
    book: Array

    def arrays(self) -> dict[str, Array]:
        return {"codes": self.codes, "book": self.book}

    def nodes(self, name: str) -> list[Any]:
        from onnx import TensorProto, helper

        cast = helper.make_node("Cast", [f"{name}.codes"], [f"{name}.index"], to=TensorProto.INT32)
        return [cast, helper.make_node("Gather", [f"{name}.book", f"{name}.index"], [name])]

    def decoded(self) -> Array:
        found: Array = self.book[self.codes]
        return found

    def __str__(self) -> str:
        return f"{self.codes.dtype}, looked up"


def put_codes(model: Any, tensors: Mapping[str, Encoded]) -> dict[str, str]:
    """Replace float weights of an onnx.ModelProto by codes, in place: tensor -> how it is written now.

    A weight becomes codes only where what they decode to is what stands in the graph, to the last bit.
    """
    from onnx import numpy_helper

    written, nodes = {}, []
    for initializer in list(model.graph.initializer):
        encoded = tensors.get(initializer.name)
        if encoded is None:
            continue
        packed = _packed(encoded) if encoded.values.quantized else None
        if packed is None or not np.array_equal(packed.decoded(), numpy_helper.to_array(initializer)):
            written[initializer.name] = FLOAT
            continue
        name = initializer.name
        model.graph.initializer.remove(initializer)
        arrays = packed.arrays().items()
        model.graph.initializer.extend(numpy_helper.from_array(array, f"{name}.{part}") for part, array in arrays)
        nodes += packed.nodes(name)
        written[name] = str(packed)
    _in_front(model.graph, nodes)
    return written


def _in_front(graph: Any, nodes: list[Any]) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def _packed(encoded: Encoded) -> _Scaled | _Looked | None:
    """The tensor as bytes with what decodes them; None for kinds that have more bits, or when floats are smaller."""
    values = encoded.values
    if int(np.prod(encoded.shape)) < _WORTHWHILE:
        return None
    if isinstance(values, Codebook):
        return _looked(encoded, values)
    if isinstance(values, FixedPoint):
        zero = values.zero.astype(np.int64)
        steps = values.codes.astype(np.int64) - (zero[encoded.rows] if zero.size > 1 else zero)
        return _scaled(encoded, steps, values.scale)
    if isinstance(values, Levels):
        return _scaled(encoded, np.asarray(values.alphabet, np.int64)[values.codes], values.scale)
    return None


def _scaled(encoded: Encoded, steps: Array, scale: Array) -> _Scaled | None:
    """steps: (n,) whole multiples of the scale; None where one byte does not reach from the least to the greatest."""
    if scale.size not in (1, encoded.shape[0]):
        return None
    rows = _filled(encoded, steps, 0).reshape(scale.size, -1)
    low, high = np.minimum(0, rows.min(1)), np.maximum(0, rows.max(1))
    if int((high - low).max()) > 255:
        return None
    signed = low.min() >= -128 and high.max() <= 127
    kind, zero = (np.int8, np.zeros_like(low)) if signed else (np.uint8, -low)
    codes = (rows + zero[:, None]).reshape(encoded.shape)
    return _Scaled(codes.astype(kind), scale.astype(np.float32), zero.astype(kind))


def _looked(encoded: Encoded, values: Codebook) -> _Looked:
    """What is not stored looks up a zero behind the book."""
    book = values.book if encoded.keep is None else np.append(values.book, np.float32(0))
    codes = _filled(encoded, values.codes.astype(np.int64), len(values.book))
    return _Looked(codes.astype(np.uint8 if len(book) <= 256 else np.uint16), book.astype(np.float32))


def _filled(encoded: Encoded, stored: Array, other: int) -> Array:
    if encoded.keep is None:
        return stored.reshape(encoded.shape)
    whole = np.full(encoded.shape, other, np.int64)
    whole[encoded.keep] = stored
    return whole
