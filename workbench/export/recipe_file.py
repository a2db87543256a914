"""A recipe as a file that people write and keep: JSON or YAML, read strictly, and out of whatever a recipe made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import FileError, WorkbenchError
from ..core.recipe import Recipe, to_json
from ..storage import artifact
from ._made import no_onnx
from ._plain_recipe import plain_recipe, recipe_of
from ._strict import MOST, plain_of, reason_in
from .onnx_file import PREFIX
from .safetensors_file import header_in

KINDS = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
WRITABLE = tuple(KINDS)
READABLE = (*WRITABLE, ".wbz", ".onnx", ".safetensors")


def recipe_text(recipe: Recipe, kind: str = "yaml") -> str:
    """The recipe as text, `json` or `yaml`, for `recipe_of_text`; what is empty is left out."""
    plain = plain_recipe(recipe)
    if kind == "json":
        return to_json(plain, indent=2) + "\n"
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
    return text


def recipe_of_text(text: str, kind: str = "yaml") -> Recipe:
    """The recipe in JSON or YAML, every knob spelled out; WorkbenchError names the field that is wrong.

    A step is a mapping, or a line as after `--step`. Whether there are such a network and data is not looked at: who
    takes recipes from strangers has to hold the names against what strangers may use.
    """
    return recipe_of(plain_of(text, kind))


def recipe_in(path: str | Path) -> Recipe:
    """The recipe in a .json or .yaml file, or the one of which a .wbz, .onnx or .safetensors file was made."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READABLE:
        raise FileError(f"{path} is no file that holds a recipe; those end in {', '.join(READABLE)}.")
    try:
        return recipe_of_text(_text(path), KINDS[suffix]) if suffix in KINDS else recipe_of(_RECORDED[suffix](path))
    except WorkbenchError as error:
        said = str(error)
        raise type(error)(said if said.startswith(str(path)) else f"{path}: {said}") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(4 * MOST).decode("utf-8-sig")  # at most four bytes a character
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise FileError(f"{path} is not text in UTF-8.") from None


def _of_wbz(path: Path) -> Any:
    return artifact.read(path).header.get("recipe")


def _of_onnx(path: Path) -> Any:
    if why := no_onnx():
        raise WorkbenchError(f"An ONNX file cannot be read here: {why}.")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        found = {p.key: p.value for p in onnx.load(path, load_external_data=False).metadata_props}
    except (OSError, DecodeError) as error:
        raise FileError(f"{path} is not a whole ONNX file: {reason_in(error)}.") from None
    if f"{PREFIX}recipe" not in found:
        raise FileError(f"{path} does not say from which recipe it was made.")
    return plain_of(found[f"{PREFIX}recipe"], "json")


def _of_safetensors(path: Path) -> Any:
    return header_in(path).get("recipe")


_RECORDED: dict[str, Callable[[Path], Any]] = {".wbz": _of_wbz, ".onnx": _of_onnx, ".safetensors": _of_safetensors}
