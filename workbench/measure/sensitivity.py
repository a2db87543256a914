"""What each layer alone does to accuracy, without running the whole network for every value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.fx import Node

from ..core.compressed import Compressed
from ..core.context import Batch
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.records import Accuracy, SensitivityPoint
from .accuracy import Tally, accuracy
from .counts import nonzeros
from .differences import differences, same_part
from .evaluate import Chunks, check_fit, device_of, fast_copy
from .trace import Parts, Trace, Values

KEPT_BYTES = 512 * 2**20
"""Activations kept between layers; images beyond that run from the start again."""

UNTRACED = "The whole network ran for this value, because its operations cannot be traced."
REBUILT = "The whole network ran for this value, because more than its layers differs from the dense one."
EARLIER = "The whole network ran for this value, because layers before this one change with it."


class SensitivityRefused(NamedTuple):
    """A layer that the method does not take, at one value or at all, with the method's own sentence."""

    layer: str
    reason: str


def sensitivity(
    network: nn.Module,
    batch: Batch,
    *,
    variants: Callable[[str, float], Compressed],
    layers: Sequence[str],
    levels: Sequence[float],
    split: str,
    progress: Progress | None = None,
) -> Iterator[SensitivityPoint | SensitivityRefused]:
    """Accuracy for each layer alone at each level, everything else as in `network`; layers in the order they run.

    variants(layer, level): the network with that layer compressed; its WorkbenchError becomes one SensitivityRefused
    per layer and reason. The dense activations before a layer are computed once per chunk of images, and only what
    depends on a change runs again. A point equals what `accuracy` gives for its network, always; a point that could
    not profit says why in its note. Raises Cancelled within one forward pass.
    """
    progress = progress or Progress()
    walk = _Walk(network, batch, split)
    ordered = sorted(layers, key=walk.place)
    for i, layer in enumerate(ordered):
        refused: set[str] = set()
        walk.enter(layer)
        for j, level in enumerate(levels):
            progress(f"{layer} at {level:g}", (i * len(levels) + j) / (len(ordered) * len(levels)))
            try:
                variant = variants(layer, level)
            except WorkbenchError as error:
                if str(error) not in refused:
                    refused.add(str(error))
                    yield SensitivityRefused(layer, str(error))
                continue
            measured, why = walk.measure(variant.network, progress)
            note = " ".join(filter(None, (*variant.notes, why)))
            yield SensitivityPoint(layer, level, measured, nonzeros(variant.network), note)


class _Walk:
    """Goes through the dense network once, from layer to layer, with what each chunk of images gave so far."""

    def __init__(self, network: nn.Module, batch: Batch, split: str) -> None:
        self.network, self.batch, self.split = network, batch, split
        runner = fast_copy(network)
        self.classes = check_fit(runner, batch)
        self.chunks = Chunks(batch, device_of(runner))
        self.trace = Trace.of(runner, self.chunks.images(0)[:8])
        self.here = 0
        self.kept: dict[int, _Known] = {}
        self.dense: Accuracy | None = None
        self.last: tuple[Parts, Accuracy] | None = None

    def place(self, layer: str) -> int:
        return 0 if self.trace is None else self.trace.place(layer)

    def enter(self, layer: str) -> None:
        """From now on `measure` is asked about this layer, which runs no earlier than the one before."""
        self.here = self.place(layer)

    def measure(self, other: nn.Module, progress: Progress) -> tuple[Accuracy, str]:
        """The accuracy of `other`, and why the whole of it ran, if it did."""
        if self.trace is None:
            return self._whole(other, progress), UNTRACED
        changed = differences(self.network, other, self.trace.parts)
        if changed is None:
            return self._whole(other, progress), REBUILT
        hot = self.trace.after(changed)
        if hot and self.trace.index[hot[0]] < self.here:
            return self._whole(other, progress), EARLIER
        if self.trace.output not in hot:
            self.dense = self.dense or self._part(self.trace.everything(self.here), {}, progress)
            return self.dense, ""
        if self.last is None or not _same_parts(changed, self.last[0]):
            ready = {path: _own(part) for path, part in changed.items()}
            self.last = ready, self._part(hot, ready, progress)
        return self.last[1], ""

    def _whole(self, other: nn.Module, progress: Progress) -> Accuracy:
        return accuracy(other, self.batch, split=self.split, progress=progress)

    def _part(self, hot: list[Node], changed: Parts, progress: Progress) -> Accuracy:
        assert self.trace is not None
        tally = Tally(self.classes, len(self.batch.images), self.split)
        beside = self.trace.beside(hot, self.here)
        for i in range(len(self.chunks)):
            progress.check()
            with torch.inference_mode():
                tally.add(self.trace.rerun(self._known(i, beside), hot, changed), self.chunks.labels(i))
        progress.check()
        return tally.accuracy()

    def _known(self, i: int, beside: list[Node]) -> Values:
        """What the dense network gave for chunk `i` before this layer and at `beside`; kept if there is room."""
        assert self.trace is not None
        at = self.kept.pop(i, None) or _Known(0, self.trace.start(self.chunks.images(i)), 0)
        self.trace.advance(at.values, at.place, self.here)
        self.trace.complete(at.values, beside)
        size = sum(v.numel() * v.element_size() for v in at.values.values() if isinstance(v, Tensor))
        if size + sum(other.size for other in self.kept.values()) <= KEPT_BYTES:
            self.kept[i] = _Known(self.here, at.values, size)
        return at.values


class _Known(NamedTuple):
    place: int
    values: Values
    size: int


def _own(part: nn.Module | Tensor) -> nn.Module | Tensor:
    """A copy: the next variant may be the same network, changed."""
    return fast_copy(part) if isinstance(part, nn.Module) else part.detach().clone()


def _same_parts(a: Parts, b: Parts) -> bool:
    return a.keys() == b.keys() and all(same_part(a[path], b[path]) for path in a)
