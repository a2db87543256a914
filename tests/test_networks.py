"""The zoo: counts against the papers, seeds, weights that say how good they are."""

from __future__ import annotations

import importlib
import re

import pytest
import torch
from torch import nn

from workbench.core.errors import FileError, WorkbenchError
from workbench.data import load_dataset
from workbench.measure.accuracy import accuracy
from workbench.networks import build, digest_of, network_named, networks, pretrained, read_info, weights_info
from workbench.networks._pretrained import FOLDER
from workbench.train import command_for, recommended

LENETS = {"lenet_300_100": 266_610, "lenet5": 431_080, "lenet5_1998": 61_706}
MACS = {
    "lenet_300_100": 784 * 300 + 300 * 100 + 100 * 10,
    "lenet5": 24**2 * 20 * 25 + 8**2 * 50 * 20 * 25 + 800 * 500 + 500 * 10,
    "lenet5_1998": 28**2 * 6 * 25 + 10**2 * 16 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10,
}
QUICK = [name for name in networks() if name not in ("alexnet", "vgg16")]
EMBEDDED = [(name, "digits") for name in ("lenet5", "lenet5_1998", "lenet_300_100")]
EMBEDDED += [("resnet20", "shapes"), ("densenet_small", "shapes")]
REAL = [(name, "mnist") for name in ("lenet5", "lenet5_1998", "lenet_300_100")]
REAL += [(name, "cifar10") for name in ("resnet20", "vgg_small", "mobilenet_v2")]
BUNDLED = [*EMBEDDED, *REAL]
LEAST = {
    ("lenet5", "mnist"): 0.992,
    ("lenet5_1998", "mnist"): 0.99,
    ("lenet_300_100", "mnist"): 0.983,
    ("resnet20", "cifar10"): 0.86,
    ("vgg_small", "cifar10"): 0.87,
    ("mobilenet_v2", "cifar10"): 0.83,
    ("resnet20", "shapes"): 0.96,
    ("densenet_small", "shapes"): 0.97,
}


