"""Criteria that look at the weights alone: norms, the distance from the other filters, and chance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...core.context import Context
from ...core.memo import remember
from ._criterion import Criterion, weight_of


@dataclass(frozen=True)
class WeightCriterion(Criterion):
    """Looks at one weight at a time."""

    @abstractmethod
    def units(self, weight: Tensor) -> Tensor:
        """weight: (out, in, ...) -> (out,)."""

    def layers(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: self.units(weight_of(network, name)) for name in names}


@dataclass(frozen=True)
class Norm(WeightCriterion):
    """kind: "l1", "l2" or "mean", the mean absolute weight. Li et al. 2017, arXiv:1608.08710."""

    kind: str = "l1"
    weighs = True

    @property
    def title(self) -> str:
        return {"l1": "L1 norm of the filter", "l2": "L2 norm of the filter", "mean": "mean absolute weight"}[self.kind]

    def units(self, weight: Tensor) -> Tensor:
        flat = weight.flatten(1)
        return flat.abs().mean(1) if self.kind == "mean" else flat.norm(p=1 if self.kind == "l1" else 2, dim=1)

    def weights(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: weight_of(network, name).abs() for name in names}


@dataclass(frozen=True)
class Distance(WeightCriterion):
    """The sum of a filter's distances from the others: the lowest lie at the geometric median and can be replaced.

    kind: "l2" or "cosine", which is 1 - cosine similarity. He et al. 2019, arXiv:1811.00250.
    """

    kind: str = "l2"

    @property
    def title(self) -> str:
        return f"sum of {'L2' if self.kind == 'l2' else 'cosine'} distances to the others"

    def units(self, weight: Tensor) -> Tensor:
        flat = weight.flatten(1).double()
        found = remember(f"distances {self.kind}", weight.cpu().numpy(), lambda: self._sums(flat).float().numpy())
        return torch.from_numpy(found)

    def _sums(self, flat: Tensor) -> Tensor:
        if self.kind == "l2":
            return torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist").sum(1)
        unit = torch.nn.functional.normalize(flat, dim=1, eps=1e-30)
        return (1 - unit @ unit.T).fill_diagonal_(0).clamp_min(0).sum(1)


@dataclass(frozen=True)
class Chance(Criterion):
    """Scores drawn evenly from [0, 1) from the context's seed: the baseline."""

    weighs = True

    @property
    def title(self) -> str:
        return "chance"

    def layers(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: self._drawn((len(weight_of(network, name)),), name, context) for name in names}

    def weights(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: self._drawn(tuple(weight_of(network, name).shape), name, context) for name in names}

    def _drawn(self, shape: tuple[int, ...], name: str, context: Context) -> Tensor:
        return torch.rand(shape, generator=context.generator("chance", name, len(shape)))
