"""Other ways back through a network than its gradient: what guided backpropagation, DeepLift and LRP are made of.

Captum hooks modules for this, so it is silently wrong where a network calls functions, runs a module twice or adds a
shortcut. Here torch's functions themselves are met on the way, whoever calls them, and what comes out is checked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..layers.activations import InputQuantizer, rounded

_POINTWISE = (
    *("relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish", "tanh"),
    *("hardtanh", "softsign", "sigmoid", "hardsigmoid", "softplus", "logsigmoid", "threshold", "clamp", "clip"),
)
_PRODUCTS = ("mul", "multiply", "__mul__", "__rmul__", "__imul__")
_SUMS = ("add", "sub", "__add__", "__radd__", "__iadd__", "__sub__", "__isub__")
_AFFINE = ("conv1d", "conv2d", "conv_transpose2d", "linear")
_TINY = 1e-7


def constant(network: nn.Module) -> nn.Module:
    """A copy in eval mode that shares the numbers and asks for no gradient of its parameters."""
    held = [t for m in network.modules() for t in (*m._parameters.values(), *m._buffers.values(), *vars(m).values())]
    memo: dict[int, Any] = {id(t): _constant(t) for t in held if isinstance(t, Tensor)}
    return copy.deepcopy(network, memo).eval()


def _constant(t: Tensor) -> Tensor:
    return nn.Parameter(t.detach(), requires_grad=False) if isinstance(t, nn.Parameter) else t.detach()


class Rules(TorchFunctionMode):
    """Inside `with`, functions on what depends on the image go their own way back; their values stay the same."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        plain = name if name.startswith("__") else name.rstrip("_")
        if args and isinstance(args[0], Tensor) and any(isinstance(a, Tensor) and a.requires_grad for a in args):
            found = self.rule(plain, func, args, kwargs)
            if found is not None:
                in_place = name != plain or kwargs.get("inplace") or name in ("__imul__", "__iadd__", "__isub__")
                return args[0].copy_(found) if in_place else found
        return self.seen(plain, func(*args, **kwargs))

    def rule(self, name: str, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Tensor | None:
        """What the function gives, or None to let it run as it is."""
        return None

    def seen(self, name: str, result: Any) -> Any:
        """A look at what a function without a rule gave."""
        return result

    def attach(self, network: nn.Module) -> nn.Module:
        """A copy of `network` for use inside `with`: rounding of activations is a function like others."""
        twin = constant(network)
        for module in twin.modules():
            if isinstance(module, InputQuantizer):
                module.register_forward_hook(self._rounded)
        return twin

    def _rounded(self, module: InputQuantizer, args: Any, out: Tensor) -> Tensor:
        def run(x: Tensor) -> Tensor:
            return rounded(x, module.scale, module.low, module.high)

        with _plainly():
            found = self.rule("rounded", run, args, {})
        return out if found is None else found


class Guided(Rules):
    """Gradients go back through a ReLU only where they are positive. Springenberg et al. 2015.

    met: how many ReLUs (also those that stop at 6).
    """

    def __init__(self) -> None:
        super().__init__()
        self.met = 0

    def rule(self, name: str, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Tensor | None:
        low = kwargs.get("min_val", args[1] if len(args) > 1 else -1.0)
        if name not in ("relu", "relu6") and not (name == "hardtanh" and low == 0):
            return None
        self.met += 1
        out: Tensor = func(args[0].clone(), *args[1:], **kwargs)
        out.register_hook(lambda g: g.clamp_min(0))
        return out


class LastMap(Rules):
    """found: the last map (n, channels, h, w) of the size that the last convolution gave, behind norms and sums."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Tensor | None = None

    def seen(self, name: str, result: Any) -> Any:
        if name == "__get__" or not isinstance(result, Tensor) or result.ndim != 4 or not result.requires_grad:
            return result
        convolved = name.startswith("conv") and result.shape[-2:].numel() > 1
        if convolved or (self.found is not None and result.shape[-2:] == self.found.shape[-2:]):
            self.found = result
        return result


class Rescaled(Rules):
    """DeepLift's rescale rule: a function passes on its change over that of its input. Shrikumar et al. 2017.

    The batch holds the images and then, in the same order, what they are compared with.
    """

    def rule(self, name: str, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Tensor | None:
        if name in _POINTWISE or name == "rounded":
            return _pointwise(lambda x: func(x, *args[1:], **kwargs), args[0], self._slopes)
        if name == "max_pool2d":
            return _pooled(args[0], *args[1:], **kwargs)
        if name in _PRODUCTS and len(args) == 2 and _both(args):
            a, b = args
            return _valued(a * _mean_of_halves(b) + _mean_of_halves(a) * b, a.detach() * b.detach())
        return None

    @staticmethod
    def _slopes(x: Tensor, value: Tensor, slope: Callable[[], Tensor]) -> Tensor:
        change, out = torch.sub(*x.chunk(2)), torch.sub(*value.chunk(2))
        small = change.abs() <= _TINY
        half = torch.where(small, slope().chunk(2)[0], out / torch.where(small, torch.ones_like(change), change))
        return torch.cat([half, half])


class Relevance(Rules):
    """LRP's z rule, the limit of the epsilon rule: relevance is shared in proportion to what each input adds.

    Bach et al. 2015. constants: (tensor, how it enters) of every bias met, which hold the rest of the score.
    A function f passes on f(z) / z, a pool of maxima all to the winner, a product half to each factor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.constants: list[Tensor] = []

    def rule(self, name: str, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Tensor | None:
        if name in _POINTWISE or name == "rounded":
            return self._function(lambda x: func(x, *args[1:], **kwargs), args[0])
        if name in _PRODUCTS and len(args) == 2 and _both(args):
            a, b = args
            return _valued((a * b.detach() + a.detach() * b) / 2, a.detach() * b.detach())
        if name in _AFFINE:
            return self._affine(func, list(args), kwargs)
        if name == "batch_norm":
            return self._normed(*args, **kwargs)
        if name in _SUMS and len(args) == 2 and not kwargs:
            return self._summed(func, *args)
        return None

    def held(self, score: Tensor) -> Tensor:
        """What the biases add to the sum of `score`: a number. To be asked before the graph is gone."""
        found = torch.autograd.grad(score.sum(), self.constants, retain_graph=True, allow_unused=True)
        parts = [(g * c.detach()).sum() for g, c in zip(found, self.constants, strict=True) if g is not None]
        return torch.stack(parts).sum() if parts else torch.zeros(())

    def _function(self, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """What it gives for 0 is a constant, as a bias is."""
        start = run(torch.zeros_like(x)).detach()
        if not bool(start.any()):
            return _pointwise(run, x, self._shares)
        return _pointwise(lambda x: run(x) - start, x, self._shares) + self._leaf(start)

    def _leaf(self, value: Tensor) -> Tensor:
        leaf = value.detach().clone().requires_grad_()
        self.constants.append(leaf)
        return leaf

    def _affine(self, func: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Tensor:
        if len(args) > 2 and args[2] is not None:
            args[2] = self._leaf(args[2])
        elif kwargs.get("bias") is not None:
            kwargs["bias"] = self._leaf(kwargs["bias"])
        out: Tensor = func(*args, **kwargs)
        return out

    def _normed(
        self, x: Tensor, mean: Tensor, var: Tensor, weight: Any = None, bias: Any = None, *rest: Any, **more: Any
    ) -> Tensor | None:
        eps = rest[2] if len(rest) > 2 else more.get("eps", 1e-5)
        if mean is None or (rest[0] if rest else more.get("training", False)):
            return None
        scale = (torch.ones_like(var) if weight is None else weight) / (var + eps).sqrt()
        shift = self._leaf((torch.zeros_like(var) if bias is None else bias) - mean * scale)
        return F.batch_norm(x, torch.zeros_like(mean), var, weight, shift, False, 0.0, eps)

    def _summed(self, func: Callable[..., Any], a: Tensor, b: Any) -> Tensor | None:
        if isinstance(b, Tensor) and b.requires_grad:
            return None if a.requires_grad else _tensor(func(self._leaf(a), b))
        other = self._leaf(torch.as_tensor(b, dtype=a.dtype, device=a.device))
        return _tensor(func(a.clone(), other))

    @staticmethod
    def _shares(x: Tensor, value: Tensor, slope: Callable[[], Tensor]) -> Tensor:
        small = x.abs() <= _TINY
        return torch.where(small, slope(), value / torch.where(small, torch.ones_like(x), x))


def relus_in(score: Tensor) -> int:
    """How many ReLUs the graph behind a score has, whoever called them."""
    seen, todo, count = set[Any](), [score.grad_fn], 0
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        count += node.name() == "ReluBackward0"
        todo += [before for before, _ in node.next_functions]
    return count


class _Valued(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, way_back: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def _valued(way_back: Tensor, value: Tensor) -> Tensor:
    """`value`, whose gradient goes the way of `way_back`."""
    out: Tensor = _Valued.apply(way_back, value)  # type: ignore[no-untyped-call]
    return out


def _pointwise(
    run: Callable[[Tensor], Tensor], x: Tensor, slopes: Callable[[Tensor, Tensor, Callable[[], Tensor]], Tensor]
) -> Tensor:
    """run(x), going back by `slopes` instead of its derivative."""
    at = x.detach()
    value = run(at.clone()).detach()

    def slope() -> Tensor:
        leaf = at.clone().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(run(leaf * 1).sum(), leaf)[0]

    return _valued(x * slopes(at, value, slope), value)


def _pooled(x: Tensor, *settings: Any, **more: Any) -> Tensor:
    """The change of a maximum belongs to whichever is the larger: the image's winner, or the other's."""
    more = {k: v for k, v in more.items() if k != "return_indices"}
    with torch.no_grad():
        value, place = F.max_pool2d(x, *settings, **more, return_indices=True)
        (new, old), (a, b) = value.chunk(2), place.flatten(2).chunk(2)
        at = torch.where((new >= old).flatten(2), a, b)
        change = torch.sub(*(half.flatten(2).gather(2, at) for half in x.chunk(2)))
        small = change.abs() <= _TINY
        share = torch.where(
            small, torch.ones_like(change), (new - old).flatten(2) / torch.where(small, torch.ones_like(change), change)
        )
    return _valued((x.flatten(2).gather(2, torch.cat([at, at])) * torch.cat([share, share])).view_as(value), value)


def _tensor(found: object) -> Tensor:
    assert isinstance(found, Tensor)
    return found


def _both(args: Iterable[Any]) -> bool:
    return all(isinstance(a, Tensor) and a.requires_grad for a in args)


def _mean_of_halves(x: Tensor) -> Tensor:
    half = torch.stack(x.detach().chunk(2)).mean(0)
    return torch.cat([half, half])


def _plainly() -> AbstractContextManager[None]:
    return torch._C.DisableTorchFunction()


__all__ = ["Guided", "LastMap", "Relevance", "Rescaled", "Rules", "constant", "relus_in"]
