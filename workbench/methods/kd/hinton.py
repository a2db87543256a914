"""Distillation: learn from the dense network's softened answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ...core.compressed import Compressed, layers_of
from ...core.context import Context
from ...core.knob import knob
from ...core.method import ModelMethod
from ...core.order import NETWORK, TRAINING, Done, reason_against
from ...layers.channels import groups_of, kept_positions, shrink
from .._distil import taught
from .._loosened import codes_knob, trained


@dataclass(frozen=True)
class Hinton(ModelMethod):
    """Train with soft targets, either the network as it is now (to recover) or a thinner student from scratch.

    L = (1 - weight) CE(y, z_s) + weight T^2 KL(softmax(z_t / T) || softmax(z_s / T)), where the teacher is the dense
    network, or another one that is trained on the same data. Recovering leaves removed weights at zero, and codes as
    they are unless they are free.
    """

    title = "Distillation"
    citation = "Hinton, Vinyals, Dean 2015, arXiv:1503.02531"
    sets = TRAINING
    axis = "temperature"
    neutral = {"student": "recover", "epochs": 0}
    needs = ("teacher", "fit")
    start = "pretrained teacher, student from either"
    excused = {"monotone": "the temperature changes what is learnt and not what is stored"}

    student: str = knob(
        "recover",
        "train what the steps before have left, or a thinner network from scratch",
        choices=("recover", "thinner"),
        whole=True,
    )
    width: float = knob(
        0.5, "units of a hidden layer of the thinner student over the dense network's", low=0.1, high=1.0, whole=True
    )
    teacher: str = knob(
        "",
        "whose answers are learnt",
        names="a network that is trained on the same data",
        nothing="the dense network",
        whole=True,
    )
    temperature: float = knob(4.0, "softens both answers; 1 is the plain softmax", low=1.0, high=20.0, whole=True)
    weight: float = knob(0.7, "of the soft targets; the labels have the rest", low=0.0, high=1.0, whole=True)
    epochs: int = knob(3, "passes over the training data", low=0, high=100, whole=True)
    learning_rate: float = knob(1e-3, "at the start of training", low=1e-5, high=0.1, log=True, whole=True)
    codes: str = codes_knob()

    def follows(self, layers: tuple[str, ...] | None, done: Sequence[Done]) -> str | None:
        return reason_against(NETWORK if self.student == "thinner" else TRAINING, layers, done)

    def apply(self, model: Compressed, context: Context) -> Compressed:
        teacher = context.lent_teacher(self.id(), self.teacher)
        context.lent_fit(self.id())
        if self.student == "thinner":
            model = Compressed(thinner(model.network, self.width, context))
        if not self.epochs:
            return model
        loss = taught(teacher, temperature=self.temperature, weight=self.weight)
        return trained(
            model,
            context,
            owner=self.id(),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            loss=loss,
            codes=self.codes,
        )


def thinner(network: nn.Module, width: float, context: Context) -> nn.Module:
    """A copy with `width` of each hidden layer's units and fresh weights drawn from the context's seed."""
    student = Compressed.of(network).network
    groups = [g for g in groups_of(network, context.input_shape) if not g.refusal]
    widths = [max(1, round(width * g.count)) for g in groups]
    shrink(student, kept_positions((g, torch.arange(g.count) < w) for g, w in zip(groups, widths, strict=True)))
    generator = context.generator("student")
    for layer in layers_of(student):
        _draw(student.get_submodule(layer.name), generator)
    for module in student.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_parameters()  # constants, nothing is drawn
    return student


def _draw(module: nn.Module, generator: torch.Generator) -> None:
    """Normal weights of variance 2 / fan-in, biases zero (He et al. 2015)."""
    assert isinstance(module, nn.Conv2d | nn.Linear)
    nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
