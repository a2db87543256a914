"""The one training loop: an epoch over a split.

What is trained, for how long, and which epoch wins is the caller's business.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.context import Batch, Loss
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from .augment import moved
from .schedule import rate_at
from .settings import TrainSettings

_REPORT_EVERY_S = 0.1


def optimizer_for(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019) or SGD with Nesterov momentum; vectors are not decayed."""
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(settings.momentum, 0.999), fused=True)
    nesterov = settings.momentum > 0
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=nesterov)


@dataclass(frozen=True)
class Loop:
    """What stays the same from epoch to epoch. Every random draw follows from the seed and the epoch's number alone.

    Faster when the network's kernels lie channels last, as the images do.
    """

    network: nn.Module
    data: Batch
    settings: TrainSettings
    loss: Loss
    optimizer: torch.optim.Optimizer
    progress: Progress

    def epoch(self, number: int) -> float:
        """Train for epoch `number`, counted from 0, and give the mean loss; leaves the network in eval mode.

        Cancelled is raised between two steps; WorkbenchError when the loss is no longer finite.
        """
        total, seen, said = 0.0, 0, 0.0
        batches = _Batches(self.data, self.settings, number)
        self.network.train()
        try:
            with _global_draws(self.settings.seed, number):
                for i, (images, labels) in enumerate(batches):
                    self.progress.check()
                    total += self._step(images, labels, number * len(batches) + i, len(batches)) * len(labels)
                    seen += len(labels)
                    if time.monotonic() - said > _REPORT_EVERY_S or i + 1 == len(batches):
                        said = time.monotonic()
                        self._say(number, total / seen, (i + 1) / len(batches))
        finally:
            self.network.eval()
        return total / seen

    def _step(self, images: Tensor, labels: Tensor, step: int, per_epoch: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(step, per_epoch, self.settings)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self._scores(images), labels, images)
        value = float(loss.detach())
        if not math.isfinite(value):
            rate = self.settings.learning_rate
            raise WorkbenchError(
                f"Training diverged: the loss is not finite at learning rate {rate:g}; choose a lower."
            )
        torch.autograd.backward(loss)
        self.optimizer.step()
        return value

    def _scores(self, images: Tensor) -> Tensor:
        """Products in bfloat16 where that is wanted; weights, their updates and the loss stay float32."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            answer: Tensor = self.network(images)
        return answer.float()

    def _say(self, number: int, loss: float, share: float) -> None:
        epochs = self.settings.epochs
        self.progress(f"epoch {number + 1}/{epochs} · loss {loss:.3g}", (number + share) / epochs)


class _Batches:
    """One epoch's batches in a random order, augmented. A last batch of one image is left out, for BatchNorm."""

    def __init__(self, data: Batch, settings: TrainSettings, epoch: int) -> None:
        self.data, self.settings = data, settings
        self.moves = generator(settings.seed, "moves", epoch)
        order = torch.randperm(len(data.labels), generator=generator(settings.seed, "order", epoch))
        parts = torch.split(order, settings.batch)
        self.parts = parts[:-1] if len(parts) > 1 and len(parts[-1]) == 1 else parts

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for part in self.parts:
            images = moved(self.data.images[part], self.settings, self.moves)
            yield images.contiguous(memory_format=torch.channels_last), self.data.labels[part]


def generator(*salt: object) -> torch.Generator:
    """A random generator that follows from `salt` alone."""
    return torch.Generator().manual_seed(zlib.crc32(repr(salt).encode()))


@contextmanager
def _global_draws(seed: int, epoch: int) -> Iterator[None]:
    """Dropout draws from torch's global generator: seed it, and give it back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(repr((seed, "dropout", epoch)).encode()))
        yield


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run with `n` of torch's threads: sums are rounded in an order that depends on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
