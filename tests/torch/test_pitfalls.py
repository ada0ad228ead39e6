"""Pitfalls of private training, each a test; numbers as in the design notes.  All of it looks from outside.

One trick serves most tests: with SGD of rate 1 in float64, a step moves the parameters by (clipped sum + noise) /
expected batch, and a run from the same seed in which no example counts moves them by noise / expected batch.
"""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import per_example
from torch import nn
from torch_models import MODELS, SIZE, build, run

from edgeworth_acct import epsilon_bounds, verdict
from edgeworth_acct.torch_adapter import DPAdamW, DPEngine, DPPlan, prepare, register_rule
from edgeworth_acct.torch_adapter.noise import Key, normal

# Every record in every batch: the batch is the data set and has one micro-batch.
ALL = {"n": SIZE, "expected_batch": SIZE, "delta": 1e-5}


def step(model, losses_of, plan, *, mask=None, loss_scale=1.0, seed=7):
    """Parameter changes times -expected batch of one step on all records: clipped sum plus noise."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    engine = DPEngine(model, optimizer, plan, insecure_reproducible=True, seed=seed)
    for logical in engine.sampler(plan.n, micro_batch=plan.n):
        for mb in logical:
            engine.backward(losses_of(model), mask=mb.mask if mask is None else mask, loss_scale=loss_scale)
        engine.step()
        break
    engine.detach()
    moved = {name: plan.expected_batch * (before[name] - p.detach()) for name, p in model.named_parameters()}
    model.load_state_dict(before, strict=False)
    return moved


def released(model, losses_of, plan, **options):
    """The clipped sum alone."""
    nothing = torch.zeros(plan.n, dtype=torch.bool)
    with_all, noise = (step(model, losses_of, plan, **each) for each in (options, {"mask": nothing}))
    return {name: with_all[name] - noise[name] for name in noise}


def size(gradients):
    return math.sqrt(sum(float(g.detach().double().square().sum()) for g in gradients.values()))


def gap(one, two):
    return size({name: one[name].double() - two[name].double() for name in one})


def linear_losses(x, y):
    return lambda model: nn.functional.cross_entropy(model(x), y, reduction="none")


@pytest.fixture
def problem():
    torch.manual_seed(3)
    x, y = torch.randn(SIZE, 5, dtype=torch.float64), torch.randint(3, (SIZE,))
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    return model, x, y


# 1. Sampled as accounted


def engine_for(model, plan, **options):
    options = {"insecure_reproducible": True, "seed": 0, **options}
    return DPEngine(model, torch.optim.SGD(model.parameters(), lr=0.1), plan, **options)


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


@pytest.mark.parametrize("actual", [0, 1, 12])
def test_the_expected_batch_divides(actual):
    """q n = 4; micro-batches of actual sizes 0, 1 and 3 q n."""
    torch.manual_seed(0)
    x, y = torch.randn(12, 5, dtype=torch.float64), torch.randint(3, (12,))
    model, plan = nn.Linear(5, 3).double(), DPPlan(n=12, expected_batch=4, steps=1, sigma=1.0, delta=1e-5, clip=0.1)
    seed = next(s for s in range(10_000_000) if batch_size(model, plan, s, x, y) == actual) if actual < 12 else None
    if seed is None:  # all 12 of 12 in a batch: probability 3^-12 under this plan; take every record instead
        plan = DPPlan(n=12, expected_batch=12, steps=1, sigma=1.0, delta=1e-5, clip=0.1)
        seed = 0
    with_examples, rows = one_step(model, plan, seed, x, y, count=True)
    noise, _ = one_step(model, plan, seed, x, y, count=False)
    assert len(rows) == actual
    chosen = [{"input": x[i : i + 1], "labels": y[i : i + 1]} for i in rows]
    truth = [per_example.gradients(model, loss, batch)[0] for batch in chosen]
    expected = per_example.clipped_sum(truth, 0.1) if truth else {name: 0 * p for name, p in model.named_parameters()}
    moved = {name: (noise[name] - with_examples[name]) * plan.expected_batch for name in noise}
    assert gap(moved, expected) <= 1e-12


def loss(outputs, batch):
    return nn.functional.cross_entropy(outputs, batch["labels"], reduction="none")


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


# 7. Parameters that nobody would clip


def test_parameters_without_exact_gradients_are_refused_at_construction():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.drop = nn.Parameter(torch.ones(3)), nn.Dropout(0.1)

        def forward(self, x):
            return self.drop(x * self.scale)

    plan = DPPlan(**ALL, steps=1, sigma=1.0)
    for model, word in (
        (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "BatchNorm1d.*mixes"),
        (nn.Sequential(nn.Linear(2, 2), nn.InstanceNorm1d(2, track_running_stats=True)), "mixes"),
        (nn.Embedding(3, 2, max_norm=1.0), "max_norm"),
        (nn.Embedding(3, 2, scale_grad_by_freq=True), "scale_grad_by_freq"),
        (nn.DataParallel(nn.Linear(2, 2)), "bare module"),
        (Own(), "dropout inside"),
        (nn.MultiheadAttention(2, 1, dropout=0.1), "dropout inside"),
        (nn.LazyLinear(2), "initialised"),
    ):
        with pytest.raises(ValueError, match=word):
            DPEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), plan)
    with pytest.raises(ValueError, match="requires gradients"):
        DPEngine(nn.ReLU(), torch.optim.SGD([torch.ones(1)], lr=1.0), plan)


def test_the_optimizer_holds_what_the_model_trains():
    model, other, plan = nn.Linear(2, 2), nn.Linear(3, 3), DPPlan(**ALL, steps=1, sigma=1.0)
    with pytest.raises(ValueError, match="lacks bias"):
        DPEngine(model, torch.optim.SGD([model.weight], lr=1.0), plan)
    with pytest.raises(ValueError, match=r"others of shapes \[\(3, 3\), \(3,\)\]"):
        DPEngine(model, torch.optim.SGD([*model.parameters(), *other.parameters()], lr=1.0), plan)
    with pytest.raises(ValueError, match="without a closure, LBFGS"):
        DPEngine(model, torch.optim.LBFGS(model.parameters()), plan)


def test_a_parameter_used_behind_its_modules_back_is_noticed():
    class Behind(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.layer = nn.Embedding(5, 3), nn.Linear(3, 3)

        def forward(self, ids):
            return nn.functional.linear(self.layer(self.table(ids)), self.table.weight)

    model = Behind()
    ids = torch.randint(5, (SIZE,))
    losses_of = lambda model: nn.functional.cross_entropy(model(ids), ids, reduction="none")  # noqa: E731
    with pytest.raises(RuntimeError, match=r"table\.weight do not add up"):
        step(model, losses_of, DPPlan(**ALL, steps=1, sigma=1.0))


def test_an_input_that_requires_grad_hides_no_layer():
    """As with Hugging Face's enable_input_require_grads: the way back to the layers is another one."""
    x = torch.randn(SIZE, 5, dtype=torch.float64)
    model, plan = nn.Linear(5, 3).double(), DPPlan(**ALL, steps=1, sigma=1.0, clip=0.3)
    y = torch.randint(3, (SIZE,))
    plain = released(model, linear_losses(x, y), plan)
    assert gap(released(model, linear_losses(x.clone().requires_grad_(), y), plan), plain) <= 1e-14
    with pytest.raises(RuntimeError, match=r"requires grad though nothing trainable|no trainable layer ran"):
        step(model, lambda model: linear_losses(x.clone().requires_grad_() * 1.0, y)(model), plan)


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(5, dtype=torch.float64))

    def forward(self, x):
        return x * self.factor


