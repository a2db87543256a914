"""The only training loop, from scratch and after compressing; losses and schedules."""

from ..core.training import EpochRow
from .home import KeptTraining, Plan
from .losses import cross_entropy, distilled
from .recovery import fitter
from .scratch import Trained, Trainer, train_network
from .settings import TrainSettings, recommended, recovery_settings
from .weights import command_for, save_weights, train_to_file

__all__ = [
    "EpochRow",
    "KeptTraining",
    "Plan",
    "TrainSettings",
    "Trained",
    "Trainer",
    "command_for",
    "cross_entropy",
    "distilled",
    "fitter",
    "recommended",
    "recovery_settings",
    "save_weights",
    "train_network",
    "train_to_file",
]
