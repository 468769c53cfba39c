"""LSM304: `log(sum(exp(x)))`, which overflows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.numerics import stable
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule


class UseLogsumexp(Rule):
    """The log of a sum of exponentials is written out, and nothing is subtracted before.

    Why it is bad:
        exp overflows at 89 in float32 and at 12 in float16: one large logit and the loss is
        infinite. Where all exponents are below -104, the sum is 0 and the log -inf.

    Example:
        total = ops.log(ops.sum(ops.exp(y_pred), axis=-1))

    Use instead:
        total = ops.logsumexp(y_pred, axis=-1)

    Fix safety:
        Safe: the same function, without the overflow. Offered for one expression.
    """

    code = "LSM304"
    name = "use-logsumexp"
    confirmed_by = ("extremes", "half-precision")
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                total = ops.log(ops.sum(ops.exp(y_pred), axis=-1))
                return total - ops.sum(y_true * y_pred, axis=-1)
            """,
            "log of a sum of exponentials: `exp` overflows at 89, in float16 at 12",
            4,
            12,
            """
            from keras import ops

            def loss(y_true, y_pred):
                total = ops.logsumexp(y_pred, axis=-1)
                return total - ops.sum(y_true * y_pred, axis=-1)
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                scores = y_pred / 0.1
                total = tf.math.log(tf.reduce_sum(tf.exp(scores), axis=-1, keepdims=True))
                return -tf.reduce_sum(y_true * (scores - total), axis=-1)
            """,
            "log of a sum of exponentials: `exp` overflows at 89, in float16 at 12",
            5,
            12,
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                scores = y_pred / 0.1
                total = tf.reduce_logsumexp(scores, axis=-1, keepdims=True)
                return -tf.reduce_sum(y_true * (scores - total), axis=-1)
            """,
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                scores = torch.exp(y_pred)
                return torch.log(scores.sum(dim=-1)) - (y_true * y_pred).sum(dim=-1)
            """,
            "log of a sum of exponentials: `exp` overflows at 89, in float16 at 12",
            5,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.logsumexp(y_pred, axis=-1) - ops.sum(y_true * y_pred, axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            total = ops.log(ops.sum(ops.exp(y_pred - largest), axis=-1, keepdims=True))
            return -ops.sum(y_true * (y_pred - largest - total), axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.log(ops.sum(y_pred, axis=-1) + 1) - ops.sum(ops.exp(y_true), axis=-1)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for logs of sums and means of exponentials."""
        for operation in loss.operations:
            if operation.name != "log" or not loss.value(operation.node).from_data:
                continue
            total = loss.source_of(operation.get("x"), "sum", "mean")
            exp = loss.source_of(total.get("x"), "exp") if total else None
            if total and exp and not _is_shifted(loss, exp.get("x")):
                message = "log of a sum of exponentials: `exp` overflows at 89, in float16 at 12"
                yield self.at(operation.node, message, self._fix(operation, loss))

    def _fix(self, log: Operation, loss: Loss) -> Fix | None:
        total = loss.operation(log.get("x"), "sum")
        exp = loss.operation(total.get("x"), "exp") if total else None
        if total is None or exp is None or "method" in {total.library, exp.library}:
            return None
        written = stable(self.module, "logsumexp", like=log)
        rest = _axes(total)
        if written is None or rest is None or "x" not in exp.arguments:
            return None
        name, imports = written
        arguments = ", ".join(map(self.module.source, (exp.arguments["x"], *rest)))
        edit = self.module.replace(log.node, f"{name}({arguments})")
        return self.mend("use `logsumexp`", imports, edit)


def _is_shifted(loss: Loss, exponent: ast.expr | None) -> bool:
    """Whether the largest exponent, or what may be it, is subtracted."""
    shift = loss.source_of(exponent, "subtract")
    subtracted = shift.get("x2") if shift else None
    while inner := loss.source_of(subtracted, "stop_gradient", "expand_dims", "cast"):
        subtracted = inner.get("x")
    return loss.value(subtracted).is_made_by("max", "logsumexp", "maximum")


def _axes(total: Operation) -> list[ast.keyword] | None:
    """Return the arguments of a sum but the first, if all are by name and mean the same here."""
    call = total.node
    if not isinstance(call, ast.Call) or len(call.args) != 1:
        return None
    names = {keyword.arg for keyword in call.keywords}
    wanted = {"dim"} <= names <= {"dim", "keepdim"} if total.library == "torch" else True
    return call.keywords if wanted and names <= {"axis", "keepdims", "dim", "keepdim"} else None
