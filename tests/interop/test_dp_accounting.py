"""dp_accounting's drop-in: its own contract, its calibration, and figures beside both of its accountants.

Kinds of truth: closed forms; `edgeworth_acct` itself, checked elsewhere; other algorithm (dp_accounting).
"""

import doctest
import math
import subprocess
import sys

import numpy as np
import pytest

import edgeworth_acct as ea

dp_accounting = pytest.importorskip("dp_accounting")
from dp_accounting import (  # noqa: E402
    ComposedDpEvent,
    GaussianDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    dp_event,
    privacy_accountant_test,
)

from edgeworth_acct.interop import dp_accounting as drop_in  # noqa: E402
from edgeworth_acct.interop import events, losses, selection, spent  # noqa: E402
from edgeworth_acct.interop.dp_accounting import EdgeworthAccountant  # noqa: E402

ADD_OR_REMOVE, REPLACE, SPECIAL = (
    dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE,
    dp_accounting.NeighboringRelation.REPLACE_ONE,
    dp_accounting.NeighboringRelation.REPLACE_SPECIAL,
)
RELATIONS = pytest.mark.parametrize("relation", [ADD_OR_REMOVE, REPLACE, SPECIAL])


class ContractTest(privacy_accountant_test.PrivacyAccountantTest):
    def _make_test_accountants(self):
        return [EdgeworthAccountant(relation) for relation in (ADD_OR_REMOVE, REPLACE, SPECIAL)]


def test_examples_in_docstrings():
    for module in (drop_in, events, losses, selection, spent):
        assert doctest.testmod(module).failed == 0


def test_without_the_package():
    code = "import sys; sys.modules['dp_accounting'] = None; import edgeworth_acct.interop.dp_accounting"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].endswith("needs dp_accounting: pip install dp-accounting")


def epsilon(event, delta, relation=ADD_OR_REMOVE, count=1):
    return EdgeworthAccountant(relation).compose(event, count).get_epsilon(delta)


def pld(event, delta, relation=ADD_OR_REMOVE, grid=1e-4):
    return dp_accounting.pld.PLDAccountant(relation, grid).compose(event).get_epsilon(delta)


def rdp(event, delta, relation=ADD_OR_REMOVE):
    return dp_accounting.rdp.RdpAccountant(neighboring_relation=relation).compose(event).get_epsilon(delta)


def refusal(event, relation=ADD_OR_REMOVE):
    accountant = EdgeworthAccountant(relation)
    assert not accountant.supports(event)
    with pytest.raises(dp_accounting.UnsupportedEventError):
        accountant.compose(event)
    assert isinstance(accountant.ledger, NoOpDpEvent)
    assert accountant.get_epsilon(0.0) == 0.0
    details = accountant._maybe_compose(event, 1, False)
    return details.invalid_event, details.error_message


def sampled(sigma, q):
    return PoissonSampledDpEvent(q, GaussianDpEvent(sigma))


# ---- leaves and composition


@RELATIONS
def test_gaussian_is_the_closed_form(relation):
    sigma = np.sqrt(3.0) * (2.0 if relation is REPLACE else 1.0)
    accountant = EdgeworthAccountant(relation).compose(GaussianDpEvent(sigma), 3)
    assert accountant.get_delta(1.0) == pytest.approx(0.12693673750664395, rel=1e-12)
    assert accountant.get_delta(1.0) >= 0.12693673750664395
    assert accountant.get_epsilon(0.12693673750664395) == pytest.approx(1.0, rel=1e-9)


@RELATIONS
def test_a_run_of_dp_sgd(relation):
    adjacency = "replace_one" if relation is REPLACE else "add_or_remove"
    accountant = EdgeworthAccountant(relation)
    for count in (np.int64(600), 400):
        accountant.compose(sampled(1.0, 0.01), count)
    lower, upper = ea.epsilon_bounds(1.0, 0.01, 1000, 1e-5, adjacency=adjacency)
    assert accountant.get_epsilon(1e-5) == upper
    assert tuple(accountant.get_epsilon_bounds(1e-5)) == (lower, upper)
    assert accountant.get_delta(upper) <= 1e-5
    assert accountant.ledger == SelfComposedDpEvent(sampled(1.0, 0.01), 1000)


