"""What is packed comes back bit for bit, and every byte of the file is accounted for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_samples import HEADER, LENET5, LENET300, every_kind, keep_largest, network

from workbench.core.encoded import CODERS, SUPPORTS, Encoded
from workbench.core.errors import FileError
from workbench.core.values import TERNARY, Codebook, FixedPoint, Floats, Levels
from workbench.storage.artifact import pack, read, unpack, write


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype == np.float32 and a.tobytes() == b.tobytes()


def back(encoded, role="weight"):
    packed = pack({"w": encoded}, {}, {"w": role})
    artifact = unpack(packed.data)
    assert sum(packed.parts.values()) == len(packed.data) == artifact.file_bytes
    assert artifact.parts == packed.parts and artifact.tensor_bytes == packed.tensor_bytes
    assert artifact.roles == {"w": role}
    return artifact.tensors["w"]


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("kind", every_kind(np.random.default_rng(0)))
def test_every_kind_of_values_with_every_coder(kind, coder):
    values = every_kind(np.random.default_rng(1))[kind]
    encoded = Encoded((12, 30), values, coder=coder)
    found = back(encoded)
    assert same(found.decode(), encoded.decode())
    assert type(found.values) is type(values) and found.coder == coder and found.support == "dense"


@pytest.mark.parametrize("support", [s for s in SUPPORTS if s != "dense"])
@pytest.mark.parametrize("kind", [k for k in every_kind(np.random.default_rng(0)) if k != "product"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.97, 1.0])
def test_every_kind_behind_every_support(kind, support, share):
    rng = np.random.default_rng(2)
    keep = rng.random((12, 30)) < share
    for coder in CODERS:
        values = every_kind(rng)[kind].take(keep.reshape(-1))
        encoded = Encoded((12, 30), values, keep, support, coder)
        found = back(encoded)
        assert same(found.decode(), encoded.decode())
        assert (found.keep is None and keep.all()) or np.array_equal(found.keep, keep)
        if support != "smallest" and not keep.all():
            assert found.support == support


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1, 1), (7,), (2, 3, 5, 7)])
def test_shapes(shape):
    data = np.asarray(np.random.default_rng(3).normal(size=shape), np.float32)
    assert same(back(Encoded(shape, Floats(data.reshape(-1)))).decode(), data)


def test_an_empty_tensor_is_refused():
    with pytest.raises(FileError, match=r"shape \(3, 0\) is empty"):
        pack({"w": Encoded.dense(np.zeros((3, 0)))}, {}, {})


def test_floats_that_are_not_ordinary_numbers_come_back_bit_for_bit():
    odd = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38])
    assert same(back(Encoded.dense(odd)).decode(), odd)


def test_what_was_read_is_written_again_as_the_same_file():
    packed = pack(*network())
    artifact = unpack(packed.data)
    assert pack(artifact.tensors, artifact.header, artifact.roles).data == packed.data


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_codes_behind_any_support(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    size = data.draw(st.integers(1, 3000))
    k = data.draw(st.sampled_from([1, 2, 3, 16, 17, 256, 1000]))
    keep = rng.random(size) < data.draw(st.sampled_from([0, 0.003, 0.1, 0.5, 0.99, 1]))
    skew = data.draw(st.sampled_from([1.0, 3.0, 30.0]))
    codes = (rng.random(int(keep.sum())) ** skew * k).astype(np.int64)
    values = Codebook(codes, rng.normal(size=k).astype(np.float32))
    support = data.draw(st.sampled_from(["smallest", "bitmap", "gaps"]))
    encoded = Encoded((size,), values, keep, support, data.draw(st.sampled_from(CODERS)))
    assert same(back(encoded).decode(), encoded.decode())


def test_parts_and_tensors_are_itemised_by_what_they_hold():
    rng = np.random.default_rng(4)
    tensors = {
        "conv.weight": Encoded((4, 8), Levels(rng.integers(0, 3, 32), np.float32([1, 2, 3, 4]) / 7, TERNARY), coder="none"),
        "conv.bias": Encoded.dense(rng.normal(size=4)),
        "bn.weight": Encoded.dense(rng.normal(size=4)),
        "fc.weight": replace(Encoded.dense(rng.normal(size=(3, 5))), coder="none"),
    }
    packed = pack(tensors, HEADER, {"conv.bias": "bias", "bn.weight": "batchnorm"})
    header = packed.parts.pop("header")
    assert packed.parts == {
        "codes": 8,  # 32 ternary codes of 2 bits
        "scales": 16,
        "biases": 16,
        "batchnorm": 16,
        "weights": 60,
        "checksum": 4,
    }
    assert packed.tensor_bytes == {"conv.weight": 24, "conv.bias": 16, "bn.weight": 16, "fc.weight": 60}
    assert header + sum(packed.parts.values()) == len(packed.data)


def st_dense(n):
    return 32 * n


def st_codebook(n, k):
    return n * math.ceil(math.log2(k)) + 32 * k


def st_bitmap(n, nonzeros, bits):
    return n + bits * nonzeros


def in_bytes(bits):
    return -(-bits // 8)


def test_uncoded_sizes_follow_the_storage_formulas():
    rng = np.random.default_rng(5)
    n, k = 4000, 32
    weight = rng.normal(size=n).astype(np.float32)
    codes = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    book = Codebook(codes, rng.normal(size=k).astype(np.float32))
    payload = pack({"w": replace(Encoded.dense(weight), coder="none")}, {}, {}).tensor_bytes["w"]
    assert payload == in_bytes(st_dense(n))
    payload = pack({"w": Encoded((n,), book, coder="none")}, {}, {}).tensor_bytes["w"]
    assert payload == in_bytes(st_codebook(n, k))
    keep = keep_largest(weight, 0.75)
    pruned = Encoded((n,), Floats(weight[keep]), keep, "bitmap", "none")
    assert pack({"w": pruned}, {}, {}).tensor_bytes["w"] == in_bytes(st_bitmap(n, 1000, 32))
    uniform = FixedPoint(np.r_[-128, 127, rng.integers(-128, 128, n - 2)], np.float32([1]), np.int64([0]), -128, 127)
    assert pack({"w": Encoded((n,), uniform, coder="none")}, {}, {}).tensor_bytes["w"] == in_bytes(8 * n + 32)


def st_relative(positions, g):
    """Entries and fillers of Deep Compression's relative index, counted one by one."""
    entries = fillers = 0
    at = -1
    for position in positions:
        gap = position - at - 1
        while gap >= (1 << g) - 1:
            gap -= (1 << g) - 1
            fillers += 1
        entries, at = entries + 1, position
    return g * (entries + fillers)


