"""Criteria that look at the loss: what a Taylor expansion says that it loses without a unit.

A gate of 1 that multiplies whatever reads a unit stands for the unit: removing it is turning the gate to 0. Where only
ReLU and pooling come in between, the paper's gate, right behind the layer's BatchNorm, has the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ...core.context import Batch, Context
from ...core.progress import Progress
from ...layers.channels import Group, groups_of
from ...layers.readers import readers_of
from ...layers.watch import beside
from ._criterion import Criterion, lent_batch, remembered
from ._maps import CHUNK

FORMS = ("gate", "gate_second_order", "filter", "weights")


@dataclass(frozen=True)
class Taylor(Criterion):
    """The squared change of the loss without the unit, expanded around what is there, mean over mini-batches.

    form: "gate" (dL/dz)^2; "gate_second_order" (dL/dz - h / 2)^2 with h the Gauss-Newton second derivative, which is
    the exact one where a gate enters the logits linearly; "filter" (sum of g w)^2 over a filter's weights and bias;
    "weights" sum of (g w)^2. Tied layers share their gate; otherwise their sums are added before squaring.
    Molchanov et al. 2019, arXiv:1906.10771.
    """

    form: str = "gate"
    images: int = 256
    batch: int = 32
    weighs = True
    needs = ("calibration",)

    @property
    def title(self) -> str:
        return "squared change of the loss (Taylor)"

    def layers(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        if self.form.startswith("gate"):
            found = [g for g in groups_of(network, context.input_shape) if set(names) & set(g.producers)]
            own = zip(found, self.groups(network, context, found), strict=True)
            return {name: scores for group, scores in own for name in group.producers if name in names}
        return {name: self._squared([parts]) for name, parts in self._by_weight(network, context, names).items()}

    def groups(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor]:
        if self.form.startswith("gate"):
            return self._gates(network, context, groups)
        own = self._by_weight(network, context, [name for group in groups for name in group.producers])
        return [self._squared([own[name] for name in group.producers]) for group in groups]

    def weights(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        """(g w)^2 of each weight, mean over mini-batches, whatever the form."""
        batch = lent_batch(self, context, self.images)

        def compute() -> dict[str, Tensor]:
            total = {name: torch.zeros(()) for name in names}
            parts = -(-len(batch.images) // self.batch)
            for products in _products(network, batch, self.batch, names, context.progress):
                for name, (product, _bias) in products.items():
                    total[name] = total[name] + product.square() / parts
            return total

        return remembered(f"squared g w {self.batch} {tuple(names)}", network, batch, compute)

    def _by_weight(self, network: nn.Module, context: Context, names: Sequence[str]) -> dict[str, Tensor]:
        """Of every mini-batch and unit what is squared ("filter") or added ("weights"): name -> (batches, out)."""
        batch = lent_batch(self, context, self.images)

        def compute() -> dict[str, Tensor]:
            found: dict[str, list[Tensor]] = {name: [] for name in names}
            for products in _products(network, batch, self.batch, names, context.progress):
                for name, (weight, bias) in products.items():
                    flat = weight.flatten(1)
                    found[name].append(flat.sum(1) + bias if self.form == "filter" else flat.square().sum(1))
            return {name: torch.stack(parts) for name, parts in found.items()}

        return remembered(f"g w {self.form} {self.batch} {tuple(names)}", network, batch, compute)

    def _squared(self, parts: Sequence[Tensor]) -> Tensor:
        """The parts of tied layers, each (batches, units), as one score: (units,)."""
        whole = torch.stack(list(parts)).sum(0).double()
        return (whole.square() if self.form == "filter" else whole).mean(0)

    def _gates(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor]:
        batch = lent_batch(self, context, self.images)
        second = self.form == "gate_second_order"
        where = [group.producers for group in groups]

        def compute() -> dict[str, Tensor]:
            return _gate_derivatives(network, batch, groups, second, context.progress)

        found = remembered(f"gates {second} {where}", network, batch, compute)
        scores = []
        for i in range(len(groups)):
            change = found[f"{i} gradient"] - (found[f"{i} curvature"] / 2 if second else 0.0)
            means = torch.stack([part.mean(0) for part in torch.split(change.double(), self.batch)])
            scores.append(means.square().mean(0))
        return scores


def _gate_derivatives(
    network: nn.Module, batch: Batch, groups: Sequence[Group], second: bool, progress: Progress
) -> dict[str, Tensor]:
    """Of every image and unit its gate's derivatives of the loss: "i gradient", "i curvature" -> (images, units)."""
    twin, parts = beside(network).eval(), dict[str, list[Tensor]]()
    for done, images, labels in _split(batch, CHUNK):
        progress("Looking at gradients", done)
        with torch.enable_grad(), _Gates(twin, groups) as gates:
            logits = twin(images)
        derivatives = gates.second(logits, labels, progress) if second else gates.first(logits, labels)
        for name, values in derivatives.items():
            parts.setdefault(name, []).append(values)
    return {name: torch.cat(values) for name, values in parts.items()}


