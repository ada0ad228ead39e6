"""Plans hold certified bounds, never estimates: pitfalls by number."""

import json
import math

import pytest

from edgeworth_acct import epsilon_bounds, verdict
from edgeworth_acct.torch_adapter import DPPlan

# 16. Estimates are no bounds


def test_epsilon_is_certified_and_cannot_be_set():
    plan = DPPlan.calibrate(n=67_349, expected_batch=2_000, epochs=20, epsilon=8.0, delta=1e-5)
    assert plan.steps == 660
    assert plan.sigma == pytest.approx(0.798198, abs=1e-6)
    assert tuple(plan.bounds) == tuple(epsilon_bounds(plan.sigma, plan.q, 660, 1e-5))
    assert 8.0 - 1e-6 < plan.bounds.lower <= plan.epsilon <= 8.0
    with pytest.raises(TypeError):
        DPPlan(n=10, expected_batch=1, steps=1, sigma=1.0, delta=1e-5, epsilon=0.1)
    with pytest.raises(AttributeError):
        plan.epsilon = 1.0
    with pytest.raises(AttributeError):
        plan.sigma = 0.1
    # what an Edgeworth estimate calls 8
    assert DPPlan(n=67_349, expected_batch=2_000, steps=660, sigma=0.7865, delta=1e-5).epsilon > 8.289


def test_plan_round_trip_and_lies():
    plan = DPPlan.calibrate(n=500, expected_batch=50, steps=7, epsilon=1.0, delta=1e-4, clip=0.5, clipping="auto")
    text = plan.to_json()
    assert DPPlan.from_json(text) == plan
    assert '"epsilon": 0.99' in text or '"epsilon": 1.0' in text
    for lie in (text.replace('"epsilon": ', '"epsilon": -'), "{}", "[]", "nonsense", text.replace("DPPlan/1", "X")):
        with pytest.raises(ValueError, match=r"epsilon must be at least|must be the JSON of a DPPlan"):
            DPPlan.from_json(lie)
    training = plan.certificate()["notes"]["training"]
    assert training["epsilon_bounds"] == [*epsilon_bounds(plan.sigma, 0.1, 7, 1e-4)]
    assert training["epsilon_bounds"][1] == plan.epsilon
    assert {name: training[name] for name in ("n", "clip", "clipping", "released_steps")} == {
        "n": 500,
        "clip": 0.5,
        "clipping": "auto",
        "released_steps": 7,
    }


@pytest.mark.parametrize("sampling", ["poisson", "unamplified"])
def test_plans_have_certificates_that_verify(sampling):
    plan = DPPlan.calibrate(n=500, expected_batch=15, steps=400, epsilon=3.0, delta=1e-4, sampling=sampling)
    certificate = plan.certificate(300)
    assert json.loads(json.dumps(certificate)) == certificate
    assert verdict(certificate).valid, verdict(certificate).reason
    assert plan.certificate()["epsilon"]["upper"] <= 3.0
    assert certificate["epsilon"]["upper"] < plan.epsilon
    assert plan.certificate(0)["epsilon"] == {"lower": 0.0, "upper": 0.0}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"n": 0}, "n must be an integer >= 1, got 0"),
        ({"n": 10.5}, "n must be an integer"),
        ({"n": "10"}, "n must be an integer, got '10'"),
        ({"steps": 0}, "steps must be"),
        ({"expected_batch": 0}, "expected_batch must be finite and > 0"),
        ({"expected_batch": 101}, "expected_batch must be at most n = 100, got 101"),
        ({"expected_batch": math.nan}, "expected_batch must be"),
        ({"clip": -1.0}, "clip must be"),
        ({"clip": 1e-20}, "clip must be finite and > 1e-12, got 1e-20"),
        ({"clip": math.inf}, "clip must be"),
        ({"sigma": 0.0}, "sigma must be"),
        ({"sigma": [1.0, 2.0]}, "sigma and delta must be single numbers"),
        ({"delta": 1.0}, "delta must be"),
        ({"clipping": "per-layer"}, "clipping must be one of 'flat', 'auto', got 'per-layer'"),
        ({"sampling": "shuffle"}, "sampling must be one of"),
        ({"adjacency": "zero_out"}, "adjacency must be one of"),
    ],
)
def test_bad_plans(options, word):
    good = {"n": 100, "expected_batch": 10, "steps": 5, "sigma": 1.0, "delta": 1e-5}
    with pytest.raises((ValueError, TypeError), match=word):
        DPPlan(**{**good, **options})


@pytest.mark.parametrize("options", [{}, {"steps": 3, "epochs": 1}, {"epochs": 0.5, "expected_batch": 100}])
def test_steps_or_epochs(options):
    good = {"n": 100, "expected_batch": 10, "epsilon": 1.0, "delta": 1e-5}
    with pytest.raises(ValueError, match=r"steps|epochs"):
        DPPlan.calibrate(**{**good, **options})
