"""What two other accountants say.  Kind of truth: other algorithm, to its own accuracy.

dp_accounting's privacy-loss-distribution accountant is meant to be pessimistic; prv_accountant gives an interval.  Both
must agree with the certified interval where they work.  Where they do not, ours is asserted and theirs is quoted.
"""

import pytest

import edgeworth_acct as ea

privacy_loss_distribution = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
prv_accountant = pytest.importorskip("prv_accountant")

TYPICAL = [
    (1.0, 0.01, 1000, 1e-5),
    (0.7865, 2000 / 67349, 660, 1e-5),
    (0.573, 2000 / 392702, 3920, 1e-6),
    (2.0, 0.05, 1000, 1e-6),
    (5.0, 0.2, 2000, 1e-5),
    (0.8, 0.02, 100, 1e-7),
]
settings = pytest.mark.parametrize(("sigma", "q", "steps", "delta"), TYPICAL)


def pld(sigma, q, steps, delta, grid):
    one = privacy_loss_distribution.from_gaussian_mechanism(sigma, sampling_prob=q, value_discretization_interval=grid)
    return one.self_compose(steps).get_epsilon_for_delta(delta)


def prv(sigma, q, steps, delta, error):
    step = prv_accountant.PoissonSubsampledGaussianMechanism(noise_multiplier=sigma, sampling_probability=q)
    errors = {"eps_error": error, "delta_error": delta / 1000}
    accountant = prv_accountant.PRVAccountant(step, max_self_compositions=steps, **errors)
    return accountant.compute_epsilon(delta, [steps])


@settings
def test_dp_accounting_is_a_little_above(sigma, q, steps, delta):
    lower, upper = ea.epsilon_bounds(sigma, q, steps, delta)
    coarse, fine = pld(sigma, q, steps, delta, 1e-3), pld(sigma, q, steps, delta, 1e-4)
    assert lower <= fine * (1 + 1e-9)
    assert fine <= upper * (1 + 1e-5)
    assert coarse <= upper * (1 + 1e-3)
    assert coarse - upper > 10 * (fine - upper)  # of second order in the grid, and its limit is ours


@settings
def test_prv_accountant_agrees(sigma, q, steps, delta):
    lower, upper = ea.epsilon_bounds(sigma, q, steps, delta)
    for error in (0.1, 0.01):
        low, estimate, high = prv(sigma, q, steps, delta, error)
        assert low <= lower <= upper <= high
        assert abs(estimate - upper) <= error / 50


@pytest.mark.parametrize(("delta", "grid", "theirs"), [(1e-12, 1e-3, 3.9103), (1e-13, 1e-3, 4.2018)])
def test_pessimistic_values_below_the_truth(delta, grid, theirs):
    """Transforms in double precision leave errors of 1e-16 in every probability: at such a delta they decide."""
    run = (1.0, 0.01, 1000, delta)
    truth = {1e-12: 3.914298156, 1e-13: 4.229811359}[delta]
    lower, upper = ea.epsilon_bounds(*run)
    assert lower - 1e-9 <= truth <= upper + 1e-9
    assert ea.delta_bounds(*run[:3], theirs).lower > delta  # the "pessimistic" value is not private enough


def test_an_interval_that_misses():
    """prv_accountant 0.2.0 gives [69.8229, 69.8503]."""
    lower, upper = ea.epsilon_bounds(0.3, 0.01, 1000, 1e-5)
    assert lower - 1e-8 <= 69.81571071 <= upper + 1e-8
    assert upper < 69.8229


@pytest.mark.parametrize("steps", [10, 1000])
def test_a_delta_below_their_noise(steps):
    """dp_accounting gives inf at the default grid."""
    assert 0.0 < ea.epsilon(1.0, 0.01, steps, 1e-15) < 10.0


@pytest.mark.parametrize(
    ("run", "truth", "theirs"),
    [((1.0, 1e-5, 10**5, 1e-8), 0.0178438141, 0.0391), ((100.0, 0.01, 10**4, 1e-6), 0.03368, 0.03660)],
)
def test_small_epsilons_that_a_grid_inflates(run, truth, theirs):
    """dp_accounting at its default grid: sound, but up to twice too large."""
    assert ea.epsilon(*run) == pytest.approx(truth, abs=1e-5)
    assert pld(*run, 1e-4) == pytest.approx(theirs, rel=0.02)
    assert ea.epsilon(*run) < 0.95 * theirs
