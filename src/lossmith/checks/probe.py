"""What a check is given: batches of the loss under test, its values and gradients, comparisons."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import keras
import numpy as np

from lossmith import backend
from lossmith.checks import compare, inputs
from lossmith.checks.compare import Broken, Finding
from lossmith.checks.inputs import Batch, Sizes, Spec
from lossmith.checks.promise import Promises
from lossmith.checks.subject import Subject, call_with_mask

Array = Any


class LossRaised(Exception):
    """The loss under test raised."""

    def __init__(self, error: BaseException, batch: Batch) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error
        self.batch = batch


class Skipped(Exception):
    """A check does not apply after all."""


@dataclass(frozen=True)
class Narrow:
    """What a found fault is narrowed down to: some samples, rounded numbers."""

    samples: tuple[int, ...] | None = None
    decimals: int | None = None


@dataclass
class Engine:
    """Runs one loss: each entry is compiled once for a shape, each result is kept."""

    subject: Subject
    mode: backend.Mode
    programs: dict[Any, backend.Program] = field(default_factory=dict[Any, backend.Program])
    results: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def value(self, batch: Batch, *, scalar: bool) -> Array:
        """Return the value of an entry."""
        return self._kept(("value", scalar), batch, lambda run, arrays: run.value(*arrays))

    def gradient(self, batch: Batch, *, scalar: bool, at: tuple[int, ...]) -> Any:
        """Return the value of an entry and its gradients."""
        return self._kept(
            ("gradient", scalar, at), batch, lambda run, arrays: run.gradient(*arrays, at=at)
        )

    def program(self, batch: Batch, *, scalar: bool) -> backend.Program:
        """Return the compiled entry for such batches."""
        key = (scalar, batch.by_keras, batch.sample_weight is None)
        if key not in self.programs:
            call = call_with_mask(self.subject, batch, scalar=scalar)
            if self.mode != "eager" and keras.config.backend() == "jax":
                call = _stateless(call)
            self.programs[key] = backend.Program(call, self.mode)
        return self.programs[key]

    def _kept(self, what: Any, batch: Batch, run: Any) -> Any:
        arrays = tensors(batch, scalar=what[1])
        digest = hashlib.blake2b(digest_size=16)
        for array in arrays:
            digest.update(repr((array.shape, array.dtype)).encode() + array.tobytes())
        key = (what, batch.sample_weight is None, digest.digest())
        if key not in self.results:
            with raising(batch):
                program = self.program(batch, scalar=what[1])
                self.results[key] = run(program, arrays)
        return self.results[key]


def _stateless(call: Callable[..., Any]) -> Callable[..., Any]:
    """Compile as `fit` does on JAX: what is assigned to variables would leak out of the trace."""

    def scoped(*given: Any) -> Any:
        with keras.StatelessScope():
            return call(*given)

    return scoped


@contextmanager
def raising(batch: Batch) -> Generator[None]:
    """Let what the loss raises arrive as `LossRaised`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise LossRaised(error, batch) from error


def tensors(batch: Batch, *, scalar: bool = True) -> list[Array]:
    """Return the arrays that the entry of such a batch takes, in order."""
    weighted = scalar and batch.sample_weight is not None
    further = [batch.mask_or_ones()] if batch.by_keras else []
    further += [batch.sample_weight] if weighted else []
    return [np.asarray(array) for array in (batch.y_true, batch.y_pred, *further)]