def test_nested_composition_is_the_sum():
    inner = ComposedDpEvent([SelfComposedDpEvent(sampled(1.0, 0.01), 50), GaussianDpEvent(20.0), NoOpDpEvent()])
    event = ComposedDpEvent([SelfComposedDpEvent(inner, 10), sampled(0.9, 0.02)])
    run = 500 * ea.SubsampledGaussian(1.0, 0.01) + 10 * ea.Gaussian(20.0) + ea.SubsampledGaussian(0.9, 0.02)
    assert epsilon(event, 1e-6) == run.epsilon(1e-6)


def test_gaussians_on_one_sample_are_one_gaussian():
    inner = ComposedDpEvent([GaussianDpEvent(2.0), SelfComposedDpEvent(GaussianDpEvent(4.0), 8), NoOpDpEvent()])
    effective = 1.0 / math.sqrt(1 / 4 + 8 / 16)
    ours = epsilon(PoissonSampledDpEvent(0.01, inner), 1e-5, count=100)
    assert ours == pytest.approx(ea.epsilon(effective, 0.01, 100, 1e-5), rel=1e-9)
    assert ours >= ea.epsilon_bounds(effective, 0.01, 100, 1e-5).lower


def test_many_distinct_events_in_one_list():
    sigmas = np.linspace(1.0, 2.0, 300)
    event = ComposedDpEvent([sampled(float(sigma), 0.01) for sigma in sigmas])
    run = sum(ea.SubsampledGaussian(float(sigma), 0.01) for sigma in sigmas)
    assert epsilon(event, 1e-5) == run.epsilon(1e-5)


def test_mixture_of_gaussians():
    mixture = dp_event.MixtureOfGaussiansDpEvent(2.0, [1.0, 0.0, 1.0, 3.0], [0.05, 0.9, 0.05, 0.0])
    ours = epsilon(mixture, 1e-6, count=100)
    assert ours == pytest.approx(epsilon(sampled(2.0, 0.1), 1e-6, count=100), rel=1e-6)
    wider = dp_event.MixtureOfGaussiansDpEvent(3.0, [0.0, 1.0, 2.0], [0.9, 0.07, 0.03])
    theirs = pld(SelfComposedDpEvent(wider, 100), 1e-6, grid=1e-3)
    assert theirs * (1 - 0.01) <= epsilon(wider, 1e-6, count=100) <= theirs
    assert epsilon(dp_event.MixtureOfGaussiansDpEvent(0.0, [0.0], [1.0]), 0.0) == 0.0
    assert epsilon(dp_event.MixtureOfGaussiansDpEvent(0.0, [1.0], [1.0]), 0.5) == math.inf


def test_nothing_and_everything():
    for event in (PoissonSampledDpEvent(0.0, GaussianDpEvent(1.0)), PoissonSampledDpEvent(0.5, NoOpDpEvent())):
        assert epsilon(event, 0.0) == 0.0
    for event in (GaussianDpEvent(0.0), sampled(0.0, 0.1), PoissonSampledDpEvent(0.1, NonPrivateDpEvent())):
        accountant = EdgeworthAccountant().compose(event)
        assert accountant.get_epsilon(0.99) == math.inf
        assert accountant.get_delta(math.inf) == 1.0
    accountant = EdgeworthAccountant().compose(GaussianDpEvent(1.0))
    assert accountant.get_epsilon(0.0) == math.inf
    assert accountant.get_epsilon(1.0) == 0.0
    assert accountant.get_delta(math.inf) == 0.0
    assert accountant.get_delta(-math.inf) == 1.0


# ---- trees and zero-concentrated privacy


@pytest.mark.parametrize(("steps", "depth"), [(1, 1), (2, 2), (3, 2), (4, 3), ([5, 1023, 7], 10), ([1024], 11)])
def test_a_tree_is_as_many_gaussians_as_it_has_levels(steps, depth):
    tree = dp_event.SingleEpochTreeAggregationDpEvent(5.0, steps)
    ours = epsilon(tree, 1e-6, SPECIAL)
    assert ours == (depth * ea.Gaussian(5.0)).epsilon(1e-6)
    assert ours < rdp(tree, 1e-6, SPECIAL)