class _Gates:
    """Ones of its own for each image, multiplied onto what the readers of the groups' units read."""

    def __init__(self, network: nn.Module, groups: Sequence[Group]) -> None:
        self.groups = groups
        self.given: list[tuple[str, Tensor]] = []
        self.readers = [readers_of(network, group) for group in groups]
        modules = dict.fromkeys(name for readers in self.readers for name in readers)
        self.handles = [network.get_submodule(n).register_forward_pre_hook(self._gate(n)) for n in modules]

    def __enter__(self) -> _Gates:
        return self

    def __exit__(self, *failure: Any) -> None:
        for handle in self.handles:
            handle.remove()

    def _gate(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        def hook(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            x = given[0]
            channels = 1 if isinstance(module, nn.Conv2d) else x.ndim - 1
            shape = [size if axis in (0, channels) else 1 for axis, size in enumerate(x.shape)]
            gate = torch.ones(shape, requires_grad=True)
            self.given.append((name, gate))
            return (x * gate, *given[1:])

        return hook

    def first(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return self._named("gradient", self._of(F.cross_entropy(logits, labels, reduction="sum")))

    def second(self, logits: Tensor, labels: Tensor, progress: Progress) -> dict[str, Tensor]:
        """J^T (p - y) and, after Gauss and Newton, J^T (diag p - p p^T) J, with J of one class at a time."""
        p, y = logits.detach().softmax(1), F.one_hot(labels, logits.shape[1])
        slope, mean, square = ([torch.zeros(len(labels), g.count) for g in self.groups] for _ in range(3))
        for k in range(logits.shape[1]):
            progress.check()
            for i, j in enumerate(self._of(logits[:, k].sum(), keep=True)):
                slope[i] += (p - y)[:, k : k + 1] * j
                mean[i] += p[:, k : k + 1] * j
                square[i] += p[:, k : k + 1] * j.square()
        curvature = [b - a.square() for a, b in zip(mean, square, strict=True)]
        return self._named("gradient", slope) | self._named("curvature", curvature)

    def _of(self, value: Tensor, keep: bool = False) -> list[Tensor]:
        """The derivative of `value` by every gate of every group, (images, units), added over its readers."""
        every = torch.autograd.grad(value, [g for _, g in self.given], retain_graph=keep, materialize_grads=True)
        totals = [torch.zeros(len(every[0]), group.count) for group in self.groups]
        for (name, _), gradient in zip(self.given, every, strict=True):
            for total, readers in zip(totals, self.readers, strict=True):
                if name in readers:
                    own = readers[name] >= 0
                    total.index_add_(1, readers[name][own], gradient.flatten(1)[:, own])
        return totals

    def _named(self, what: str, values: Sequence[Tensor]) -> dict[str, Tensor]:
        return {f"{i} {what}": value for i, value in enumerate(values)}


def _products(
    network: nn.Module, batch: Batch, size: int, names: Sequence[str], progress: Progress
) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """For each mini-batch: layer -> gradient times weight, and gradient times bias (0 without one)."""
    twin = beside(network).eval()
    leaves = {key: tensor.detach().clone().requires_grad_() for key, tensor in _own(twin, names).items()}
    for done, images, labels in _split(batch, size):
        progress("Looking at gradients", done)
        with torch.enable_grad():
            loss = F.cross_entropy(functional_call(twin, leaves, (images,)), labels)
            every = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        product = {key: (g * leaves[key]).detach() for key, g in zip(leaves, every, strict=True)}
        yield {name: (product[f"{name}.weight"], product.get(f"{name}.bias", torch.zeros(()))) for name in names}


def _own(network: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    """The weights and biases of the layers, by their names in the network."""
    return {f"{n}.{key}": p for n in names for key, p in network.get_submodule(n).named_parameters(recurse=False)}


def _split(batch: Batch, size: int) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Share that is done, images, labels."""
    for start in range(0, len(batch.images), size):
        yield start / len(batch.images), batch.images[start : start + size], batch.labels[start : start + size]
