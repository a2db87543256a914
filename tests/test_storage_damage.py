"""A file that is not what it claims to be gives one clear sentence: no other error, no hang, no huge allocation."""

import os
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_samples import HEADER, every_kind, network

from workbench.core.encoded import CODERS, Encoded
from workbench.core.errors import FileError, WorkbenchError
from workbench.core.values import Codebook
from workbench.storage.artifact import MAGIC, VERSION, pack, read, unpack, write
from workbench.storage.dictionary import DICTIONARY
from workbench.storage.wire import Cursor, Writer


def small():
    """One tensor of every kind, coder and support, in few bytes."""
    rng = np.random.default_rng(0)
    keep = rng.random((12, 30)) < 0.2
    tensors = {kind: Encoded((12, 30), values) for kind, values in every_kind(rng).items()}
    for coder in CODERS:
        for support in ("bitmap", "gaps"):
            values = every_kind(rng)["ternary"].take(keep.reshape(-1))
            tensors[f"{coder} {support}"] = Encoded((12, 30), values, keep, support, coder)
    tensors["context"] = in_context()
    tensors["bytes apart"] = Encoded.dense(np.arange(1, 60, dtype=np.float32) / 16)
    return pack(tensors, HEADER, {}).data


def in_context():
    """Kept in stripes, with codes of two levels in patches: small, and smallest in context."""
    i, j = np.divmod(np.arange(24 * 40), 40)
    keep = (j % 4 < 2) & (i % 3 > 0)
    codes = (i // 6 + j // 10) % 2
    return Encoded((24, 40), Codebook(codes[keep], np.float32([-0.5, 0.5])), keep.reshape(24, 40))


def test_the_samples_hold_streams_in_context():
    found = unpack(SMALL).coders
    assert found["context"] == {"positions": "context", "codes": "context"}
    assert found["bytes apart"] == {"weights": "bytes apart"}


SMALL = small()


def sealed(body):
    return body + zlib.crc32(body).to_bytes(4, "little")


def split(data):
    """The directory, inflated, and the payload of an intact file."""
    cursor = Cursor(data[:-4])
    cursor.take(4)
    return zlib.decompressobj(-15, DICTIONARY).decompress(cursor.take(cursor.uint(len(data)))), bytes(
        cursor.take(cursor.left)
    )


def forged(directory, payload):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=DICTIONARY)
    deflated = squeeze.compress(directory) + squeeze.flush()
    length = Writer()
    length.uint(len(deflated))
    return sealed(MAGIC + bytes([VERSION]) + bytes(length.data) + deflated + payload)


def described(meta, payload=b"", text=b'{"header":{},"tensors":["w"]}'):
    """A file with one tensor whose description is the given numbers."""
    directory = Writer()
    directory.uint(len(text))
    directory.data += text
    for number in meta:
        directory.uint(number)
    return forged(bytes(directory.data), payload)


def sentence(data, **limit):
    with pytest.raises(FileError) as caught:
        unpack(data, **limit)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and len(text) < 200
    return text


def test_forging_is_faithful():
    assert forged(*split(SMALL)) == SMALL


def test_every_truncation_is_found():
    for length in range(len(SMALL)):
        sentence(SMALL[:length])


def test_every_flipped_bit_is_found():
    for at in range(len(SMALL)):
        for bit in range(8):
            data = bytearray(SMALL)
            data[at] ^= 1 << bit
            sentence(bytes(data))


# A codebook of one entry for a tensor of four: kind with role and coder, axes, length; then support, book and codes.
FOUR = [16, 1, 4]
ONE_CODE = [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("meta", "payload", "words"),
    [
        ([2, 3, 1, 0, 0, 7, *ONE_CODE], b"\x80", "past the end"),  # a gap of 4
        ([2, 2, 1, 0, 0, 7, *ONE_CODE], b"\x80", "a gap outside [0, 3]"),
        ([2, 0, 1, 0, 0, 7, *ONE_CODE], b"\x80", "0 bits"),
        ([1, 8, 0, 0, 255, *ONE_CODE], b"\xff", "longer than its tensor"),
        ([1, 4, 0, 0, 31, *ONE_CODE], b"\xff", "too large"),
        ([1, 3, 0, 0, 7, *ONE_CODE], b"\xff", "chunks of 3 bits"),
        ([0, 1, 0, 0, 2, 0], b"", "a code outside [0, 0]"),
        ([0, 1, 0, 0, 0, 2], b"", "outside its own alphabet"),
        ([0, 1, 0, 1, 0, 0, 1, 1], b"", "an alphabet of 1"),
        ([0, 1, 0, 1, 0, 7, 16, 1], b"", "a table of 16 bytes in a stream of 1"),
        ([0, 1, 0, 2, 0, 1, 1, 6], b"", "a range coded stream"),
    ],
)
def test_a_support_or_code_that_cannot_be_is_refused(meta, payload, words):
    assert words in sentence(described([*FOUR, *meta], payload + bytes(4) + b"\xff" * 9))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"W", "incomplete"),
        (b"PK\x03\x04" + bytes(100), "does not start with WBZ"),
        (b"WBZ\x01", "incomplete"),
        (SMALL + b"\0", "checksum"),
        (sealed(MAGIC + bytes([VERSION + 1]) + SMALL[4:-4]), "format version 3; this workbench reads version 2"),
        (sealed(MAGIC + b"\1" + SMALL[4:-4]), "format version 1; this workbench reads version 2"),
        (sealed(SMALL[:-4] + b"\0"), "1 bytes that belong to no tensor"),
        (sealed(SMALL[:-4] + SMALL), "belong to no tensor"),
        (forged(b"\x05{bad}", b""), "JSON"),
        (forged(b"\x02[]", b""), "JSON"),
        (forged(b"\x90\x4e" + b"[" * 10000, b""), "JSON"),
        (described([], text=b'{"header":{},"tensors":["w","w"]}'), "twice"),
        (described([]), "only 0 are left"),
        (described([99]), "a number of 99 where at most 79"),
        (described([0, 9]), "a number of 9 where at most 8"),
        (described([0, 1, 0]), "empty tensor"),
    ],
)
def test_what_is_wrong_is_said(data, words):
    assert words in sentence(data)


