"""What methods share that may train after they have compressed."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.compressed import Compressed
from ..core.context import Context, Loss
from ..core.knob import knob
from ..core.method import LayerMethod, Method


@dataclass(frozen=True)
class TunedMethod(Method):
    """A method with an optional recovery: what the step fixed stays fixed, the rest is trained."""

    epochs: int = knob(
        0, "training epochs after each round; 0 leaves the weights as they are", low=0, high=50, whole=True
    )
    learning_rate: float = knob(1e-3, "of that training", low=1e-5, high=0.1, log=True, whole=True)

    def recover(self, model: Compressed, context: Context, loss: Loss | None = None) -> Compressed:
        """`model` after `epochs` of training with what is stored held fixed. loss: cross-entropy when None."""
        if not self.epochs:
            return model
        fit = context.lent_fit(self.id())
        return fit(model, context, epochs=self.epochs, learning_rate=self.learning_rate, loss=loss)


@dataclass(frozen=True)
class TunedLayerMethod(TunedMethod, LayerMethod):
    """A layer method with an optional recovery."""

    def apply(self, model: Compressed, context: Context) -> Compressed:
        return self.recover(super().apply(model, context), context)
