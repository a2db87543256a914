"""Images that stay bytes until they are used: a tensor of floats whose pixels lie on disk or are not decoded yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

_aten = torch.ops.aten
_SAME = (_aten.detach.default, _aten.alias.default)


class Source(Protocol):
    """Where pixels come from. shape: (n, channels, height, width)."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def take(self, rows: Tensor) -> Tensor:
        """rows: (k,) int64 in [0, n) -> (k, channels, height, width), uint8 or the floats themselves."""
        ...


@dataclass(frozen=True, eq=False)
class Held:
    """Some rows of an array that is memory-mapped or in memory. pixels: (m, c, h, w), uint8 or floating; rows: (n,)."""

    pixels: Tensor
    rows: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.pixels.shape[1:])

    def take(self, rows: Tensor) -> Tensor:
        return self.pixels[self.rows[rows]]


class Pixels(Tensor):
    """(n, channels, height, width) float32, of bytes in [0, 1]; a quarter of the memory, none for what is not used.

    Rows that are picked (`images[3]`, `images[:8]`, `images[rows]`) are ordinary tensors, and so is the result of
    every other operation, for which all rows are decoded.
    """

    source: Source
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: type[Pixels], source: Source) -> Pixels:
        made: Pixels = Tensor._make_wrapper_subclass(cls, source.shape, dtype=torch.float32, device=torch.device("cpu"))
        made.source = source
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in _SAME:
            return args[0]
        with torch.inference_mode(False):  # what looks like a view of this tensor must be an ordinary one, as this is
            return cls._run(func, args, kwargs or {})

    @staticmethod
    def _run(func: Any, args: Any, kwargs: Any) -> Any:
        if func is _aten.empty_like.default:
            like = torch.empty(args[0].shape, device="meta")
            return func(like, **{**kwargs, "device": kwargs.get("device") or "cpu"})
        if isinstance(args[0], Pixels) and (index := _first_axis(func, *args)) is not None:
            return args[0].picked(index)
        return func(*tree_map(_plain, args), **tree_map(_plain, kwargs))

    def __getitem__(self, index: Any) -> Tensor:
        # The first operation that torch dispatches to Python costs a second of imports, and most need none.
        if index is None or index is Ellipsis or isinstance(index, tuple):
            return super().__getitem__(index)
        return self.picked(index)

    def picked(self, index: Any) -> Tensor:
        """The images at `index`, which is anything that indexes one axis, as an ordinary tensor."""
        rows = torch.arange(self.shape[0])[index]
        return _floats(self.source.take(rows.reshape(-1))).reshape(*rows.shape, *self.shape[1:])

    def plain(self) -> Tensor:
        """All of it as an ordinary tensor, which takes 4 bytes a value."""
        return self.picked(slice(None))

    def numpy(self, *, force: bool = False) -> Any:
        return self.plain().numpy()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"Pixels(shape={tuple(self.shape)})"

    def __deepcopy__(self, memo: Any) -> Pixels:
        return self  # nothing in it ever changes


def _first_axis(func: Any, _: Pixels, *words: Any) -> Any:
    """The index when `func` does nothing but pick along the first axis, else None."""
    if func is _aten.index.Tensor and sum(i is not None for i in words[0]) == 1:
        return words[0][0]
    if func in (_aten.select.int, _aten.index_select.default) and words[0] == 0:
        return words[1]
    if func is _aten.slice.Tensor and (not words or words[0] == 0):
        return slice(*words[1:])
    return None


def _plain(value: Any) -> Any:
    return value.plain() if isinstance(value, Pixels) else value


def _floats(pixels: Tensor) -> Tensor:
    return pixels.to(torch.float32).div_(255) if pixels.dtype == torch.uint8 else pixels.to(torch.float32)
