"""Networks and tensors that the storage tests store."""

import numpy as np

from workbench.core.encoded import Encoded
from workbench.core.values import SIGN, TERNARY, Codebook, FixedPoint, Floats, Levels, ProductCodes

LENET5 = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "fc1": (500, 800), "fc2": (10, 500)}
LENET300 = {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)}
HEADER = {"network": "lenet5", "dataset": "mnist", "input_shape": [1, 28, 28], "classes": 10, "structure": {}}


def keep_largest(weight, pruned):
    """bool like weight: the largest magnitudes, a share `pruned` left out."""
    return np.abs(weight) > np.quantile(np.abs(weight), pruned) if pruned else None


def shared(weight, pruned, k, **how):
    """Pruned, and the rest on k evenly spaced values."""
    keep = keep_largest(weight, pruned)
    kept = weight.reshape(-1) if keep is None else weight[keep]
    book = np.linspace(kept.min(), kept.max(), k).astype(np.float32)
    codes = np.abs(kept[:, None] - book).argmin(1)
    return Encoded(weight.shape, Codebook(codes, book), keep, **how)


def network(shapes=LENET5, *, pruned=0.9, bits=4, seed=0, **how):
    """(tensors, header, roles) of a network whose weights have heavy tails, as trained ones have."""
    rng = np.random.default_rng(seed)
    tensors, roles = {}, {}
    for name, shape in shapes.items():
        weight = (rng.standard_t(4, size=shape) * 0.05).astype(np.float32)
        tensors[f"{name}.weight"] = shared(weight, pruned, 1 << bits, **how)
        tensors[f"{name}.bias"] = Encoded.dense(rng.normal(size=shape[0]))
        roles |= {f"{name}.weight": "weight", f"{name}.bias": "bias"}
    return tensors, HEADER, roles


def grown(shape, *, pruned=0.9, bits=3, seed=0, **how):
    """A pruned tensor as training leaves it: dead columns, rows of many strengths, signs and magnitudes in patches."""
    rng = np.random.default_rng(seed)
    rows, columns = shape[0], int(np.prod(shape[1:]))
    patches = np.repeat(rng.normal(size=(rows, -(-columns // 4))), 4, 1)[:, :columns]
    strength = np.exp(rng.normal(size=(rows, 1))) * np.exp(1.5 * rng.normal(size=columns))
    weight = strength * (patches + 0.6 * rng.normal(size=(rows, columns)))
    return shared(weight.astype(np.float32).reshape(shape), pruned, 1 << bits, **how)


def every_kind(rng, shape=(12, 30)):
    """Values for all entries of `shape` (rows, columns), of every kind and grouping, by name."""
    rows, n = shape[0], shape[0] * shape[1]
    normal = rng.normal(size=n).astype(np.float32)

    def scale(g):
        return rng.uniform(0.1, 2, g).astype(np.float32)

    def codes(low, high):
        return np.clip(np.round(rng.normal(size=n) * (high - low) / 8), low, high).astype(np.int64)

    return {
        "floats": Floats(normal),
        "codebook": Codebook(rng.integers(0, 9, n), rng.normal(size=16).astype(np.float32)),
        "codebook of one": Codebook(np.zeros(n, np.uint8), np.float32([0.5])),
        "int8": FixedPoint(codes(-128, 127).astype(np.int8), scale(1), np.zeros(1, np.int64), -128, 127),
        "uint4 by row": FixedPoint(codes(0, 15), scale(rows), rng.integers(0, 16, rows), 0, 15),
        "int32": FixedPoint(rng.integers(-(2**30), 2**30, n), scale(1), np.int64([-7]), -(2**31) + 1, 2**31 - 1),
        "sign": Levels(rng.integers(0, 2, n), scale(1), SIGN),
        "sign by row": Levels(rng.integers(0, 2, n), scale(rows), SIGN),
        "ternary": Levels(rng.choice(3, n, p=[0.1, 0.8, 0.1]), scale(1), TERNARY),
        "product": ProductCodes(rng.integers(0, 7, (rows, 6)), rng.normal(size=(6, 7, shape[1] // 6)).astype("f4")),
    }
