"""Tucker-2 and CP against tensorly's own reconstruction, dense convolutions and planted tensors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorly
import torch
import torch.nn.functional as F
from tensorly.decomposition import parafac, partial_tucker
from torch import nn

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Context
from workbench.core.errors import Cancelled, FileError, WorkbenchError
from workbench.core.progress import Progress
from workbench.layers import from_spec, spec_of
from workbench.layers.chain import ConvChain
from workbench.measure.macs import macs
from workbench.methods.lowrank import _tensors
from workbench.methods.lowrank._ranks import rank_of_evidence
from workbench.methods.lowrank._tensors import composed, cp, spectra, tucker2
from workbench.methods.lowrank.cp import Cp
from workbench.methods.lowrank.tucker2 import Tucker2
from workbench.methods.quant.int8_linear import Int8Linear


def never() -> None:
    """Nobody asks to stop."""


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def planted(sizes: tuple[int, ...], rank: int, seed: int = 0) -> torch.Tensor:
    return composed([random(n, rank, seed=seed + i) for i, n in enumerate(sizes)])


def conv(cin=8, cout=12, kernel=3, **how) -> nn.Conv2d:
    torch.manual_seed(1)
    return nn.Conv2d(cin, cout, kernel, **how)


def replaced(layer: nn.Conv2d, method, size: int = 9) -> tuple[nn.Module, Compressed]:
    """What stands in the layer's place in a network of it alone."""
    network = nn.Sequential(layer).eval()
    model = method.apply(Compressed.of(network), Context(input_shape=(layer.in_channels, size, size)))
    return model.network[0], model


def kernel_of(chain: ConvChain) -> torch.Tensor:
    """The kernel of the one convolution that computes the same, each factor read off its layer."""
    parts = {name: part.weight.detach().double() for name, part in chain.named_children()}
    if "vertical" in parts or "horizontal" in parts or parts.get("core", torch.zeros(1, 2)).shape[1] == 1:
        rank = parts["first"].shape[0]
        down = parts["vertical"][:, 0, :, 0] if "vertical" in parts else torch.ones(rank, 1)
        across = parts["horizontal"][:, 0, 0] if "horizontal" in parts else torch.ones(rank, 1)
        maps = parts["core"][:, 0] if "core" in parts else torch.einsum("rh,rw->rhw", down.double(), across.double())
        return torch.einsum("or,ri,rhw->oihw", parts["last"][:, :, 0, 0], parts["first"][:, :, 0, 0], maps)
    factors = [parts["last"][:, :, 0, 0].numpy()] if "last" in parts else []
    modes = [0] if "last" in parts else []
    if "first" in parts:
        factors, modes = [*factors, parts["first"][:, :, 0, 0].T.numpy()], [*modes, 1]
    return torch.from_numpy(tensorly.tenalg.multi_mode_dot(parts["core"].numpy(), factors, modes=modes))


SETTINGS = [
    {},
    {"stride": 2},
    {"stride": (2, 1), "padding": (1, 2)},
    {"dilation": (1, 2), "padding": 2},
    {"padding": "same"},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": (2, 1), "padding_mode": "circular"},
    {"padding": 1, "padding_mode": "replicate", "stride": 2},
    {"bias": False, "padding": 1},
    {"kernel": (1, 5), "padding": (0, 2)},
    {"kernel": (4, 1)},
    {"kernel": (3, 5), "padding": "same"},
]
METHODS = [
    Tucker2(rank_share=0.4),
    Tucker2(rank_share=0.5, lean=2.0),
    Cp(choose="rank", rank=5, sweeps=5, starts=1),
    Cp(choose="rank", rank=5, sweeps=5, starts=1, kernel="whole"),
]


@pytest.mark.parametrize("how", SETTINGS, ids=str)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_chain_computes_what_a_convolution_with_its_kernel_does(method, how):
    layer = conv(**how)
    chain, _ = replaced(layer, method)
    assert isinstance(chain, ConvChain)
    x = random(2, 8, 9, 9)
    dense = conv(**how)
    dense.weight.data = kernel_of(chain).float()
    if layer.bias is not None:
        dense.bias.data = layer.bias.detach().clone()
    assert torch.allclose(chain(x), dense(x), atol=1e-4)


