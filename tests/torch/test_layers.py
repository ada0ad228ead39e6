"""Every trained parameter has exact per-example gradients, or is refused: pitfalls by number."""

import pytest
import torch
from oracles import per_example
from torch import nn
from torch_models import MODELS, SIZE, build, classification, run
from torch_steps import ALL, gap, linear_losses, released, step

from edgeworth_acct.torch_adapter import DPEngine, DPPlan, prepare, register_rule

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
    truth = per_example.gradients(model, classification, {"x": x, "labels": y})
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