def test_zcdp_is_what_its_renyi_divergences_say():
    event = dp_event.ZCDpEvent(rho=0.5, xi=0.1)
    theirs = rdp(event, 1e-5)
    ours = epsilon(event, 1e-5)
    assert theirs * 0.999 < ours <= theirs
    best = min(0.1 + 0.5 * a + math.log1p(-1 / a) - math.log(1e-5 * a) / (a - 1) for a in np.linspace(1.01, 50, 10**5))
    assert ours == pytest.approx(best, rel=1e-6)
    assert epsilon(dp_event.ZCDpEvent(0.5), 1e-5) > ea.Gaussian(1.0).epsilon(1e-5)  # never taken for a Gaussian
    assert EdgeworthAccountant().compose(event).get_epsilon_bounds(1e-5).lower == 0.0
    assert epsilon(dp_event.ZCDpEvent(0.0, 0.7), 0.0) == pytest.approx(0.7, rel=1e-12)


def test_zcdp_beside_other_events():
    event = ComposedDpEvent([dp_event.ZCDpEvent(0.5, 0.1), SelfComposedDpEvent(sampled(1.0, 0.01), 1000)])
    ours, theirs = epsilon(event, 1e-5), rdp(event, 1e-5)
    assert theirs * 0.999 < ours <= theirs
    accountant = EdgeworthAccountant().compose(event)
    assert 0.9e-5 < accountant.get_delta(ours) <= 1.1e-5
    pure = EdgeworthAccountant().compose(ComposedDpEvent([dp_event.ZCDpEvent(0.0, 0.7), GaussianDpEvent(2.0)]))
    assert pure.get_epsilon(1e-5) == pytest.approx(0.7 + ea.Gaussian(2.0).epsilon(1e-5), rel=1e-12)


def test_noise_below_the_certified_domain_still_has_a_bound(monkeypatch):
    """Whether the library certifies an interval there or not: at most what Renyi divergences say."""
    assert 0.8 * 5581.831617 < epsilon(sampled(0.05, 0.01), 1e-5, count=1000) <= 5581.831618
    rho = 0.5 * 10 / 0.001**2
    ours = epsilon(sampled(0.001, 0.01), 1e-5, count=10)
    assert ea.Gaussian(0.001).epsilon(0.99) <= ours <= rho + 2.0 * math.sqrt(rho * math.log(1e5))

    def refuse(*arguments, **options):
        raise ea.PrecisionError

    monkeypatch.setattr(ea.Run, "epsilon", refuse)
    best_order = ea.epsilon(1.0, 0.01, 1000, 1e-5, method="rdp")
    assert epsilon(sampled(1.0, 0.01), 1e-5, count=1000) == pytest.approx(best_order, rel=1e-6)


# ---- refusals


@pytest.mark.parametrize(
    ("event", "relation", "innermost", "reason"),
    [
        (
            SelfComposedDpEvent(ComposedDpEvent([PoissonSampledDpEvent(0.1, dp_event.ZCDpEvent(1.0))]), 3),
            ADD_OR_REMOVE,
            dp_event.ZCDpEvent(1.0),
            "Poisson sampling",
        ),
        (
            ComposedDpEvent([PoissonSampledDpEvent(0.1, ComposedDpEvent([dp_event.UnsupportedDpEvent()]))]),
            ADD_OR_REMOVE,
            dp_event.UnsupportedDpEvent(),
            "UnsupportedDpEvent",
        ),
        (
            dp_event.SampledWithReplacementDpEvent(100, 10, GaussianDpEvent(1.0)),
            REPLACE,
            dp_event.SampledWithReplacementDpEvent(100, 10, GaussianDpEvent(1.0)),
            "not supported",
        ),
        (
            dp_event.SingleEpochTreeAggregationDpEvent(1.0, 8),
            ADD_OR_REMOVE,
            dp_event.SingleEpochTreeAggregationDpEvent(1.0, 8),
            "REPLACE_SPECIAL",
        ),
        (
            dp_event.MixtureOfGaussiansDpEvent(1.0, [0.0, 1.0], [0.5, 0.5]),
            REPLACE,
            dp_event.MixtureOfGaussiansDpEvent(1.0, [0.0, 1.0], [0.5, 0.5]),
            "ADD_OR_REMOVE_ONE",
        ),
        (SelfComposedDpEvent(GaussianDpEvent(-1.0), 2), ADD_OR_REMOVE, GaussianDpEvent(-1.0), "sigma must be finite"),
        (sampled(1.0, 1.5), ADD_OR_REMOVE, sampled(1.0, 1.5), "q must be in (0, 1], got 1.5"),
        (sampled(math.nan, 0.5), ADD_OR_REMOVE, GaussianDpEvent(math.nan), "noise_multiplier must be finite"),
        (dp_event.ZCDpEvent(-1.0), ADD_OR_REMOVE, dp_event.ZCDpEvent(-1.0), "rho"),
        (
            PoissonSampledDpEvent(0.1, SelfComposedDpEvent(GaussianDpEvent(1.0), -1)),
            ADD_OR_REMOVE,
            PoissonSampledDpEvent(0.1, SelfComposedDpEvent(GaussianDpEvent(1.0), -1)),
            "count must be an integer",
        ),
        (
            PoissonSampledDpEvent(-0.1, dp_event.LaplaceDpEvent(1.0)),
            ADD_OR_REMOVE,
            PoissonSampledDpEvent(-0.1, dp_event.LaplaceDpEvent(1.0)),
            "q must be in (0, 1]",
        ),
        (
            dp_event.SingleEpochTreeAggregationDpEvent(1.0, 2.7),
            SPECIAL,
            dp_event.SingleEpochTreeAggregationDpEvent(1.0, 2.7),
            "integer",
        ),
        (
            dp_event.SingleEpochTreeAggregationDpEvent(1.0, []),
            SPECIAL,
            dp_event.SingleEpochTreeAggregationDpEvent(1.0, []),
            "step_counts",
        ),
        (
            dp_event.MixtureOfGaussiansDpEvent(1.0, [0.0, 1.0], [0.5, 0.6]),
            ADD_OR_REMOVE,
            dp_event.MixtureOfGaussiansDpEvent(1.0, [0.0, 1.0], [0.5, 0.6]),
            "add up to 1",
        ),
    ],
)
def test_refusals_name_the_innermost_event_and_the_reason(event, relation, innermost, reason):
    invalid, message = refusal(event, relation)
    assert repr(invalid) == repr(innermost)
    assert reason in message


