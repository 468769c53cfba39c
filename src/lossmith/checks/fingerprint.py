"""What a loss gives on fixed batches, as plain arrays that go from one backend to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lossmith.checks import compare, inputs
from lossmith.checks.inputs import Batch, Sizes, Spec
from lossmith.checks.probe import LossRaised, Probe

Fingerprint = Mapping[str, Any]
_DRAWN: tuple[tuple[Sizes, int], ...] = (("distinct", 0), ("distinct", 1), ("single", 0))
_TOLERANCES = {"value": compare.VALUE, "gradient": compare.GRADIENT}


class Difference(NamedTuple):
    """Where two fingerprints part: here, and on the other backend."""

    what: str
    here: Any
    there: Any
    inputs: dict[str, Any]


def fixed_batches(spec: Spec, seed: int = 0) -> dict[str, Batch]:
    """Return the batches of a fingerprint, by name: the same in every process."""
    masked = spec.mask is not None
    return {
        f"{sizes} {number}": inputs.numbered(spec, sizes, number, seed=seed, masked=masked)
        for sizes, number in _DRAWN
    }


def fingerprint_of(probe: Probe) -> dict[str, Any]:
    """Return inputs, value and gradient of the fixed batches, or the error, by name.

    The names are such as `"distinct 0/gradient"`. All are arrays that `numpy.savez` takes; what
    the loss raises is text.
    """
    found: dict[str, Any] = {}
    for batch_name, batch in fixed_batches(probe.spec, probe.seed).items():
        outcome = batch.arrays()
        try:
            outcome |= {"value": probe.value(batch), "gradient": probe.gradient(batch)}
        except LossRaised as raised:
            outcome["error"] = str(raised)
        found |= {f"{batch_name}/{name}": np.asarray(array) for name, array in outcome.items()}
    return found


def differences(here: Fingerprint, there: Fingerprint) -> Iterator[Difference]:
    """Go through what two backends give for the same batches and do not agree in."""
    for batch_name in dict.fromkeys(name.partition("/")[0] for name in here):
        own, other = _part(here, batch_name), _part(there, batch_name)
        given = {name: own[name] for name in ("y_true", "y_pred", "mask") if name in own}
        if not all(_same(array, other.get(name)) for name, array in given.items()):
            what = "the inputs, which differ: state axes and domains"
            yield Difference(what, _shapes(own), _shapes(other), given)
        elif "error" in own or "error" in other:
            if not compare.agree("error" in own, "error" in other, 0):
                yield Difference("whether it raises", _outcome(own), _outcome(other), given)
        else:
            for name, rtol in _TOLERANCES.items():
                if not compare.agree(own[name], other[name], rtol):
                    yield Difference(f"the {name}", own[name], other[name], given)


def _part(whole: Fingerprint, batch_name: str) -> dict[str, Any]:
    start = f"{batch_name}/"
    return {k.removeprefix(start): np.asarray(v) for k, v in whole.items() if k.startswith(start)}


def _same(array: Any, other: Any) -> bool:
    return other is not None and np.array_equal(array, other, equal_nan=array.dtype.kind == "f")


def _shapes(part: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {part[name].shape}" for name in ("y_true", "y_pred") if name in part)


def _outcome(part: Mapping[str, Any]) -> str:
    return f"raises {part['error']}" if "error" in part else f"the loss is {float(part['value']):g}"
