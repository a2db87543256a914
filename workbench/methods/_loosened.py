"""Training in which a weight may leave its shared value for another one; a file says so by another code."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ..core.compressed import Compressed
from ..core.context import Context, Loss
from ..core.encoded import Encoded
from ..core.knob import knob
from ..core.values import Array, Codebook, bfloat16
from ..layers.tied import Latent

KEPT, FREE = "kept", "free"


def codes_knob() -> Any:
    """Of a method that trains what the steps before have left."""
    return knob(
        KEPT,
        "of weights that share values: kept, so that the values alone learn, or free, so that each weight learns and "
        "runs as the nearest value, which follows the mean of its weights",
        choices=(KEPT, FREE),
        whole=True,
    )


def trained(
    model: Compressed,
    context: Context,
    *,
    owner: str,
    epochs: int,
    learning_rate: float,
    codes: str,
    loss: Loss | None = None,
) -> Compressed:
    """`model` after training, with its codes kept or free; loss: cross-entropy when None.

    Free ones learn straight through (Bengio, Leonard, Courville 2013, arXiv:1308.3432): the network runs with shared
    values, and gradients reach the weight behind each. Removed weights stay zero. Codes of other kinds are kept.
    """
    fit = context.lent_fit(owner)
    loose = _loose(model) if codes == FREE else {}
    for name, book in loose.items():
        model.encoded[name] = book.latent(model.stored(name))
    model = fit(model, context, epochs=epochs, learning_rate=learning_rate, loss=loss)
    for name, book in loose.items():
        model.store(name, book.encode(model.stored(name)))
    return model


def _loose(model: Compressed) -> dict[str, Following]:
    stored = {name: encoded.values for name, encoded in model.encoded.items()}
    return {name: Following(values) for name, values in stored.items() if isinstance(values, Codebook) and values.n}


class Following:
    """A book whose values follow the weights that are nearest to them, by one step of Lloyd's at every encoding."""

    def __init__(self, values: Codebook) -> None:
        order = np.argsort(values.book, kind="stable")
        self.short, self.centres = values.short, values.book[order].astype(np.float64)

    def encode(self, given: Encoded) -> Encoded:
        """`given` with shared values. What no weight is near to stays in the book where it is."""
        weight = given.stored()
        codes = self._nearest(weight)
        count = np.bincount(codes, minlength=self.centres.size)
        total = np.bincount(codes, weight, self.centres.size)
        self.centres = np.where(count > 0, total / np.maximum(count, 1), self.centres)
        return given.with_values(Codebook(self._nearest(weight), self._book(), short=self.short))

    def latent(self, given: Encoded) -> Encoded:
        """The same weights, to be trained."""
        return given.with_values(Latent(given.stored(), self.encode, _as_it_is))

    def _book(self) -> Array:
        book = self.centres.astype(np.float32)
        return bfloat16(book) if self.short else book

    def _nearest(self, weight: Array) -> Array:
        book = self._book()
        return np.searchsorted((book[1:] + book[:-1]) / 2, weight).astype(np.int32)


def _as_it_is(weight: Tensor, keep: Tensor) -> Tensor:
    return weight