@pytest.mark.parametrize("share", [0.3, 0.05, 0.004])
def test_uncoded_gaps_take_g_bits_an_entry_and_filler_for_the_best_g(share):
    rng = np.random.default_rng(6)
    keep = rng.random(20000) < share
    packed = pack({"w": Encoded((20000,), Floats(np.ones(keep.sum(), "f4")), keep, "gaps", "none")}, {}, {})
    positions = np.flatnonzero(keep).tolist()
    assert packed.parts["positions"] == min(in_bytes(st_relative(positions, g)) for g in range(1, 17))


def test_smallest_is_no_larger_than_any_choice_by_name():
    for pruned, bits in [(0.5, 2), (0.9, 4), (0.99, 8)]:
        smallest = len(pack(*network(LENET300, pruned=pruned, bits=bits)).data)
        for support in ("bitmap", "gaps"):
            for coder in CODERS:
                other = len(pack(*network(LENET300, pruned=pruned, bits=bits, support=support, coder=coder)).data)
                assert smallest <= other + 8, (support, coder)  # the deflated directory wobbles by a few bytes


def test_book_entries_and_alphabets_that_no_code_uses_take_no_bytes():
    codes = np.array([3, 200] * 50)
    wide = pack({"w": Encoded((100,), Codebook(codes, np.arange(256, dtype="f4") / 7))}, {}, {})
    assert wide.parts["codebooks"] == 8 and wide.parts["codes"] == 13


def test_overhead_of_a_tensor_is_tens_of_bytes():
    def size(count):
        one = {
            f"block{i}.conv.weight": Encoded((1, 4), Codebook(np.arange(4) % 2, np.float32([1, 2])))
            for i in range(count)
        }
        return len(pack(one, {}, {}).data)

    assert (size(60) - size(10)) / 50 < 8 + 20  # 8 bytes of codebook


