"""One loss for each example, which depends on no other, and one divisor: pitfalls by number."""

import itertools
import math

import pytest
import torch
from oracles import per_example
from torch import nn
from torch_models import SIZE, build, classification, run
from torch_steps import ALL, engine_for, gap, linear_losses, released, size

from edgeworth_acct.torch_adapter import DPEngine, DPPlan

# 2. and 3. Losses belong to one example each


@pytest.mark.parametrize("bad", [torch.tensor(1.0), torch.ones(4, 1), 3.0], ids=["mean", "column", "number"])
def test_only_one_loss_for_each_example_is_accepted(bad):
    model = nn.Linear(2, 1)
    engine = engine_for(model, DPPlan(**ALL, steps=1, sigma=1.0))
    for logical in engine.sampler(SIZE, micro_batch=SIZE):
        for _ in logical:
            with pytest.raises(ValueError, match=r"losses must have shape \(B,\)"):
                engine.backward(bad)
            break
        break


class Centred(nn.Module):
    def forward(self, x):
        return torch.tanh(x - x.mean(0))


class Attends(nn.Module):
    def forward(self, x):
        return torch.softmax(x @ x.T, 1) @ x


class TokensFirst(nn.Module):  # as many tokens as examples
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 4)

    def forward(self, x):
        return torch.tanh(self.layer(x.view(SIZE, 2, 2).transpose(0, 1).repeat(2, 1, 1))).mean(0)


@pytest.mark.parametrize("mode", ["stash", "probe"])
@pytest.mark.parametrize("mixing", [Centred, Attends, TokensFirst])
def test_a_model_that_mixes_examples_is_noticed(mixing, mode):
    torch.manual_seed(0)
    x, y = torch.randn(SIZE, 3), torch.randint(2, (SIZE,))
    model = nn.Sequential(nn.Linear(3, 4), mixing(), nn.Linear(4, 2))
    engine = engine_for(model, DPPlan(**ALL, steps=1, sigma=1.0), mode=mode)
    for _ in next(engine.sampler(SIZE, micro_batch=SIZE)):
        with pytest.raises(RuntimeError, match="the model mixes the examples"):
            engine.backward(linear_losses(x, y)(model))


def test_a_micro_batch_in_which_nothing_counts_is_no_proof():
    model = nn.Sequential(nn.Linear(3, 4), Centred(), nn.Linear(4, 1))
    engine = engine_for(model, DPPlan(**ALL, steps=2, sigma=1.0))
    steps = engine.sampler(SIZE, micro_batch=SIZE)
    losses_of = lambda: model(torch.randn(SIZE, 3)).flatten()  # noqa: E731
    for _ in next(steps):
        engine.backward(losses_of(), mask=torch.zeros(SIZE, dtype=torch.bool))
    engine.step()
    for _ in next(steps):
        with pytest.raises(RuntimeError, match="the model mixes the examples"):
            engine.backward(losses_of())


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["bert", "gpt2_tied", "llama", "cnn", "twice", "vit"])
def test_rounding_of_half_precision_is_no_mixing(name, half):
    model, loss, batch = build(name, torch.float32)
    engine = engine_for(model, DPPlan(**ALL, steps=1, sigma=1.0))
    for _ in next(engine.sampler(SIZE, micro_batch=SIZE)):
        with torch.autocast("cpu", half):
            losses = run(model, loss, batch)
        engine.backward(losses)


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"loss_scale": -1.0}, ValueError, "loss_scale must be finite and > 0, got -1.0"),
        ({"loss_scale": 0}, ValueError, "loss_scale must be"),
        ({"loss_scale": math.inf}, ValueError, "loss_scale must be"),
        ({"mask": torch.ones(SIZE)}, TypeError, "mask must be a boolean tensor"),
        ({"mask": [True] * SIZE}, TypeError, "mask must be a boolean tensor"),
        ({"mask": torch.ones(3, dtype=torch.bool)}, ValueError, r"shape \[\(4,\), \(3,\)\], got \(4,\)"),
        ({"losses": torch.ones(SIZE)}, ValueError, "losses must come from the model, run with gradients"),
    ],
)
def test_bad_arguments_of_backward_cost_nothing(options, error, word):
    model = nn.Linear(2, 1)
    engine = engine_for(model, DPPlan(**ALL, steps=1, sigma=1.0))
    for _ in next(engine.sampler(SIZE, micro_batch=SIZE)):
        losses = model(torch.ones(SIZE, 2)).flatten()
        with pytest.raises(error, match=word):
            engine.backward(**{"losses": losses, **options})
        engine.backward(losses)  # the micro-batch still waits
    engine.step()


# 4. The expected batch divides, never the actual one


@pytest.mark.parametrize("actual", [0, 1, 3])
def test_the_expected_batch_divides(actual):
    """q n = 1; batches of actual sizes 0, 1 and 3 q n."""
    torch.manual_seed(0)
    x, y = torch.randn(12, 5, dtype=torch.float64), torch.randint(3, (12,))
    model, plan = nn.Linear(5, 3).double(), DPPlan(n=12, expected_batch=1, steps=1, sigma=1.0, delta=1e-5, clip=0.1)
    seed = next(s for s in itertools.count() if batch_size(model, plan, s, x, y) == actual)
    with_examples, rows = one_step(model, plan, seed, x, y, count=True)
    noise, _ = one_step(model, plan, seed, x, y, count=False)
    assert len(rows) == actual
    truth = per_example.gradients(model, classification, {"input": x, "labels": y})
    expected = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    if rows:
        expected = per_example.clipped_sum([truth[row] for row in rows], 0.1)
    moved = {name: (noise[name] - with_examples[name]) * plan.expected_batch for name in noise}
    assert gap(moved, expected) <= 1e-12


def one_step(model, plan, seed, x, y, count):
    """Parameters after one step, and the batch's rows."""
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    engine = DPEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), plan, insecure_reproducible=True, seed=seed)
    rows = []
    for logical in engine.sampler(plan.n, micro_batch=plan.n):
        for mb in logical:
            rows += mb.indices[mb.mask].tolist()
            index = mb.indices.clamp(min=0)
            engine.backward(linear_losses(x[index], y[index])(model), mask=mb.mask if count else mb.mask & False)
        engine.step()
    engine.detach()
    after = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.load_state_dict(start)
    return after, rows


def batch_size(model, plan, seed, x, y):
    return len(one_step(model, plan, seed, x, y, count=False)[1])


# 13. Trainer-style clipping and accumulation


def test_other_clipping_and_divided_losses_do_not_change_the_bound(problem):
    model, x, y = problem
    plan = DPPlan(**ALL, steps=1, sigma=1.0, clip=1e-2)
    alone = torch.arange(SIZE) == 1
    plain, divided = (
        released(model, lambda model, by=by: linear_losses(x, y)(model) / by, plan, mask=alone) for by in (1, 8)
    )
    assert gap(plain, divided) <= 1e-12
    assert size(plain) == pytest.approx(1e-2, rel=1e-9)
    engine = engine_for(model, plan)
    for logical in engine.sampler(SIZE, micro_batch=SIZE):
        for mb in logical:
            engine.backward(linear_losses(x, y)(model), mask=mb.mask)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-9)
        assert norm == 0  # there is no .grad to clip
        model[0].weight.grad = torch.full_like(model[0].weight, 1e9)  # and one that is left over does not count
        before = model[0].weight.detach().clone()
        engine.step()
        assert (model[0].weight - before).abs().max() < 1.0
