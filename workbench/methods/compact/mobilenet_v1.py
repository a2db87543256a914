"""MobileNet's convolution in a given network: depthwise, then 1 x 1, with a width for all layers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ...core.compressed import CONV, Compressed, Layer
from ...core.context import Context
from ...core.knob import knob
from ...core.method import chosen
from ...layers.channels import Group, groups_of, kept_positions, shrink_stored
from ...layers.separable import SeparableConv2d
from .._distil import taught
from .._factors import FactorMethod, Found
from .._tuned import TunedMethod
from ..kd.hinton import Hinton
from ..prune._criteria import criterion_named
from ..prune._scores import kept_lowest


@dataclass(frozen=True)
class MobilenetV1(TunedMethod, FactorMethod):
    """K x K convolutions become depthwise K x K and pointwise 1 x 1: 1/out + 1/K^2 of their cost.

    They start as the separable kernels nearest to the given ones, or at random. That is a rough guess: it needs
    `epochs`, from the labels or from the dense network's answers. The first convolution stays whole, as published.
    `width` takes the filters of least L1 norm out of every convolution first.
    """

    title = "Depthwise separable convolutions"
    citation = "Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam 2017, MobileNets, arXiv:1704.04861"
    axis = "width"
    acts_on = (CONV,)
    start = "pretrained, or scratch as published"
    excused = {"neutral": "a separable convolution is never the one whose place it takes"}

    width: float = knob(1.0, "share of each convolution's filters that stay", low=0.1, high=1.0, whole=True)
    initial: str = knob("nearest", "what the new kernels start as", choices=("nearest", "random"))
    between: str = knob(
        "nothing",
        "what stands between the two; published is BatchNorm and ReLU, which has to be trained",
        choices=("nothing", "batchnorm_relu"),
    )
    first: bool = knob(False, "replace the first convolution of the network as well", whole=True)
    learn_from: str = knob("teacher", "what training follows", choices=("teacher", "labels"), whole=True)

    def apply(self, model: Compressed, context: Context) -> Compressed:
        context.progress(self.title, 0.0)
        names = {layer.name for layer in chosen(self, model, context)}
        self._thin(model, names, context)
        model = super().apply(model, context)
        if not self.epochs or self.learn_from == "labels":
            return self.recover(model, context)
        teacher, usual = context.lent_teacher(self.id()), Hinton()
        return self.recover(model, context, taught(teacher, temperature=usual.temperature, weight=usual.weight))

    def factors(self, module: nn.Module, layer: Layer, context: Context) -> Found | str:
        assert isinstance(module, nn.Conv2d)
        if module.kernel_size == (1, 1):
            return "its kernel is 1 x 1, which is pointwise already"
        if layer.index == 0 and not self.first:
            return "it is the first, which a MobileNet has whole"
        kernels, made = module.weight[0, 0].numel(), SeparableConv2d.like(module, self.between != "nothing")
        if 1 / module.out_channels + 1 / kernels >= 1:
            return "its depthwise and pointwise kernels hold no fewer numbers"
        if self.initial == "nearest":
            made.set_nearest(module)
        else:
            generator = context.generator("separable", layer.name)
            for part in (made.depthwise, made.pointwise):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu", generator=generator)
            if made.pointwise.bias is not None:
                nn.init.zeros_(made.pointwise.bias)
        return Found(made)

    def _thin(self, model: Compressed, names: set[str], context: Context) -> None:
        """Take all but `width` of the units out of every group of these convolutions."""
        if self.width == 1:
            return
        mine = [group for group in groups_of(model.network, context.input_shape) if names & set(group.producers)]
        free = [group for group in mine if not (why := _why_kept(group, names)) or self._keep(model, group, why)]
        scores = criterion_named("l1").groups(model.network, context, free)
        gone = [min(group.count - 1, round((1 - self.width) * group.count)) for group in free]
        keeps = [kept_lowest(score, less) for score, less in zip(scores, gone, strict=True)]
        shrink_stored(model, kept_positions(zip(free, keeps, strict=True)))

    def _keep(self, model: Compressed, group: Group, why: str) -> bool:
        model.note(f"{self.id()} kept the width of {', '.join(group.producers)}: {why}.")
        return False


def _why_kept(group: Group, names: set[str]) -> str:
    others = [name for name in group.producers if name not in names]
    return group.refusal or (f"it is tied to {', '.join(others)}, which the step does not act on" if others else "")
