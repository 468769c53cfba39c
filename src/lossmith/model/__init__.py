"""Models whose losses see everything."""

from lossmith.model.mixin import ModelMixin
from lossmith.model.model import Model

__all__ = ["Model", "ModelMixin"]
