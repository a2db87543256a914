"""Coding in context: whole files round trip, models are alike on every machine, and a decoder of our own agrees."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_samples import HEADER, LENET5, LENET300, every_kind, grown

from workbench.core.encoded import Encoded
from workbench.core.errors import FileError
from workbench.core.values import Codebook, FixedPoint
from workbench.storage import codes, logistic, surroundings
from workbench.storage.artifact import pack, unpack
from workbench.storage.estimate import estimate_bytes
from workbench.storage.itemised import entropy_bytes, stream_rows
from workbench.storage.wire import MOST_WORK, Cursor, Payload, Writer


@pytest.mark.parametrize("pruned", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_what_training_leaves_comes_back_and_takes_less_than_its_entropy(pruned, bits):
    tensors = {
        name: grown(shape, pruned=pruned, bits=bits, seed=i)
        for i, (name, shape) in enumerate({**LENET300, **LENET5}.items())
        if np.prod(shape) < 50000
    }
    artifact = unpack(pack(tensors, HEADER, {}).data)
    for name, encoded in tensors.items():
        assert np.array_equal(artifact.tensors[name].decode(), encoded.decode())
        assert np.array_equal(artifact.tensors[name].keep, encoded.keep)
    rows = [row for row in stream_rows(artifact) if row.part == "positions"]
    assert "context" in {row.coder for row in rows}
    assert sum(row.size for row in rows) < 0.9 * sum(row.entropy_bytes for row in rows)


def test_the_choice_is_context_only_where_it_is_left_open():
    for how in (
        {"support": "gaps"},
        {"support": "bitmap"},
        {"coder": "huffman"},
        {"coder": "range"},
        {"coder": "none"},
    ):
        found = unpack(pack({"w": grown((60, 200), **how)}, {}, {}).data).coders["w"]
        assert found["positions"] != "context"
        assert "coder" not in how or set(found.values()) == {how["coder"]} | ({"bytes apart"} & set(found.values()))
    assert unpack(pack({"w": grown((60, 200))}, {}, {}).data).coders["w"]["positions"] == "context"


def test_models_are_fitted_once_for_the_estimate_and_the_file(monkeypatch):
    fitted, calls = logistic.fitted, []
    monkeypatch.setattr(logistic, "fitted", lambda *given: (calls.append(1), fitted(*given))[1])
    tensors = {"w": grown((61, 203), bits=3, seed=77)}
    guess, first = estimate_bytes(tensors, {}, {}), len(calls)
    data = pack(tensors, {}, {}).data
    assert first > 1 and len(calls) == first and abs(guess - len(data)) < 0.02 * len(data) + 16
    assert np.array_equal(unpack(data).tensors["w"].decode(), tensors["w"].decode())
    pack({"w": grown((61, 203), bits=3, seed=78)}, {}, {})
    assert len(calls) > first


def test_noise_is_left_to_the_plain_coders():
    rng = np.random.default_rng(0)
    keep = rng.random((60, 200)) < 0.1
    noise = Encoded((60, 200), Codebook(rng.integers(0, 8, keep.sum()), np.arange(-4, 4, dtype="f4") + 0.5), keep)
    packed = pack({"w": noise}, {}, {})
    assert "context" not in unpack(packed.data).coders["w"].values()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_any_matrix_of_bits(data):
    rows, columns = data.draw(st.integers(2, 30)), data.draw(st.integers(8, 80))
    lag = data.draw(st.integers(2, 20))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    keep = rng.random((rows, columns)) < rng.random((rows, 1)) * rng.random(columns) * data.draw(
        st.sampled_from([0.1, 1, 3])
    )
    if not surroundings.possible(rows, columns, lag):
        return
    counts = np.asarray(rng.integers(0, 9, columns // 2)) if columns % 2 == 0 else None
    plan = surroundings.planned(keep, lag, surroundings.foretold(counts, columns))
    stream, meta = plan.encode(keep), Writer()
    plan.describe(meta, len(stream))
    found = surroundings.read(rows, columns, counts, Cursor(bytes(meta.data)), Payload(stream))
    assert np.array_equal(found, keep)
    assert abs(len(stream) - plan.size) <= 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_any_codes_behind_any_matrix(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    keep = rng.random((data.draw(st.integers(1, 20)), data.draw(st.integers(1, 60)))) < 0.4
    k, lag = data.draw(st.integers(2, 16)), data.draw(st.integers(2, 30))
    pivot = data.draw(st.integers(0, k))
    if not codes.possible(keep, k, lag):
        return
    wanted = np.minimum(k - 1, (rng.random(int(keep.sum())) ** 2 * k).astype(np.int64))
    plan = codes.planned(codes.places_of(keep, lag), wanted, k, pivot, worth=math.inf)
    stream, meta = plan.encode(), Writer()
    plan.describe(meta, len(stream))
    assert np.array_equal(codes.read(keep, lag, Cursor(bytes(meta.data)), Payload(stream)), wanted)


def test_codes_of_every_kind_behind_a_patched_support():
    rng = np.random.default_rng(3)
    keep = grown((40, 60), pruned=0.6).keep
    i, j = np.nonzero(keep)
    steps = ((i // 5 + j // 7) % 2 * 2 - 1) * (1 + (i * j) % 3)
    fixed = FixedPoint(steps.astype(np.int64) + 5, np.float32([0.1]), np.int64([5]), 0, 15)
    for values in (fixed, *[v.take(keep.reshape(-1)) for n, v in every_kind(rng, (40, 60)).items() if n != "product"]):
        encoded = Encoded((40, 60), values, keep)
        artifact = unpack(pack({"w": encoded}, {}, {}).data)
        assert np.array_equal(artifact.tensors["w"].decode(), encoded.decode(), equal_nan=True)
    assert unpack(pack({"w": Encoded((40, 60), fixed, keep)}, {}, {}).data).coders["w"]["codes"] == "context"


def test_tables_are_far_from_where_libraries_could_round_differently():
    logs = 256 * np.log(np.arange(1, 1 << 18))
    assert np.abs(logs - np.floor(logs) - 0.5).min() > 1e-8
    x = np.arange(-13 * 256, 13 * 256 + 1) / 256
    scaled = (1 << 20) / (1 + np.exp(-x))
    assert np.abs(scaled - np.floor(scaled) - 0.5).min() > 1e-7
    assert np.array_equal(logistic.logarithms(1 << 18)[1:], np.rint(logs))


class PlainDecoder:
    """Range decoding (Martin 1979) in Python's integers: 64 bits of state, 32-bit words, probabilities of 24 bits."""

    def __init__(self, data):
        self.data, self.at = data + bytes(16), 8
        self.low, self.width, self.point = 0, (1 << 64) - 1, int.from_bytes(self.data[:8], "big")

    def bit(self, chance):
        """chance: of a 1, in 2^-20."""
        scale = self.width >> 24
        zeros = 1 + ((((1 << 20) - chance) * ((1 << 24) - 2)) >> 20)  # both bits are possible, whatever the chance
        one = (self.point - self.low) % (1 << 64) // scale >= zeros
        start, share = (zeros, (1 << 24) - zeros) if one else (0, zeros)
        self.low, self.width = (self.low + start * scale) % (1 << 64), scale * share
        while self.width < 1 << 32:
            word = int.from_bytes(self.data[self.at : self.at + 4], "big")
            self.point, self.at = (self.point << 32 | word) % (1 << 64), self.at + 4
            self.low, self.width = (self.low << 32) % (1 << 64), self.width << 32
        return int(one)

    def weights(self, usual):
        coarse = 2 * self.bit(1 << 19) + self.bit(1 << 19)
        found = []
        for one in usual:
            zeros = 0
            while coarse < 3 and not self.bit(1 << 19):
                zeros += 1
            number = 1
            for _ in range(zeros):
                number = 2 * number + self.bit(1 << 19)
            number -= 1
            delta = -(number + 1) // 2 if number % 2 else number // 2
            found.append(one + (delta << coarse) if coarse < 3 else one)
        return found


