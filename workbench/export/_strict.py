"""JSON and YAML as plain data, and nothing else: no key twice, no aliases, no objects."""

from __future__ import annotations

import json
from typing import Any

import yaml

from ..core.errors import WorkbenchError

MOST = 1 << 17
"""Characters of a recipe."""


def plain_of(text: str, kind: str) -> Any:
    """Lists, dictionaries and values; WorkbenchError, in one sentence with the place, when the text is not `kind`."""
    if len(text) > MOST:
        raise WorkbenchError(f"A recipe has at most {MOST:,} characters; this has {len(text):,}.")
    try:
        return of_json(text) if kind == "json" else yaml.load(text, _Strict)  # noqa: S506 - a SafeLoader
    except WorkbenchError:
        raise
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise WorkbenchError(f"The recipe is not {kind.upper()}: {reason_in(error)}.") from None


def of_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise WorkbenchError(f"The recipe says {twice!r} twice in one place.")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


class _Strict(yaml.SafeLoader):  # type: ignore[misc] # untyped
    """Plain data alone: no key twice, and no aliases, with which a few lines could stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise WorkbenchError("The recipe uses a YAML alias (*name); write the values out.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else [None]
        if not all(isinstance(key, yaml.ScalarNode) for key in keys):
            raise WorkbenchError(f"The recipe has a name that is no word in line {node.start_mark.line + 1}.")
        return _once([(key.value, self.construct_object(value, deep=True)) for key, value in node.value])


def reason_in(error: Exception) -> str:
    """One line, with the place."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    mark = getattr(error, "problem_mark", None)
    said = str(getattr(error, "problem", None) or getattr(error, "strerror", None) or error)
    place = f" in line {mark.line + 1}" if mark is not None else ""
    return said.splitlines()[0].rstrip(". ") + place
