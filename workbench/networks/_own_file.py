"""A network in a Python file of the user's own: `FILE.py:FACTORY`. Runs what the person at the keyboard has named."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from torch import nn

from ..core.errors import WorkbenchError
from ._own import adopt, told
from ._spec import NetworkSpec, drawn_from

_SPELLING = re.compile(r"(.+\.py)(?::(.*))?")


def names_file(text: str) -> bool:
    """Whether `text` names Python code and not a network by name."""
    return _SPELLING.fullmatch(text) is not None


def adopt_file(text: str, *, input_shape: Sequence[int], classes: int, name: str = "", seed: int = 0) -> NetworkSpec:
    """Adopt what `FILE.py:FACTORY` gives, as `own/FACTORY` or under `name`.

    FACTORY: a function without arguments, a subclass of nn.Module, or an nn.Module; it draws from `seed`. What the
    file prints goes to stderr. WorkbenchError with type and line for whatever goes wrong in the file.
    """
    found = _SPELLING.fullmatch(text)
    if found is None or not found[2]:
        raise WorkbenchError(f"{text} does not say what makes the network; write FILE.py:FACTORY.")
    file, factory = Path(found[1]).expanduser(), found[2]
    if not file.is_file():
        raise WorkbenchError(f"There is no file {file}.")
    module = _made(file, factory, seed)
    return adopt(module, input_shape=input_shape, classes=classes, name=name or factory, source=text)


def _made(file: Path, factory: str, seed: int) -> nn.Module:
    try:
        with _beside(file.absolute().parent), contextlib.redirect_stdout(sys.stderr), drawn_from(seed):
            thing = _attribute(_imported(file.absolute()), file, factory)
            made = thing() if callable(thing) and not isinstance(thing, nn.Module) else thing
    except WorkbenchError:
        raise
    except (Exception, SystemExit) as error:  # any code at all
        raise WorkbenchError(f"{file}:{factory} went wrong ({told(error)}).") from None
    if not isinstance(made, nn.Module):
        raise WorkbenchError(
            f"{file}:{factory} gives something of type {type(made).__name__}; it must be an nn.Module, or a class or a "
            "function without arguments that makes one."
        )
    return made


def _imported(file: Path) -> ModuleType:
    """The file as a module under a name of its own, run anew each time."""
    name = f"workbench_own_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling hooks look classes up there
    spec.loader.exec_module(module)
    return module


def _attribute(module: ModuleType, file: Path, factory: str) -> object:
    if not hasattr(module, factory):
        own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        raise WorkbenchError(f"{file} has no {factory!r}; it defines {', '.join(own) or 'nothing that can be called'}.")
    return getattr(module, factory)


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """The file's own folder comes first while it is imported, as when Python runs it; afterwards it is gone again."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
