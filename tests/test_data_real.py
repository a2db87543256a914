"""The real files, where there are some: WORKBENCH_DATA names their folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from workbench.data import SPLITS, datasets, load_dataset

pytestmark = pytest.mark.real_data
SECOND = """
import sys, time
from workbench.data import load_dataset
start = time.perf_counter()
data = load_dataset(sys.argv[1])
data.test.images[:128], data.train.images[:128], data.digest
print(time.perf_counter() - start)
"""


def loaded(name: str):
    if not os.environ.get("WORKBENCH_DATA"):
        pytest.skip("WORKBENCH_DATA names no folder with real data")
    if datasets()[name].available():
        pytest.skip(f"{name} is not in WORKBENCH_DATA")
    return load_dataset(name)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_it_is_what_the_list_says(name):
    data, info = loaded(name), datasets()[name]
    assert {s: len(data.split(s).labels) for s in SPLITS} == info.sizes
    assert data.classes == info.classes and data.input_shape == info.input_shape and not data.left_out
    for split in SPLITS:
        counts = np.bincount(data.split(split).labels, minlength=len(info.classes))
        assert counts.min() > 0.8 * counts.mean()
        images = data.split(split).images[:256]
        assert images.dtype == torch.float32 and 0 <= float(images.min()) < float(images.max()) <= 1


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_the_second_time_takes_less_than_a_second(name):
    loaded(name)
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", SECOND, name], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.0, time.perf_counter() - start


def test_mnist_has_the_known_first_labels_and_mean():
    """Label and pixel statistics that everyone knows from its use: mean 0.1307 and deviation 0.3081 of train."""
    data = loaded("mnist")
    assert data.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    images = torch.cat([data.train.images.plain(), data.validation.images.plain()])
    assert float(images.mean()) == pytest.approx(0.1307, abs=1e-4)
    assert float(images.std()) == pytest.approx(0.3081, abs=1e-4)


def test_cifar10_has_the_known_mean_of_each_colour():
    """0.4914, 0.4822, 0.4465 over the 50,000 training images; a JPEG copy differs by less than a grey level."""
    data = loaded("cifar10")
    parts = [data.split(s).images for s in ("train", "validation")]
    total = sum(p[rows].sum((0, 2, 3), dtype=torch.float64) for p in parts for rows in torch.arange(len(p)).split(5000))
    np.testing.assert_allclose(total / (50000 * 1024), [0.4914, 0.4822, 0.4465], atol=0.004)
