"""Networks of the user's own, known as `own/NAME` for as long as the process runs."""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.compressed import copied
from ..core.errors import WorkbenchError
from ..core.names import listed
from ..layers import ADOPTED
from ._counts import counted_on
from ._spec import NetworkSpec, Shape, drawn_from, out_of_bounds, times

PREFIX = "own/"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TRIED = 2


class _Adopted(NamedTuple):
    spec: NetworkSpec
    module: nn.Module


_adopted: dict[str, _Adopted] = {}
_lock = threading.Lock()
_numbers = itertools.count(1)


def adopt(
    module: nn.Module, *, input_shape: Sequence[int], classes: int, name: str = "", source: str = ""
) -> NetworkSpec:
    """Make a copy of `module` known as `own/NAME`; the module itself is never changed.

    input_shape: (channels, height, width) of its images, in [0, 1]; it must answer (n, classes) finite scores in eval
    mode. Weights of another floating type are kept as float32. name: of the class where it is empty; a network of the
    same name is replaced. source: how the command line names it. WorkbenchError says what does not fit.
    """
    name, shape = _checked_name(module, name), _checked_shape(input_shape, classes)
    made, kept_as = _on_its_own(module, name)
    _check_finite(made, name)
    answer, (parameters, macs) = _tried(made, name, shape, classes)
    spec = NetworkSpec(
        name=PREFIX + name,
        title=f"{name} (your own{kept_as})",
        citation=f"Your own network, a {type(module).__name__}{kept_as}.",
        input_shape=shape,
        classes=classes,
        make=lambda _shape, _classes: copied(made).train(),
        parameters=parameters,
        macs=macs,
        free=(),
        source=source,
        identity=_identity(answer),
    )
    with _lock:
        _adopted[spec.name] = _Adopted(spec, made)
    return spec


def own_networks() -> dict[str, NetworkSpec]:
    """Every adopted network by name, in the order of adoption."""
    with _lock:
        return {name: found.spec for name, found in _adopted.items()}


def own_named(name: str) -> NetworkSpec:
    """The adopted network; WorkbenchError says how to adopt one."""
    return _entry(name).spec


def own_copy(name: str) -> nn.Module:
    """A copy in eval mode with the weights that were adopted."""
    return copied(_entry(name).module)


def told(error: BaseException) -> str:
    """What went wrong in somebody's code: type, message and the line of their file, in words that end a sentence."""
    message = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {message[0].rstrip('.')}" if message else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{said}, line {error.lineno}" if "line" not in said else said
    theirs = [f for f in traceback.extract_tb(error.__traceback__) if _theirs(f.filename)]
    return f"{said}, in line {theirs[-1].lineno} of {Path(theirs[-1].filename).name}" if theirs else said


def _theirs(file: str) -> bool:
    libraries = (Path(torch.__file__).parent, Path(__file__).parents[1])
    path = Path(file)
    return path.is_file() and not any(path.is_relative_to(folder) for folder in libraries)


def _entry(name: str) -> _Adopted:
    with _lock:
        if name not in _adopted:
            known = listed(_adopted, name) or "none"
            raise WorkbenchError(
                f"There is no network {name!r}; adopted are {known}: name its code (--network FILE.py:FACTORY), or "
                "adopt it first (workbench.networks.adopt)."
            )
        return _adopted[name]


def _checked_name(module: object, name: str) -> str:
    if isinstance(module, type) and issubclass(module, nn.Module):
        raise WorkbenchError(f"An nn.Module is needed, and {module.__name__} is a class; give {module.__name__}(...).")
    if isinstance(module, torch.jit.ScriptModule) or not isinstance(module, nn.Module):
        raise WorkbenchError(f"An nn.Module in plain Python is needed; got a {type(module).__name__}.")
    name = name or type(module).__name__
    if not _NAME.fullmatch(name):
        raise WorkbenchError(f"A network of your own is called by 1 to 40 letters, digits, _ or -; got {name[:60]!r}.")
    return name


def _checked_shape(input_shape: Sequence[int], classes: int) -> Shape:
    try:
        shape = tuple(int(size) for size in input_shape)
    except (TypeError, ValueError):
        shape = ()
    if isinstance(classes, bool) or not isinstance(classes, int):
        raise WorkbenchError(f"classes must be an integer, and {classes!r:.40} is not.")
    if why := out_of_bounds(shape, classes):
        raise WorkbenchError(f"A network cannot be adopted for these images: {why}.")
    return shape


def _on_its_own(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """An independent copy on the CPU in float32 and eval mode; and, in words, what it was where that is not float32."""
    made = copied(getattr(module, "_orig_mod", module))  # what torch.compile wraps
    kinds = {str(t.dtype).removeprefix("torch.") for t in (*made.parameters(), *made.buffers()) if not _whole(t)}
    if odd := [kind for kind in kinds if not kind.startswith(("float", "bfloat16"))]:
        raise WorkbenchError(f"{name} has weights of type {odd[0]}; floating-point weights are needed.")
    setattr(made, ADOPTED, next(_numbers))
    others = ", ".join(sorted(kinds - {"float32"}))
    return made.cpu().float().eval(), f", its {others} weights kept as float32" if others else ""


def _whole(tensor: Tensor) -> bool:
    """Counters, indices and masks, which are no weights."""
    return tensor.dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def _check_finite(module: nn.Module, name: str) -> None:
    for tensor_name, tensor in module.state_dict().items():
        if nn.parameter.is_lazy(tensor):
            raise WorkbenchError(f"{name} has never run, so that {tensor_name} has no shape yet; run it once.")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WorkbenchError(
                f"{name}: {tensor_name} holds values that are not finite; only finite weights can be compressed."
            )


def _identity(answer: Tensor) -> str:
    """A digest of what the network answers, in few enough digits that rounding says nothing."""
    return hashlib.sha256(" ".join(f"{score:.3g}" for score in answer.flatten().tolist()).encode()).hexdigest()[:12]


def _tried(module: nn.Module, name: str, shape: Shape, classes: int) -> tuple[Tensor, tuple[int, int]]:
    """What it answers, its learned values and multiply-accumulates of one image, once all is as it must be."""
    images = torch.rand(_TRIED, *shape, generator=torch.Generator().manual_seed(0))
    try:
        with drawn_from(0), torch.no_grad():
            first, again = module(images), module(images)
            one = counted_on(module, images[:1])
    except Exception as error:  # forward code of any kind
        raise WorkbenchError(f"{name} does not run on images of {times(shape)} ({told(error)}).") from None
    _check_answer(first, name, classes)
    if not torch.equal(first, again):
        raise WorkbenchError(
            f"{name} answers otherwise each time in eval mode; a functional dropout needs training=self.training."
        )
    return first, one


def _check_answer(answer: object, name: str, classes: int) -> None:
    wanted = f"{name} must answer ({_TRIED}, {classes}) scores for {_TRIED} images in {classes} classes"
    if not isinstance(answer, Tensor):
        raise WorkbenchError(f"{wanted}; it answers a {type(answer).__name__}.")
    if tuple(answer.shape) != (_TRIED, classes) or not answer.is_floating_point():
        raise WorkbenchError(f"{wanted}; it answers {tuple(answer.shape)} of {str(answer.dtype).partition('.')[2]}.")
    if not bool(torch.isfinite(answer).all()):
        raise WorkbenchError(f"{name} answers scores that are not finite for images in [0, 1].")
