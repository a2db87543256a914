"""What a criterion is: it scores the units of a network, and the lowest go first."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...core.context import Batch, Context
from ...core.errors import WorkbenchError
from ...core.memo import remember
from ...layers.channels import Group


@dataclass(frozen=True)
class Criterion(ABC):
    """Scores the outputs ("units") of layers; its fields are its settings. Scores are not negative.

    joined: how the scores of layers whose units live and die together make one, "sum" or "mean". weighs: whether it
    also scores single weights. needs: fields of Context, as for a Method.
    """

    joined: ClassVar[str] = "sum"
    weighs: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def title(self) -> str:
        """What the score is, with its unit, for the axis of a figure."""

    @abstractmethod
    def layers(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        """The score of every unit of each layer by itself: name -> (out,). Raises Cancelled."""

    def groups(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor]:
        """The score of every unit of each group: (units,)."""
        names = [name for group in groups for name in group.producers]
        own = self.layers(network, context, names)
        return [self.join([own[name] for name in group.producers]) for group in groups]

    def join(self, scores: Sequence[Tensor]) -> Tensor:
        """The scores of tied layers as one: tensors of (units,) -> (units,)."""
        every = torch.stack(list(scores))
        return every.sum(0) if self.joined == "sum" else every.mean(0)

    def weights(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        """The score of every single weight: name -> the weight's shape. WorkbenchError unless `weighs`."""
        raise WorkbenchError(f"Ranking by {self.title} is for whole filters; single weights have no such score.")


def weight_of(network: nn.Module, name: str) -> Tensor:
    """The weight of a layer, detached: (out, in, ...)."""
    weight = network.get_submodule(name).weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def lent_batch(criterion: Criterion, context: Context, images: int) -> Batch:
    """The first `images` of the calibration images with their labels; WorkbenchError when the caller lent none."""
    if context.calibration is None:
        raise WorkbenchError(f"Ranking by {criterion.title} looks at images, and there is no dataset.")
    return Batch(context.calibration.images[:images], context.calibration.labels[:images])


def remembered(
    what: str, network: nn.Module, batch: Batch, compute: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """`compute()`, or what it gave the last time for this network, its weights and these images. Do not change it."""
    digest = hashlib.blake2b(repr((type(network), network)).encode())
    for name, tensor in (*network.state_dict().items(), ("images", batch.images), ("labels", batch.labels)):
        digest.update(repr((name, tensor.shape, tensor.dtype)).encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data.cast("B") if tensor.numel() else b"")

    def arrays() -> tuple[tuple[str, ...], tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]]:
        found = compute()
        return tuple(found), tuple(tensor.numpy() for tensor in found.values())

    names, values = remember(what, np.frombuffer(digest.digest(), np.uint8), arrays)
    return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}