@pytest.mark.parametrize("how", SETTINGS, ids=str)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_chain_is_rebuilt_from_its_description(method, how):
    chain, _ = replaced(conv(**how), method)
    again = from_spec(spec_of(chain))
    again.load_state_dict(chain.state_dict())
    x = random(2, 8, 9, 9)
    assert spec_of(again) == spec_of(chain)
    assert torch.equal(again(x), chain(x))


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_parameters_and_macs_are_those_of_the_formula(method):
    chain, model = replaced(conv(padding=1), method)
    parts = dict(chain.named_children())
    o, i, k = 12, 8, 3
    if isinstance(method, Tucker2):
        r_in, r_out = parts["core"].in_channels, parts["core"].out_channels
        expected = (i * r_in if "first" in parts else 0) + k * k * r_in * r_out + (r_out * o if "last" in parts else 0)
    else:
        expected = 5 * (i + o + (2 * k if method.kernel == "separable" else k * k))
    weights = sum(p.weight.numel() for p in parts.values())
    assert weights == expected
    assert sum(macs(model.network, (8, 9, 9)).values()) == expected * 81
    assert sum(p.numel() for p in chain.parameters()) == expected + o


# Tucker-2


def test_full_ranks_are_exact_and_the_factors_orthonormal():
    w = random(12, 8, 3, 3)
    core, out, into = tucker2(w, (12, 8), never)
    again = tensorly.tenalg.multi_mode_dot(core.numpy(), [out.numpy(), into.numpy()], modes=[0, 1])
    assert np.allclose(again, w, atol=1e-5)
    for ranks in ((12, 8), (5, 3), (1, 1)):
        _, out, into = tucker2(w, ranks, never)
        assert torch.allclose(out.T @ out, torch.eye(ranks[0]), atol=1e-5)
        assert torch.allclose(into.T @ into, torch.eye(ranks[1]), atol=1e-5)


@pytest.mark.parametrize("ranks", [(1, 1), (3, 2), (6, 6), (10, 3)])
def test_the_error_is_below_the_discarded_spectra_and_that_of_one_start(ranks):
    """Sum over both modes of what is discarded bounds the HOSVD (De Lathauwer 2000), which sweeps only improve."""
    w = random(12, 8, 3, 3)
    core, out, into = tucker2(w, ranks, never)
    error = (torch.einsum("pqhw,op,iq->oihw", core, out, into) - w).square().sum().item()
    discarded = sum(s[r:].square().sum().item() for (_, s), r in zip(spectra(w), ranks, strict=True))
    assert error <= discarded + 1e-4
    (other, factors), _ = partial_tucker(w.double().numpy(), list(ranks), modes=[0, 1], n_iter_max=100, tol=1e-10)
    whole = tensorly.tenalg.multi_mode_dot(other, factors, modes=[0, 1])
    assert error == pytest.approx(((whole - w.numpy()) ** 2).sum(), rel=1e-2)


def test_a_tensor_of_low_multilinear_rank_is_found_again():
    w = torch.einsum("pqhw,op,iq->oihw", random(3, 2, 3, 3), random(12, 3, seed=1), random(8, 2, seed=2))
    chain, _ = replaced(conv(), Tucker2(choose="energy", energy=1.0))
    layer = conv()
    layer.weight.data = w
    chain, _ = replaced(layer, Tucker2(choose="energy", energy=0.999999))
    assert (chain.core.in_channels, chain.core.out_channels) == (2, 3)
    assert torch.allclose(kernel_of(chain).float(), w, atol=1e-4)


