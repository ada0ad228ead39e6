"""Certificates: what they hold, that ball arithmetic confirms them, and that altered ones are refused with a reason.

Kind of truth: `verify` itself is another algorithm with more digits; here it is checked against wrong certificates.
"""

import copy
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ADJACENCIES, reals

import edgeworth_acct as ea
from edgeworth_acct import (
    ApproximateDP,
    DiscreteGaussian,
    DiscreteLaplace,
    DiscreteLoss,
    Gaussian,
    Laplace,
    MixtureOfGaussians,
    RandomizedResponse,
    SampledWithoutReplacementGaussian,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
)
from edgeworth_acct.certificate import _checksum
from edgeworth_acct.cli import main

TYPICAL = 660 * SubsampledGaussian(sigma=0.7865, q=2000 / 67349)


def rewritten(certificate, **changes):
    """The certificate with changes and a checksum that fits."""
    body = {**copy.deepcopy(certificate), **changes}
    del body["checksum"]
    return {**body, "checksum": _checksum(body)}


LOW = 1 / (1 + math.exp(0.5))
RUNS = {
    "typical": TYPICAL,
    "long": 20000 * SubsampledGaussian(2.0, 0.01),
    "fine-tuning": 80 * SubsampledGaussian(0.4937, 1024 / 67349),
    "few": 3 * SubsampledGaussian(1.0, 0.01),
    "three": 3 * SubsampledGaussian(0.8, 0.0065),
    "rare": 100 * SubsampledGaussian(0.7, 0.001),
    "mixed": 1000 * SubsampledGaussian(1.0, 0.01) + 50 * SubsampledGaussian(0.8, 0.02) + 3 * Gaussian(20.0),
    "gaussians": 3 * Gaussian(2.0) + Gaussian(5.0),
    "once": 1 * SubsampledGaussian(1.0, 0.3),
    "mixture": 300 * MixtureOfGaussians(2.0, (0.0, 1.0, 2.0), (0.9, 0.08, 0.02)),
    "responses": 10 * RandomizedResponse(0.1) + 5 * RandomizedResponse(0.25, 3),
    "approximate": 20 * ApproximateDP(0.1, 1e-8),
    "losses": 7 * DiscreteLoss((-0.5, 0.5), (LOW * (1 - 1e-7), (1 - LOW) * (1 - 1e-7)), infinity_mass=1e-7),
    "discrete laplace": 9 * DiscreteLaplace(2.0),
    "discrete gaussian": 20 * DiscreteGaussian(3.0),
    "long lattice": 300 * DiscreteGaussian(2.3),
    "two lattices": 100 * DiscreteGaussian(6.11) + 3 * DiscreteLaplace(3.605),
    "few losses": 2 * RandomizedResponse(0.1)
    + 3 * RandomizedResponse(0.1 * math.sqrt(2.0), 3)
    + ApproximateDP(0.3, 1e-6),
    "smoothed": 100 * Laplace(10.0),
    "laplace once": 1 * Laplace(1.0),
    "laplace beside": 500 * SubsampledGaussian(1.0, 0.01) + Laplace(5.0),
    "narrow": 100 * SubsampledLaplace(0.05, 0.001),
    "discrete gaussian and one step": DiscreteGaussian(5.0) + SubsampledGaussian(1.0, 0.01),
    "responses and one step": 3 * RandomizedResponse(0.3) + SubsampledGaussian(1.0, 0.01),
    "discrete laplace and few steps": 2 * DiscreteLaplace(2.0) + 3 * SubsampledGaussian(0.8, 0.01),
    "laplace and two steps": Laplace(2.0) + 2 * SubsampledGaussian(0.8, 0.01),
    "approximate and ten steps": ApproximateDP(0.5, 1e-6) + 10 * SubsampledGaussian(0.8, 0.01),
    "infinite beside": 500 * SubsampledGaussian(1.0, 0.01) + 2 * ApproximateDP(0.1, 1e-6),
}
CUT = TruncatedPoissonGaussian(1.0, 0.01, 10000, 110)  # cut in one step of six
FIXED = SampledWithoutReplacementGaussian(2.0, 1000, 100)
BOTH_WAYS = {
    "truncated": 500 * CUT,
    "truncated once": 1 * CUT,
    "never truncated": 500 * TruncatedPoissonGaussian(1.0, 0.01, 100, 101),
    "fixed size": 500 * FIXED,
    "fixed size once": 1 * FIXED,
    "truncated thrice": 3 * TruncatedPoissonGaussian(1.0, 0.01, 1000, 16),
    "fixed size, few": 20 * SampledWithoutReplacementGaussian(2.0, 10000, 100),
    "sampled laplace": 10 * SubsampledLaplace(1.0, 0.1),
    "sampled laplace once": 1 * SubsampledLaplace(1.0, 0.1),
    "sampled beside": 10 * SubsampledLaplace(1.0, 0.1) + 200 * SubsampledGaussian(1.0, 0.01) + 2 * Laplace(3.0),
}
CASES = [(run, "add_or_remove") for run in RUNS.values()]
CASES += [(run, way) for run in BOTH_WAYS.values() for way in ("add_or_remove", "replace_one")]
NAMES = [*RUNS, *(f"{name}, {way}" for name in BOTH_WAYS for way in ("either", "replaced"))]


