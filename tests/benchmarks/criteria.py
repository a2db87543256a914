"""Criteria against the truth: do low scores mean that the loss can do without the unit?

    python tests/benchmarks/criteria.py [--network lenet5] [--dataset mnist] [--images 2000]

The truth is the mean cross-entropy on validation images when one unit alone is taken out, less that of the dense
network. Each criterion sees training images only. Spearman's rank correlation of score and truth, for each group of
tied layers and over all units at once, with the 95 % interval of 1,000 bootstrap samples of the units. Chance is the
mean and the 95 % range of 200 draws.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch

from workbench.core.agreement import Correlation
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe
from workbench.experiment.subject import subject_named
from workbench.explain.against_truth import correlation, correlation_of_draws, spearman
from workbench.explain.units import sample_of
from workbench.measure.removal import Removed, removal
from workbench.methods.prune._criteria import CRITERIA, Chance, Taylor, scores_of

KINDS = {
    **CRITERIA,
    "taylor, each image": Taylor(batch=1),
    "taylor, 2nd order": Taylor("gate_second_order"),
    "taylor, filter": Taylor("filter"),
    "taylor, weights": Taylor("weights"),
}
DRAWS, COLUMNS = 200, 4


def compared(draws: list[np.ndarray], truth: np.ndarray) -> Correlation:
    """Of one criterion with an interval over resampled units; of chance, the mean and range of its draws."""
    return correlation_of_draws(draws, truth) if len(draws) > 1 else correlation(draws[0], truth)


def spelled(found: Correlation) -> str:
    values = [np.nan if value is None else value for value in (found.value, found.low, found.high)]
    return "{:6.3f} [{:6.3f}, {:6.3f}]".format(*values)


def named(row: Removed) -> str:
    first = row.producers[0]
    return first if len(row.producers) == 1 else f"{first} +{len(row.producers) - 1}"


def measured(asked: argparse.Namespace) -> tuple[list[Removed], dict[str, list[list[np.ndarray]]]]:
    """The truth, and for every criterion its draws, each with the scores of every group in the same order."""
    subject = subject_named(asked.network, asked.dataset)
    context = subject.context(Recipe(asked.network, asked.dataset, seed=asked.seed), Progress())
    batch, chosen = sample_of(subject.dataset.split("validation"), asked.images, asked.seed)
    start = time.perf_counter()
    truth = list(removal(subject.network, batch))
    units = sum(len(row.losses) for row in truth)
    print(f"{asked.network} on {asked.dataset}: {len(truth)} groups, {units} units, {len(chosen)} validation images,")
    print(f"dense loss {truth[0].dense:.5f}; the truth took {time.perf_counter() - start:.1f} s\n")
    scores = {}
    for name, criterion in KINDS.items():
        start = time.perf_counter()
        seeds = range(DRAWS) if isinstance(criterion, Chance) else [asked.seed]
        found = [scores_of(criterion, subject.network, replace(context, seed=seed)) for seed in seeds]
        scores[name] = [[own[row.producers[0]].numpy().astype(np.float64) for row in truth] for own in found]
        print(f"{name:20} {(time.perf_counter() - start) / len(found):6.2f} s")
    return truth, scores


def report(truth: list[Removed], scores: dict[str, list[list[np.ndarray]]]) -> None:
    """Tables of the truth, of each layer, and of all units."""
    changes = [np.array(row.changes) for row in truth]
    print("\nloss gained without one unit, in nats: least, median, most")
    for row, change in zip(truth, changes, strict=True):
        print(f"{named(row):20} {len(change):4} {change.min():10.6f} {np.median(change):10.6f} {change.max():10.6f}")
    for start in range(0, len(truth), COLUMNS):
        some = range(start, min(start + COLUMNS, len(truth)))
        print("\nrank correlation" + " " * 4 + "".join(f"{named(truth[i]):>26}" for i in some))
        for name, own in scores.items():
            cells = [compared([draw[i] for draw in own], changes[i]) for i in some]
            print(f"{name:20}" + "".join(f"  {spelled(cell)}" for cell in cells))
    print("\nover all units" + " " * 24 + "mean over layers")
    for name, own in scores.items():
        every = compared([np.concatenate(draw) for draw in own], np.concatenate(changes))
        each = [np.mean([spearman(draw[i], change) for draw in own]) for i, change in enumerate(changes)]
        print(f"{name:20} {spelled(every)}   {np.nanmean(each):6.3f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--network", default="lenet5")
    arguments.add_argument("--dataset", default="mnist")
    arguments.add_argument("--images", type=int, default=2000, help="of the validation split, drawn from the seed")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--threads", type=int, default=2)
    asked = arguments.parse_args()
    torch.set_num_threads(asked.threads)
    report(*measured(asked))


if __name__ == "__main__":
    main()