def test_bad_arguments():
    with pytest.raises(ValueError, match="neighboring_relation must be"):
        EdgeworthAccountant("add_or_remove")
    accountant = EdgeworthAccountant().compose(GaussianDpEvent(1.0))
    with pytest.raises(ValueError, match=r"delta must be in \[0, 1\], got 1.5"):
        accountant.get_epsilon(1.5)
    with pytest.raises(ValueError, match="delta must be"):
        accountant.get_epsilon(math.nan)
    with pytest.raises(ValueError, match="epsilon must be a number"):
        accountant.get_delta(math.nan)
    with pytest.raises(ValueError, match="alpha must be"):
        accountant.get_beta(1.5)


# ---- calibration


@pytest.mark.parametrize(("target", "delta"), [(8.0, 1e-5), (1.0, 1e-12), (0.01, 1e-6)])
@RELATIONS
def test_calibration_ends_on_the_safe_side(relation, target, delta):
    def make(sigma):
        return SelfComposedDpEvent(sampled(sigma, 0.01), 1000)

    sigma = dp_accounting.calibrate_dp_mechanism(lambda: EdgeworthAccountant(relation), make, target, delta, tol=1e-7)
    assert epsilon(make(sigma), delta, relation) <= target
    adjacency = "replace_one" if relation is REPLACE else "add_or_remove"
    assert abs(sigma - ea.noise_multiplier(target, 0.01, 1000, delta, adjacency=adjacency)) <= 2e-7


def test_calibration_of_a_count():
    bracket = dp_accounting.ExplicitBracketInterval(1, 10**5)

    def make(steps):
        return SelfComposedDpEvent(sampled(1.0, 0.01), steps)

    steps = dp_accounting.calibrate_dp_mechanism(EdgeworthAccountant, make, 2.0, 1e-5, bracket, discrete=True)
    assert 0 <= ea.max_steps(2.0, 1.0, 0.01, 1e-5) - steps <= 1


def test_calibration_does_not_touch_an_accountant():
    def make():
        return EdgeworthAccountant().compose(GaussianDpEvent(1.0))

    with pytest.raises(dp_accounting.mechanism_calibration.NonEmptyAccountantError):
        dp_accounting.calibrate_dp_mechanism(make, GaussianDpEvent, 1.0, 1e-5)


# ---- attacks


def test_advantage_and_beta():
    event = SelfComposedDpEvent(sampled(1.0, 0.01), 1000)
    accountant = EdgeworthAccountant().compose(event)
    run = 1000 * ea.SubsampledGaussian(1.0, 0.01)
    assert accountant.get_advantage() == run.advantage().upper
    assert accountant.get_beta(0.1) == run.tradeoff(0.1).lower
    lost = EdgeworthAccountant().compose(NonPrivateDpEvent())
    assert (lost.get_beta(0.1), lost.get_advantage()) == (0.0, 1.0)


