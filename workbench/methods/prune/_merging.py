"""Which neurons are nearly alike, and in which order one takes over the work of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...core.context import Context
from ...core.memo import remember
from ...core.values import Array
from ...layers.channels import Group, groups_of
from ...layers.readers import readers_of
from ._criterion import Criterion, weight_of

_HIST_BINS, _BULK = 100, 95


class Merges(NamedTuple):
    """All merges of a layer of n neurons, the least salient first: (n - 1,) each.

    removed hands its outgoing weights to into, at the cost of saliency; usual: the most frequent saliency of all pairs
    before the first merge.
    """

    removed: Array
    into: Array
    saliency: Array
    usual: float


def merges_of(incoming: Array, outgoing: Array) -> Merges:
    """Merge the pair of least <a_j^2> |w_i - w_j|^2, add a_j to a_i, and so on until one neuron is left.

    incoming: (n, inputs), the bias among them; outgoing: (outputs, n).
    """
    both = np.concatenate([incoming.ravel(), outgoing.ravel()])
    found: tuple[Array, ...] = remember(f"merges {incoming.shape}", both, lambda: _merged(incoming, outgoing.T.copy()))
    return Merges(found[0], found[1], found[2], float(found[3]))


def _merged(w: Array, a: Array) -> tuple[Array, ...]:
    """a: (n, outputs). Distances never change, so each neuron's nearest is looked for again only when it has gone."""
    near = torch.from_numpy(w)
    far = (torch.cdist(near, near, compute_mode="donot_use_mm_for_euclid_dist") ** 2).numpy()
    square = (a**2).mean(1)
    usual = _mode((square * far)[~np.eye(len(w), dtype=bool)])
    np.fill_diagonal(far, np.inf)
    nearest, alive = far.argmin(1), np.ones(len(w), bool)
    steps = []
    for _ in range(len(w) - 1):
        left = np.flatnonzero(alive)
        cost = square[left] * far[left, nearest[left]]
        j = int(left[cost.argmin()])
        i = int(nearest[j])
        steps.append((j, i, cost.min()))
        a[i] += a[j]
        square[i] = (a[i] ** 2).mean()
        alive[j], far[:, j] = False, np.inf
        lost = np.flatnonzero(alive & (nearest == j))
        nearest[lost] = far[lost].argmin(1)
    j_, i_, cost_ = zip(*steps, strict=True)
    return np.array(j_), np.array(i_), np.array(cost_), np.array(usual)


def _mode(values: Array) -> float:
    """The middle of the fullest of 100 bins; the highest twentieth, far out, is left aside."""
    bulk = values[values <= np.percentile(values, _BULK)]
    counts, edges = np.histogram(bulk, _HIST_BINS)
    fullest = int(counts.argmax())
    return float(edges[fullest : fullest + 2].mean())


@dataclass(frozen=True)
class Saliency(Criterion):
    """What merging a neuron costs when its turn comes, or what one before it cost if that was more."""

    @property
    def title(self) -> str:
        return "saliency of merging it with the most similar"

    def layers(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        groups = {name: group for group in groups_of(network, context.input_shape) for name in group.producers}
        return {name: self.groups(network, context, [groups[name]])[0] for name in names}

    def groups(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor]:
        return [_by_turn(network, group)[0] for group in groups]


def turns_of(network: nn.Module, group: Group) -> Tensor:
    """When each neuron goes, from 0; the last stays: (units,)."""
    return _by_turn(network, group)[1]


def _by_turn(network: nn.Module, group: Group) -> tuple[Tensor, Tensor]:
    found = merges_in(network, group)
    turn = np.full(group.count, group.count - 1)
    turn[found.removed] = np.arange(len(found.removed))
    cost = np.maximum.accumulate(np.append(found.saliency, found.saliency[-1]))
    return torch.from_numpy(cost[turn]), torch.from_numpy(turn)


def merges_in(network: nn.Module, group: Group) -> Merges:
    """The merges of a group of neurons, that a sum may tie together from several layers."""
    ins = [part for name in group.producers for part in _incoming(network, name)]
    outs = [weight_of(network, name)[:, where].double() for name, where in positions_of(network, group)]
    flat = [out.permute(0, 2, 1).reshape(-1, group.count) for out in outs]
    return merges_of(torch.cat(ins, 1).numpy(), torch.cat(flat).numpy())


def positions_of(network: nn.Module, group: Group) -> Iterator[tuple[str, Tensor]]:
    """Every layer that reads the units, and at which of its inputs: (units, inputs of each unit)."""
    for name, units in readers_of(network, group).items():
        own = torch.argsort(units, stable=True)[int((units < 0).sum()) :]
        yield name, own.reshape(group.count, -1)


def _incoming(network: nn.Module, name: str) -> Iterator[Tensor]:
    yield weight_of(network, name).double()
    bias = network.get_submodule(name).bias
    if isinstance(bias, Tensor):
        yield bias.detach().double()[:, None]