@pytest.mark.parametrize("shape", [[1 << 30], [1 << 20, 1 << 20], [(1 << 31) - 1] * 8])
def test_a_shape_that_would_take_too_much_is_refused(shape):
    codebook_of_one = [16, len(shape), *shape, 0, *ONE_CODE]
    assert "claims a tensor of shape" in sentence(described(codebook_of_one, bytes(4)))


def test_many_tensors_share_one_limit():
    one = [16, 1, 1 << 20, 0, *ONE_CODE]
    names = b",".join(b'"w%d"' % i for i in range(20))
    data = described(one * 20, bytes(80), b'{"header":{},"tensors":[%s]}' % names)
    assert "claims a tensor" in sentence(data)
    assert len(unpack(data, limit=1 << 30).tensors) == 20


def test_a_claim_just_below_the_limit_takes_no_huge_allocation():
    data = described([16, 1, 1 << 24, 2, 12, 1 << 24, 0, 0, 0, *ONE_CODE], bytes(4))
    tracemalloc.start()
    artifact = unpack(data)
    assert artifact.tensors["w"].keep.all() and tracemalloc.get_traced_memory()[1] < 512 << 20
    tracemalloc.stop()


def test_a_deflate_bomb_is_refused_before_it_grows():
    tracemalloc.start()
    assert "larger than" in sentence(forged(bytes(1 << 25), b""))
    assert tracemalloc.get_traced_memory()[1] < (1 << 25) + (16 << 20)  # the bomb itself, made here, and little more
    tracemalloc.stop()


def test_the_limit_can_be_chosen():
    data = pack(*network()).data
    assert unpack(data, limit=4 * 431080).file_bytes == len(data)
    assert "entries are allowed" in sentence(data, limit=4 * 431079)


def test_a_network_that_no_reader_would_accept_is_not_written():
    with pytest.raises(FileError, match="more than a reader accepts"):
        pack({"w": Encoded((1 << 25,), every_kind(np.random.default_rng(0))["sign"].take(np.zeros(360, bool)),
                           np.zeros(1 << 25, bool))}, {}, {})  # fmt: skip
    with pytest.raises(FileError, match="header of"):
        pack({}, {"note": "x" * (1 << 20)}, {})


def accepted(data):
    """Whether the file is accepted; if so, all of it decodes. Anything but FileError escapes and fails the test."""
    try:
        artifact = unpack(data, limit=1 << 20)
    except FileError:
        return False
    with np.errstate(all="ignore"):
        for encoded in artifact.tensors.values():
            assert encoded.decode().shape == encoded.shape
    assert sum(artifact.parts.values()) == artifact.file_bytes == len(data)
    return True


def mutated(data, draw):
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        how = draw(st.sampled_from(["set", "delete", "insert", "cut"]))
        if how == "set":
            data[at] = draw(st.integers(0, 255))
        elif how == "delete" and len(data) > 1:
            del data[at]
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=6))
        elif at:
            del data[at:]
    return bytes(data)


bounded = settings(max_examples=200, deadline=None, derandomize=True)


@bounded
@given(st.data())
def test_corrupt_bytes_with_a_correct_checksum(data):
    accepted(sealed(MAGIC + bytes([VERSION]) + mutated(SMALL[4:-4], data.draw)))


@bounded
@given(st.data())
def test_corrupt_descriptions_with_a_correct_checksum(data):
    directory, payload = split(SMALL)
    head = directory.index(b"]}") + 2
    accepted(forged(directory[:head] + mutated(directory[head:], data.draw), payload))


@bounded
@given(st.data())
def test_corrupt_payload_with_a_correct_checksum(data):
    directory, payload = split(SMALL)
    accepted(forged(directory, mutated(payload, data.draw)))


@bounded
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_random_descriptions_and_payloads(meta, payload):
    text = b'{"header":{},"tensors":["a","b"]}'
    accepted(forged(bytes([len(text)]) + text + meta, payload))


@bounded
@given(st.binary(max_size=300))
def test_random_bytes(data):
    assert not accepted(data)
    assert not accepted(sealed(MAGIC + bytes([VERSION]) + data))


def test_the_fuzzing_can_reach_an_accepted_file():
    directory, payload = split(SMALL)
    assert accepted(forged(directory, payload[:-1] + bytes([payload[-1] ^ 1])))


@pytest.mark.parametrize("name", ["missing.wbz", "folder", "empty.wbz", "text.wbz", "no/such/folder.wbz", "fifo"])
def test_a_path_that_is_no_artifact_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.wbz").touch()
    (tmp_path / "text.wbz").write_text("hello")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(WorkbenchError, match=name) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(FileError, match=r"none/net\.wbz cannot be written: No such file or directory\."):
        write(tmp_path / "none" / "net.wbz", {}, {}, {})
    (tmp_path / "folder.wbz").mkdir()
    for path in (tmp_path / "folder.wbz", f"{tmp_path}/nul\0.wbz"):
        with pytest.raises(FileError, match="cannot be written"):
            write(path, {}, {}, {})
    with pytest.raises(FileError, match="cannot be read"):
        read(f"{tmp_path}/nul\0.wbz")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.wbz"]
