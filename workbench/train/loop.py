"""The one training loop: the steps of an epoch over a split.

What is trained, for how long, and which epoch wins is the caller's business.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.context import Batch, Loss
from ..core.errors import WorkbenchError
from ..measure.evaluate import lay_out, layout_for
from .augment import moved
from .device import device_of
from .schedule import rate_at
from .settings import TrainSettings

CPU = torch.device("cpu")


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


class Seen(NamedTuple):
    """After one step: the mean loss since the epoch began, and the share of the epoch that is done, in (0, 1]."""

    loss: float
    share: float


@dataclass(frozen=True)
class Loop:
    """What stays the same from epoch to epoch. Every random draw follows from the seed and the epoch's number alone.

    It computes where the network is, channels last where the network can, which is faster.
    """

    network: nn.Module
    data: Batch
    settings: TrainSettings
    loss: Loss
    optimizer: torch.optim.Optimizer

    def steps(self, number: int) -> Generator[Seen, None, None]:
        """Train for epoch `number`, counted from 0, step by step; leaves the network in eval mode after the last.

        Between two steps anything else may happen, also for long. WorkbenchError when the loss is no longer finite.
        """
        total, seen, device = 0.0, 0, device_of(self.network)
        layout = layout_for(self.network, self.data.images[:1])
        if layout != torch.channels_last:  # whoever made the network has laid it out for the usual way
            lay_out(self.network, layout)
        batches = _Batches(self.data, self.settings, number, device, layout)
        draws = _Draws(self.settings.seed, number, device)
        self.network.train()
        try:
            for i, (images, labels) in enumerate(batches):
                with draws:
                    total += self._step(images, labels, number * len(batches) + i, len(batches)) * len(labels)
                seen += len(labels)
                yield Seen(total / seen, (i + 1) / len(batches))
        finally:
            self.network.eval()

    def _step(self, images: Tensor, labels: Tensor, step: int, per_epoch: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(step, per_epoch, self.settings)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self._scores(images), labels, images)
        value = float(loss.detach())
        if not math.isfinite(value):
            rate = self.settings.learning_rate
            raise WorkbenchError(
                f"Training diverged: the loss is not finite at learning rate {rate:g}; choose a lower one, "
                f"such as {rate / 10:.1g}."
            )
        torch.autograd.backward(loss)
        self.optimizer.step()
        return value

    def _scores(self, images: Tensor) -> Tensor:
        """Products in bfloat16 where that is wanted; weights, their updates and the loss stay float32."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            answer: Tensor = self.network(images)
        return answer.float()


class _Batches:
    """One epoch's batches in a random order, augmented, on `device`. A last batch of one image is left out, for
    BatchNorm.
    """

    def __init__(
        self,
        data: Batch,
        settings: TrainSettings,
        epoch: int,
        device: torch.device = CPU,
        layout: torch.memory_format = torch.channels_last,
    ) -> None:
        self.data, self.settings, self.device, self.layout = data, settings, device, layout
        self.moves = generator(settings.seed, "moves", epoch)
        order = torch.randperm(len(data.labels), generator=generator(settings.seed, "order", epoch))
        parts = torch.split(order, settings.batch)
        self.parts = parts[:-1] if len(parts) > 1 and len(parts[-1]) == 1 else parts

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for part in self.parts:
            images = moved(self._there(self.data.images[part]), self.settings, self.moves)
            yield images.contiguous(memory_format=self.layout), self._there(self.data.labels[part])

    def _there(self, tensor: Tensor) -> Tensor:
        """Copied to a GPU while that still computes: only pinned memory can be."""
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)


def generator(*salt: object) -> torch.Generator:
    """A random generator that follows from `salt` alone."""
    return torch.Generator().manual_seed(zlib.crc32(repr(salt).encode()))


class _Draws:
    """Dropout draws from torch's global generators: inside they are an epoch's own, outside as they were.

    Entered once for each step, so that what is computed between two steps neither sees nor moves them.
    """

    def __init__(self, seed: int, epoch: int, device: torch.device) -> None:
        self.device = device
        self.outer = self._now()
        torch.manual_seed(zlib.crc32(repr((seed, "dropout", epoch)).encode()))
        self.inner = self._now()
        self._set(self.outer)

    def __enter__(self) -> None:
        self.outer = self._now()
        self._set(self.inner)

    def __exit__(self, *_failure: object) -> None:
        self.inner = self._now()
        self._set(self.outer)

    def _now(self) -> tuple[Tensor, ...]:
        cpu = torch.get_rng_state()
        return (cpu, torch.cuda.get_rng_state(self.device)) if self.device.type == "cuda" else (cpu,)

    def _set(self, states: tuple[Tensor, ...]) -> None:
        torch.set_rng_state(states[0])
        if len(states) > 1:
            torch.cuda.set_rng_state(states[1], self.device)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run with `n` of torch's threads: sums are rounded in an order that depends on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
