"""Derivatives against differences of 18-digit epsilons, and calibration of any parameter.

Kind of truth: more digits (oracles/inversion.py), closed form (Gaussian).
"""

from statistics import NormalDist

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.inversion import Inversion, working_bits
from strategies import reals

import edgeworth_acct as ea
from edgeworth_acct import Gaussian, Laplace, RandomizedResponse, SubsampledGaussian, calibrate


def exact(sigma, q, steps, delta, direction):
    return Inversion(sigma, q, steps, direction, bits=100).epsilon(delta, digits=18)


def difference(function, at, step):
    """Central difference of fourth order: function returns balls."""
    with working_bits(200):
        h = arb(step) * arb(at)
        values = [function(arb(at) + k * h) for k in (-2, -1, 1, 2)]
        return float(((values[0] - values[3] + 8 * (values[2] - values[1])) / (12 * h)).mid())


@pytest.mark.parametrize("direction", ["remove", "add", "replace_one"])
@pytest.mark.parametrize(("sigma", "q", "steps", "delta"), [(1.0, 0.01, 1000, 1e-5), (0.8, 0.05, 300, 1e-7)])
def test_derivatives_of_sampled_gaussians(sigma, q, steps, delta, direction):
    mechanism = SubsampledGaussian(sigma, q)
    slopes = (steps * mechanism).derivatives(delta, adjacency=direction)
    truth = {
        "sigma": difference(lambda x: exact(x, q, steps, delta, direction), sigma, 1e-4),
        "q": difference(lambda x: exact(sigma, x, steps, delta, direction), q, 1e-4),
    }
    for name, value in truth.items():
        assert slopes.parts[mechanism][name] == pytest.approx(value, rel=1e-7)
    line = Inversion(sigma, q, steps, direction, bits=100)  # one serves all four deltas
    assert slopes.delta == pytest.approx(difference(lambda x: line.epsilon(x, digits=18), delta, 1e-4), rel=1e-7)
    k = steps // 10  # epsilon of so many steps more and less: curvature of fourth order left
    values = [float(exact(sigma, q, steps + j * k, delta, direction).mid()) for j in (-2, -1, 1, 2)]
    rough = (values[0] - values[3] + 8 * (values[2] - values[1])) / (12 * k)
    assert slopes.parts[mechanism]["steps"] == pytest.approx(rough, rel=1e-3)


def test_derivatives_of_gaussians():
    sigma, h = 2.0, 1e-4
    slopes = (9 * Gaussian(sigma)).derivatives(1e-6)

    def epsilon(s):
        return sum(ea.epsilon_bounds(s, 1.0, 9, 1e-6)) / 2

    rough = (epsilon(sigma - 2 * h) - epsilon(sigma + 2 * h) + 8 * (epsilon(sigma + h) - epsilon(sigma - h))) / (12 * h)
    assert slopes.parts[Gaussian(sigma)]["sigma"] == pytest.approx(rough, rel=1e-8)
    # nine mechanisms of sigma are one of sigma/3: d/d count = -sigma/(2 count) d/d sigma
    assert slopes.parts[Gaussian(sigma)]["steps"] == pytest.approx(-rough * sigma / 18, rel=1e-8)


def test_derivatives_of_mixed_runs_and_their_limits():
    a, b, c = SubsampledGaussian(1.0, 0.01), SubsampledGaussian(2.0, 0.05), Gaussian(15.0)
    slopes = (500 * a + 200 * b + 2 * c).derivatives(1e-5)
    h = 1e-4

    def epsilon(x, y):
        return sum((500 * SubsampledGaussian(1.0, x) + 200 * b + 2 * Gaussian(y)).epsilon_bounds(1e-5, rtol=1e-12)) / 2

    assert slopes.parts[a]["q"] == pytest.approx(
        (epsilon(0.01 + 1e-6, 15.0) - epsilon(0.01 - 1e-6, 15.0)) / 2e-6, rel=1e-5
    )
    assert slopes.parts[c]["sigma"] == pytest.approx((epsilon(0.01, 15 + h) - epsilon(0.01, 15 - h)) / 2 / h, rel=1e-4)
    beside = (500 * a + Laplace(5.0)).derivatives(1e-5)
    assert beside.parts[Laplace(5.0)].keys() == {"steps"}
    assert beside.parts[Laplace(5.0)]["steps"] > 0
    for run in (20 * RandomizedResponse(0.5), 100 * SubsampledGaussian(100.0, 1e-4)):
        with pytest.raises(ea.PrecisionError, match="no derivatives"):
            run.derivatives(1e-3)


# Calibration.


