"""What layers are given, rounded: calibration against numpy, arithmetic against integers, names, files, gradients."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Batch, Context
from workbench.core.errors import Cancelled, FileError
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe
from workbench.experiment.pipeline import compress
from workbench.experiment.run import about, run
from workbench.experiment.subject import subject_named
from workbench.layers import from_spec, spec_of
from workbench.layers.activations import (
    InputQuantizer,
    QuantizedInput,
    noisy_gradient,
    quantize_input,
    round_gradients,
)
from workbench.layers.channels import groups_of
from workbench.measure.macs import macs
from workbench.methods import parse_step
from workbench.methods.quant._activations import INSIDE, Seen, grid_of, observed
from workbench.methods.quant.dfp import Dfp
from workbench.methods.quant.dorefa import Dorefa
from workbench.methods.quant.int8_linear import Int8Linear
from workbench.networks.artifact import pack_model, unpack_model


@pytest.fixture(scope="module")
def subject():
    return subject_named("lenet5_1998", "digits")


def compressed(subject, *steps):
    return compress(Recipe("lenet5_1998", "digits", tuple(map(parse_step, steps))), subject)


def reread(model, subject):
    return unpack_model(pack_model(model, **about(Recipe("lenet5_1998", "digits", ()), subject)).data)


def seen(sample):
    sample = np.asarray(sample, np.float32)
    return Seen(float(sample.min()), float(sample.max()), sample)


# The grid


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize(("low", "high"), [(0.0, 3.0), (-1.0, 2.0), (-0.001, 5.0), (-4.0, 0.0)])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_grid_has_so_many_values_and_zero(bits, low, high, symmetric):
    scale, first, last = grid_of(low, high, bits, symmetric)
    assert first <= 0 <= last
    assert 2 ** (bits - 1) <= last - first + 1 <= 2**bits
    assert abs(first * scale - min(low, -high if symmetric and low < 0 and bits > 1 else low)) <= scale * 0.5001
    x = torch.linspace(low, high, 1001)
    got = InputQuantizer.of(scale, first, last)(x)
    assert (got - x).abs().max() <= scale * 1.0001
    assert len(got.unique()) <= 2**bits
    assert torch.equal(InputQuantizer.of(scale, first, last)(got), got)
    table = torch.arange(first, last + 1) * torch.tensor(scale)
    assert torch.equal((got[:, None] - table).abs().amin(1), torch.zeros(1001))


def test_a_grid_for_nothing_but_zeros():
    quantizer = InputQuantizer.of(*grid_of(0.0, 0.0, 4))
    assert torch.equal(quantizer(torch.zeros(3)), torch.zeros(3))


def test_the_same_as_torch_fake_quantization():
    x = torch.randn(500, generator=torch.Generator().manual_seed(0))
    scale, first, last = grid_of(-1.5, 2.5, 6)
    theirs = torch.fake_quantize_per_tensor_affine(x, float(np.float32(scale)), -first, 0, last - first)
    assert torch.allclose(InputQuantizer.of(scale, first, last)(x), theirs, atol=1e-6)


# Calibration


def test_ranges_against_numpy():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=5000).astype(np.float32) ** 3
    assert seen(sample).span("minmax", 8) == (sample.min(), sample.max())
    cut = np.percentile(np.abs(sample), INSIDE)
    assert seen(sample).span("percentile", 8) == pytest.approx((max(sample.min(), -cut), min(sample.max(), cut)))
    relu = np.maximum(sample, 0)
    assert seen(relu).span("percentile", 8) == pytest.approx((0, np.percentile(relu, INSIDE)))
    assert seen(relu + 1).span("minmax", 8)[0] == 0, "0 is always inside"


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_least_squared_error_against_a_fine_search(bits):
    x = np.maximum(np.random.default_rng(1).normal(size=20_000), 0).astype(np.float32)

    def error(high):
        scale, first, last = grid_of(0.0, high, bits)
        return np.square(np.clip(np.rint(x / scale), first, last) * scale - x).sum()

    found = error(seen(x).span("mse", bits)[1])
    assert found <= error(seen(x).span("minmax", bits)[1])
    assert found <= 1.05 * min(error(h) for h in np.linspace(0.05, x.max(), 400))


def test_what_is_observed_is_what_flows(subject):
    """Exactly, with a forward pass by hand as the second way; no hook stays, also after a cancel."""
    images, network = subject.calibration.images, subject.network
    context = Context(input_shape=(1, 28, 28), calibration=subject.calibration)
    found = observed(network, ("conv1", "fc3"), context)
    with torch.no_grad():
        given = network[: list(dict(network.named_children())).index("fc3")](images).numpy()
    assert found["fc3"].low == given.min()
    assert found["fc3"].high == pytest.approx(given.max(), rel=1e-6)
    assert np.allclose(np.sort(found["fc3"].sample), np.sort(given.reshape(-1)), atol=1e-5)
    assert (found["conv1"].low, found["conv1"].high) == (images.min(), images.max())
    assert found["conv1"].sample.size <= 2**18
    stop = dataclasses.replace(context, progress=Progress(cancelled=lambda: True))
    with pytest.raises(Cancelled):
        observed(network, ("conv1",), stop)
    assert not any(m._forward_pre_hooks for m in network.modules())


def test_a_layer_that_does_not_run_keeps_its_input():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    network.spare = nn.Linear(3, 3)
    network.forward = lambda x: network[1](network[0](x))
    context = Context(input_shape=(1, 2, 2), calibration=Batch(torch.rand(8, 1, 2, 2), torch.zeros(8).long()))
    got = observed(network, ("1", "spare"), context)
    assert got["spare"].sample.size == 0
    assert isinstance(Int8Linear(activation_bits=8).grid(got["spare"]), InputQuantizer)


# Arithmetic


@pytest.mark.parametrize("step", ["quant.int8_linear:activation_bits=8", "quant.dfp", "quant.dorefa:first_last=same"])
@pytest.mark.parametrize("layer", ["conv2", "fc1"])
def test_whole_numbers_give_the_same_answers(step, layer, subject):
    """Codes of weights times codes of activations in 64-bit integers, scaled once, against the simulated layer."""
    model = compressed(subject, step)
    module = model.network.get_submodule(layer)
    assert isinstance(module, QuantizedInput)
    values, quantizer = model.encoded[f"{layer}.layer.weight"].values, module.quantizer
    conv = layer == "conv2"
    g = torch.Generator().manual_seed(0)
    x = torch.rand(*((2, 6, 14, 14) if conv else (5, 400)), generator=g) * quantizer.high * float(quantizer.scale)
    n = np.clip(np.rint(x.numpy() / quantizer.scale.numpy()), quantizer.low, quantizer.high).astype(np.int64)
    steps = np.array(values.alphabet)[values.codes] if hasattr(values, "alphabet") else values.codes
    w = torch.from_numpy(steps.astype(np.int64).reshape(module.layer.weight.shape))
    if conv:
        whole = F.unfold(torch.from_numpy(n).double(), 5).long()
        sums = (w.flatten(1) @ whole).reshape(2, 16, 10, 10)
    else:
        sums = torch.from_numpy(n) @ w.T
    assert sums.dtype == torch.int64
    shape = (1, -1, 1, 1) if conv else (1, -1)
    scale = torch.from_numpy(values.scale).double().reshape(shape) * quantizer.scale.double()
    expected = sums.double() * scale + module.layer.bias.detach().double().reshape(shape)
    with torch.no_grad():
        got = module(x).double()
    terms = x[0].numel() if not conv else 150
    assert (got - expected).abs().max() <= 2**-24 * terms * float(expected.abs().max())


def test_dynamic_fixed_point_uses_nothing_but_shifts(subject):
    """Every scale is a power of two, and so are their products: float32 adds whole numbers, which is exact here."""
    model = compressed(subject, "quant.dfp:bits=4,activation_bits=4")
    module = model.network.fc1
    x = torch.rand(9, 400) * 4
    with torch.no_grad():
        out = module(x)
        step = module.quantizer.scale * torch.from_numpy(model.encoded["fc1.layer.weight"].values.scale)
        bias = model.encoded["fc1.layer.bias"].values.scale[0]
    assert module.quantizer.exponent == np.log2(float(module.quantizer.scale))
    assert torch.equal(out / min(float(step), bias), (out / min(float(step), bias)).round())
    assert [e.values.kind for n, e in model.encoded.items() if n.endswith("bias")] == ["fixed_point"] * 5


def test_unit_range_is_the_table_of_the_paper():
    x = torch.tensor([-1.0, 0.0, 0.1, 0.2, 0.4, 0.6, 0.9, 1.0, 7.0])
    quantizer = Dorefa(activation_bits=2, activation_range="unit").grid(seen([0, 9]))
    assert torch.allclose(quantizer(x), torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3]) / 3)


@pytest.mark.parametrize(("high", "bits", "exponent"), [(1.0, 8, -7), (1.01, 8, -6), (3.9, 4, -1), (100.0, 8, 0)])
def test_the_exponent_of_dynamic_fixed_point(high, bits, exponent):
    quantizer = Dfp(activation_bits=bits).grid(seen([-0.1, high]))
    assert quantizer.exponent == exponent
    assert (quantizer.low, quantizer.high) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    assert float(quantizer.scale) == 2.0**exponent


# Names, files, costs


@pytest.mark.parametrize(
    "steps",
    [
        ["quant.int8_linear:activation_bits=8"],
        ["quant.int8_linear:activation_bits=6,activation_range=mse,scheme=affine@conv2+fc3"],
        ["quant.dfp:activation_bits=6,length=error"],
        ["lowrank.tsvd:rank_share=0.1", "quant.dorefa:first_last=eight_bit"],
        ["prune.magnitude_iter:pruning_ratio=0.7", "quant.dorefa", "recover.batchnorm"],
        ["prune.l1_filter", "quant.int8_linear:activation_bits=8@fc1", "quant.dfp@fc2", "prune.magnitude_iter"],
    ],
    ids=" ".join,
)
def test_the_file_holds_the_grids(steps, subject):
    model = compressed(subject, *steps)
    read = reread(model, subject)
    x = subject.dataset.split("test").images[:50]
    with torch.no_grad():
        assert torch.equal(model.network(x), read.network(x))
    quantizers = [m for m in model.network.modules() if isinstance(m, InputQuantizer)]
    assert quantizers
    again = [m for m in read.network.modules() if isinstance(m, InputQuantizer)]
    assert [q.spec() for q in quantizers] == [q.spec() for q in again]
    assert all(name.rpartition(".")[0] in dict(model.network.named_modules()) for name in model.encoded)


def test_rows_and_words_of_a_run(subject):
    recipe = Recipe("lenet5_1998", "digits", (parse_step("lowrank.tsvd:rank_share=0.1@fc1"), parse_step("quant.dfp")))
    found = run(recipe, subject=subject, split="validation").run
    assert [row.whole for row in found.layers] == ["conv1", "conv2", "fc1", "fc1", "fc2", "fc3"]
    assert [row.layer for row in found.layers][2:4] == ["fc1.first.layer", "fc1.second.layer"]
    assert all(row.macs and row.methods == ("quant.dfp",) for row in found.layers if row.whole != "fc1")
    assert all(row.methods == ("lowrank.tsvd", "quant.dfp") for row in found.layers if row.whole == "fc1")
    assert "inputs of layers rounded to 8 bits (simulated, no integer arithmetic)" in found.measurement.arithmetic
    assert found.measurement.macs == sum(row.macs for row in found.layers)


def test_costs_are_those_of_the_layers(subject):
    model = compressed(subject, "quant.int8_linear:activation_bits=8")
    plain, wrapped = macs(subject.network, (1, 28, 28)), macs(model.network, (1, 28, 28))
    assert wrapped == {f"{name}.layer": n for name, n in plain.items()}
    assert [x.index for x in layers_of(model.network)] == list(range(5))


def test_a_layer_can_have_its_own_width(subject):
    model = compressed(subject, "quant.int8_linear:activation_bits=8/conv2:activation_bits=3/fc3:activation_bits=32")
    widths = {n.split(".")[0]: m.bits for n, m in model.network.named_modules() if isinstance(m, InputQuantizer)}
    assert widths == {"conv1": 8, "conv2": 3, "fc1": 8, "fc2": 8}


def test_without_images_the_run_says_so():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    model = Dfp().apply(Compressed.of(network), Context(input_shape=(1, 2, 2)))
    assert model.notes == ("quant.dfp left the inputs of 1 in floating point: it was run without images.",)


def test_a_shared_layer_is_wrapped_wherever_it_stands():
    shared = nn.Linear(4, 4)
    network = nn.Sequential(nn.Flatten(), shared, nn.ReLU(), shared)
    model = Compressed.of(network)
    Int8Linear().apply(model, Context(input_shape=(1, 2, 2)))
    quantize_input(model, layers_of(model.network)[0], InputQuantizer.of(0.1, 0, 15))
    assert model.network[1] is model.network[3]
    assert list(model.encoded) == ["1.layer.weight"]


@pytest.mark.parametrize(
    "spec",
    [
        {"low": 1, "high": 3},
        {"low": 0, "high": 2**16},
        {"low": 0.0, "high": 3},
        {"low": 0, "high": 3, "exponent": 400},
        {"low": 0},
    ],
)
def test_a_spec_that_describes_no_grid(spec):
    with pytest.raises(FileError, match="QuantizedInput that cannot be built"):
        from_spec({"type": "QuantizedInput", **spec}, nn.Linear(2, 2))


def test_only_a_layer_is_wrapped_and_only_once():
    spec = {"type": "QuantizedInput", "low": 0, "high": 3}
    once = from_spec(spec, nn.Linear(2, 2))
    assert spec_of(once) == spec
    for other in (once, nn.ReLU()):
        with pytest.raises(FileError, match="not a convolution or linear layer"):
            from_spec(spec, other)


# Gradients and traces


def test_gradients_go_straight_through_inside_and_stop_outside():
    x = torch.tensor([-0.5, 0.0, 0.26, 0.74, 1.0, 1.5], requires_grad=True)
    quantizer = InputQuantizer.of(0.5, 0, 2)
    out = quantizer(x)
    assert torch.equal(out.detach(), quantizer(x.detach()))
    out.backward(torch.arange(6.0))
    assert torch.equal(x.grad, torch.tensor([0.0, 1, 2, 3, 4, 0]))


def test_gradients_with_noise_are_on_the_grid_and_right_in_the_mean():
    g = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    draws = torch.stack([noisy_gradient(g, 3) for _ in range(4000)])
    span = g.abs().amax(1, keepdim=True)
    places = (draws / (2 * span) + 0.5) * 7
    assert torch.allclose(places, places.round(), atol=1e-4)
    assert ((draws.mean(0) - g).abs() <= 5 * (2 * span / 7) / 2 / 4000**0.5 + 1e-6).all()
    assert noisy_gradient(torch.zeros(2, 3), 3).abs().max() < 1e-30


def test_rounded_gradients_can_be_turned_on_and_off():
    layer = QuantizedInput(nn.Linear(8, 8), InputQuantizer.of(0.1, -8, 7))
    x = (torch.rand(4, 8) - 0.5).requires_grad_()

    def gradient():
        x.grad = None
        layer(x).square().sum().backward()
        return x.grad.clone()

    plain = gradient()
    assert round_gradients(layer, 2) == 1
    torch.manual_seed(0)
    assert len(gradient()[0].unique()) <= 4
    round_gradients(layer, 0)
    assert torch.equal(gradient(), plain)


def test_channels_are_followed_through_it():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(96, 3)).eval()
    before = groups_of(network, (1, 8, 8))
    model = Compressed.of(network)
    for layer in layers_of(model.network)[1:]:
        quantize_input(model, layer, InputQuantizer.of(0.1, 0, 15))
    after = groups_of(model.network, (1, 8, 8))
    assert [(g.count, bool(g.refusal)) for g in before] == [(g.count, bool(g.refusal)) for g in after]
