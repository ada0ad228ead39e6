"""Mixtures of Gaussians.  Kinds of truth: closed form, and a direct convolution of two steps.

With no sensitivity near 0 the first law gives the bulk of the second next to nothing: once its logarithm was taken of
rounding errors there, and the upper end of delta at epsilon 137.5 below was 1e-5 of it too low.
"""

import numpy as np
import pytest
from oracles import gaussian
from scipy.special import log_ndtr, ndtr

from edgeworth_acct import MixtureOfGaussians, SubsampledGaussian


def twice(first, second, eps):
    """delta(eps) of two steps, removing: E[delta_1(eps - loss)] by trapezoids, which for a smooth integrand converge
    faster than any power; pairs of (1 / sigma, sensitivities, probabilities)."""

    def loss(step, u):
        scale, places, weights = step
        return np.logaddexp.reduce([np.log(w) + u * scale * a - (scale * a) ** 2 / 2 for a, w in zip(places, weights)])

    def delta(step, at):
        low, high = np.full(at.shape, -1e3), np.full(at.shape, 1e3)
        for _ in range(80):
            middle = (low + high) / 2
            below = loss(step, middle) < at
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        scale, places, weights = step
        return sum(w * ndtr(scale * a - low) for a, w in zip(places, weights)) - np.exp(at + log_ndtr(-low))

    z = np.linspace(-12, 12, 4001)
    density = np.exp(-z * z / 2) / np.exp(-z * z / 2).sum()
    scale, places, weights = first
    return sum(w * density @ delta(second, eps - loss(first, scale * a + z)) for a, w in zip(places, weights))


def oracle_of(mechanism):
    return 1 / mechanism.sigma, mechanism.sensitivities, mechanism.probabilities


FAR = MixtureOfGaussians(0.1976, (2.29, 2.72), (0.86, 0.14))
NEAR = MixtureOfGaussians(1.0, (0.0, 1.0, 3.0), (0.7, 0.2, 0.1))


@pytest.mark.parametrize(
    ("one", "other", "epsilons"),
    [
        (FAR, FAR, (65.0, 100.0, 137.5, 150.0)),
        (NEAR, FAR, (50.0, 70.0, 90.0)),
        (NEAR, NEAR, (0.5, 1.0, 4.0)),
        *(
            (mechanism, mechanism, (10.0, 24.5, 37.0))
            for mechanism in (
                MixtureOfGaussians(0.2, (1.0, 2.0), (0.8, 0.2)),
                MixtureOfGaussians(0.2, (1.0, 2.0), (1e-6, 1 - 1e-6)),
                MixtureOfGaussians(0.25, (0.0, 2.0), (1e-13, 1 - 1e-13)),
            )
        ),
    ],
)
def test_two_steps(one, other, epsilons):
    run = one + other
    for eps in epsilons:
        truth = twice(oracle_of(one), oracle_of(other), eps)
        lower, upper = run.delta_bounds(eps, adjacency="remove")
        assert lower * (1 - 1e-11) <= truth <= upper * (1 + 1e-11)
        assert upper - lower <= 1e-4 * upper
        rough = run.delta_bounds(eps, adjacency="remove", rtol=1e-3)
        assert rough.lower * (1 - 1e-11) <= truth <= rough.upper * (1 + 1e-11)


@pytest.mark.parametrize("adjacency", ["remove", "add"])
@pytest.mark.parametrize(("sigma", "steps"), [(1.0, 2), (0.2, 2), (0.2, 50), (0.05, 3)])
def test_sensitivities_that_are_nearly_equal(sigma, steps, adjacency):
    """Closed form: that of a Gaussian, whether the mixture has one component or two."""
    for places, weights in (((1.0,), (1.0,)), ((1.0, np.nextafter(1.0, 2.0)), (0.25, 0.75))):
        run = steps * MixtureOfGaussians(sigma, places, weights)
        for delta in (0.9, 1e-3, 1e-30):
            truth = float(gaussian.epsilon(sigma, steps, delta))
            lower, upper = run.epsilon_bounds(delta, adjacency=adjacency)
            assert lower * (1 - 1e-12) <= truth <= upper * (1 + 1e-12)
            assert sigma < 0.1 or upper - lower <= 1e-8 * upper


def test_sampling_that_leaves_out_next_to_nobody():
    for q in (1 - 2.0**-20, 1 - 2.0**-40, 1 - 2.0**-50):
        run = 2 * SubsampledGaussian(0.15, q) + MixtureOfGaussians(0.15, (0.0, 1.0), (1 - q, q))
        for delta in (0.9, 1e-3):
            truth = float(gaussian.epsilon(0.15, 3, delta))  # of q = 1
            lower, upper = run.epsilon_bounds(delta, adjacency="remove")
            assert lower <= truth * (1 + 1e-12)
            assert truth * (1 - 100 * (1 - q)) <= upper
            assert upper - lower <= 1e-8 * upper
