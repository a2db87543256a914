"""Criteria that look at feature maps: their rank, and how much of them is zero."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...core.context import Context
from ._criterion import Criterion, lent_batch, remembered
from ._maps import per_map


@dataclass(frozen=True)
class MapCriterion(Criterion):
    """The mean over images of a number for each map. images: how many of the calibration images are looked at."""

    images: int = 256
    joined = "mean"
    needs = ("calibration",)

    @abstractmethod
    def reduce(self, maps: Tensor) -> Tensor:
        """maps: (n, units, ...) -> (n, units) float."""

    def layers(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        batch = lent_batch(self, context, self.images)

        def compute() -> dict[str, Tensor]:
            found = per_map(network, batch.images, names, self.reduce, context.progress)
            return {name: values.double().mean(0) for name, values in found.items()}

        return remembered(f"{self} {tuple(names)}", network, batch, compute)


@dataclass(frozen=True)
class Rank(MapCriterion):
    """The mean rank of a unit's map. Lin et al. 2020, arXiv:2002.10179.

    tolerance: singular values up to this share of the largest do not count; 0 is the precision of float32 times the
    longer side. A unit without a map, such as a neuron, has rank 1 where it is not zero.
    """

    tolerance: float = 0.0

    @property
    def title(self) -> str:
        return "mean rank of the feature map"

    def reduce(self, maps: Tensor) -> Tensor:
        if maps.ndim < 4:
            return (maps != 0).flatten(2).any(2).float() if maps.ndim > 2 else (maps != 0).float()
        rank: Tensor = torch.linalg.matrix_rank(maps, rtol=self.tolerance or None)
        return rank.float()


@dataclass(frozen=True)
class Activity(MapCriterion):
    """100 % less APoZ, the average percentage of zeros behind the activation. Hu et al. 2016, arXiv:1607.03250."""

    @property
    def title(self) -> str:
        return "activations not zero, % (100 - APoZ)"

    def reduce(self, maps: Tensor) -> Tensor:
        alive = 100.0 * (maps != 0)
        return alive.flatten(2).mean(2) if maps.ndim > 2 else alive
