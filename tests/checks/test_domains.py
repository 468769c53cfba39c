"""Domains: what is drawn lies in them, and examples tell them."""

import numpy as np
import pytest

from lossmith.checks.domains import KINDS, Domain, domain_of, parse_domain

INSIDE = {
    "real": lambda x: np.abs(x).min() >= 0.05,
    "logits": lambda x: np.abs(x).min() >= 0.05,
    "positive": lambda x: x.min() > 0,
    "prob": lambda x: x.min() > 0.01 and x.max() < 0.99,
    "simplex": lambda x: x.min() > 0 and np.allclose(x.sum(-1), 1),
    "onehot": lambda x: set(np.unique(x)) == {0, 1} and (x.sum(-1) == 1).all(),
    "binary": lambda x: set(np.unique(x)) == {0, 1},
    "sign": lambda x: set(np.unique(x)) == {-1, 1},
    "int": lambda x: x.dtype.kind == "i" and set(np.unique(x)) == {0, 1, 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_draws_lie_in_the_domain(kind, rng):
    assert INSIDE[kind](Domain(kind, classes=3).draw(rng, (40, 3)))


@pytest.mark.parametrize("kind", ["real", "prob", "positive"])
def test_draws_have_no_ties(kind, rng):
    drawn = Domain(kind).draw(rng, (11, 7))
    assert len(np.unique(drawn)) == drawn.size


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_tells_its_domain(kind, rng):
    found = domain_of(Domain(kind, classes=3).draw(rng, (40, 3)))
    assert found.kind == {"logits": "real"}.get(kind, kind)


def test_an_example_tells_what_stands_where_values_are_missing():
    assert domain_of([[1, 2, -1], [0, -1, -1]]) == Domain("int", classes=3, pad=-1)
    assert np.isnan(domain_of([0.5, np.nan]).pad)


@pytest.mark.parametrize("text", ["int<10 pad=-1", "prob", "logits", "real pad=0", "int"])
def test_a_domain_is_written_as_it_is_read(text):
    assert str(parse_domain(text, "y_true")) == text


@pytest.mark.parametrize("kind", KINDS)
def test_extremes_are_legal(kind):
    edges = np.array(Domain(kind, classes=3).extremes())
    assert np.isfinite(edges).all()
    if kind in {"prob", "simplex", "onehot", "binary"}:
        assert edges.min() >= 0
        assert edges.max() <= 1
