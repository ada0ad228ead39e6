"""Laws that hold whatever the numbers: drawn settings, each law with the slack of the intervals' own ends.

Kind of truth: inequalities between exact values, so they may be asserted between the ends that imply them only; every
`<=` below goes from a lower end to an upper end.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from strategies import ADJACENCIES, DOMAIN, anywhere, reals, typical

import edgeworth_acct as ea

WIDTH = 1e-9
many = settings(max_examples=4 * settings.default.max_examples)
few = settings(max_examples=settings.default.max_examples // 2)  # each example is a few dozen evaluations
factors = st.sampled_from([1 + 1e-9, 1.001, 1.1, 2.0, 10.0])
nearby = st.sampled_from([1 + 1e-6, 1.001, 1.1, 2.0])


def bounds(run, **changes):
    return ea.epsilon_bounds(**(run | changes))


# Everything in the domain returns a certified interval.


@given(anywhere)
@many
@example({"sigma": 0.1, "q": 1.0, "steps": 10**13, "delta": 0.99, "adjacency": "replace_one"})
@example({"sigma": 0.1, "q": 1e-12, "steps": 1, "delta": 1e-300, "adjacency": "add_or_remove"})
@example({"sigma": 0.1, "q": 1e-12, "steps": 10**13, "delta": 1e-300, "adjacency": "add_or_remove"})
@example({"sigma": 1e4, "q": 1.0, "steps": 1, "delta": 0.99, "adjacency": "add_or_remove"})
@example({"sigma": 1e4, "q": 1e-12, "steps": 10**13, "delta": 1e-300, "adjacency": "replace_one"})
@example({"sigma": 1.0, "q": 0.05, "steps": 2, "delta": 1e-5, "adjacency": "remove"})
@example({"sigma": 0.1, "q": 1 - 2.0**-40, "steps": 1, "delta": 1e-5, "adjacency": "add"})
def test_every_setting_has_an_interval(run):
    lower, upper = bounds(run)
    assert 0.0 <= lower <= upper < math.inf


def test_most_of_the_domain_is_narrow():
    """Exponents drawn evenly over the whole domain: 4 of 5 intervals, [0, 0] apart, reach the default `rtol`."""
    rng = np.random.default_rng(1)
    ends = [np.log(DOMAIN[name]) for name in ("sigma", "q", "steps", "delta")]
    narrow = []
    while len(narrow) < 60:
        sigma, q, steps, delta = (math.exp(rng.uniform(*end)) for end in ends)
        adjacency = ADJACENCIES[rng.integers(len(ADJACENCIES))]
        lower, upper = ea.epsilon_bounds(sigma, min(q, 1.0), int(steps), delta, adjacency=adjacency)
        if upper > 0.0:
            narrow.append(upper - lower <= WIDTH * upper)
    assert sum(narrow) >= 48


@given(anywhere, st.sampled_from([-1.0, 0.0, 1e-6, 0.5, 0.9, 1.1, 2.0]))
@many
def test_every_setting_has_a_delta(run, share):
    """Also far from where delta is of use; 1 - e^eps <= delta <= 1."""
    eps = share * bounds(run).upper if share > 0 else share
    lower, upper = ea.delta_bounds(run["sigma"], run["q"], run["steps"], eps, adjacency=run["adjacency"])
    assert 0.0 <= lower <= upper <= 1.0
    assert -math.expm1(min(eps, 0.0)) <= upper


@given(typical)
@many
def test_typical_settings_are_narrow(run):
    """To 1e-9 nearly always, to 1e-6 always; not so narrow for "replace_one" (README, Limits)."""
    lower, upper = bounds(run)
    rare = run["delta"] > 0.03 * run["q"] * run["steps"]  # not much rarer than being sampled: epsilon next to 0
    assert lower <= upper
    assert upper - lower <= (1e-2 if run["adjacency"] == "replace_one" else 1e-6) * upper or upper < 1e-8 or rare


# Monotone in every argument.


@given(typical, factors)
def test_more_noise_less_epsilon(run, factor):
    assert bounds(run, sigma=run["sigma"] * factor).lower <= bounds(run).upper


@given(typical, factors)
def test_more_sampling_more_epsilon(run, factor):
    assert bounds(run).lower <= bounds(run, q=min(run["q"] * factor, 1.0)).upper


@given(typical, st.sampled_from([1, 10, 12345, 10**7]))
def test_more_steps_more_epsilon(run, more):
    assert bounds(run).lower <= bounds(run, steps=run["steps"] + more).upper


@given(typical, factors)
def test_more_delta_less_epsilon(run, factor):
    assert bounds(run, delta=min(run["delta"] * factor, 0.99)).lower <= bounds(run).upper


@given(typical, st.sampled_from([1.001, 1.1, 2.0]))
def test_the_difference_is_seen(run, factor):
    """Strictly monotone: the intervals are apart when an argument moves by a thousandth or more.

    Not for "add", whose epsilon sticks to its largest loss, whatever sigma and delta.
    """
    assume(run["adjacency"] != "add" and bounds(run).lower > 0.01)
    lower = bounds(run).lower
    assert bounds(run, sigma=run["sigma"] * factor).upper < lower
    assert bounds(run, delta=run["delta"] * factor).upper < lower
    assert bounds(run, q=run["q"] / factor).upper < lower
    if run["steps"] * (factor - 1) >= 1:
        assert bounds(run, steps=int(run["steps"] / factor)).upper < lower


@given(typical, nearby)
def test_delta_falls_with_epsilon_and_grows_with_steps(run, factor):
    eps = bounds(run).upper + 1e-3
    sigma, q, steps, adjacency = run["sigma"], run["q"], run["steps"], run["adjacency"]
    here = ea.delta_bounds(sigma, q, steps, eps, adjacency=adjacency)
    assert ea.delta_bounds(sigma, q, steps, eps * factor, adjacency=adjacency).lower <= here.upper
    assert here.lower <= ea.delta_bounds(sigma, q, math.ceil(steps * factor), eps, adjacency=adjacency).upper


@given(typical)
def test_delta_is_convex_in_e_to_the_epsilon(run):
    sigma, q, steps, adjacency = run["sigma"], run["q"], run["steps"], run["adjacency"]
    low = bounds(run).upper
    points = np.array([low, low + 0.25, low + 0.75])
    lower, upper = ea.delta_bounds(sigma, q, steps, points, adjacency=adjacency)
    share = math.expm1(0.25) / math.expm1(0.75)
    assert lower[1] <= ((1 - share) * upper[0] + share * upper[2]) * (1 + 1e-15)


# Round trips.


@given(typical)
@example(
    {
        "sigma": 2.5061731890062386,
        "q": 9.055613029729378e-08,
        "steps": 289360991,
        "delta": 5.916208321103337e-262,
        "adjacency": "remove",
    }
)
@example(
    {
        "sigma": 2.6080696944200175,
        "q": 1.0063640284706124e-10,
        "steps": 38034756,
        "delta": 2.6648456938514663e-275,
        "adjacency": "replace_one",
    }
)
def test_delta_of_epsilon(run):
    eps = bounds(run)
    assume(eps.lower > 0.0)
    sigma, q, steps, adjacency = run["sigma"], run["q"], run["steps"], run["adjacency"]
    assert ea.delta_bounds(sigma, q, steps, eps.upper, adjacency=adjacency).lower <= run["delta"]
    assert run["delta"] <= ea.delta_bounds(sigma, q, steps, eps.lower, adjacency=adjacency).upper


@given(typical, st.floats(0.0, 1.0))
def test_epsilon_of_delta(run, share):
    eps = (0.1 + share) * bounds(run).upper
    sigma, q, steps, adjacency = run["sigma"], run["q"], run["steps"], run["adjacency"]
    known = ea.delta_bounds(sigma, q, steps, eps, adjacency=adjacency)
    assume(1e-300 <= known.lower and known.upper <= 0.99)
    back = bounds(run, delta=known.upper), bounds(run, delta=known.lower)
    assert back[0].lower <= eps <= back[1].upper
    assert back[1].upper - back[0].lower <= 1e-8 * eps or eps < 1e-6


# Composition.


@given(typical, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_basic_composition(run, steps_share, delta_share):
    """eps(a + b, d1 + d2) <= eps(a, d1) + eps(b, d2)."""
    a = max(1, round(steps_share * (run["steps"] - 1)))
    d1 = delta_share * run["delta"]
    d2 = run["delta"] - d1  # exact enough: the sum is within an ulp of delta, far below the width
    apart = bounds(run, steps=a, delta=d1).upper + bounds(run, steps=run["steps"] - a, delta=d2).upper
    assert bounds(run).lower <= apart * (1 + 1e-12)


@given(typical)
def test_a_group_of_gaussian_steps_is_one_step(run):
    """q = 1: n steps of sigma are one step of sigma / sqrt n."""
    run = run | {"q": 1.0, "steps": 4 ** (run["steps"].bit_length() // 2)}
    assume(run["sigma"] / math.sqrt(run["steps"]) >= 0.1)
    many, one = bounds(run), bounds(run, steps=1, sigma=run["sigma"] / math.sqrt(run["steps"]))
    assert many.lower <= one.upper
    assert one.lower <= many.upper


# Neighbouring relations.


@given(st.one_of(typical, anywhere))
def test_add_or_remove_is_the_larger(run):
    add, remove, both = (bounds(run, adjacency=word) for word in ("add", "remove", "add_or_remove"))
    assert both.lower <= max(add.upper, remove.upper)
    assert max(add.lower, remove.lower) <= both.upper


@given(typical)
def test_replacing_is_at_least_removing_and_adding(run):
    """On every half line x > t, P(-1) has less mass than N(0): the pair P(1), P(-1) dominates, step by step."""
    replace = bounds(run, adjacency="replace_one")
    assert bounds(run, adjacency="add_or_remove").lower <= replace.upper


@given(typical, st.sampled_from([2.0**-53, 2.0**-40, 2.0**-30]))
def test_continuous_where_sampling_ends(run, gap):
    """Amplification: eps at q is at most eps at q = 1, and at q = 1 - gap within a small multiple of gap of it."""
    run = run | {"steps": min(run["steps"], 10**4)}
    whole, nearly = bounds(run, q=1.0), bounds(run, q=1 - gap)
    assert nearly.lower <= whole.upper
    assert whole.lower * (1 - 1e6 * gap) - 1e-9 <= nearly.upper


# Calibration: safe and optimal.


def depends(run, name, factor, eps):
    """Whether epsilon moves by more than 1e-5 for a thousandth of this argument; only "add" may not."""
    return run["adjacency"] != "add" or bounds(run, **{name: run[name] * factor}).lower > eps * (1 + 1e-5)


@given(typical)
@few
def test_noise_multiplier(run):
    eps = bounds(run).upper
    assume(1e-3 < eps < 1e3)
    names = {"q": run["q"], "steps": run["steps"], "delta": run["delta"], "adjacency": run["adjacency"]}
    sigma = ea.noise_multiplier(eps, **names)
    assert ea.epsilon(sigma, **names) <= eps
    assume(depends(run, "sigma", 0.999, eps))
    assert ea.epsilon(sigma * (1 - 1e-8), **names) > eps
    assert abs(sigma / run["sigma"] - 1) <= 1e-8


@given(typical)
@few
def test_max_steps(run):
    eps = bounds(run).upper
    assume(eps > 1e-3)
    names = {"sigma": run["sigma"], "q": run["q"], "delta": run["delta"], "adjacency": run["adjacency"]}
    steps = ea.max_steps(eps, **names)
    assert steps >= run["steps"]
    assert ea.epsilon(steps=steps, **names) <= eps
    assert steps == 10**13 or ea.epsilon(steps=steps + 1, **names) > eps


@given(typical)
@few
def test_max_sampling_rate(run):
    eps = bounds(run).upper
    assume(1e-3 < eps < 1e3)
    names = {"sigma": run["sigma"], "steps": run["steps"], "delta": run["delta"], "adjacency": run["adjacency"]}
    q = ea.max_sampling_rate(eps, **names)
    assert ea.epsilon(q=q, **names) <= eps
    assume(depends(run, "q", 1.001, eps))
    assert ea.epsilon(q=q * (1 + 1e-8), **names) > eps
    assert abs(q / run["q"] - 1) <= 1e-8


@given(
    reals(1e-2, 1e3),
    reals(*DOMAIN["q"]),
    st.sampled_from([1, 5, 10**3, 10**9]),
    reals(1e-30, 0.5),
    st.sampled_from(ADJACENCIES),
)
@few
def test_noise_multiplier_far_from_the_typical(eps, q, steps, delta, adjacency):
    least, most = DOMAIN["sigma"]
    lower, upper = ea.epsilon_bounds([least, most], q, steps, delta, adjacency=adjacency)
    assume(lower[0] > eps)  # else even the least noise will do
    if upper[1] > eps:
        with pytest.raises(ValueError, match="no noise multiplier"):
            ea.noise_multiplier(eps, q, steps, delta, adjacency=adjacency)
        return
    sigma = ea.noise_multiplier(eps, q, steps, delta, adjacency=adjacency)
    assert ea.epsilon(sigma, q, steps, delta, adjacency=adjacency) <= eps
    if adjacency != "add":
        assert ea.epsilon(sigma * (1 - 1e-8), q, steps, delta, adjacency=adjacency) > eps


def test_the_largest_epsilon_of_the_domain_is_finite():
    upper = ea.epsilon(DOMAIN["sigma"][0], 1.0, DOMAIN["steps"][1], DOMAIN["delta"][0], adjacency="replace_one")
    assert upper == pytest.approx(2 * 10**13 / 0.1**2, rel=1e-3)


@pytest.mark.parametrize("adjacency", ["remove", "add", "replace_one"])
@pytest.mark.parametrize(("sigma", "q", "steps"), [(10.0, 0.1, 100), (10.0, 0.1, 5), (1.0, 0.01, 1000), (0.5, 0.3, 40)])
def test_delta_far_out_is_known_to_vanish(sigma, q, steps, adjacency):
    """delta falls: it vanishes beyond the epsilon at which it is 1e-300."""
    least = ea.epsilon_bounds(sigma, q, steps, 1e-300, adjacency=adjacency).upper
    lower, upper = ea.delta_bounds(sigma, q, steps, 1.3 * least, adjacency=adjacency)
    assert lower == 0.0
    assert upper <= 1e-300
