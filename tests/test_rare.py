"""Totals with a step of large loss, and runs that they make narrow.

Kind of truth: closed form (sums over all outcomes of finite laws; one sampled step); other algorithm (oracles/pld.py).
"""

import itertools
import math
import random

import numpy as np
import pytest
from oracles import pld, single_step

from edgeworth_acct import (
    DiscreteLoss,
    MixtureOfGaussians,
    SampledWithoutReplacementGaussian,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
    grid,
)
from edgeworth_acct.coarse import View
from edgeworth_acct.outcomes import Outcomes
from edgeworth_acct.rare import Totals


def finite(draw, atoms, rare):
    """Losses and probabilities whose mean of e^{-loss} is 1: many small losses, and large ones with this chance."""
    losses = np.array([draw.gauss(0, 0.3) for _ in range(atoms)] + [draw.uniform(0.5, 6) for _ in range(2)])
    p = np.array([draw.random() for _ in range(atoms)] + [rare, rare * draw.random()])
    p[:-2] *= (1 - p[-2:].sum()) / p[:-2].sum()
    order = np.argsort(losses)
    return losses[order] + math.log(p @ np.exp(-losses)), p[order]


def totals(laws):
    """Every total of laws with counts: loss and probability, and whether a step above the cut is in it."""
    steps = [law for *law, count in laws for _ in range(count)]
    for choice in itertools.product(*(range(len(loss)) for loss, _ in steps)):
        yield (
            sum(loss[i] for i, (loss, _) in zip(choice, steps)),
            math.prod(p[i] for i, (_, p) in zip(choice, steps)),
            [loss[i] for i, (loss, _) in zip(choice, steps)],
        )


@pytest.mark.parametrize("seed", range(6))
def test_what_totals_with_a_big_step_give(seed):
    draw = random.Random(seed)
    laws = [(*finite(draw, 3, 1e-2), draw.randint(1, 3)), (*finite(draw, 2, 1e-3), draw.randint(1, 2))]
    every = list(totals(laws))
    for cut, rate in ((0.45, 1.0), (0.45, 4.0), (2.0, 2.5)):
        steps = []
        for loss, p, count in laws:
            whole = Outcomes(p, loss, loss, loss, loss, 0.0 * loss, (0.0, 0.0))
            steps.append((count, whole.below(cut), whole.above(cut)))
        sums = Totals(steps, rate)
        for epsilon in (0.0, 0.3, 1.5):
            of_big = [(loss, p) for loss, p, parts in every if max(parts) >= cut]
            exact = math.fsum(p * max(0.0, -math.expm1(epsilon - loss)) for loss, p in of_big)
            lower, upper = sums.bounds(epsilon, 1e-12)
            assert lower <= exact <= upper
            below = math.fsum(p for loss, p in of_big if loss <= epsilon)
            assert below <= sums.stray(epsilon)
            assert upper - lower <= sums.stray(epsilon) + 1e-11
            if not below:
                assert lower >= exact * (1 - 1e-9) - 1e-15


@pytest.mark.parametrize("seed", range(4))
def test_finite_laws_on_the_lattice(seed):
    """The lattice has the sum over all outcomes inside, whatever the cut."""
    draw = random.Random(f"lattice {seed}")
    laws = [(*finite(draw, 3, 1e-4), 3), (*finite(draw, 3, 1e-5), 2)]
    every = list(totals(laws))
    run = sum(count * DiscreteLoss(tuple(loss), tuple(p)) for loss, p, count in laws)
    core = [(mechanism.law("remove"), count) for mechanism, count in run.parts]
    for epsilon in (0.05, 0.4, 1.0):
        exact = math.fsum(p * max(0.0, -math.expm1(epsilon - loss)) for loss, p, _ in every)
        low, high = (float(end[0]) for end in grid.delta_bounds(core, np.array([epsilon]), 1e-3))
        assert low <= exact * (1 + 1e-12)
        assert exact <= high * (1 + 1e-12)
        assert high - low <= 2e-3 * high


