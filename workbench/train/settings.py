"""Every setting of a training, and the ones that were found good for each network and dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.knob import knob, knobs_of


@dataclass(frozen=True)
class TrainSettings:
    """Says everything about a training besides network, dataset and teacher. KnobError for a value out of range.

    The augmentation, drawn evenly for every image of every batch: cuts the image out of itself with `crop` black
    pixels around, mirrors every other one with `flip`, and moves by up to `shift` pixels, turns by up to `rotation`
    degrees and scales by 1 - `scale` to 1 + `scale`.
    """

    epochs: int = knob(60, "passes over the training split", low=1, high=2000)
    batch: int = knob(64, "images per step", low=1, high=4096, log=True)
    optimizer: str = knob("adamw", "how weights follow gradients", choices=("adamw", "sgd"))
    learning_rate: float = knob(2e-3, "highest learning rate", low=1e-7, high=10.0, log=True)
    momentum: float = knob(0.9, "momentum of sgd (Nesterov); adamw's first moment", low=0.0, high=0.999)
    weight_decay: float = knob(1e-4, "decoupled for adamw; weights only, not biases", low=0.0, high=1.0)
    schedule: str = knob("cosine", "how the rate falls", choices=("cosine", "step", "constant"))
    step_epochs: int = knob(20, "epochs between two falls of schedule step", low=1, high=2000, unit="epochs")
    step_factor: float = knob(0.1, "what each fall of schedule step multiplies by", low=1e-3, high=1.0)
    warmup_epochs: float = knob(1.0, "linear rise before the schedule", low=0.0, high=100.0, unit="epochs")
    label_smoothing: float = knob(0.0, "share of the label given to all classes", low=0.0, high=0.9)
    crop: int = knob(0, "black border that a random cut-out may reach into", low=0, high=32, unit="pixels")
    flip: bool = knob(False, "mirror every other image left to right")
    shift: float = knob(0.0, "largest shift", low=0.0, high=14.0, unit="pixels")
    rotation: float = knob(0.0, "largest rotation", low=0.0, high=180.0, unit="degrees")
    scale: float = knob(0.0, "largest relative change of size", low=0.0, high=0.9)
    temperature: float = knob(4.0, "softens both distributions when there is a teacher", low=0.1, high=100.0)
    teacher_weight: float = knob(0.7, "share of the loss that follows the teacher, if any", low=0.0, high=1.0)
    patience: int = knob(0, "stop after so many epochs without a better one; 0 never", low=0, high=2000, unit="epochs")
    precision: str = knob(
        "float32",
        "of products while training; bfloat16 is faster on some CPUs",
        choices=("float32", "bfloat16"),
    )
    threads: int = knob(2, "torch's threads; another number rounds differently", low=1, high=256)
    seed: int = knob(0, "of initialisation, order and augmentation", low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        for name, declared in knobs_of(type(self)).items():
            object.__setattr__(self, name, declared.check(f"train: {name}", getattr(self, name)))


_DIGITS = TrainSettings(weight_decay=0.01, label_smoothing=0.05, shift=2.0, rotation=12.0, scale=0.12)
_MNIST = TrainSettings(
    batch=128, weight_decay=0.01, label_smoothing=0.05, shift=1.5, rotation=8.0, scale=0.08, threads=1
)
_CIFAR = TrainSettings(
    epochs=36,
    batch=128,
    optimizer="sgd",
    learning_rate=0.1,
    weight_decay=5e-4,
    warmup_epochs=2.0,
    crop=4,
    flip=True,
    precision="bfloat16",
    threads=1,
)
_FASHION = replace(_MNIST, shift=0.0, rotation=0.0, scale=0.0, crop=2, flip=True)
_USUAL = {
    "digits": _DIGITS,
    "mnist": _MNIST,
    "fashion_mnist": _FASHION,
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "shapes": _CIFAR,
}
_RECOMMENDED = {
    ("lenet_300_100", "digits"): replace(_DIGITS, epochs=200),
    ("lenet5", "digits"): replace(_DIGITS, epochs=100),
    ("lenet5_1998", "digits"): replace(_DIGITS, epochs=200),
    ("lenet5", "mnist"): replace(_MNIST, epochs=8),
    ("lenet_300_100", "mnist"): replace(_MNIST, epochs=30),
    ("lenet5_1998", "mnist"): replace(_MNIST, epochs=16),
    ("vgg_small", "cifar10"): replace(_CIFAR, epochs=24),
    ("mobilenet_v2", "cifar10"): replace(_CIFAR, epochs=40, weight_decay=1e-4, precision="float32", threads=2),
    ("resnet20", "shapes"): replace(_CIFAR, epochs=20),
    ("densenet_small", "shapes"): replace(_CIFAR, epochs=16),
}


def recommended(network: str, dataset: str) -> TrainSettings:
    """What the bundled weights were made with; for a pair that has none what suits the dataset, else the defaults."""
    return _RECOMMENDED.get((network, dataset), _USUAL.get(dataset, TrainSettings()))


def recovery_settings(dataset: str) -> TrainSettings:
    """For training that a method asks for after compressing: the dataset's augmentation, nothing else."""
    usual = _USUAL.get(dataset, TrainSettings())
    plain = replace(usual, weight_decay=0.0, warmup_epochs=0.0, label_smoothing=0.0)
    return replace(plain, optimizer="adamw", precision="float32")
