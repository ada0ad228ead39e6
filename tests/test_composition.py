"""Runs: algebra, agreement with the functions of one mechanism, heterogeneous composition against ball arithmetic.

Kinds of truth: closed form (Gaussian), more digits with another quadrature (oracles/contour.py), laws.
"""

import pickle
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import contour, gaussian
from strategies import ADJACENCIES, reals

import edgeworth_acct as ea
from edgeworth_acct import Gaussian, MixtureOfGaussians, Run, SubsampledGaussian

mechanisms = st.one_of(
    st.builds(Gaussian, reals(2.0, 100.0)), st.builds(SubsampledGaussian, reals(0.6, 10.0), reals(1e-3, 0.2))
)
runs = st.lists(st.tuples(mechanisms, st.integers(1, 2000)), min_size=1, max_size=4).map(Run)
long_runs = st.lists(st.tuples(mechanisms, st.integers(500, 2000)), min_size=1, max_size=3).map(Run)
deltas = reals(1e-10, 1e-3)


def meets(one, other):
    return one.lower <= other.upper and other.lower <= one.upper


# Algebra.


@given(runs, runs, runs, deltas)
def test_addition_is_associative_and_commutative(a, b, c, delta):
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)
    assert (a + b + c).epsilon_bounds(delta) == (c + b + a).epsilon_bounds(delta)


@given(runs, st.integers(0, 50), st.integers(0, 50))
def test_counts_distribute(a, k, n):
    assert (k + n) * a == k * a + n * a
    assert k * (n * a) == (k * n) * a
    assert a + Run() == a == 1 * a
    assert 0 * a == Run()
    assert sum([a, a, a]) == 3 * a


def test_numpy_integers_are_counts_and_fractions_are_not():
    step = SubsampledGaussian(sigma=1.0, q=0.01)
    assert np.int64(5) * step == 5 * step == step * np.int32(5) == 5.0 * step
    for bad in (2.5, -1, np.nan):
        with pytest.raises(ValueError, match="count must be an integer"):
            bad * step
    with pytest.raises(TypeError):
        "3" * step
    with pytest.raises(TypeError):
        step + 1


def test_runs_are_immutable():
    run = 3 * Gaussian(sigma=2.0)
    with pytest.raises(AttributeError, match="immutable"):
        run.parts = ()
    with pytest.raises(AttributeError):
        Gaussian(sigma=2.0).sigma = 1.0


@given(runs, deltas)
def test_pickle_and_json_round_trips(run, delta):
    for copy in (pickle.loads(pickle.dumps(run)), Run.from_json(run.to_json())):
        assert copy == run
        assert copy.epsilon_bounds(delta) == run.epsilon_bounds(delta)


def test_stored_and_new_stages_merge():
    step = SubsampledGaussian(sigma=1.0, q=0.01)
    stored = Run.from_json((300 * step).to_json())
    assert stored + 200 * step == 500 * step
    assert repr(stored + Gaussian(sigma=3.0)) == "300 * SubsampledGaussian(sigma=1.0, q=0.01) + 1 * Gaussian(sigma=3.0)"


def test_bad_json_is_refused():
    good = (3 * Gaussian(sigma=2.0)).to_json()
    for bad in (
        "",
        "{}",
        good[:-3],
        good.replace("Gaussian", "Gauss"),
        good.replace("2.0", "-2.0"),
        good.replace("3", "3.5"),
    ):
        with pytest.raises(ValueError, match=r"text|mechanism|sigma|count"):
            Run.from_json(bad)


# Agreement with the functions of one mechanism.


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize(("sigma", "q", "steps"), [(1.0, 0.01, 1000), (0.7, 0.05, 300), (5.0, 1.0, 10), (2.0, 0.3, 1)])
def test_one_mechanism_agrees_with_the_functions(sigma, q, steps, adjacency):
    run = steps * SubsampledGaussian(sigma=sigma, q=q)
    assert run.epsilon_bounds(1e-6, adjacency=adjacency) == ea.epsilon_bounds(
        sigma, q, steps, 1e-6, adjacency=adjacency
    )
    at = [-1.0, 0.0, 1.5]
    ours, theirs = run.delta_bounds(at, adjacency=adjacency), ea.delta_bounds(sigma, q, steps, at, adjacency=adjacency)
    np.testing.assert_allclose(ours.upper, theirs.upper, rtol=1e-9)
    np.testing.assert_allclose(ours.lower, theirs.lower, rtol=1e-9)
    assert run.epsilon([1e-5, 1e-7], adjacency=adjacency).shape == (2,)


