"""Axes, domains and masks that were not given, found by trying the loss on small inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from lossmith import backend
from lossmith.checks import compare, inputs
from lossmith.checks.domains import Domain, domain_of, parse_domain
from lossmith.checks.find_mask import find_mask
from lossmith.checks.inputs import Spec
from lossmith.checks.mask_rule import parse_mask
from lossmith.checks.normaliser import normaliser
from lossmith.checks.probe import Engine, LossRaised
from lossmith.checks.promise import Promises
from lossmith.checks.subject import Subject
from lossmith.core.notation import Axes, parse_axes

_TRIED = ("b [c], b [c]", "b, b [c]", "b t [c], b t [c]", "b t, b t [c]", "b, b", "b t, b t")
_GIVEN = ("y", "output", "sample_weight")

# Facts of Keras' own losses that trying cannot tell, by the name of the function.
_KERAS: dict[str, tuple[str, str, str]] = {
    "binary_crossentropy": ("b [c], b [c]", "binary", "prob"),
    "binary_focal_crossentropy": ("b [c], b [c]", "binary", "prob"),
    "categorical_crossentropy": ("b [c], b [c]", "onehot", "simplex"),
    "categorical_focal_crossentropy": ("b [c], b [c]", "onehot", "simplex"),
    "categorical_generalized_cross_entropy": ("b, b [c]", "int<3", "simplex"),
    "categorical_hinge": ("b [c], b [c]", "onehot", "real"),
    "circle": ("b, b [c]", "int<3", "real"),
    "dice": ("b [c], b [c]", "binary", "prob"),
    "hinge": ("b [c], b [c]", "sign", "real"),
    "kl_divergence": ("b [c], b [c]", "simplex", "simplex"),
    "mean_absolute_percentage_error": ("b [c], b [c]", "positive", "real"),
    "mean_squared_logarithmic_error": ("b [c], b [c]", "positive", "positive"),
    "poisson": ("b [c], b [c]", "positive", "positive"),
    "sparse_categorical_crossentropy": ("b, b [c]", "int<3", "simplex"),
    "squared_hinge": ("b [c], b [c]", "sign", "real"),
    "tversky": ("b [c], b [c]", "binary", "prob"),
}


@dataclass(frozen=True)
class Inference:
    """What is taken for granted of a loss.

    Attributes:
        engine: Runs it.
        spec: Its axes, domains and mask.
        facts: The same as text, for the report; what was not given says so.
        error: What it raised on the inputs that suited it best; None: it runs.
        why: Why it is not run at all; empty: it is.
    """

    engine: Engine
    spec: Spec
    facts: tuple[tuple[str, str], ...]
    error: BaseException | None = None
    why: str = ""


def infer(
    subject: Subject, axes: str | None, y_true: Any, y_pred: Any, promises: Promises
) -> Inference:
    """Find what was not given.

    Args:
        subject: The loss.
        axes: Its axes, or None.
        y_true: A domain, an example, or None.
        y_pred: The same of the prediction.
        promises: What it promises: `mask` is used.
    """
    if why := _beyond(subject, y_true, y_pred):
        spec = Spec(parse_axes(_TRIED[0]), Domain("real"), Domain("real"))
        return Inference(Engine(subject, "eager"), spec, (("not run", why),), why=why)
    engine, error, best = None, None, None
    given = parse_mask(promises.mask) if promises.mask else None
    for candidate in _candidates(subject, axes, y_true, y_pred):
        spec = replace(candidate, mask=given)
        best = best or spec
        trial, error_here = _runs(subject, spec)
        error = error or error_here
        if error_here is None:
            engine, best, error = trial, spec, None
            break
    assert best is not None  # noqa: S101 - there is always a candidate
    engine = engine or Engine(subject, "eager")
    spec, how = best, "inferred: the loss runs on them"
    if getattr(getattr(subject.loss, "pipeline", None), "axes", None) is not None:
        how = "as the loss states them"
    elif _known(subject):
        how = "as Keras documents it"
    if error is None and y_pred is None and not _known(subject):
        spec = _narrowed(engine, spec, y_true)
    mask, told = find_mask(engine, spec, error)
    spec = replace(spec, mask=mask)
    facts = (
        ("axes", f"{spec.axes}" + ("" if axes else f"  ({how})")),
        ("y_true", f"{spec.y_true}" + _mark(y_true)),
        ("y_pred", f"{spec.y_pred}" + _mark(y_pred)),
        ("mask", told),
        *_divides(engine, spec, promises, error),
        *(("promises", f"{name}={value!r}") for name, value in promises.to_dict().items()),
    )
    return Inference(engine, spec, facts, error)


def _divides(
    engine: Engine, spec: Spec, promises: Promises, error: BaseException | None
) -> list[tuple[str, str]]:
    """Say what the loss divides by, unless that is promised."""
    if error is not None or promises.made("normalises") or promises.made("couples"):
        return []
    told = normaliser(engine, spec)
    return [("divides by", f"{told}  (inferred)")] if told else []


def _mark(given: Any) -> str:
    return "" if isinstance(given, str) else "  (inferred)"


def _beyond(subject: Subject, y_true: Any, y_pred: Any) -> str:
    """Say why a loss cannot be run on one target and one prediction; empty where it can."""
    further = [x for x in getattr(subject.loss, "sources", ()) if x not in _GIVEN]
    if further:
        what = ", ".join(dict.fromkeys(further))
        return f"it needs {what} beside target and prediction: check its terms one by one"
    several = [x for x in (y_true, y_pred) if isinstance(x, (Mapping, list, tuple)) and _nested(x)]
    if several:
        return "there are several targets or outputs: check the loss of each by itself"
    return ""


def _nested(given: Any) -> bool:
    parts = given.values() if isinstance(given, Mapping) else given
    return isinstance(given, Mapping) or any(hasattr(part, "shape") for part in parts)


def _candidates(subject: Subject, axes: str | None, y_true: Any, y_pred: Any) -> Iterator[Spec]:
    """Go through what the inputs may look like, the likeliest first."""
    known = _known(subject)
    pipeline: Any = getattr(subject.loss, "pipeline", None)
    own: Axes | None = getattr(pipeline, "axes", None)
    if axes is not None:
        tried = [parse_axes(axes)]
    elif own is not None:
        tried = [own]
    else:
        written = _of_ranks(y_true, y_pred)
        tried = [parse_axes(text) for text in ([known[0]] if known and not written else
                                               written or _TRIED)]  # fmt: skip
    example = _example(y_true, y_pred)
    for layout in tried:
        for true, pred in _domains(subject, layout, y_true, y_pred):
            yield Spec(layout, true, pred).with_example(example)


def _domains(
    subject: Subject, axes: Axes, y_true: Any, y_pred: Any
) -> Iterator[tuple[Domain, Domain]]:
    known = _known(subject)
    true, pred = _given(y_true, "y_true"), _given(y_pred, "y_pred")
    if known:
        yield true or parse_domain(known[1], "y_true"), pred or parse_domain(known[2], "y_pred")
        return
    lacks_classes = set(axes.inputs[-1].names) - set(axes.inputs[0].names)
    consumed = lacks_classes & set(axes.consumed)
    yield (
        true or (Domain("int", 3) if consumed else Domain("real")),
        pred or (Domain("logits") if consumed else Domain("real")),
    )
    if not true and not pred and not consumed:
        yield Domain("binary"), Domain("prob")
    if not pred and consumed:
        yield true or Domain("int", 3), Domain("simplex")


def _known(subject: Subject) -> tuple[str, str, str] | None:
    """Return what is known of a loss of Keras, with `from_logits` read from it."""
    if subject.kind != "built into Keras":
        return None
    function = getattr(subject.loss, "fn", None)
    name = getattr(function, "__name__", subject.name)
    known = _KERAS.get(name, ("b [c], b [c]", "real", "real"))
    config: dict[str, Any] = getattr(subject.loss, "_fn_kwargs", {})
    return (known[0], known[1], "logits") if config.get("from_logits") else known


def _given(value: Any, argument: str) -> Domain | None:
    if value is None:
        return None
    return parse_domain(value, argument) if isinstance(value, str) else domain_of(value)


def _example(y_true: Any, y_pred: Any) -> tuple[Any, Any] | None:
    """Return both examples, which are then run; None where one of them is a domain or missing."""
    if any(isinstance(given, (str, type(None))) for given in (y_true, y_pred)):
        return None
    return np.asarray(y_true), np.asarray(y_pred)


def _of_ranks(y_true: Any, y_pred: Any) -> list[str]:
    """Write axes for examples, whose ranks are known."""
    if isinstance(y_true, (str, type(None))) or isinstance(y_pred, (str, type(None))):
        return []
    ranks = np.ndim(y_true), np.ndim(y_pred)
    names = ["b", "t", "h", "w"]
    equal = ranks[0] == ranks[1]
    leading = " ".join(names[: ranks[1] - 1]) or "b"
    if ranks[1] == 1:
        return ["b, b"]
    return [f"{leading} [c], {leading} [c]" if equal else f"{leading}, {leading} [c]"]


def _runs(subject: Subject, spec: Spec) -> tuple[Engine, BaseException | None]:
    """Run a loss once: compiled on JAX, where that is faster, or else eagerly."""
    batch = inputs.draw(spec, np.random.default_rng(0))
    modes: list[backend.Mode] = ["eager"]
    if keras.config.backend() == "jax":
        modes.insert(0, "jit")
    error: BaseException | None = None
    engine = Engine(subject, "eager")
    for mode in modes:
        engine = Engine(subject, mode)
        try:
            value, _ = engine.gradient(batch, scalar=True, at=(1,))
        except LossRaised as raised:
            error = raised.error
            continue
        if np.all(np.isfinite(value)):
            return engine, None
        error = error or ArithmeticError(f"the loss is {value} on {spec.y_true}, {spec.y_pred}")
    return engine, error


def _narrowed(engine: Engine, spec: Spec, y_true: Any) -> Spec:
    """Tell probabilities from real numbers: a loss of them clips, or turns NaN outside."""
    if spec.y_pred.kind != "real":
        return spec
    batch = inputs.draw(spec, np.random.default_rng(0))

    def at(value: float) -> Any:
        moved = batch.replace(y_pred=np.full_like(batch.y_pred, value))
        return engine.gradient(moved, scalar=True, at=(1,))[0]

    low, inside, high = (at(-0.5), at(-1.5)), (at(0.3), at(0.6)), (at(1.5), at(2.5))
    clipped = all(
        not np.all(np.isfinite(pair)) or compare.agree(*pair, rtol=1e-5) for pair in (low, high)
    )
    if clipped and np.all(np.isfinite(inside)) and not compare.agree(*inside, rtol=1e-5):
        true = spec.y_true if y_true is not None else Domain("binary")
        return replace(spec, y_true=true, y_pred=Domain("prob"))
    return spec