class Pair(Scale):
    def forward(self, x):
        return x * self.factor, x


class Noisy(Scale):
    def forward(self, x):
        return nn.functional.dropout(x * self.factor, 0.5)


@pytest.mark.parametrize(
    ("kind", "rule", "error", "word"),
    [
        (Scale, lambda module, x, g: {"factor": x}, RuntimeError, "factor do not add up"),
        (
            Scale,
            lambda module, x, g: {"factor": (x * g).sum(0)},
            ValueError,
            r"must have gradients \(4, 5\), .* \(5,\)",
        ),
        (Scale, lambda module, x, g: {}, RuntimeError, "no trainable layer|do not add up"),
        (Pair, lambda module, x, g: {"factor": x * g}, TypeError, r"\(Pair\) must take and give one tensor"),
        (Noisy, None, RuntimeError, "cannot be repeated example by example: freeze its parameters, or register_rule"),
    ],
)
def test_rules_that_do_not_hold_are_noticed(kind, rule, error, word, monkeypatch):
    from edgeworth_acct.torch_adapter import rules

    monkeypatch.setattr(rules, "_RULES", dict(rules._RULES))
    if rule:
        register_rule(kind, rule)
    x = torch.randn(SIZE, 5, dtype=torch.float64)
    losses_of = lambda model: (output := model(x), output[0] if kind is Pair else output)[1].square().sum(1)  # noqa: E731
    with pytest.raises(error, match=word):
        step(kind(), losses_of, DPPlan(**ALL, steps=1, sigma=1.0))


