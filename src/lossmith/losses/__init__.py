"""Losses: parts put together, as `keras.losses.Loss` objects."""

from lossmith.losses._decorator import loss
from lossmith.losses._loss import Loss
from lossmith.losses._objective import Objective

__all__ = ["Loss", "Objective", "loss"]
