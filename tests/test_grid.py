"""Composition on a lattice of losses.

Kind of truth: closed form (Gaussian, Laplace, one sampled step, randomised response); other algorithm (the line, and
oracles/pld.py).
"""

import math
import random

import numpy as np
import pytest
from oracles import gaussian, pld, single_step
from scipy.stats import binom

from edgeworth_acct import (
    ApproximateDP,
    DiscreteGaussian,
    Gaussian,
    Laplace,
    MixtureOfGaussians,
    RandomizedResponse,
    SampledWithoutReplacementGaussian,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
    grid,
)

WAYS = ("remove", "add", "replace_one")


def laws(run, direction):
    return [(mechanism.law(direction), count) for mechanism, count in run.parts]


def checked(run, direction, truths, epsilon=None, delta=None, width=1e-4):
    """The lattice's interval has `truths` inside and is narrow."""
    if delta is None:
        low, high = (float(end[0]) for end in grid.delta_bounds(laws(run, direction), np.array([epsilon]), width))
    else:
        low, high = grid.epsilon_bounds(laws(run, direction), delta, width)
    for truth in truths:
        assert low <= truth <= high, (low, truth, high)
    assert high - low <= width * high


@pytest.mark.parametrize("count", [1, 3, 200])
@pytest.mark.parametrize("delta", [0.3, 1e-5, 1e-100])
def test_gaussians(count, delta):
    run = count * Gaussian(sigma=3.0)
    exact = float(gaussian.epsilon(3.0, count, delta))
    checked(run, "remove", [exact], delta=delta)
    if exact > 0:
        checked(run, "add", [delta * (1 - 1e-13), delta * (1 + 1e-13)], epsilon=exact, width=1e-3)


@pytest.mark.parametrize("sigma", [1 / 30, 1 / 36, 1 / 45])
@pytest.mark.parametrize("delta", [0.3, 1e-5])
def test_second_laws_too_rare_for_a_double(sigma, delta):
    checked(1 * Gaussian(sigma), "remove", [float(gaussian.epsilon(sigma, 1, delta))], delta=delta, width=1e-6)


@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize(("sigma", "q"), [(1.0, 0.05), (0.3, 0.2), (4.0, 0.9), (0.8, 1e-4)])
def test_one_sampled_step(sigma, q, direction):
    run = 1 * SubsampledGaussian(sigma, q)
    for delta in (q * 1e-2, q * 1e-6):
        exact = float(single_step.epsilon(sigma, q, delta, direction))
        checked(run, direction, [exact], delta=delta, width=3e-4)


def test_laplace():
    for epsilon in (0.0, 0.4, 0.9):
        checked(1 * Laplace(scale=1.0), "remove", [-math.expm1((epsilon - 1.0) / 2.0)], epsilon=epsilon, width=1e-5)


def test_randomised_response():
    """Atoms, on a lattice that is not the grid's."""
    n, e = 20, 0.7
    p = 1 / (1 + math.exp(-e))
    k = np.arange(n + 1)
    for epsilon in (0.0, 1.0, 5.3):
        exact = float(binom.pmf(k, n, p) @ np.maximum(0, -np.expm1(epsilon - e * (2 * k - n))))
        checked(n * RandomizedResponse(e), "remove", [exact], epsilon=epsilon, width=2e-3)


@pytest.mark.parametrize("direction", WAYS)
def test_meets_the_line(direction):
    """Where the line is far narrower, its interval lies within the lattice's."""
    draw = random.Random(direction)
    for _ in range(12):
        sigma, q = 10 ** draw.uniform(-0.3, 0.7), 10 ** draw.uniform(-3, -0.2)
        count, delta = int(10 ** draw.uniform(0.3, 2.5)), 10 ** draw.uniform(-9, -2)
        run = count * SubsampledGaussian(sigma, q)
        lower, upper = run.epsilon_bounds(delta, adjacency=direction)
        low, high = grid.epsilon_bounds(laws(run, direction), delta, 1e-3)
        assert low <= upper
        assert lower <= high
        if upper - lower < 1e-9 * upper:
            assert low <= lower + 1e-12
            assert upper <= high + 1e-12
        assert upper == 0 or high - low <= 0.05 * high


FEW = [
    SubsampledGaussian(1.0, 0.01) + SubsampledGaussian(2.0, 0.1) + SubsampledGaussian(0.5, 0.001),
    SubsampledGaussian(0.5, 1e-3) + SubsampledGaussian(0.6, 1e-3),
    2 * RandomizedResponse(1.0) + 3 * SubsampledGaussian(1.0, 0.01),
    3 * Laplace(0.5) + 2 * SubsampledGaussian(1.0, 0.01),
    DiscreteGaussian(1.0) + 2 * SubsampledGaussian(1.0, 0.02),
    30 * SampledWithoutReplacementGaussian(2.0, 1000, 100),
    5 * SubsampledLaplace(1.0, 0.01) + Gaussian(5.0),
    3 * TruncatedPoissonGaussian(1.0, 0.01, 1000, 16),
    1605 * RandomizedResponse(0.011, 100) + 20 * SampledWithoutReplacementGaussian(1.3, 1437, 1),
    634 * ApproximateDP(0.00632, 1e-13) + 9 * SubsampledGaussian(1.12, 1.5e-3),
]


