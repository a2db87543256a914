"""Merging of similar neurons, without any data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...core.compressed import LINEAR, Compressed
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...layers.channels import Group
from ._filters import Choice, FilterMethod, Quota
from ._merging import Saliency, merges_in, positions_of, turns_of

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True)
class NeuronDatafree(FilterMethod):
    """Neurons that see the same do the same: one goes, and the other takes over its outgoing weights.

    Of all pairs that of least <a_j^2> |w_i - w_j|^2 is next, bias included in w, where a_j are the outgoing weights
    with what the neuron has taken over; then a_i <- a_i + a_j. Two equal neurons merge without any change. Each layer
    is looked at with the weights it starts with. The paper's scaling of neurons to length 1 is left out.
    """

    title = "Merging of similar neurons"
    citation = "Srinivas, Babu 2015, arXiv:1507.06149"
    acts_on = (LINEAR,)

    pruning_ratio: float = knob(
        0.3, "share of a layer's neurons that are merged into others", low=0.0, high=0.95, step=0.01
    )
    cutoff: str = knob(
        "ratio",
        "merge the pruning ratio, or, whatever that is, until merging costs what is most frequent among all pairs",
        choices=("ratio", "mode"),
        whole=True,
    )

    def ranking(self) -> Saliency:
        return Saliency()

    def ties(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor | None]:
        return [turns_of(network, group) for group in groups]

    def choose(self, model: Compressed, context: Context, quota: Quota | None = None) -> list[Choice]:
        """Also hands the outgoing weights over, so that those that go need only be silenced or taken out."""
        own = quota or (self._by_mode(model) if self.cutoff == "mode" else None)
        choices = super().choose(model, context, own)
        for choice in choices:
            _hand_over(model, choice)
        return choices

    def _by_mode(self, model: Compressed) -> Quota:
        def below(group: Group) -> int:
            found = merges_in(model.network, group)
            return int((np.maximum.accumulate(found.saliency) < found.usual).sum())

        return Quota(below)

    def why_nothing(self, ratio: float, count: int) -> str:
        return super().why_nothing(ratio, count) if self.cutoff == "ratio" else "no pair of them is so much alike"

    def _allowed(self, group: Group, wanted: set[str], model: Compressed) -> bool:
        why = _why_not(group, model.network)
        free = super()._allowed(group, wanted, model)
        if free and why:
            self._say(model, f"left {', '.join(group.producers)} whole: {why}.")
        return free and not why


def _why_not(group: Group, network: nn.Module) -> str:
    norm = next((m.module for m in group.members if isinstance(network.get_submodule(m.module), _NORMS)), None)
    if norm:
        return f"{norm} scales each neuron by itself, so that two with equal weights differ"
    return "" if any(True for _ in positions_of(network, group)) else "no layer with weights of its own reads it"


def _hand_over(model: Compressed, choice: Choice) -> None:
    """a_i <- a_i + a_j for all that go, in their order, in every layer that reads them; supports grow along."""
    found = merges_in(model.network, choice.group)
    count = int((~choice.keep).sum())
    for name, where in positions_of(model.network, choice.group):
        weight = model.network.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        stored = model.encoded.get(f"{name}.weight")
        keep = None if stored is None or stored.keep is None else torch.from_numpy(stored.keep.copy())
        with torch.no_grad():
            for j, i in zip(found.removed[:count], found.into[:count], strict=True):
                weight[:, where[i]] += weight[:, where[j]]
                if keep is not None:
                    keep[:, where[i]] |= keep[:, where[j]]
        if stored is not None:
            dense = Encoded.dense(weight.detach().numpy())
            model.encoded[f"{name}.weight"] = dense if keep is None else dense.restrict(keep.numpy())
