"""What one example can contribute: pitfalls by number."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import per_example
from torch import nn
from torch_models import MODELS, SIZE, build, run
from torch_steps import ALL, contribution, gap, linear_losses, released, size, step

from edgeworth_acct.torch_adapter import DPPlan

# 6. Examples that are not finite


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf, 1e300])
def test_a_non_finite_example_contributes_nothing(problem, poison):
    _, x, y = problem
    bad = x.clone()
    bad[2, 1] = poison
    plan = DPPlan(**ALL, steps=1, sigma=1.0)
    got = released(nn.Sequential(nn.Linear(5, 3)).double(), linear_losses(bad, y), plan)
    assert size(got) > 0
    for name in got:
        assert got[name].isfinite().all()
    layer = nn.Sequential(nn.Linear(5, 3)).double()
    without = torch.tensor([True, True, False, True])
    with_bad = step(layer, linear_losses(bad, y), plan)
    masked = step(layer, linear_losses(x, y), plan, mask=without)
    assert all(torch.equal(with_bad[name], masked[name]) for name in masked)


@pytest.mark.parametrize("name", ["bert", "gpt2_tied", "cnn", "twice"])
def test_a_non_finite_loss_contributes_nothing(name):
    model, loss, batch = build(name)
    plan = DPPlan(**ALL, steps=1, sigma=1.0)
    weight = torch.tensor([1.0, 1.0, math.nan, 1.0], dtype=torch.float64)
    with_bad = step(model, lambda model: run(model, loss, batch) * weight, plan)
    masked = step(model, lambda model: run(model, loss, batch), plan, mask=weight.isfinite())
    assert gap(with_bad, masked) <= 1e-12


def test_padding_may_hold_anything(problem):
    model, x, y = problem
    mask = torch.tensor([True, True, True, False])
    plan, junk = DPPlan(**ALL, steps=1, sigma=1.0), x.clone()
    junk[3] = math.nan
    one, two = (step(model, linear_losses(each, y), plan, mask=mask) for each in (x, junk))
    assert all(torch.equal(one[name], two[name]) for name in one)


# 10. Sensitivity


@pytest.mark.parametrize("clipping", ["flat", "auto"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
def test_one_example_moves_the_sum_by_at_most_the_clip_norm(name, dtype, clipping):
    model, loss, batch = build(name, dtype, seed=5)
    plan = DPPlan(**ALL, steps=1, sigma=1.0, clip=1e-3, clipping=clipping)
    for i in range(SIZE):
        alone, by = torch.arange(SIZE) == i, 10.0 ** (3 * i)
        got = contribution(model, lambda model, by=by: run(model, loss, batch) * by, plan, alone)
        assert size(got) <= plan.clip * (1 + 1e-6)
        assert size(got) >= plan.clip * (0.99 if clipping == "flat" else 0.5)


@given(
    scale=st.floats(-18, 18),
    tokens=st.integers(1, 40),
    kind=st.sampled_from(["random", "cancelling", "one token", "equal tokens", "tiny beside huge"]),
    seed=st.integers(0, 10**6),
)
@example(scale=6.0, tokens=12, kind="cancelling", seed=0)
@example(scale=12.0, tokens=2, kind="cancelling", seed=1)
def test_adversarial_examples_are_clipped(scale, tokens, kind, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, tokens, 9, generator=generator) * 10.0**scale
    signs = torch.ones(1, tokens, 1)
    if kind == "cancelling":  # pairs of tokens that are almost the same and count with opposite signs
        x[:, 1::2] = x[:, : tokens - tokens % 2 : 2] * (1 + 1e-6)
        signs[:, 1::2] = -1
    if kind == "one token":
        x[:, 1:] = 0
    if kind == "equal tokens":
        x[:] = x[:, :1]
    if kind == "tiny beside huge":
        x[:, ::2] *= 1e-12
    direction = torch.randn(11, generator=generator)
    model = nn.Linear(9, 11)
    plan = DPPlan(n=1, expected_batch=1, steps=1, sigma=1.0, delta=1e-5)
    got = contribution(model, lambda model: (signs * (model(x) * direction)).sum((1, 2)), plan, torch.tensor([True]))
    assert size(got) <= 1 + 1e-6


@pytest.mark.parametrize("name", ["bert", "gpt2_tied", "cnn"])
def test_two_runs_differ_by_one_examples_clipped_gradient(name):
    """From outside only: the same noise, with and without example 2."""
    model, loss, batch = build(name)
    truth = per_example.gradients(model, loss, batch)
    clip = float(per_example.norms(truth).median())
    plan = DPPlan(**ALL, steps=1, sigma=1.0, clip=clip)
    losses_of = lambda model: run(model, loss, batch)  # noqa: E731
    every, without = step(model, losses_of, plan), step(model, losses_of, plan, mask=torch.arange(SIZE) != 2)
    expected = per_example.clipped_sum([truth[2]], clip)
    assert gap({key: every[key] - without[key] for key in expected}, expected) <= 1e-12 * clip * SIZE


# 12. Dropout


def test_dropout_has_one_mask():
    """With dropout on the inputs, the released sum is the gradient of the very losses that were computed."""
    torch.manual_seed(0)
    x = torch.randn(SIZE, 8, dtype=torch.float64)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 1, bias=False, dtype=torch.float64))
    plan, seen = DPPlan(**ALL, steps=1, sigma=1.0, clip=1e3), []

    def losses_of(model):
        seen.append(model(x).flatten())
        return seen[-1]

    got = released(model, losses_of, plan)["1.weight"].flatten()
    first = seen[0]
    assert float(first.detach().sum()) == pytest.approx(float(got @ model[1].weight.detach().flatten()), rel=1e-10)
