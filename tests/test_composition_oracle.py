"""Few steps against oracles/composition.py.  Kind of truth: other algorithm (convolution of the discretised loss).

The oracle's interval is wide next to the certified one, so it must contain it, not merely meet it.
"""

import pytest
from oracles import gaussian, single_step
from oracles.composition import Composition

import edgeworth_acct as ea

LOST = 1e-7  # of delta: what the oracle may lose at each end

# sigma, q, steps, delta, adjacency, and how narrow (relative) the oracle is there.
CASES = [
    (1.0, 0.05, 2, 1e-5, "remove", 1e-5),
    (1.0, 0.05, 2, 1e-12, "remove", 1e-4),
    (0.8, 0.02, 4, 1e-6, "remove", 1e-4),
    (5.0, 0.9, 2, 1e-6, "remove", 1e-5),
    (0.4, 0.005, 20, 1e-5, "remove", 3e-3),
    (2.0, 0.2, 20, 1e-10, "remove", 1e-4),
    (20.0, 0.5, 7, 1e-3, "remove", 1e-4),
    (0.2, 0.01, 3, 1e-6, "remove", 1e-3),
    (0.15, 1e-4, 10, 1e-7, "remove", 1e-3),
    (1.0, 1e-3, 3, 1e-6, "remove", 1e-3),
    (1.0, 0.3, 6, 1e-8, "add", 1e-3),
    (2.0, 0.1, 5, 1e-4, "add", 1e-3),
    (1.0, 0.02, 12, 1e-3, "add", 1e-2),
    (4.0, 0.8, 16, 1e-6, "add", 1e-3),
    (1.0, 0.3, 6, 1e-5, "replace_one", 1e-4),
    (0.3, 0.05, 3, 1e-6, "replace_one", 1e-3),
    (2.0, 0.05, 20, 1e-8, "replace_one", 1e-4),
    (6.0, 0.9, 4, 1e-9, "replace_one", 1e-4),
    (0.7, 0.01, 10, 1e-4, "replace_one", 1e-3),
    (5.169, 3.38e-2, 12, 1e-4, "replace_one", 1e-3),
    (0.915, 0.0356, 2, 1e-3, "replace_one", 1e-3),
]


# Where double precision or the time allowed leaves a certified interval wider than the oracle's: the two must meet.
WIDE = [
    (0.5, 0.5, 2, 1e-5, "add", 1e-3),
    (0.1, 0.3, 5, 1e-4, "remove", 1e-3),
    (0.2, 0.7, 4, 1e-3, "add", 1e-3),
]


@pytest.mark.parametrize(("sigma", "q", "steps", "delta", "adjacency", "narrow"), CASES + WIDE)
def test_oracle_contains_the_certified_interval(sigma, q, steps, delta, adjacency, narrow):
    oracle = Composition(sigma, q, steps, adjacency, LOST * delta)
    wide = (sigma, q, steps, delta, adjacency, narrow) in WIDE

    def compare(truth, certified, meet=wide):
        (low, high), (lower, upper) = truth, certified
        assert lower <= upper
        assert low <= upper and lower <= high if meet else low <= lower and upper <= high

    low, high = oracle.epsilon(delta)
    assert high - low <= narrow * high
    certified = ea.epsilon_bounds(sigma, q, steps, delta, adjacency=adjacency)
    compare((low, high), certified)
    for share in (-1.0, -0.3, 0.0, 0.5, 0.9, 1.02):
        eps = share * certified.upper
        # Below 0 delta is nearly 1 - e^eps, known to both up to rounding; at 0 few steps with little noise stay wide.
        near_one = wide or share <= 0
        compare(oracle.delta(eps), ea.delta_bounds(sigma, q, steps, eps, adjacency=adjacency), near_one)


@pytest.mark.parametrize(
    ("sigma", "q", "adjacency"),
    [(1.0, 0.05, "remove"), (0.3, 0.2, "add"), (0.4, 0.1, "replace_one"), (3.0, 0.5, "remove"), (3.0, 0.5, "add")],
)
def test_the_oracle_itself_at_one_step(sigma, q, adjacency):
    """Kind of truth: closed form."""
    oracle = Composition(sigma, q, 1, adjacency, 1e-13)
    for delta in (1e-2, 1e-4, 1e-6):
        low, high = oracle.epsilon(delta)
        assert low <= single_step.epsilon(sigma, q, delta, adjacency) <= high <= low + 0.01 * high


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("sigma", [0.5, 8.0])
def test_the_oracle_itself_nearly_without_sampling(sigma, steps):
    """Kind of truth: closed form of q = 1, which q = 1 - 2^-40 undercuts by a relative 1e-11 or so."""
    low, high = Composition(sigma, 1 - 2.0**-40, steps, "remove", 1e-12).epsilon(1e-5)
    exact = float(gaussian.epsilon(sigma, steps, 1e-5))
    assert low <= exact <= high * (1 + 1e-9)
    assert high - low <= 1e-3 * high
