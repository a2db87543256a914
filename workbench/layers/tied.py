"""Training what is stored: while held, an optimizer sees codebooks, scales and kept weights, and nothing else.

The codes stay as they are; a shared value's gradient is the sum over all weights that share it (Han et al. 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..core.compressed import Compressed
from ..core.encoded import Encoded
from ..core.layer import tensors_of
from ..core.values import Array, Codebook, FixedPoint, Floats, Levels, ProductCodes, Values, bfloat16


@contextmanager
def held(model: Compressed) -> Iterator[None]:
    """Inside, every tensor in `model.encoded` is a function of its real parameters, found by `network.parameters()`.

    Floats and Latent: the kept entries; Codebook: the book; FixedPoint and Levels: the scale; ProductCodes: the
    books. On leaving, also by an exception, the network's own tensors are back, equal to what `model.encoded` now
    decodes to.
    """
    ties = {name: _TIES[type(encoded.values)](encoded) for name, encoded in model.encoded.items()}
    entered: list[str] = []
    places = {name: _places(model.network, name) for name in ties}
    orders = {module: list(module._parameters) for module in model.network.modules()}
    try:
        for name, tie in ties.items():
            _hold(places[name], tie)
            entered.append(name)
        yield
    finally:
        for name in entered:
            _release(model, name, places[name], ties[name])
        for module, order in orders.items():
            module._parameters = {name: module._parameters[name] for name in order}


class _Tie(nn.Module):
    """A weight as a function of a smaller tensor. forward: real parameters -> (shape); right_inverse: back."""

    def __init__(self, encoded: Encoded) -> None:
        super().__init__()
        self.encoded = encoded

    def right_inverse(self, weight: Tensor) -> Tensor:
        return torch.from_numpy(np.array(self.start(), np.float32))

    def start(self) -> Array:
        """The real parameters as they are stored now."""
        raise NotImplementedError

    def values(self, real: Array) -> Values:
        """The stored values with other real parameters."""
        raise NotImplementedError

    def _decoded(self, values: Values) -> Tensor:
        """Other values in the same places, 0 where nothing is stored: (shape)."""
        return torch.from_numpy(self.encoded.with_values(values).decode())


class _Kept(_Tie):
    """Plain weights; those that are not stored are zero and get no gradient."""

    def __init__(self, encoded: Encoded) -> None:
        super().__init__(encoded)
        keep = np.ones(encoded.shape, bool) if encoded.keep is None else encoded.keep
        self.keep = torch.from_numpy(np.array(keep))

    def start(self) -> Array:
        return self.encoded.decode()

    def forward(self, real: Tensor) -> Tensor:
        return torch.where(self.keep, real, 0.0)

    def values(self, real: Array) -> Values:
        return Floats(real[self.keep.numpy()])


class _Shared(_Tie):
    """book: (k,); the weight picks from it, and from a fixed 0 in front for what is not stored."""

    def __init__(self, encoded: Encoded) -> None:
        super().__init__(encoded)
        assert isinstance(encoded.values, Codebook)
        self.book = encoded.values
        self.index = self._decoded(Floats((self.book.codes + 1).astype(np.float32))).reshape(-1).long()

    def start(self) -> Array:
        return self.book.book

    def forward(self, real: Tensor) -> Tensor:
        book = real + (real.detach().bfloat16().float() - real.detach()) if self.book.short else real
        table = torch.cat([real.new_zeros(1), book])
        return table.index_select(0, self.index).reshape(self.encoded.shape)

    def values(self, real: Array) -> Values:
        return replace(self.book, book=bfloat16(real) if self.book.short else real)


class _Scaled(_Tie):
    """weight = scale * whole steps, one scale for all or one per row, binary ones straight through.

    What learns is (g,) the scale times about the root mean square of the steps, and so of the size of a weight: a
    scale itself may be a thousandth, and a rate that suits weights would throw it about.
    """

    def __init__(self, encoded: Encoded) -> None:
        super().__init__(encoded)
        assert isinstance(encoded.values, FixedPoint | Levels)
        self.scaled = encoded.values
        self.steps = self._decoded(replace(self.scaled, scale=np.ones_like(self.scaled.scale)))
        mean = float(self.steps.square().sum()) / max(1, self.scaled.n)
        self.size = 2.0 ** round(math.log2(mean) / 2) if mean else 1.0  # a power of two, so that nothing is rounded

    def start(self) -> Array:
        return self.scaled.scale * np.float32(self.size)

    def forward(self, real: Tensor) -> Tensor:
        scale = self._scale(real)
        return self.steps * scale.reshape(-1, *[1] * (self.steps.ndim - 1))

    def values(self, real: Array) -> Values:
        return replace(self.scaled, scale=self._scale(torch.from_numpy(real)).numpy())

    def _scale(self, real: Tensor) -> Tensor:
        scale = real / self.size
        if isinstance(self.scaled, FixedPoint) and self.scaled.binary:
            return _Nearest.apply(scale)  # type: ignore[no-any-return, no-untyped-call]
        return scale


class _Nearest(torch.autograd.Function):
    """The power of two nearest in its exponent; gradients go straight through."""

    @staticmethod
    def forward(ctx: Any, scale: Tensor) -> Tensor:
        smallest = torch.finfo(scale.dtype).tiny
        return torch.exp2(torch.round(torch.log2(scale.clamp_min(smallest))))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


class _Product(_Tie):
    """books: (s, k, d); block j of a row is one of books[j]."""

    def __init__(self, encoded: Encoded) -> None:
        super().__init__(encoded)
        assert isinstance(encoded.values, ProductCodes)
        self.product = encoded.values
        self.codes = torch.from_numpy(self.product.codes.astype(np.int64))

    def start(self) -> Array:
        return self.product.books

    def forward(self, real: Tensor) -> Tensor:
        return real[torch.arange(len(real)), self.codes].reshape(self.encoded.shape)

    def values(self, real: Array) -> Values:
        return replace(self.product, books=real)


@dataclass(frozen=True, eq=False)
class Latent(Floats):
    """Plain weights that run quantized while they are held, and learn by gradients that pass straight through.

    encode: how the weights would be stored; soft: (weight, keep) -> a smooth function of the weight whose gradient
    stands in for that of encoding. For training only: what is stored in the end is what `encode` gives.
    """

    encode: Callable[[Encoded], Encoded]
    soft: Callable[[Tensor, Tensor], Tensor]

    def take(self, kept: Array) -> Latent:
        return replace(self, data=self.data[kept])


class _Quantized(_Kept):
    """What encoding the kept weights gives, with the gradient of `soft`."""

    def __init__(self, encoded: Encoded) -> None:
        super().__init__(encoded)
        assert isinstance(encoded.values, Latent)
        self.latent = encoded.values

    def forward(self, real: Tensor) -> Tensor:
        kept = super().forward(real)
        soft = self.latent.soft(kept, self.keep)
        given = self.encoded.with_values(Floats(kept.detach().numpy()[self.keep.numpy()]))
        hard = torch.from_numpy(self.latent.encode(given).decode())
        return soft + (hard - soft).detach()

    def values(self, real: Array) -> Values:
        return replace(self.latent, data=real[self.keep.numpy()])


_TIES = {
    Floats: _Kept,
    Codebook: _Shared,
    FixedPoint: _Scaled,
    Levels: _Scaled,
    ProductCodes: _Product,
    Latent: _Quantized,
}


Place = tuple[nn.Module, str]
"""A module and the name of one of its parameters."""


def _places(network: nn.Module, tensor: str) -> list[Place]:
    """Where the tensor stands: several places when modules share it, the one it is named by first."""
    names = next(names for names, _ in tensors_of(network) if tensor in names)
    found = {}
    for name in sorted(names, key=tensor.__ne__):
        path, _, attribute = name.rpartition(".")
        module = network.get_submodule(path)
        found[id(module), attribute] = module, attribute
    return list(found.values())


def _hold(places: list[Place], tie: _Tie) -> None:
    """Every place computes its weight from the same real parameters."""
    for module, attribute in places:
        getattr(module, attribute).grad = None  # it would not fit the real parameters
        parametrize.register_parametrization(module, attribute, tie, unsafe=True)
    first, *others = [_real(place) for place in places]
    for other in others:
        other.original = first.original


def _real(place: Place) -> Any:
    module, attribute = place
    tied: Any = module.parametrizations
    return tied[attribute]


def _release(model: Compressed, name: str, places: list[Place], tie: _Tie) -> None:
    """The plain tensor back in its places, with what the trained real parameters decode to."""
    real = _real(places[0]).original.detach()
    model.encoded[name] = tie.encoded.with_values(tie.values(real.numpy().copy()))
    for place in places[1:]:  # torch takes each parametrization out by writing into its original
        _real(place).original = nn.Parameter(real.clone())
    for module, attribute in places:
        parametrize.remove_parametrizations(module, attribute, leave_parametrized=True)
    module, attribute = places[0]
    with torch.no_grad():
        weight = getattr(module, attribute)
        weight.grad = None
        weight.copy_(torch.from_numpy(model.encoded[name].decode()))
    for module, attribute in places[1:]:
        module._parameters[attribute] = weight
