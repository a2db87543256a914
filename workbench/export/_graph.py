"""A network as an ONNX graph, weights in float32 by the names that they have in the network."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import _C, Tensor, nn

from ..core.compressed import copied
from ..core.layer import put
from ..layers.circulant import CirculantLinear

Writer = Callable[[nn.Module, Tensor], Any]
IMAGES, SCORES, BATCH = "images", "scores", "batch"
OPSET = 20
"""The newest that tracing writes; onnxruntime reads it from 1.17 on."""
_ONE_AT_A_TIME = threading.Lock()  # torch's exporters keep global state


class WrittenOut(nn.Module):
    """A circulant layer that multiplies by its dense weight, which the graph makes from the stored columns.

    ONNX has no transform of real numbers that its runtimes run everywhere. A block of b columns is its first column,
    repeated, read in rows of 2 b - 1: entry (j, i) is r[(j (2 b - 1) + i) mod b] = r[(i - j) mod b].
    """

    def __init__(self, layer: CirculantLinear) -> None:
        super().__init__()
        self.vectors, self.bias, self.signs = layer.vectors, layer.bias, layer.signs
        self.block, self.sizes = layer.block, (layer.out_features, layer.in_features)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.dense(), self.bias)

    def dense(self) -> Tensor:
        """(out, in), as CirculantLinear.dense gives it."""
        b, (rows, columns) = self.block, self.sizes
        r: Tensor = self.vectors.weight.reshape(self.vectors.out_features, -1, b)
        blocks = r.repeat(1, 1, 2 * b - 1).reshape(*r.shape[:2], b, 2 * b - 1)[..., :b]
        whole = blocks.permute(0, 3, 1, 2).flatten(2).flatten(0, 1)
        return whole[:rows, :columns] * self.signs


def exportable(network: nn.Module) -> nn.Module:
    """A copy that computes the same with what ONNX has, in eval mode and without gradients."""
    twin = copied(network).eval().requires_grad_(False)
    for path, module in list(twin.named_modules()):
        if isinstance(module, CirculantLinear):
            put(twin, path, WrittenOut(module).eval())
    return twin


def graph_of(write: Writer, network: nn.Module, input_shape: Sequence[int]) -> Any:
    """A graph (onnx.ModelProto) that should compute what `network` does, for batches of any size; to be checked.

    write: one of WRITERS. Raises whatever torch does.
    """
    twin, image = exportable(network), torch.zeros(2, *input_shape)
    with _quietly(), torch.no_grad():
        return write(twin, image)


def _traced(network: nn.Module, image: Tensor) -> Any:
    import onnx

    file = io.BytesIO()
    torch.onnx.export(
        network,
        (image,),
        file,  # type: ignore[arg-type] # it takes files that are open, too
        dynamo=False,
        opset_version=OPSET,
        training=torch.onnx.TrainingMode.PRESERVE,  # BatchNorm stays, and with it every stored weight as it is
        do_constant_folding=False,  # likewise
        input_names=[IMAGES],
        output_names=[SCORES],
        dynamic_axes={IMAGES: {0: BATCH}, SCORES: {0: BATCH}},
    )
    return onnx.load_from_string(file.getvalue())


def _exported(network: nn.Module, image: Tensor) -> Any:
    program = torch.onnx.export(
        network,
        (image,),
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
        input_names=[IMAGES],
        output_names=[SCORES],
        dynamic_shapes=({0: torch.export.Dim(BATCH)},),
    )
    assert program is not None
    return program.model_proto


WRITERS: tuple[Writer, ...] = (_traced, _exported)
"""Tracing takes a fraction of a second and bakes in what the network decides in Python; the other one takes seconds,
knows more operators and refuses such decisions."""


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Alone, without the fused attention that ONNX lacks, and without a word: stdout belongs to the command."""
    fused, heard, prints = torch.backends.mha.get_fastpath_enabled(), logging.root.manager.disable, _C._jit_onnx_log
    with _ONE_AT_A_TIME, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        try:
            warnings.simplefilter("ignore")
            logging.disable(logging.ERROR)
            _C._jit_onnx_log = _nothing  # it prints whole graphs, past Python, and the switch for that is broken
            torch.backends.mha.set_fastpath_enabled(False)
            yield
        finally:
            logging.disable(heard)
            _C._jit_onnx_log = prints
            torch.backends.mha.set_fastpath_enabled(fused)


def _nothing(*_words: object) -> None:
    """Say nothing."""
