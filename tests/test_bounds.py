"""`Bounds` as a value."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from edgeworth_acct import Bounds


def test_unpacks_in_order():
    lower, upper = Bounds(1.0, 2.0)
    assert (lower, upper) == (1.0, 2.0)
    assert list(Bounds(1.0, 2.0)) == [1.0, 2.0]


def test_is_frozen():
    bounds = Bounds(1.0, 2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        bounds.upper = 3.0
    assert not hasattr(bounds, "__dict__")


def test_compares_hashes_copies_and_prints_as_its_values():
    bounds = Bounds(1.0, 2.0)
    assert bounds == Bounds(1.0, 2.0) != Bounds(1.0, 2.5)
    assert hash(bounds) == hash(Bounds(1.0, 2.0))
    assert copy.copy(bounds) == pickle.loads(pickle.dumps(bounds)) == bounds
    assert repr(bounds) == "Bounds(lower=1.0, upper=2.0)"


@pytest.mark.parametrize(("value", "inside"), [(1.0, True), (1.5, True), (2.0, True), (0.9, False), (2.1, False)])
def test_contains_what_lies_between_its_ends(value, inside):
    assert (value in Bounds(1.0, 2.0)) is inside
    assert float("nan") not in Bounds(1.0, 2.0)


def test_of_arrays():
    bounds = Bounds(np.array([1.0, 2.0]), np.array([1.5, 4.0]))
    np.testing.assert_array_equal(bounds.width, [0.5, 2.0])
    assert np.array([1.2, 3.0]) in bounds
    assert np.array([1.2, 5.0]) not in bounds
