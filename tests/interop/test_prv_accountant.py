"""The drop-in for prv_accountant.  Kind of truth: other algorithm; closed forms; `edgeworth_acct` itself."""

import doctest

import pytest

import edgeworth_acct as ea
from edgeworth_acct.interop import prv_accountant as drop_in
from edgeworth_acct.interop.prv_accountant import PRVAccountant


def test_examples_in_docstrings():
    assert doctest.testmod(drop_in).failed == 0


def test_a_thousand_pure_mechanisms():
    """prv_accountant gives [35.9, 36.1]."""
    theirs = pytest.importorskip("prv_accountant")
    low, _, up = PRVAccountant(theirs.PureDPMechanism(1.0)).compute_epsilon(1e-6, 1000)
    assert low <= 591.07965045 + 1e-8
    assert up >= 591.07965045 - 1e-8
    assert up - low < 1e-6


def test_their_random_variables():
    theirs = pytest.importorskip("prv_accountant")
    prvs = [theirs.PoissonSubsampledGaussianMechanism(0.01, 1.0), theirs.GaussianMechanism(20.0)]
    counts = [500, 3]
    made = theirs.PRVAccountant(prvs, max_self_compositions=counts, eps_error=0.01, delta_error=1e-9)
    low, _, up = made.compute_epsilon(1e-6, counts)
    ours = PRVAccountant(prvs, eps_error=0.01, delta_error=1e-9, max_self_compositions=counts)
    assert low < ours.compute_epsilon(1e-6, counts)[0] <= ours.compute_epsilon(1e-6, counts)[2] < up
    assert ours.compute_delta(1.0, counts)[1] == pytest.approx(ours.run(counts).delta(1.0), rel=1e-8)
    others = PRVAccountant([theirs.LaplaceMechanism(0.5), theirs.ApproximateDPMechanism(1.0, 1e-6)])
    assert others.run([2, 3]) == 2 * ea.Laplace(2.0) + 3 * ea.ApproximateDP(1.0, 1e-6)


def test_refusals():
    with pytest.raises(TypeError, match="prvs must be mechanisms"):
        PRVAccountant(1.0)
    with pytest.raises(ValueError, match="one number for each of 2 mechanisms"):
        PRVAccountant([ea.Gaussian(1.0), ea.Gaussian(2.0)]).compute_epsilon(1e-5, 3)
