"""How long each attribution takes on LeNet-5: `python tests/benchmarks/attribution.py`. Target: 0.5 s on 2 threads."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from workbench.explain.attribution import attribute, attributions


def lenet5() -> nn.Module:
    """The 20/50/500/10 network on 28x28 images, untrained: only its shape matters for the time."""
    torch.manual_seed(0)
    first = nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)).eval()


def main() -> None:
    """One line per method: the first call, which loads captum for the first method, then the median of ten."""
    torch.set_num_threads(2)
    dense, image = lenet5(), torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(1))
    for name, method in attributions().items():
        times = []
        for _ in range(11):
            start = time.perf_counter()
            attribute(name, dense, dense, image, label=0)
            times.append(time.perf_counter() - start)
        print(f"{method.title:22s} first {times[0]:6.3f} s   median {statistics.median(times[1:]):6.3f} s")


if __name__ == "__main__":
    main()