def chance(weights, features):
    """Of a 1, in 2^-20, by the definition."""
    x = max(-3328, min(3328, sum(w * f for w, f in zip(weights, features, strict=True)) >> 5))
    return max(1, min((1 << 20) - 1, round((1 << 20) / (1 + math.exp(-x / 256)))))


def plain_features(kept, i, j, lag, prior):
    """What speaks for entry (i, j), from nothing but lists and loops. kept: what is known so far, by (i, j)."""

    def at(r, c):
        return kept.get((r, c), 0)

    def column(c, rows):
        return sum(at(r, c) for r in range(rows))

    def odds(ones, of):
        log = lambda x: round(256 * math.log(x))  # noqa: E731
        return log(16 * ones + prior) - log(16 * (of - ones) + 32 - prior) - (log(prior) - log(32 - prior))

    late = max(0, i - lag // 2)
    above, left = odds(column(j, i), i), odds(sum(at(i, c) for c in range(j)), j)
    near = range(max(0, j - lag), j)
    return [
        256,
        above,
        left,
        odds(column(j - 1, i) + column(j + 1, i), 2 * i),
        odds(column(j - lag, i) + column(j + lag, late), i + late),
        odds(sum(at(i, c) for c in near), len(near)),
        *(256 * at(i, j - 1), 256 * at(i, j - 2), 256 * at(i - 1, j), 256 * at(i, j - lag)),
        256 * (at(i, j - lag - 1) + at(i, j - lag + 1)),
        above * left >> 8,
        above * above >> 8,
        left * left >> 8,
        0,
    ]


def test_positions_against_a_decoder_of_lists_and_loops():
    keep = grown((25, 44), pruned=0.8, seed=2).keep
    plan = surroundings.planned(keep, 4, surroundings.foretold(None, 44))
    decoder = PlainDecoder(plan.encode(keep))
    weights = decoder.weights(surroundings.USUAL.tolist())
    found = {}
    for i, j in sorted(np.ndindex(25, 44), key=lambda place: (place[1] + 2 * place[0], place[0])):
        found[i, j] = decoder.bit(chance(weights, plain_features(found, i, j, 4, plan.field.prior)))
    assert [found[place] for place in np.ndindex(25, 44)] == keep.reshape(-1).tolist()


def plain_bits(decoder, places, hints, lag, usual):
    """One decision about each place, from nothing but lists and loops. hints: what else is known, by place."""
    weights, level = decoder.weights(usual), {}
    for i, j in places:
        level[i, j] = 1 + max((level[p] for p in level if p[0] == i or p[1] == j), default=0)
    sign = {}
    for i, j in sorted(places, key=lambda p: (level[p], p)):
        row = [p for p in places if p[0] == i and p[1] < j]
        column = [p for p in places if p[1] == j and p[0] < i]
        at = lambda r, c: 256 * sign.get((r, c), 0)  # noqa: E731
        across = 256 * sum(sign[p] for p in row) // (len(row) + 3)
        down = 256 * sum(sign[p] for p in column) // (len(column) + 3)
        near = [at(*row[-1]) if row else 0, at(i, j - 1), at(i, j - 2), at(i - 1, j), at(i, j - lag)]
        far = at(i, j - lag + 1) + at(i, j - lag - 1)
        features = [256, across, down, *near, far, across * down >> 8, *hints[i, j]]
        sign[i, j] = 2 * decoder.bit(chance(weights, features)) - 1
    return {p: found > 0 for p, found in sign.items()}


def test_codes_against_a_decoder_of_lists_and_loops():
    keep = grown((25, 44), pruned=0.8, seed=2).keep
    places, (k, pivot, lag) = list(zip(*map(np.ndarray.tolist, np.nonzero(keep)), strict=True)), (7, 3, 4)
    wanted = [(i // 6 + j // 9 + i * j % 3) % k for i, j in places]
    plan = codes.planned(codes.places_of(keep, lag), np.array(wanted), k, pivot, worth=math.inf)
    decoder = PlainDecoder(plan.encode())
    full = lambda n: round(256 * math.log(n)) - round(256 * math.log(2))  # noqa: E731
    about = {(i, j): [full(int(keep[i].sum())), full(int(keep[:, j].sum()))] for i, j in places}
    positive = plain_bits(decoder, places, {p: [*about[p], 0] for p in places}, lag, codes.SIDE.tolist())
    hints = {p: [*about[p], 256 * positive[p]] for p in places}
    depth = dict.fromkeys(places, 0)
    for step in range(max(pivot, k - pivot) - 1):
        left = [p for p in places if depth[p] == step and (k - pivot if positive[p] else pivot) > step + 1]
        for p, more in plain_bits(decoder, left, hints, lag, codes.MORE.tolist()).items():
            depth[p] += more
    assert [pivot + depth[p] if positive[p] else pivot - 1 - depth[p] for p in places] == wanted


def test_a_file_that_asks_for_too_much_work_is_refused():
    payload = Payload(b"")
    payload.work(MOST_WORK)
    with pytest.raises(FileError, match="steps that a reader accepts"):
        payload.work(1)


@pytest.mark.parametrize("meta", [[1, 3, 0], [2, 0, 0], [100, 3, 0]])
def test_impossible_neighbours_are_refused(meta):
    with pytest.raises(FileError, match="neighbours at"):
        surroundings.read(5, 40, None, Cursor(bytes([*meta, 0, 0])), Payload(b""))


def test_entropy_by_hand():
    assert entropy_bytes(np.array([0, 0, 1, 1, 2, 2, 3, 3] * 4)) == 8
    assert entropy_bytes(np.zeros(9, int)) == 0


@pytest.mark.parametrize("zero_bytes", [0, 1, 2])
@pytest.mark.parametrize("n", [1, 7, 8, 500])
def test_floats_with_and_without_round_ends(n, zero_bytes):
    drawn = np.random.default_rng(n).normal(size=n).astype("<f4").view("<u4")
    data = (drawn & np.uint32(0xFFFFFFFF << 8 * zero_bytes & 0xFFFFFFFF)).view(np.float32)
    packed = pack({"b": Encoded.dense(data)}, {}, {"b": "bias"})
    assert unpack(packed.data).tensors["b"].decode().tobytes() == data.tobytes()
    assert packed.parts["biases"] <= (4 - zero_bytes) * n
    if n == 500:
        assert packed.parts["biases"] < (4 - zero_bytes) * n - 200  # exponents take about 3 bits of 8


@pytest.mark.parametrize("coder", ["smallest", "none", "huffman", "range"])
def test_a_vector_may_be_encoded_like_a_matrix_and_pruned(coder):
    rng = np.random.default_rng(1)
    keep = rng.random(50) < 0.6
    fixed = FixedPoint(rng.integers(-128, 128, 50), np.float32([0.01]), np.int64([0]), -128, 127)
    shared = Codebook(rng.integers(0, 8, keep.sum()), rng.normal(size=8).astype("f4"))
    tensors = {"a": Encoded((50,), fixed, coder=coder), "b": Encoded((50,), shared, keep, coder=coder)}
    packed = pack(tensors, {}, {"a": "bias", "b": "bias"})
    found = unpack(packed.data)
    assert all(np.array_equal(found.tensors[name].decode(), tensors[name].decode()) for name in tensors)
    assert found.roles == {"a": "bias", "b": "bias"}
    assert coder in ("huffman", "range") or packed.tensor_bytes["a"] <= 50 + 4
