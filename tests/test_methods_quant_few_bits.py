"""Binary, ternary, DoReFa and dynamic fixed point: each formula against an independent second way."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from workbench.core.compressed import Layer
from workbench.core.context import Context
from workbench.core.encoded import Encoded
from workbench.core.values import SIGN, TERNARY
from workbench.methods.quant.bwn import Bwn
from workbench.methods.quant.dfp import Dfp, safe_length
from workbench.methods.quant.dorefa import Dorefa
from workbench.methods.quant.int8_linear import Int8Linear
from workbench.methods.quant.twn import Twn, least_error_delta
from workbench.storage.estimate import estimate_bytes

CONTEXT = Context(input_shape=(1, 8, 8))
LAYER = Layer("conv", "conv", 1, 3)


def weight(*shape, seed=0, scale=0.1):
    return (scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).numpy()


def encoded(method, w, keep=None):
    given = Encoded.dense(w)
    return method.encode(given if keep is None else given.restrict(keep), LAYER, CONTEXT)


def error(e, w):
    return float(np.square(e.decode().astype(np.float64) - w).sum())


def straight(method, w, keep=None):
    """The gradient that a latent weight gets when the quantized one gets 1 everywhere."""
    real = torch.from_numpy(w.copy()).requires_grad_()
    kept = torch.ones(w.shape, dtype=torch.bool) if keep is None else torch.from_numpy(keep)
    method.soft(torch.where(kept, real, 0.0), kept).sum().backward()
    return real.grad.numpy()


# Binary


@pytest.mark.parametrize("per_filter", [True, False])
def test_binary_has_the_least_error_of_all_signs_and_scales(per_filter):
    w = weight(2, 1, 2, 2)
    e = encoded(Bwn(per_filter=per_filter), w)
    groups = w.reshape(2, 4) if per_filter else w.reshape(1, 8)
    best = 0.0
    for row in groups.astype(np.float64):  # for given signs the best scale is a projection
        errors = [
            ((row - max(0, row @ b / row.size) * np.array(b)) ** 2).sum()
            for b in itertools.product((-1, 1), repeat=row.size)
        ]
        best += min(errors)
        assert ((row - np.abs(row).mean() * np.sign(row)) ** 2).sum() == pytest.approx(min(errors))
    assert error(e, w) == pytest.approx(best, rel=1e-5)
    for factor in (0.99, 1.01):
        assert error(e.with_values(type(e.values)(e.values.codes, e.values.scale * factor, SIGN)), w) > error(e, w)


def test_binary_error_and_residual_are_those_of_the_paper():
    w = weight(6, 3, 3, 3)
    e, flat = encoded(Bwn(), w), w.reshape(6, -1).astype(np.float64)
    left = flat - e.decode().reshape(6, -1)
    expected = (flat**2).sum(1) - np.abs(flat).sum(1) ** 2 / 27
    assert np.allclose((left**2).sum(1), expected, rtol=1e-5)
    assert np.allclose((left * np.sign(flat)).sum(1), 0, atol=1e-6)
    assert np.allclose(e.values.scale, np.abs(flat).mean(1))
    assert e.values.alphabet == SIGN


def test_the_binary_gradient_is_that_of_the_paper():
    w = weight(3, 2, 2, scale=1.0)
    w[0, 0, 0], w[1, 0, 0] = 1.5, -1.01
    got, alpha = straight(Bwn(), w), np.abs(w).mean((1, 2), keepdims=True)
    assert np.allclose(got, 1 / 4 + alpha * (np.abs(w) <= 1))
    one = straight(Bwn(per_filter=False), w)
    assert np.allclose(one, 1 / 12 + np.abs(w).mean() * (np.abs(w) <= 1))


def test_removed_weights_count_in_no_scale():
    w = weight(4, 5, 3)
    keep = np.abs(w) > 0.08
    keep[2] = False  # a filter without any weight
    w2 = np.where(keep, w, 0)
    e = encoded(Bwn(), w, keep)
    assert np.array_equal(e.decode() != 0, keep)
    for row, k, alpha in zip(w2, keep, e.values.scale, strict=True):
        assert alpha == pytest.approx(np.abs(row[k]).mean() if k.any() else 0.0)
    t = encoded(Twn(), w, keep)
    delta = 0.7 * np.abs(w[keep]).mean()
    assert np.array_equal(t.decode() != 0, keep & (np.abs(w) > delta))
    n = keep.sum((1, 2), keepdims=True)
    alpha = np.abs(w2).sum((1, 2), keepdims=True) / np.maximum(n, 1)
    assert np.allclose(straight(Bwn(), w, keep), np.where(keep, 1 / np.maximum(n, 1) + alpha, 0))
    for method in (Dorefa(bits=3), Dfp(bits=4)):
        assert np.array_equal(encoded(method, w, keep).decode()[~keep], np.zeros((~keep).sum()))


# Ternary


@pytest.mark.parametrize("per_filter", [True, False])
@pytest.mark.parametrize("threshold", [0.3, 0.7, 1.2])
def test_ternary_is_the_formula(per_filter, threshold):
    w = weight(5, 2, 3, 3)
    e = encoded(Twn(per_filter=per_filter, threshold=threshold), w)
    for rows in np.split(np.arange(5), 5) if per_filter else [np.arange(5)]:
        part, got = w[rows], e.decode()[rows]
        large = np.abs(part) > threshold * np.abs(part).mean()
        alpha = np.abs(part[large]).mean()
        assert np.allclose(got, np.where(large, np.sign(part) * alpha, 0), rtol=1e-5)
        assert float(((part - got) * np.sign(got)).sum()) == pytest.approx(0, abs=1e-5)


def test_least_error_against_every_threshold():
    for seed in range(20):
        w = weight(1, 12, seed=seed)
        e = encoded(Twn(choose="least_error"), w)
        errors = []
        for delta in (-1.0, *np.abs(w).reshape(-1)):
            large = np.abs(w) > delta
            if large.any():
                errors.append(np.square(w - np.where(large, np.sign(w) * np.abs(w[large]).mean(), 0)).sum())
        assert error(e, w) == pytest.approx(min(errors), rel=1e-4)


def test_least_error_is_no_worse_than_the_rule_of_thumb_and_than_binary():
    for seed, per_filter in itertools.product(range(5), (False, True)):
        w = weight(6, 4, 3, 3, seed=seed)
        exact = error(encoded(Twn(choose="least_error", per_filter=per_filter), w), w)
        assert exact <= error(encoded(Twn(per_filter=per_filter), w), w)
        assert exact <= error(encoded(Bwn(per_filter=per_filter), w), w)


def test_the_best_delta_is_about_two_thirds_of_the_mean_for_uniform_and_three_quarters_for_normal_weights():
    rng = np.random.default_rng(0)
    for draw, expected in ((rng.uniform(-1, 1, 200_000), 0.667), (rng.normal(size=200_000), 0.767)):
        size = np.abs(draw).astype(np.float32)
        assert least_error_delta(size) / size.mean() == pytest.approx(expected, abs=0.02)


def test_least_error_of_equal_weights_keeps_them_all():
    w = np.full((2, 3), 0.25, np.float32)
    assert np.array_equal(encoded(Twn(choose="least_error"), w).decode(), w)


def test_ternary_zeros_are_stored_as_what_takes_fewer_bytes():
    method = Twn(threshold=1.2)
    w = weight(40, 40)
    spread = encoded(method, w)
    patchy = encoded(method, np.where(np.arange(40) < 30, 0, w))  # zeros that a bitmap says in few bytes
    for e in (spread, patchy):
        form = method.final(e)
        assert np.array_equal(form.decode(), e.decode())
        assert estimate_bytes({"": form}, {}, {}) <= estimate_bytes({"": e}, {}, {})
    assert spread.values.alphabet == TERNARY
    assert method.final(patchy).values.alphabet == SIGN
    kept = encoded(method, w, w > -0.05)
    assert np.array_equal(method.final(kept).decode(), kept.decode())


# DoReFa


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 8])
def test_dorefa_is_the_formula_on_its_grid(bits):
    w = weight(6, 4, 3, scale=0.5)
    e = encoded(Dorefa(bits=bits, scale="unit"), w)
    got, steps = e.decode().astype(np.float64), 2**bits - 1
    if bits == 1:
        assert np.allclose(got, np.sign(w) * np.abs(w).mean(), rtol=1e-6)
        return
    table = np.array([2 * Fraction(i, steps) - 1 for i in range(steps + 1)], np.float64)
    assert np.allclose(np.abs(got[..., None] - table).min(-1), 0, atol=1e-7)
    t = torch.tanh(torch.from_numpy(w))
    paper = 2 * torch.round(steps * (t / (2 * t.abs().max()) + 0.5)) / steps - 1
    assert np.allclose(got, paper.numpy(), atol=1e-6)
    assert got.min() == -1 or got.max() == 1
    assert len(e.values.alphabet) == 2**bits


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_dorefa_is_symmetric_and_its_fitted_scale_leaves_an_orthogonal_residual(bits):
    w = weight(6, 4, 3, scale=0.5)
    e, mirrored = encoded(Dorefa(bits=bits), w), encoded(Dorefa(bits=bits), -w)
    assert np.allclose(mirrored.decode(), -e.decode())
    levels = np.array(e.values.alphabet)[e.values.codes].reshape(w.shape)
    assert float(((w - e.decode()) * levels).sum()) == pytest.approx(0, abs=1e-6 * float(np.square(levels).sum()))


def test_dorefa_gradient_is_that_of_the_tanh():
    w = weight(3, 4, scale=1.0)
    real = torch.from_numpy(w.copy()).requires_grad_()
    bent = torch.tanh(real)
    (bent / bent.abs().max()).sum().backward()
    assert np.allclose(straight(Dorefa(bits=2, scale="unit"), w), real.grad.numpy(), atol=1e-6)
    assert np.array_equal(straight(Dorefa(bits=1), w), np.ones_like(w))


def test_many_bits_of_dorefa_come_near_the_weights_bent_by_the_tanh():
    w = weight(50, 50, scale=0.3)
    bent = np.tanh(w)
    assert np.allclose(encoded(Dorefa(bits=8, scale="unit"), w).decode(), bent / np.abs(bent).max(), atol=1 / 254)


# Dynamic fixed point


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("scale", [0.003, 0.3, 40.0])
def test_fixed_point_is_exact_on_fractions(bits, scale):
    w = weight(7, 5, scale=scale)
    e = encoded(Dfp(bits=bits), w)
    whole = Fraction(float(e.values.scale[0]))
    assert whole.numerator == 1 or whole.denominator == 1
    assert (whole.numerator * whole.denominator).bit_count() == 1, "a power of two"
    top = float(np.abs(w).max())
    il = next(i for i in range(-40, 40) if 2.0**i >= top) + 1
    assert whole == Fraction(2) ** (il - bits)
    for real, stored in zip(w.reshape(-1), e.decode().reshape(-1), strict=True):
        real, stored = Fraction(float(real)), Fraction(float(stored))
        n = stored / whole
        assert n.denominator == 1
        assert -(2 ** (bits - 1)) <= n <= 2 ** (bits - 1) - 1
        if real <= (2 ** (bits - 1) - 1) * whole:
            assert abs(stored - real) <= whole / 2


@pytest.mark.parametrize(("top", "length"), [(1.0, 7), (1.0001, 6), (0.999, 7), (0.5, 8), (0.51, 7), (3.0, 5)])
def test_the_integer_length_at_powers_of_two(top, length):
    """Eight bits and ceil(log2 top) + 1 of them before the point."""
    assert safe_length(top, 8) == length


def test_the_least_error_lets_some_saturate_and_is_no_worse():
    w = weight(40, 40, scale=0.2)
    w[0, 0] = 3.9
    for bits in (3, 4, 6):
        safe, least = encoded(Dfp(bits=bits), w), encoded(Dfp(bits=bits, length="error"), w)
        assert error(least, w) <= error(safe, w)
        assert least.values.scale[0] <= safe.values.scale[0]
    assert error(encoded(Dfp(bits=4, length="error"), w), w) < error(encoded(Dfp(bits=4), w), w)


def test_a_free_scale_is_no_worse_than_a_power_of_two():
    w = weight(30, 30).astype(np.float64)
    half = 7
    free = min(np.square(np.clip(np.rint(w / s), -half - 1, half) * s - w).sum() for s in np.geomspace(1e-3, 1, 2000))
    for length in ("range", "error"):
        assert error(encoded(Dfp(bits=4, length=length), w.astype(np.float32)), w) >= free - 1e-9


def test_training_rounds_at_random_and_right_in_the_mean():
    w = weight(5, 5)
    given, method = Encoded.dense(w), Dfp(bits=4)
    torch.manual_seed(0)
    draws = np.stack([method.noisy(given, LAYER, CONTEXT).decode() for _ in range(4000)])
    step = float(encoded(method, w).values.scale[0])
    inside = w < 7 * step
    assert len(np.unique(draws[:, 0, 1])) == 2
    assert np.abs(draws.mean(0) - w)[inside].max() < 4 * step / 2 / np.sqrt(4000)
    nearest = Dfp(bits=4, rounding="nearest").noisy(given, LAYER, CONTEXT)
    assert np.array_equal(nearest.decode(), encoded(method, w).decode())


@pytest.mark.parametrize(
    "method",
    [Bwn(), Bwn(per_filter=False), Twn(), Twn(choose="least_error"), Dorefa(bits=1), Dfp(), Dfp(length="error")],
    ids=str,
)
def test_what_is_quantized_stays_as_it_is_when_quantized_again(method):
    w = weight(6, 5, 3)
    once = encoded(method, w).decode()
    assert np.allclose(encoded(method, once).decode(), once, rtol=1e-5)


def test_nothing_stored_is_nothing_quantized():
    w = weight(3, 4)
    none = np.zeros(w.shape, bool)
    for method in (Bwn(), Twn(), Twn(choose="least_error", per_filter=True), Dorefa(), Dfp(), Dfp(length="error")):
        e = encoded(method, w, none)
        assert e.values.n == 0
        assert not e.decode().any()


def test_more_bits_never_leave_more_error():
    w = weight(20, 20)
    for cls in (Dfp, Int8Linear):
        errors = [error(encoded(cls(bits=b), w), w) for b in range(2, 13)]
        assert all(b <= a for a, b in itertools.pairwise(errors))