def test_beta_from_bounds_alone():
    """rho-zCDP is met by a Gaussian mechanism, whose attacks must do no better than the bound allows."""
    accountant = EdgeworthAccountant().compose(dp_event.ZCDpEvent(0.5))
    for alpha in (0.001, 0.01, 0.1, 0.5):
        assert 0.5 * ea.Gaussian(1.0).tradeoff(alpha).lower < accountant.get_beta(alpha)
        assert accountant.get_beta(alpha) < ea.Gaussian(1.0).tradeoff(alpha).lower


# ---- Laplace, discrete and fixed-size mechanisms


def step(name, *arguments):
    return getattr(dp_event, name)(*arguments)


BOTH = [  # event, relation, how far apart the two may be
    (step("LaplaceDpEvent", 2.0), ADD_OR_REMOVE, 1e-4),
    (step("LaplaceDpEvent", 2.0), SPECIAL, 1e-4),
    (PoissonSampledDpEvent(0.1, step("LaplaceDpEvent", 1.0)), ADD_OR_REMOVE, 1e-3),
    (step("DiscreteLaplaceDpEvent", 0.5, 1), ADD_OR_REMOVE, 1e-3),
    (step("DiscreteLaplaceDpEvent", 0.2, 3), SPECIAL, 1e-3),
]


@pytest.mark.parametrize(("event", "relation", "rtol"), BOTH)
def test_beside_the_discretised_distribution(event, relation, rtol):
    """Kind of truth: other algorithm; theirs is rounded up by its grid, ours by its interval."""
    accountant = EdgeworthAccountant(relation).compose(event, 20)
    lower, upper = accountant.get_epsilon_bounds(1e-5)
    theirs = pld(SelfComposedDpEvent(event, 20), 1e-5, relation)
    assert lower <= theirs * (1 + 1e-9)
    assert abs(upper - theirs) <= rtol * theirs


@RELATIONS
def test_laplace_is_the_closed_form(relation):
    scale = 2.0 if relation is REPLACE else 1.0
    accountant = EdgeworthAccountant(relation).compose(step("LaplaceDpEvent", scale))
    assert accountant.get_delta(0.0) == pytest.approx(-math.expm1(-0.5), rel=1e-6)
    assert accountant.get_epsilon(0.0) == pytest.approx(1.0, rel=1e-12)
    assert accountant.compose(step("LaplaceDpEvent", scale), 2).get_epsilon(0.0) == pytest.approx(3.0, rel=1e-12)
    assert accountant.get_delta(3.1) == 0.0


def test_sampled_laplace_when_a_record_is_replaced():
    """Replacing is worse than removing, and better than replacing without sampling."""
    event = PoissonSampledDpEvent(0.8, step("LaplaceDpEvent", 0.5))
    assert EdgeworthAccountant().compose(event).get_delta(0.5) == pytest.approx(0.4039564635032081, rel=1e-4)
    replaced = EdgeworthAccountant(REPLACE).compose(event)
    assert EdgeworthAccountant().compose(event).get_delta(0.5) < replaced.get_delta(0.5)
    assert replaced.get_delta(0.5) < EdgeworthAccountant(REPLACE).compose(step("LaplaceDpEvent", 0.5)).get_delta(0.5)
    pure = math.log((0.2 + 0.8 * math.e**2) / (0.2 + 0.8 * math.e**-2))
    assert replaced.get_epsilon(0.0) == pytest.approx(pure, rel=1e-12)


def test_scales_beyond_the_domain_are_pure_mechanisms():
    assert epsilon(step("LaplaceDpEvent", 2e-4), 1e-5) == pytest.approx(5000.0, rel=1e-12)
    many = EdgeworthAccountant().compose(step("LaplaceDpEvent", 2e5), 10)
    assert 0.0 < many.get_epsilon(1e-9) < many.get_epsilon(0.0) == pytest.approx(5e-5, rel=1e-9)
    noisy = ComposedDpEvent([step("LaplaceDpEvent", 1e-3), GaussianDpEvent(2.0)])
    assert epsilon(noisy, 1e-5) == pytest.approx(1000.0 + ea.Gaussian(2.0).epsilon(1e-5), rel=1e-9)


