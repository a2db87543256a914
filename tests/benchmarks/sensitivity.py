"""Per-layer sensitivity against the plain loop: every layer at ten levels, the same numbers, both times.

    python tests/benchmarks/sensitivity.py [--network lenet5] [--dataset digits] [--split validation]

The plain loop copies the network, compresses one layer and evaluates everything. Both sides compress in the same way;
that time is counted apart. Rounds alternate, and the medians are compared.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import dataclass, field

import torch
from torch import nn

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Batch, Context
from workbench.core.errors import WorkbenchError
from workbench.core.records import SensitivityPoint
from workbench.data import load_dataset
from workbench.measure.accuracy import accuracy
from workbench.measure.counts import nonzeros
from workbench.measure.sensitivity import sensitivity
from workbench.methods import method_named
from workbench.networks import build, pretrained

LEVELS = [i / 10 for i in range(10)]


@dataclass
class Variants:
    """One layer pruned; keeps the time it took."""

    network: nn.Module
    input_shape: tuple[int, ...]
    method: str
    seconds: float = field(default=0.0)

    def __call__(self, layer: str, level: float) -> Compressed:
        start = time.perf_counter()
        method = method_named(self.method)(pruning_ratio=level)
        result = method.apply(Compressed.of(self.network), Context(self.input_shape, layers=(layer,)))
        self.seconds += time.perf_counter() - start
        return result


def plain(variants: Variants, batch: Batch, layers: list[str], split: str) -> list[SensitivityPoint]:
    """Evaluate everything for every layer and level."""
    points = []
    for layer in layers:
        for level in LEVELS:
            model = variants(layer, level)
            found = accuracy(model.network, batch, split=split)
            points.append(SensitivityPoint(layer, level, found, nonzeros(model.network), " ".join(model.notes)))
    return points


def shared(variants: Variants, batch: Batch, layers: list[str], split: str) -> list[SensitivityPoint]:
    """The same points, each dense prefix computed once."""
    stream = sensitivity(variants.network, batch, variants=variants, layers=layers, levels=LEVELS, split=split)
    return list(stream)  # type: ignore[arg-type]  # a refusal would differ from every point


WAYS = {"plain": plain, "shared": shared}


def compare(variants: Variants, batch: Batch, layers: list[str], asked: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of every round by way, compressing apart; the first round only warms up."""
    times: dict[str, list[float]] = {key: [] for way in WAYS for key in (way, f"compressing {way}")}
    for i in range(asked.rounds + 1):
        found = {}
        for way, run in WAYS.items():
            variants.seconds, start = 0.0, time.perf_counter()
            found[way] = run(variants, batch, layers, asked.split)
            took = time.perf_counter() - start
            if i:
                times[way].append(took - variants.seconds)
                times[f"compressing {way}"].append(variants.seconds)
        assert found["plain"] == found["shared"], "the two ways disagree"
    return times


def report(times: dict[str, list[float]]) -> None:
    """Print medians, spreads and ratios."""
    median = {key: statistics.median(values) for key, values in times.items()}
    for way in WAYS:
        spread = f"{min(times[way]):.3f} to {max(times[way]):.3f}"
        print(f"{way:7} evaluating {median[way]:.3f} s ({spread}), compressing {median[f'compressing {way}']:.3f} s")
    whole = {way: median[way] + median[f"compressing {way}"] for way in WAYS}
    print("same numbers in every point, loss included")
    print(f"ratio of evaluating {median['plain'] / median['shared']:.2f}", end=", ")
    print(f"of everything {whole['plain'] / whole['shared']:.2f}")


def the_network(name: str, dataset: str) -> nn.Module:
    """The bundled weights, or seeded random ones where there are none; times do not depend on them."""
    try:
        return pretrained(name, dataset)
    except WorkbenchError as error:
        print(f"{error} Random weights instead.")
        return build(name)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--network", default="lenet5")
    arguments.add_argument("--dataset", default="digits")
    arguments.add_argument("--split", default="validation")
    arguments.add_argument("--method", default="prune.magnitude_iter")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--repeat", type=int, default=1, help="use the split's images so many times over")
    arguments.add_argument("--images", type=int, help="only the first so many images of the split")
    arguments.add_argument("--threads", type=int, default=2)
    asked = arguments.parse_args()
    torch.set_num_threads(asked.threads)
    network, given = the_network(asked.network, asked.dataset), load_dataset(asked.dataset).split(asked.split)
    images, labels = given.images[: asked.images], given.labels[: asked.images]
    batch = Batch(images.repeat(asked.repeat, 1, 1, 1), labels.repeat(asked.repeat))
    layers = [layer.name for layer in layers_of(network)]
    print(f"{asked.network} on {asked.dataset} ({asked.split}, {len(batch.images)} images), {asked.method},")
    print(f"{len(layers)} layers x {len(LEVELS)} levels, torch {torch.__version__}, {asked.threads} threads")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report(compare(Variants(network, tuple(batch.images.shape[1:]), asked.method), batch, layers, asked))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 1e3:.0f} MB, {(peak - before) / 1e3:.0f} MB of it for the scan and the plain loop")


if __name__ == "__main__":
    main()