@given(runs, deltas)
def test_inverses(run, delta):
    epsilon = run.epsilon(delta)
    assert run.delta_bounds(epsilon).lower <= delta
    below = run.epsilon_bounds(delta).lower
    assert below == 0.0 or run.delta_bounds(below).upper >= delta


@given(reals(0.6, 5.0), reals(1e-3, 0.1), st.integers(2, 3000), deltas, st.sampled_from(ADJACENCIES))
def test_nearly_equal_mechanisms_are_nearly_one(sigma, q, steps, delta, adjacency):
    # The second mechanism differs by one part in 1e15, so the run is composed as a heterogeneous one.
    run = (steps - 1) * SubsampledGaussian(sigma, q) + SubsampledGaussian(np.nextafter(sigma, 9.0), q)
    together = ea.epsilon_bounds(sigma, q, steps, delta, adjacency=adjacency)
    mixed = run.epsilon_bounds(delta, adjacency=adjacency)
    assert mixed.lower <= together.upper * (1 + 1e-13)
    assert together.lower <= mixed.upper * (1 + 1e-13)


@pytest.mark.parametrize("adjacency", ADJACENCIES)
def test_many_epsilons_share_contours(adjacency):
    run, at = 1000 * SubsampledGaussian(sigma=1.0, q=0.01), np.linspace(-2.0, 6.0, 200)
    many, few = run.delta_bounds(at, adjacency=adjacency), ea.delta_bounds(1.0, 0.01, 1000, at, adjacency=adjacency)
    assert np.all(many.lower <= few.upper)
    assert np.all(few.lower <= many.upper)
    assert np.all(many.upper - many.lower <= 2e-9 * many.upper)


# Heterogeneous composition.


@pytest.mark.parametrize("direction", ["remove", "add", "replace_one"])
@pytest.mark.parametrize(
    ("steps", "mu"),
    [([(40, 1.0, 0.05), (60, 0.8, 0.02)], 0.2), ([(300, 2.0, 0.1), (100, 1.5, 0.2), (50, 3.0, 0.5)], 0.0)],
)
def test_contours_in_ball_arithmetic(steps, mu, direction):
    run = Run([(SubsampledGaussian(sigma, q), n) for n, sigma, q in steps])
    parts = [(n, contour.subsampled(sigma, q, direction)) for n, sigma, q in steps]
    if mu:
        run += Gaussian(sigma=1.0 / mu)
        parts.append((1, contour.gaussian((2 if direction == "replace_one" else 1) * mu)))
    eps = run.epsilon(1e-5, adjacency=direction)
    truth = contour.delta(parts, eps, digits=11)
    lower, upper = run.delta_bounds(eps, adjacency=direction)
    assert lower * (1 - 1e-10) <= truth <= upper * (1 + 1e-10)
    assert truth == pytest.approx(1e-5, rel=1e-6)
    assert upper - lower <= 1e-8 * upper


@given(
    st.lists(st.tuples(reals(0.3, 50.0), st.integers(1, 100)), min_size=2, max_size=4),
    deltas,
    st.sampled_from(ADJACENCIES),
)
def test_gaussians_are_one_gaussian(pairs, delta, adjacency):
    run = Run([(Gaussian(sigma), n) for sigma, n in pairs])
    sigma = sum(n / sigma**2 for sigma, n in pairs) ** -0.5
    truth = float(gaussian.epsilon(sigma, 1, delta, adjacency, digits=25))
    lower, upper = run.epsilon_bounds(delta, adjacency=adjacency)
    assert lower * (1 - 1e-12) <= truth <= upper * (1 + 1e-12)
    assert upper - lower <= 1e-8 * upper or upper < 1e-3


@given(runs, mechanisms, deltas, st.sampled_from(ADJACENCIES))
def test_more_mechanisms_cost_more(run, more, delta, adjacency):
    assert run.epsilon_bounds(delta, adjacency=adjacency).lower <= (run + more).epsilon(delta, adjacency=adjacency)


@pytest.mark.parametrize(
    ("sigma", "q", "steps", "eps"),
    [
        (1.69, 1.264e-4, 12, -0.079),
        (5.44, 1.308e-4, 4, -0.0181),
        (2.77, 0.0118, 2, -0.0442),
        (1.27, 1.7e-4, 2032, -0.083),
    ],
)
def test_replacing_at_negative_epsilon(sigma, q, steps, eps):
    # the relation is symmetric: delta(e) = 1 - e^e (1 - delta(-e)), and at least 1 - e^e
    lower, upper = (steps * SubsampledGaussian(sigma, q)).delta_bounds(eps, adjacency="replace_one")
    assert -np.expm1(eps) * (1 - 1e-14) <= upper
    mirror = ea.delta_bounds(sigma, q, steps, -eps, adjacency="replace_one")
    assert lower <= -np.expm1(eps) + np.exp(eps) * mirror.upper
    assert -np.expm1(eps) + np.exp(eps) * mirror.lower <= upper
    assert lower <= upper