class Probe:
    """The loss under test, as a check sees it. All arrays are NumPy's; results are float64.

    Attributes:
        subject: The loss.
        spec: Its axes, domains and mask.
        promises: What it promises.
        seed: Of all that is drawn.
        elsewhere: Its fingerprints on other backends, by their names.
    """

    def __init__(  # noqa: PLR0913
        self,
        engine: Engine,
        spec: Spec,
        promises: Promises,
        *,
        seed: int = 0,
        check: str = "",
        narrow: Narrow | None = None,
        elsewhere: Mapping[str, Mapping[str, Array]] | None = None,
    ) -> None:
        self.subject = engine.subject
        self.spec = spec
        self.promises = promises
        self.engine = engine
        self.narrow = narrow or Narrow()
        self.rng = np.random.default_rng([seed, zlib.crc32(check.encode())])
        self.seed = seed
        self.elsewhere = elsewhere or {}

    # ── batches ──────────────────────────────────────────────────────────────────────────────

    def batch(self, sizes: Sizes = "distinct", *, draw: int = 0, masked: bool = False) -> Batch:
        """Draw a batch, the same at each call.

        Args:
            sizes: `"distinct"`: lengths tell axes apart (5 samples, 7 steps). `"colliding"`: all
                lengths are 4. `"single"`: one sample.
            draw: Another number, other values.
            masked: Some positions do not count, as the mask that is known says.
        """
        batch = inputs.numbered(self.spec, sizes, draw, seed=self.seed, masked=masked)
        if self.narrow.samples is not None and sizes != "single":
            batch = batch.take([place for place in self.narrow.samples if place < batch.size])
        if self.narrow.decimals is not None:
            batch = self._rounded(batch, self.narrow.decimals)
        return batch

    def _rounded(self, batch: Batch, decimals: int) -> Batch:
        """Round what may be rounded: rows that sum to one would no longer do so."""
        domains = {"y_true": self.spec.y_true, "y_pred": self.spec.y_pred}
        free = [name for name, domain in domains.items() if not (domain.integer or domain.rows)]
        return batch.replace(**{name: np.round(getattr(batch, name), decimals) for name in free})

    def perfect(self, batch: Batch) -> Array:
        """Return the best prediction for a batch; only for checks that need `"perfect"`."""
        return inputs.perfect(batch)

    def weighted(self, batch: Batch, weights: Any) -> Batch:
        """Give each sample a weight, in the one shape that Keras aligns with the errors.

        That is `(B,)` for one error a sample, `(B, 1)` for one a step: Keras takes `(B,)` for
        weights of steps there. Beside a mask of Keras it is the shape of that mask where Keras
        calls the loss: on PyTorch it multiplies the weights by it in place.
        """
        rank = self.elements(batch).ndim if self.subject.has_elements else 1
        by_keras = type(self.subject.loss).__call__ is keras.losses.Loss.__call__
        mask = batch.mask_or_ones() if batch.by_keras and by_keras else None
        rank = rank if mask is None else mask.ndim
        lying = np.reshape(weights, (batch.size, *(1,) * (rank - 1))).astype("float32")
        spread = lying if mask is None else np.broadcast_to(lying, mask.shape)
        return batch.replace(sample_weight=spread)

    # ── the loss ─────────────────────────────────────────────────────────────────────────────

    def value(self, batch: Batch) -> float:
        """Return the loss as `fit` computes it, with weights and mask."""
        return float(self.engine.gradient(batch, scalar=True, at=(1,))[0])

    def gradient(self, batch: Batch) -> Array:
        """Return the gradient of the loss with respect to the prediction.

        Where the prediction is not connected to the loss, zeros.
        """
        grad = self.engine.gradient(batch, scalar=True, at=(1,))[1][0]
        return np.zeros(batch.y_pred.shape) if grad is None else grad.astype("float64")

    def elements(self, batch: Batch) -> Array:
        """Return the errors before reduction; only for checks that need `"elements"`."""
        return self.engine.value(batch, scalar=False).astype("float64")

    def raises(self, batch: Batch) -> bool:
        """Whether the loss refuses a batch."""
        try:
            self.value(batch)
        except LossRaised:
            return True
        return False

    def again(self, batch: Batch) -> Array:
        """Run the loss eagerly, whatever was computed before."""
        return Engine(self.subject, "eager").value(batch, scalar=True)

    def inputs_after(self, batch: Batch) -> dict[str, Array]:
        """Return target and prediction as they are after a call, which could write into them."""
        call = call_with_mask(self.subject, batch)

        def after(place: int) -> Callable[..., Any]:
            return lambda *given: (call(*given), given[place])[1]

        with raising(batch):
            return {
                name: backend.Program(after(place)).value(*tensors(batch))
                for place, name in enumerate(("y_true", "y_pred"))
            }

    def any_batch(self, batch: Batch) -> Callable[[Batch], Array]:
        """Trace the loss for a batch of unknown size, and return it as a function of batches."""
        call = call_with_mask(self.subject, batch)
        with raising(batch):
            traced = backend.any_batch(call, *tensors(batch))

        def run(given: Batch) -> Array:
            with raising(given):
                return traced(*tensors(given))

        return run

    # ── comparisons ──────────────────────────────────────────────────────────────────────────

    def close(  # noqa: PLR0913
        self,
        got: Any,
        expected: Any,
        *,
        what: str,
        batch: Batch,
        rtol: float = compare.VALUE,
        scale: float = 0.0,
        inherited: str = "",
    ) -> None:
        """Hold two results to be finite and equal.

        Args:
            got: What the loss gave.
            expected: What it should have given.
            what: What was done, in a few words: `"3 masked steps appended"`.
            batch: The inputs to show.
            rtol: How far they may differ, relative to the larger; one of `compare`'s constants.
            scale: A size that differences are relative to, where both may be near 0.
            inherited: Why Keras does it, and not the loss, where that is so.
        """
        if not compare.agree(got, expected, rtol, scale):
            raise Broken(Finding(what, got, expected, batch.arrays(), inherited))

    def finite(self, got: Any, *, what: str, batch: Batch, inherited: str = "") -> None:
        """Hold a result to be finite."""
        if not compare.agree(np.isfinite(got), np.ones(np.shape(got)), 0):
            raise Broken(Finding(what, got, "finite numbers", batch.arrays(), inherited))

    def holds(  # noqa: PLR0913
        self, *, fact: bool, what: str, got: Any, expected: Any, batch: Batch, inherited: str = ""
    ) -> None:
        """Hold a fact to be true: for what is not a number, such as a shape."""
        if not compare.agree(fact, 1, 0):
            raise Broken(Finding(what, got, expected, batch.arrays(), inherited))

    def skip(self, why: str) -> NoReturn:
        """Leave the check, which turns out not to apply; nothing after this runs."""
        raise Skipped(why)


def subsets(size: int) -> Sequence[tuple[int, ...]]:
    """Return the choices of at most three samples, the smallest first."""
    ones = [(i,) for i in range(size)]
    twos = [(i, j) for i in range(size) for j in range(i + 1, size)]
    threes = [(i, i + 1, i + 2) for i in range(size - 2)]
    return [*ones, *twos, *threes]
