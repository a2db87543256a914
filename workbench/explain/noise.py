"""How much of a layer's signal is error now: what it adds itself, and what comes to it from the layers before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.compressed import Compressed
from ..core.context import Batch
from ..core.inside import LayerNoise, Ratio
from ..core.layer import Layer, layers_of
from ..core.progress import Progress
from ..core.records import Decision
from ..core.values import Array
from ..layers.activations import bare
from ..layers.factorised import FactorisedConv2d, FactorisedLinear
from ..measure.evaluate import check_fit, device_of, fast_copy, laid_out

CHUNK, DRAWS = 32, 400


@dataclass
class _Power:
    """Squared signal and squared error of each image, (n,) in the end."""

    signal: list[Tensor] = field(default_factory=list)
    error: list[Tensor] = field(default_factory=list)

    def add(self, wanted: Tensor, got: Tensor) -> None:
        each = tuple(range(1, wanted.ndim))
        self.signal.append(torch.linalg.vector_norm(wanted, dim=each).double().square())
        self.error.append(torch.linalg.vector_norm(wanted - got, dim=each).double().square())

    def ratio(self) -> Ratio:
        return ratio_of(torch.cat(self.signal).numpy(), torch.cat(self.error).numpy())


def ratio_of(signal: Array, error: Array) -> Ratio:
    """signal, error: (n,) sums of squares, one for each image."""
    again = _again(len(signal))
    drawn = [decibels(s, e) for s, e in zip(again @ signal, again @ error, strict=True)]
    low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")
    return Ratio(decibels(signal.sum(), error.sum()), float(low), float(high))


@lru_cache(maxsize=4)
def _again(n: int) -> Array:
    """(DRAWS, n): how often each image is taken when n are drawn with replacement."""
    drawn: Array = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)
    return drawn


def decibels(signal: float, error: float) -> float:
    """10 log10(signal / error); infinite without error."""
    if error == 0:
        return float("inf")
    return float(10 * np.log10(signal / error)) if signal > 0 else float("-inf")


def noise(
    dense: nn.Module, compressed: Compressed, batch: Batch, progress: Progress, *, first: int = 64
) -> Iterator[tuple[int, tuple[LayerNoise, ...], Ratio]]:
    """(images so far, every layer of `dense`, the answers), after `first` images and after all of the batch.

    Raises Cancelled between two chunks, WorkbenchError when the images do not fit; neither network is changed.
    """
    meter, total = _Meter(dense, compressed, batch), len(batch.labels)
    for start in range(0, total, CHUNK):
        progress("comparing activations", start / total)
        chunk = batch.images[start : start + CHUNK]
        with torch.inference_mode():
            meter.add(chunk)
        done = start + len(chunk)
        if done == total or start < first <= done:
            yield done, meter.rows(), meter.answer.ratio()


class _Meter:
    """Runs both networks and adds up what each layer gives in them."""

    def __init__(self, dense: nn.Module, compressed: Compressed, batch: Batch) -> None:
        self._dense, self._compressed = dense, compressed
        self._ours, self._theirs = fast_copy(dense), fast_copy(compressed.network)
        for runner in (self._ours, self._theirs):
            check_fit(runner, batch)
        self._layers = layers_of(dense)
        self._kept = {x.name: kept_units(dense, compressed, x.name) for x in self._layers}
        self._alone: dict[str, _Power] = defaultdict(_Power)
        self._together: dict[str, _Power] = defaultdict(_Power)
        self.answer = _Power()

    def add(self, images: Tensor) -> None:
        names = [layer.name for layer in self._layers]
        images = laid_out(images, device_of(self._ours))
        with watching(self._ours, names) as ours:
            wanted = self._ours(images)
        with watching(self._theirs, names) as theirs:
            self.answer.add(wanted, self._theirs(images))
        for name, calls in ours.items():
            for (given, gave), (_, got) in zip(calls, theirs.get(name, ()), strict=False):
                self._add(name, given, gave, got)

    def _add(self, name: str, given: Tensor, gave: Tensor, got: Tensor) -> None:
        kept = self._kept[name]
        if kept is None:
            return
        wanted = gave if len(kept) == gave.shape[1 if gave.ndim == 4 else -1] else _units(gave, kept)
        if wanted.shape != got.shape:
            return
        self._together[name].add(wanted, got)
        alone = _alone(self._theirs.get_submodule(name), given)
        if alone is not None and alone.shape == wanted.shape:
            self._alone[name].add(wanted, alone)

    def rows(self) -> tuple[LayerNoise, ...]:
        return tuple(map(self._row, self._layers))

    def _row(self, layer: Layer) -> LayerNoise:
        name = layer.name
        alone, together = self._alone.get(name), self._together.get(name)
        return LayerNoise(
            name,
            layer.kind,
            weights_db(self._dense, self._compressed, name),
            None if alone is None else alone.ratio(),
            None if together is None else together.ratio(),
            self._note(name, alone is None, together is None),
        )

    def _note(self, name: str, no_alone: bool, no_together: bool) -> str:
        if no_together:
            return "nothing in the compressed network stands for its output"
        return "it is given fewer channels now, so that it cannot be tried alone" if no_alone else ""


def weights_db(dense: nn.Module, compressed: Compressed, name: str) -> float | None:
    """Of a layer's weights; None where there are not as many any more, or no single weight computes the same."""
    wanted, got = weight_of(dense, name), weight_of(compressed.network, name)
    if wanted is None or got is None or wanted.shape != got.shape:
        return None
    return decibels(float(wanted.double().square().sum()), float((wanted.double() - got).square().sum()))