def test_lenet5_pruned_99_percent_with_a_2_bit_codebook_fits_in_8_kilobytes():
    assert len(pack(*network(LENET5, pruned=0.99, bits=2)).data) < 8000


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "net.wbz"
    packed = write(path, *network(pruned=0.9))
    assert path.read_bytes() == packed.data and read(path).file_bytes == len(packed.data)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ValueError, match="No space left"):
        write(path, *network(pruned=0.5))
    assert path.read_bytes() == packed.data and list(tmp_path.iterdir()) == [path]


# A file is forever: this one was written by format version 1, and every later reader must read it.
GOLDEN = (
    "57425a017e15cabd0ac2301885e1ef27a25d9c9c1dcedc2be8ea2488b88b43a4a18a36294950a4f436c5cb315dcef09c773f"
    "e2e66ceb229a11dee577880f34e8c2b3751e538dec7c0a31a139a3b343428deb3df776c07c456fe367265c262695cd56cc97"
    "8596baab84567a6292826c98d67aa8b8d05149f967ca502948f4454cbca03f25114356d1e62ef6d114dcfc47737530898d56"
    "d654372285c75c5c0f0c0be0e091bf508c69c476c11cfe4ff93bd884713998f52e0c5aa94834ba764eb4c5a6f92c0d920000"
    "00000000003e0000803e0000c03e0000003f0000203f0000403f0000803f0000a03f2dc75c807a4fe434ba637f37f588789e"
    "94d4455a56e714f1e3438f5528ac07a64ef035d857ca643100f458d43eccbba12ef3539531a01529a9d2279eac5d5dcf8b33"
    "877b50be8cce66c169e942c246e38dd7267269687aff1864b8b80b14be8e0d1b4a5f41b509c6493b4edfa3dc2769dac82a24"
    "d8ae25bf47c2c5712c98060da7f8c35c7c7aff1864b8b80b14be8e0d1b4a5f41b509c6493b4edf80000000000000003e0000"
    "803e0000c03e0000003f0000203f0000403f0000803f0000a03f3257648056af4b7b1719a73f158a89cff2466b22f9ee544d"
    "7a1cae64561139fd7a3f896ad5e96b8a263f1ea7c9c5aad9aae35ea4a547b176cd6621fb4a55a8fe9ccc5f3da5ae28912d5a"
    "f72f13800000803e36807737cc5bf01071e1808ae7c87d865965a5a5a375bc4b21b7a1db17537b10d6d4e835714964ea70fb"
    "c3eb3a516cdea1a354097d06cd9ce04183f3a1e0328ee8e6926ef32f1949708d4ca27869afbbed91c5e9157f1a32f3fc91d1"
    "ce09cd0bcf6cbad0d56a8451f5aa6f30291c58a701df8a02d43f000000000000803e0000003f0000403f0000803ffbf3d2f2"
)


def test_a_file_of_format_version_1_still_reads_the_same():
    tensors = unpack(bytes.fromhex(GOLDEN)).tensors
    expected = golden()
    assert {n: t.decode().tobytes() for n, t in tensors.items()} == {
        n: t.decode().tobytes() for n, t in expected.items()
    }
    assert pack(expected, {"network": "golden"}, {"b": "bias"}).data.hex() == GOLDEN


def golden():
    """Arithmetic without random numbers, so that no library can change it."""
    i = np.arange(600)
    codes = (i * i % 97 % 7 * (i % 3)) % 11
    keep = ((i * i * 31 + 7 * i) % 101 < 30).reshape(20, 30)
    book = Codebook(codes[: keep.sum()], np.arange(11, dtype=np.float32) / 8)
    return {
        "gaps": Encoded((20, 30), book, keep, "gaps", "range"),
        "bitmap": Encoded((20, 30), book, keep, "bitmap", "huffman"),
        "ternary": Encoded((600,), Levels(codes % 3, np.float32([0.25]), TERNARY), coder="range"),
        "b": Encoded.dense(np.arange(5) / 4),
    }
