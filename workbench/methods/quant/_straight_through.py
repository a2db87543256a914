"""Quantization-aware training: weights learn as real numbers while the network runs with what would be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ...core.compressed import Compressed, Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.method import LayerMethod
from ...layers.tied import Latent
from ._activations import Appointed
from ._policy import EndsMethod


@dataclass(frozen=True)
class StraightThroughMethod(EndsMethod):
    """A quantizer that can train the weights it is about to quantize.

    Forward the network runs with the quantized weights, backward the gradient reaches the real ones as if `soft` had
    run (Bengio, Leonard, Courville 2013, arXiv:1308.3432). In the end `encode` stores them, as it does without
    training. Weights that were removed before stay zero.
    """

    epochs: int = knob(
        0, "epochs of training with quantized weights; 0 quantizes the weights as they are", low=0, high=50, whole=True
    )
    learning_rate: float = knob(1e-3, "of that training", low=1e-5, high=0.1, log=True, whole=True)

    def soft(self, weight: Tensor, keep: Tensor) -> Tensor:
        """A smooth function of the weight with the gradient that training shall use. weight, keep: the same shape."""
        return weight

    def final(self, encoded: Encoded) -> Encoded:
        """The form in which the encoded weight is stored."""
        return encoded

    def inputs(self, model: Compressed, appointed: Sequence[Appointed], context: Context) -> list[Appointed]:
        """What happens to the inputs of the layers; the layers under their names from then on."""
        return list(appointed)

    def noisy(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        """What runs while training, where that differs from what is stored."""
        return self.encode(given, layer, context)

    def jobs(self, model: Compressed, appointed: Sequence[Appointed], context: Context) -> list[Job]:
        """Every tensor that is quantized."""
        return [Job(layer.tensor, layer, method, context) for layer, method in appointed]

    def apply(self, model: Compressed, context: Context) -> Compressed:
        context.progress(self.title, 0.0)
        jobs = self.jobs(model, self.inputs(model, self.appointed(model, context), context), context)
        if self.epochs and jobs:
            model = self.trained(model, jobs, context)
        for i, job in enumerate(jobs):
            context.progress(f"{self.title}: {job.tensor}", i / len(jobs))
            model.store(job.tensor, job.final(model.stored(job.tensor)))
        return model

    def trained(self, model: Compressed, jobs: Sequence[Job], context: Context) -> Compressed:
        """`model` with weights that learnt to be quantized, not yet quantized."""
        fit = context.lent_fit(self.id())
        for job in jobs:
            model.encoded[job.tensor] = job.latent(model.stored(job.tensor))
        return fit(model, context, epochs=self.epochs, learning_rate=self.learning_rate)


class Job(NamedTuple):
    """One tensor to quantize, by `method` with the knob values of `layer`."""

    tensor: str
    layer: Layer
    method: LayerMethod
    context: Context

    def encode(self, given: Encoded) -> Encoded:
        """What is stored."""
        return self.method.encode(given, self.layer, self.context)

    def final(self, given: Encoded) -> Encoded:
        """What is stored, in the form that takes fewest bytes."""
        done = self.encode(given)
        return self.method.final(done) if isinstance(self.method, StraightThroughMethod) else done

    def latent(self, given: Encoded) -> Encoded:
        """The same weights, to be trained."""
        if not isinstance(self.method, StraightThroughMethod):
            return given.with_values(Latent(given.stored(), self.encode, lambda weight, keep: weight))
        method = self.method
        return given.with_values(
            Latent(given.stored(), lambda now: method.noisy(now, self.layer, self.context), method.soft)
        )
