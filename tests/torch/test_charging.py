"""Every step is charged, and none beyond the plan: pitfalls by number."""

import pytest
import torch
from torch import nn
from torch_models import SIZE
from torch_steps import ALL, engine_for

from edgeworth_acct import epsilon_bounds
from edgeworth_acct.torch_adapter import DPEngine, DPPlan

# 14. is tests/torch/test_resume.py; 15. One step too many


def test_no_step_beyond_the_plan():
    model = nn.Linear(2, 1)
    engine = engine_for(model, DPPlan(n=10, expected_batch=1, steps=2, sigma=1.0, delta=1e-5))
    for _ in engine.sampler(10, micro_batch=4):
        engine.step()
    weights = model.weight.detach().clone()
    with pytest.raises(RuntimeError, match="all 2 steps"):
        engine.step()
    assert list(engine.sampler(10, micro_batch=4)) == []
    assert torch.equal(weights, model.weight)
    assert engine.ledger.steps == 2


def test_a_step_is_charged_before_the_optimizer_moves():
    class Fails(torch.optim.SGD):
        def step(self, closure=None):
            raise ArithmeticError("on purpose")

    model = nn.Linear(2, 1)
    plan = DPPlan(n=10, expected_batch=1, steps=2, sigma=1.0, delta=1e-5)
    engine = DPEngine(model, Fails(model.parameters(), lr=1.0), plan)
    assert tuple(engine.epsilon()) == (0.0, 0.0)
    steps = engine.sampler(10, micro_batch=4)
    next(steps)
    key = engine.state_dict()["key"]
    with pytest.raises(ArithmeticError, match="on purpose"):
        engine.step()
    assert engine.ledger.steps == 1
    assert engine.state_dict()["key"] != key  # its noise is never used again
    assert engine.epsilon() == epsilon_bounds(1.0, 0.1, 1, 1e-5)


def test_a_step_that_fails_is_spent(monkeypatch):
    """Whatever fails after the charge: nothing has moved, the batch is gone, and its noise is never used again."""
    from edgeworth_acct.torch_adapter import engine as module

    def fails(*_):
        raise MemoryError("on purpose")

    model = nn.Linear(2, 1)
    engine = engine_for(model, DPPlan(**ALL, steps=2, sigma=1.0))
    steps = engine.sampler(SIZE, micro_batch=SIZE)
    before, key = model.weight.detach().clone(), engine.state_dict()["key"]
    for _ in next(steps):
        engine.backward(model(torch.ones(SIZE, 2)).flatten())
    with monkeypatch.context() as patch:
        patch.setattr(module, "release_", fails)
        with pytest.raises(MemoryError, match="on purpose"):
            engine.step()
    assert engine.ledger.steps == 1
    assert engine.state_dict()["key"] != key
    assert torch.equal(model.weight, before)
    assert model.weight.grad is None
    with pytest.raises(RuntimeError, match="must end a step"):
        engine.step()
    next(steps)
    engine.step()
    assert not torch.equal(model.weight, before)
    assert engine.ledger.steps == 2
