"""LSM602: a score, which is better when higher, that is minimised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss, given_losses
from lossmith.lint.module import Function, Module, loss_argument
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule

_SCORE = re.compile(
    r"(dice|iou|jaccard|tversky|f1|f_?beta|overlap)(_?(coef\w*|score|index|metric))?$"
    r"|(^|_)(ms_)?(ssim|psnr|r2|r2_score|r_square[d]?|pearson\w*|accuracy|auc|recall|precision)"
    r"(_?(coef\w*|score|index|metric|multiscale))?$",
    re.IGNORECASE,
)


class ScoreAsLoss(Rule):
    """A Dice coefficient, an IoU, an SSIM or the like is returned as a loss, as it is.

    Why it is bad:
        Training makes a loss small, and a score is good when it is large. The model learns to
        avoid the target, and the number in the logs goes down as it should.

    Example:
        return 2 * ops.sum(y_true * y_pred) / (ops.sum(y_true) + ops.sum(y_pred))

    Use instead:
        return 1 - 2 * ops.sum(y_true * y_pred) / (ops.sum(y_true) + ops.sum(y_pred))

    Fix safety:
        Unsafe: it turns the value round. Offered inside of a loss.
    """

    code = "LSM602"
    name = "score-as-loss"
    confirmed_by = ("perfect-is-best",)
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def overlap_loss(y_true, y_pred):
                both = ops.sum(y_true * y_pred, axis=-1)
                each = ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1)
                return (2.0 * both + 1.0) / (each + 1.0)
            """,
            "a share of overlap is returned: training makes it small, and it is good when large",
            6,
            11,
            """
            from keras import ops

            def overlap_loss(y_true, y_pred):
                both = ops.sum(y_true * y_pred, axis=-1)
                each = ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1)
                return 1 - (2.0 * both + 1.0) / (each + 1.0)
            """,
        ),
        Flagged(
            """
            import tensorflow as tf
            from tensorflow import keras

            def image_loss(y_true, y_pred):
                return tf.image.ssim(y_true, y_pred, max_val=1.0)
            """,
            "`tf.image.ssim` is returned: training makes it small, and it is good when large",
            5,
            11,
            """
            import tensorflow as tf
            from tensorflow import keras

            def image_loss(y_true, y_pred):
                return 1 - tf.image.ssim(y_true, y_pred, max_val=1.0)
            """,
        ),
        Flagged(
            """
            import keras

            def dice_coef(y_true, y_pred):
                both = keras.ops.mean(keras.ops.minimum(y_true, y_pred), axis=-1)
                return both / keras.ops.mean(y_true + y_pred, axis=-1)

            model = keras.Sequential([keras.layers.Dense(1)])
            model.compile("adam", loss=dice_coef)
            """,
            "`dice_coef` is given as a loss: training makes it small, and it is good when large",
            8,
            27,
        ),
    )
    passes = (
        """
        from keras import ops

        def dice_loss(y_true, y_pred):
            both = ops.sum(y_true * y_pred, axis=-1)
            return 1.0 - 2.0 * both / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1))
        """,
        """
        from keras import ops

        def dice_coef(y_true, y_pred):
            both = ops.sum(y_true * y_pred, axis=-1)
            return 2.0 * both / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1))

        def dice_loss(y_true, y_pred):
            return -dice_coef(y_true, y_pred)
        """,
        """
        from keras import ops

        def relative_loss(y_true, y_pred):
            error = ops.sum(ops.abs(y_true - y_pred), axis=-1)
            return error / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1))
        """,
        """
        import keras

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("adam", loss=keras.losses.Dice(), metrics=["accuracy"])
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at what is returned as it is."""
        if _SCORE.search(loss.node.name):
            return
        for returned in loss.returns:
            what = _score(loss, returned)
            if what:
                message = f"{what} is returned: training makes it small, and it is good when large"
                yield self.at(returned, message, self._fix(returned))

    def find_in_module(self, module: Module) -> Iterator[Finding]:
        """Look at what `compile` is given."""
        for call in module.compile_calls:
            argument = loss_argument(call)
            for given in given_losses(argument) if argument else ():
                match given:
                    case ast.Name(id=name) if name in module.functions:
                        if _SCORE.search(name) and not _turned(module.functions[name].node):
                            message = (
                                f"`{name}` is given as a loss: training makes it small, and it is"
                                " good when large"
                            )
                            yield self.at(given, message)
                    case _:
                        pass

    def _fix(self, returned: ast.expr) -> Fix:
        tight = isinstance(returned, (ast.Call, ast.Name)) or (
            isinstance(returned, ast.BinOp) and isinstance(returned.op, (ast.Mult, ast.Div))
        )
        source = self.module.source(returned)
        text = f"1 - {source}" if tight else f"1 - ({source})"
        return self.mend("turn it round", self.module.replace(returned, text))


def _score(loss: Loss, returned: ast.expr) -> str | None:
    """Return what score an expression is, if it surely is one."""
    match returned:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name) as function):
            local = loss.module.functions.get(name)
            turned = local is not None and _turned(local.node)
            if _SCORE.search(name) and loss.value(returned).prediction and not turned:
                return f"`{ast.unparse(function)}`"
        case _:
            pass
    ratio = loss.source_of(returned, "divide", "divide_no_nan")
    while ratio is None and (mean := loss.source_of(returned, "mean")):
        returned = mean.arguments.get("x", returned)
        ratio = loss.source_of(returned, "divide", "divide_no_nan")
    return "a share of overlap" if ratio and _is_overlap(loss, ratio) else None


def _is_overlap(loss: Loss, ratio: Operation) -> bool:
    """Whether it is a sum of products over a sum of two sums."""
    over, under = ratio.get("x1"), ratio.get("x2")
    products = [x for x in _terms(loss, over) if _is_product(loss, x)]
    origins = [loss.value(x).origin for x in _terms(loss, under)]
    return bool(products) and {"target", "prediction"} <= {*origins}


def _terms(loss: Loss, node: ast.expr | None, depth: int = 0) -> Iterator[ast.expr]:
    """Yield what is added up, without factors that are numbers; signs are looked through."""
    if node is None or depth > 8:  # noqa: PLR2004 - a formula is not deeper
        return
    operation = loss.source_of(node)
    if operation is not None and operation.name in {"add", "subtract", "multiply"}:
        data = [x for x in operation.operands if loss.value(x).constant is None]
        if operation.name != "multiply" or len(data) == 1:
            for operand in data:
                yield from _terms(loss, operand, depth + 1)
            return
    yield node


def _is_product(loss: Loss, node: ast.expr) -> bool:
    """Whether it is the sum of target times prediction."""
    total = loss.source_of(node, "sum", "mean")
    product = loss.source_of(total.get("x"), "multiply") if total else None
    if product is None:
        return False
    origins = sorted(loss.value(x).origin for x in product.operands)
    return origins == ["prediction", "target"] and all(_is_plain(loss, x) for x in product.operands)


def _is_plain(loss: Loss, node: ast.expr) -> bool:
    """Whether it is the target or prediction itself, reshaped, cast or clipped."""
    made = loss.value(node).made_by
    return made is None or made.name in {
        "flatten",
        "reshape",
        "cast",
        "clip",
        "sigmoid",
        "softmax",
        "convert_to_tensor",
        "squeeze",
    }


def _turned(function: Function) -> bool:
    """Whether a function returns something subtracted or with a minus."""
    returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
    return any(
        isinstance(x, ast.UnaryOp) or (isinstance(x, ast.BinOp) and isinstance(x.op, ast.Sub))
        for x in returned
    )
