"""Cumulants of the loss, and the parts of the expansions.

Kinds of truth: same definition with more digits (mpmath, 60 digits); exact rational arithmetic; symmetries of K.
"""

import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import cumulants as oracle
from oracles import expansion
from strategies import reals

import edgeworth_acct as ea
from edgeworth_acct import _core

BOUND = 1e-12

# Every corner: tiny q, large sigma (moments cancel), small sigma (a narrow strip), tilts on all sides, high orders.
CORNERS = [
    (sigma, q, adjacency, tilt, order)
    for sigma, tilts, order in [
        (0.5, (0.0, 1.5), 5),
        (0.7865, (-1.0, 0.0, 4.0), 8),
        (2.0, (-2.5, -0.3, 12.0), 8),
        (30.0, (0.0, 60.0), 10),
        (1e4, (0.0, -1.0), 6),
    ]
    for q in (1e-12, 0.0297, 0.9)
    for adjacency in ("remove", "add", "replace_one")
    for tilt in tilts
]
GRID = [
    *CORNERS[::3],
    (1.0, 0.01, "remove", 0.0, 20),
    (100.0, 1e-6, "remove", 7.0, 20),
    (5.0, 0.2, "add", 1.0, 20),
    (3.0, 0.05, "replace_one", 2.0, 20),
    (0.3, 0.5, "remove", -1.0, 3),
    (1.0, 1 - 2.0**-53, "remove", 0.0, 5),
]


@pytest.mark.parametrize(("sigma", "q", "adjacency", "tilt", "order"), GRID)
def test_cumulants_are_as_exact_as_they_say(sigma, q, adjacency, tilt, order):
    """Same definition, 60 digits."""
    values = ea.cumulants(sigma, q, adjacency=adjacency, tilt=tilt, order=order)
    truth = oracle.cumulants(sigma, q, adjacency, tilt, order)
    for k, (value, true) in enumerate(zip(values, truth), 1):
        assert abs(mp.mpf(float(value)) / true - 1) < BOUND, k


@given(reals(0.1, 1e4), reals(1e-12, 0.999), st.floats(-3, 3), st.integers(1, 12))
def test_adding_mirrors_removing(sigma, q, tilt, order):
    """K_add(z) = K_remove(-1 - z): the k-th derivatives agree up to (-1)^k."""
    mirrored = -1.0 - tilt
    if -1.0 - mirrored != tilt:
        tilt = round(tilt * 256) / 256
        mirrored = -1.0 - tilt
    try:
        added = ea.cumulants(sigma, q, adjacency="add", tilt=tilt, order=order)
        removed = ea.cumulants(sigma, q, adjacency="remove", tilt=mirrored, order=order)
    except ea.PrecisionError:  # next to a zero of kappa_k
        return
    np.testing.assert_allclose(added, removed * (-1.0) ** np.arange(1, order + 1), rtol=2 * BOUND, atol=1e-300)


@given(reals(0.1, 1e4), reals(1e-12, 0.999))
def test_replacing_is_symmetric(sigma, q):
    values = ea.cumulants(sigma, q, adjacency="replace_one", tilt=-0.5, order=6)
    assert np.all(values[::2] == 0.0)
    assert values[1] > 0.0


def test_a_normal_loss():
    assert ea.cumulants(2.0, 1.0, tilt=1.5, order=4).tolist() == [0.5, 0.25, 0.0, 0.0]
    assert ea.cumulants(2.0, 1.0, adjacency="replace_one", order=3).tolist() == [0.5, 1.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adjacency": "add_or_remove"}, "adjacency must be one of 'add', 'remove', 'replace_one' here, got 'add_or"),
        ({"adjacency": "both"}, "adjacency must be one of"),
        ({"order": 0}, r"order must be an integer in \[1, 32\], got 0"),
        ({"order": 33}, r"order must be an integer in \[1, 32\], got 33"),
        ({"tilt": math.inf}, r"tilt must be in \[-1e6, 1e6\], got inf"),
        ({"sigma": 0.0}, "sigma must be finite and > 0, got 0.0"),
        ({"q": 1.5}, r"q must be in \(0, 1\], got 1.5"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        ea.cumulants(**({"sigma": 1.0, "q": 0.1} | change))


def test_wrong_types():
    with pytest.raises(TypeError, match="order must be an integer"):
        ea.cumulants(1.0, 0.1, order=2.0)
    with pytest.raises(TypeError, match="sigma must be a single real number"):
        ea.cumulants([1.0, 2.0], 0.1)


def test_outside_the_domain():
    with pytest.raises(ea.PrecisionError, match=r"sigma=0.01.*sigma in \[0.1, 1e4\]"):
        ea.cumulants(0.01, 0.1)


# The expansion's coefficients.


def coefficients(lam, order):
    a = np.empty(3 * order + 1)
    _core.series_coefficients(a, np.array([0.0, 0.0, 0.0, *lam], dtype=float), order)
    return a


def test_first_orders_are_the_textbook_ones():
    """Closed form: P. McCullagh, "Tensor Methods in Statistics", section 5.5 (order 3: with lam_3^3/1296 He_9)."""
    l3, l4, l5 = 0.7, -0.3, 0.2
    a = coefficients([l3, l4, l5], 3)
    expected = {0: 1, 3: l3 / 6, 4: l4 / 24, 5: l5 / 120, 6: l3**2 / 72, 7: l3 * l4 / 144, 9: l3**3 / 1296}
    np.testing.assert_allclose(a, [expected.get(k, 0.0) for k in range(10)], rtol=1e-15)


@pytest.mark.parametrize("order", [1, 2, 5, 12, 30])
def test_coefficients_of_any_order(order):
    """Other algorithm (exponential of a power series), rational arithmetic."""
    lam = [Fraction((-1) ** k * (k + 1), 2 * k + 3) for k in range(order)]
    a = coefficients([float(x) for x in lam], order)
    truth = expansion.coefficients({k + 3: x for k, x in enumerate(lam)}, order)
    for k, value in enumerate(a):
        true = float(truth.get(k, 0))
        assert abs(value - true) <= 1e-13 * abs(true), k


@pytest.mark.parametrize("u", [0.0, 1e-8, 0.3, 1.0, 1.999, 2.0, 3.7, 9.0, 40.0, 1e4])
def test_half_line_integrals(u):
    """Same definition, more digits: all k up to order 12 (36) keep 11 digits for every u."""
    values = np.empty(37)
    _core.half_hermite(values, u)
    with mp.workdps(60 + int(40 * math.log10(2 + u))):
        x = mp.mpf(u)
        true = (
            mp.exp(x * x / 2) * mp.erfc(x / mp.sqrt(2)) / 2
            if u < 100
            else mp.quad(
                lambda v: mp.exp(-x * v - v * v / 2) / mp.sqrt(2 * mp.pi), [0, 1 / x, 10 / x, 60 / x, 400 / x, 2000 / x]
            )
        )
        for k, value in enumerate(values[: 37 if u < 100 else 1]):
            if k:
                at_0 = 0 if k % 2 == 0 else (-1) ** ((k - 1) // 2) * mp.fac2(k - 2)
                true = at_0 / mp.sqrt(2 * mp.pi) - x * true
            assert abs(mp.mpf(float(value)) - true) <= mp.mpf("1e-11") * abs(true), k
