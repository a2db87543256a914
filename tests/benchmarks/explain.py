"""How long a click takes to become an answer, through the worker, as the page asks.

    python tests/benchmarks/explain.py units [--network lenet5] [--dataset mnist] [--clicks 20] [--processor]

units: from a click on a filter to its first card (kernel, ranks by weights, nearest weights), to the card with what it
answers to, to the truth, and to the complete card. The clicks go through the layers in turn and hit another filter each
time. The very first one is told apart: it pays for what is remembered about the network.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable

import numpy as np
import torch

from workbench.core.recipe import Recipe
from workbench.core.units import UnitCard
from workbench.experiment.live import Live
from workbench.experiment.questions import Question
from workbench.experiment.questions.unit import UnitQuestion
from workbench.experiment.reports import Answered, Failed
from workbench.experiment.subject import subject_named
from workbench.layers.channels import groups_of

STAGES: dict[str, Callable[[UnitCard], bool]] = {
    "first card": lambda card: True,
    "with what it answers to": lambda card: card.responses is not None,
    "with the truth": lambda card: card.truth is not None,
    "with images and patches": lambda card: bool(card.examples) or card.complete,
    "complete": lambda card: card.complete,
}


class Asker:
    """Asks a Live and keeps when which state of the answer came."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.live = Live(self._hear)
        self._done = threading.Event()
        self._states: list[tuple[float, object]] = []

    def ask(self, recipe: Recipe, question: Question) -> list[tuple[float, object]]:
        """(seconds, answer so far) of every state."""
        self._states, self._start = [], self._clock()
        self._done.clear()
        self.live.ask(recipe, question)
        self._done.wait()
        return self._states

    def _hear(self, event: object) -> None:
        if isinstance(event, Failed):
            raise SystemExit(event.sentence)
        if isinstance(event, Answered):
            self._states.append((self._clock() - self._start, event.answer.value))
            if event.answer.final:
                self._done.set()


def units(asked: argparse.Namespace) -> None:
    """Clicks on filters of all layers in turn."""
    subject = subject_named(asked.network, asked.dataset)
    groups = [g for g in groups_of(subject.network, subject.dataset.input_shape) if not g.refusal]
    clock = time.process_time if asked.processor else time.perf_counter
    recipe, asker = Recipe(asked.network, asked.dataset), Asker(clock)
    times: dict[str, list[float]] = {name: [] for name in STAGES}
    for i in range(asked.clicks + 1):
        group = groups[i % len(groups)]
        layer = group.producers[(i // len(groups)) % len(group.producers)]
        states = asker.ask(recipe, UnitQuestion(layer, (7 * i + 1) % group.count))
        for name, reached in STAGES.items():
            times[name].append(next(at for at, card in states if reached(card)))
    asker.live.close()
    print(
        f"{asked.network} on {asked.dataset}, {asked.threads} threads, {asked.clicks} clicks after the first;", end=" "
    )
    print("ms of processor time" if asked.processor else "ms")
    print(f"{'':26}{'the first':>12}{'median':>12}{'p95':>12}{'most':>12}")
    for name, (first, *rest) in times.items():
        figures = first, np.median(rest), np.quantile(rest, 0.95), max(rest)
        print(f"{name:26}" + "".join(f"{1000 * figure:12.1f}" for figure in figures))


WHAT = {"units": units}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=WHAT)
    arguments.add_argument("--network", default="lenet5")
    arguments.add_argument("--dataset", default="mnist")
    arguments.add_argument("--clicks", type=int, default=20)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--processor", action="store_true", help="processor time, for a machine that others use")
    asked = arguments.parse_args()
    torch.set_num_threads(asked.threads)
    WHAT[asked.what](asked)


if __name__ == "__main__":
    main()
