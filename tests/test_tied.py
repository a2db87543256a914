"""Training within what is stored: gradients, zeros, and the way back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from workbench.core.compressed import Compressed, layers_of
from workbench.core.encoded import Encoded
from workbench.core.values import TERNARY, Codebook, FixedPoint, Floats, Levels, ProductCodes, bfloat16
from workbench.layers.tied import Latent, held


def _encodings(shape: tuple[int, ...]) -> dict[str, Encoded]:
    """One tensor in each representation, and some with a support."""
    r = np.random.default_rng(0)
    n, rows = int(np.prod(shape)), shape[0]
    keep = r.random(shape) < 0.4
    k = int(keep.sum())
    book = r.normal(size=5).astype(np.float32)
    per_row = r.random(rows).astype(np.float32) + 0.1
    one = np.array([0.05], np.float32)
    zeros = np.array([3])
    return {
        "floats": Encoded.dense(r.normal(size=shape).astype(np.float32)),
        "kept": Encoded(shape, Floats(r.normal(size=k).astype(np.float32)), keep),
        "book": Encoded(shape, Codebook(r.integers(0, 5, n), book)),
        "kept book": Encoded(shape, Codebook(r.integers(0, 5, k), book), keep),
        "fixed": Encoded(shape, FixedPoint(r.integers(-8, 8, n), one, zeros, -8, 7)),
        "kept fixed rows": Encoded(
            shape, FixedPoint(r.integers(-8, 8, k), per_row, np.zeros(rows, np.int64), -8, 7), keep
        ),
        "ternary": Encoded(shape, Levels(r.integers(0, 3, n), one, TERNARY)),
        "kept ternary rows": Encoded(shape, Levels(r.integers(0, 3, k), per_row, TERNARY), keep),
    }


SHAPES = {"conv": (4, 2, 3, 3), "linear": (6, 16)}
CASES = [(layer, name) for layer in SHAPES for name in _encodings(SHAPES[layer])]


def _network() -> nn.Module:
    torch.manual_seed(0)
    layers = {"conv": nn.Conv2d(2, 4, 3), "relu": nn.ReLU(), "flatten": nn.Flatten(), "linear": nn.Linear(16, 6)}
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network


def _model(layer: str, encoded: Encoded) -> Compressed:
    model = Compressed.of(_network())
    model.store(next(known for known in layers_of(model.network) if known.name == layer), encoded)
    return model


def _product() -> Compressed:
    r = np.random.default_rng(1)
    values = ProductCodes(r.integers(0, 3, (6, 4)), r.normal(size=(4, 3, 4)).astype(np.float32))
    return _model("linear", Encoded((6, 16), values))


def _models() -> list[Compressed]:
    return [_model(layer, _encodings(SHAPES[layer])[name]) for layer, name in CASES] + [_product()]


IDS = [f"{layer} {name}" for layer, name in CASES] + ["linear product"]


def _train(model: Compressed, steps: int = 5, **settings: float) -> None:
    optimizer = torch.optim.SGD(model.network.parameters(), lr=0.05, **settings)
    g = torch.Generator().manual_seed(3)
    for _ in range(steps):
        images, labels = torch.randn(8, 2, 4, 4, generator=g), torch.randint(0, 6, (8,), generator=g)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model.network(images), labels).backward()
        optimizer.step()


def _agrees(model: Compressed) -> bool:
    state = model.network.state_dict()
    return all(np.array_equal(state[name].numpy(), e.decode()) for name, e in model.encoded.items())


def _traces(network: nn.Module) -> list[object]:
    """What a held network may leave behind."""
    return [
        (name, type(m), sorted(m.__dict__), list(m._parameters), list(m._modules), _hooks(m))
        for name, m in network.named_modules()
    ]


def _hooks(module: nn.Module) -> list[int]:
    return [len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks)]


@pytest.mark.parametrize("model", _models(), ids=IDS)
def test_holding_alone_changes_nothing(model: Compressed) -> None:
    before = {name: t.clone() for name, t in model.network.state_dict().items()}
    traces, x = _traces(model.network), torch.randn(3, 2, 4, 4)
    said = model.network(x)
    identities = [id(p) for p in model.network.parameters()]
    with held(model):
        torch.testing.assert_close(model.network(x), said, rtol=0, atol=0)
    assert _traces(model.network) == traces
    assert list(model.network.state_dict()) == list(before)
    assert [id(p) for p in model.network.parameters()] == identities
    assert all(torch.equal(t, before[name]) for name, t in model.network.state_dict().items())
    assert _agrees(model)


@pytest.mark.parametrize("model", _models(), ids=IDS)
def test_training_moves_only_what_is_stored(model: Compressed) -> None:
    before = dict(model.encoded)
    with held(model):
        _train(model, momentum=0.9, weight_decay=0.1)
        inside = {name: model.network.get_submodule(name.split(".")[0]).weight.detach() for name in before}
    for name, old in before.items():
        new = model.encoded[name]
        assert type(new.values) is type(old.values)
        assert np.array_equal(inside[name].numpy(), new.decode())
        assert not np.array_equal(new.decode(), old.decode())
        assert old.keep is None or not np.any(new.decode()[~old.keep])
        if not isinstance(old.values, Floats):
            assert np.array_equal(new.values.codes, old.values.codes)
    assert _agrees(model)
    assert all(p.grad is None for name, p in model.network.named_parameters() if name in model.encoded)


def test_few_real_parameters_are_trained() -> None:
    model = _model("linear", _encodings(SHAPES["linear"])["kept book"])
    with held(model):
        sizes = [p.numel() for p in model.network.linear.parameters()]
    assert sorted(sizes) == [5, 6]


@pytest.mark.parametrize("layer", ["conv", "linear"])
def test_a_shared_value_gets_the_sum_of_its_weights_gradients(layer: str) -> None:
    model = _model(layer, _encodings(SHAPES[layer])["kept book"])
    encoded = model.encoded[f"{layer}.weight"]
    x = torch.randn(5, 2, 4, 4)
    model.network(x).square().sum().backward()
    plain = model.network.get_submodule(layer).weight.grad.numpy()[encoded.keep]
    expected = np.zeros(5)
    for code, gradient in zip(encoded.values.codes, plain, strict=True):
        expected[code] += gradient
    model.network.zero_grad()
    with held(model):
        model.network(x).square().sum().backward()
        got = model.network.get_submodule(layer).parametrizations.weight.original.grad.numpy().copy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_a_scale_gets_the_sum_over_its_row() -> None:
    model = _model("linear", _encodings(SHAPES["linear"])["kept fixed rows"])
    encoded = model.encoded["linear.weight"]
    x = torch.randn(5, 2, 4, 4)
    model.network(x).square().sum().backward()
    plain = model.network.linear.weight.grad.numpy()[encoded.keep]
    expected = np.zeros(6)
    for row, code, gradient in zip(encoded.rows, encoded.values.codes, plain, strict=True):
        expected[row] += code * gradient
    with held(model):
        model.network(x).square().sum().backward()
        real = model.network.linear.parametrizations.weight.original
        unit = real.detach().numpy() / encoded.values.scale
        got = real.grad.numpy() * unit  # what learns is the scale in units of the weights' size
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    weights = np.sqrt(np.mean(encoded.values.codes.astype(float) ** 2))
    assert 2**-0.5 <= unit[0] / weights <= 2**0.5
    assert (unit == unit[0]).all()


def _binary(scale: float) -> Compressed:
    r = np.random.default_rng(2)
    codes, one = r.integers(-8, 8, 96), np.array([scale], np.float32)
    return _model("linear", Encoded((6, 16), FixedPoint(codes, one, np.zeros(1, np.int64), -8, 7, binary=True)))


@pytest.mark.parametrize("factor", [0.6, 0.75, 1.3, 1.5])
def test_a_binary_scale_stays_a_power_of_two(factor: float) -> None:
    """A little more or less and it stays; over the border, half way in the exponent, it is the next power of two."""
    model = _binary(2**-5)
    before = model.encoded["linear.weight"].values.codes
    with held(model):
        real = model.network.linear.parametrizations.weight.original
        with torch.no_grad():
            real.mul_(factor)
        model.network(torch.randn(3, 2, 4, 4)).square().sum().backward()
        assert float(real.grad.abs().sum()) > 0
    values = model.encoded["linear.weight"].values
    assert values.scale[0] == 2 ** (-5 + round(np.log2(factor)))
    assert np.array_equal(values.codes, before)
    assert _agrees(model)


def test_a_short_book_stays_short_and_learns_all_the_same() -> None:
    given = _encodings((6, 16))["kept book"]
    book = bfloat16(given.values.book)
    model = _model("linear", given.with_values(replace(given.values, book=book, short=True)))
    with held(model):
        real = model.network.linear.parametrizations.weight.original
        with torch.no_grad():
            real.mul_(1.003)  # too little for some of them to move
        wanted = torch.cat([torch.zeros(1), real.detach().bfloat16().float()])
        assert set(model.network.linear.weight.unique().tolist()) <= set(wanted.tolist())
        model.network(torch.randn(3, 2, 4, 4)).square().sum().backward()
        assert float(real.grad.abs().sum()) > 0
    values = model.encoded["linear.weight"].values
    assert values.short and np.array_equal(values.book, bfloat16(values.book))
    assert np.array_equal(values.codes, given.values.codes)
    assert _agrees(model)


def test_latent_weights_run_encoded_and_learn_as_real_numbers() -> None:
    """Forward the codes, backward the gradient of `soft`; afterwards the real weights, and zeros where they were."""
    r = np.random.default_rng(4)
    keep = r.random((6, 16)) < 0.6
    start = r.normal(size=int(keep.sum())).astype(np.float32)

    def half(given: Encoded) -> Encoded:
        return given.with_values(Floats(np.sign(given.stored()) / 2))

    model = _model("linear", Encoded((6, 16), Latent(start, half, lambda w, k: 3 * w), keep))
    before = model.encoded["linear.weight"].decode()
    with held(model):
        assert np.array_equal(model.network.linear.weight.detach().numpy(), np.sign(before) / 2)
        real = model.network.linear.parametrizations.weight.original
        (model.network.linear.weight * torch.arange(96.0).reshape(6, 16)).sum().backward()
        assert np.allclose(real.grad.numpy(), np.where(keep, 3 * np.arange(96.0).reshape(6, 16), 0))
        _train(model)
    after = model.encoded["linear.weight"]
    assert isinstance(after.values, Latent)
    assert _agrees(model)
    assert np.array_equal(after.decode() != 0, keep)
    assert not np.array_equal(after.decode(), before)
    assert isinstance(after.restrict(keep & (np.arange(16) > 3)).values, Latent)


@pytest.mark.parametrize("model", _models(), ids=IDS)
def test_a_failure_leaves_the_network_whole(model: Compressed) -> None:
    traces = _traces(model.network)

    def fail() -> None:
        with held(model):
            _train(model, 2)
            raise KeyError("planted")

    with pytest.raises(KeyError, match="planted"):
        fail()
    assert _traces(model.network) == traces
    assert not any(parametrize.is_parametrized(m) for m in model.network.modules())
    assert _agrees(model)


def test_several_tensors_of_one_network_at_once() -> None:
    model = _model("linear", _encodings(SHAPES["linear"])["kept ternary rows"])
    conv = layers_of(model.network)[0]
    model.store(conv, _encodings(SHAPES["conv"])["kept book"])
    model.encoded["conv.bias"] = Encoded.dense(model.network.conv.bias.detach().numpy())
    traces = _traces(model.network)
    with held(model):
        _train(model)
    assert _traces(model.network) == traces and _agrees(model)
