"""Commands that hand something on: a compressed network to other programs, a recipe to other people."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import msgspec

from .asking import made_of
from .commands import emit, progress, save_bytes
from .core.recipe import Recipe
from .data import load_dataset
from .export import FORMATS, export_network, format_for, recipe_in, recipe_text
from .networks.artifact import load, unpack_model
from .texts import exported_text


def run_export(options: argparse.Namespace) -> None:
    """Write a compressed network for other programs, once it is known to compute the same there."""
    name = options.format or format_for(options.output)
    made = made_of(options, progress())
    loaded = load(options.file, code=options.network or "") if made is None else unpack_model(made)
    data = None if options.dataset is None else load_dataset(options.dataset, progress())
    content, record = export_network(loaded, name, dataset=data, images=options.images, progress=progress())
    out = options.output or (options.file or options.recipe).with_suffix(FORMATS[name].suffix)
    save_bytes(out, content)
    document = {"file": str(out), **msgspec.to_builtins(record)}
    if record.check is not None:
        document["check"] |= {"same_answers": record.check.same_answers, "accuracy": record.check.accuracy}
    emit(options, document, lambda: exported_text(record, str(out)))


def run_recipe(options: argparse.Namespace) -> None:
    """The recipe in a file, or the one of which a file was made, in one of the forms in which it can be run again."""
    recipe = recipe_in(options.file)
    suffix = "" if options.output is None else options.output.suffix
    text = RECIPE_FORMS[options.form or _FORMS_BY_SUFFIX.get(suffix, "yaml")](recipe)
    if options.output is not None:
        save_bytes(options.output, text.encode())
        text = f"{options.output}  {recipe.network} on {recipe.dataset}, {len(recipe.steps)} steps"
    emit(options, recipe, text.rstrip)


def _as_command(recipe: Recipe) -> str:
    from .ui.snippets import as_command

    return as_command(recipe) + "\n"


def _as_python(recipe: Recipe) -> str:
    from .ui.snippets import as_python

    return as_python(recipe)


RECIPE_FORMS: dict[str, Callable[[Recipe], str]] = {
    "yaml": recipe_text,
    "json": lambda recipe: recipe_text(recipe, "json"),
    "python": _as_python,
    "command": _as_command,
}
_FORMS_BY_SUFFIX = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".py": "python", ".sh": "command"}
