"""Every mechanism: closed forms and sums over all outcomes.  Kind of truth: closed form (mpmath)."""

import dataclasses
import itertools
import math
import pickle
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import PAIRS
from strategies import reals

import edgeworth_acct as ea
from edgeworth_acct import (
    ApproximateDP,
    DiscreteGaussian,
    DiscreteLaplace,
    DiscreteLoss,
    Gaussian,
    Laplace,
    RandomizedResponse,
    Run,
    SampledWithoutReplacementGaussian,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
)


def binomial_delta(n, epsilon, eps):
    """delta(eps) of n-fold randomised response with 60 digits, by its binomial sum."""
    with mp.workdps(60):
        e, x = mp.mpf(epsilon), mp.mpf(eps)
        p = 1 / (1 + mp.exp(-e))
        terms = (
            mp.binomial(n, k) * p**k * (1 - p) ** (n - k) * (1 - mp.exp(x - (2 * k - n) * e))
            for k in range(n + 1)
            if (2 * k - n) * e > x
        )
        return mp.fsum(terms)


# Finite losses: exact to 1e-9 and better.


@pytest.mark.parametrize(
    ("n", "epsilon", "truth"),
    [(1000, 1.0, 591.07965045), (100, 1.0, 83.53070168), (200, 2.0, 378.79393651), (1000, 0.1, 19.34467145)],
)
def test_pure_mechanisms(n, epsilon, truth):
    # prv_accountant 0.2.0 returns [35.9, 36.1] for the first
    lower, upper = (n * RandomizedResponse(epsilon)).epsilon_bounds(1e-6)
    assert lower == pytest.approx(truth, abs=6e-9)
    assert upper - lower <= 1e-9 * upper
    assert binomial_delta(n, epsilon, lower) >= mp.mpf(1e-6) >= binomial_delta(n, epsilon, upper)


@given(st.integers(1, 400), reals(1e-3, 5.0), reals(1e-14, 0.3))
def test_randomised_response_against_binomial_sums(n, epsilon, delta):
    run = n * RandomizedResponse(epsilon)
    lower, upper = run.epsilon_bounds(delta)
    assert binomial_delta(n, epsilon, upper) <= mp.mpf(delta)
    assert lower == 0.0 or binomial_delta(n, epsilon, lower) >= mp.mpf(delta)
    assert upper - lower <= 1e-9 * upper + 1e-15
    at = np.array([-2.0, -0.1, 0.0, 0.3, 1.0]) * max(upper, 1e-3)
    low, high = run.delta_bounds(at)
    truth = [binomial_delta(n, epsilon, x) for x in at]
    assert all(l <= t <= h for l, t, h in zip(low, truth, high))
    assert np.all(high - low <= 1e-9 * high + 1e-14 * (1 + n * epsilon))


@given(st.integers(1, 60), reals(0.01, 3.0), reals(1e-10, 1e-2), reals(1e-9, 0.3))
def test_approximate_mechanisms(n, epsilon, slack, delta):
    run, infinite = n * ApproximateDP(epsilon, slack), -mp.expm1(n * mp.log1p(-mp.mpf(slack)))
    lower, upper = run.epsilon_bounds(delta)
    if infinite > mp.mpf(delta) * (1 + mp.mpf(1e-12)):
        assert (lower, upper) == (math.inf, math.inf)
        assert run.rdp(2.0) == math.inf
        return

    def truth(eps):
        return infinite + (1 - infinite) * binomial_delta(n, epsilon, eps)

    assert truth(upper) <= mp.mpf(delta)
    assert lower == 0.0 or truth(lower) >= mp.mpf(delta)


def every_outcome(parts, eps):
    """delta(eps) by enumeration; parts are lists of (loss, probability)."""
    total = mp.mpf(0)
    for outcome in itertools.product(*parts):
        loss = mp.fsum(mp.mpf(l) for l, _ in outcome)
        total += mp.fprod(mp.mpf(p) for _, p in outcome) * max(mp.mpf(0), -mp.expm1(mp.mpf(eps) - loss))
    return total


