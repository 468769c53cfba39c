"""Tell the documentation what `@part` does: it makes a dataclass, whose fields are arguments."""

from typing import Any

from griffe import Class, Decorator, ExprName, Extension

_DATACLASS = Decorator(ExprName("dataclasses.dataclass"), lineno=None, endlineno=None)


class Parts(Extension):
    """Adds to each `@part` the decorator that griffe knows."""

    def on_class_instance(self, *, cls: Class, **_: Any) -> None:
        """See each class as it is found."""
        if any(str(decorator.value) == "part" for decorator in cls.decorators):
            cls.decorators.append(_DATACLASS)
