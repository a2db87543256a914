"""Where every channel goes, operation by operation: from the layer that makes it to the layers that read it.

Follows sums, products, concatenations, reshapes that lay whole maps out in rows, and layers that run more than once.
What cannot be traced as a whole is followed inside those of its parts that can.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..core.layer import acts_on
from .group import IN, OUT, Group, is_depthwise, is_grouped, produces
from .units import FIXED, Labels, Units, lone
from .watch import Shape, Watched

_SAME = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.GELU, nn.Tanh),
    *(nn.Sigmoid, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.Softsign, nn.Identity),
    *(nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
    *(nn.AdaptiveMaxPool2d, nn.LPPool2d, nn.Upsample, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d),
)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_SAME_CALLS = {
    *("relu", "relu6", "leaky_relu", "elu", "silu", "mish", "hardswish", "gelu", "tanh", "sigmoid", "hardsigmoid"),
    *("hardtanh", "softplus", "clamp", "abs", "neg", "square", "sqrt", "pow", "exp", "sign", "dropout", "dropout2d"),
    *("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "contiguous"),
    *("interpolate", "pad", "clone", "detach", "float", "to", "identity", "alpha_dropout", "zeros_like"),
}
_TOGETHER = {"add", "sub", "mul", "div", "truediv", "iadd", "isub", "imul", "itruediv", "maximum", "minimum"}
_SIDE_BY_SIDE = {"cat", "concat", "concatenate"}
_RESHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze"}
_REDUCES = {"mean", "sum", "amax", "amin"}
_LOOKS = {"size", "getattr", "dim", "ndimension", "numel"}
ANSWER = "it gives the network's answer, one unit for each class"


def flow_of(network: nn.Module, seen: Watched, input_shape: Sequence[int]) -> list[Group]:
    """The groups of every convolution and linear layer, with a reason where channels must stay or cannot be followed.

    network: in eval mode; its tensors are only read. seen: what `watch` says of it.
    """
    groups, reasons = list[Group](), dict[str, str]()
    _follow(network, "", seen, ((1, *input_shape),), groups, reasons)
    done = {name for group in groups for name in group.producers}
    for name, module in network.named_modules():
        if acts_on(module) and name not in done and produces(module):
            place = max((path for path in reasons if f"{name}.".startswith(f"{path}." if path else "")), key=len)
            why = reasons[place] if name in seen.order else "none of the images that were tried made it run"
            groups.append(lone(name, module, why))
    return groups


def _follow(
    module: nn.Module, path: str, seen: Watched, shapes: Sequence[Shape], groups: list[Group], reasons: dict[str, str]
) -> None:
    """Adds the groups inside `module`, or why there are none and those of its children."""
    if isinstance(module, nn.ModuleList | nn.ModuleDict):  # it has no forward: whoever holds it runs its parts
        reasons[path] = reasons[path.rpartition(".")[0]]
    try:
        walk = _Walk(module, path, reasons)
        with torch.no_grad():
            walk.run(*(torch.rand(shape) for shape in shapes))
    except Exception as error:  # the tracer meets arbitrary forward code
        reasons[path] = reasons[path] if path in reasons else _in_words(path, module, error, seen)
        for name, child in module.named_children():
            place = f"{path}.{name}" if path else name
            if any(map(produces, child.modules())) and not produces(child):
                _follow(child, place, seen, seen.inputs.get(place, ()), groups, reasons)
        return
    reasons.setdefault(path, "it does not run where its channels could be followed")
    groups += [group for group in walk.units.groups() if path == "" or _only_here(group, path, seen)]


def _only_here(group: Group, path: str, seen: Watched) -> bool:
    return all(path in seen.within.get(member.module, ()) for member in group.members)


def _in_words(path: str, module: nn.Module, error: Exception, seen: Watched) -> str:
    kind = type(module).__name__ + (f" ({path})" if path else "")
    if any(place == path or place.startswith(f"{path}." if path else "") for place in seen.decides):
        return f"{kind} looks at values to decide what to do, so one image does not show where its channels go"
    said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
    return f"the way of its channels through {kind} cannot be followed: {said}"


class _Walk(fx.Interpreter):
    """Runs a module once and labels the channels of everything it computes."""

    def __init__(self, module: nn.Module, path: str, reasons: dict[str, str]) -> None:
        super().__init__(fx.GraphModule(module, fx.Tracer().trace(module)))
        self.prefix = f"{path}." if path else ""
        outside = reasons.get(path.rpartition(".")[0], "") if path else ""
        self.leaving = f"its channels leave {path}, and {outside}" if path else ANSWER
        self.entering = f"what enters {path}" if path else "the network's input"
        self.units = Units()
        self.labels: dict[fx.Node, Labels] = {}
        self.shapes: dict[fx.Node, Shape] = {}
        self.held: dict[fx.Node, str] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        shape = tuple(value.shape) if isinstance(value, Tensor) else ()
        self.shapes[n] = shape
        if n.op == "get_attr" or (n.all_input_nodes and all(node in self.held for node in n.all_input_nodes)):
            self.held[n] = self.held[n.all_input_nodes[0]] if n.all_input_nodes else f"{self.prefix}{n.target}"
        labels = self._labels(n, shape)
        if len(shape) > 1:
            self.labels[n] = labels if labels is not None else [FIXED] * shape[1]
        return value

    def _labels(self, n: fx.Node, shape: Shape) -> Labels | None:
        """The labels along the second dimension, or None when none is a unit of a layer."""
        if n.op in ("placeholder", "get_attr"):
            return None
        if n.op == "output":
            return self._pin(n, self.leaving)
        if n.op == "call_module":
            return self._module(n, str(n.target), shape)
        name = _name(n)
        if name in _LOOKS:
            return None
        given = self._given(n)
        if name in _SAME_CALLS and len(given) == 1 and shape[:2] == self._shape(n)[:2]:
            return given[0]
        rules = ((_TOGETHER, self._sum), (_SIDE_BY_SIDE, self._beside), (_RESHAPES, self._reshaped))
        for names, rule in (*rules, (_REDUCES, self._reduced)):
            if name in names:
                return rule(n, shape)
        held = next((self.held[node] for node in n.all_input_nodes if node in self.held), None)
        if held is not None:
            return self._pin(n, f"its channels go through {name} with {held}, which keeps its size")
        return self._pin(n, f"its channels go through {name}, behind which each must stay in its place")

    def _module(self, n: fx.Node, target: str, shape: Shape) -> Labels | None:
        module, name = self.fetch_attr(target), self.prefix + target
        given, before = self._given(n), self._shape(n)
        if len(given) != 1:
            return self._pin(n, f"its channels go through {name}, which takes more than one input")
        if isinstance(module, nn.Linear) and len(before) != 2:
            self.units.pin(self.units.make(name, module.out_features), f"{name} reads along another axis")
            return self._pin(n, f"{name} reads along another axis")
        if is_grouped(module):
            why = f"{name} is a grouped convolution, whose groups must stay equally wide"
            self.units.pin(self.units.make(name, shape[1]), why)
            return self._pin(n, why) or self.units.make(name, shape[1])
        if produces(module):
            self.units.place(name, IN, given[0])
            return self.units.make(name, shape[1])
        if isinstance(module, _NORMS) and module.weight is None:
            return self._pin(n, f"{name} has no scale and shift, so that a silent unit does not stay silent behind it")
        if is_depthwise(module) or isinstance(module, _NORMS):
            self.units.place(name, OUT, given[0])
            return given[0]
        if isinstance(module, nn.Flatten):
            return self._reshaped(n, shape)
        if isinstance(module, _SAME) and shape[:2] == before[:2]:
            return given[0]
        kind = type(module).__name__
        return self._pin(n, f"its channels go through {name} ({kind}), behind which each must stay in its place")

    def _sum(self, n: fx.Node, shape: Shape) -> Labels | None:
        """Tensors that are added or multiplied entry by entry: equal positions are one unit."""
        together: Labels | None = None
        for node in n.all_input_nodes:
            size = (*([1] * (len(shape) - len(self.shapes[node]))), *self.shapes[node])
            labels = self.labels.get(node, [])
            if size[1:2] != shape[1:2] or len(self.shapes[node]) != len(shape):
                self.units.pin(labels, f"one channel of it meets all channels of something else in {_name(n)}")
            if len(size) < 2 or size[1] != shape[1]:
                continue
            mine = labels if len(self.shapes[node]) == len(shape) else [FIXED] * shape[1]
            if together is None:
                together, first = mine, node
                continue
            fixed = node if FIXED in mine else first
            self.units.join(together, mine, f"its channels meet {self._source(fixed)}, which keeps its size")
            together = [b if a == FIXED else a for a, b in zip(together, mine, strict=True)]
        return together

    def _beside(self, n: fx.Node, shape: Shape) -> Labels | None:
        parts = list(n.args[0]) if n.args else list(n.kwargs["tensors"])  # type: ignore[arg-type]
        dim = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim", n.kwargs.get("axis", 0))
        if not isinstance(dim, int) or dim % len(shape) != 1:
            return self._pin(n, "its channels are put beside others along another axis")
        return [label for part in parts for label in self.labels[part]]

    def _reshaped(self, n: fx.Node, shape: Shape) -> Labels | None:
        before, given = self._shape(n), self._given(n)
        written = _written(n)
        if len(given) != 1 or len(shape) < 2 or shape[0] != before[0]:
            return self._pin(n, f"its channels go through {_name(n)}, behind which each must stay in its place")
        if written is not None:
            return self._pin(n, f"{_name(n)} has the number {written} written into it, which counts its channels")
        if shape[:2] == before[:2]:
            return given[0]
        if len(shape) == 2 and shape[1] == math.prod(before[1:]):  # maps laid out in a row, one after the other
            return [label for label in given[0] for _ in range(math.prod(before[2:]))]
        return self._pin(n, f"its channels go through {_name(n)}, behind which each must stay in its place")

    def _reduced(self, n: fx.Node, shape: Shape) -> Labels | None:
        before, dims = self._shape(n), n.args[1] if len(n.args) > 1 else n.kwargs.get("dim")
        dims = (dims,) if isinstance(dims, int) else dims
        if not isinstance(dims, tuple | list) or any(d % len(before) < 2 for d in dims):
            return self._pin(n, f"its channels are taken together by {_name(n)}")
        return self._given(n)[0]

    def _source(self, n: fx.Node) -> str:
        """What gives channels that belong to no layer, in words."""
        if n.op == "placeholder":
            return self.entering
        return self.held.get(n, f"what {_name(n)} gives")

    def _pin(self, n: fx.Node, why: str) -> Labels | None:
        """Whatever comes here stays as it is, and what comes out has no labels."""
        for labels in self._given(n):
            self.units.pin(labels, why)
        return None

    def _given(self, n: fx.Node) -> list[Labels]:
        return [self.labels[node] for node in n.all_input_nodes if node in self.labels]

    def _shape(self, n: fx.Node) -> Shape:
        return next((self.shapes[node] for node in n.all_input_nodes if node in self.labels), ())


def _name(n: fx.Node) -> str:
    name = n.target if isinstance(n.target, str) else getattr(n.target, "__name__", n.name)
    return name.strip("_") if name.strip("_") in (*_SAME_CALLS, *_TOGETHER) else name


def _written(n: fx.Node) -> int | None:
    """The number that a view or reshape gives its second dimension, where it is written down."""
    if _name(n) not in ("view", "reshape"):
        return None
    sizes = list(_flat(n.args[1:]))
    second = sizes[1] if len(sizes) > 1 else -1
    return second if isinstance(second, int) and second > 1 else None


def _flat(sizes: Any) -> Iterator[Any]:
    for size in sizes:
        if isinstance(size, tuple | list):
            yield from _flat(size)
        else:
            yield size