def test_a_bounded_loss_bounds_epsilon():
    # adding a record to so rare a batch can cost no more than -n log(1 - q), whatever delta is
    run = 3 * SubsampledGaussian(25.0, 2e-4) + SubsampledGaussian(20.0, 1e-4)
    most = -3 * np.log1p(-2e-4) - np.log1p(-1e-4)
    assert run.epsilon(1e-12, adjacency="add") <= most * (1 + 1e-9)
    assert run.delta(most * (1 + 1e-9), adjacency="add") == 0.0


def test_directions_are_composed_apart():
    run = 50 * SubsampledGaussian(1.0, 0.1) + 200 * SubsampledGaussian(3.0, 0.02)
    both, one, other = (run.epsilon_bounds(1e-5, adjacency=way) for way in ("add_or_remove", "remove", "add"))
    assert both == (one if one.upper > other.upper else other)


def test_exchanged_laws_are_those_of_the_other_direction():
    run = 3 * Gaussian(9.0) + 50 * SubsampledGaussian(1.0, 0.1) + 7 * MixtureOfGaussians(2.0, (0.0, 1.0), (0.9, 0.1))
    run += 5 * ea.SampledWithoutReplacementGaussian(3.0, 100, 3) + 2 * ea.TruncatedPoissonGaussian(2.0, 0.05, 100, 9)
    for first, second in (("remove", "add"), ("add", "remove")):
        after = Run(run.parts)
        after.epsilon_bounds(1e-5, adjacency=first)
        alone = Run(run.parts).epsilon_bounds(1e-5, adjacency=second)
        assert after.epsilon_bounds(1e-5, adjacency=second) == alone
    assert (run + ea.Laplace(5.0)).core("remove")[0].exchanged() is None


def test_mixtures_of_two_are_subsampled():
    for adjacency in ("remove", "add", "add_or_remove"):
        mixed = 400 * MixtureOfGaussians(1.5, (0.0, 1.0), (0.97, 0.03))
        assert meets(
            mixed.epsilon_bounds(1e-6, adjacency=adjacency),
            ea.epsilon_bounds(1.5, 0.03, 400, 1e-6, adjacency=adjacency),
        )
    with pytest.raises(ValueError, match=r"replace_one.*MixtureOfGaussians.*proven"):
        mixed.epsilon(1e-6, adjacency="replace_one")


# Functionals.


@pytest.mark.parametrize("mu", [0.1, 1.0, 3.0])
def test_tradeoff_curve_of_a_gaussian(mu):
    normal = NormalDist()
    alpha = np.concatenate([np.linspace(0.001, 0.999, 500), [1e-7, 1 - 1e-7]])
    truth = np.array([normal.cdf(normal.inv_cdf(1 - a) - mu) for a in alpha])
    lower, upper = Gaussian(1 / mu).tradeoff(alpha)
    assert np.all(lower <= truth + 1e-14)
    assert np.all(truth <= upper + 1e-14)
    assert np.max(upper - lower) < 1e-8


@settings(max_examples=8)
@given(long_runs, st.sampled_from(ADJACENCIES))
def test_tradeoff_is_a_tradeoff(run, adjacency):
    alpha = np.linspace(0.0, 1.0, 21)
    lower, upper = run.tradeoff(alpha, adjacency=adjacency)
    assert np.all(lower <= upper)
    assert np.all(upper <= 1 - alpha)
    assert np.all(np.diff(upper) <= 1e-9)
    advantage = run.advantage(adjacency=adjacency)
    assert np.min(alpha + upper) >= 1 - advantage.upper - 1e-9  # no attack beats the advantage ...
    assert advantage.lower <= np.max(1 - alpha - lower) + 0.06  # ... and one of the grid comes near


def test_advantage_is_delta_at_0():
    run = 1000 * SubsampledGaussian(1.0, 0.01)
    assert run.advantage() == run.delta_bounds(0.0)


def test_renyi_and_concentrated_dp():
    for order in (1.5, 2, 8.0, 64):
        assert (3 * Gaussian(2.0) + Gaussian(1.0)).rdp(order) == pytest.approx(order * 0.875, rel=1e-12)
    # order 2 has a closed form: log(1 + q^2 (e^{1/sigma^2} - 1)) per step
    assert (100 * SubsampledGaussian(1.0, 0.01)).rdp(2, adjacency="remove") == pytest.approx(
        100 * np.log1p(1e-4 * np.expm1(1.0)), rel=1e-12
    )
    run = 10 * SubsampledGaussian(2.0, 0.2) + Gaussian(4.0)
    rho = run.zcdp()
    assert np.all(run.rdp([1.01, 2.0, 5.0, 50.0]) <= rho * np.array([1.01, 2.0, 5.0, 50.0]))


