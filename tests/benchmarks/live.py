"""How long a person waits after a slider moves: to the estimate, to the first sample, to the measurement; and cancel.

    python tests/benchmarks/live.py [--network lenet5 --dataset digits] [--events 60] [--threads 2]

The estimate is drawn as the app draws it: a figure is built from the view. Times are from the slider's event.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from workbench.core.errors import WorkbenchError
from workbench.core.knob import knobs_of
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step
from workbench.core.records import Run
from workbench.data import load_dataset
from workbench.experiment.live import Live
from workbench.experiment.pipeline import canonical
from workbench.experiment.reports import Measured, Sampled, Working
from workbench.experiment.store import Store
from workbench.experiment.subject import Subject, subject_named
from workbench.figures import accuracy_bytes
from workbench.methods import methods
from workbench.networks import build, digest_of
from workbench.train.recovery import fitter

METHODS = ("prune.magnitude_iter", "prune.l1_filter", "quant.int8_linear", "quant.kmeans_share", "lowrank.tsvd")


def p95(times: list[float]) -> str:
    ms = [1000 * t for t in times]
    middle, high = statistics.median(ms), np.percentile(ms, 95)
    return f"median {middle:7.1f} ms   p95 {high:7.1f} ms   max {max(ms):7.1f} ms   n {len(ms)}"


def the_subject(network: str, dataset: str) -> Subject:
    """With the bundled weights, or seeded random ones where there are none; times hardly depend on them."""
    try:
        return subject_named(network, dataset)
    except WorkbenchError as error:
        print(f"{error} Random weights instead.")
    data, dense = load_dataset(dataset), build(network).eval().requires_grad_(False)
    return Subject(network, dense, data, fitter(data), data.calibration(n=256, seed=0), digest_of(dense))


class Given(Live):
    """On one subject, whatever the recipe's names say."""

    subject: Subject

    def _subject(self, recipe: Recipe, progress: Progress) -> Subject:
        return self.subject


class Page:
    """Stands for the app: keeps when the first event of each kind came, and the runs of the curve."""

    def __init__(self, home: Path, subject: Subject) -> None:
        self.live = Given(self.hear, Store(home / "runs.sqlite"))
        self.live.subject = subject
        self.runs: dict[str, Run] = {}
        self.first: dict[type, float] = {}

    def hear(self, event: object) -> None:
        self.first.setdefault(type(event), time.perf_counter())
        if isinstance(event, Measured):
            self.runs[event.recipe.key] = event.run

    def slide(self, recipe: Recipe) -> dict[str, float]:
        self.first.clear()
        began = time.perf_counter()
        guess = self.live.show(recipe)
        view = accuracy_bytes.view(list(self.runs.values()), estimate=None if guess is None else ("now", guess))
        accuracy_bytes.figure(view).to_plotly_json()
        drawn = time.perf_counter() - began
        assert self.live.wait(600)
        seen = {"estimate": drawn}
        if Sampled in self.first:
            seen["sample"] = self.first[Sampled] - began
        seen["measurement"] = self.first[Measured] - began
        return seen


def slider_values(method: str, count: int, rng: np.random.Generator) -> list:
    cls = methods()[method]
    knob = knobs_of(cls)[cls.axis]
    low, high = knob.bounds
    return [knob.clamp(knob.kind(round(float(x), 3))) for x in rng.uniform(low, high, count)]


def cancels(page: Page, recipe: Recipe, count: int = 5) -> list[float]:
    times = []
    for _ in range(count):
        page.first.clear()
        page.live.show(recipe)
        while Working not in page.first:
            time.sleep(0.005)
        time.sleep(0.2)
        began = time.perf_counter()
        page.live.cancel()
        page.live.wait(30)
        times.append(time.perf_counter() - began)
    return times


def main(say: Callable[[str], None] = print) -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--network", default="lenet5")
    options.add_argument("--dataset", default="digits")
    options.add_argument("--events", type=int, default=60, help="slider events per method")
    options.add_argument("--threads", type=int, default=2)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        subject = the_subject(given.network, given.dataset)
        page = Page(Path(folder), subject)
        everything: dict[str, list[float]] = {}
        for method in METHODS:
            if methods()[method].refuses(subject.network):
                continue
            axis = methods()[method].axis
            base = canonical(Recipe(given.network, given.dataset, (Step(method),)))
            page.live.fill(base, 0, axis)
            page.live.wait(600)
            times: dict[str, list[float]] = {}
            for value in slider_values(method, given.events, rng):
                for kind, seconds in page.slide(base.with_steps(Step(method, {axis: value}))).items():
                    times.setdefault(kind, []).append(seconds)
            for kind, seconds in times.items():
                everything.setdefault(kind, []).extend(seconds)
                say(f"{method:22} {kind:12} {p95(seconds)}")
        for kind, seconds in everything.items():
            say(f"{'all':22} {kind:12} {p95(seconds)}")
        training = Recipe(given.network, given.dataset, (Step("kd.hinton", {"epochs": 100}),))
        say(f"{'cancel of a training':22} {'':12} {p95(cancels(page, training))}")
        say(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
        page.live.close()


if __name__ == "__main__":
    main()