@pytest.mark.parametrize(("run", "adjacency"), CASES, ids=NAMES)
def test_certificates_are_confirmed_and_better_ones_are_not(run, adjacency):
    certificate = json.loads(json.dumps(run.certificate(1e-5, adjacency=adjacency)))
    valid, reason = ea.verdict(certificate)
    assert valid, reason
    lower, upper = certificate["epsilon"]["lower"], certificate["epsilon"]["upper"]
    assert tuple(run.epsilon_bounds(1e-5, adjacency=adjacency)) == (lower, upper)
    too_low = rewritten(certificate, epsilon={"lower": 0.99 * lower, "upper": 0.99 * upper})
    assert "upper bound refuted" in ea.verdict(too_low).reason
    too_high = rewritten(certificate, epsilon={"lower": 1.01 * upper, "upper": 1.02 * upper})
    assert "lower bound not confirmed" in ea.verdict(too_high).reason


@settings(max_examples=10)
@given(reals(0.6, 4.0), reals(1e-2, 0.1), st.integers(1000, 5000), reals(1e-10, 1e-3), st.sampled_from(ADJACENCIES))
def test_every_adjacency(sigma, q, steps, delta, adjacency):
    run = steps * SubsampledGaussian(sigma, q) + Gaussian(10 * sigma)
    valid, reason = ea.verdict(run.certificate(delta, adjacency=adjacency))
    assert valid, reason


@pytest.mark.parametrize("run", [TYPICAL, RUNS["mixed"]], ids=["typical", "mixed"])
def test_a_changed_field_is_refused(run):
    certificate = run.certificate(1e-5)
    changes = [
        ({"delta": 1e-6}, "upper bound refuted"),
        ({"delta": 1e-4}, "lower bound not confirmed"),
        ({"adjacency": "replace_one"}, "damaged certificate|refuted"),
        ({"adjacency": "swap"}, "unknown adjacency"),
        ({"sampling": ["no sampling"]}, "sampling schemes"),
        ({"format": "another"}, "unknown format"),
        ({"epsilon": {"lower": 0.0, "upper": float("nan")}}, "interval of finite numbers"),
        ({"epsilon": {"lower": 0.0}}, "damaged certificate"),
        ({"mechanisms": []}, "sampling schemes"),
    ]
    parts = copy.deepcopy(certificate["mechanisms"])
    parts[0]["count"] += 100
    changes.append(({"mechanisms": parts}, "upper bound refuted"))
    parts = copy.deepcopy(certificate["mechanisms"])
    parts[0]["mechanism"]["sigma"] *= 0.99
    changes.append(({"mechanisms": parts}, "upper bound refuted"))
    parts = copy.deepcopy(certificate["mechanisms"])
    parts[0]["mechanism"]["sigma"] = -1.0
    changes.append(({"mechanisms": parts}, "sigma must be"))
    for change, reason in changes:
        altered = rewritten(certificate, **change)
        assert not ea.verify(altered)
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(ea.verdict(altered).reason)
    assert "checksum" in ea.verdict({**certificate, "version": "9.9"}).reason
    for name in certificate:
        missing = {key: value for key, value in certificate.items() if key != name}
        assert ea.verdict(missing).reason == f"not a certificate: {name} is missing"
    for nothing in (None, [], "text"):
        assert "JSON object" in ea.verdict(nothing).reason


