"""Circulant layers against dense multiplication, scipy's circulant matrices and brute-force least squares."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from torch import nn

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Context
from workbench.core.errors import FileError, WorkbenchError
from workbench.layers import circulant, from_spec, spec_of
from workbench.layers.circulant import CirculantLinear, nearest_columns, signs_of
from workbench.layers.tied import held
from workbench.measure.macs import macs
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.quant.int8_linear import Int8Linear
from workbench.methods.struct.circulant import Circulant

SIZES = [(8, 8, 8), (16, 16, 4), (16, 8, 8), (8, 24, 8), (10, 13, 4), (7, 30, 16), (30, 7, 30), (5, 3, 5), (6, 6, 1)]
each_size = pytest.mark.parametrize(("out", "into", "block"), SIZES)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layer(out: int, into: int, block: int, **how) -> CirculantLinear:
    torch.manual_seed(2)
    made = CirculantLinear(into, out, block, seed=5, **how)
    if made.bias is not None:
        nn.init.normal_(made.bias)
    return made


def by_scipy(columns: np.ndarray, out: int, into: int) -> np.ndarray:
    """The dense R of the defining columns."""
    return np.block([[scipy.linalg.circulant(r) for r in row] for row in columns])[:out, :into]


@each_size
def test_every_form_is_the_product_with_the_dense_matrix(out, into, block):
    made = layer(out, into, block)
    r = by_scipy(made.columns().detach().numpy(), out, into)
    dense = torch.from_numpy(r * made.signs.numpy())
    x = random(6, into)
    expected = x @ dense.T
    assert torch.allclose(made.dense(), dense, atol=1e-6)
    assert torch.allclose(made.multiplied(x), expected, atol=1e-5)
    assert torch.allclose(made(x), expected + made.bias, atol=1e-5)
    assert made(x.reshape(2, 3, into)).shape == (2, 3, out)


@each_size
def test_columns_are_the_least_squares_solution(out, into, block):
    """Every entry of the matrix is one of the unknowns: the normal equations, solved by brute force."""
    w = random(out, into, seed=out)
    rows, columns = -(-out // block), -(-into // block)
    design = np.zeros((out * into, rows * columns * block))
    for i in range(out):
        for j in range(into):
            design[i * into + j, ((i // block) * columns + j // block) * block + (i - j) % block] = 1
    best = np.linalg.lstsq(design, w.numpy().ravel(), rcond=None)[0]
    assert np.allclose(nearest_columns(w, block).numpy().ravel(), best, atol=1e-5)


@each_size
def test_projecting_twice_changes_nothing(out, into, block):
    made = layer(out, into, block)
    with torch.no_grad():
        again = nearest_columns(made.dense() * made.signs, block)
        whole = CirculantLinear(into, out, block, bias=False)
        whole.vectors.weight.copy_(again.flatten(1))
        assert torch.allclose(whole.dense(), made.dense() * made.signs, atol=1e-6)


@pytest.mark.parametrize("form", ["multiplied", "dense"])
def test_gradients_of_both_forms_are_those_of_finite_differences(form):
    made = layer(3, 5, 4).double()
    x = random(2, 5).double().requires_grad_()

    def f(x, weight):
        made.vectors._parameters["weight"] = weight
        return made.multiplied(x) if form == "multiplied" else F.linear(x, made.dense())

    weight = made.vectors.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(f, (x, weight))


def test_signs_come_from_the_seed_alone_and_are_fair():
    """Worked out once: the first word of PCG64(7), lowest bit first, 1 for -1."""
    word = int(np.random.PCG64(7).random_raw())
    assert signs_of(7, 64).tolist() == [1 - 2 * (word >> i & 1) for i in range(64)]
    assert torch.equal(signs_of(7, 100)[:64], signs_of(7, 64))
    assert not torch.equal(signs_of(8, 64), signs_of(7, 64))
    assert abs(float(signs_of(3, 10_000).mean())) < 0.05
    assert torch.equal(signs_of(None, 5), torch.ones(5))


@pytest.mark.parametrize(("out", "into", "block"), [(64, 128, 32), (10, 84, 16), (12, 8, 4)])
def test_macs_are_those_of_the_form_that_runs(out, into, block):
    network = nn.Sequential(nn.Flatten(), layer(out, into, block)).eval()
    if block < circulant._FFT_FROM:
        expected = out * into
    else:
        p, q, log = -(-out // block), -(-into // block), int(np.ceil(np.log2(block)))
        expected = (p + q + p * q) * block * log + 4 * p * q * (block // 2 + 1)
    assert macs(network, (1, 1, into)) == {"1.vectors": expected}
    assert not any(m._forward_hooks for m in network.modules())


def test_only_the_columns_and_the_bias_are_stored():
    made = layer(10, 84, 16)
    assert {n: tuple(t.shape) for n, t in made.state_dict().items()} == {"bias": (10,), "vectors.weight": (1, 96)}


@pytest.mark.parametrize(("out", "into", "block"), SIZES)
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_is_rebuilt_from_its_description(out, into, block, bias):
    made = layer(out, into, block, bias=bias)
    again = from_spec(spec_of(made))
    again.load_state_dict(made.state_dict())
    x = random(3, into)
    assert torch.equal(again(x), made(x))


@pytest.mark.parametrize(
    "spec",
    [
        {"sizes": [8, 8, 0], "bias": True},
        {"sizes": [8, 8, 9], "bias": True},
        {"sizes": [8, 8], "bias": True},
        {"sizes": [8, 8, 4], "bias": True, "seed": -1},
        {"sizes": [8, 8, 4], "bias": True, "seed": 0.5},
        {"sizes": [8, 8, 4], "bias": True, "seed": 2**70},
        {"sizes": [8, 8, 4]},
    ],
    ids=str,
)
def test_a_layer_that_cannot_be_is_refused(spec):
    with pytest.raises(FileError):
        from_spec({"type": "CirculantLinear", **spec})


# The method


def network() -> nn.Sequential:
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 40), nn.ReLU(), nn.Linear(40, 10, bias=False)
    ).eval()


CONTEXT = Context(input_shape=(3, 8, 8), seed=9)


@pytest.mark.parametrize("exponent", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("signs", [True, False])
def test_what_is_stored_is_a_column_for_each_block(exponent, signs):
    dense = network()
    model = Circulant(exponent=exponent, signs=signs).apply(Compressed.of(dense), CONTEXT)
    for name, (out, into) in {"3": (40, 216), "5": (10, 40)}.items():
        block = min(2**exponent, max(out, into))
        made = model.network.get_submodule(name)
        assert isinstance(made, CirculantLinear)
        assert made.vectors.weight.numel() == -(-out // block) * -(-into // block) * block
        w, d = dense.get_submodule(name).weight.detach(), made.signs
        other = random(*made.vectors.weight.shape, seed=exponent) * 0.01
        error = float((made.dense() - w).detach().norm())
        with torch.no_grad():
            made.vectors.weight.add_(other)
        assert error < float((made.dense() - w).detach().norm()), "nothing near it is nearer"
        assert error <= float(w.norm())
        assert bool((d == 1).all()) != signs


def test_a_circulant_weight_is_found_exactly_and_runs_the_same():
    dense = network()
    planted = scipy.linalg.circulant(random(40).numpy())[:10]
    dense[5].weight.data = torch.from_numpy(planted.copy())
    model = Circulant(exponent=12, signs=False).apply(Compressed.of(dense), Context(CONTEXT.input_shape, layers=("5",)))
    x = random(4, 3, 8, 8)
    assert torch.allclose(model.network(x), dense(x), atol=1e-4)


def test_blocks_of_one_leave_the_layer_whole():
    dense = network()
    model = Circulant(exponent=0).apply(Compressed.of(dense), CONTEXT)
    assert model.notes == ("struct.circulant left 3, 5 whole: its circulant blocks of 1 hold no fewer numbers.",)
    assert torch.equal(model.network(random(2, 3, 8, 8)), dense(random(2, 3, 8, 8)))


def test_convolutions_are_not_its_own():
    assert "linear" in Circulant.refuses(nn.Sequential(nn.Conv2d(3, 4, 3)))
    with pytest.raises(WorkbenchError, match="no layer '0' to act on"):
        Circulant().apply(Compressed.of(network()), Context((3, 8, 8), layers=("0",)))


def test_zero_weights_stay_zero():
    dense = network()
    nn.init.zeros_(dense[5].weight)
    model = Circulant().apply(Compressed.of(dense), CONTEXT)
    assert torch.count_nonzero(model.network[5].dense()) == 0


def test_the_columns_are_a_layer_that_later_steps_quantize():
    model = Circulant().apply(Compressed.of(network()), CONTEXT)
    assert [x.name for x in layers_of(model.network)] == ["0", "3.vectors", "5.vectors"]
    model = Int8Linear(bits=4, activation_bits=8).apply(
        model, Context((3, 8, 8), layers=("3",), calibration=_batch(), seed=1)
    )
    assert list(model.encoded) == ["3.vectors.weight"]
    assert any("3.vectors" in note and "floating point" in note for note in model.notes)
    assert len(np.unique(np.abs(model.network[3].dense().detach().numpy()[:8, :8]))) <= 16


def _batch():
    from workbench.core.context import Batch

    return Batch(random(8, 3, 8, 8), torch.zeros(8, dtype=torch.int64))


def test_training_stays_circulant_also_on_codes():
    model = Circulant().apply(Compressed.of(network()), CONTEXT)
    model = Int8Linear(bits=4).apply(model, Context((3, 8, 8), layers=("3",)))
    before = model.network[3].dense().detach().clone()
    with held(model):
        optimizer = torch.optim.SGD(model.network.parameters(), lr=0.05)
        for _ in range(3):
            optimizer.zero_grad()
            model.network(random(8, 3, 8, 8)).square().sum().backward()
            optimizer.step()
    made = model.network[3]
    assert not torch.equal(made.dense(), before)
    with torch.no_grad():
        again = nearest_columns(made.dense() * made.signs, made.block)[:, :, :1]
        assert torch.allclose(again, made.columns()[:, :, :1], atol=1e-6)
    decoded = torch.from_numpy(model.encoded["3.vectors.weight"].decode())
    assert torch.equal(made.vectors.weight, decoded)


def test_a_layer_before_it_cannot_lose_units_and_says_why():
    model = Circulant().apply(Compressed.of(network()), CONTEXT)
    pruned = L1Filter(pruning_ratio=0.5).apply(model, CONTEXT)
    assert pruned.network[0].out_channels == 6
    assert any("left 0 whole" in note for note in pruned.notes)


def test_half_precision_outside_is_no_obstacle():
    made = layer(16, 32, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = made(random(3, 32).bfloat16())
    assert torch.allclose(y.float(), made(random(3, 32)), atol=0.05)