@pytest.mark.parametrize(
    ("a", "distance", "split"), [(0.3, 2, (1, 1)), (0.5, 5, (2, 3)), (1.0, 7, (3, 4)), (2.0, 3, (1, 2))]
)
def test_discrete_laplace_on_vectors(a, distance, split):
    """The pair in one dimension dominates the product of those of the coordinates, at every epsilon.

    Kind of truth: closed form, by sums over outcomes.
    """
    accountant = EdgeworthAccountant().compose(step("DiscreteLaplaceDpEvent", a, distance))

    def law(shift):
        x = np.arange(-60, 60 + shift + 1)
        p = np.exp(-a * np.abs(x)) * math.tanh(a / 2)
        return p, a * (np.abs(x - shift) - np.abs(x))

    (p1, l1), (p2, l2) = (law(shift) for shift in split)
    p, loss = np.outer(p1, p2), np.add.outer(l1, l2)
    one, loss_one = law(distance)
    for at in np.linspace(0.0, a * distance, 41)[:-1]:
        vector = np.sum(p * np.maximum(0.0, -np.expm1(at - loss)))
        scalar = np.sum(one * np.maximum(0.0, -np.expm1(at - loss_one)))
        assert vector <= scalar * (1 + 1e-9)
        assert accountant.get_delta(float(at)) == pytest.approx(scalar, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("p", "k"), [(0.5, 2), (0.8, 5)])
def test_randomized_response(p, k):
    """Their distribution accountant forgets the count: 1.0987 for 1 and for 100 times (0.5, 2)."""
    event = step("RandomizedResponseDpEvent", p, k)
    one = math.log1p(k * (1 - p) / p)
    assert epsilon(event, 0.0, REPLACE) == pytest.approx(one, rel=1e-12)
    assert epsilon(event, 1e-5, REPLACE, 100) == (100 * ea.RandomizedResponse(one, k)).epsilon(
        1e-5, adjacency="replace_one"
    )
    assert pld(SelfComposedDpEvent(event, 100), 1e-5, REPLACE) < one + 1e-3
    for relation in (REPLACE, SPECIAL):
        assert epsilon(event, 1e-5, relation) == pytest.approx(pld(event, 1e-5, relation), rel=2e-4)
        assert epsilon(event, 1e-5, relation, 100) < rdp(SelfComposedDpEvent(event, 100), 1e-5, relation)
    assert epsilon(step("RandomizedResponseDpEvent", 1.0, 3), 0.0, REPLACE) == 0.0
    assert epsilon(step("RandomizedResponseDpEvent", 0.0, 3), 0.5, REPLACE) == math.inf


def test_sampling_without_replacement():
    """Their RDP accountant has no factor 2 for replacing: its figure at sigma is ours at 2 sigma, from above."""
    event = step("SampledWithoutReplacementDpEvent", 1000, 10, GaussianDpEvent(8.0))
    halved = step("SampledWithoutReplacementDpEvent", 1000, 10, GaussianDpEvent(4.0))
    ours, theirs = epsilon(event, 1e-5, REPLACE, 100), rdp(SelfComposedDpEvent(halved, 100), 1e-5, REPLACE)
    assert ours < theirs
    fixed = ea.SampledWithoutReplacementGaussian(8.0, 1000, 10)
    assert epsilon(event, 1e-5, count=100) == (100 * fixed).epsilon(1e-5)
    nothing = step("SampledWithoutReplacementDpEvent", 1000, 0, GaussianDpEvent(8.0))
    assert epsilon(nothing, 0.0, REPLACE) == 0.0


@pytest.mark.parametrize("relation", [ADD_OR_REMOVE, REPLACE])
def test_truncated_batches(relation):
    """Theirs averages over how full the batch is, where our proof takes the worst: ours is a little larger."""
    event = SelfComposedDpEvent(step("TruncatedSubsampledGaussianDpEvent", 1000, 0.01, 15, 2.0), 50)
    theirs = pld(event, 1e-5, relation)
    assert theirs < epsilon(event, 1e-5, relation) < 1.1 * theirs
    free = SelfComposedDpEvent(sampled(2.0, 0.01), 50)
    assert epsilon(free, 1e-5, relation) < epsilon(event, 1e-5, relation)