def test_a_looser_certificate_still_holds():
    certificate = TYPICAL.certificate(1e-5)
    lower, upper = certificate["epsilon"]["lower"], certificate["epsilon"]["upper"]
    assert ea.verify(rewritten(certificate, epsilon={"lower": 0.9 * lower, "upper": 1.1 * upper}))


def test_what_ball_arithmetic_cannot_do_is_refused_with_the_reason():
    verdict = ea.verdict((300_000 * RandomizedResponse(0.1)).certificate(1e-5))
    assert not verdict.valid
    assert "too many points" in verdict.reason


@pytest.mark.parametrize(
    ("mechanism", "changes"),
    [
        (CUT, {"sigma": 0.99, "q": 0.0102, "population": 10100, "limit": 109}),
        (FIXED, {"sigma": 1.98, "population": 990, "sample": 101}),
        (SubsampledLaplace(1.0, 0.1), {"scale": 0.99, "q": 0.101}),
    ],
)
@pytest.mark.parametrize("adjacency", ["add_or_remove", "replace_one"])
def test_a_mechanism_that_costs_more_is_refused(mechanism, changes, adjacency):
    certificate = (100 * mechanism).certificate(1e-5, adjacency=adjacency)
    for name, value in changes.items():
        parts = copy.deepcopy(certificate["mechanisms"])
        parts[0]["mechanism"][name] = value
        assert "upper bound refuted" in ea.verdict(rewritten(certificate, mechanisms=parts)).reason


def test_command_line(tmp_path, capsys):
    good = json.dumps(TYPICAL.certificate(1e-5))
    path = tmp_path / "certificate.json"
    path.write_text(good)
    assert main(["verify", str(path)]) == 0
    assert capsys.readouterr().out.startswith("verified: derived anew")
    path.write_text(good[: len(good) // 2])
    assert main(["verify", str(path)]) == 1
    assert capsys.readouterr().out.startswith("refused: not JSON, perhaps cut off")
    path.write_text("[" * 200_000)
    assert main(["verify", str(path)]) == 1
    assert capsys.readouterr().out == "refused: not a certificate: nested too deeply\n"
    path.write_text(good.replace('"delta": 1e-05', '"delta": 1e-06'))
    assert main(["verify", str(path)]) == 1
    assert "upper bound refuted" in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit_:
        main(["verify", str(tmp_path / "missing.json")])
    assert exit_.value.code == 2
    assert "cannot read" in capsys.readouterr().err


def test_without_flint_the_message_says_what_to_install():
    code = (
        "import sys; sys.modules['flint'] = None\n"
        "import edgeworth_acct as ea\n"
        "try: ea.verify((9 * ea.Gaussian(2.0)).certificate(1e-5))\n"
        "except ImportError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'edgeworth-acct[verify]'" in run.stdout


def test_verification_uses_no_core(monkeypatch):
    certificate = TYPICAL.certificate(1e-5)

    def never(*arguments):
        raise AssertionError("the C core was called")

    from edgeworth_acct import laws

    monkeypatch.setattr(laws, "Composition", never)
    assert ea.verify(certificate)


@pytest.mark.parametrize("adjacency", ["add_or_remove", "add", "remove", "replace_one"])
@pytest.mark.parametrize(("sigma", "q", "delta"), [(7.277, 1.28e-4, 2e-6), (5.54, 1.18e-4, 1.5e-9), (0.4, 0.3, 1e-5)])
def test_a_single_step_is_confirmed_as_narrowly_as_it_is_known(sigma, q, delta, adjacency):
    certificate = (1 * SubsampledGaussian(sigma, q)).certificate(delta, adjacency=adjacency)
    assert ea.verify(certificate)
    certificate["epsilon"]["upper"] = certificate["epsilon"]["lower"] * (1 - 1e-12)
    certificate["epsilon"]["lower"] = certificate["epsilon"]["upper"]
    assert not ea.verify(certificate)