def test_losses_without_a_common_lattice_are_enumerated():
    def response(epsilon, k):
        total = mp.exp(epsilon) + k - 1
        return [(epsilon, mp.exp(epsilon) / total), (0.0, (k - 2) / total), (-epsilon, 1 / total)]

    pairs = [(0.3, 2), (math.pi / 10, 3), (math.sqrt(2) / 5, 5)]
    run = sum(2 * RandomizedResponse(e, k) for e, k in pairs)
    parts = [response(mp.mpf(e), k) for e, k in pairs for _ in range(2)]
    lower, upper = run.epsilon_bounds(1e-3)
    assert upper - lower <= 1e-9 * upper
    assert every_outcome(parts, upper) <= mp.mpf(1e-3) <= every_outcome(parts, lower)


def test_discrete_losses_are_the_mechanisms_they_came_from():
    e = 0.7
    p = 1 / (1 + math.exp(-e))
    law, response = DiscreteLoss((-e, e), (1 - p, p)), RandomizedResponse(e)
    for adjacency in ("add", "remove", "add_or_remove"):
        one, two = ((25 * m).epsilon_bounds(1e-5, adjacency=adjacency) for m in (law, response))
        assert one.lower <= two.upper
        assert two.lower <= one.upper
    lossy = DiscreteLoss((-0.1, 0.5), (0.4, 0.5), infinity_mass=0.1)
    assert lossy.delta(50.0, adjacency="remove") == pytest.approx(0.1, rel=1e-12)
    assert lossy.delta(50.0, adjacency="add") == pytest.approx(
        1 - 0.4 * math.exp(0.1) - 0.5 * math.exp(-0.5), rel=1e-12
    )


def test_discrete_laplace_is_randomised_response():
    assert (7 * DiscreteLaplace(0.4)).epsilon_bounds(1e-5) == (7 * RandomizedResponse(2.5)).epsilon_bounds(1e-5)


# Closed forms of one step.


def test_laplace_once():
    for b in (0.3, 1.0, 4.0):
        at = np.array([-0.9, -0.3, 0.0, 0.2, 0.99, 1.0, 1.2]) / b
        truth = np.maximum(-np.expm1(np.minimum(0.0, at - 1 / b) / 2), 0.0)
        lower, upper = Laplace(b).delta_bounds(at)
        assert np.all(lower * (1 - 1e-13) <= truth)
        assert np.all(truth <= upper * (1 + 1e-13) + 1e-17)
        assert np.all(upper - lower <= 1e-12 * upper + 4e-15 / b)


@pytest.mark.parametrize(
    ("mechanism", "eps", "adjacency", "truth"),
    [
        (Laplace(1.0), 0.0, "add_or_remove", 0.3934693402873666),
        (SubsampledLaplace(0.5, 0.8), 0.5, "remove", 0.4039564635032081),
        (SubsampledLaplace(0.5, 0.8), 0.5, "add", 0.3243606497234246),
        (SubsampledGaussian(1.0, 0.8), 1.0, "add", 0.0231362104090899),
        (SubsampledGaussian(1.0, 0.8), 1.0, "remove", 0.0816951786585355),
        (SubsampledGaussian(2.0, 0.8), 1.0, "replace_one", 0.05808665654484252),
        (SubsampledGaussian(2.0, 0.3), 2.0, "replace_one", 2.4770380148941894e-9),
        (SubsampledGaussian(1.0, 0.3), 2.0, "remove", 0.0003341102928869332),
        (Gaussian(1.0), -2.0, "add_or_remove", 0.86749642),
        (Gaussian(1.0), 2.0, "add_or_remove", 0.020923636),
    ],
)
def test_closed_forms(mechanism, eps, adjacency, truth):
    lower, upper = mechanism.delta_bounds(eps, adjacency=adjacency)
    assert lower <= truth * (1 + 2e-8)
    assert truth * (1 - 2e-8) <= upper
    assert upper - lower <= 1e-6 * upper