def weight_of(network: nn.Module, name: str) -> Tensor | None:
    """The weight that stands at `name`, multiplied out where it is stored as factors; None where there is none."""
    try:
        module = bare(network.get_submodule(name))
    except AttributeError:
        return None
    if isinstance(module, FactorisedLinear | FactorisedConv2d):
        plain = all(isinstance(part, nn.Conv2d | nn.Linear) for part in module.children())
        return module.product().detach() if plain else None
    weight = getattr(module, "weight", None)
    return weight.detach() if isinstance(weight, Tensor) else None


def kept_units(dense: nn.Module, compressed: Compressed, name: str) -> Tensor | None:
    """Which outputs of a dense layer the compressed one still has, (n,); None where that is not known."""
    count = _outputs(dense.get_submodule(name))
    try:
        now = _outputs(bare(compressed.network.get_submodule(name)))
    except AttributeError:
        return None
    everything = torch.arange(count or 0)
    if count is None or now in (None, count):
        return everything
    left = _narrowed(everything, [d for d in compressed.decisions if d.layer == name])
    return left if len(left) == now else None


def _narrowed(left: Tensor, decisions: Sequence[Decision]) -> Tensor:
    """One decision after the other, where it is about the units that are left."""
    for decision in decisions:
        if len(decision.kept) == len(left):
            left = left[torch.tensor(decision.kept)]
    return left


def _outputs(module: nn.Module) -> int | None:
    for name in ("out_channels", "out_features"):
        if isinstance(found := getattr(module, name, None), int):
            return found
    return None


def _units(output: Tensor, kept: Tensor) -> Tensor:
    return output.index_select(1 if output.ndim == 4 else output.ndim - 1, kept)


def _alone(module: nn.Module, given: Tensor) -> Tensor | None:
    """What the compressed layer gives for what the dense one gets, or None where that does not fit."""
    try:
        found: Tensor = module(given)
    except RuntimeError:
        return None
    return found


@contextmanager
def watching(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, list[tuple[Tensor, Tensor]]]]:
    """Inside, every call of these modules is noted: name -> [(input, output)]. Names that do not exist are not."""
    seen: dict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)

    def note(name: str, given: tuple[Any, ...], gave: Any) -> None:
        if given and isinstance(given[0], Tensor) and isinstance(gave, Tensor):
            # A copy where the next module may write over it, as an in-place activation does.
            seen[name].append((given[0].clone(), gave.clone()))

    modules = dict(network.named_modules())
    hooks = [
        modules[name].register_forward_hook(lambda _m, given, gave, name=name: note(name, given, gave))
        for name in names
        if name in modules
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
