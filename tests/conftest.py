"""One process runs the tests on one backend, and says which."""

import os
import random

BACKENDS = ("jax", "tensorflow", "torch")

# Keras reads the backend once, when it is first imported, so this comes before any other import.
BACKEND = os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if BACKEND == "jax":  # compiling is most of the time, and small tensors gain nothing by it
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch that writes the golden files anew."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files from what the code does now; read the diff before you commit",
    )


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