def test_gaussian_replace_one():
    # dp_accounting's RDP accountant returns 19.05 (sensitivity 1)
    assert (10 * Gaussian(1.0)).epsilon(1e-5, adjacency="replace_one") == pytest.approx(46.21, abs=0.01)


@given(reals(0.7, 3.0), reals(0.01, 0.5), st.sampled_from([0.0, 0.3, 1.0]))
def test_without_replacement_once_is_the_larger_direction(sigma, q, eps):
    population = 10_000
    fixed = SampledWithoutReplacementGaussian(2 * sigma, population, round(q * population))
    q = fixed.sample / population
    lower, upper = fixed.delta_bounds([eps, -eps], adjacency="replace_one")
    near = max(ea.delta_bounds(sigma, q, 1, eps, adjacency=way).upper for way in ("add", "remove"))
    far = max(ea.delta_bounds(sigma, q, 1, -eps, adjacency=way).upper for way in ("add", "remove"))
    assert lower[0] <= near * (1 + 1e-9)
    assert near <= upper[0] * (1 + 1e-9)
    assert lower[1] <= far * (1 + 1e-9)
    assert far <= upper[1] * (1 + 1e-9)
    assert np.all(upper - lower <= 3e-4 * upper + 1e-12)


# Relations that hold for all mechanisms.


@pytest.mark.parametrize("mechanism", [mechanism for mechanism, _ in PAIRS.values()], ids=repr)
def test_every_mechanism(mechanism):
    run = 20 * mechanism
    assert Run.from_json(run.to_json()) == run
    assert run.epsilon(1e-4) >= max(run.epsilon_bounds(1e-4, adjacency=way).lower for way in ("add", "remove"))
    lower, upper = run.epsilon_bounds(1e-4)
    assert 0.0 < upper - lower + 1e-300
    assert upper - lower <= 1e-4 * upper
    tight = run.epsilon_bounds(1e-4, rtol=1e-6)
    assert lower <= tight.upper
    assert tight.lower <= upper
    d = run.delta_bounds([-1.0, 0.0, 1.0])
    assert np.all(np.diff(d.lower) <= 0)
    order = 3.0
    if not isinstance(mechanism, ApproximateDP):
        assert run.rdp(order) <= run.zcdp() * order * (1 + 1e-12)
        # delta <= e^{(a-1)(D_a - eps)} (a-1)^{a-1}/a^a (Canonne, Kamath, Steinke 2020, proposition 12)
        bound = run.rdp(order) + math.log(1e4 * 2**2 / 3**3) / 2
        assert lower <= bound


@pytest.mark.parametrize(
    ("mechanism", "size"), [(Laplace(2.0), 2), (RandomizedResponse(0.5), 3), (ApproximateDP(0.2, 1e-9), 2)]
)
def test_groups_are_worse(mechanism, size):
    run = 5 * mechanism
    assert run.epsilon(1e-4) < run.group(size).epsilon(1e-4) <= run.group(size + 1).epsilon(1e-4)


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_a_cut_batch_costs_no_less_than_an_uncut_one(limit):
    free = SubsampledGaussian(0.3, 0.2).delta_bounds([0.0, 0.5, 2.0]).lower
    for population in (1, 10, 100_000):  # a record in 100 000 finds the batch full: e^-22000 is no double
        cut = TruncatedPoissonGaussian(0.3, 0.2, population, limit)
        assert np.all(cut.delta_bounds([0.0, 0.5, 2.0]).upper >= free)
    full = cut.delta_bounds([0.0, 0.5, 2.0])
    assert np.all(full.upper >= SubsampledGaussian(0.15, 0.2).delta_bounds([0.0, 0.5, 2.0]).lower)
    assert cut.overflow == (1.0 - 1e-15, 1.0)


