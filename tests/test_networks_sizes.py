"""Networks of the zoo for other class counts, image sizes and channels; and which they cannot be for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Batch, Context
from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe
from workbench.data import Dataset
from workbench.data import adopt as adopt_data
from workbench.experiment.file import measure_file
from workbench.experiment.run import run
from workbench.experiment.subject import subject_named
from workbench.methods import parse_step
from workbench.methods.lowrank.tsvd import Tsvd
from workbench.methods.prune.l1_filter import L1Filter
from workbench.networks import artifact, build, digest_of, network_named, networks, read_info, use_weights
from workbench.train import TrainSettings
from workbench.train.weights import train_to_file

OWN_SIZE = ("alexnet", "lenet5", "lenet5_1998", "lenet_300_100")
QUICK = ("lenet5", "lenet_300_100", "nin", "vgg_small")
SLOW = ("mobilenet_v2", "resnet20", "shufflenet_v2", "densenet_small")
LEAST = {"densenet_small": 4, "nin": 4, "squeezenet": 8, "vgg_small": 8, "vgg16": 32}


def _meta(name: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    with torch.device("meta"):
        return network_named(name).fitted(shape, classes).build().eval()


@pytest.mark.parametrize("name", networks())
def test_classes_and_channels(name: str) -> None:
    """Two classes more are two rows more in the last layer; channels change the first layer alone."""
    spec = network_named(name)
    sides = spec.input_shape[1:]
    for classes, channels in ((spec.classes + 2, spec.input_shape[0]), (2, 4)):
        fitted = spec.fitted((channels, *sides), classes)
        network = _meta(name, (channels, *sides), classes)
        with torch.device("meta"):
            assert network(torch.zeros(2, channels, *sides)).shape == (2, classes)
        own = {k: t.shape for k, t in _meta(name, spec.input_shape, spec.classes).state_dict().items()}
        other = {k: t.shape for k, t in network.state_dict().items()}
        changed = [k for k in own if own[k] != other[k]]
        last = [k for k in own if own[k][:1] == (spec.classes,)]
        first = next(k for k in own if k.endswith("weight"))
        assert set(changed) == {*last, *([first] if channels != spec.input_shape[0] else [])}
        assert fitted.parameters == sum(p.numel() for p in network.parameters())
        assert (fitted.name, fitted.input_shape, fitted.classes) == (name, (channels, *sides), classes)


@pytest.mark.parametrize("more", [(9, 10), pytest.param((0, 0), marks=pytest.mark.slow)], ids=["more", "least"])
@pytest.mark.parametrize("name", [n for n in networks() if n not in OWN_SIZE])
def test_sizes(name: str, more: tuple[int, int]) -> None:
    spec, least = network_named(name), LEAST.get(name, 1)
    sides = least + more[0], least + more[1]
    assert spec.fits((3, *sides), 10) == ""
    with torch.device("meta"):
        assert _meta(name, (3, *sides), 7)(torch.zeros(2, 3, *sides)).shape == (2, 7)
    if least > 1:
        assert spec.fits((3, least - 1, least), 10).startswith(f"it cannot take images of 3 x {least - 1} x {least} (")


def test_larger_images_cost_more_and_only_vgg_has_more_weights() -> None:
    for name, same in (("resnet20", True), ("vgg_small", False)):
        spec = network_named(name)
        large = spec.fitted((3, 64, 64), 10)
        assert (large.parameters == spec.parameters) == same and large.macs > 3.9 * spec.macs
    assert large.parameters - spec.parameters == 192 * (64 - 16) * 128


@pytest.mark.parametrize("name", OWN_SIZE)
def test_those_whose_first_linear_layer_counts_pixels_keep_their_size(name: str) -> None:
    spec = network_named(name)
    sides = " x ".join(map(str, spec.input_shape[1:]))
    assert spec.fits((3, 32, 32), 10) == f"it takes images of {sides} pixels only, not 32 x 32"
    with pytest.raises(WorkbenchError, match=f"{name} cannot be used so: it takes images of {sides} pixels only"):
        build(name, input_shape=(1, 32, 32))


@pytest.mark.parametrize(
    ("shape", "classes", "why"),
    [
        ((3, 32), 10, "3 x 32 is not that"),
        ((), 10, "nothing is not that"),
        ((3, -1, 32), 10, "3 x -1 x 32 is not that"),
        ((3, 10**9, 10**9), 10, "larger than 256 channels of 262,144 pixels"),
        ((10**9, 32, 32), 10, "larger than 256 channels"),
        ((3, 32, 32), 1, "must be in [2, 65536], not 1"),
        ((3, 32, 32), 10**9, "must be in [2, 65536], not 1000000000"),
    ],
)
def test_absurd_claims(shape: tuple[int, ...], classes: int, why: str) -> None:
    assert why in network_named("resnet20").fits(shape, classes)


def test_the_default_is_the_network_of_the_paper() -> None:
    for name in ("resnet20", "mobilenet_v2"):
        spec = network_named(name)
        assert spec.fitted(spec.input_shape, spec.classes) is spec
        assert digest_of(build(name, seed=3)) == digest_of(build(name, 3, input_shape=(3, 32, 32), classes=10))


def test_names_of_other_libraries_and_widths() -> None:
    spec = network_named("torchvision/resnet18")
    small = spec.fitted((3, 32, 32), 7)
    assert spec.parameters - small.parameters == 513 * (1000 - 7) and small.macs < spec.macs / 40
    assert build("torchvision/squeezenet1_1", input_shape=(1, 64, 64), classes=5)(torch.rand(1, 1, 64, 64)).shape == (
        1,
        5,
    )
    assert "it cannot take images of 3 x 32 x 32 (" in network_named("torchvision/alexnet").fits((3, 32, 32), 10)
    assert network_named("torchvision/vit_b_16").fits((3, 64, 64), 10) == ""
    assert network_named("mobilenet_v1:0.25").fitted((1, 20, 20), 5).parameters == sum(
        p.numel() for p in _meta("mobilenet_v1:0.25", (1, 20, 20), 5).parameters()
    )


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_artifacts_of_other_class_counts_come_back(name: str) -> None:
    spec = network_named(name)
    shape = spec.input_shape if name in OWN_SIZE else (2, 24, 20)
    about: dict[str, Any] = {"network": name, "dataset": "x", "input_shape": shape, "classes": 7, "recipe_json": "{}"}
    model, context = Compressed.of(build(name, input_shape=shape, classes=7)), Context(input_shape=shape)
    steps = [Tsvd(rank_share=0.3)] if name == "lenet_300_100" else [L1Filter(pruning_ratio=0.4), Tsvd(rank_share=0.3)]
    for step in steps:
        model = step.apply(model, context)
    loaded = artifact.unpack_model(artifact.pack_model(model, **about).data)
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(loaded.network(x), model.network(x)) and model.network(x).shape == (2, 7)


def _batch(n: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (n,), generator=generator)
    images = 0.5 * torch.rand(n, 2, 12, 12, generator=generator)
    for i, label in enumerate(labels.tolist()):
        images[i, :, 4 * label : 4 * label + 4] += 0.5
    return Batch(images, labels)


def test_a_zoo_network_trained_on_other_images_is_compressed_and_read_back(tmp_path) -> None:
    names = ("top", "middle", "bottom")
    made = Dataset("bars3", "Bars", names, (2, 12, 12), _batch(96, 0), _batch(48, 1), _batch(48, 2))
    data, out = adopt_data(made, name="bars3"), tmp_path / "w.safetensors"
    with pytest.raises(WorkbenchError, match=r"no bundled weights of vgg_small on own/bars3"):
        subject_named("vgg_small", data.name)
    info = train_to_file("vgg_small", data.name, settings=TrainSettings(epochs=1, batch=32), out=out)
    assert read_info(out) == info
    use_weights("vgg_small", data.name, out, input_shape=data.input_shape, classes=3)
    result = run(Recipe("vgg_small", data.name, (parse_step("prune.l1_filter:pruning_ratio=0.2"),)))
    read = measure_file(artifact.unpack_model(result.data), data, split="test")
    assert read.accuracy == result.run.measurement.accuracy
    spec = network_named("vgg_small").fitted((2, 12, 12), 3)
    assert read.dense_macs == spec.macs and spec.parameters == 1_040_218 - 48 * 9 - 192 * 15 * 128 - 129 * 7
    assert subject_named("vgg_small", data.name).dense_accuracy("test") == info.test