def _macs_by_shapes(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Output values x inputs of each: counted from what passes through, not from the layers' attributes."""
    seen: list[int] = []

    def count(module: nn.Module, given: object, out: torch.Tensor) -> None:
        if hasattr(module, "weight") and module.weight.ndim > 1:  # BatchNorm's products are not counted
            seen.append(out.numel() * module.weight[0].numel())

    hooks = [m.register_forward_hook(count) for m in network.modules()]
    with torch.no_grad():
        network(torch.zeros(1, *input_shape))
    for hook in hooks:
        hook.remove()
    return sum(seen)


@pytest.mark.parametrize("name", QUICK)
def test_spec(name: str) -> None:
    spec, network = network_named(name), build(name)
    assert spec.name == name and re.search(r"\b(19|20)\d\d\b", spec.citation)
    assert sum(p.numel() for p in network.parameters()) == spec.parameters == LENETS.get(name, spec.parameters)
    assert _macs_by_shapes(network, spec.input_shape) == spec.macs == MACS.get(name, spec.macs)
    with torch.no_grad():
        assert network(torch.zeros(3, *spec.input_shape)).shape == (3, spec.classes)


def test_counts_of_the_papers() -> None:
    assert round(MACS["lenet5"] / 1e6, 3) == 2.293 and round(MACS["lenet5_1998"] / 1e6, 3) == 0.417


@pytest.mark.parametrize("name", networks())
def test_each_operation_is_a_module_of_its_own(name: str) -> None:
    """Besides modules there are only sums, concatenations and splits; each module runs once, in the order of names."""
    with torch.device("meta"):
        network = network_named(name).build()
    leaves = [path for path, module in network.named_modules() if not any(module.children())]
    assert isinstance(network.get_submodule("flatten"), nn.Flatten)
    assert not any(getattr(m, "inplace", False) for m in network.modules())
    nodes = [n for n in torch.fx.symbolic_trace(network).graph.nodes if n.op not in ("placeholder", "output")]
    assert [n.target for n in nodes if n.op == "call_module"] == leaves
    others = {getattr(n.target, "__name__", n.target) for n in nodes if n.op != "call_module"}
    assert others <= {"add", "cat", "chunk", "getitem"}


def test_the_names_that_others_rely_on() -> None:
    weighted = {n: [k for k, m in build(n).named_children() if hasattr(m, "weight")] for n in LENETS}
    assert weighted["lenet5"] == ["conv1", "conv2", "fc1", "fc2"]
    assert weighted["lenet5_1998"] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    assert weighted["lenet_300_100"] == ["fc1", "fc2", "fc3"]


@pytest.mark.parametrize("name", QUICK)
def test_the_seed_alone_decides(name: str) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first = digest_of(build(name, seed=1))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(8)
    assert digest_of(build(name, seed=1)) == first != digest_of(build(name, seed=2))
    assert not build(name).training


def test_unknown_names_are_refused_with_the_list() -> None:
    for ask in (network_named, build):
        with pytest.raises(
            WorkbenchError, match=r"no network 'lenet'; there are alexnet, .*lenet_300_100.* torchvision/NAME"
        ):
            ask("lenet")
    with pytest.raises(WorkbenchError, match=r"no bundled weights of lenet5 on shapes; there are .*lenet5 on digits, "):
        pretrained("lenet5", "shapes")
    with pytest.raises(WorkbenchError, match="There is no network"):
        pretrained("lenet", "digits")
    assert weights_info("lenet5", "shapes") is None and weights_info("lenet5", "../digits") is None


def _as_good_as_they_say(name: str, dataset: str, *splits: str) -> None:
    info, network, data = weights_info(name, dataset), pretrained(name, dataset), load_dataset(dataset)
    assert info is not None and not network.training
    assert (info.network, info.dataset, info.data_digest) == (name, dataset, data.digest)
    for split in splits:
        record, again = getattr(info, split), accuracy(network, data.split(split), split=split)
        assert (again.correct, again.n, again.per_class) == (record.correct, record.n, record.per_class)
        assert again.loss == pytest.approx(record.loss, rel=1e-4)


LONG = {("densenet_small", "shapes"): ("validation", "test"), ("resnet20", "shapes"): ("validation",)}
"""Splits that are looked at with -m slow only."""


@pytest.mark.parametrize(
    ("name", "dataset", "split"),
    [
        pytest.param(*each, split, marks=pytest.mark.slow if split in LONG.get(each, ()) else ())
        for each in EMBEDDED
        for split in ("validation", "test")
    ],
)
def test_bundled_weights_are_as_good_as_they_say(name: str, dataset: str, split: str) -> None:
    _as_good_as_they_say(name, dataset, split)


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "dataset"), REAL)
def test_weights_for_real_data_are_as_good_as_they_say(name: str, dataset: str) -> None:
    if missing := importlib.import_module(f"workbench.data.{dataset}").missing():
        pytest.skip(f"{dataset} is {missing}")
    info = weights_info(name, dataset)
    if dataset == "cifar10" and info is not None and info.data_digest != load_dataset(dataset).digest:
        pytest.skip(f"the weights were trained on {info.data}, and another copy is here")
    _as_good_as_they_say(name, dataset, "test", "validation")


@pytest.mark.parametrize(("name", "dataset"), BUNDLED)
def test_bundled_weights_are_what_their_header_says(name: str, dataset: str) -> None:
    info = weights_info(name, dataset)
    assert info is not None and info.digest == digest_of(pretrained(name, dataset))
    assert (info.network, info.dataset) == (name, dataset)
    assert info.test.split == "test" and info.validation.split == "validation"
    assert info.test.accuracy >= LEAST.get((name, dataset), 0.98)


@pytest.mark.parametrize(("name", "dataset"), BUNDLED)
def test_the_plain_command_makes_the_bundled_weights(name: str, dataset: str) -> None:
    info = weights_info(name, dataset)
    assert info is not None
    assert info.command == f"workbench train --network {name} --dataset {dataset}"
    assert info.command == command_for(name, dataset, recommended(name, dataset))
    assert info.recipe == {k: getattr(recommended(name, dataset), k) for k in info.recipe}
    assert (info.seed, info.epochs) == (info.recipe["seed"], info.recipe["epochs"])
    assert {"torch", "numpy", "workbench", "python"} <= set(info.versions)


def test_bundled_weights_are_small_and_complete() -> None:
    files = sorted(FOLDER.glob("*"))
    assert sorted(p.name for p in files) == [f"{n}-{d}.safetensors" for n, d in sorted(BUNDLED)]
    assert sum(p.stat().st_size for p in files) <= 16_000_000


def test_a_file_without_a_story_is_refused(tmp_path) -> None:
    path = tmp_path / "x.safetensors"
    for content in (b"", b"nonsense", b"\x02\0\0\0\0\0\0\0{}"):
        path.write_bytes(content)
        with pytest.raises(FileError, match="is not a file of weights made by workbench train"):
            read_info(path)
