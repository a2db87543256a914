"""A network that is saved and loaded is the same network; a file that describes none is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import workbench.networks as zoo
from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Context
from workbench.core.encoded import Encoded
from workbench.core.errors import FileError
from workbench.core.values import Codebook
from workbench.layers import FactorisedConv2d, FactorisedLinear
from workbench.methods.lowrank.tsvd import Tsvd
from workbench.methods.prune.l1_filter import L1Filter
from workbench.networks import NetworkSpec, artifact, build, network_named, networks
from workbench.networks._rebuild import _resize
from workbench.storage.artifact import pack, unpack

RECIPE = {"network": "lenet5", "steps": [{"method": "prune.magnitude_iter", "knobs": {"pruning_ratio": 0.5}}]}
ABOUT: dict[str, Any] = {"dataset": "digits", "input_shape": (1, 28, 28), "classes": 10}


def _about(name: str) -> dict[str, Any]:
    return {"network": name, "recipe_json": json.dumps(RECIPE), **ABOUT}


def _images(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def _cut(network: nn.Module) -> nn.Module:
    """lenet5 with 7 of 20 and 9 of 50 filters and 33 of 500 units, random weights."""
    torch.manual_seed(1)
    parts = {"conv1": nn.Conv2d(1, 7, 5), "conv2": nn.Conv2d(7, 9, 5), "fc1": nn.Linear(9 * 16, 33)}
    for name, part in {**parts, "fc2": nn.Linear(33, 10)}.items():
        network.set_submodule(name, part)
    return network


def _factorised(network: nn.Module) -> nn.Module:
    network.set_submodule("conv2", FactorisedConv2d(network.conv2, 6, True))
    network.set_submodule("fc1", FactorisedLinear(800, 12, 500))
    return network


def _as_it_is(network: nn.Module) -> nn.Module:
    return network


SURGERY = {"dense": _as_it_is, "cut": _cut, "factorised": _factorised, "both": lambda n: _cut_factor(_factorised(n))}


def _cut_factor(network: nn.Module) -> nn.Module:
    """Fewer filters in conv1, so that the first factor of conv2 is narrower."""
    network.set_submodule("conv1", nn.Conv2d(1, 5, 5))
    network.conv2.first = nn.Conv2d(5, 6, 5, bias=False)
    return network


def _model(surgery: str) -> Compressed:
    """One layer with a codebook over kept weights, the rest plain."""
    model = Compressed.of(SURGERY[surgery](build("lenet5", seed=2)))
    r = np.random.default_rng(0)
    layer = layers_of(model.network)[-1]
    keep = r.random(tuple(model.weight(layer).shape)) < 0.5
    values = Codebook(r.integers(0, 4, int(keep.sum())), r.normal(size=4).astype(np.float32))
    model.store(layer, Encoded(keep.shape, values, keep))
    return model


@pytest.mark.parametrize("surgery", SURGERY)
def test_what_is_loaded_is_what_ran(surgery: str, tmp_path: Path) -> None:
    model, path = _model(surgery), tmp_path / "x.wbz"
    packed = artifact.save(path, model, **_about("lenet5"))
    assert path.read_bytes() == packed.data == artifact.pack_model(model, **_about("lenet5")).data
    for loaded in (artifact.load(path), artifact.unpack_model(packed.data)):
        assert loaded.file_bytes == sum(loaded.parts.values()) == len(packed.data)
        assert loaded.parts == packed.parts and loaded.tensor_bytes == packed.tensor_bytes
        ran, read = model.network.state_dict(), loaded.network.state_dict()
        assert list(ran) == list(read) and all(torch.equal(ran[name], read[name]) for name in ran)
        assert repr(loaded.network) == repr(model.network) and not loaded.network.training
        assert torch.equal(loaded.network(_images()), model.network(_images()))
        assert loaded.header["recipe"] == RECIPE and loaded.header["network"] == "lenet5"
        assert isinstance(loaded.tensors["fc2.weight"].values, Codebook)


@pytest.mark.parametrize("surgery", SURGERY)
def test_the_estimate_is_within_a_percent(surgery: str) -> None:
    model = _model(surgery)
    estimate, true = artifact.estimate_model(model, **_about("lenet5")), artifact.pack_model(model, **_about("lenet5"))
    assert abs(estimate - len(true.data)) <= 0.01 * len(true.data)


STEPS: dict[str, list[Any]] = {
    "dense": [],
    "removed and factorised": [L1Filter(pruning_ratio=0.4), Tsvd(rank_share=0.3)],
}
LARGE = ("alexnet", "mobilenet_v1", "resnet56", "shufflenet_v2", "vgg16")


def _steps_survive(name: str, steps: str) -> None:
    spec = network_named(name)
    about = {"network": name, "dataset": "none", "input_shape": spec.input_shape, "classes": spec.classes}
    model, context = Compressed.of(build(name)), Context(input_shape=spec.input_shape)
    for step in STEPS[steps]:
        model = step.apply(model, context)
    packed = artifact.pack_model(model, recipe_json="{}", **about)
    loaded = artifact.unpack_model(packed.data)
    ran, read = model.network.state_dict(), loaded.network.state_dict()
    assert all(torch.equal(ran[key], read[key]) for key in ran if ran[key].is_floating_point())
    x = torch.rand(1, *spec.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(loaded.network(x), model.network(x))
    if steps == "dense":
        floats = sum(t.numel() for t in ran.values() if t.is_floating_point())
        assert sum(packed.parts.get(part, 0) for part in ("weights", "biases", "batchnorm")) <= 4 * floats


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", [n for n in networks() if n not in LARGE])
def test_every_network_of_the_zoo(name: str, steps: str) -> None:
    _steps_survive(name, steps)


@pytest.mark.slow
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", [*LARGE, "torchvision/resnet18", "torchvision/shufflenet_v2_x1_0"])
def test_large_networks(name: str, steps: str) -> None:
    _steps_survive(name, steps)


def test_a_width_and_a_name_from_torchvision_are_found_again() -> None:
    for name in ("mobilenet_v1:0.25", "torchvision/squeezenet1_1"):
        _steps_survive(name, "removed and factorised")


def test_loading_draws_nothing_from_the_global_generator() -> None:
    data = artifact.pack_model(_model("factorised"), **_about("lenet5")).data
    state = torch.get_rng_state()
    artifact.unpack_model(data)
    assert torch.equal(torch.get_rng_state(), state)


def _normed() -> nn.Module:
    """Depthwise, BatchNorm and a buffer's worth of running statistics."""
    names = ["conv", "norm", "relu", "depth", "pool", "flatten", "fc"]
    parts = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.AdaptiveAvgPool2d(1)]
    network = nn.Sequential()
    for name, part in zip(names, [*parts, nn.Flatten(), nn.Linear(8, 10)], strict=True):
        network.add_module(name, part)
    return network


