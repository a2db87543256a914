"""A network as a list of operations, so that any part of it can run again on activations that are already known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from .evaluate import scores

Values = dict[fx.Node, Any]
"""What operations gave, for one chunk of images."""

Parts = Mapping[str, nn.Module | Tensor]
"""Modules and tensors by their path in the network."""


class Trace:
    """The operations of `network` in the order in which they run. The network must stay as it is."""

    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        self.network = network
        self.nodes = list(graph.nodes)
        self.output = self.nodes[-1]
        self.index = {node: i for i, node in enumerate(self.nodes)}
        self.parts = {n.target: attribute(network, n.target) for n in self.nodes if _is_part(n)}
        self.mutating: set[fx.Node] = set()
        self._dying: list[list[fx.Node]] = [[] for _ in self.nodes]
        for node in self.nodes:
            self._dying[max(map(self.index.__getitem__, node.users), default=self.index[node])].append(node)

    @classmethod
    def of(cls, network: nn.Module, images: Tensor) -> Trace | None:
        """The trace of a network in eval mode, or None when it has none that gives its own scores on `images`."""
        try:
            trace = cls(network, fx.Tracer().trace(network))
            trace._find_mutating(images)
            same = torch.equal(trace.answer(images), scores(network, images))
        except Exception:  # a network is anybody's code, and fx fails on it in as many ways as there are networks
            return None
        return trace if same else None

    def start(self, images: Tensor) -> Values:
        """What is known before anything has run."""
        return {self.nodes[0]: images}

    def place(self, layer: str) -> int:
        """Index of the first operation that belongs to `layer`; that of the output when none does."""
        for i, node in enumerate(self.nodes):
            if _is_part(node) and f"{node.target}.".startswith(f"{layer}."):
                return i
        return len(self.nodes) - 1

    def advance(self, values: Values, start: int, stop: int) -> None:
        """Run operations start to stop - 1 and forget what nothing after them needs."""
        for i in range(start, stop):
            node = self.nodes[i]
            if node not in values:
                values[node] = self._run(node, values, {})
            self._forget(i, values)

    def answer(self, images: Tensor) -> Tensor:
        """The scores of the network, operation by operation."""
        values = self.start(images)
        with torch.inference_mode():
            self.advance(values, 0, len(self.nodes) - 1)
            answer: Tensor = self._run(self.output, values, {})
            return answer

    def everything(self, place: int) -> list[fx.Node]:
        """All operations from `place` on."""
        return self.nodes[max(place, 1) :]

    def after(self, changed: Parts) -> list[fx.Node]:
        """The operations that give something else once these parts are other ones, in order."""
        hot: dict[fx.Node, None] = {}
        for node in self.nodes:
            if (_is_part(node) and node.target in changed) or any(given in hot for given in node.all_input_nodes):
                hot[node] = None
        return list(hot)

    def beside(self, hot: list[fx.Node], place: int) -> list[fx.Node]:
        """The operations from `place` on that are not in `hot` and whose results `hot` needs, in order."""
        wanted, found = set(hot), []
        for node in reversed(self.nodes[place:]):
            if node not in wanted and any(user in wanted for user in node.users):
                wanted.add(node)
                found.append(node)
        return found[::-1]

    def rerun(self, known: Values, hot: list[fx.Node], changed: Parts) -> Tensor:
        """The scores with `changed` in place; `known` holds what `hot` takes from elsewhere and is left as it is."""
        values = dict(known)
        for node in hot:
            values[node] = self._run(node, values, changed)
            self._forget(self.index[node], values)
        answer: Tensor = values[self.output]
        return answer

    def complete(self, values: Values, nodes: list[fx.Node]) -> None:
        """Add what the unchanged network gives at `nodes`, where it is not known yet."""
        for node in nodes:
            if node not in values:
                values[node] = self._run(node, values, {})

    def _forget(self, i: int, values: Values) -> None:
        if i < len(self.nodes) - 1:
            for node in self._dying[i]:
                values.pop(node, None)

    def _run(self, node: fx.Node, values: Values, changed: Parts) -> Any:
        target: Any = node.target
        if node.op == "get_attr":
            return changed.get(target, self.parts[target])
        if node.op == "placeholder":
            return node.args[0]
        args: Any
        kwargs: Any
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
        if node in self.mutating:
            args, kwargs = fx.node.map_aggregate((args, kwargs), _cloned)
        if node.op == "output":
            return args[0]
        if node.op == "call_module":
            target = changed.get(target, self.parts[target])
        elif node.op == "call_method":
            target = getattr(type(args[0]), target)
        return target(*args, **kwargs)

    def _find_mutating(self, images: Tensor) -> None:
        """Find the operations that overwrite what they are given: run again, they must be given a copy."""
        values = self.start(images.clone())
        with torch.no_grad():  # inference mode would not count versions
            for node in self.nodes[1:]:
                before = _versions(values)
                values[node] = self._run(node, values, {})
                if any(version != before[key] for key, version in _versions(values).items() if key in before):
                    self.mutating.add(node)


def attribute(network: nn.Module, path: str) -> Any:
    """The module or tensor at a dotted path; AttributeError when there is none."""
    found: Any = network
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _is_part(node: fx.Node) -> bool:
    return node.op in ("call_module", "get_attr")


def _versions(values: Values) -> dict[fx.Node, int]:
    return {node: value._version for node, value in values.items() if isinstance(value, Tensor)}


def _cloned(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