def test_a_registered_rule_is_used(monkeypatch):
    from edgeworth_acct.torch_adapter import rules

    monkeypatch.setattr(rules, "_RULES", dict(rules._RULES))
    torch.manual_seed(0)
    x, plan, used = torch.randn(SIZE, 5, dtype=torch.float64), DPPlan(**ALL, steps=1, sigma=1.0, clip=0.5), []
    losses = lambda model: model(x).square().sum(1)  # noqa: E731
    by_fallback = released(Scale(), losses, plan)
    register_rule(Scale, lambda module, inputs, grads: used.append(1) or {"factor": inputs * grads})
    assert gap(released(Scale(), losses, plan), by_fallback) <= 1e-14
    assert used
    for wrong in ((3, print), (nn.Linear, 3)):
        with pytest.raises(TypeError):
            register_rule(*wrong)


def test_a_forward_that_was_overridden_does_not_inherit_the_rule():
    class Doubled(nn.Linear):
        def forward(self, x):
            return super().forward(2 * x)

    torch.manual_seed(0)
    x, y = torch.randn(SIZE, 5, dtype=torch.float64), torch.randint(3, (SIZE,))
    model, plan = Doubled(5, 3).double(), DPPlan(**ALL, steps=1, sigma=1.0, clip=0.3)
    truth = per_example.gradients(model, loss, {"x": x, "labels": y})
    assert gap(released(model, linear_losses(x, y), plan), per_example.clipped_sum(truth, 0.3)) <= 1e-13


def test_an_output_that_does_not_begin_with_the_batch_is_refused():
    class Last(nn.Module):  # two layers in two directions: as many last states as examples
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[1][0].transpose(0, 1).flatten(1).sum(1)

    x = torch.randn(SIZE, 5, 3)
    with pytest.raises(ValueError, match=r"first dimension is not the batch"):
        step(Last(), lambda model: model(x), DPPlan(**ALL, steps=1, sigma=1.0))


# 8. and 9. Real architectures


@pytest.mark.parametrize("name", MODELS)
def test_released_sum_of_real_architectures(name):
    model, loss, batch = build(name)
    clip = float(per_example.norms(truth := per_example.gradients(model, loss, batch)).median())
    got = released(model, lambda model: run(model, loss, batch), DPPlan(**ALL, steps=1, sigma=1.0, clip=clip))
    expected = per_example.clipped_sum(truth, clip)
    got = {key: got[key] for key in expected}
    assert gap(got, expected) <= (1e-5 if name == "llama" else 1e-12) * SIZE * clip


