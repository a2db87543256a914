"""How long it takes from asking to a changed picture, for each method, through the worker as the app does it.

    python tests/benchmarks/attribution.py [--pairs lenet5/mnist resnet20/cifar10] [--times 20] [--processor]

Every question is about another image; the first of each method, which loads captum, is left out. Compressing is timed
apart, since the app does it for the accuracy anyway. --processor: seconds of this process instead of the clock, for
machines that others use as well; with one thread the two compare.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable

import numpy as np
import torch

from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe, Step
from workbench.experiment.live import Live
from workbench.experiment.questions.attribution import AttributionQuestion
from workbench.experiment.reports import Answered, Failed
from workbench.explain.attribution import attributions


class Asking:
    """One question after the other, each with the time until its answer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.done, self.problem, self.live = threading.Event(), "", Live(self.hear)

    def hear(self, event: object) -> None:
        if isinstance(event, Failed):
            self.problem = event.sentence
            self.done.set()
        if isinstance(event, Answered) and event.answer.final:
            self.done.set()

    def ask(self, recipe: Recipe, method: str, image: int) -> float:
        """Seconds until the answer; WorkbenchError when there is none."""
        self.done.clear()
        self.problem, start = "", self.clock()
        self.live.ask(recipe, AttributionQuestion(method, image))
        self.done.wait()
        if self.problem:
            raise WorkbenchError(self.problem)
        return self.clock() - start


def timed(pair: str, times: int, clock: Callable[[], float]) -> None:
    """One line for each method: the median and the 95th percentile of all questions but the first."""
    network, dataset = pair.split("/")
    asking = Asking(clock)
    recipes = [
        Recipe(network, dataset, (Step("prune.l1_filter", {"pruning_ratio": round(0.1 + 0.7 * i / times, 3)}),))
        for i in range(times + 1)
    ]
    try:
        made = [asking.ask(recipe, "saliency", 0) for recipe in recipes]
        print(f"{pair}: compressing and a saliency map, median {np.median(made[1:]):.2f} s", flush=True)
        for name, method in attributions().items():
            try:
                asking.ask(recipes[0], name, 1)
                found = [asking.ask(recipes[0], name, 2 + i) for i in range(times)]
            except WorkbenchError as error:
                print(f"  {method.title:22s} off: {error}")
                continue
            low, high = np.percentile(found, [50, 95])
            print(f"  {method.title:22s} median {low:6.3f} s   p95 {high:6.3f} s", flush=True)
    finally:
        asking.live.close()


def main() -> None:
    """Print one block for each pair of network and data."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pairs", nargs="+", default=["lenet5/mnist", "resnet20/cifar10"])
    asked.add_argument("--times", type=int, default=20)
    asked.add_argument("--processor", action="store_true")
    given = asked.parse_args()
    print(f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for pair in given.pairs:
        timed(pair, given.times, time.process_time if given.processor else time.perf_counter)


if __name__ == "__main__":
    main()
