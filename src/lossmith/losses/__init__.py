"""Losses: parts put together, as `keras.losses.Loss` objects."""

from lossmith.losses._ctc import CTC
from lossmith.losses._decorator import loss
from lossmith.losses._dilate import DILATE
from lossmith.losses._linear_cross_entropy import LinearCrossEntropy
from lossmith.losses._loss import Loss
from lossmith.losses._objective import Objective
from lossmith.losses._soft_dtw import SoftDTW
from lossmith.losses._transducer import Transducer

__all__ = [
    "CTC",
    "DILATE",
    "LinearCrossEntropy",
    "Loss",
    "Objective",
    "SoftDTW",
    "Transducer",
    "loss",
]