@pytest.mark.parametrize("direction", ["remove", "replace_one"])
@pytest.mark.parametrize(("sigma", "q"), [(0.8, 1e-4), (0.3, 1e-6), (3.0, 1e-3)])
def test_one_step_of_rare_large_losses(sigma, q, direction):
    """A lattice from the least to the largest loss that matter would have points 1e-2 of epsilon apart or more."""
    law = SubsampledGaussian(sigma, q).law(direction)
    for delta in (1e-2 * q, 1e-5 * q):
        exact = float(single_step.epsilon(sigma, q, delta, direction))
        low, high = grid.epsilon_bounds([(law, 1)], delta, 1e-4)
        assert low <= exact <= high
        assert high - low <= 1e-4 * high


RARE = {
    "mixture": 3 * MixtureOfGaussians(2.5, (0.0, 1.0, 2.0), (0.99925, 0.0006, 0.00015)),
    "truncated": 2 * TruncatedPoissonGaussian(2.0, 2e-4, 1373, 1),
    "many and one": 697 * SubsampledLaplace(0.31, 2.9e-4) + SubsampledGaussian(0.56, 3.5e-4),
    "four kinds": 14 * MixtureOfGaussians(3.0, (0.0, 1.0, 2.0), (0.99963, 2.5e-4, 1.2e-4))
    + 6 * SubsampledGaussian(1.68, 3.3e-4)
    + 4 * SampledWithoutReplacementGaussian(5.4, 19155, 55),
}


@pytest.mark.parametrize("name", RARE)
@pytest.mark.parametrize("delta", [3e-5, 1e-9])
def test_rare_large_losses_are_narrow(name, delta):
    lower, upper = RARE[name].epsilon_bounds(delta, adjacency="remove")
    assert upper - lower <= 1e-4 * upper
    below, above = RARE[name].delta_bounds(0.5 * (lower + upper), adjacency="remove")
    assert below <= delta * (1 + 1e-3)
    assert above >= delta * (1 - 1e-3)


@pytest.mark.parametrize("delta", [3e-5, 1e-8])
def test_rare_large_losses_against_a_fine_grid(delta):
    """An independent convolution, whose points lie finer than its errors."""
    sigma, q = 2.5, 6e-4
    law = SubsampledGaussian(sigma, q).law("remove")
    low, high = grid.epsilon_bounds([(law, 3)], delta, 1e-4)
    oracle = pld.Run([(pld.normals([(1 - q, 0.0), (q, 1.0)], [(1.0, 0.0)], sigma), 3)], 2e-6)
    assert oracle.delta(high)[0] <= delta
    assert oracle.delta(low)[1] >= delta


@pytest.mark.parametrize("epsilon", [2e-4, 6e-3])
def test_deltas_of_rare_large_losses_and_atoms(epsilon):
    """Delta of a third: a small step may be far below a big one's cut, and the lattice is coarse."""
    atoms = DiscreteLoss((-0.4, 0.4), (1 / (1 + math.exp(0.4)), 1 / (1 + math.exp(-0.4))))
    below, above = (164 * SubsampledGaussian(0.112, 2.17e-3) + 2 * atoms).delta_bounds(epsilon)
    assert 0.1 < below <= above <= below * (1 + 1e-4)


@pytest.mark.parametrize("epsilon", [0.02, 1.7])
def test_deltas_next_to_one(epsilon):
    run = 60 * TruncatedPoissonGaussian(0.5, 0.3, 260, 80) + 300 * MixtureOfGaussians(1.0, (0.0, 1.0), (0.5, 0.5))
    below, above = run.delta_bounds(epsilon, adjacency="remove")
    assert 1 - 1e-4 < below <= above <= 1.0


def test_no_cut_where_nothing_is_rare():
    view = View.of([(SubsampledGaussian(2.0, 0.5).law("remove"), 2000)])
    assert view.plan(60.0, math.log(1e-5)).cut > 2.0
