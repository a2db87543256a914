"""What every filter criterion shares: rank the units of a layer, couple channels, mask them or take them out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...core.compressed import CONV, Compressed
from ...core.context import Context
from ...core.errors import WorkbenchError
from ...core.knob import knob
from ...core.method import StructuredMethod, chosen
from ...core.order import SHAPE
from ...core.records import Decision
from ...layers.channels import IN, Group, groups_of, kept_positions, shrink_stored, silence
from ._scores import histogram


class Choice(NamedTuple):
    """What to do with one group. scores: (units,), keep: (units,) bool."""

    group: Group
    scores: Tensor
    keep: Tensor


@dataclass(frozen=True)
class FilterMethod(StructuredMethod):
    """Removes the lowest-scored share of every layer's filters with their maps and the consumers' input slices.

    Layers that a sum ties together form one group; its score is the sum over the layers, and of their own ratios the
    smallest holds. A subclass gives `score`.
    """

    sets = SHAPE
    axis = "pruning_ratio"
    neutral = {"pruning_ratio": 0.0}
    grows = False
    acts_on = (CONV,)
    criterion = ""

    pruning_ratio: float = knob(0.3, "share of a layer's filters that are removed", low=0.0, high=0.9, step=0.01)

    @abstractmethod
    def score(self, weight: Tensor) -> Tensor:
        """Importance of each filter. weight: (out, in, kh, kw) -> (out,), the lowest go first."""

    def ignores_removed_inputs(self) -> bool:
        """Whether a filter's score leaves out the input channels that an earlier layer has lost."""
        return False

    def choose(self, model: Compressed, context: Context) -> list[Choice]:
        """The units to keep in every group that the step acts on; notes on `model` say what stays untouched."""
        wanted = {layer.name for layer in chosen(self, model, context)}
        choices: list[Choice] = []
        lost: dict[str, Tensor] = {}
        for group in groups_of(model.network, context.input_shape):
            mine = [name for name in group.producers if name in wanted]
            if not mine or not self._allowed(group, mine, wanted, model):
                continue
            scores = sum(
                (self.at(name, context).score(self._seen(model.network, name, lost)) for name in group.producers),
                torch.zeros(()),
            )
            ratio = min(self.at(name, context).pruning_ratio for name in group.producers)
            choice = Choice(group, scores, _keep(scores, ratio))
            for member in (m for m in group.members if m.side == IN):
                gone = ~member.kept(choice.keep)
                lost[member.module] = lost.get(member.module, torch.zeros_like(gone)) | gone
            choices.append(choice)
        return choices

    def apply(self, model: Compressed, context: Context) -> Compressed:
        choices = self.choose(model, context)
        masked = self._silenced(model.copy(), choices)
        for i, choice in enumerate(choices):
            context.progress(f"{self.title}: {choice.group.producers[0]}", i / len(choices))
            self._record(model, choice)
        shrink_stored(model, kept_positions((choice.group, choice.keep) for choice in choices))
        self._compare(masked.network, model.network, context)
        return model

    def masked(self, model: Compressed, context: Context) -> Compressed:
        return self._silenced(model, self.choose(model, context))

    def _silenced(self, model: Compressed, choices: list[Choice]) -> Compressed:
        for choice in choices:
            silence(model.network, choice.group, choice.keep)
        return model

    def _allowed(self, group: Group, mine: list[str], wanted: set[str], model: Compressed) -> bool:
        others = [name for name in group.producers if name not in wanted]
        why = group.refusal or (f"tied to {', '.join(others)}, which the step does not act on" if others else "")
        if why:
            model.note(f"{self.id()} left {', '.join(mine)} whole: {why}.")
        return not why

    def _seen(self, network: nn.Module, name: str, lost: dict[str, Tensor]) -> Tensor:
        weight = network.get_submodule(name).weight.detach()
        if self.ignores_removed_inputs() and name in lost and weight.shape[1] == lost[name].numel():
            return weight[:, ~lost[name]]
        return weight

    def _record(self, model: Compressed, choice: Choice) -> None:
        gone = choice.scores[~choice.keep]
        cut = float(gone.max()) if gone.numel() else None
        counts = histogram(choice.scores.numpy(), choice.keep.numpy())
        scores, kept = tuple(choice.scores.tolist()), tuple(choice.keep.tolist())
        for name in choice.group.producers:
            unit = "filter" if isinstance(model.network.get_submodule(name), nn.Conv2d) else "neuron"
            model.decisions = (
                *model.decisions,
                Decision(name, self.id(), self.criterion, unit, cut, len(kept), gone.numel(), scores, kept, counts),
            )
        if not gone.numel() and self.pruning_ratio:
            names = ", ".join(choice.group.producers)
            model.note(f"{self.id()} removed nothing from {names}: {self.pruning_ratio:g} of {len(kept)} is under one.")

    def _compare(self, masked: nn.Module, removed: nn.Module, context: Context) -> None:
        """Refuse to go on when the smaller network does not compute what the masked one does."""
        x = torch.rand(4, *context.input_shape, generator=context.generator("masked equals removed"))
        with torch.no_grad():
            a, b = masked(x), removed(x)
        if not torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(a.abs().max().clamp_min(1))):
            raise WorkbenchError(
                f"{self.id()} cannot be used on this network: taking the units out changes what it computes "
                f"(by {float((a - b).abs().max()):.2g}), so something between its layers does not keep zero at zero."
            )


def _keep(scores: Tensor, ratio: float) -> Tensor:
    """All but the lowest `ratio` of the units, one at least: (units,) bool."""
    removed = min(round(ratio * scores.numel()), scores.numel() - 1)
    keep = torch.ones(scores.numel(), dtype=torch.bool)
    keep[torch.argsort(scores, stable=True)[:removed]] = False
    return keep
