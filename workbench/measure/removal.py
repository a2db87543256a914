"""What each unit is worth: the loss when it alone is taken out, the truth that every criterion guesses at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import Batch
from ..core.progress import Progress
from ..layers.channels import Group, groups_of
from ..layers.readers import readers_of
from .evaluate import CHUNK, check_fit, device_of, fast_copy, laid_out
from .trace import Trace

Answer = Callable[[], Tensor]
"""The scores of one chunk of images, with what is silenced just then: (n, classes)."""


class Removed(NamedTuple):
    """The units of one group. producers: the layers that make them; dense, losses: mean cross-entropy in nats.

    losses, correct: for each unit, the loss and the images classified right without it; n: images.
    """

    producers: tuple[str, ...]
    dense: float
    losses: tuple[float, ...]
    correct: tuple[int, ...]
    n: int

    @property
    def changes(self) -> tuple[float, ...]:
        """What the loss gains without each unit, in nats; negative where it is better off."""
        return tuple(loss - self.dense for loss in self.losses)


def removal(
    network: nn.Module, batch: Batch, *, layers: Sequence[str] | None = None, progress: Progress | None = None
) -> Iterator[Removed]:
    """Every group of units that can be taken out, in forward order, each unit by itself.

    layers: only groups of these layers; None for all. A unit is gone when nothing reads it any more, so of the network
    only what comes behind its readers runs again. Raises Cancelled within one pass, WorkbenchError as `accuracy` does.
    """
    progress = progress or Progress()
    runner = fast_copy(network)
    check_fit(runner, batch)
    images = torch.split(laid_out(batch.images, device_of(runner)), CHUNK)
    labels = torch.split(batch.labels, CHUNK)
    trace = Trace.of(runner, images[0][:8])
    free = [g for g in groups_of(network, tuple(batch.images.shape[1:])) if not g.refusal]
    wanted = [g for g in free if layers is None or set(layers) & set(g.producers)]
    for i, group in enumerate(wanted):
        part = progress.part(i / len(wanted), (i + 1) / len(wanted))
        total = torch.zeros(2, group.count + 1, dtype=torch.float64)
        for j, (seen, right) in enumerate(zip(images, labels, strict=True)):
            part(f"Without a unit of {group.producers[0]}", j / len(images))
            total += _counted(_Without(runner, group, trace), seen, right, part)
        losses, correct = total[0] / len(batch.labels), total[1].long()
        yield Removed(
            group.producers,
            float(losses[-1]),
            tuple(losses[:-1].tolist()),
            tuple(correct[:-1].tolist()),
            len(batch.labels),
        )


def _counted(without: _Without, images: Tensor, labels: Tensor, progress: Progress) -> Tensor:
    """Sum of losses and count of right answers without each unit, and with all of them in the end: (2, units + 1)."""
    found = torch.zeros(2, without.count + 1, dtype=torch.float64)
    with torch.inference_mode():
        answer = without.answers(images)
        for unit in range(without.count + 1):
            progress.check()
            with without.silent(unit):
                logits = answer().cpu()
            found[0, unit] = F.cross_entropy(logits.double(), labels, reduction="sum")
            found[1, unit] = (logits.argmax(1) == labels).sum()
    return found


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
        self.places = [(held[name].weight, own) for name, own in units.items()]

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
        """Inside, nothing reads the unit; a number past the last one silences nothing."""
        before = [(weight, own == unit, weight[:, own == unit].clone()) for weight, own in self.places]
        for weight, where, _ in before:
            weight[:, where] = 0
        try:
            yield
        finally:
            for weight, where, values in before:
                weight[:, where] = values
