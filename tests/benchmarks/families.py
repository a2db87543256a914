"""Every method over its main knob on CIFAR-10: what is kept at 4x, 8x and 16x, and what it costs to run.

    python tests/benchmarks/families.py [--network resnet20] [--recovery none|batchnorm|finetune] [--only PART ...]
        [--table]

Every point is a file that was written, read back and measured on the validation split, and goes into the run store:
points that are there are not measured again, so a run that was stopped goes on. Without training (none), with BatchNorm
re-estimated from 256 images (batchnorm), or with two epochs of training (finetune; by the method itself where it trains
with quantized weights). Such training takes minutes a point; its products are bfloat16, which the runs say, unless
--precision is float32. Then prints the table, --table that alone. MACs and time are those of the setting nearest to 8x:
processor time of one image, in turns with the dense network's, in milliseconds and as a share of that.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from workbench.core.comparison import Bound
from workbench.core.compressed import layers_of
from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe
from workbench.core.records import Run
from workbench.experiment.compare import RATIOS, compare, curve_name
from workbench.experiment.pipeline import canonical, compress
from workbench.experiment.run import run
from workbench.experiment.store import Store
from workbench.experiment.subject import Subject, subject_named
from workbench.experiment.sweep import along
from workbench.methods import parse_step
from workbench.train.recovery import fitter
from workbench.train.settings import recovery_settings

FILTERS = ("pruning_ratio", (0.1, 0.25, 0.52, 0.66, 0.76))
WEIGHTS = ("pruning_ratio", (0.5, 0.78, 0.9, 0.96, 0.98))
CURVES = {  # the last layer, of ten units, has nothing to spare: at an eighth of its rank it tells two classes apart
    "prune.magnitude_iter": WEIGHTS,
    "prune.granularity_masks:scope=global": WEIGHTS,
    "prune.l1_filter": FILTERS,
    "prune.fpgm": FILTERS,
    "prune.taylor2019": FILTERS,
    "prune.hrank": FILTERS,
    "prune.apoz": FILTERS,
    "prune.neuron_datafree": ("pruning_ratio", (0.25, 0.5, 0.75, 0.9)),
    "quant.int8_linear": ("bits", (8, 6, 4, 3, 2)),
    "quant.dfp": ("bits", (8, 6, 4, 3, 2)),
    "quant.kmeans_share": ("bits", (8, 6, 4, 3, 2, 1)),
    "quant.dorefa:activation_bits=8": ("bits", (8, 4, 3, 2, 1)),
    "quant.twn": ("threshold", (0.5, 0.7, 0.9, 1.1)),
    "quant.bwn": ("per_filter", (True, False)),
    "struct.circulant": ("exponent", (1, 2, 3, 4)),
    "lowrank.tsvd/{last}:rank_share=1": ("rank_share", (0.5, 0.25, 0.12, 0.045)),
    "lowrank.tucker2": ("rank_share", (0.6, 0.4, 0.26, 0.13)),
    "lowrank.cp": ("rank_share", (0.5, 0.24, 0.12, 0.04)),
    "compact.mobilenet_v1": ("width", (1.0, 0.8, 0.6, 0.45)),
    "combo.deep_compression:epochs=0": ("conv_ratio", (0.3, 0.6, 0.75, 0.9)),
}
TRAINED = (  # at 8x on ResNet-20, the most telling first; then at 16x, then at 4x
    "prune.magnitude_iter:pruning_ratio=0.871",
    "prune.l1_filter:pruning_ratio=0.62",
    "quant.kmeans_share:bits=4",
    "lowrank.tucker2:rank_share=0.26",
    "compact.mobilenet_v1:width=0.95",
    "prune.taylor2019:pruning_ratio=0.65",
    "quant.dorefa:activation_bits=8,bits=4,epochs=2",
    "prune.fpgm:pruning_ratio=0.62",
    "lowrank.tsvd:rank_share=0.115/{last}:rank_share=1",
    "combo.deep_compression:epochs=0,conv_ratio=0.6",
    "prune.granularity_masks:scope=global,pruning_ratio=0.871",
    "quant.int8_linear:bits=4",
    "lowrank.cp:rank_share=0.13",
    "prune.hrank:pruning_ratio=0.62",
    "prune.apoz:pruning_ratio=0.62",
    "quant.twn:epochs=2",
    "quant.bwn:epochs=2",
    "quant.dfp:bits=4",
    "quant.dorefa:activation_bits=8,bits=2,epochs=2",
    "prune.magnitude_iter:pruning_ratio=0.948",
    "prune.l1_filter:pruning_ratio=0.74",
    "lowrank.tucker2:rank_share=0.135",
    "compact.mobilenet_v1:width=0.63",
    "quant.kmeans_share:bits=2",
    "prune.taylor2019:pruning_ratio=0.745",
    "prune.fpgm:pruning_ratio=0.74",
    "lowrank.tsvd:rank_share=0.05/{last}:rank_share=1",
    "combo.deep_compression:epochs=0,conv_ratio=0.9",
    "prune.granularity_masks:scope=global,pruning_ratio=0.948",
    "quant.int8_linear:bits=2",
    "lowrank.cp:rank_share=0.05",
    "prune.hrank:pruning_ratio=0.74",
    "prune.apoz:pruning_ratio=0.74",
    "quant.dfp:bits=2",
    "prune.magnitude_iter:pruning_ratio=0.722",
    "prune.l1_filter:pruning_ratio=0.47",
    "lowrank.tucker2:rank_share=0.41",
    "prune.taylor2019:pruning_ratio=0.52",
    "prune.fpgm:pruning_ratio=0.47",
    "prune.granularity_masks:scope=global,pruning_ratio=0.722",
    "lowrank.tsvd:rank_share=0.25/{last}:rank_share=1",
    "lowrank.cp:rank_share=0.27",
    "prune.hrank:pruning_ratio=0.47",
    "prune.apoz:pruning_ratio=0.47",
    "combo.deep_compression:epochs=0,conv_ratio=0.3",
)
FREE = ("quant.int8_linear", "quant.dfp")  # with codes that stay as they are, nothing of these could learn
AFTER = {"batchnorm": ("recover.batchnorm",), "finetune": ("recover.finetune:epochs=2",)}
SPLIT, PASSES = "validation", 40


def recipes(subject: Subject, recovery: str) -> Iterator[Recipe]:
    """Every point, in the order in which they are measured."""
    plain, last = Recipe(subject.name, subject.dataset.name), layers_of(subject.network)[-1].name
    yield plain
    if recovery == "finetune":
        for text in TRAINED:
            yield plain.with_steps(*map(parse_step, (text.format(last=last), *trained_after(text))))
        return
    for text, (knob, values) in CURVES.items():
        steps = map(parse_step, (text.format(last=last), *AFTER.get(recovery, ())))
        yield from along(plain.with_steps(*steps), 0, knob, list(values))


def trained_after(text: str) -> tuple[str, ...]:
    """How the network of a method is trained afterwards; not at all where the method has trained it."""
    if text.endswith("epochs=2"):
        return ()
    free = ",codes=free" if text.startswith(FREE) else ""
    return tuple(step + free for step in AFTER["finetune"])


def the_subject(asked: argparse.Namespace) -> Subject:
    """Where methods train with other products than usual, runs have a fingerprint of their own and say why."""
    usual = subject_named(asked.network, asked.dataset)
    if asked.recovery != "finetune" or asked.precision == "float32":
        return usual
    settings = replace(recovery_settings(asked.dataset), precision=asked.precision)
    note = f"training after compressing had {asked.precision} products"
    data = replace(usual.dataset, notes=(*usual.dataset.notes, note), content=usual.dataset.digest)
    return replace(usual, dataset=data, fit=fitter(data, settings), identity=asked.precision)


def measured(asked: argparse.Namespace, subject: Subject) -> tuple[list[Run], dict[str, str]]:
    """The runs that are there, or are there now, and why other curves have none."""
    store, found, refused = Store(), list[Run](), dict[str, str]()
    there = store.runs(asked.network, asked.dataset, SPLIT, subject.fingerprint)
    by_key = {canonical(run.recipe).key: run for run in there}  # knobs may have been added since
    for recipe in map(canonical, recipes(subject, asked.recovery)):
        if asked.only and not any(part in step.method for part in asked.only for step in recipe.steps):
            continue
        known = by_key.get(recipe.key)
        if known is None and not asked.table:
            began = time.perf_counter()
            try:
                known = run(recipe, split=SPLIT, store=store, subject=subject).run
            except WorkbenchError as error:
                refused[curve_name(recipe)] = str(error)
                continue
            print(f"{time.perf_counter() - began:6.0f} s  {line(known)}", flush=True)
        found += [known] if known else []
    return found, refused


def line(known: Run) -> str:
    m = known.measurement
    steps = " | ".join(s.method for s in known.recipe.steps)
    return f"{steps:50} {m.compression_ratio:6.2f}x {100 * m.accuracy.accuracy:6.2f} % {m.macs:>11,} MACs"


def percent(bound: Bound) -> str:
    if bound.value is None:
        return "-"
    low, high = bound.low, bound.high
    return f"{100 * bound.value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def untrained(recipe: Recipe) -> Recipe:
    """The same network with other values, which take as long."""
    steps = (step for step in recipe.steps if not step.method.startswith("recover."))
    return recipe.with_steps(
        *(replace(s, knobs={k: 0 if k == "epochs" else v for k, v in s.knobs.items()}) for s in steps)
    )


def passes(recipe: Recipe, subject: Subject) -> tuple[float, float]:
    """Milliseconds of processor time that one image takes: the dense network's and the compressed one's, in turns."""
    networks = subject.network, compress(untrained(recipe), subject).network
    image = subject.dataset.split(SPLIT).images[:1]
    times = [[once(network, image) for network in networks] for _ in range(PASSES)]
    dense, smaller = (float(np.median(own)) for own in zip(*times[PASSES // 4 :], strict=True))
    return dense, smaller


def once(network: nn.Module, image: torch.Tensor) -> float:
    start = time.process_time()
    with torch.inference_mode():
        network(image)
    return 1e3 * (time.process_time() - start)


def nearest(runs: list[Run], ratio: float) -> Run:
    return min(runs, key=lambda r: abs(math.log(r.measurement.compression_ratio / ratio)))


def report(runs: list[Run], subject: Subject, middle: float = RATIOS[1]) -> None:
    """The table, with what the measured setting nearest to the middle ratio takes to run."""
    dense = subject.dense_accuracy(SPLIT)
    found = compare(runs, dense=dense)
    groups = defaultdict[str, list[Run]](list)
    for known in (known for known in runs if known.recipe.steps):
        groups[curve_name(known.recipe)].append(known)
    print(f"\n{subject.name} on {subject.dataset.name}, {SPLIT}, {found.images:,} images, dense {dense.accuracy:.2%},")
    print(f"{found.dense_bytes:,} bytes; accuracy in % with its 95 % interval, between settings interpolated\n")
    print("| method | " + " | ".join(f"{r:g}x" for r in RATIOS) + f" | nearest to {middle:g}x | MACs | time |")
    print("|---|" + "---|" * (len(RATIOS) + 3))
    for name, own in groups.items():
        cells = [percent(row.answers[name]) for row in found.at_bytes]
        close = nearest(own, middle)
        m, (whole, part) = close.measurement, passes(close.recipe, subject)
        at = f"{100 * m.accuracy.accuracy:.1f} at {m.compression_ratio:.1f}x"
        took = f"{part:.1f} ms, {part / whole:.0%}"
        print(f"| `{name}` | " + " | ".join(cells) + f" | {at} | {m.macs / m.dense_macs:.0%} | {took} |", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--network", default="resnet20")
    arguments.add_argument("--dataset", default="cifar10")
    arguments.add_argument("--recovery", choices=("none", "batchnorm", "finetune"), default="none")
    arguments.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--only", nargs="+", metavar="PART", help="methods whose names hold one of these")
    arguments.add_argument("--table", action="store_true", help="only what is in the store")
    asked = arguments.parse_args()
    torch.set_num_threads(asked.threads)
    subject = the_subject(asked)
    runs, refused = measured(asked, subject)
    if runs:
        report(runs, subject)
    for name, why in refused.items():
        print(f"\n`{name}`: {why}")


if __name__ == "__main__":
    main()