@settings(max_examples=15)
@given(reals(0.05, 20.0), reals(1e-8, 1e-4), reals(1e-3, 0.05), st.integers(200, 5000))
def test_noise_as_by_noise_multiplier(epsilon, delta, q, steps):
    best = ea.noise_multiplier(epsilon, q, steps, delta)
    found = calibrate(lambda s: steps * SubsampledGaussian(s, q), (0.3 * best, 10 * best), epsilon=epsilon, delta=delta)
    assert found == pytest.approx(best, rel=3e-9)
    assert (steps * SubsampledGaussian(found, q)).epsilon(delta) <= epsilon


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 30.0])
def test_any_target_of_a_mixed_run(epsilon):
    def make(s):
        return 660 * SubsampledGaussian(s, 0.03) + Gaussian(10 * s)

    calls = []
    found = calibrate(lambda s: calls.append(s) or make(s), (0.4, 4000.0), epsilon=epsilon, delta=1e-5)
    assert make(found).epsilon(1e-5) <= epsilon < make(found * (1 - 2e-9)).epsilon(1e-5)
    assert len(calls) < 60


def test_other_parameters():
    step = SubsampledGaussian(0.7982, 2000 / 67349)
    assert calibrate(lambda k: k * step, (1, 10**5), epsilon=8.0, delta=1e-5) == 660
    rate = calibrate(lambda q: 660 * SubsampledGaussian(0.798198, q), (1e-4, 0.5), epsilon=8.0, delta=1e-5)
    assert rate == pytest.approx(ea.max_sampling_rate(8.0, 0.798198, 660, 1e-5), rel=3e-9)
    scale = calibrate(lambda b: 100 * Laplace(b), (1.0, 1000.0), epsilon=1.0, delta=1e-6, tol=1e-4)
    assert (100 * Laplace(scale)).epsilon(1e-6) <= 1.0 < (100 * Laplace(0.999 * scale)).epsilon(1e-6)
    pure = calibrate(lambda e: 50 * RandomizedResponse(e), (0.001, 2.0), epsilon=1.0, delta=1e-6)
    assert (
        (50 * RandomizedResponse(pure)).epsilon(1e-6) <= 1.0 < (50 * RandomizedResponse(1.000001 * pure)).epsilon(1e-6)
    )


def test_attack_rates():
    normal = NormalDist()
    # advantage of mu-GDP: 2 Phi(mu/2) - 1
    sigma = calibrate(Gaussian, (0.1, 100.0), advantage=0.1)
    assert sigma == pytest.approx(1 / (2 * normal.inv_cdf(0.55)), rel=1e-8)
    assert Gaussian(sigma).advantage().upper <= 0.1
    # beta = Phi(Phi^-1(1 - alpha) - mu)
    sigma = calibrate(Gaussian, (0.5, 50.0), alpha=0.05, beta=0.8, tol=1e-6)
    assert sigma == pytest.approx(1 / (normal.inv_cdf(0.95) - normal.inv_cdf(0.8)), rel=3e-6)
    assert Gaussian(sigma).tradeoff(0.05).lower >= 0.8


def test_ends_of_the_range():
    with pytest.raises(ValueError, match="no value in parameter_range"):
        calibrate(Gaussian, (0.1, 0.5), epsilon=0.1, delta=1e-6)
    assert calibrate(Gaussian, (50.0, 100.0), epsilon=1.0, delta=1e-6) == 50.0  # both ends meet it: the less private
    assert calibrate(lambda k: k * Gaussian(50.0), (1, 3), epsilon=1.0, delta=1e-6) == 3


def test_bad_calibrations():
    cases = [
        ({}, "got none"),
        ({"epsilon": 1.0}, "got epsilon"),
        ({"epsilon": 1.0, "delta": 1e-5, "advantage": 0.1}, "give epsilon and delta, or"),
        ({"advantage": 1.5}, "advantage must be in"),
        ({"beta": 0.5, "alpha": 2.0}, "alpha must be in"),
        ({"epsilon": 1.0, "delta": 0.0}, "delta must be in"),
        ({"advantage": 0.1, "tol": 1.0}, "tol must be in"),
    ]
    for target, message in cases:
        with pytest.raises(ValueError, match=message):
            calibrate(Gaussian, (0.1, 10.0), **target)
    for bad in ((1.0,), (2.0, 1.0), (0.1, np.inf), 3.0):
        with pytest.raises(ValueError, match="parameter_range must be"):
            calibrate(Gaussian, bad, advantage=0.1)
    with pytest.raises(TypeError, match="make_run must return"):
        calibrate(lambda s: s, (0.1, 10.0), advantage=0.1)
