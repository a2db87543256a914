"""The same weights by other people's code: how far the two agree, and how long each takes.

    python tests/benchmarks/peers.py [--network resnet20] [--dataset cifar10]

Peers: torch.nn.utils.prune, torch-pruning, scikit-learn and tensorly (extra `test`). Processor time on one thread, the
least of a few runs; what the workbench remembers from one run is forgotten before the next. Set OMP_NUM_THREADS=1, or
a peer's other threads count too. Prints a table in markdown.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorly
import torch
import torch.nn.functional as F
import torch_pruning as tp
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from tensorly.decomposition import parafac, partial_tucker
from torch import Tensor, nn
from torch.nn.utils import prune

from workbench.core import memo
from workbench.core.compressed import Compressed
from workbench.core.context import Context
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe
from workbench.experiment.subject import subject_named
from workbench.layers.channels import groups_of
from workbench.methods.lowrank._tensors import composed, cp, tucker2
from workbench.methods.prune._criteria import Criterion, Distance, Norm, Taylor
from workbench.methods.prune.granularity_masks import GranularityMasks
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.quant._kmeans import Line, nearest

RUNS, RATIO, IMAGES = 5, 0.5, 256
Scores = dict[str, Tensor]


class Row(NamedTuple):
    """One line of the table; times in seconds."""

    what: str
    agreement: str
    ours: float
    theirs: float


def best(function: Callable[[], Any], runs: int = RUNS) -> tuple[float, Any]:
    """(least seconds of processor time, result)."""
    times = []
    for _ in range(runs):
        memo._store.clear()
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}


# torch.nn.utils.prune


def single_weights(network: nn.Module, context: Context) -> Row:
    def theirs() -> nn.Module:
        twin = copy.deepcopy(network)
        for module in (*convolutions(twin).values(), *(m for m in twin.modules() if isinstance(m, nn.Linear))):
            prune.l1_unstructured(module, "weight", amount=round(RATIO * module.weight.numel()))
            prune.remove(module, "weight")
        return twin

    a, ours = best(lambda: GranularityMasks(pruning_ratio=RATIO).apply(Compressed.of(network), context).network)
    b, other = best(theirs)
    return Row(f"torch L1Unstructured, {RATIO:.0%} of the weights of each layer", largest(ours, other), a, b)


def whole_filters(network: nn.Module, context: Context) -> Row:
    """Layers that no sum ties to others, since torch looks at one layer at a time and masks."""
    groups = groups_of(network, context.input_shape)
    free = {g.producers[0]: g for g in groups if len(g.producers) == 1 and not g.refusal}
    names = [name for name in free if name in convolutions(network)]

    def theirs() -> nn.Module:
        twin = copy.deepcopy(network)
        for name in names:
            module = twin.get_submodule(name)
            prune.ln_structured(module, "weight", amount=round(RATIO * len(module.weight)), n=1, dim=0)
            prune.remove(module, "weight")
        return twin

    lent = context.of_step(L1Filter(pruning_ratio=RATIO).step(tuple(names)), Progress())
    a, ours = best(lambda: L1Filter(pruning_ratio=RATIO).masked(Compressed.of(network), lent).network)
    b, other = best(theirs)
    return Row(f"torch LnStructured, L1, {RATIO:.0%} of the filters, {len(names)} layers", largest(ours, other), a, b)


def largest(ours: nn.Module, theirs: nn.Module) -> str:
    pairs = zip(convolutions(ours).values(), convolutions(theirs).values(), strict=True)
    return f"largest difference of a weight {max(float((x.weight - y.weight).abs().max()) for x, y in pairs):.1g}"


# torch-pruning


def criteria(network: nn.Module, context: Context) -> Iterator[Row]:
    """Scores of the filters of each convolution by itself, as both have them before channels are tied."""
    plain: dict[str, Any] = {"group_reduction": "first", "normalizer": None}
    taylor = tp.importance.GroupTaylorImportance(**plain, multivariable=True)
    kinds: tuple[tuple[str, Criterion, Any, Callable[[Tensor], Tensor]], ...] = (
        ("L1", Norm("l1"), tp.importance.GroupMagnitudeImportance(p=1, **plain), lambda s: s),
        ("FPGM, which takes \\|w\\| first", Distance(), tp.importance.FPGMImportance(p=1, **plain), lambda s: s),
        ("FPGM, on weights made positive", Distance(), tp.importance.FPGMImportance(p=1, **plain), lambda s: s),
        (f"Taylor, {IMAGES} images, its root", Taylor("filter", IMAGES, IMAGES), taylor, torch.sqrt),
    )
    for name, criterion, peer, turned in kinds:
        twin = copy.deepcopy(network).requires_grad_(True)
        if "positive" in name:
            for module in convolutions(twin).values():
                module.weight.data.abs_()
        yield criterion_row(f"torch-pruning {name}", twin, context, (criterion, peer, turned))


def criterion_row(name: str, network: nn.Module, context: Context, kind: tuple[Criterion, Any, Any]) -> Row:
    criterion, peer, turned = kind
    layers = convolutions(network)
    graph = tp.DependencyGraph().build_dependency(network, torch.zeros(1, *context.input_shape))
    groups = {
        n: graph.get_pruning_group(m, tp.prune_conv_out_channels, list(range(m.out_channels)))
        for n, m in layers.items()
    }

    def theirs() -> Scores:
        if isinstance(peer, tp.importance.GroupTaylorImportance):
            network.zero_grad()
            batch = context.calibration
            F.cross_entropy(network(batch.images), batch.labels).backward()
        return {n: peer(group) for n, group in groups.items()}

    a, ours = best(lambda: criterion.layers(network, context, list(layers)))
    b, other = best(theirs)
    ranks = [spearmanr(ours[n], other[n]).statistic for n in layers]
    off = [float(((turned(ours[n]) - other[n]).abs() / other[n].abs().max()).max()) for n in layers]
    return Row(name, f"rank correlation {min(ranks):.4f} or more; {max(off):.1g} of the largest score off", a, b)


# scikit-learn, tensorly


def clusters(weight: np.ndarray, count: int) -> Row:
    """The same start, both until nothing moves or for 300 rounds."""
    x = weight.ravel().astype(np.float64)
    start = np.linspace(x.min(), x.max(), count)
    peer = KMeans(count, init=start[:, None], n_init=1, max_iter=300, tol=0.0, algorithm="lloyd")
    a, ours = best(lambda: Line.of(x).centres(count, "linear", np.random.default_rng(0), rounds=300))
    b, other = best(lambda: peer.fit(x[:, None]))
    cost = float(((x - ours[nearest(x, ours)]) ** 2).sum()) / other.inertia_
    return Row(f"scikit-learn k-means, {x.size:,} weights, {count} values", f"squared error {cost:.5f} of theirs", a, b)


def tuckers(weights: list[Tensor]) -> Row:
    def theirs() -> list[float]:
        found = []
        for w in weights:
            (core, factors), _ = partial_tucker(
                w.double().numpy(), rank=ranks(w), modes=[0, 1], n_iter_max=20, tol=1e-6
            )
            found.append(missing(w, tensorly.tenalg.multi_mode_dot(core, factors, modes=[0, 1])))
        return found

    def ours() -> list[float]:
        parts = [tucker2(w, ranks(w), lambda: None) for w in weights]
        return [
            missing(w, torch.einsum("pqhw,op,iq->oihw", *(t.double() for t in p)).numpy())
            for w, p in zip(weights, parts, strict=True)
        ]

    (a, mine), (b, other) = best(ours), best(theirs)
    return Row(f"tensorly Tucker-2, a quarter of the channels, {len(weights)} layers", errors(mine, other), a, b)


def components(weights: list[Tensor], rank: int) -> Row:
    """One random start each, at most 50 sweeps."""

    def theirs() -> list[float]:
        parts = [
            parafac(w.double().numpy(), rank, n_iter_max=50, init="random", tol=1e-6, random_state=0) for w in weights
        ]
        return [missing(w, tensorly.cp_to_tensor(p)) for w, p in zip(weights, parts, strict=True)]

    def ours() -> list[float]:
        parts = [cp(w, rank, seed=0, starts=1, sweeps=50, ridge=1e-6, check=lambda: None) for w in weights]
        return [
            missing(w, composed([f.double() for f in p.factors]).numpy()) for w, p in zip(weights, parts, strict=True)
        ]

    (a, mine), (b, other) = best(ours, 1), best(theirs, 1)
    return Row(f"tensorly CP, rank {rank}, random starts, {len(weights)} layers", errors(mine, other), a, b)


def ranks(weight: Tensor) -> tuple[int, int]:
    return max(1, weight.shape[0] // 4), max(1, weight.shape[1] // 4)


def missing(weight: Tensor, whole: np.ndarray) -> float:
    return float(np.linalg.norm(whole - weight.numpy()) / weight.norm())


def errors(ours: list[float], theirs: list[float]) -> str:
    differ = max(abs(x - y) for x, y in zip(ours, theirs, strict=True))
    return f"mean error {np.mean(ours):.4f}, theirs {np.mean(theirs):.4f}; of a layer {differ:.1g} apart at most"


def rows(network: nn.Module, context: Context) -> Iterator[Row]:
    kernels = [m.weight.detach() for m in convolutions(network).values() if m.kernel_size != (1, 1)]
    wide = [w for w in kernels if min(w.shape[:2]) >= 16]
    yield single_weights(network, context)
    yield whole_filters(network, context)
    yield from criteria(network, context)
    yield clusters(max(wide, key=torch.numel).numpy(), 16)
    yield tuckers(wide)
    yield components(wide, 16)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--network", default="resnet20")
    arguments.add_argument("--dataset", default="cifar10")
    asked = arguments.parse_args()
    torch.set_num_threads(1)
    subject = subject_named(asked.network, asked.dataset)
    context = subject.context(Recipe(asked.network, asked.dataset), Progress())
    print(f"{asked.network} on {asked.dataset}; torch {torch.__version__}, torch-pruning {tp.__version__}\n")
    print("| what | agreement | workbench | peer | peer / workbench |\n|---|---|---|---|---|")
    for row in rows(subject.network, context):
        times = f"{1e3 * row.ours:.1f} ms | {1e3 * row.theirs:.1f} ms | {row.theirs / row.ours:.2g}"
        print(f"| {row.what} | {row.agreement} | {times} |", flush=True)


if __name__ == "__main__":
    main()
