"""One right answer to every exercise of the lessons, written without a look at the lessons' own."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np


def parameters(outputs, inputs, kernel):
    return outputs * inputs * kernel * kernel + outputs


def entropy(counts):
    p = [c / sum(counts) for c in counts if c]
    return sum(x * math.log2(1 / x) for x in p)


def keep(weights, ratio):
    order = np.abs(weights).ravel().argsort().argsort()
    return (order >= round(ratio * weights.size)).reshape(weights.shape)


def saved(filters, inputs, kernel, next_outputs, next_kernel):
    own = inputs * kernel * kernel + 1
    return filters * own + filters * next_outputs * next_kernel * next_kernel


def uniform(weights, bits):
    top = 2 ** (bits - 1) - 1
    scale = top / abs(weights).max()
    return np.rint(weights * scale) / scale


def codebook_bits(weights, bits):
    return bits * weights + (1 << bits) * 32


def centres(weights, codes, centres):
    out = centres.copy()
    for code in set(codes.tolist()):
        out[code] = weights[codes == code].sum() / (codes == code).sum()
    return out


def break_even(rows, columns):
    return max(r for r in range(min(rows, columns) + 1) if r * (rows + columns) < rows * columns)


def truncate(weights, rank):
    values, vectors = np.linalg.eigh(weights.T @ weights)
    top = vectors[:, np.argsort(-values)[:rank]]
    return weights @ top @ top.T


def softened(scores, temperature):
    z = scores / temperature
    return np.exp(z - np.logaddexp.reduce(z))


def soft_loss(student, teacher, temperature):
    p, q = softened(teacher, temperature), softened(student, temperature)
    return temperature**2 * float(p @ (np.log(p) - np.log(q)))


def temperature(scores, share):
    grid = np.geomspace(0.05, 500, 4000)
    return float(min(grid, key=lambda t: abs(softened(scores, t).max() - share)))


def mean_length(counts):
    groups = [(int(c), {i: 0}) for i, c in enumerate(counts)]
    while len(groups) > 1:
        groups.sort(key=lambda g: g[0])
        (a, one), (b, two), *rest = groups
        groups = [*rest, (a + b, {k: d + 1 for k, d in {**one, **two}.items()})]
    return sum(int(counts[i]) * depth for i, depth in groups[0][1].items()) / int(sum(counts))


def stored(places, bits):
    entries, zeros, wanted = 0, 0, set(places.tolist())
    for place in range(int(max(places)) + 1):
        if place in wanted or zeros == 2**bits - 1:
            entries, zeros = entries + 1, 0
        else:
            zeros += 1
    return entries


def overlap(first, second, count):
    cuts = [np.sort(np.abs(m).ravel())[-count] for m in (first, second)]
    return float(((np.abs(first) >= cuts[0]) & (np.abs(second) >= cuts[1])).sum() / count)


def broken(labels, dense, compressed):
    return Counter(zip(dense == labels, compressed == labels, strict=True))[(True, False)]


FUNCTIONS = {
    f.__name__: f
    for f in (
        *(parameters, entropy, keep, saved, uniform, codebook_bits, centres, break_even, truncate),
        *(softened, soft_loss, temperature, mean_length, stored, overlap, broken),
    )
}
STEPS = {
    "pruned": ["prune.magnitude_iter:pruning_ratio=0.4/fc1:pruning_ratio=0.8"],
    "coded": ["quant.kmeans_share:bits=2/conv1:bits=5/conv2:bits=4/fc2:bits=5"],
    "factored": ["lowrank.tsvd:rank_share=0.25@conv2+fc1", "recover.finetune:epochs=1"],
    "deep": ["prune.magnitude_iter:pruning_ratio=0.5,epochs=1/fc1:pruning_ratio=0.92", "quant.kmeans_share:bits=4"],
    "other_answers": ["prune.magnitude_iter:pruning_ratio=0.3/fc1:pruning_ratio=0.8", "quant.kmeans_share:bits=4"],
    "entry": ["prune.magnitude_iter:pruning_ratio=0.5,epochs=1", "quant.kmeans_share:bits=4"],
}
