"""What certificates hold, and what making one costs.  Kind of truth: the run itself."""

import json

from test_certificate import CUT, TYPICAL, rewritten

import edgeworth_acct as ea
from edgeworth_acct import (
    DiscreteGaussian,
    Laplace,
    RandomizedResponse,
    Run,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
    grid,
)


def test_a_certificate_asks_no_more_than_epsilon_did(monkeypatch):
    run, asked = 3 * TruncatedPoissonGaussian(1.0, 0.01, 1000, 16) + Laplace(2.0), []

    def counted(laws, delta, rtol, ask=grid.epsilon_bounds):
        asked.append(delta)
        return ask(laws, delta, rtol)

    monkeypatch.setattr(grid, "epsilon_bounds", counted)
    bounds = tuple(run.epsilon_bounds(1e-5))
    assert asked == [1e-5]  # of removing; adding is the smaller
    assert bounds == tuple(run.certificate(1e-5)["epsilon"].values())
    assert asked == [1e-5]
    run.epsilon_bounds(2e-5, adjacency="remove")
    assert asked == [1e-5, 2e-5]


def test_two_directions_are_composed_once_where_they_are_one_and_exchanged_where_they_are_two():
    for one in (5 * DiscreteGaussian(20.0), 3 * RandomizedResponse(0.3)):
        assert one.core("add") is one.core("remove")
    for two in (5 * SubsampledLaplace(1.0, 0.1), 2 * CUT):
        below = two.core("remove")[1], two.core("add")[1]
        assert len({two.core("remove")[0], two.core("add")[0], *below}) == 4


def test_what_a_certificate_holds():
    certificate = TYPICAL.certificate(1e-5)
    assert certificate["version"] == ea.__version__
    assert certificate["sampling"] == ["Poisson sampling"]
    assert Run.from_json(json.dumps({"parts": certificate["mechanisms"]})) == TYPICAL
    way = certificate["directions"]["remove"]
    assert way["route"] == "line"
    assert way["tilt"] > 0
    assert way["step"] > 0
    assert way["nodes"] > 5
    assert set(way["errors"]) == {"aliasing", "truncation", "rounding"}
    assert all(0.0 <= error < 1e-6 for error in way["errors"].values())
    lower, upper = ea.epsilon_bounds(0.7865, 2000 / 67349, 660, 1e-5)
    assert certificate["epsilon"]["lower"] <= upper
    assert lower <= certificate["epsilon"]["upper"]


def test_notes_come_under_the_checksum_and_prove_nothing():
    certificate = (500 * SubsampledGaussian(1.0, 0.01)).certificate(1e-5, notes={"records": 7})
    assert certificate["notes"] == {"records": 7}
    assert ea.verify(certificate)
    assert not ea.verify({**certificate, "notes": {"records": 8}})
    assert ea.verify(rewritten(certificate, notes={"records": 8}))
    assert "notes" not in (500 * SubsampledGaussian(1.0, 0.01)).certificate(1e-5)


def test_a_run_that_released_nothing():
    certificate = Run().certificate(1e-5)
    assert certificate["epsilon"] == {"lower": 0.0, "upper": 0.0}
    assert ea.verify(certificate)
