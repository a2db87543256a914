"""The coders against plain, slow, independent ones."""

import dataclasses
import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.core.encoded import Encoded
from workbench.core.errors import FileError
from workbench.core.values import Codebook
from workbench.storage import huffman, ranges
from workbench.storage.artifact import pack, unpack
from workbench.storage.streams import Tally, entropy_bits, ways
from workbench.storage.support import gap_symbols
from workbench.storage.wire import Cursor, Writer, pack_bits, unpack_bits
from workbench.storage.words import sealed_bytes


@pytest.mark.parametrize("width", [0, 1, 2, 3, 7, 8, 9, 12, 16, 17, 31, 32])
@pytest.mark.parametrize("n", [0, 1, 7, 100])
def test_bit_packing_against_python_integers(width, n):
    numbers = np.random.default_rng(width).integers(0, 1 << width, n)
    data = pack_bits(numbers, width)
    text = "".join(format(int(x), f"0{width}b") if width else "" for x in numbers)
    assert data == bytes(int(text[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(text), 8))
    assert np.array_equal(unpack_bits(data, width, n), numbers)


@given(st.lists(st.integers(-(2**60), 2**60), max_size=5))
def test_whole_numbers_of_any_size(numbers):
    writer = Writer()
    for number in numbers:
        writer.sint(number)
        writer.uint(abs(number))
    cursor = Cursor(bytes(writer.data))
    assert [(cursor.sint(2**60), cursor.uint(2**60)) for _ in numbers] == [(x, abs(x)) for x in numbers]
    assert cursor.left == 0


def test_a_number_that_does_not_end_is_refused():
    with pytest.raises(FileError, match="claims a number"):
        Cursor(b"\xff" * 100).uint(10)


def heap_cost(counts):
    """Bits of an optimal prefix code: the sum of all merged weights."""
    heap = [int(c) for c in counts if c]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


alphabets = st.lists(st.integers(0, 5000), min_size=2, max_size=300).filter(lambda c: np.count_nonzero(c) >= 2)
plenty = settings(max_examples=150, deadline=None, derandomize=True)


@plenty
@given(alphabets)
def test_huffman_lengths_are_optimal_complete_and_within_a_bit_of_the_entropy(counts):
    counts = np.array(counts)
    lengths = huffman.code_lengths(counts)
    assert np.array_equal(lengths > 0, counts > 0)
    assert huffman.kraft_sum(lengths) == 1
    assert counts @ lengths == heap_cost(counts)
    entropy = entropy_bits(counts) / counts.sum()
    assert entropy - 1e-9 <= counts @ lengths / counts.sum() < entropy + 1


def test_a_tree_that_would_be_too_deep_is_flattened():
    counts = np.array([1, 1, *(2**i for i in range(1, 40))])
    lengths = huffman.code_lengths(counts)
    assert lengths.max() <= huffman.LONGEST and huffman.kraft_sum(lengths) == 1
    assert counts @ lengths < 1.001 * heap_cost(counts)
    full = huffman.code_lengths(np.r_[1 << 40, np.ones((1 << 13) - 1, np.int64)])
    assert full.max() <= huffman.LONGEST and huffman.kraft_sum(full) == 1


def slow_encode(symbols, lengths):
    """RFC 1951's way to number canonical codes, bit by bit."""
    code, words = 0, {}
    for length in range(1, int(lengths.max()) + 1):
        code <<= 1
        for symbol in np.flatnonzero(lengths == length).tolist():
            words[symbol] = format(code, f"0{length}b")
            code += 1
    text = "".join(words[s] for s in symbols.tolist())
    return bytes(int(text[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(text), 8))


@plenty
@given(alphabets, st.integers(1, 2000), st.integers(0, 2**32))
def test_huffman_against_bit_by_bit_coding(counts, n, seed):
    counts = np.array(counts)
    lengths = huffman.code_lengths(counts)
    symbols = np.random.default_rng(seed).choice(counts.size, n, p=counts / counts.sum())
    data = huffman.encode(symbols, lengths)
    assert data == slow_encode(symbols, lengths)
    assert np.array_equal(huffman.decode(data, lengths, n), symbols)


def test_huffman_over_many_segments(monkeypatch):
    monkeypatch.setattr(huffman, "_SEGMENT", 13)
    lengths = huffman.code_lengths(2 ** np.arange(15))
    symbols = np.random.default_rng(0).integers(0, 15, 5000)
    data = huffman.encode(symbols, lengths)
    assert np.array_equal(huffman.decode(data, lengths, 5000), symbols)
    for wrong in (data[:-1], data + b"\0"):
        with pytest.raises(FileError, match="do not end"):
            huffman.decode(wrong, lengths, 5000)


@pytest.mark.parametrize("lengths", [[1, 1, 1], [1, 2], [0, 0], [17, 17]])
def test_an_incomplete_huffman_table_is_refused(lengths):
    with pytest.raises(FileError, match="not a complete code"):
        huffman.decode(b"\0", np.array(lengths), 1)


@plenty
@given(alphabets, st.integers(0, ranges.FINEST), st.integers(1, 2000), st.integers(0, 2**32))
def test_range_coding_takes_what_its_model_says(counts, m, n, seed):
    counts = np.array(counts)
    symbols = np.random.default_rng(seed).choice(counts.size, n, p=counts / counts.sum())
    seen = np.bincount(symbols, minlength=counts.size)
    stored = ranges.levels_of(seen, m)
    assert stored.max() <= ranges.most_levels(m) and np.array_equal(stored > 0, seen > 0)
    frequencies = ranges.frequencies(stored, m)
    assert frequencies.sum() == 1 << 20 and frequencies.min() >= 1
    if np.count_nonzero(seen) < 2:
        return
    data = ranges.encode(symbols, stored, m)
    assert np.array_equal(ranges.decode(data, stored, m, n), symbols)
    bits = sum(math.log2((1 << 20) / f) * c for f, c in zip(frequencies.tolist(), seen[seen > 0].tolist(), strict=True))
    assert bits - 8 <= 8 * len(data) <= bits + 24
    assert abs(len(data) - sealed_bytes(bits)) <= 2


@pytest.mark.parametrize(("m", "loss"), [(0, 0.06), (1, 0.015), (2, 0.004), (3, 0.001)])
def test_rounded_frequencies_cost_few_bits(m, loss):
    rng = np.random.default_rng(0)
    for _ in range(20):
        counts = np.round(1e5 * rng.dirichlet(np.full(16, 0.5))).astype(np.int64) + 1
        extra = ranges.information(counts, ranges.levels_of(counts, m), m) - entropy_bits(counts)
        assert -1 <= extra <= loss * counts.sum()


def test_ways_are_exact_but_for_the_end_of_range_coding():
    rng = np.random.default_rng(1)
    for n, k in [(1, 2), (10, 3), (300, 16), (5000, 16), (5000, 700)]:
        symbols = (rng.random(n) ** 2 * k).astype(int) - 3
        for coder in ("none", "huffman", "range", "smallest"):
            for way in ways(Tally.of(symbols), coder):
                assert abs(len(way.encode(symbols)) - way.size) <= (0 if way.exact else 2)


def test_gaps_by_hand():
    # Zeros before each entry, with 2 bits: 3 is the filler and stands for three zeros.
    assert gap_symbols(np.array([0, 2, 3, 7]), 2).tolist() == [0, 2, 3, 0, 3, 3, 1]


@pytest.mark.parametrize("coder", ["none", "huffman", "range"])
def test_the_artifact_says_which_coder_it_found(coder):
    rng = np.random.default_rng(0)
    encoded = Encoded.dense(rng.normal(size=(40, 50)).astype(np.float32)).restrict(rng.random((40, 50)) < 0.3)
    codes = rng.integers(0, 7, encoded.values.n).astype(np.int32)
    shared = dataclasses.replace(
        encoded, values=Codebook(codes, np.arange(7, dtype=np.float32)), support="gaps", coder=coder
    )
    found = unpack(pack({"w": shared, "b": Encoded.dense(np.ones(3))}, {}, {}).data).coders
    assert found == {"w": {"positions": coder, "codes": coder}, "b": {}}
