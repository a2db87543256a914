"""Speed and size of the artifact against a plain Python coder and zlib, in one run.

    python tests/benchmarks/storage.py [FILE.wbz ...]

Times are processor time, so that a busy machine does not count. MB/s counts the float32 weights that a file stands
for; the ratio is those bytes by the file's. With files, these alone: their streams beside the empirical entropy, tensor
by tensor and together, and how long they take to write and to read.
"""

import sys
import time
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from storage_samples import LENET5, grown, network

from workbench.storage import huffman
from workbench.storage.artifact import pack, unpack
from workbench.storage.estimate import estimate_bytes
from workbench.storage.itemised import stream_rows


def best(function, runs=7):
    """(least seconds of processor time, result)."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def row(name, megabytes, seconds, size):
    writes, reads = (f"{1e3 * s:9.2f} ms {megabytes / s:9.1f} MB/s" for s in seconds)
    print(f"{name:44}{writes}{reads}{size:>12,} bytes {1e6 * megabytes / size:7.1f}x")


def python_huffman(symbols, lengths):
    """One symbol after the other, as a textbook writes it."""
    codes, sizes = huffman.canonical_codes(lengths).tolist(), lengths.tolist()
    word = bits = 0
    out = bytearray()
    for symbol in symbols:
        word, bits = word << sizes[symbol] | codes[symbol], bits + sizes[symbol]
        while bits >= 8:
            bits -= 8
            out.append(word >> bits)
            word &= (1 << bits) - 1
    out.append(word << (8 - bits) & 255)
    return bytes(out)


def python_huffman_back(data, lengths, n):
    """One bit after the other, with a dictionary of code words."""
    codes, sizes = huffman.canonical_codes(lengths).tolist(), lengths.tolist()
    symbols = {(sizes[s], codes[s]): s for s in range(len(sizes)) if sizes[s]}
    out, word, bits = [], 0, 0
    for octet in data:
        for shift in range(7, -1, -1):
            word, bits = word << 1 | octet >> shift & 1, bits + 1
            if (bits, word) in symbols:
                out.append(symbols[bits, word])
                word = bits = 0
    return out[:n]


def both_ways(sample, name):
    """A row for the file and a line for its estimate."""
    megabytes = sum(4 * e.decode().size for e in sample[0].values()) / 1e6
    to, packed = best(lambda: pack(*sample))
    back, _ = best(lambda: unpack(packed.data))
    row(name, megabytes, (to, back), len(packed.data))
    seconds, size = best(lambda: estimate_bytes(*sample))
    off = size / len(packed.data) - 1
    print(f"{'':8}estimate {1e3 * seconds:.2f} ms, {to / seconds:.1f} times faster, {off:+.3%} off")


def with_zlib(sample):
    """A row for the decoded floats under zlib."""
    raw = b"".join(e.decode().tobytes() for e in sample[0].values())
    to, squeezed = best(lambda: zlib.compress(raw, 9), 1)
    back, _ = best(lambda: zlib.decompress(squeezed))
    row("        the same floats, zlib 9", len(raw) / 1e6, (to, back), len(squeezed))


def huffman_alone():
    """Our coder and a plain Python one on the codes of one layer."""
    codes = network(pruned=0.9)[0]["fc1.weight"].values.codes
    lengths, listed = huffman.code_lengths(np.bincount(codes)), codes.tolist()
    ours, data = best(lambda: huffman.encode(codes, lengths))
    plain, expected = best(lambda: python_huffman(listed, lengths), 3)
    back, found = best(lambda: huffman.decode(data, lengths, codes.size))
    plain_back, expected_back = best(lambda: python_huffman_back(data, lengths, codes.size), 3)
    assert data == expected and found.tolist() == expected_back
    print(f"Huffman alone, {codes.size:,} codes, against a Python loop:")
    print(f"write {1e3 * ours:.2f} ms, {plain / ours:.1f} times faster")
    print(f"read {1e3 * back:.2f} ms, {plain_back / back:.1f} times faster")


def streams():
    """Coded size over the empirical entropy of what is coded, and the speed of each stream, tensor by tensor."""
    head = ("coder", 9), ("symbols", 10), ("bytes", 8), ("/ entropy", 10), ("write", 16), ("read", 16)
    print("stream of a pruned tensor".ljust(34) + "".join(name.rjust(width) for name, width in head))
    for shape in LENET5.values():
        for pruned in (0.9, 0.98):
            for coder in ("smallest", "range", "huffman"):
                stream_rows_of(grown(shape, pruned=pruned, coder=coder), f"{'x'.join(map(str, shape))}, {pruned:.0%}")


def stream_rows_of(encoded, name):
    """A row for each stream of the tensor; the speeds are those of the whole tensor, in symbols of the stream."""
    to, packed = best(lambda: pack({"w": encoded}, {}, {}), 3)
    back, artifact = best(lambda: unpack(packed.data), 3)
    for row in stream_rows(artifact):
        if row.entropy_bytes is not None:
            speeds = "".join(f"{row.symbols / seconds / 1e3:13,.0f} /ms" for seconds in (to, back))
            sizes = f"{row.symbols:>10,}{row.size:>8,}{row.ratio or 0:>10.3f}"
            print(f"{name + ' ' + row.part:34}{row.coder:>9}{sizes}{speeds}")


def of_file(path):
    """The streams of one file, each part's sum over its tensors, and both speeds."""
    data = Path(path).read_bytes()
    back, artifact = best(lambda: unpack(data), 5)
    rows = [row for row in stream_rows(artifact) if row.entropy_bytes]
    roles = dict.fromkeys(artifact.tensors, "weight")
    to, _ = best(lambda: pack(artifact.tensors, artifact.header, roles), 5)
    megabytes = sum(4 * e.decode().size for e in artifact.tensors.values()) / 1e6
    row(Path(path).name, megabytes, (to, back), len(data))
    print("stream".ljust(34) + "coder".rjust(9) + "symbols".rjust(10) + "bytes".rjust(8) + "/ entropy".rjust(10))
    for r in rows:
        print(f"{r.tensor + ' ' + r.part:34}{r.coder:>9}{r.symbols:>10,}{r.size:>8,}{r.ratio:>10.3f}")
    for part in dict.fromkeys(r.part for r in rows):
        mine = [r for r in rows if r.part == part]
        symbols, size, entropy = (sum(getattr(r, key) for r in mine) for key in ("symbols", "size", "entropy_bytes"))
        print(f"{'all ' + part:34}{'':>9}{symbols:>10,}{size:>8,}{size / entropy:>10.3f}")


def main():
    """Print the tables."""
    if sys.argv[1:]:
        for path in sys.argv[1:]:
            of_file(path)
        return
    print(f"{'lenet5, 431,080 parameters':44}{'write':>25}{'read':>25}")
    for pruned, bits in [(0.9, 4), (0.99, 2), (0.5, 4), (0.0, 4), (0.0, 8)]:
        for coder in ("smallest", "range", "huffman", "none"):
            both_ways(network(pruned=pruned, bits=bits, coder=coder), f"{pruned:.0%} pruned, {bits} bits, {coder}")
        with_zlib(network(pruned=pruned, bits=bits))
    huffman_alone()
    streams()


if __name__ == "__main__":
    main()