def test_the_error_falls_with_the_rank():
    errors = []
    for share in (0.1, 0.25, 0.4, 0.55, 0.7):
        layer = conv(16, 16)
        chain, _ = replaced(layer, Tucker2(rank_share=share))
        errors.append(float((kernel_of(chain) - layer.weight.detach().double()).norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1.2 * errors[-1]


@pytest.mark.parametrize(("rows", "columns", "rank"), [(40, 200, 5), (64, 64, 3), (30, 300, 12), (200, 40, 1)])
def test_the_evidence_counts_what_stands_out_of_noise(rows, columns, rank):
    signal = random(rows, rank) @ random(rank, columns, seed=1)
    s = torch.linalg.svdvals(signal + 0.3 * random(rows, columns, seed=2))
    assert rank_of_evidence(s, rows, columns) == rank
    assert rank_of_evidence(100 * s, rows, columns) == rank, "the scale of the weights says nothing"


def test_the_evidence_of_noise_alone_is_next_to_nothing():
    for seed in range(5):
        assert rank_of_evidence(torch.linalg.svdvals(random(40, 120, seed=seed)), 40, 120) <= 2
    assert rank_of_evidence(torch.zeros(4), 4, 9) == 1


def test_a_full_side_gets_no_layer_of_its_own():
    chain, _ = replaced(conv(2, 32), Tucker2(rank_share=0.5, lean=4.0))
    assert [name for name, _ in chain.named_children()] == ["core", "last"]
    chain, _ = replaced(conv(32, 2), Tucker2(rank_share=0.5, lean=0.25))
    assert [name for name, _ in chain.named_children()] == ["first", "core"]
    assert chain.core.bias is not None


# CP


def test_a_planted_rank_one_tensor_is_recovered():
    for kernel, sizes in (("separable", (12, 8, 3, 3)), ("whole", (12, 8, 9))):
        w = planted(sizes, 1).reshape(12, 8, 3, 3)
        layer = conv()
        layer.weight.data = w.clone()
        chain, model = replaced(layer, Cp(choose="rank", rank=1, kernel=kernel))
        assert torch.allclose(kernel_of(chain).float(), w, rtol=1e-3, atol=1e-4)
        assert not model.notes


def test_planted_components_are_recovered():
    """Among four modes the decomposition is unique up to order and scale (Kruskal 1977): the factors themselves."""
    truth = [random(n, 3, seed=n) for n in (12, 8, 5, 4)]
    found = cp(composed(truth), 3, seed=0, starts=3, sweeps=200, ridge=1e-10, check=never)
    assert found.error < 1e-3
    for mine, theirs in zip(found.factors, truth, strict=True):
        cosines = F.normalize(mine, dim=0).T @ F.normalize(theirs, dim=0)
        assert torch.allclose(cosines.abs().amax(1), torch.ones(3), atol=1e-3)


def test_the_norm_of_a_component_is_shared_evenly():
    found = cp(random(6, 5, 3, 3), 4, seed=0, starts=1, sweeps=10, ridge=1e-6, check=never)
    norms = torch.stack([factor.norm(dim=0) for factor in found.factors])
    assert torch.allclose(norms, norms[:1].expand_as(norms), rtol=1e-4)


def test_error_is_that_of_tensorlys_reconstruction():
    w = random(10, 6, 3, 3)
    found = cp(w, 7, seed=0, starts=2, sweeps=30, ridge=1e-6, check=never)
    whole = tensorly.cp_to_tensor((np.ones(7), [f.double().numpy() for f in found.factors]))
    assert found.error == pytest.approx(np.linalg.norm(whole - w.numpy()) / w.norm().item(), rel=1e-4)


def test_the_error_falls_with_rank_sweeps_and_starts():
    w = random(16, 12, 3, 3)

    def error(rank=8, starts=1, sweeps=20):
        return cp(w, rank, seed=0, starts=starts, sweeps=sweeps, ridge=1e-9, check=never).error

    assert error(rank=2) > error(rank=8) > error(rank=30)
    assert error(sweeps=1) > error(sweeps=5) > error(sweeps=40)
    assert error(starts=4) <= error(starts=2) <= error(starts=1)


@pytest.mark.parametrize("sizes", [(10, 6, 3, 5), (7, 9, 9), (5, 4, 2, 3, 2)])
@pytest.mark.parametrize("ridge", [1e-9, 1e-3])
def test_sweeps_are_those_of_tensorly(sizes, ridge):
    w = random(*sizes).double()
    w /= w.norm()
    factors = [random(n, 4, seed=n).double() for n in sizes]
    (_, theirs), errors = parafac(
        w.numpy(),
        4,
        n_iter_max=6,
        init=(np.ones(4), [f.numpy().copy() for f in factors]),
        l2_reg=ridge,
        tol=0,
        return_errors=True,
    )
    for expected in errors:
        factors, error = _tensors._sweep(w, factors, ridge)
        assert error == pytest.approx(expected, abs=1e-9)
    assert all(np.allclose(mine, other, atol=1e-8) for mine, other in zip(factors, theirs, strict=True))


def test_the_same_seed_gives_the_same_components_and_another_gives_others():
    w = random(10, 6, 3, 3)
    a, b, c = (cp(w + 0, 4, seed=s, starts=1, sweeps=5, ridge=1e-6, check=never) for s in (1, 1, 2))
    assert all(torch.equal(x, y) for x, y in zip(a.factors, b.factors, strict=True))
    assert not torch.equal(a.factors[0], c.factors[0])


def test_diverging_components_are_told_and_stay_finite():
    """The tensor x x y + x y x + y x x has rank 3 and is the limit of tensors of rank 2: components run away."""
    x, y = torch.eye(2)
    w = sum(torch.einsum("a,b,c->abc", *order) for order in set(itertools.permutations((x, x, y))))
    early, late, tame = (
        cp(w, 2, seed=0, starts=1, sweeps=sweeps, ridge=ridge, check=never)
        for sweeps, ridge in ((20, 1e-12), (100, 1e-12), (100, 1e-2))
    )
    assert late.cancelling > 5 > early.cancelling > 2 > tame.cancelling
    assert all(torch.isfinite(f).all() for f in late.factors)


def test_components_that_cancel_are_told_by_layer(monkeypatch):
    far = _tensors.Components(tuple(random(n, 2) for n in (12, 8, 3, 3)), 0.1, 0.0, 7.25)
    monkeypatch.setattr("workbench.methods.lowrank.cp.cp", lambda *_, **__: far)
    _, model = replaced(conv(), Cp())
    (note,) = model.notes
    assert note.startswith("lowrank.cp found components that cancel each other")
    assert note.endswith("0 (7.2).")


def test_what_had_not_settled_is_told_in_one_sentence():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 12, 3), nn.Conv2d(12, 12, 3)).eval()
    model = Cp(sweeps=2, starts=1).apply(Compressed.of(network), Context(input_shape=(8, 9, 9)))
    (note,) = model.notes
    assert note.startswith("lowrank.cp stopped before it had settled")
    assert "0 (0." in note
    assert "1 (0." in note


