"""What each unit is worth: the loss when it alone is taken out, the truth that every criterion guesses at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import Batch
from ..core.progress import Progress
from ..layers.channels import Group, groups_of
from ..layers.readers import readers_of
from .evaluate import CHUNK, Chunks, check_fit, device_of, fast_copy, laid_out, scores
from .trace import Trace

Answer = Callable[[], Tensor]
"""The scores of one chunk of images, with what is silenced just then: (n, classes)."""


class Removed(NamedTuple):
    """Units of one group, each taken out alone. producers: the layers that make them; units: which ones.

    dense, losses: mean cross-entropy in nats, with all and without each unit; errors: standard error of their
    differences. lost, gained: for each unit and class, the images that are right only with it, or only without it.
    right, seen: for each class, the images that the dense network classifies right, and all; n: images.
    """

    producers: tuple[str, ...]
    units: tuple[int, ...]
    dense: float
    losses: tuple[float, ...]
    errors: tuple[float, ...]
    lost: tuple[tuple[int, ...], ...]
    gained: tuple[tuple[int, ...], ...]
    right: tuple[int, ...]
    seen: tuple[int, ...]
    n: int

    @property
    def changes(self) -> tuple[float, ...]:
        """What the loss gains without each unit, in nats; negative where it is better off."""
        return tuple(loss - self.dense for loss in self.losses)

    @property
    def correct(self) -> tuple[int, ...]:
        """Images classified right without each unit."""
        return tuple(sum(self.right) - sum(a) + sum(b) for a, b in zip(self.lost, self.gained, strict=True))


def removal(
    network: nn.Module,
    batch: Batch,
    *,
    layers: Sequence[str] | None = None,
    units: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Iterator[Removed]:
    """Every group of units that can be taken out, in forward order, each unit by itself.

    layers: only groups of these layers, units: only these units of them; None for all. A unit is gone when nothing
    reads it any more, so of the network only what comes behind its readers runs again. Raises Cancelled within one
    pass, WorkbenchError as `accuracy` does.
    """
    progress = progress or Progress()
    runner = fast_copy(network)
    classes = check_fit(runner, batch)
    images = torch.split(laid_out(batch.images, device_of(runner)), CHUNK)
    labels = torch.split(batch.labels, CHUNK)
    trace = Trace.of(runner, images[0][:8])
    free = [g for g in groups_of(network, tuple(batch.images.shape[1:])) if not g.refusal]
    wanted = [g for g in free if layers is None or set(layers) & set(g.producers)]
    for i, group in enumerate(wanted):
        part = progress.part(i / len(wanted), (i + 1) / len(wanted))
        which = tuple(range(group.count) if units is None else units)
        tally, without = _Tally(which, classes), _Without(runner, group, trace)
        for j, (seen, known) in enumerate(zip(images, labels, strict=True)):
            part(f"Without a unit of {group.producers[0]}", j / len(images))
            with torch.inference_mode():
                answer = without.answers(seen)
                tally.start(answer(), known)
                for unit in which:
                    part.check()
                    with without.silent(unit):
                        tally.add(unit, answer())
        yield tally.removed(group.producers)


def layer_removal(network: nn.Module, batch: Batch, layer: str, *, progress: Progress | None = None) -> Removed:
    """The whole layer as if it gave nothing: a single entry, number 0. Errors as for `removal`.

    What it is added to stays, so that of a residual block the shortcut is left; a BatchNorm right behind it goes too.
    """
    progress = progress or Progress()
    runner = fast_copy(network)
    tally, chunks = _Tally((0,), check_fit(runner, batch)), Chunks(batch, device_of(runner))
    without = _silent_layer(runner, layer, chunks.images(0)[:1])
    for i in range(len(chunks)):
        progress(f"Without {layer}", i / len(chunks))
        tally.start(scores(runner, chunks.images(i)), chunks.labels(i))
        tally.add(0, scores(without, chunks.images(i)))
    return tally.removed((layer,))


class _Tally:
    """Counts what changes without each unit, chunk by chunk."""

    def __init__(self, units: Sequence[int], classes: int) -> None:
        self.units, self.classes = tuple(units), classes
        self.row = {unit: i for i, unit in enumerate(units)}
        self.dense = 0.0
        self.change, self.square = torch.zeros(2, len(units), dtype=torch.float64)
        self.lost, self.gained = torch.zeros(2, len(units), classes, dtype=torch.int64)
        self.right, self.seen = torch.zeros(2, classes, dtype=torch.int64)

    def start(self, logits: Tensor, labels: Tensor) -> None:
        """What the dense network says of one chunk. logits: (n, classes), labels: (n,)."""
        self._labels = labels
        self._losses, self._right = self._judged(logits)
        self.dense += float(self._losses.sum())
        self.seen += self._per_class(torch.ones_like(self._right))
        self.right += self._per_class(self._right)

    def add(self, unit: int, logits: Tensor) -> None:
        """What it says of the same chunk without the unit."""
        losses, right = self._judged(logits)
        change, row = losses - self._losses, self.row[unit]
        self.change[row] += change.sum()
        self.square[row] += change.square().sum()
        if not torch.equal(right, self._right):
            self.lost[row] += self._per_class(self._right & ~right)
            self.gained[row] += self._per_class(right & ~self._right)

    def removed(self, producers: tuple[str, ...]) -> Removed:
        n = int(self.seen.sum())
        mean = self.change / n
        spread = (self.square / n - mean.square()).clamp_min(0) / max(1, n - 1)
        return Removed(
            producers,
            self.units,
            self.dense / n,
            tuple((self.dense / n + mean).tolist()),
            tuple(spread.sqrt().tolist()),
            tuple(map(tuple, self.lost.tolist())),
            tuple(map(tuple, self.gained.tolist())),
            tuple(self.right.tolist()),
            tuple(self.seen.tolist()),
            n,
        )

    def _judged(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits.cpu()
        return F.cross_entropy(logits.double(), self._labels, reduction="none"), logits.argmax(1) == self._labels

    def _per_class(self, chosen: Tensor) -> Tensor:
        return torch.bincount(self._labels[chosen], minlength=self.classes)


def _silent_layer(network: nn.Module, layer: str, image: Tensor) -> nn.Module:
    """A copy in which the layer, and a BatchNorm that reads it directly, give zeros. image: (1, ...)."""
    twin = fast_copy(network)
    silent, given = [twin.get_submodule(layer)], list[Tensor]()
    norms = [m for m in twin.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    handles = [silent[0].register_forward_hook(lambda _m, _x, out: given.append(out))]
    handles += [
        norm.register_forward_pre_hook(lambda m, x: silent.append(m) if any(x[0] is t for t in given) else None)
        for norm in norms
    ]
    scores(twin, image)
    for handle in handles:
        handle.remove()
    with torch.no_grad():
        for tensor in (p for module in silent for p in module.parameters(recurse=False)):
            tensor.zero_()
    return twin


class _Without:
    """A network of which one unit at a time can be silenced where it is read."""

    def __init__(self, network: nn.Module, group: Group, trace: Trace | None) -> None:
        self.count = group.count
        units = readers_of(network, group)
        traced = trace is not None and set(units) <= set(trace.parts)
        self.trace = trace if traced else None
        self.whole = network if traced else fast_copy(network)
        self.readers = {name: fast_copy(network.get_submodule(name)) for name in units} if traced else {}
        held = self.readers or {name: self.whole.get_submodule(name) for name in units}
        self.places: list[tuple[Any, Tensor]] = [(held[name].weight, own) for name, own in units.items()]

    def answers(self, images: Tensor) -> Answer:
        """Runs what comes before the readers once."""
        if self.trace is None:
            return lambda: self.whole(images)
        trace, readers = self.trace, self.readers
        hot = trace.after(readers)
        known, start = trace.start(images), trace.index[hot[0]]
        trace.advance(known, 0, start)
        trace.complete(known, trace.beside(hot, start))
        return lambda: trace.rerun(known, hot, readers)

    @contextmanager
    def silent(self, unit: int) -> Iterator[None]:
        """Inside, nothing reads the unit."""
        before = [(weight, own == unit, weight[:, own == unit].clone()) for weight, own in self.places]
        for weight, where, _ in before:
            weight[:, where] = 0
        try:
            yield
        finally:
            for weight, where, values in before:
                weight[:, where] = values
