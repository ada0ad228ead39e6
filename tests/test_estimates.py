"""Estimates and loose bounds: the Edgeworth estimate, its tilted successor, Renyi divergences, the Gaussian limit.

Kinds of truth: published values; same definition, other route, more digits (oracles/expansion); the certified interval.
"""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import expansion, gaussian
from strategies import ADJACENCIES, reals, typical

import edgeworth_acct as ea

SST2 = {"sigma": 0.7865, "q": 2000 / 67349, "steps": 660, "delta": 1e-5}
ESTIMATES = ("edgeworth", "tilted_edgeworth", "rdp", "gdp")


def run(size, batch, sigma, delta):
    return {"sigma": sigma, "q": batch / size, "steps": 20 * (size // batch), "delta": delta}


# The Edgeworth estimate.

PUBLISHED = [
    (67349, 2000, 0.7865, 1e-5, 1, 7.9928989025),
    (67349, 2000, 0.7865, 1e-5, 2, 8.3702442526),
    (67349, 2000, 0.7865, 1e-5, 3, 8.6294495690),
    (67349, 2000, 0.7470, 1e-4, 1, 7.9966087920),
    (67349, 1000, 0.6460, 1e-4, 1, 7.9940396078),
    (104743, 2000, 0.7110, 1e-5, 1, 7.9979723868),
    (104743, 4000, 0.8420, 1e-5, 1, 7.9999919471),
]


@pytest.mark.parametrize(("size", "batch", "sigma", "delta", "order", "published"), PUBLISHED)
@pytest.mark.parametrize("adjacency", ["remove", "add_or_remove"])
def test_published_edgeworth_estimates(size, batch, sigma, delta, order, published, adjacency):
    setting = run(size, batch, sigma, delta)
    value = ea.epsilon(**setting, method="edgeworth", order=order, adjacency=adjacency)
    assert abs(value - published) <= 1e-9 * published
    if order == 1:
        assert value == ea.epsilon(**setting, method="edgeworth", adjacency=adjacency)
        assert value < ea.epsilon_bounds(**setting).lower  # what it says is too little


@pytest.mark.parametrize("adjacency", ["remove", "add", "replace_one"])
@pytest.mark.parametrize(("sigma", "q", "steps", "delta"), [(2.0, 0.05, 1000, 1e-5), (20.0, 0.01, 10**6, 1e-8)])
@pytest.mark.parametrize("order", [1, 3, 6])
def test_the_estimate_is_the_formula(sigma, q, steps, delta, adjacency, order):
    """Same definition, 40 digits."""
    value = ea.epsilon(sigma, q, steps, delta, method="edgeworth", order=order, adjacency=adjacency)
    oracle = expansion.Estimate(sigma, q, steps, adjacency, order)
    assert abs(value / oracle.epsilon(delta, value) - 1) < 1e-11
    middle = value / 2
    there = ea.delta(sigma, q, steps, middle, method="edgeworth", order=order, adjacency=adjacency)
    assert abs(there / oracle.delta(middle) - 1) < 1e-10


def test_the_digits_that_the_published_logs_have():
    """Their root finder leaves 2e-9; the formula's own root, 40 digits."""
    oracle = expansion.Estimate(SST2["sigma"], SST2["q"], SST2["steps"], "remove", 1)
    value = ea.epsilon(**SST2, method="edgeworth", order=1)
    assert abs(value / oracle.epsilon(SST2["delta"], value) - 1) < 1e-12


def test_the_largest_of_several_roots():
    """Few steps of tiny sampling: the expanded delta rises and falls."""
    setting, delta, order = (1.0, 0.01, 1000), 1e-5, 3
    value = ea.epsilon(*setting, delta, method="edgeworth", order=order, adjacency="remove")
    oracle = expansion.Estimate(*setting, "remove", order)
    assert abs(oracle.delta(value) / delta - 1) < 1e-9
    beyond = np.linspace(value * 1.001, value + 5, 400)
    assert all(oracle.delta(eps) < delta for eps in beyond)


def test_no_root():
    """A delta below 0 at epsilon 0, and below the target everywhere."""
    setting = {"sigma": 0.6, "q": 1e-3, "steps": 100}
    assert expansion.Estimate(*setting.values(), "remove", 1).delta(0.0) < 0
    with pytest.raises(ea.PrecisionError, match="gives no probability, or meets the target nowhere"):
        ea.epsilon(**setting, delta=0.5, method="edgeworth", order=1, adjacency="remove")
    with pytest.raises(ea.PrecisionError, match=r"epsilon=0\.0"):
        ea.delta(**setting, epsilon=0.0, method="edgeworth", order=1, adjacency="remove")


def test_more_steps_make_the_estimate_better():
    """sigma fixed, q sqrt(n) fixed: the relative error of epsilon falls at least like n^-1/2 from n = 1e3 to 1e7."""
    errors = []
    for steps in (10**3, 10**5, 10**7):
        q = 0.5 / math.sqrt(steps)
        truth = ea.epsilon(1.0, q, steps, 1e-3, adjacency="remove")
        errors.append(abs(ea.epsilon(1.0, q, steps, 1e-3, method="edgeworth", order=1, adjacency="remove") / truth - 1))
    assert errors[1] < errors[0] / 10
    assert errors[2] < errors[1] / 10


# The tilted expansion.


@pytest.mark.parametrize(
    ("setting", "errors"),
    [
        ((0.7865, 2000 / 67349, 660), {0: 7e-2, 1: 3e-3, 2: 8e-4, 4: 3e-5, 8: 1.5e-6, 12: 1e-7}),
        ((2.0, 0.05, 1000), {0: 1e-2, 1: 2e-4, 2: 3e-6, 4: 3e-8, 8: 1e-11, 12: 2e-12}),
    ],
)
def test_relative_error_of_the_tilted_delta(setting, errors):
    eps = 8.0 if setting[0] < 1 else ea.epsilon(*setting, 1e-6)
    truth = ea.delta_bounds(*setting, eps, rtol=1e-12)
    for order, error in errors.items():
        value = ea.delta(*setting, eps, method="tilted_edgeworth", order=order)
        assert abs(value / truth.upper - 1) < error, order


@pytest.mark.parametrize("adjacency", ["remove", "add", "replace_one"])
@pytest.mark.parametrize("share", [-1.5, -0.2, 0.0, 0.02, 0.2, 0.7, 1.0, 2.5])
def test_the_tilted_expansion_holds_for_every_epsilon(adjacency, share):
    """Every strip of the tilt (c < -1, -1 < c < 0, c > 0): the certified delta, as many steps are nearly normal."""
    setting = (3.0, 0.1, 20000)
    eps = share * ea.epsilon(*setting, 1e-5, adjacency=adjacency)
    bounds = ea.delta_bounds(*setting, eps, adjacency=adjacency, rtol=1e-12)
    value = ea.delta(*setting, eps, method="tilted_edgeworth", order=6, adjacency=adjacency)
    assert abs(value / bounds.upper - 1) < 2e-11


def test_a_normal_loss_is_expanded_exactly():
    """Closed form, q = 1."""
    for adjacency, eps in [("remove", 3.0), ("replace_one", 9.0), ("remove", 0.01), ("remove", -2.0)]:
        value = ea.delta(5.0, 1.0, 30, eps, method="tilted_edgeworth", order=3, adjacency=adjacency)
        assert abs(value / gaussian.delta(5.0, 30, eps, adjacency) - 1) < 1e-13
        back = ea.epsilon(5.0, 1.0, 30, value, method="tilted_edgeworth", order=3, adjacency=adjacency)
        assert abs(back - max(eps, 0.0)) < 1e-11


@given(typical, st.integers(0, 10))
def test_tilted_epsilon_and_delta_are_inverse(setting, order):
    assume(setting["adjacency"] != "add_or_remove")
    try:
        eps = ea.epsilon(**setting, method="tilted_edgeworth", order=order)
        assume(eps > 1e-3)
        back = ea.delta(
            setting["sigma"],
            setting["q"],
            setting["steps"],
            eps,
            adjacency=setting["adjacency"],
            method="tilted_edgeworth",
            order=order,
        )
    except ea.PrecisionError:  # far from normal: the expansion is no probability
        return
    assert abs(math.log(back / setting["delta"])) < 1e-7


# Renyi divergences.


@pytest.mark.parametrize("order", [2, 3, 8, 32])
@pytest.mark.parametrize(("sigma", "q"), [(0.5, 0.01), (1.0, 1e-6), (1.0, 0.3), (20.0, 1e-3)])
def test_renyi_divergence_of_integer_order(sigma, q, order):
    """Closed form: a binomial sum."""
    value = ea.renyi_divergence(sigma, q, order, adjacency="remove")
    assert abs(value / expansion.renyi(sigma, q, order, "remove") - 1) < 1e-12


@pytest.mark.parametrize(
    ("batch", "sigma", "delta", "published"),
    [(2000, 0.8775, 1e-5, 7.9982551808), (2000, 0.8300, 1e-4, 7.9984649398), (1000, 0.7160, 1e-4, 7.9911599003)],
)
def test_published_renyi_epsilons(batch, sigma, delta, published):
    setting = run(67349, batch, sigma, delta)
    orders = np.arange(20, 320) / 10
    value = ea.rdp_epsilon(**setting, orders=orders, conversion="mironov")
    assert abs(value - published) < 2e-10
    better = ea.rdp_epsilon(**setting, orders=orders)
    best = ea.epsilon(**setting, method="rdp")
    assert ea.epsilon(**setting) < best < better < value
    assert best > better * (1 - 1e-3)  # a fine grid of orders is nearly as good as all of them


@given(typical)
def test_renyi_bounds_are_bounds(setting):
    bounds = ea.epsilon_bounds(**setting)
    rdp = ea.epsilon(**setting, method="rdp")
    assert rdp >= bounds.lower
    if rdp > 0:
        target = setting.pop("delta")
        assert abs(ea.delta(**setting, epsilon=rdp, method="rdp") / target - 1) < 1e-6


@given(reals(0.3, 100.0), st.integers(1, 10**6), reals(1e-12, 0.3), st.sampled_from(ADJACENCIES))
def test_renyi_bound_of_the_gaussian_mechanism(sigma, steps, delta, adjacency):
    """Closed form: it is above the truth, and the best order is no worse than any."""
    best = ea.epsilon(sigma, 1.0, steps, delta, adjacency=adjacency, method="rdp")
    assert best >= gaussian.epsilon(sigma, steps, delta, adjacency, digits=20) * (1 - mp.mpf(10) ** -15)
    some = ea.rdp_epsilon(sigma, 1.0, steps, delta, adjacency=adjacency, orders=[1.01, 1.5, 2.0, 4.0, 17.0, 300.0])
    assert best <= some * (1 + 1e-9)


# The Gaussian limit.


def test_gaussian_limit():
    """Published (PEERS); closed form for q = 1."""
    assert f"{ea.epsilon(1.0, 0.01, 1000, 1e-5, method='gdp'):.3f}" == "1.618"
    mu = ea.gdp_mu(1.0, 0.01, 1000)
    assert abs(mu / (0.01 * math.sqrt(1000 * (math.e - 1))) - 1) < 1e-15
    assert abs(ea.epsilon(1.0, 0.01, 1000, 1e-5, method="gdp") / gaussian.epsilon(1 / mu, 1, 1e-5) - 1) < 1e-12
    for adjacency in ADJACENCIES:
        exact = gaussian.epsilon(3.0, 50, 1e-6, adjacency)
        assert abs(ea.epsilon(3.0, 1.0, 50, 1e-6, method="gdp", adjacency=adjacency) / exact - 1) < 1e-12


@pytest.mark.parametrize("adjacency", ADJACENCIES)
def test_many_steps_reach_the_limit(adjacency):
    q = 1e-5
    truth = ea.epsilon(1.0, q, 10**10, 1e-3, adjacency=adjacency)
    assert abs(ea.epsilon(1.0, q, 10**10, 1e-3, adjacency=adjacency, method="gdp") / truth - 1) < 1e-4


# All of them.


@pytest.mark.parametrize("method", ESTIMATES)
def test_noise_multiplier_of_a_method(method):
    """sigma at which the method says 8; only the certified one keeps the promise."""
    q, steps, delta = SST2["q"], SST2["steps"], SST2["delta"]
    sigma = ea.noise_multiplier(8.0, q, steps, delta, method=method)
    assert ea.epsilon(sigma, q, steps, delta, method=method) <= 8.0
    assert ea.epsilon(sigma * (1 - 1e-8), q, steps, delta, method=method) > 8.0
    honest = ea.noise_multiplier(8.0, q, steps, delta)
    low, high = {"edgeworth": (0.98, 0.99), "gdp": (0.94, 0.95), "rdp": (1.04, 1.05)}.get(method, (0.99999, 1.00001))
    assert low < sigma / honest < high


@pytest.mark.parametrize("method", ESTIMATES)
def test_estimates_broadcast(method):
    sigma, delta = np.array([0.8, 1.0, 1.5]), np.array([[1e-5], [1e-6]])
    values = ea.epsilon(sigma, 0.03, 660, delta, method=method)
    assert values.shape == (2, 3)
    assert values[1, 2] == ea.epsilon(1.5, 0.03, 660, 1e-6, method=method)
    back = ea.delta(sigma, 0.03, 660, values, method=method)
    np.testing.assert_allclose(back, np.broadcast_to(delta, (2, 3)), rtol=1e-6)
    assert ea.noise_multiplier([4.0, 8.0], 0.03, 660, 1e-5, method=method).shape == (2,)


def test_order_belongs_to_the_expansions():
    for method in ("certified", "rdp", "gdp"):
        with pytest.raises(ValueError, match=f"order must be None with method='{method}', got 2"):
            ea.epsilon(**SST2, method=method, order=2)
    with pytest.raises(ValueError, match=r"order must be an integer in \[0, 30\], got 31"):
        ea.epsilon(**SST2, method="edgeworth", order=31)
    with pytest.raises(TypeError, match="order must be an integer"):
        ea.epsilon(**SST2, method="tilted_edgeworth", order=1.5)
    for function in (ea.epsilon, ea.epsilon_bounds, ea.delta):
        with pytest.raises(ValueError, match="method must be one of 'certified'"):
            function(0.7865, 0.03, 660, 1e-5, method="edgworth")


@pytest.mark.parametrize("method", ESTIMATES)
def test_estimates_check_their_arguments(method):
    with pytest.raises(ValueError, match=r"delta must be in \(0, 1\)"):
        ea.epsilon(1.0, 0.1, 10, 0.0, method=method)
    with pytest.raises(ea.PrecisionError, match="the domain is sigma in"):
        ea.epsilon(0.01, 0.1, 10, 1e-5, method=method)
    with pytest.raises(ValueError, match="conversion must be one of 'canonne', 'mironov', got 'best'"):
        ea.rdp_epsilon(**SST2, orders=[2.0], conversion="best")
