"""Accuracy as an anytime estimate: a random sample that grows until it is the whole split."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import Batch
from ..core.progress import Progress
from ..core.records import Accuracy, Count
from .evaluate import CHUNK, check_fit, device_of, fast_copy, laid_out, scores


class Tally:
    """Counts right answers while they come in; equal scores rank in the order of their classes."""

    def __init__(self, classes: int, total: int, split: str) -> None:
        self.classes, self.total, self.split = classes, total, split
        self.n = self.top5 = 0
        self.loss = 0.0
        self.seen = torch.zeros(classes, dtype=torch.int64)
        self.right = torch.zeros(classes, dtype=torch.int64)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """logits: (n, classes), labels: (n,)."""
        with torch.inference_mode():
            logits = logits.cpu()
            right = logits.argmax(1) == labels
            self.seen += torch.bincount(labels, minlength=self.classes)
            self.right += torch.bincount(labels[right], minlength=self.classes)
            self.loss += float(F.cross_entropy(logits.double(), labels, reduction="sum"))
            if self.classes >= 6:
                best = logits.argsort(dim=1, descending=True, stable=True)[:, :5]
                self.top5 += int((best == labels[:, None]).sum())
            self.n += len(labels)

    def accuracy(self) -> Accuracy:
        """The record so far. Top-5 is given from six classes on, where it says something."""
        per_class = tuple(map(Count, self.right.tolist(), self.seen.tolist()))
        top5 = self.top5 if self.classes >= 6 else None
        correct = sum(count.correct for count in per_class)
        return Accuracy(correct, self.n, self.total, self.split, top5, per_class, self.loss / max(self.n, 1))


def anytime(
    network: nn.Module,
    batch: Batch,
    *,
    split: str,
    seed: int = 0,
    first: int = 64,
    growth: float = 2.0,
    most: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Accuracy]:
    """Accuracy on the first `first`, then `growth` times as many images of a fixed random order, until on all.

    No image is evaluated twice, and the last record counts what `accuracy` counts. most: no sample has more images
    than that. The loss is the mean cross-entropy in nats. Raises Cancelled within one forward pass, WorkbenchError
    when the images do not fit.
    """
    assert first >= 1 and growth > 1, "the sample must start and grow"
    progress = progress or Progress()
    runner, total = fast_copy(network), len(batch.images)
    tally = Tally(check_fit(runner, batch), total, split)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    target = float(first)
    while tally.n < total and min(int(target), total) <= (total if most is None else most):
        _count(runner, batch, order[tally.n : int(target)], tally, progress)
        yield tally.accuracy()
        target = max(target * growth, target + 1)


def accuracy(network: nn.Module, batch: Batch, *, split: str, progress: Progress | None = None) -> Accuracy:
    """Accuracy on every image, in the order of the split. Errors as for `anytime`."""
    runner, total = fast_copy(network), len(batch.images)
    tally = Tally(check_fit(runner, batch), total, split)
    _count(runner, batch, torch.arange(total), tally, progress or Progress())
    return tally.accuracy()


def _count(runner: nn.Module, batch: Batch, rows: Tensor, tally: Tally, progress: Progress) -> None:
    device = device_of(runner)
    for chunk in torch.split(rows, CHUNK):
        progress("Measuring accuracy", tally.n / tally.total)
        tally.add(scores(runner, laid_out(batch.images[chunk], device)), batch.labels[chunk])
    progress.check()