def test_what_is_not_proven_is_refused():
    for mechanism in (SubsampledLaplace(1.0, 0.5), PAIRS["truncated"][0], DiscreteGaussian(2.0)):
        with pytest.raises(ValueError, match=r"no dominating pair for a group"):
            (3 * mechanism).group(2)
    with pytest.raises(ValueError, match="belongs to one relation"):
        (2 * DiscreteLoss((0.0,), (1.0,)) + Gaussian(1.0)).epsilon(1e-5, adjacency="replace_one")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Laplace(0.0), "scale must be in"),
        (lambda: SubsampledLaplace(1.0, 2.0), "q must be in"),
        (lambda: DiscreteGaussian(0.01), "sigma must be in"),
        (lambda: RandomizedResponse(-1.0), "epsilon must be in"),
        (lambda: RandomizedResponse(1.0, 1), "categories must be an integer >= 2"),
        (lambda: ApproximateDP(1.0, 1.0), "delta must be in"),
        (lambda: DiscreteLoss((0.0, 1.0), (0.5, 0.4)), "probabilities must lie in"),
        (lambda: DiscreteLoss((1.0, 0.0), (0.5, 0.5)), "losses must lie in"),
        (lambda: DiscreteLoss((-1.0, 1.0), (0.5, 0.5)), "no pair has this loss"),
        (lambda: DiscreteLoss((0.0,), (0.5,), infinity_mass=1.5), "infinity_mass must be in"),
        (lambda: SampledWithoutReplacementGaussian(1.0, 10, 11), "sample must be at most population = 10, got 11"),
        (lambda: TruncatedPoissonGaussian(1.0, 1.0, 10, 5), "q must be in"),
        (lambda: TruncatedPoissonGaussian(1.0, 0.1, 10, 0), "limit must be an integer >= 1"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("adjacency", ["remove", "replace_one"])
@pytest.mark.parametrize("mechanism", [RandomizedResponse(0.3), DiscreteGaussian(3.0), Laplace(4.0)], ids=repr)
def test_many_epsilons_are_what_each_one_is(mechanism, adjacency):
    run, at = 30 * mechanism, np.linspace(-3.0, 12.0, 40)
    many = run.delta_bounds(at, adjacency=adjacency)
    for x, low, high in zip(at, *many):
        one = run.delta_bounds(float(x), adjacency=adjacency)
        assert low <= one.upper
        assert one.lower <= high
    assert np.all(many.lower[1:] <= many.upper[:-1])


def test_a_cut_tail_is_not_claimed_from_below():
    lower, upper = (5 * DiscreteGaussian(1.0)).delta_bounds(1e3)
    assert lower == 0.0
    assert 0.0 < upper < 1e-150


@pytest.mark.parametrize("missing", [1e-16, 5e-15, 3e-14, 9e-13])
def test_mass_that_is_missing_is_an_infinite_loss(missing):
    # closed form: what the probabilities, or those of the second law, lack of 1 is lost at any epsilon
    low = 1 / (1 + math.exp(0.5))
    law = DiscreteLoss((-0.5, 0.5), (low * (1 - missing), (1 - low) * (1 - missing)))
    for adjacency in ("remove", "add"):
        lower, upper = law.delta_bounds(0.5, adjacency=adjacency)
        exact = Fraction(1) - sum(map(Fraction, law.probabilities))
        if adjacency == "add":
            with mp.workdps(40):
                exact = 1 - sum(mp.mpf(p) * mp.exp(-loss) for p, loss in zip(law.probabilities, law.losses))
        assert lower <= max(exact, 0) <= upper <= max(float(exact), 0.0) + 2e-15
        many_lower, many_upper = (1000 * law).delta_bounds(500.0, adjacency=adjacency)
        assert many_lower <= 1000 * max(exact, 0)
        assert many_upper >= 1000 * exact * (1 - 500 * exact)


def test_parameters_named_like_questions_answer_them():
    response, approximate = RandomizedResponse(1.0), ApproximateDP(0.5, 1e-6)
    assert response.epsilon == 1.0
    assert response.epsilon(1e-6) == (1 * response).epsilon(1e-6)
    assert approximate.delta == 1e-6
    assert approximate.delta(0.5) == (1 * approximate).delta(0.5)
    assert approximate.epsilon(0.1, adjacency="replace_one") == (1 * approximate).epsilon(0.1, adjacency="replace_one")
    for mechanism in (response, approximate):
        assert pickle.loads(pickle.dumps(mechanism)) == mechanism == dataclasses.replace(mechanism)
        assert Run.from_json((3 * mechanism).to_json()) == 3 * mechanism
    with pytest.raises(dataclasses.FrozenInstanceError):
        response.epsilon = 2.0
    with pytest.raises(TypeError, match="epsilon"):
        RandomizedResponse()


@pytest.mark.parametrize("mechanism", [Gaussian(2.0), SubsampledGaussian(2.0, 0.1), Laplace(3.0), DiscreteLaplace(3.0)])
def test_mechanisms_answer_all_that_runs_answer(mechanism):
    run = 1 * mechanism
    assert mechanism.zcdp() == run.zcdp()
    assert mechanism.rdp(3.0) == run.rdp(3.0)
    assert mechanism.advantage() == run.advantage()
    assert mechanism.epsilon_bounds(1e-3) == run.epsilon_bounds(1e-3)


def test_losses_that_are_nearly_sure_to_be_infinite():
    run = 581 * ApproximateDP(0.25, 0.0758) + 11 * RandomizedResponse(math.pi) + ApproximateDP(math.sqrt(2), 0.1)
    assert run.epsilon_bounds(0.01) == ea.Bounds(math.inf, math.inf)
    lower, upper = run.delta_bounds(1e3)  # closed form: 1 - 0.9 (1 - 0.0758)^581 and less, which rounds to 1
    assert 1 - 1e-12 <= lower <= upper == 1.0


@pytest.mark.parametrize("scale", [1.0, 1e-150, 1e-153, 1e-154, 1e-155, 1e-200, 1e-300])
def test_one_step_next_to_no_noise(scale):
    """Closed form: the added record shows where it is sampled, and the loss is -log(1 - q) where it is not."""
    sigma = 0.02 * scale  # at 0.02 the tails are below e^-300 already
    for mechanism in (
        SubsampledGaussian(sigma, 0.1),
        SampledWithoutReplacementGaussian(2 * sigma, 10, 1),
        TruncatedPoissonGaussian(sigma, 0.1, 100, 101),
    ):
        run = 1 * mechanism
        lower, upper = run.epsilon_bounds(1e-5, adjacency="add")
        assert lower * (1 - 1e-12) <= math.log((1 - 1e-5) / 0.9) <= upper * (1 + 1e-12)
        assert upper - lower <= 1e-8 * upper
        lower, upper = run.delta_bounds(0.05, adjacency="add")
        assert lower * (1 - 1e-12) <= 1 - 0.9 * math.exp(0.05) <= upper * (1 + 1e-12)
        assert run.delta_bounds(0.2, adjacency="add").upper < 1e-300


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("sigma", [1e16, 1e100, 1e154, 1e200, 1e300])
@pytest.mark.parametrize("steps", [1, 30, 10**9])
def test_noise_that_hides_everything(steps, sigma):
    """The total variation distance is at most steps q / (sigma sqrt(2 pi)), times 2 where a record is replaced."""
    for mechanism, directions in (
        (SubsampledGaussian(sigma, 0.1), ("add", "remove", "add_or_remove", "replace_one")),
        (SampledWithoutReplacementGaussian(sigma, 10, 1), ("add", "remove", "replace_one")),
    ):
        for adjacency in directions:
            run = steps * mechanism
            assert 0 <= run.epsilon_bounds(1e-5, adjacency=adjacency).lower <= 1e-8
            assert run.epsilon_bounds(1e-5, adjacency=adjacency).upper <= 0.01
            lower, upper = run.delta_bounds(0.0, adjacency=adjacency)
            assert 0 <= lower <= 0.2 * steps / sigma
            assert lower <= upper <= 1
