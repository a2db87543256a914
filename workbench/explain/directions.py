"""What a factorised layer lost: its spectrum with the cut, and which images the discarded directions answer to."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..core.compressed import Compressed
from ..core.context import Batch
from ..core.inside import Directions, Spectrum
from ..core.layer import layers_of
from ..core.memo import remember
from ..core.progress import Progress
from ..core.values import Array
from ..layers.activations import bare
from ..layers.chain import ConvChain
from ..layers.factorised import FactorisedConv2d, FactorisedLinear
from ..measure.evaluate import device_of, fast_copy, laid_out
from .noise import CHUNK, watching

SHOWN = 8
_ROWS, _COLUMNS = "outputs × inputs", "outputs and kernel × inputs"
_OUT, _IN = "outputs (Tucker: channels out)", "inputs (Tucker: channels in)"
DIFFERENCE = "what the layer gives less what takes its place, for no order of directions was cut"

Lost = Callable[[Tensor], Tensor]
"""The response along the discarded directions to what the dense layer is given."""


class _Cut(NamedTuple):
    """What is known about one factorised layer."""

    spectra: tuple[Spectrum, ...]
    lost: Lost
    note: str = ""


def factorised(dense: nn.Module, compressed: Compressed) -> list[str]:
    """The layers of `dense` that are stored as factors now."""
    modules = dict(compressed.network.named_modules())
    kinds = FactorisedLinear | FactorisedConv2d | ConvChain
    return [layer.name for layer in layers_of(dense) if isinstance(modules.get(layer.name), kinds)]


def directions(
    dense: nn.Module, compressed: Compressed, batch: Batch, progress: Progress, *, indices: Tensor
) -> tuple[Directions, ...]:
    """One record for each factorised layer. batch: the images that are looked at; indices: (n,) theirs in the split.

    Raises Cancelled between two chunks; neither network is changed.
    """
    names = factorised(dense, compressed)
    if not names:
        return ()
    twin = fast_copy(dense)
    cuts = {name: _cut(twin.get_submodule(name), compressed.network.get_submodule(name)) for name in names}
    sums = {name: _Sums() for name in names}
    for start in range(0, len(batch.labels), CHUNK):
        progress("following the discarded directions", start / len(batch.labels))
        images = laid_out(batch.images[start : start + CHUNK], device_of(twin))
        with torch.inference_mode(), watching(twin, names) as seen:
            twin(images)
            for name, calls in seen.items():
                for given, gave in calls[:1]:
                    sums[name].add(gave, cuts[name].lost(given))
    return tuple(_record(name, cuts[name], sums[name], batch.labels, indices) for name in names)


def _cut(layer: nn.Module, factors: nn.Module) -> _Cut:
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    weight = layer.weight.detach().contiguous()
    if isinstance(factors, ConvChain):
        return _of_chain(layer, weight, factors)
    assert isinstance(factors, FactorisedLinear | FactorisedConv2d)
    wide = isinstance(factors, FactorisedLinear) or factors.wide_first
    matrix = weight.flatten(1) if wide else weight.permute(0, 2, 3, 1).flatten(0, 2)
    # The method that cut it remembers the same under the same name, so that a large layer is not decomposed twice.
    u, s, vh = remember("svd", np.asarray(matrix), lambda: tuple(torch.linalg.svd(matrix, full_matrices=False)))
    rank = _width(bare(factors.first))
    rest = (u[:, rank:] * s[rank:]) @ vh[rank:]
    if not wide:
        out, _, kh, kw = weight.shape
        rest = rest.reshape(out, kh, kw, -1).permute(0, 3, 1, 2)
    spectrum = Spectrum(_ROWS if wide or weight.shape[2:] == (1, 1) else _COLUMNS, s.numpy(), rank)
    return _Cut((spectrum,), _with_weight(layer, rest.reshape(weight.shape)))


def _of_chain(layer: nn.Module, weight: Tensor, chain: ConvChain) -> _Cut:
    """Tucker-2 cuts outputs and inputs; CP has no order, so that nothing can be called discarded but the difference."""
    parts = {name: bare(part) for name, part in chain.named_children()}
    spectra = []
    if "core" in parts:
        core = parts["core"]
        assert isinstance(core, nn.Conv2d)
        for reading, axis, rank in ((_OUT, 0, core.out_channels), (_IN, 1, core.in_channels)):
            values = torch.linalg.svdvals(weight.transpose(0, axis).flatten(1)).numpy()
            spectra.append(Spectrum(reading, values, rank))
    put = fast_copy(chain)
    return _Cut(tuple(spectra), lambda given: layer(given) - put(given), DIFFERENCE)


def _with_weight(layer: nn.Module, weight: Tensor) -> Lost:
    """The same layer with another weight and without a bias."""
    twin = copy.deepcopy(layer)
    twin.weight = nn.Parameter(weight, requires_grad=False)
    twin.register_parameter("bias", None)
    return twin


def _width(first: nn.Module) -> int:
    assert isinstance(first, nn.Conv2d | nn.Linear)
    return first.out_channels if isinstance(first, nn.Conv2d) else first.out_features


class _Sums:
    """Moments of a layer's output and of what was discarded from it, image by image."""

    def __init__(self) -> None:
        self.whole, self.lost = _Moments(), _Moments()
        self.each: list[Tensor] = []

    def add(self, gave: Tensor, lost: Tensor) -> None:
        self.whole.add(gave)
        self.lost.add(lost)
        power = torch.linalg.vector_norm(lost, dim=tuple(range(1, lost.ndim))).double().square()
        self.each.append(power / lost[0].numel())


class _Moments:
    """Of each channel, over images and places."""

    def __init__(self) -> None:
        self.n, self.total, self.squared = 0, torch.zeros(()), torch.zeros(())

    def add(self, values: Tensor) -> None:
        others = tuple(axis for axis in range(values.ndim) if axis != (1 if values.ndim == 4 else values.ndim - 1))
        self.n += math.prod(values.shape[axis] for axis in others)
        self.total = self.total + values.sum(others, dtype=torch.float64)
        self.squared = self.squared + values.square().sum(others, dtype=torch.float64)

    @property
    def variance(self) -> float:
        """Mean over the channels."""
        return float((self.squared / self.n - (self.total / self.n).square()).mean())


def _record(name: str, cut: _Cut, sums: _Sums, labels: Tensor, indices: Tensor) -> Directions:
    whole = sums.whole.variance
    each = (torch.cat(sums.each) / whole).numpy() if whole else np.zeros(len(labels))
    top = np.argsort(-each, kind="stable")[:SHOWN]
    return Directions(
        layer=name,
        spectra=cut.spectra,
        lost=sums.lost.variance / whole if whole else 0.0,
        indices=tuple(indices[torch.from_numpy(top)].tolist()),
        responses=tuple(each[top].tolist()),
        by_class=_by_class(each, labels.numpy()),
        n=len(labels),
        note=cut.note,
    )


def _by_class(each: Array, labels: Array) -> Array:
    counts = np.bincount(labels)
    with np.errstate(invalid="ignore"):
        found: Array = np.bincount(labels, each) / counts
    return found
