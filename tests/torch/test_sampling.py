"""Batches are drawn as they are accounted: pitfalls of private training by number."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch_models import SIZE
from torch_steps import ALL, engine_for

from edgeworth_acct import epsilon_bounds
from edgeworth_acct.torch_adapter import DPPlan

# 1. Sampled as accounted


def test_lengths_order_a_batch_and_change_nothing_else():
    plan = DPPlan(n=1000, expected_batch=100, steps=3, sigma=1.0, delta=1e-5)
    model = nn.Linear(2, 1)
    lengths = np.arange(1000) % 7
    batches = []
    for order in (None, lengths):
        engine = engine_for(model, plan)
        for logical in engine.sampler(1000, 16, order):
            rows = []
            for mb in logical:
                rows += mb.indices[mb.mask].tolist()
                engine.backward(model(torch.ones(16, 2)).flatten(), mask=mb.mask)
            engine.step()
            batches.append(rows)
    for plain, ordered in zip(batches[:3], batches[3:], strict=True):
        assert sorted(plain) == sorted(ordered)
        assert (np.diff(lengths[ordered]) <= 0).all()
        assert (np.diff(lengths[plain]) > 0).any()


@pytest.mark.parametrize("lengths", [[1, 2], np.ones((1000, 1)), ["a"] * 1000])
def test_lengths_must_be_one_number_for_each_record(lengths):
    engine = engine_for(nn.Linear(2, 1), DPPlan(n=1000, expected_batch=100, steps=3, sigma=1.0, delta=1e-5))
    with pytest.raises(ValueError, match="lengths must be 1000 numbers"):
        engine.sampler(1000, 16, lengths)


def test_the_sampler_is_the_plans():
    plan = DPPlan(n=1000, expected_batch=30, steps=400, sigma=1.0, delta=1e-5)
    model = nn.Linear(2, 1)
    engine = engine_for(model, plan)
    sizes, counts = [], np.zeros(1000)
    for logical in engine.sampler(1000, micro_batch=16):
        rows = []
        for mb in logical:
            assert mb.indices.shape == mb.mask.shape == (16,)
            assert ((mb.indices >= 0) == mb.mask).all()
            rows += mb.indices[mb.mask].tolist()
            engine.backward(model(torch.ones(16, 2)).flatten(), mask=mb.mask)
        engine.step()
        assert len(set(rows)) == len(rows)
        sizes.append(len(rows))
        counts[rows] += 1
    assert len(sizes) == 400
    # Binomial(1000, 0.03): mean 30, variance 29.1; five standard errors each, and every record is drawn alike.
    assert abs(np.mean(sizes) - 30) < 5 * math.sqrt(29.1 / 400)
    assert abs(np.var(sizes) / 29.1 - 1) < 5 * math.sqrt(2 / 400)
    chi_square = ((counts - 12) ** 2 / (12 * 0.97)).sum()
    assert abs(chi_square - 1000) < 5 * math.sqrt(2 * 1000)


@pytest.mark.parametrize(("options", "word"), [({"n": 999}, "n must be"), ({"micro_batch": 0}, "micro_batch")])
def test_sampler_of_another_data_set_is_refused(options, word):
    engine = engine_for(nn.Linear(2, 1), DPPlan(n=1000, expected_batch=30, steps=2, sigma=1.0, delta=1e-5))
    with pytest.raises(ValueError, match=word):
        engine.sampler(**{"n": 1000, "micro_batch": 8, **options})


def test_another_loader_is_refused():
    model = nn.Linear(2, 1)
    plan = DPPlan(n=10, expected_batch=5, steps=2, sigma=1.0, delta=1e-5)
    engine = engine_for(model, plan)
    with pytest.raises(RuntimeError, match="sampler"):
        engine.backward(model(torch.ones(4, 2)).flatten())
    with pytest.raises(RuntimeError, match="sampler"):
        engine.step()
    for logical in engine.sampler(10, micro_batch=4):
        with pytest.raises(RuntimeError, match="once for each micro-batch"):
            engine.backward(model(torch.ones(4, 2)).flatten())
        for _ in logical:
            with pytest.raises(ValueError, match=r"shape \[\(4,\)\], got \(5,\)"):
                engine.backward(model(torch.ones(5, 2)).flatten())
            break
        break


def test_a_micro_batch_counts_once():
    model = nn.Linear(2, 1)
    engine = engine_for(model, DPPlan(**ALL, steps=1, sigma=1.0))
    for logical in engine.sampler(SIZE, micro_batch=SIZE):
        for _ in logical:
            engine.backward(model(torch.ones(SIZE, 2)).flatten())
            with pytest.raises(RuntimeError, match="once for each micro-batch"):
                engine.backward(model(torch.ones(SIZE, 2)).flatten())
        engine.step()


def test_a_logical_step_counts_once():
    """Iterated over again, or when it is over, its records would count twice."""
    model = nn.Linear(2, 1)
    engine = engine_for(model, DPPlan(**ALL, steps=3, sigma=1.0))
    steps = engine.sampler(SIZE, micro_batch=2)

    def train(logical):
        for _ in logical:
            engine.backward(model(torch.ones(2, 2)).flatten())

    first = next(steps)
    half = iter(first)
    next(half)
    with pytest.raises(RuntimeError, match="iterated over once"):
        train(first)
    engine.step()
    second = next(steps)
    train(second)
    with pytest.raises(RuntimeError, match=r"before engine\.step"):
        next(half)
    with pytest.raises(RuntimeError, match="iterated over once"):
        train(second)
    engine.load_state_dict(engine.state_dict())  # begins the second step anew
    late = next(steps)
    engine.step()
    next(steps)
    with pytest.raises(RuntimeError, match=r"before engine\.step"):
        train(late)


def test_a_step_left_open_is_noticed():
    model = nn.Linear(2, 1)
    steps = engine_for(model, DPPlan(**ALL, steps=2, sigma=1.0)).sampler(SIZE, micro_batch=SIZE)
    next(steps)
    with pytest.raises(RuntimeError, match="must end a logical step"):
        next(steps)


def test_unamplified_takes_any_loader_and_pays_for_it():
    poisson = DPPlan(n=100, expected_batch=10, steps=3, sigma=2.0, delta=1e-5)
    plan = DPPlan(n=100, expected_batch=10, steps=3, sigma=2.0, delta=1e-5, sampling="unamplified")
    assert plan.epsilon == epsilon_bounds(2.0, 1.0, 3, 1e-5).upper > 2 * poisson.epsilon
    model = nn.Linear(2, 1)
    engine = engine_for(model, plan)
    for _ in range(3):
        engine.backward(model(torch.ones(10, 2)).flatten())
        engine.step()
    assert engine.epsilon() == plan.bounds
    with pytest.raises(ValueError, match="unamplified"):
        engine.sampler(100, micro_batch=10)


# 5. Empty batches


def test_empty_batches_step_and_are_charged():
    plan = DPPlan(n=10, expected_batch=1e-6, steps=5, sigma=1.0, delta=1e-5)
    model = nn.Linear(2, 1)
    engine = engine_for(model, plan)
    seen = [model.weight.detach().clone()]
    for logical in engine.sampler(10, micro_batch=4):
        assert list(logical) == []
        engine.step()
        seen.append(model.weight.detach().clone())
    assert engine.ledger.entries == [(1.0, 1e-7, 5)]
    assert all(not torch.equal(*pair) for pair in itertools.pairwise(seen))