def test_truncated_batches_at_their_ends():
    full = step("TruncatedSubsampledGaussianDpEvent", 100, 1.0, 101, 2.0)
    assert epsilon(full, 1e-5) == ea.Gaussian(2.0).epsilon(1e-5)
    cut = step("TruncatedSubsampledGaussianDpEvent", 100, 1.0, 50, 2.0)
    assert epsilon(cut, 1e-5) == (1 * ea.SampledWithoutReplacementGaussian(2.0, 100, 50)).epsilon(1e-5)
    for empty in ((100, 0.0, 10, 2.0), (100, 0.5, 0, 2.0), (0, 0.5, 10, 2.0)):
        assert epsilon(step("TruncatedSubsampledGaussianDpEvent", *empty), 0.0) == 0.0


@pytest.mark.parametrize(
    ("event", "relation", "reason"),
    [
        (step("SampledWithoutReplacementDpEvent", 100, 10, GaussianDpEvent(1.0)), SPECIAL, "REPLACE_ONE"),
        (step("TruncatedSubsampledGaussianDpEvent", 100, 0.1, 15, 2.0), SPECIAL, "REPLACE_ONE"),
        (step("SampledWithoutReplacementDpEvent", 10, 100, GaussianDpEvent(1.0)), REPLACE, "population"),
        (step("RandomizedResponseDpEvent", 0.5, 2), ADD_OR_REMOVE, "REPLACE_SPECIAL"),
        (step("RandomizedResponseDpEvent", 1.5, 2), REPLACE, "noise_parameter"),
        (step("DiscreteLaplaceDpEvent", -1.0, 2), ADD_OR_REMOVE, "noise_parameter"),
        (step("LaplaceDpEvent", -1.0), ADD_OR_REMOVE, "scale"),
        (step("LaplaceDpEvent", math.nan), ADD_OR_REMOVE, "scale"),
    ],
)
def test_more_refusals(event, relation, reason):
    invalid, message = refusal(event, relation)
    assert repr(invalid) == repr(event)
    assert reason in message


# ---- repeat and select


@pytest.mark.parametrize(("mean", "shape"), [(1.0, 1.0), (10.0, 1.0), (50.0, 0.0), (20.0, 0.5), (100.0, math.inf)])
def test_repeat_and_select(mean, shape):
    """The same theorems as theirs, at the best real order, and with delta exact where the Poisson law needs one."""
    event = step("RepeatAndSelectDpEvent", SelfComposedDpEvent(sampled(1.0, 0.01), 200), mean, shape)
    ours, theirs = epsilon(event, 1e-5), rdp(event, 1e-5)
    assert (0.5 if shape == math.inf else 0.9) * theirs < ours <= theirs * (1 + 1e-9)
    assert ours >= ea.epsilon(1.0, 0.01, 200, 1e-5)
    assert EdgeworthAccountant().compose(event).get_delta(ours) == pytest.approx(1e-5, rel=0.01)


def test_repeating_a_poisson_number_of_times():
    """Theorem 6 of arXiv:2110.03620, written out on a grid of orders."""
    event = step("RepeatAndSelectDpEvent", GaussianDpEvent(2.0), 30.0, math.inf)

    def converted(order):
        delta = ea.Gaussian(2.0).delta(math.log(order / (order - 1.0)))
        divergence = order / 8.0 + 30.0 * delta + math.log(30.0) / (order - 1.0)
        return divergence + math.log1p(-1.0 / order) - (math.log(1e-5) + math.log(order)) / (order - 1.0)

    best = min(converted(order) for order in np.geomspace(1.05, 40.0, 4000))
    assert best * (1 - 1e-6) < epsilon(event, 1e-5) <= best * (1 + 1e-9)


def test_repeating_nothing_or_everything():
    assert epsilon(step("RepeatAndSelectDpEvent", NoOpDpEvent(), 10.0, 1.0), 0.0) == 0.0
    assert epsilon(step("RepeatAndSelectDpEvent", NonPrivateDpEvent(), 10.0, 1.0), 0.5) == math.inf
    invalid, message = refusal(step("RepeatAndSelectDpEvent", GaussianDpEvent(1.0), 0.5, 1.0))
    assert "mean must be finite and >= 1" in message
    assert invalid.mean == 0.5


@pytest.mark.parametrize(("chance", "shape"), [(0.1, 1.0), (0.9, 0.3), (1e-6, 0.0), (0.5, 7.0)])
def test_success_parameter_of_a_mean(chance, shape):
    """Kind of truth: the mean, summed over the law itself."""
    k = np.arange(1, 10**6 if chance < 0.01 else 10**4)
    if shape == 0.0:
        weights = np.exp(k * np.log1p(-chance) - np.log(k))
    else:
        weights = np.exp(k * np.log1p(-chance) + np.cumsum(np.log((k + shape - 1) / k)))
    mean = float(np.sum(k * weights) / np.sum(weights))
    if chance >= 0.01:
        assert selection._success(mean, shape) == pytest.approx(chance, rel=1e-6)
    assert selection._mean(selection._success(mean, shape), shape) == pytest.approx(mean, rel=1e-9)