def test_prepare_expands_position_ids_and_reports():
    model, loss, batch = build("bert")
    with_ids = run(model, loss, batch)
    del batch["position_ids"]
    report = prepare(model)
    assert report.position_ids
    assert torch.equal(run(model, loss, batch), with_ids)
    assert not prepare(model).position_ids  # already expanded
    truth = per_example.gradients(model, loss, batch)
    got = released(model, lambda model: run(model, loss, batch), DPPlan(**ALL, steps=1, sigma=1.0, clip=0.1))
    assert gap(got, per_example.clipped_sum(truth, 0.1)) <= 1e-13
    tied = prepare(build("gpt2_tied")[0])
    assert tied.position_ids
    assert tied.tied == (("transformer.wte.weight", "lm_head.weight"),)
    assert not prepare(build("roberta")[0]).position_ids
    assert prepare(build("lora")[0]).position_ids is False  # the frozen table needs no gradient
    assert "attention" in prepare(build("twice")[0]).without_rule
    with pytest.raises(ValueError, match="BatchNorm"):
        prepare(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)))


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


def contribution(model, losses_of, plan, mask):
    """The clipped sum itself, before noise: a difference of float32 parameters would drown it in rounding."""
    engine = DPEngine(model, torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0), plan)
    for logical in engine.sampler(plan.n, micro_batch=plan.n):
        for _ in logical:
            engine.backward(losses_of(model), mask=mask)
        break
    engine.detach()
    return {name: engine._totals[p] for name, p in engine.parameters.items() if p in engine._totals}


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


# 11. Noise


@pytest.mark.parametrize("options", [{"seed": 1}, {"insecure_reproducible": True}])
def test_a_seed_needs_the_word_insecure(options):
    model, plan = nn.Linear(2, 1), DPPlan(**ALL, steps=1, sigma=1.0)
    with pytest.raises(ValueError, match="insecure_reproducible"):
        DPEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), plan, **options)