def test_batchnorm_and_depthwise_shrink_too(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = NetworkSpec("normed", "", "", (1, 28, 28), 10, lambda _shape, _classes: _normed(), 0, 0)
    monkeypatch.setattr(zoo, "networks", lambda: {"normed": spec})
    network = _normed()
    small = {"conv": nn.Conv2d(1, 3, 3), "norm": nn.BatchNorm2d(3), "depth": nn.Conv2d(3, 3, 3, groups=3)}
    for name, part in {**small, "fc": nn.Linear(3, 10)}.items():
        network.set_submodule(name, part)
    network.train()(_images(16))  # running statistics that are not the initial ones
    model = Compressed.of(network)
    packed = artifact.pack_model(model, **_about("normed"))
    assert packed.parts["batchnorm"] <= 4 * 4 * 3
    loaded = artifact.unpack_model(packed.data)
    assert torch.equal(loaded.network(_images()), model.network(_images()))
    assert loaded.network.depth.groups == 3


def _refused(change: Callable[[dict[str, Any], dict[str, Encoded]], object], surgery: str = "dense") -> str:
    """The sentence for a file whose checksum is right and whose content was changed."""
    whole = unpack(artifact.pack_model(_model(surgery), **_about("lenet5")).data)
    change(whole.header, whole.tensors)
    with pytest.raises(FileError) as caught:
        artifact.unpack_model(pack(whole.tensors, whole.header, {}).data)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def _ones(*shape: int) -> Encoded:
    return Encoded.dense(np.ones(shape, np.float32))


def test_headers_that_describe_no_network() -> None:
    assert "no network 'resnet'; there are alexnet" in _refused(lambda h, t: h.update(network="resnet"))
    assert "does not describe a network" in _refused(lambda h, t: h.pop("network"))
    assert "does not describe a network" in _refused(lambda h, t: h.update(classes="ten"))
    assert "does not describe a network" in _refused(lambda h, t: h.update(structure=[1]))
    assert "larger than 256 channels" in _refused(lambda h, t: h.update(input_shape=[3, 10**6, 10**6]))
    assert "28 x 28 pixels only, not 32 x 32" in _refused(lambda h, t: h.update(input_shape=[1, 32, 32]))
    assert "each 1 or more, and 28 is not that" in _refused(lambda h, t: h.update(input_shape=[28]))
    assert "each 1 or more, and 1 x 0 x 28" in _refused(lambda h, t: h.update(input_shape=[1, 0, 28]))
    assert "do not fit one another" in _refused(lambda h, t: h.update(input_shape=[3, 28, 28]))
    assert "must be in [2, 65536], not 70000" in _refused(lambda h, t: h.update(classes=70_000))
    assert "answers (10,) scores where 7 classes" in _refused(lambda h, t: h.update(classes=7))


def test_structures_that_cannot_be() -> None:
    layer = {"type": "FactorisedLinear", "sizes": [800, 3, 500], "bias": True}
    assert "'conv9', which lenet5 does not have" in _refused(lambda h, t: h["structure"].update(conv9=layer))
    assert "a layer '', which" in _refused(lambda h, t: h["structure"].update({"": layer}))
    nested = {"fc1": layer, "fc1.first": layer}
    assert "'fc1.first', which" in _refused(lambda h, t: h["structure"].update(nested))
    assert "names a layer 'Magic'" in _refused(lambda h, t: h["structure"].update(fc1={"type": "Magic"}))
    assert "lacks the tensor fc1.first.weight" in _refused(lambda h, t: h["structure"].update(fc1=layer))
    huge = {**layer, "sizes": [2**16, 2**16, 2**16]}
    assert "lacks the tensor" in _refused(lambda h, t: h["structure"].update(fc1=huge))


def test_tensors_that_cannot_fit() -> None:
    assert "lacks the tensor conv1.weight" in _refused(lambda h, t: t.pop("conv1.weight"))
    assert "holds a tensor 'conv9.weight'" in _refused(lambda h, t: t.update({"conv9.weight": _ones(2)}))
    assert "cannot fit" in _refused(lambda h, t: t.update({"conv1.weight": _ones(500)}))
    assert "kernel of (3, 3)" in _refused(lambda h, t: t.update({"conv1.weight": _ones(20, 1, 3, 3)}))
    assert "do not fit one another" in _refused(lambda h, t: t.update({"conv1.weight": _ones(19, 1, 5, 5)}))
    assert "do not fit one another" in _refused(lambda h, t: t.update({"fc1.weight": _ones(500, 799)}))
    short = {"fc2.weight": _ones(9, 500), "fc2.bias": _ones(9)}
    assert "answers (9,) scores where 10" in _refused(lambda h, t: t.update(short))
    nan = Encoded.dense(np.full(10, np.nan, np.float32))
    assert "not finite" in _refused(lambda h, t: t.update({"fc2.bias": nan}))


def test_the_path_is_named(tmp_path: Path) -> None:
    whole = unpack(artifact.pack_model(_model("dense"), **_about("lenet5")).data)
    path = tmp_path / "odd.wbz"
    path.write_bytes(pack(whole.tensors, {**whole.header, "network": "x"}, {}).data)
    with pytest.raises(FileError, match="odd"):
        artifact.load(path)
    with pytest.raises(FileError, match="nowhere"):
        artifact.load(tmp_path / "nowhere.wbz")


def test_resizing_leaves_what_fits_alone() -> None:
    conv = nn.Conv2d(4, 6, 3, groups=2)
    before = conv.weight
    _resize(conv, "c.", {"c.weight": (6, 2, 3, 3), "c.bias": (6,)})
    assert conv.weight is before and (conv.in_channels, conv.groups) == (4, 2)
    _resize(conv, "c.", {"c.weight": (4, 1, 3, 3), "c.bias": (4,)})
    assert conv(torch.zeros(1, 2, 5, 5)).shape == (1, 4, 3, 3)
