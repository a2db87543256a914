"""Networks of timm by name, `timm/ghostnet_100`, for ImageNet; timm comes with the extra `zoo`."""

from __future__ import annotations

from types import ModuleType

from torch import Tensor, nn

from ..compat import torchvision
from ..core.errors import WorkbenchError
from ._normalised import normalised
from ._spec import NetworkSpec, Shape, counted


def spec_of(name: str) -> NetworkSpec:
    """The description of `timm/<name>`; WorkbenchError when timm is missing or has no such network."""
    timm = _library()
    if name not in timm.list_models():
        near = timm.list_models(f"*{name[:4]}*")[:8]
        hint = f"it has {', '.join(near)} and others" if near else "timm.list_models() lists them"
        raise WorkbenchError(f"There is no network {f'timm/{name}'!r} in timm {timm.__version__}; {hint}.")
    found = timm.get_pretrained_cfg(name)
    shape, mean, std, classes = found.input_size, found.mean, found.std, found.num_classes

    def make(shape: Shape, classes: int) -> nn.Module:
        return normalised(timm.create_model(name, pretrained=False, num_classes=classes), mean, std)

    spec = NetworkSpec(
        name=f"timm/{name}",
        title=f"{name} (timm, ImageNet)",
        citation=f"Wightman 2019, PyTorch image models: {name}.",
        input_shape=tuple(shape),
        classes=classes,
        make=make,
        parameters=0,
        macs=0,
    )
    return counted(spec)


def tensors_of(name: str) -> dict[str, Tensor]:
    """The weights in timm's cache, else from its server; WorkbenchError when they cannot be had."""
    timm = _library()
    found = timm.get_pretrained_cfg(name)
    try:
        network = timm.create_model(name, pretrained=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise WorkbenchError(f"The weights of timm/{name} cannot be had: {reason}.") from None
    return normalised(network, found.mean, found.std).state_dict()


def _library() -> ModuleType:
    torchvision()  # timm imports it, and cannot mend what may be amiss with it
    try:
        import timm
    except ImportError:
        raise WorkbenchError("Networks of timm need timm: `pip install timm` brings it.") from None
    found: ModuleType = timm
    return found
