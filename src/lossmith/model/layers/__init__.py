"""`lm.layers`: layers that add a loss to whatever model they stand in."""

from lossmith.model.layers._endpoint import LossEndpoint
from lossmith.model.layers._step_loss import StepLossRNN

__all__ = ["LossEndpoint", "StepLossRNN"]
