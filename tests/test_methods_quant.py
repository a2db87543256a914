"""Quantizers against second ways of computing the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from workbench.core.compressed import Compressed, Layer
from workbench.core.context import Context
from workbench.core.encoded import Encoded
from workbench.core.values import bfloat16
from workbench.methods.quant._kmeans import Line, nearest
from workbench.methods.quant.int8_linear import Int8Linear
from workbench.methods.quant.kmeans_share import KmeansShare
from workbench.storage.artifact import pack

CONTEXT = Context(input_shape=(1, 8, 8))
LAYER = Layer("fc", "linear", 0, 1)


def weight(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).numpy()


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_uniform(bits, scheme, granularity):
    w = weight(12, 7)
    method = Int8Linear(bits=bits, scheme=scheme, granularity=granularity)
    e = method.encode(Encoded.dense(w), LAYER, CONTEXT)
    values, decoded = e.values, e.decode()
    step = values.scale if values.scale.size == 1 else values.scale[:, None]
    slack = 1.01 if scheme == "affine" else 0.5  # an affine grid shifts by up to half a step to hold 0
    assert (np.abs(decoded - w) <= slack * step + 1e-6).all()
    assert len(np.unique(values.codes)) <= 2**bits
    assert values.low <= values.codes.min()
    assert values.codes.max() <= values.high
    assert np.isin(values.zero, np.arange(values.low, values.high + 1)).all()  # 0 is a level
    again = method.encode(Encoded.dense(decoded), LAYER, CONTEXT)
    assert np.allclose(again.decode(), decoded, atol=1e-6)


def test_symmetric_agrees_with_torch_fake_quantize():
    w = weight(12, 7)
    e = Int8Linear(bits=8, granularity="tensor").encode(Encoded.dense(w), LAYER, CONTEXT)
    theirs = torch.fake_quantize_per_tensor_affine(torch.from_numpy(w), float(e.values.scale[0]), 0, -127, 127)
    assert np.allclose(e.decode(), theirs.numpy(), atol=1e-6)
    assert e.values.scale[0] == pytest.approx(np.abs(w).max() / 127)


def test_a_row_step_is_never_coarser_than_the_tensor_step():
    w = weight(12, 7)
    rows = Int8Linear(granularity="channel").encode(Encoded.dense(w), LAYER, CONTEXT)
    one = Int8Linear(granularity="tensor").encode(Encoded.dense(w), LAYER, CONTEXT)
    assert (rows.values.scale <= one.values.scale[0] * (1 + 1e-6)).all()


def test_clipping_narrows_the_grid():
    w = weight(100, 100)
    wide = Int8Linear(bits=4, granularity="tensor").encode(Encoded.dense(w), LAYER, CONTEXT)
    tight = Int8Linear(bits=4, granularity="tensor", percentile=99.0).encode(Encoded.dense(w), LAYER, CONTEXT)
    assert tight.values.scale[0] == pytest.approx(np.percentile(np.abs(w), 99.0) / 7, rel=1e-5)
    assert tight.values.scale[0] < wide.values.scale[0]


def test_integer_arithmetic_gives_the_same_product():
    """Codes multiplied as integers and scaled once equal the decoded matrix product."""
    w, x = weight(12, 7), np.arange(7, dtype=np.int64)
    v = Int8Linear(bits=8).encode(Encoded.dense(w), LAYER, CONTEXT)
    integer = (v.values.codes.reshape(12, 7).astype(np.int64) @ x) * v.values.scale
    assert np.allclose(integer, v.decode() @ x.astype(np.float32), rtol=1e-5)


def optimal_cost(x: np.ndarray, k: int) -> float:
    """Least within-cluster sum of squares of sorted values by dynamic programming, O(k n^2)."""
    n, s, s2 = len(x), np.concatenate([[0], np.cumsum(x)]), np.concatenate([[0], np.cumsum(x**2)])

    def cost(i, j):  # x[i:j]
        return s2[j] - s2[i] - (s[j] - s[i]) ** 2 / (j - i)

    best = [0.0] + [cost(0, j) for j in range(1, n + 1)]
    for _ in range(k - 1):
        best = [0.0] + [min(best[i] + cost(i, j) for i in range(j)) for j in range(1, n + 1)]
    return best[n]


@pytest.mark.parametrize("k", [2, 4, 8])
def test_kmeans_against_the_exact_optimum(k):
    x = np.sort(weight(60).astype(np.float64))
    ours = min(
        ((x - c[nearest(x, c)]) ** 2).sum()
        for c in (
            Line(x).centres(k, start, np.random.default_rng(s)) for s in range(20) for start in ("linear", "random")
        )
    )
    exact = optimal_cost(x, k)
    assert exact - 1e-9 <= ours <= 1.1 * exact


@pytest.mark.parametrize("k", [4, 16])
def test_one_line_of_lloyd_agrees_with_scikit_learn(k):
    x = weight(2000)
    start = np.linspace(x.min(), x.max(), k)
    theirs = KMeans(k, init=start[:, None], n_init=1, max_iter=300, tol=0.0, algorithm="lloyd").fit(x[:, None])
    ours = Line(x).centres(k, "linear", np.random.default_rng(0), rounds=300)
    cost = ((x - ours[nearest(x, ours)]) ** 2).sum()
    assert cost == pytest.approx(theirs.inertia_, rel=1e-3)


def test_lloyd_never_gets_worse():
    x = weight(500)
    costs = []
    for rounds in range(1, 12):
        c = Line(x).centres(8, "linear", np.random.default_rng(0), rounds=rounds)
        costs.append(((x - c[nearest(x, c)]) ** 2).sum())
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(costs))


def test_every_weight_has_its_nearest_centroid():
    w = weight(40, 30)
    e = KmeansShare(bits=3).encode(Encoded.dense(w), LAYER, CONTEXT)
    distance = np.abs(w.reshape(-1, 1) - e.values.book[None])
    assert np.allclose(np.abs(w - e.decode()).reshape(-1), distance.min(1))
    assert len(np.unique(e.decode())) <= 8


def test_few_distinct_weights_are_kept_as_they_are():
    w = np.array([[0.5, -1.0], [2.0, 0.5]], np.float32)
    assert np.array_equal(KmeansShare(bits=2, init="density").encode(Encoded.dense(w), LAYER, CONTEXT).decode(), w)


def test_removed_weights_stay_outside_the_codebook():
    given = Encoded.dense(weight(20, 20))
    sparse = given.restrict(np.abs(given.decode()) > 1.0)
    e = KmeansShare(bits=2).encode(sparse, LAYER, CONTEXT)
    assert e.values.n == sparse.values.n
    assert (np.abs(e.values.book) > 0.9).all()


def test_bfloat16_is_torchs():
    x = np.concatenate([weight(1000) * 10.0**e for e in (-30, -3, 0, 20)]).astype(np.float32)
    ties = (np.arange(64, dtype=np.uint32) << 16 | 0x3F808000).view(np.float32)
    x = np.concatenate([x, ties, -ties, np.float32([0.0, -0.0, 1.0])])
    assert np.array_equal(bfloat16(x), torch.from_numpy(x).bfloat16().float().numpy())


def network():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(12, 40), torch.nn.ReLU(), torch.nn.Linear(40, 10, bias=False))


def shared(**knobs):
    context = Context(input_shape=(12,), per_layer=knobs.pop("per_layer", {}))
    return KmeansShare(**knobs).apply(Compressed.of(network()), context)


@pytest.mark.parametrize("book", ["float32", "bfloat16"])
def test_shared_biases(book):
    plain, model = shared(bits=3, book=book), shared(bits=3, book=book, biases="shared")
    assert set(plain.encoded) == {"0.weight", "2.weight"}
    assert torch.equal(plain.network[0].bias, network()[0].bias)
    assert set(model.encoded) == {"0.weight", "0.bias", "2.weight"}
    found, given = model.network[0].bias.detach().numpy(), network()[0].bias.detach().numpy()
    assert len(np.unique(found)) <= 8
    expected = Line.of(given).centres(8, "linear", np.random.default_rng(0)).astype(np.float32)
    expected = bfloat16(expected) if book == "bfloat16" else expected
    assert np.array_equal(found, expected[np.abs(given[:, None] - expected).argmin(1)])
    assert torch.equal(plain.network[0].weight, model.network[0].weight)


def test_biases_of_one_layer_alone():
    model = shared(bits=3, per_layer={"0": {"biases": "shared", "bits": 1}})
    assert len(model.network[0].bias.unique()) == 2
    assert len(model.network[2].weight.unique()) == 8


def test_short_books_and_shared_biases_take_fewer_bytes():
    def length(**knobs):
        return len(pack(dict(shared(bits=3, **knobs).encoded), {}, {}).data)

    full, short = length(), length(book="bfloat16")
    assert full - short == 2 * 16, "two bytes for each of two books of eight"
    state = shared(bits=3).encoded
    floats = Encoded.dense(network()[0].bias.detach().numpy())
    assert length(biases="shared") < len(pack({**state, "0.bias": floats}, {}, {}).data)
