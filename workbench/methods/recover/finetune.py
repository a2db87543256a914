"""Fine-tuning: train on what the steps before have left."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.compressed import Compressed
from ...core.context import Context
from ...core.knob import knob
from ...core.method import ModelMethod
from ...core.order import TRAINING
from .._loosened import codes_knob, trained


@dataclass(frozen=True)
class Finetune(ModelMethod):
    """Train on the labels. Removed weights stay zero, codes as they are unless they are free; real numbers learn."""

    title = "Fine-tuning"
    citation = "Han, Pool, Tran, Dally 2015, arXiv:1506.02626 (retraining of what is left)"
    sets = TRAINING
    axis = "epochs"
    neutral = {"epochs": 0}
    needs = ("fit",)
    excused = {"monotone": "training changes the values that are stored and not how many"}

    epochs: int = knob(2, "passes over the training data", low=0, high=100, whole=True)
    learning_rate: float = knob(1e-3, "at the start of training", low=1e-5, high=0.1, log=True, whole=True)
    codes: str = codes_knob()

    def apply(self, model: Compressed, context: Context) -> Compressed:
        context.lent_fit(self.id())
        if not self.epochs:
            return model
        return trained(
            model,
            context,
            owner=self.id(),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            codes=self.codes,
        )
