"""What names say: of a loss or a metric, of a target or a prediction."""

from __future__ import annotations

import re

# Other functions have parameters of these names too: those need a name that says loss.
_TARGETS = (
    *("y", "y_t", "ytrue", "yTrue", "y_true", "y_actual", "y_target", "target", "targets"),
    *("label", "labels", "true", "truth", "real", "actual", "ground_truth", "gt"),
)
_PREDICTIONS = (
    *("y_p", "y_pred", "ypred", "yPred", "y_hat", "yhat", "y_predicted", "output", "outputs"),
    *("pred", "preds", "prediction", "predictions", "predicted", "logits"),
)
_MAY_HOLD_LOSS = re.compile(r"[lL](?:oss|OSS)|y_?[tT]rue|y_?[pP]red|y_hat|\blogits\b|\.compile\(")
_LOSS_NAME = re.compile(
    r"loss|entropy|error|huber|hinge|focal|divergence|^(rm|m|)[sa]l?e$|nll|likelihood|objective|cost",
    re.IGNORECASE,
)
_METRIC_NAME = re.compile(
    r"acc(uracy)?(_|$)|metric|score|precision|recall|(^|_)f1|f_?beta|iou|jaccard|coef|specificity"
    r"|sensitivity|auc|r2|r_square|psnr|ssim|_np$|correlation|confusion",
    re.IGNORECASE,
)
NEVER_LOSS = frozenset(
    [
        "update_state",
        "train_step",
        "test_step",
        "fit",
        "evaluate",
        "score",
        "compute_loss",
        "compute_metrics",
        "plot",
        "compute_loss_and_updates",
        "stateless_compute_loss",
        "symbolic_call",
        "compute_output_spec",
    ]
)


def may_hold_loss(text: str) -> bool:
    """Whether a text has a word in it without which there is no loss; no look at what it means."""
    return _MAY_HOLD_LOSS.search(text) is not None


def says_loss(name: str) -> bool:
    """Whether the name of a function says that it is a loss."""
    return _LOSS_NAME.search(name) is not None


def says_metric(name: str) -> bool:
    """Whether the name of a function says that it is a metric, and not that it is a loss."""
    return _METRIC_NAME.search(name) is not None and "loss" not in name.lower()


def pair(names: list[str]) -> tuple[str, str] | None:
    """Return the parameters for target and prediction, by their names."""
    if {"y_true", "y_pred"} <= {*names}:
        return "y_true", "y_pred"
    target = next((name for name in names if name in _TARGETS), None)
    prediction = next((name for name in names if name in _PREDICTIONS), None)
    return (target, prediction) if target and prediction else None