def test_asking_again_costs_nothing(monkeypatch):
    w = random(9, 6, 3, 3, seed=77)
    cp(w, 3, seed=0, starts=1, sweeps=3, ridge=1e-6, check=never)
    tucker2(w, (3, 3), never)
    monkeypatch.setattr(_tensors, "_als", lambda *_: pytest.fail("computed again"))
    cp(w.clone(), 3, seed=0, starts=1, sweeps=3, ridge=1e-6, check=lambda: pytest.fail("computed again"))
    tucker2(w.clone(), (3, 3), lambda: pytest.fail("computed again"))


@pytest.mark.parametrize("method", [Cp(), Tucker2()], ids=str)
def test_it_stops_between_sweeps(method):
    asked = itertools.count()
    progress = Progress(cancelled=lambda: next(asked) > 2)
    context = Context(input_shape=(8, 9, 9), progress=progress)
    torch.manual_seed(5)
    layer = nn.Conv2d(8, 12, 3)
    with pytest.raises(Cancelled):
        method.apply(Compressed.of(nn.Sequential(layer)), context)
    assert next(asked) < 8


# What stays whole, and what comes after


@pytest.mark.parametrize("method", [Cp(), Tucker2()], ids=str)
@pytest.mark.parametrize(
    ("how", "why"),
    [({"kernel": 1}, "its kernel is 1 x 1"), ({"groups": 4}, "grouped"), ({"groups": 8, "cout": 8}, "grouped")],
)
def test_what_is_left_whole(method, how, why):
    layer, model = replaced(conv(**how), method)
    assert isinstance(layer, nn.Conv2d)
    assert why in model.notes[0]


@pytest.mark.parametrize("method", [Cp(rank_share=1.0), Tucker2(rank_share=1.0), Cp(choose="rank", rank=256)], ids=str)
def test_factors_that_save_nothing_are_not_used(method):
    layer, model = replaced(conv(), method)
    assert isinstance(layer, nn.Conv2d)
    assert "hold no fewer numbers" in model.notes[0]


@pytest.mark.parametrize("cls", [Cp, Tucker2])
def test_linear_layers_are_not_theirs(cls):
    assert "conv" in cls.refuses(nn.Sequential(nn.Flatten(), nn.Linear(8, 4)))
    network = nn.Sequential(conv(), nn.Flatten(), nn.Linear(12 * 49, 4))
    with pytest.raises(WorkbenchError, match="no layer '2' to act on"):
        cls().apply(Compressed.of(network), Context(input_shape=(8, 9, 9), layers=("2",)))


@pytest.mark.parametrize("method", [Cp(rank_share=0.5), Tucker2()], ids=str)
def test_zero_weights_stay_zero(method):
    layer = conv()
    nn.init.zeros_(layer.weight)
    chain, _ = replaced(layer, method)
    assert isinstance(chain, ConvChain)
    assert torch.count_nonzero(kernel_of(chain)) == 0


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_parts_are_layers_that_later_steps_act_on(method):
    chain, model = replaced(conv(), method)
    names = [f"0.{name}" for name, _ in chain.named_children()]
    assert [layer.name for layer in layers_of(model.network)] == names
    context = Context(input_shape=(8, 9, 9), layers=("0",))
    quantized = Int8Linear(bits=4).apply(model.copy(), context)
    assert set(quantized.encoded) == {f"{name}.weight" for name in names}


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_gradients_reach_every_factor(method):
    chain, _ = replaced(conv(), method)
    chain(random(2, 8, 9, 9)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum()) for p in chain.parameters())


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [["first", {"channels": [2, 3]}], ["first", {"channels": [3, 2]}]],
        [["forward", {"channels": [2, 3]}]],
        [["first", {"channels": [2, -3]}]],
        [["first", {"channels": [2, 3], "groups": 0}]],
        [["first", {"channels": [2, 3], "padding": [60000, 60000]}]],
        [["first", {"channels": [2, 3], "padding_mode": "sideways"}]],
        [["first", {"kernel": [1, 1]}]],
        "first",
        7,
    ],
    ids=str,
)
def test_a_chain_that_cannot_be_is_refused(parts):
    with pytest.raises(FileError):
        from_spec({"type": "ConvChain", "parts": parts})
