"""LSM401: a loss whose own arguments are not saved."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.configs import (
    asks_the_base,
    bases_are_known,
    config_items,
    is_init,
    only_dict,
    own_arguments,
    saved_keys,
    takes_reduction,
)
from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import loss_classes
from lossmith.lint.module import Function, Module
from lossmith.lint.rule import Flagged, Rule


class MissingGetConfig(Rule):
    """A loss class takes arguments that its `get_config` does not hold.

    Why it is bad:
        A saved model is loaded with the defaults, without a word: what was trained with
        `alpha=2.0` goes on with `alpha=0.5`. A config without that of the base forgets name and
        reduction in the same way.

    Example:
        def __init__(self, power=2.0, **kwargs):
            super().__init__(**kwargs)
            self.power = power

    Use instead:
        def __init__(self, power=2.0, **kwargs):
            super().__init__(**kwargs)
            self.power = power
        def get_config(self):
            return super().get_config() | {"power": self.power}

    Fix safety:
        Safe: it changes no value. Offered where each argument is kept on `self` as it was given.
    """

    code = "LSM401"
    name = "missing-get-config"
    confirmed_by = ("serialisation",)
    fix = "safe"
    flags = (
        Flagged(
            """
            import keras

            class Power(keras.losses.Loss):
                def __init__(self, power=2.0, **kwargs):
                    super().__init__(**kwargs)
                    self.power = power

                def call(self, y_true, y_pred):
                    return abs(y_true - y_pred) ** self.power
            """,
            "`Power` has no `get_config`: `power` is lost when the model is saved",
            3,
            0,
            """
            import keras

            class Power(keras.losses.Loss):
                def __init__(self, power=2.0, **kwargs):
                    super().__init__(**kwargs)
                    self.power = power

                def get_config(self):
                    return super().get_config() | {"power": self.power}

                def call(self, y_true, y_pred):
                    return abs(y_true - y_pred) ** self.power
            """,
        ),
        Flagged(
            """
            import keras

            class Scaled(keras.losses.Loss):
                def __init__(self, scale=1.0, power=2.0, **kwargs):
                    super().__init__(**kwargs)
                    self.scale, self._power = scale, power

                def call(self, y_true, y_pred):
                    return self.scale * abs(y_true - y_pred) ** self._power

                def get_config(self):
                    return super().get_config() | {"scale": self.scale}  # all of it
            """,
            "`get_config` leaves out `power`: it is lost when the model is saved",
            11,
            4,
            """
            import keras

            class Scaled(keras.losses.Loss):
                def __init__(self, scale=1.0, power=2.0, **kwargs):
                    super().__init__(**kwargs)
                    self.scale, self._power = scale, power

                def call(self, y_true, y_pred):
                    return self.scale * abs(y_true - y_pred) ** self._power

                def get_config(self):
                    return super().get_config() | {"scale": self.scale, "power": self._power}  # all of it
            """,  # noqa: E501
        ),
        Flagged(
            """
            import keras

            class Quantile(keras.losses.Loss):
                def __init__(self, quantile=0.5, **kwargs):
                    super().__init__(**kwargs)
                    self.quantile = quantile

                def call(self, y_true, y_pred):
                    error = y_true - y_pred
                    return self.quantile * abs(error)

                def get_config(self):
                    return {"quantile": self.quantile}
            """,
            "`get_config` leaves out that of the base: name and reduction are lost when the model"
            " is saved",
            12,
            4,
            """
            import keras

            class Quantile(keras.losses.Loss):
                def __init__(self, quantile=0.5, **kwargs):
                    super().__init__(**kwargs)
                    self.quantile = quantile

                def call(self, y_true, y_pred):
                    error = y_true - y_pred
                    return self.quantile * abs(error)

                def get_config(self):
                    return super().get_config() | {"quantile": self.quantile}
            """,
        ),
        Flagged(
            """
            import keras
            from keras import ops

            class Weighted(keras.losses.Loss):
                def __init__(self, weights, name="weighted"):
                    super().__init__(name=name)
                    self.weights = ops.convert_to_tensor(weights)

                def call(self, y_true, y_pred):
                    return self.weights * abs(y_true - y_pred)
            """,
            "`Weighted` has no `get_config`: `weights` is lost when the model is saved",
            4,
            0,
        ),
    )
    passes = (
        """
        import keras

        class Power(keras.losses.Loss):
            def __init__(self, power=2.0, **kwargs):
                super().__init__(**kwargs)
                self.power = power

            def call(self, y_true, y_pred):
                return abs(y_true - y_pred) ** self.power

            def get_config(self):
                config = super().get_config()
                config.update(power=self.power)
                return config
        """,
        """
        import keras

        class Absolute(keras.losses.Loss):
            def __init__(self, reduction="sum", name="absolute"):
                super().__init__(reduction=reduction, name=name)

            def call(self, y_true, y_pred):
                return abs(y_true - y_pred)
        """,
        """
        import keras

        class Scaled(keras.losses.Loss):
            def __init__(self, scale, **kwargs):
                super().__init__(**kwargs)
                self.scale = scale

            def get_config(self):
                return super().get_config() | {"scale": self.scale}

        class Powered(Scaled):
            def __init__(self, scale, power, **kwargs):
                super().__init__(scale, **kwargs)
                self.power = power

            def get_config(self):
                return super().get_config() | {"power": self.power}
        """,
        """
        import keras

        class Kept(keras.losses.Loss):
            def __init__(self, low, high, **kwargs):
                super().__init__(**kwargs)
                self.low, self.high = low, high

            def get_config(self):
                return super().get_config() | {k: vars(self)[k] for k in ("low", "high")}
        """,
    )

    def find_in_module(self, module: Module) -> Iterator[Finding]:
        """Compare what `__init__` takes with what `get_config` holds."""
        for node in loss_classes(module):
            arguments = own_arguments(module, node)
            if not arguments or not bases_are_known(module, node):
                continue
            config = module.method(node, "get_config")
            if config is None:
                message = (
                    f"`{node.name}` has no `get_config`: {_named(arguments)} lost when the model"
                    " is saved"
                )
                yield self.at(node, message, self._write(node, arguments))
            elif config in node.body:
                yield from self._incomplete(node, config, arguments)

    def _incomplete(
        self, node: ast.ClassDef, config: Function, arguments: list[str]
    ) -> Iterator[Finding]:
        held = saved_keys(self.module, node, config)
        if held is None:
            return
        missing = [name for name in arguments if name not in held]
        if missing:
            pronoun = "it is" if len(missing) == 1 else "they are"
            names = ", ".join(f"`{name}`" for name in missing)
            message = f"`get_config` leaves out {names}: {pronoun} lost when the model is saved"
            yield self.at(config, message, self._add(node, config, missing))
        elif (
            not asks_the_base(config)
            and "reduction" not in held
            and takes_reduction(self.module, node)
        ):
            message = (
                "`get_config` leaves out that of the base: name and reduction are lost when the"
                " model is saved"
            )
            yield self.at(config, message, self._join(config))

    def _write(self, node: ast.ClassDef, arguments: list[str]) -> Fix | None:
        """Put a `get_config` below `__init__`."""
        init = next((x for x in node.body if is_init(x)), None)
        items = config_items(node, arguments)
        if init is None or items is None:
            return None
        indent = self.module.indent(init)
        body = f"{indent}    return super().get_config() | {{{items}}}"
        text = f"\n{indent}def get_config(self):\n{body}"
        line = (init.end_lineno or init.lineno) + 1
        return self.mend("write `get_config`", self.module.insert_line(line, text))

    def _add(self, node: ast.ClassDef, config: Function, missing: list[str]) -> Fix | None:
        literal, items = only_dict(config), config_items(node, missing)
        if literal is None or items is None or not literal.values:
            return None
        last = literal.values[-1]
        edit = self.module.replace(last, f"{self.module.source(last)}, {items}")
        return self.mend("save them too", edit)

    def _join(self, config: Function) -> Fix | None:
        match config.body[-1]:
            case ast.Return(value=ast.Dict() as literal):
                text = f"super().get_config() | {self.module.source(literal)}"
                return self.mend("add that of the base", self.module.replace(literal, text))
            case _:
                return None


def _named(arguments: list[str]) -> str:
    names = ", ".join(f"`{name}`" for name in arguments)
    return f"{names} {'is' if len(arguments) == 1 else 'are'}"
