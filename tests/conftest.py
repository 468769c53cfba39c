"""One process runs the tests on one backend, and says which."""

import os
import random
from collections import Counter
from tempfile import TemporaryDirectory

BACKENDS = ("jax", "tensorflow", "torch")

# Keras reads the backend once, when it is first imported, so this comes before any other import.
BACKEND = os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if BACKEND == "jax":  # compiling is most of the time, and small tensors gain nothing by it
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if BACKEND == "tensorflow":  # small tensors gain nothing by several threads
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
if BACKEND == "torch":  # its threads wait for each other on tensors as small as these
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if BACKEND not in BACKENDS:
    message = f"KERAS_BACKEND is {BACKEND!r}; the tests run on {', '.join(BACKENDS)}"
    raise RuntimeError(message)

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "lossmith",
    deadline=None,  # the first call of a shape compiles
    derandomize=True,  # a failure is a fault of the change under test, never of the day
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],  # compiling again
)
settings.load_profile("lossmith")


if BACKEND == "jax":  # tests compile the same again, under other names
    import jax

    # Of this process alone: JAX writes its files in place, where another could read half of one.
    COMPILED = TemporaryDirectory()
    jax.config.update("jax_compilation_cache_dir", COMPILED.name)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switches of this suite."""
    parser.addoption(
        "--all",
        action="store_true",
        help="run every row of every table on JAX and TensorFlow too",
    )
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files from what the code does now; read the diff before you commit",
    )


TABLES = (
    "tests/architecture/test_doctests.py",
    "tests/checks/test_blame.py",
    "tests/checks/test_every_check_bites.py",
    "tests/checks/test_handwritten.py",
    "tests/checks/test_keras_losses.py",
    "tests/checks/test_zoo.py",
    "tests/docs/test_pages.py",
    "tests/evidence/test_examples.py",
    "tests/lint/test_fix_values.py",
    "tests/look/test_explain_recipes.py",
    "tests/model_layers/test_step_loss.py::test_value_and_gradient",
    "tests/parts/test_masked_positions.py",
    "tests/parts/test_parity_numpy.py",
    "tests/parts/test_parity_peers.py",
    "tests/paths/test_ctc_loss.py::test_impossible_samples_leave_sum_and_count",
    "tests/recipes/",
    "tests/zoo/",
)
THIRD = {"jax": 1, "tensorflow": 2}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave two of three rows of the longest tables out where each row compiles.

    PyTorch runs every row, JAX and TensorFlow a third of them each; `--all` runs all.
    """
    if BACKEND == "torch" or config.getoption("--all"):
        return
    rows: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        test, bracket, _ = item.nodeid.partition("[")
        rows[test] += 1
        is_left = bracket and test.startswith(TABLES) and rows[test] % 3 != THIRD[BACKEND]
        (left if is_left else kept).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def pytest_report_header() -> str:
    """Say what runs."""
    if keras.config.backend() != BACKEND:
        message = f"asked for {BACKEND}, but Keras was already running on {keras.config.backend()}"
        raise RuntimeError(message)
    return f"backend: {BACKEND}, keras {keras.__version__}"


@pytest.fixture
def backend() -> str:
    """The name of the running backend."""
    return BACKEND


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written rather than compared."""
    return request.config.getoption("--update-golden")


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Give every test the same draws.

    Layers without a seed of their own draw one from `random`. `keras.utils.set_random_seed` does
    the same, but imports TensorFlow on every backend.
    """
    random.seed(0)
    np.random.seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator in a known state."""
    return np.random.default_rng(0)
