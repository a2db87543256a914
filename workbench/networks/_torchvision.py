"""Networks of torchvision by name, `torchvision/resnet18`, for ImageNet; their weights where the user has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..compat import torchvision
from ..core.errors import WorkbenchError
from ._normalised import normalised
from ._spec import NetworkSpec, Shape, counted

_WITHOUT_AUXILIARY = {"aux_logits": False, "init_weights": False}
_OPTIONS = {"googlenet": _WITHOUT_AUXILIARY, "inception_v3": _WITHOUT_AUXILIARY}
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def spec_of(name: str) -> NetworkSpec:
    """The description of `torchvision/<name>`; WorkbenchError lists what there is."""
    models = torchvision().models
    known = models.list_models(module=models)
    if name not in known:
        raise WorkbenchError(f"There is no network {f'torchvision/{name}'!r}; torchvision has {', '.join(known)}.")
    weights, preset = _weights(name), _weights(name).transforms()
    side = preset.crop_size[0]

    def make(shape: Shape, classes: int) -> nn.Module:
        options: dict[str, Any] = {"num_classes": classes, **_OPTIONS.get(name, {})}
        if name.startswith("vit_"):  # the only ones whose weights depend on the size of the image
            options["image_size"] = shape[-1]
        return normalised(models.get_model(name, weights=None, **options), preset.mean, preset.std)

    spec = NetworkSpec(
        name=f"torchvision/{name}",
        title=f"{name} (torchvision, ImageNet)",
        citation=f"TorchVision maintainers 2016, torchvision.models.{name}; {weights.meta['recipe']}",
        input_shape=(3, side, side),
        classes=len(weights.meta["categories"]),
        make=make,
        parameters=0,
        macs=0,
    )
    return counted(spec)


def tensors_of(name: str) -> dict[str, Tensor]:
    """The weights on this machine, else from torchvision's server; WorkbenchError says which file goes where."""
    weights = _weights(name)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        state: dict[str, Any] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        file = weights.url.rpartition("/")[2]
        raise WorkbenchError(
            f"The weights of torchvision/{name} cannot be had ({reason}); put {weights.url} into {folder} as {file}."
        ) from None
    fitting = {k: v for k, v in state.items() if not k.startswith(_AUXILIARY)}
    preset = weights.transforms()
    own = normalised(nn.Identity(), preset.mean, preset.std).state_dict()
    return own | {f"network.{k}": v for k, v in fitting.items()}


def _weights(name: str) -> Any:
    return torchvision().models.get_model_weights(name).DEFAULT
