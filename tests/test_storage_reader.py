"""Anyone can decode a file: LeNet-5 runs from it in numpy, with no torch in sight."""

import subprocess
import sys

import numpy as np
import torch
from storage_samples import HEADER, shared
from torch import nn

from workbench.core.encoded import Encoded
from workbench.storage.artifact import write
from workbench.storage.reader import load


def lenet5():
    torch.manual_seed(0)
    layers = {
        "conv1": nn.Conv2d(1, 20, 5),
        "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(20, 50, 5),
        "pool2": nn.MaxPool2d(2),
        "flatten": nn.Flatten(),
        "fc1": nn.Linear(800, 500),
        "relu": nn.ReLU(),
        "fc2": nn.Linear(500, 10),
    }
    net = nn.Sequential()
    for name, layer in layers.items():
        net.add_module(name, layer)
    return net.eval()


def encoded(net):
    """Weights pruned by 90 % onto 16 shared values, biases as they are."""
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    return {n: shared(w, 0.9, 16) if n.endswith("weight") else Encoded.dense(w) for n, w in state.items()}


def convolve(x, weight, bias):
    """x: (n, c, h, w), weight: (o, c, k, k) -> (n, o, h - k + 1, w - k + 1)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True) + bias[:, None, None]


def pool(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))


def forward(t, x):
    x = pool(convolve(x, t["conv1.weight"], t["conv1.bias"]))
    x = pool(convolve(x, t["conv2.weight"], t["conv2.bias"])).reshape(len(x), -1)
    x = np.maximum(x @ t["fc1.weight"].T + t["fc1.bias"], 0)
    return x @ t["fc2.weight"].T + t["fc2.bias"]


def test_lenet5_from_its_file_in_numpy_gives_torchs_logits(tmp_path):
    net = lenet5()
    tensors = encoded(net)
    net.load_state_dict({name: torch.from_numpy(e.decode()) for name, e in tensors.items()})
    write(tmp_path / "net.wbz", tensors, HEADER, {n: "bias" for n in tensors if n.endswith("bias")})
    header, read_back = load(tmp_path / "net.wbz")
    assert header == HEADER and sum(t.size for t in read_back.values()) == 431080
    images = np.random.default_rng(0).random((16, 1, 28, 28), np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(images)).numpy()
    assert np.abs(forward(read_back, images) - expected).max() < 1e-4
    assert np.ptp(expected) > 0.05  # the logits say something


def test_reading_loads_no_torch(tmp_path):
    write(tmp_path / "net.wbz", encoded(lenet5()), HEADER, {})
    code = """
import sys
from workbench.storage.reader import load
header, tensors = load(sys.argv[1])
outside = {"torch", "scipy", "sklearn", "plotly", "ipywidgets", "captum"} & set(sys.modules)
assert not outside, outside
print(header["network"], sum(t.size for t in tensors.values()))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "net.wbz")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "lenet5 431080\n"), done.stderr