def test_gdp_of_a_gaussian_and_of_many_steps():
    mu, regret = (4 * Gaussian(2.0)).gdp()
    assert 1.0 <= mu <= 1.001
    assert 0.0 <= regret < 1e-3
    run = 10000 * SubsampledGaussian(5.0, 0.01)
    mu, regret = run.gdp(floor=1e-6)
    normal = NormalDist()
    alpha = np.array([1e-5, 0.01, 0.3, 0.9])
    limit = np.array([normal.cdf(normal.inv_cdf(1 - a) - mu) for a in alpha])
    lower, upper = run.tradeoff(alpha)
    assert np.all(limit - 1e-6 <= upper)
    assert np.all(lower <= limit + regret + 1e-12)
    assert 0.99 * 0.2 < mu < 1.5 * 0.2  # the central limit: q sqrt(n (e^{1/sigma^2} - 1)) = 0.202


def test_steps_until_is_max_steps():
    step = SubsampledGaussian(1.0, 0.01)
    assert step.steps_until(2.0, 1e-5) == ea.max_steps(2.0, 1.0, 0.01, 1e-5)
    stage = 30 * step + Gaussian(20.0)
    k = stage.steps_until(2.0, 1e-5)
    assert (k * stage).epsilon(1e-5) <= 2.0 < ((k + 1) * stage).epsilon(1e-5)
    assert Gaussian(0.5).steps_until(0.1, 1e-9) == 0


def test_groups():
    assert (5 * Gaussian(3.0)).group(3).epsilon(1e-5) == pytest.approx((5 * Gaussian(1.0)).epsilon(1e-5), rel=1e-9)
    run = 100 * SubsampledGaussian(2.0, 0.05)
    assert run.group(1) == run
    # two records that both enter are one of twice the size; never worse than that at the union's rate
    one, two, worst = (r.epsilon(1e-6) for r in (run, run.group(2), 100 * SubsampledGaussian(1.0, 1 - 0.95**2)))
    assert one < two < worst


# Bad input.


def test_bad_arguments_name_themselves():
    run = 10 * SubsampledGaussian(1.0, 0.1)
    cases = [
        (lambda: Gaussian(0.0), "sigma"),
        (lambda: Gaussian(np.nan), "sigma"),
        (lambda: SubsampledGaussian(1.0, 0.0), "q"),
        (lambda: SubsampledGaussian(1.0, 1.1), "q"),
        (lambda: MixtureOfGaussians(1.0, (0.0, 1.0), (0.5, 0.4)), "probabilities"),
        (lambda: MixtureOfGaussians(1.0, (1.0, 0.0), (0.5, 0.5)), "sensitivities"),
        (lambda: run.epsilon(0.0), "delta"),
        (lambda: run.epsilon([0.1, 1.0]), "delta"),
        (lambda: run.delta(np.inf), "epsilon"),
        (lambda: run.epsilon(1e-5, adjacency="swap"), "adjacency"),
        (lambda: run.epsilon(1e-5, rtol=0.0), "rtol"),
        (lambda: run.tradeoff(1.5), "alpha"),
        (lambda: run.rdp(1.0), "order"),
        (lambda: run.gdp(floor=0.5), "floor"),
        (lambda: run.group(0), "size"),
        (lambda: run.steps_until(-1.0, 1e-5), "epsilon"),
    ]
    for call, name in cases:
        with pytest.raises(ValueError, match=rf"^{name} must"):
            call()
    with pytest.raises(TypeError, match="sigma must be a single real number"):
        Gaussian(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="group of records"):
        MixtureOfGaussians(1.0, (0.0, 1.0), (0.5, 0.5)).group(2)


@pytest.mark.parametrize("adjacency", ["add", "remove"])
@pytest.mark.parametrize("epsilon", [100.0, 500.0, 2000.0])
def test_delta_far_out_is_known_to_vanish(epsilon, adjacency):
    run = 1000 * SubsampledGaussian(1.0, 0.01) + 10 * Gaussian(5.0)
    assert run.epsilon(1e-300, adjacency=adjacency) < epsilon
    lower, upper = run.delta_bounds(epsilon, adjacency=adjacency)
    assert lower == 0.0
    assert upper <= 1e-300