# ---- distributions that dp_accounting has made


def test_an_imported_distribution_is_composed_exactly():
    made = dp_accounting.pld.privacy_loss_distribution
    one = made.from_laplace_mechanism(2.0, value_discretization_interval=1e-3)
    accountant = EdgeworthAccountant().compose_pld(one, 100)
    theirs = one.self_compose(100).get_epsilon_for_delta(1e-5)
    assert accountant.get_epsilon(1e-5) == pytest.approx(theirs, rel=1e-6)
    assert accountant.get_epsilon(1e-5) > (100 * ea.Laplace(2.0)).epsilon_bounds(1e-5).lower


def test_the_pure_epsilon_of_an_imported_distribution():
    made = dp_accounting.pld.privacy_loss_distribution
    answers = made.from_randomized_response(0.5, 2, neighboring_relation=REPLACE)
    assert EdgeworthAccountant(REPLACE).compose_pld(answers, 10).get_epsilon(0.0) == pytest.approx(10.987, rel=1e-3)


def test_both_directions_of_an_imported_distribution():
    made = dp_accounting.pld.privacy_loss_distribution
    one = made.from_gaussian_mechanism(1.0, sampling_prob=0.1, value_discretization_interval=1e-2)
    accountant = EdgeworthAccountant().compose_pld(one, 20).compose(GaussianDpEvent(5.0))
    gaussian = made.from_gaussian_mechanism(5.0, value_discretization_interval=1e-2)
    theirs = one.self_compose(20).compose(gaussian).get_epsilon_for_delta(1e-5)
    truth = (20 * ea.SubsampledGaussian(1.0, 0.1) + ea.Gaussian(5.0)).epsilon_bounds(1e-5)
    assert truth.lower < accountant.get_epsilon(1e-5) <= theirs * (1 + 1e-6)
    assert accountant.get_delta(math.inf) == pytest.approx(20 * one._pmf_remove._infinity_mass, rel=1e-6, abs=1e-12)
    assert accountant.get_epsilon(0.0) == math.inf


def test_losses_beyond_exponentials_count_as_infinite():
    made = dp_accounting.pld.privacy_loss_distribution
    far = made.from_gaussian_mechanism(0.028, value_discretization_interval=0.5)  # losses of 638, give or take 36
    accountant = EdgeworthAccountant().compose_pld(far)
    assert accountant.get_epsilon(1e-5) == math.inf
    assert accountant.get_epsilon(0.5) == pytest.approx(638.0, abs=2.0)
    with pytest.raises(ValueError, match="no privacy"):
        EdgeworthAccountant().compose_pld(made.from_gaussian_mechanism(0.02, value_discretization_interval=0.5))


def test_distributions_that_are_no_bounds():
    made = dp_accounting.pld.privacy_loss_distribution
    with pytest.raises(ValueError, match="pessimistic_estimate=True"):
        EdgeworthAccountant().compose_pld(made.from_laplace_mechanism(1.0, pessimistic_estimate=False))
    with pytest.raises(TypeError, match="must be a PrivacyLossDistribution, got float"):
        EdgeworthAccountant().compose_pld(1.0)


# ---- an event that another library builds


def test_an_event_of_jax_privacy():
    accounting = pytest.importorskip("jax_privacy.experimental.accounting")
    event = accounting.dpsgd_event(1.0, 1000, sampling_prob=0.01)
    assert epsilon(event, 1e-5) == ea.epsilon(1.0, 0.01, 1000, 1e-5)
    fixed = accounting.fixed_dpsgd_event(4.0, 100, dataset_size=1000, batch_size=10)
    assert epsilon(fixed, 1e-5, REPLACE) > epsilon(fixed, 1e-5)
    cut = accounting.truncated_dpsgd_event(2.0, 50, sampling_prob=0.01, num_examples=1000, truncated_batch_size=15)
    mechanism = ea.TruncatedPoissonGaussian(2.0, 0.01, 1000, 15)
    assert epsilon(cut, 1e-5) == (50 * mechanism).epsilon(1e-5)
