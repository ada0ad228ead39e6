"""Certified intervals of the expansions: "eeai" (Prawitz smoothing) and "tilted_edgeworth" (Fourier remainder).

Kinds of truth: the certified interval (other algorithm); discretised composition (other algorithm, no transform); the
smoothing integral itself by plain quadrature; closed form for q = 1.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gaussian
from oracles.composition import Composition, Pair
from strategies import ADJACENCIES, anywhere, typical

import edgeworth_acct as ea

METHODS = ("eeai", "tilted_edgeworth")
NEARLY_NORMAL = (10.0, 0.3, 1000)
SST2 = (0.7865, 2000 / 67349, 660)
methods = st.sampled_from(
    [("eeai", 1), ("eeai", 2), ("eeai", 3), ("tilted_edgeworth", 0), ("tilted_edgeworth", 4), ("tilted_edgeworth", 10)]
)
many = settings(max_examples=4 * settings.default.max_examples)


def meet(one, other):
    """Two intervals that both hold the truth."""
    return one.lower <= one.upper and one.lower <= other.upper and other.lower <= one.upper


@given(typical, methods)
@many
def test_the_truth_is_inside(run, method):
    name, order = method
    assert meet(ea.epsilon_bounds(**run, method=name, order=order), ea.epsilon_bounds(**run))


@given(anywhere, methods)
def test_the_truth_is_inside_everywhere(run, method):
    name, order = method
    bounds = ea.epsilon_bounds(**run, method=name, order=order)
    assert meet(bounds, ea.epsilon_bounds(**run))
    assert bounds.lower >= 0.0


@given(typical, methods, st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.3]))
@many
def test_the_true_delta_is_inside(run, method, share):
    name, order = method
    run.pop("delta")
    eps = share * ea.epsilon(**run, delta=1e-5)
    bounds = ea.delta_bounds(**run, epsilon=eps, method=name, order=order)
    assert meet(bounds, ea.delta_bounds(**run, epsilon=eps))
    assert 0.0 <= bounds.lower <= bounds.upper <= 1.0


@pytest.mark.parametrize("adjacency", ["remove", "add", "replace_one"])
@pytest.mark.parametrize(("sigma", "q", "steps"), [(1.0, 0.2, 4), (0.6, 0.5, 3), (2.0, 0.9, 10)])
def test_few_steps(sigma, q, steps, adjacency):
    """Other algorithm, nothing shared: far from normal, the intervals are wide and right."""
    oracle = Composition(sigma, q, steps, adjacency, 1e-12, cells=2000)
    for eps in (0.0, 0.3, 1.0, 2.0):
        lower, upper = oracle.delta(eps)
        for name in METHODS:
            for order in (0, 1, 3):
                bounds = ea.delta_bounds(sigma, q, steps, eps, adjacency=adjacency, method=name, order=order)
                assert bounds.lower <= upper, (eps, name, order)
                assert lower <= bounds.upper, (eps, name, order)


# How tight they are.


@pytest.mark.parametrize(
    ("setting", "eps", "order", "width"),
    [
        (SST2, 8.0, 1, 0.2),
        (SST2, 8.0, 4, 3e-3),
        (SST2, 8.0, 12, 1e-4),
        ((2.0, 0.05, 1000), 4.0, 4, 3e-7),
        ((2.0, 0.05, 1000), 4.0, 8, 3e-10),
        (NEARLY_NORMAL, 2.0, 4, 1e-10),
        (NEARLY_NORMAL, -1.0, 4, 1e-10),
        (NEARLY_NORMAL, 0.02, 4, 1e-10),
    ],
)
def test_width_of_the_tilted_bounds(setting, eps, order, width):
    bounds = ea.delta_bounds(*setting, eps, adjacency="remove", method="tilted_edgeworth", order=order)
    assert 0 < bounds.width < width * bounds.upper
    estimate = ea.delta(*setting, eps, adjacency="remove", method="tilted_edgeworth", order=order)
    assert estimate in bounds


def test_higher_orders_stay_in_the_certified_band():
    for eps in (3.0, 5.0):
        band = ea.delta_bounds(2.0, 0.05, 1000, eps, method="tilted_edgeworth", order=2)
        assert band.width < 1e-3 * band.upper
        for order in range(2, 13):
            assert ea.delta(2.0, 0.05, 1000, eps, method="tilted_edgeworth", order=order) in band


def smoothing_integral(sigma, q, steps, adjacency, tilt, order):
    """(1/pi) int_0^inf |f - g|/x dx by plain quadrature: the smoothing bound for T = inf, in doubles."""
    pair = Pair(sigma, q, adjacency)
    u = np.linspace(-14, 14, 4001)
    loss, level = pair.loss(u * sigma), -0.5 * u * u
    if adjacency != "add":
        level = level + np.log1p(q * np.expm1((u * sigma - 0.5) / sigma**2))
    p = np.exp(level + tilt * loss)
    p /= p.sum()
    kappa = steps * ea.cumulants(sigma, q, adjacency=adjacency, tilt=tilt, order=order + 2)
    sd = math.sqrt(kappa[1])
    a = np.zeros(3 * order + 1)
    a[0] = 1.0
    lam = {k: kappa[k - 1] / sd**k for k in range(3, order + 3)}
    terms = {3: lam[3] / 6}
    if order >= 2:
        terms |= {4: lam[4] / 24, 6: lam[3] ** 2 / 72}
    for k, value in terms.items():
        a[k] = value
    x = np.arange(0.005, 12.0, 0.01)
    phi = (np.exp(1j * np.outer(x / sd, loss - kappa[0] / steps)) * p).sum(axis=1)
    f, g = phi**steps, np.exp(-x * x / 2) * np.polyval(a[::-1], 1j * x)
    return float(np.sum(np.abs(f - g) / x) * 0.01 / math.pi)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("adjacency", ["remove", "add", "replace_one"])
def test_eeai_is_the_smoothing_integral(adjacency, order):
    """Same definition by another quadrature: never below it, and less than twice as much."""
    eps = 1.0
    setting = NEARLY_NORMAL if adjacency != "replace_one" else (5.0, 0.3, 200)
    direct = smoothing_integral(*setting, adjacency, 0.0, order)
    direct += math.exp(eps) * smoothing_integral(*setting, adjacency, -1.0, order)
    bounds = ea.delta_bounds(*setting, eps, adjacency=adjacency, method="eeai", order=order)
    assert 0.999 * direct < bounds.width / 2 < 2.0 * direct + 1e-11  # rounding, counted


def test_eeai_is_sharp_where_the_loss_is_nearly_normal():
    for order, width in ((1, 3e-4), (2, 1e-6), (3, 1e-7)):
        truth = ea.epsilon_bounds(*NEARLY_NORMAL, 0.05)
        bounds = ea.epsilon_bounds(*NEARLY_NORMAL, 0.05, method="eeai", order=order)
        assert meet(bounds, truth)
        assert bounds.width < width


def test_eeai_says_so_where_it_is_vacuous():
    """At the published settings the uniform bound is far above delta: [0, inf), not nonsense."""
    for order in (1, 2, 3):
        bounds = ea.epsilon_bounds(*SST2, 1e-5, method="eeai", order=order)
        assert bounds.upper == math.inf
        assert 0.0 <= bounds.lower <= 8.2891179057434
        delta = ea.delta_bounds(*SST2, 8.0, method="eeai", order=order)
        assert (delta.lower, delta.upper > 0.1) == (0.0, True)
    one_step = ea.epsilon_bounds(0.2, 1e-4, 1, 1e-5, method="eeai")
    assert (one_step.lower, one_step.upper) == (0.0, math.inf)
    below = ea.delta_bounds(0.2, 1e-4, 1, -1.0, method="eeai")
    assert below.lower == pytest.approx(1 - math.exp(-1), rel=1e-14)
    assert below.lower <= 1 - math.exp(-1)
    assert below.upper == 1.0


@pytest.mark.parametrize("order", [1, 2, 3])
def test_bounds_do_not_care_for_the_sign_of_the_skewness(order):
    """The loss of `add` under its first law is minus that of `remove` under its second: equal widths at epsilon 0."""
    widths = [
        ea.delta_bounds(*NEARLY_NORMAL, 0.0, adjacency=way, method="eeai", order=order).width
        for way in ("add", "remove")
    ]
    assert widths[0] == pytest.approx(widths[1], rel=1e-6)
    assert (
        ea.cumulants(*NEARLY_NORMAL[:2], adjacency="add", order=3)[2] < 0 < ea.cumulants(*NEARLY_NORMAL[:2], order=3)[2]
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("adjacency", ADJACENCIES)
def test_gaussian_mechanism(method, adjacency):
    """Closed form: for q = 1 nothing is left to expand."""
    exact = gaussian.epsilon(5.0, 30, 1e-6, adjacency)
    bounds = ea.epsilon_bounds(5.0, 1.0, 30, 1e-6, adjacency=adjacency, method=method)
    assert bounds.lower <= exact <= bounds.upper
    assert bounds.width < 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_larger_of_both_directions(method):
    ways = [ea.delta_bounds(*NEARLY_NORMAL, 1.0, adjacency=way, method=method) for way in ("add", "remove")]
    both = ea.delta_bounds(*NEARLY_NORMAL, 1.0, method=method)
    assert both.lower == max(way.lower for way in ways)
    assert both.upper == max(way.upper for way in ways)


@pytest.mark.parametrize("method", METHODS)
def test_bounds_broadcast(method):
    bounds = ea.epsilon_bounds([5.0, 10.0], 0.3, 1000, [[0.1], [0.05], [0.01]], method=method, threads=2)
    assert bounds.lower.shape == bounds.upper.shape == (3, 2)
    one = ea.epsilon_bounds(10.0, 0.3, 1000, 0.05, method=method)
    assert (bounds.lower[1, 1], bounds.upper[1, 1]) == tuple(one)


def test_bad_input():
    with pytest.raises(
        ValueError, match="method must be one of 'certified', 'eeai', 'tilted_edgeworth', got 'edgeworth'"
    ):
        ea.epsilon_bounds(*SST2, 1e-5, method="edgeworth")
    with pytest.raises(ValueError, match="order must be None with method='certified', got 1"):
        ea.delta_bounds(*SST2, 8.0, order=1)
    with pytest.raises(ValueError, match=r"order must be an integer in \[0, 30\], got -1"):
        ea.epsilon_bounds(*SST2, 1e-5, method="eeai", order=-1)
    with pytest.raises(ea.PrecisionError, match="the domain is sigma in"):
        ea.epsilon_bounds(0.01, 0.1, 10, 1e-5, method="eeai")
    with pytest.raises(ValueError, match="method must be one of 'certified', 'edgeworth'"):
        ea.epsilon(*SST2, 1e-5, method="eeai")
