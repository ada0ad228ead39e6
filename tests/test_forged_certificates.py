"""Forged certificates: whatever hints and types they hold, `verify` confirms nothing that is false and raises nothing.

Kind of truth: intervals that lie beside the certified one.
"""

import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import reals
from test_certificate import rewritten

import edgeworth_acct as ea
from edgeworth_acct import (
    ApproximateDP,
    DiscreteGaussian,
    Gaussian,
    Laplace,
    RandomizedResponse,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
)

pytest.importorskip("flint")

RUNS = {
    "short": 40 * SubsampledGaussian(0.7814, 0.128),
    "beside": 20 * SubsampledGaussian(1.0, 0.05) + Gaussian(5.0) + ApproximateDP(0.1, 1e-6),
    "smoothed": 100 * Laplace(10.0),
    "once": 1 * SubsampledGaussian(1.0, 0.3),
    "lattice": 9 * DiscreteGaussian(2.0),
    "gaussians": 3 * Gaussian(2.0),
    "truncated": 20 * TruncatedPoissonGaussian(1.0, 0.05, 1000, 60),
    "sampled laplace": 10 * SubsampledLaplace(2.0, 0.2),
    "discrete and few": DiscreteGaussian(5.0) + 2 * SubsampledGaussian(1.0, 0.05),
}
CERTIFICATES = {name: run.certificate(1e-5) for name, run in RUNS.items()}
ODD = (
    math.nan,
    math.inf,
    -math.inf,
    -1.0,
    0.0,
    5e-324,
    1e-300,
    1e300,
    0,
    7,
    10**400,
    True,
    None,
    "1",
    "infinity",
    [],
    {},
)
FEW_NODES = (0.6, 1.5)  # around the saddle: elsewhere it may take seconds to give up


def beside(certificate, low, high):
    """The certificate with its interval moved by so many of its widths."""
    lower, upper = certificate["epsilon"]["lower"], certificate["epsilon"]["upper"]
    width = max(upper - lower, 1e-14 * upper)
    return rewritten(certificate, epsilon={"lower": max(0.0, lower + low * width), "upper": upper + high * width})


@pytest.mark.parametrize("name", RUNS)
@settings(max_examples=5)
@given(st.data())
def test_no_hint_makes_a_wrong_interval_hold(name, data):
    certificate = copy.deepcopy(CERTIFICATES[name])
    for way in certificate["directions"].values():
        for key in ("tilt", "smoothing", "step", "nodes"):
            hint = st.sampled_from(ODD)
            if way[key]:
                hint |= reals(*FEW_NODES).map(lambda factor, value=way[key]: factor * value)
            way[key] = data.draw(hint, key)
    assert isinstance(ea.verify(rewritten(certificate)), bool)
    assert not ea.verify(beside(certificate, -2, -2))
    assert not ea.verify(beside(certificate, 2, 2))


@pytest.mark.parametrize("name", RUNS)
def test_bounds_are_confirmed_to_about_their_width(name):
    certificate = CERTIFICATES[name]
    assert ea.verify(certificate)
    assert ea.verify(beside(certificate, -2, 2))
    assert "upper bound refuted" in ea.verdict(beside(certificate, -2, -2)).reason
    assert "lower bound not confirmed" in ea.verdict(beside(certificate, 2, 2)).reason
    swapped = rewritten(certificate, epsilon=dict(zip(("upper", "lower"), certificate["epsilon"].values())))
    assert "interval of finite numbers" in ea.verdict(swapped).reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, "1", None, [1.0], True, 10**400, 0])
@pytest.mark.parametrize("field", ["lower", "upper", "delta"])
def test_no_bound_and_no_delta_of_another_kind(field, value):
    certificate = CERTIFICATES["short"]
    change = {"delta": value} if field == "delta" else {"epsilon": {**certificate["epsilon"], field: value}}
    assert not ea.verify(rewritten(certificate, **change))


@pytest.mark.parametrize("count", [0, 39, 41, 10**15, 10**400, -1, 40.5, "40", None, [40], math.nan])
def test_no_other_count(count):
    parts = copy.deepcopy(CERTIFICATES["short"]["mechanisms"])
    parts[0]["count"] = count
    assert not ea.verify(rewritten(CERTIFICATES["short"], mechanisms=parts))


@pytest.mark.parametrize("value", [None, 1, "text", [], {}, {"remove": None}, {"remove": [], "add": []}])
@pytest.mark.parametrize("field", ["mechanisms", "directions", "epsilon", "adjacency", "sampling", "delta"])
def test_no_field_of_another_type(field, value):
    assert not ea.verify(rewritten(CERTIFICATES["short"], **{field: value}))


def test_no_mass_is_left_out_of_a_long_lattice():
    certificate = copy.deepcopy(CERTIFICATES["lattice"])
    run = 95_000 * RandomizedResponse(5.0) + 95_000 * RandomizedResponse(5.0, 3)  # epsilon: about 10^6
    forged = rewritten(certificate, mechanisms=json.loads(run.to_json())["parts"], epsilon={"lower": 0.0, "upper": 1.0})
    assert "too many points" in ea.verdict(forged).reason