def noise_of(engine, model, plan):
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in engine.sampler(plan.n, micro_batch=plan.n):
        engine.step()
        break
    return torch.cat([(before[name] - p.detach()).flatten() for name, p in model.named_parameters()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
def test_noise_is_normal_with_the_plans_deviation(dtype):
    from scipy import stats

    torch.manual_seed(0)  # must not matter
    model = nn.Linear(1500, 900, dtype=dtype)  # many blocks, the last one of an odd length
    plan = DPPlan(n=8, expected_batch=2, steps=3, sigma=0.7, delta=1e-5, clip=3.0)
    engine = DPEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), plan)
    first, second = noise_of(engine, model, plan), noise_of(engine, model, plan)
    for noise in (first, second):
        assert stats.kstest(noise.numpy() / plan.noise_std, "norm").pvalue > 1e-5
        assert abs(noise.std() / plan.noise_std - 1) < 5 / math.sqrt(2 * noise.numel())
    assert plan.noise_std == 0.7 * 3.0 / 2
    assert abs(stats.pearsonr(first, second).statistic) < 5 / math.sqrt(first.numel())
    halves = first[: 2 * (first.numel() // 2)].view(2, -1).numpy()
    assert abs(stats.pearsonr(*halves).statistic) < 5 / math.sqrt(first.numel() / 2)


def test_float32_noise_has_the_tails_and_the_independence_of_the_normal_distribution():
    """Moments to the fourth and the share beyond 4 std of 10^7 numbers; the two numbers made of one word."""
    from scipy import stats

    key, n = Key.from_seed(5), 1 << 16
    blocks = [normal(key.generator(f"{k}"), n, 2.0, torch.float32).double().view(2, -1) / 2.0 for k in range(160)]
    pairs = torch.cat(blocks, dim=1)
    values = pairs.flatten()
    total = len(values)
    assert stats.kstest(values.numpy(), "norm").pvalue > 1e-5
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        spread = math.sqrt(math.prod(range(1, 2 * power, 2)) / total)  # of the mean of z^power, at most
        assert abs((values**power).mean() - moment) < 5 * spread, power
    beyond = 2 * stats.norm.sf(4)
    assert abs((values.abs() > 4).sum() - beyond * total) < 5 * math.sqrt(beyond * total)
    for one, two in ((pairs[0], pairs[1]), (pairs[0] ** 2, pairs[1] ** 2), (pairs[0].abs(), pairs[1])):
        assert abs(stats.pearsonr(one, two).statistic) < 5 / math.sqrt(len(one))
    angles = torch.atan2(pairs[1], pairs[0]).numpy()
    assert stats.kstest(angles, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-5


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_noise_of_any_length(size):
    assert normal(Key().generator("x"), size, 1.0, torch.float32).shape == (size,)


def test_noise_ignores_torchs_and_numpys_seeds():
    plan = DPPlan(**ALL, steps=1, sigma=1.0)
    seen = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        model = nn.Linear(50, 50)
        seen.append(noise_of(DPEngine(model, torch.optim.SGD(model.parameters(), lr=1.0), plan), model, plan))
    assert (seen[0] != seen[1]).all()


def test_noise_does_not_depend_on_threads():
    model, plan = nn.Linear(1500, 900), DPPlan(**ALL, steps=1, sigma=1.0)
    start, seen, threads = {k: v.clone() for k, v in model.state_dict().items()}, [], torch.get_num_threads()
    for count in (1, 3):
        torch.set_num_threads(count)
        model.load_state_dict(start)
        seen.append(noise_of(engine_for(model, plan), model, plan))
    torch.set_num_threads(threads)
    assert torch.equal(*seen)


def test_a_checkpoint_tells_nothing_about_earlier_noise():
    engine = engine_for(nn.Linear(2, 1), DPPlan(n=4, expected_batch=1, steps=3, sigma=1.0, delta=1e-5))
    keys = []
    for _ in engine.sampler(4, micro_batch=4):
        keys.append(engine.state_dict()["key"])
        engine.step()
    assert len(set(keys)) == 3
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)


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


# Precision, checkpointing, optimizers


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_norms_and_sums_are_wide_under_autocast(dtype):
    """One example's contribution is clipped to float32 rounding though activations have 8 or 11 bits."""
    model, loss, batch = build("bert", torch.float32)

    def losses_of(model):
        with torch.autocast("cpu", dtype=dtype):
            return run(model, loss, batch)

    plan = DPPlan(**ALL, steps=1, sigma=1.0, clip=1e-2)
    for i in range(SIZE):
        got = contribution(model, losses_of, plan, torch.arange(SIZE) == i)
        assert all(total.dtype == torch.float32 for total in got.values())
        assert size(got) == pytest.approx(1e-2, rel=2e-5)
        assert size(got) <= 1e-2 * (1 + 1e-6)


@pytest.mark.parametrize("name", ["bert", "cnn", "twice", "recurrent", "vit"])
def test_models_in_bfloat16_are_clipped(name):
    model, loss, batch = build(name, torch.bfloat16)
    plan = DPPlan(**ALL, steps=1, sigma=1.0, clip=1e-3)
    for i in range(SIZE):
        got = contribution(model, lambda model: run(model, loss, batch), plan, torch.arange(SIZE) == i)
        assert all(total.dtype == torch.float32 for total in got.values())
        assert plan.clip * (1 - 2e-5) <= size(got) <= plan.clip * (1 + 1e-6)


class Mixed(nn.Module):
    """A layer in float32 below one in float64."""

    def __init__(self):
        super().__init__()
        self.low, self.high = nn.Linear(5, 4), nn.Linear(4, 3).double()

    def forward(self, x):
        return self.high(torch.tanh(self.low(x)).double())


@pytest.mark.parametrize("kind", [Mixed, lambda: nn.Linear(5, 3), lambda: nn.Linear(5, 3).double()])
@pytest.mark.parametrize("losses_in", [torch.float32, torch.float64])
def test_float32_and_float64_go_together(kind, losses_in):
    torch.manual_seed(0)
    model = kind()
    x, y = torch.randn(SIZE, 5, dtype=next(model.parameters()).dtype), torch.randint(3, (SIZE,))
    clip, mask = 0.1, torch.ones(SIZE, dtype=torch.bool)
    plan = DPPlan(**ALL, steps=1, sigma=1.0, clip=clip)
    got = contribution(model, lambda model: linear_losses(x, y)(model).to(losses_in), plan, mask)
    name = "x" if kind is Mixed else "input"
    truth = per_example.gradients(model, loss, {name: x, "labels": y})
    assert gap(got, per_example.clipped_sum(truth, clip)) <= 1e-5 * SIZE * clip


def test_memory_formats_of_parameters():
    """Channels last, transposed: with an example in the batch, and with none."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2)).to(memory_format=torch.channels_last)
    model[2].weight = nn.Parameter(torch.randn(16, 2).T)
    x, y = torch.randn(SIZE, 3, 4, 4).to(memory_format=torch.channels_last), torch.randint(2, (SIZE,))
    for expected_batch in (SIZE, 1e-6):
        engine = engine_for(model, DPPlan(n=SIZE, expected_batch=expected_batch, steps=1, sigma=1.0, delta=1e-5))
        for logical in engine.sampler(SIZE, micro_batch=SIZE):
            for _ in logical:
                engine.backward(linear_losses(x, y)(model))
            engine.step()
        assert engine.ledger.steps == 1
        engine.detach()


def test_loss_scale_is_divided_out(problem):
    model, x, y = problem
    plan = DPPlan(**ALL, steps=1, sigma=1.0, clip=0.5)
    plain, scaled = (released(model, linear_losses(x, y), plan, loss_scale=by) for by in (1.0, 4096.0))
    assert gap(plain, scaled) <= 1e-12


@pytest.mark.parametrize("name", ["bert", "gpt2_tied"])
def test_activation_checkpointing_is_exact(name):
    model, loss, batch = build(name)
    plan = DPPlan(**ALL, steps=1, sigma=1.0, clip=0.1)
    losses_of = lambda model: run(model, loss, batch)  # noqa: E731
    plain = released(model, losses_of, plan)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    assert gap(released(model, losses_of, plan), plain) <= 1e-14


def test_reentrant_checkpointing_is_refused(problem):
    from torch.utils.checkpoint import checkpoint

    model, x, y = problem
    x.requires_grad_()
    losses_of = lambda model: nn.functional.cross_entropy(  # noqa: E731
        checkpoint(model, x, use_reentrant=True), y, reduction="none"
    )
    with pytest.raises(RuntimeError, match="use_reentrant"):
        step(model, losses_of, DPPlan(**ALL, steps=1, sigma=1.0))


def test_model_and_optimizer_stay_what_they_are(problem):
    model, _, _ = problem
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    forward, kind, step_of = model[0].forward, type(model), optimizer.step
    engine = DPEngine(model, optimizer, DPPlan(**ALL, steps=1, sigma=1.0))
    assert model[0].forward == forward
    assert type(model) is kind
    assert optimizer.step == step_of
    engine.detach()
    assert not any(module._forward_hooks for module in model.modules())


def test_adamw_is_torchs_without_noise_and_corrected_with_it():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(4, 3, dtype=torch.float64), nn.Linear(4, 3, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict())
    options = {"lr": 1e-2, "betas": (0.8, 0.95), "weight_decay": 0.1}
    optimizers = DPAdamW(ours.parameters(), **options), torch.optim.AdamW(theirs.parameters(), **options)
    for _ in range(5):
        for one, two in zip(ours.parameters(), theirs.parameters()):
            one.grad = torch.randn_like(one)
            two.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert all(one.allclose(two, rtol=1e-12) for one, two in zip(ours.parameters(), theirs.parameters()))
    # A constant gradient g beside noise s: the corrected step is lr * g / g, the plain one lr * g / sqrt(g^2 + s^2).
    weight, g, s = nn.Parameter(torch.zeros(20_000, dtype=torch.float64)), 0.5, 2.0
    optimizer = DPAdamW([weight], lr=1.0, betas=(0.0, 0.999), weight_decay=0.0, noise_std=s, floor=0.05)
    for _ in range(300):
        weight.grad = g + s * torch.randn_like(weight)
        optimizer.step()
    second = optimizer.state[weight]["square"].mean() / (1 - 0.999**300)
    assert float(second - s**2) == pytest.approx(g**2, rel=0.05)
    for wrong in ({"lr": -1.0}, {"betas": (1.0, 0.9)}, {"noise_std": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DPAdamW([weight], **wrong)
