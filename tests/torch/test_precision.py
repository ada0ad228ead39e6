"""Number formats, activation checkpointing, optimizers."""

import pytest
import torch
from oracles import per_example
from torch import nn
from torch_models import SIZE, build, classification, run
from torch_steps import ALL, contribution, engine_for, gap, linear_losses, released, size, step

from edgeworth_acct.torch_adapter import DPAdamW, DPEngine, DPPlan

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
    truth = per_example.gradients(model, classification, {name: x, "labels": y})
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
