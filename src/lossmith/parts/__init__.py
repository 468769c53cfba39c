"""Parts that a loss is put together from: one file a kind."""

from lossmith.parts import adjust, errors, masks, schedules, select, weights

__all__ = ["adjust", "errors", "masks", "schedules", "select", "weights"]
