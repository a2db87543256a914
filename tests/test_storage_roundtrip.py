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
        "conv.weight": Encoded(
            (4, 8), Levels(rng.integers(0, 3, 32), np.float32([1, 2, 3, 4]) / 7, TERNARY), coder="none"
        ),
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


# A file is forever, from the first release on: every later reader must read this one of format version 2.
GOLDEN = (
    "57425a0299018bc11e2be9f939c0c4ae84ead6f4c40270919259929b58006e7e16e5251681eab72490a139f98925506797a4"
    "5694000d176612916362b9c6c8c4c0ceecc4c9c4c4c0c1ec2b041463646164e063f6e16460048af81933de60616066646062"
    "60e26060622e66616405b241826c4c0c2d8ccc7f81fa7f32321f646162b8cdc8dcce04a50498346c9839b913385819fe3032"
    "f1307072b03c6104002511432ee6d156dc14d1f6757347fc568d8930223754d65c5cc785e00b0c0f50bf91e076c4698c4ffe"
    "1cc184d83bf9f5983971a95a0c2e76ba3448a6c5b44e920d2d00003e003e803ec03f003f203f403f803fa02dc75c8034e44f"
    "7a377f63ba9e7888f55a45d494f114e756558f43e3a607ac28d835f04e3164ca57d458f400a1bbcc3e9553f32e2915a0319e"
    "27d2a9cf5d5dac7b87338bce8cbe50e969c166e48dd7267269687aff1864b8b80b14be8e0d1b4a5f41b509c6493b4edfa3dc"
    "2769dac82a24d8ae25bf47c2c5712c98060da7f8c35c7c7aff1864b8b80b14be8e0d1b4a5f41b509c6493b4edf8000000000"
    "3e0000003e8000003ec000003f0000003f2000003f4000003f8000003fa000003257648056af4b7b1719a73f158a89cff246"
    "6b22f9ee544d7a1cae64561139fd7a3f896ad5e96b8a263f1ea7c9c5aad9aae35ea4a547b176cd6621fb4a55a8fe9ccc5f3d"
    "a5ae28912d5af72f13803e8036805bcc3777e17110f0c8e78a806559867d75a3a5a5b7214bbc5317dba1d4d6107b497135e8"
    "fb70ea64513aebc3a3a1de6c067d095441e09ccde0a1f383e6e88e322ff36e928d7049196978a24c91edbbaf7f15e9c5fcf3"
    "321a09ced1916ccf0bcd6ad5d0baaaf551841c29306fdf01a7584000003e803f003f403f80c0000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000d634538ff5ca9f168dc9f9122a4c7916b"
    "c9256262db7e41545edc5f373507f74e9896b00d71205d892750bb8ea2cfee83f648c547b74ebf0cf45d76c96125d39250b7"
    "e9a9e9354bc3f0e4a8029eaf7ec873e8df9a8f7e5c5b5d5f37bc0f48eeeaa088b2c9e3ddd8c415a202ca0ba65d2fa31178e6"
    "f6fcd5a7b9933a1416a29170d8b901404c6e6f6dc2821fe90fd2fb366848ac69aa3b3ef295b1b11107ff1cd4738613367dd8"
    "3ffe412e93bf895e3b840587277a86cbc309b4ee7437c36b8029c0b886a93443b360e9cd7be00446206970968980626b3093"
    "5a00400968818940635120bae000400d70b60800606100b6c000600da8a20d40805170b80000206968960980626b3092da00"
    "400968998940635120bae000400d70b608006360c0b6c000600d68a20d40805170b8c5578e91813446b39926b0071d5c6752"
    "f9be06e99f6852c2a29c06b0bb6065939afc3bea7301efb5654b1dbf0e45821dec14e8c62f5627042f6d1c800912208e8a3a"
    "06092109a56444d00d0c99a1da6628e3e54963410922cc7207bbe33811e462132f3dea43cace42077938244b7aaea4081b75"
    "9dde360706c854ead673f33d833e64589f4089266a7f262e3a34fb62d632484b23547b8deef63203873b3079512f29e64dcb"
    "10c80239898f473533420e714b169fddca30a63b28fb5ad698946439351779bfcf5405bacf49acb41d80389509db5a61785f"
    "c214ba28c33a23bd486121c765cfda8b1ab6b4f7965b5a9cecc467870b0fe2214b87243220d22a950fca7469ad784bc38a2e"
    "89e9a3941eaea0863e1f6e8ad6703e9aa263c72217d69662418462beb7760ba692d717922545889f20b60154da64a6336033"
    "d255d548fa94e7b7dfadcdb559986a5d08a57a341c6bae16c3eaf67b62e6cf810ef4b2139dff0e5174688b439d8aef86293b"
    "e9f51ac573f60e0589a400b5faaeb7eb1fc3218e30112048f9b5d262f3e0da683529001f5f37323b31b17e49a08f68bd5588"
    "cabee8c75eed227df3b99c255ea1f2cb9812907548cae7eb69386803159949de98661d20da284d25dad9ff82af7e224bda6b"
    "d64a12fc4e93110d1f3e23b9dd4456efb6200000000000000000000000000c00000000006000000000000000180000000100"
    "000000000030000180000000000000000000000000030000140000000000020000000030000000000000000a000000000060"
    "0cec33a7915d360eb19670c9f31093390839fb1eebc3280e509ad810971f100928f1f37524d9f60a838cf5e2c6dcbea03680"
    "ed4ae8cf742a379335be804fa0ec9088f36dd1ded6b72591de1eb832a4932ff603221391102495903f46e4f6045c71eed135"
    "f209352e4663d6409599e51b387a0b07064b1d316cbc9ac913bd4d042b13b9250d536eb0394afe46bf76850a5e912cf0c19c"
    "f5802ae76183eca6bc6d23db98fd652f9e8e52fff79914307b15595df9032000000000000000000000000001800000000060"
    "0000000000000018000000010000000000003000003000000000000000000000000003000002800000000000400000000600"
    "000000000000014000000000600db98b7883a0f2e4dc0500bbdead80645d3a8cc312695a878bd77e4c01ce32f951549e58a0"
    "a14c43972892686fc50a38b28474ded4eb59cecc2d564ea1b4308948c593e9e352b741e22e650b458f294167ac6bda45c31d"
    "73defb4b6e7dcc2d3c2cbb44a4e79d00d6c2aa7c1fc0c0da3408c732d8a53ddffd646d26d1bef6a93cb20ef2fda6154befbf"
    "61391d26bc39825e912cf0c19cf5802ae76183eca6bc6cb0fd91091599ae89384db102d4c99e0b14df421ea1d0b984718b1f"
    "58f94ad08e5b8f4642312d69e3a820a013fc2c26edfe125540d19599e8aacdf4d6287a834a8e16b0600d2a9eb6773f1f8833"
    "d5e2e8c1d3315e903e733ae8c701c2aeabfb18c9eb213d2f6a0fc8100e4a94b26f92baeec5a127a41ae0a0c0800040206098"
    "80b1c2fd809f13e609f46f3b07e93dac60c1e758441009613b75cb83936e9acce77fa3081d7d358cb5aabf5488420b944ee7"
    "d6b13cf55c5b1780490b879da8e6155dd2379b004898e4f238c55fbd349c4f354b435de86710a644c25036059baecfd02467"
    "58de7a92d54763ad252a687d426e064b1f0f819deb00afbba59669b384ee54da7def92e0489f8d3b87f61ffc65d1148214cd"
    "0d363898af57c997b1c8391b347278fe026c29048e33c554eb78d98fd9c8acd407d71496a0722255464dbc4fae626fad64ef"
    "a30b3bdcbe49117bd827449c30fda17efa02d99042b6f8c848bb3a356dfe21"
)


def test_a_file_of_format_version_2_still_reads_the_same():
    tensors = unpack(bytes.fromhex(GOLDEN)).tensors
    expected = golden()
    assert {n: t.decode().tobytes() for n, t in tensors.items()} == {
        n: t.decode().tobytes() for n, t in expected.items()
    }


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
        "floats": Encoded.dense((i % 89 - 44) / (1 + i % 7)),
        "context": grown_by_arithmetic(),
    }


def grown_by_arithmetic():
    """Kept entries and codes that go with rows, columns and neighbours."""
    i, j = np.divmod(np.arange(40 * 60), 60)
    keep = ((i * i % 41) * (j * j % 23) + 3 * (i // 4 + j // 5) % 97 < 150) & (j % 9 > 2)
    codes = (i // 5 + j // 3) % 2 * 4 + (i * j % 13 % 4) * (i % 3 > 0)
    return Encoded((40, 60), Codebook(codes[keep], np.arange(-4, 4, dtype=np.float32) + 0.5), keep.reshape(40, 60))