@pytest.mark.parametrize("adjacency", ["add_or_remove", "replace_one"])
@pytest.mark.parametrize("run", FEW, ids=str)
def test_few_uneven_steps_are_narrow(run, adjacency):
    """Epsilon and delta agree with each other, to 1e-4 by default."""
    lower, upper = run.epsilon_bounds(1e-5, adjacency=adjacency)
    assert upper - lower <= 1e-4 * upper
    below, above = run.delta_bounds(0.5 * (lower + upper), adjacency=adjacency)
    assert below <= 1e-5 * (1 + 1e-2)
    assert above >= 1e-5 * (1 - 1e-2)
    assert above - below <= 1e-4 * above
    assert run.delta_bounds(upper, adjacency=adjacency).lower <= 1e-5
    assert run.delta_bounds(lower, adjacency=adjacency).upper >= 1e-5


def test_negative_epsilon_of_few_steps():
    """delta_PQ(-e) = 1 - e^-e (1 - delta_QP(e)), from the two directions on their own."""
    run = FEW[0]
    below, above = run.delta_bounds(-0.1, adjacency="remove")
    other = run.delta_bounds(0.1, adjacency="add")
    exact = [-math.expm1(-0.1) + math.exp(-0.1) * end for end in other]
    assert below <= exact[1] + 1e-15
    assert exact[0] <= above + 1e-15
    assert above - below <= 1e-5 * above


def _normals(sigma, q, direction):
    sampled, alone = [(1 - q, 0.0), (q, 1.0)], [(1.0, 0.0)]
    first, second = {"remove": (sampled, alone), "add": (alone, sampled)}.get(
        direction, (sampled, [(1 - q, 0.0), (q, -1.0)])
    )
    return pld.normals(first, second, sigma, cells=40_000)


@pytest.mark.parametrize("direction", WAYS)
def test_random_runs_against_an_independent_grid(direction):
    draw = random.Random(f"runs {direction}")
    for _ in range(6):
        steps = [
            (10 ** draw.uniform(-0.2, 0.5), 10 ** draw.uniform(-2, -0.3), draw.randint(1, 4))
            for _ in range(draw.randint(1, 3))
        ]
        run = sum(count * SubsampledGaussian(sigma, q) for sigma, q, count in steps)
        oracle = pld.Run([(_normals(sigma, q, direction), count) for sigma, q, count in steps], 2e-4)
        for epsilon in (0.05, draw.uniform(0.1, 2.0)):
            below, above = oracle.delta(epsilon)
            if above < 1e-10:
                continue
            low, high = (float(end[0]) for end in grid.delta_bounds(laws(run, direction), np.array([epsilon]), 1e-4))
            assert low <= above
            assert below <= high
            lower, upper = run.delta_bounds(epsilon, adjacency=direction)
            assert low <= upper * (1 + 1e-12)
            assert lower <= high * (1 + 1e-12)


def test_what_a_lattice_cannot_do():
    """No answer, not a wrong one: centres too far apart, too many steps, delta too small."""
    mixture = MixtureOfGaussians(sigma=0.1, sensitivities=(0.0, 100.0), probabilities=(0.5, 0.5))
    assert grid.epsilon_bounds(laws(1 * mixture, "remove"), 1e-5, 1e-4) == (0.0, math.inf)
    many = 10**7 * SubsampledGaussian(1.0, 1e-4)
    assert grid.epsilon_bounds(laws(many, "remove"), 1e-5, 1e-4) == (0.0, math.inf)
    assert grid.epsilon_bounds(laws(2 * Gaussian(1.0), "remove"), 1e-290, 1e-4) == (0.0, math.inf)
    low, high = grid.delta_bounds(laws(many, "remove"), np.array([1.0]), 1e-4)
    assert (low[0], high[0]) == (0.0, 1.0)


def test_nothing_known_outside_of_a_lattice_is_no_number():
    """A bound of what lies outside was infinite here, and a scale 0."""
    lower, upper = (700356 * SubsampledLaplace(806.46, 5.514e-5)).epsilon_bounds(2.3e-6, adjacency="replace_one")
    assert 1.6e-4 < lower < upper < 2e-4


@pytest.mark.parametrize(
    ("run", "delta", "direction"),
    [
        (8819 * Laplace(0.665) + 2 * SubsampledLaplace(0.152, 0.674), 2.4e-57, "remove"),  # a small tilt fits best
        (8452 * DiscreteGaussian(0.4) + 149 * Laplace(121.6), 0.4768, "add"),
        (904 * TruncatedPoissonGaussian(1.9, 1.3e-4, 568, 1) + SubsampledGaussian(12.9, 1.4e-9), 1.3e-7, "add"),
        (
            3 * MixtureOfGaussians(2.1, (0.0,), (1.0,)) + 30 * TruncatedPoissonGaussian(6.4, 3.3e-4, 919, 3),
            1e-200,
            "add",
        ),
    ],
)
def test_large_losses_and_losses_in_one_place(run, delta, direction):
    """The inverse.  Searches for the tilt and the borders of the cells once broke off here."""
    lower, upper = run.epsilon_bounds(delta, adjacency=direction)
    assert 0.0 < lower <= upper <= (1 + 1e-4) * lower
    assert run.delta_bounds(upper, adjacency=direction).lower <= delta
    assert run.delta_bounds(lower, adjacency=direction).upper >= delta
