"""The learning rate as a pure function of the step, so that a resumed training needs no scheduler's memory."""

from __future__ import annotations

import math

from .settings import TrainSettings


def rate_at(step: int, steps_per_epoch: int, settings: TrainSettings) -> float:
    """Learning rate of optimizer step `step`, counted from 0: a linear rise, then the schedule over what is left.

    cosine: Loshchilov and Hutter 2017, one half period that ends at 0 just after the last step.
    """
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    if settings.schedule == "step":
        return settings.learning_rate * settings.step_factor ** (step // (settings.step_epochs * steps_per_epoch))
    left = max(1, settings.epochs * steps_per_epoch - warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * (step - warmup) / left)) / 2
