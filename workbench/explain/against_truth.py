"""A criterion against the truth: the rank correlation of its scores with what the loss gains without each unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import nn

from ..core.agreement import Agreement, Correlation, LayerAgreement
from ..core.context import Batch, Context
from ..core.progress import Progress
from ..core.values import Array
from ..layers.channels import Group, groups_of
from ..measure.removal import Removed, removal
from ..methods.prune._criteria import criterion_named, scores_of
from ._remembered import key_of, known
from .units import SAMPLE, sample_of

RESAMPLES = 1000


def spearman(a: Array, b: Array) -> Array:
    """Along the last axis, ties at their mean rank; nan where one side has no order. (..., n) both -> (...)."""
    from scipy.stats import rankdata  # slow to load

    x, y = (rankdata(v, axis=-1) - (np.shape(v)[-1] + 1) / 2 for v in (a, b))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = (x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    return found


def correlation(scores: Array, truth: Array, resamples: int = RESAMPLES) -> Correlation:
    """With the 95 % percentile interval of bootstrap samples of the units. scores, truth: (units,)."""
    n = len(truth)
    drawn = np.random.default_rng(0).integers(0, n, (resamples, n))
    return _correlation(float(spearman(scores, truth)), spearman(scores[drawn], truth[drawn]), n)


def correlation_of_draws(draws: Sequence[Array], truth: Array) -> Correlation:
    """Of a criterion that draws its scores: the mean over many draws, and the 95 % range that they span."""
    spread = spearman(np.stack(draws), np.broadcast_to(truth, (len(draws), len(truth))))
    return _correlation(float(spread.mean()), spread, len(truth))


def _correlation(value: float, spread: Array, n: int) -> Correlation:
    spread = spread[np.isfinite(spread)]
    if not spread.size or not np.isfinite(value):
        return Correlation(None, None, None, n)
    low, high = np.quantile(spread, [0.025, 0.975])
    return Correlation(value, float(low), float(high), n)


def against_truth(
    criterion: str,
    network: nn.Module,
    *,
    data: Batch,
    context: Context,
    split: str = "validation",
    most: int = SAMPLE,
) -> Iterator[Agreement]:
    """How well a criterion predicts what the loss gains without each unit alone; grows layer by layer.

    data: the whole split, of which `most` images are looked at; context: what the criterion may use, which are other
    images. The truth is remembered, so that another criterion costs no more than its scores. WorkbenchError; Cancelled.
    """
    chosen, progress = criterion_named(criterion), context.progress
    groups = [g for g in groups_of(network, context.input_shape) if not g.refusal]
    batch, _ = sample_of(data, most)
    key = key_of(network, batch)
    scores = scores_of(criterion, network, context.with_progress(progress.part(0.0, 0.1)))
    found: tuple[LayerAgreement, ...] = ()
    dense = 0.0
    for i, group in enumerate(groups):
        part = progress.part(0.1 + 0.9 * i / len(groups), 0.1 + 0.9 * (i + 1) / len(groups))
        row = _removed(network, group, batch, key, part)
        found, dense = (*found, _layer(row, scores[group.producers[0]].double().numpy())), row.dense
        yield Agreement(
            criterion=criterion,
            title=chosen.title,
            dense=dense,
            n=len(batch.labels),
            total=len(data.labels),
            split=split,
            layers=found,
            overall=_overall(found),
            groups=len(groups),
        )
    if not groups:
        nothing = Correlation(None, None, None, 0)
        yield Agreement(criterion, chosen.title, 0.0, len(batch.labels), len(data.labels), split, (), nothing, 0)


def _removed(network: nn.Module, group: Group, batch: Batch, key: Array, progress: Progress) -> Removed:
    first = group.producers[0]
    one = removal(network, batch, layers=[first], progress=progress)
    return known(("without each", first), key, lambda: next(iter(one)))


def _layer(row: Removed, scores: Array) -> LayerAgreement:
    changes = np.array(row.changes)
    costs = tuple((sum(a) - sum(b)) / row.n for a, b in zip(row.lost, row.gained, strict=True))
    return LayerAgreement(
        row.producers[0],
        row.producers[1:],
        tuple(scores.tolist()),
        tuple(changes.tolist()),
        costs,
        correlation(scores, changes),
    )


def _overall(layers: Sequence[LayerAgreement]) -> Correlation:
    scores = np.concatenate([np.array(layer.scores) for layer in layers])
    return correlation(scores, np.concatenate([np.array(layer.changes) for layer in layers]))
