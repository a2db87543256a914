"""What a network answers to a split, image by image, computed once for as long as the network lives."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..core.context import Batch
from ..core.progress import Progress
from ..measure.evaluate import CHUNK, check_fit, device_of, fast_copy, laid_out, scores


class Answers:
    """The logits of one network on one batch, filled in as they are asked for. The network must stay as it is."""

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        self._batch, self._runner = batch, fast_copy(network)
        self._known = torch.zeros(len(batch.labels), dtype=torch.bool)
        self._logits = torch.zeros(len(batch.labels), check_fit(self._runner, batch))

    def at(self, rows: Tensor, progress: Progress) -> Tensor:
        """rows: (n,) indices -> (n, classes) float32. Raises Cancelled within one forward pass."""
        device = device_of(self._runner)
        for chunk in torch.split(rows[~self._known[rows]], CHUNK):
            progress.check()
            self._logits[chunk] = scores(self._runner, laid_out(self._batch.images[chunk], device)).float().cpu()
            self._known[chunk] = True
        return self._logits[rows]


_answers: WeakKeyDictionary[nn.Module, dict[int, Answers]] = WeakKeyDictionary()


def answers_of(network: nn.Module, batch: Batch) -> Answers:
    """The same object for the same network and batch, so that nothing is evaluated twice.

    WorkbenchError when the images do not fit.
    """
    own = _answers.setdefault(network, {})
    if id(batch) not in own:  # it holds the batch, so that no other can come to have its id
        own[id(batch)] = Answers(network, batch)
    return own[id(batch)]


def shuffled(total: int, seed: int = 0) -> Tensor:
    """(total,) indices in a random order, so that the first of them are a fair sample."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))
