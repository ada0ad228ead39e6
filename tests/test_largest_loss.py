"""Epsilon next to the largest loss that a run can have.

Kind of truth: closed form (two Laplace mechanisms, one sampled step); laws (delta and epsilon are inverse).
"""

import math

import numpy as np
import pytest
from oracles import pld, single_step

from edgeworth_acct import (
    DiscreteLoss,
    Laplace,
    SampledWithoutReplacementGaussian,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
)


def two_laplace(a, epsilon):
    """Two losses: a with probability 1/2, -a with e^-a/2, density e^{(l - a)/2}/4 between; 0 <= epsilon < 2 a.

    With d = 2 a - epsilon < 2 a: both a, 1/4 (1 - e^-d); one a and the other l > epsilon - a, 2 1/2 times the integral
    of e^{(l - a)/2}/4 (1 - e^{epsilon - a - l}); neither, their density over total s = 2 a - x, x e^{-x/2}/16.
    """
    d = 2 * a - epsilon
    one = (-math.expm1(-d / 2) - math.exp(-d) * math.expm1(d / 2)) / 2
    x = np.linspace(0, d, 20001)
    neither = np.trapezoid(x * np.exp(-x / 2) / 16 * -np.expm1(x - d), x)
    return -math.expm1(-d) / 4 + one + float(neither)


@pytest.mark.parametrize("a", [1.0, 2.0, 3.945])
@pytest.mark.parametrize("below", [1e-1, 1e-3, 1e-6, 1e-9])
def test_two_laplace_mechanisms(a, below):
    run, epsilon = 2 * Laplace(1 / a), 2 * a - below
    exact = two_laplace(a, epsilon)
    lower, upper = run.delta_bounds(epsilon)
    assert lower <= exact * (1 + 1e-6)
    assert exact * (1 - 1e-6) <= upper
    low, high = run.epsilon_bounds(exact)
    assert low <= epsilon + 1e-6 * below + 1e-14
    assert epsilon - 1e-6 * below - 1e-14 <= high
    assert high - low <= 1e-4 * high


@pytest.mark.parametrize(
    ("run", "delta", "largest"),
    [
        (
            18 * SubsampledGaussian(0.0575, 9.28e-4)
            + DiscreteLoss((-0.1, 0.1), (1 / (1 + math.exp(0.1)),) * 1 + (1 / (1 + math.exp(-0.1)),)),
            5e-12,
            -18 * math.log1p(-9.28e-4) + 0.1,
        ),
        (
            3 * SubsampledGaussian(0.1, 0.01) + 2 * SampledWithoutReplacementGaussian(0.2, 100, 1),
            1e-9,
            -5 * math.log(0.99),
        ),
        (2 * SubsampledLaplace(0.05, 0.1) + SubsampledGaussian(0.05, 0.1), 1e-10, -3 * math.log(0.9)),
    ],
)
def test_noise_too_small_to_hide_an_added_record(run, delta, largest):
    """Nearly every loss is the largest: epsilon is that, but for a multiple of delta."""
    lower, upper = run.epsilon_bounds(delta, adjacency="add")
    assert largest * (1 - 1e-4) <= lower <= upper <= largest * (1 + 1e-9)
    below, above = run.delta_bounds(0.5 * largest, adjacency="add")
    assert below <= -math.expm1(-0.5 * largest) * (1 + 1e-12)
    assert above >= below > 0.0


def test_an_added_record_costs_less_than_the_largest_loss():
    """One direction ends where its losses do, and the other is all that is left to invert."""
    run = 48 * TruncatedPoissonGaussian(0.16, 1.2e-4, 86501, 28)
    both, removed = run.epsilon_bounds(6e-6), run.epsilon_bounds(6e-6, adjacency="remove")
    assert run.epsilon_bounds(6e-6, adjacency="add").upper <= -48 * math.log1p(-1.2e-4) * (1 + 1e-9)
    assert both == removed


@pytest.mark.parametrize("sigma", [0.2, 0.5])
def test_one_added_record_beside_another_mechanism(sigma):
    """A single sampled step beside one that says nothing: the closed form of that step."""
    q, silent = 0.05, SubsampledGaussian(1e4, 1e-12)
    for delta in (1e-3, 1e-6):
        exact = float(single_step.epsilon(sigma, q, delta, "add"))
        low, high = (SubsampledGaussian(sigma, q) + silent).epsilon_bounds(delta, adjacency="add")
        assert low <= exact + 1e-9
        assert exact - 1e-9 <= high


def test_near_the_largest_loss_against_a_fine_grid():
    sigma, q = 0.2, 0.05
    cells = pld.normals([(1.0, 0.0)], [(1 - q, 0.0), (q, -1.0)], sigma)
    oracle, run = pld.Run([(cells, 3)], 1e-5), 3 * SubsampledGaussian(sigma, q) + SubsampledLaplace(1e4, 1e-9)
    for epsilon in (0.10, 0.14, 0.15):
        low, high = run.delta_bounds(epsilon, adjacency="add")
        below, above = oracle.delta(epsilon)
        assert low <= above + 1e-8
        assert below - 1e-8 <= high
