"""Training that a method borrows: a compressed network learns on within what its file stores."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import torch

from ..core.compressed import Compressed
from ..core.context import Context, Fit, Loss
from ..core.training import DONE, EpochRow, Training
from ..data import Dataset
from ..layers.tied import held
from .loop import Loop, optimizer_for
from .losses import cross_entropy
from .settings import TrainSettings, recovery_settings
from .watch import Watch


def fitter(dataset: Dataset, settings: TrainSettings | None = None) -> Fit:
    """A Fit on the train split of `dataset`. settings: `recovery_settings(dataset.name)` when None.

    Epochs and learning rate are what each call asks for, the seed is its context's; the threads are those that
    are set. The model that is given stays as it is, also when the fit is cancelled or diverges.
    """
    usual = settings or recovery_settings(dataset.name)

    def fit(
        model: Compressed, context: Context, *, epochs: int, learning_rate: float, loss: Loss | None = None
    ) -> Compressed:
        if epochs == 0:
            return model.copy()
        chosen = replace(usual, epochs=epochs, learning_rate=learning_rate, seed=context.seed)
        return _fitted(model.copy(), dataset, chosen, loss or cross_entropy(chosen.label_smoothing), context)

    return fit


def _followed(loop: Loop, dataset: Dataset, context: Context) -> None:
    """Every epoch, with its curve: the mean loss alone, for a compressed network is measured on its file."""
    watch = Watch(Training("", dataset.name, loop.settings.epochs))
    history: tuple[EpochRow, ...] = ()
    for number in range(loop.settings.epochs):
        with closing(loop.steps(number)) as steps:
            for seen in steps:
                watch.step(seen, context.progress)
        history = (*history, EpochRow(number + 1, seen.loss))
        watch.epoch(history, 0, context.progress)
    watch.end(context.progress, outcome=DONE)


def _fitted(model: Compressed, dataset: Dataset, settings: TrainSettings, loss: Loss, context: Context) -> Compressed:
    """Trains `model` itself, every parameter of it, also those that came without gradients (a dense network may)."""
    network = model.network
    wanted = [(p, p.requires_grad) for p in network.parameters()]
    network.requires_grad_(True).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with held(model):
        _followed(Loop(network, dataset.train, settings, loss, optimizer_for(network, settings)), dataset, context)
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    network.zero_grad(set_to_none=True)
    for parameter, wants in wanted:
        parameter.requires_grad_(wants)
    return model
