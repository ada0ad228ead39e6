"""The loop: results, evaluation, callbacks, interrupts, bad input; what its files may hold."""

import json
import os
import signal

import pytest
import torch
from torch import nn
from torch_models import DATA, PLAN, SEEDED, build, network

from edgeworth_acct import epsilon_bounds, verdict, verify
from edgeworth_acct.torch_adapter import Callback, DPPlan, fit, prepare
from edgeworth_acct.torch_adapter.losses import LOSSES


def test_files_history_and_epsilon(tmp_path, capsys):
    model, seen = network(), []
    result = fit(
        model,
        DATA,
        PLAN,
        lr=0.05,
        micro_batch=8,
        eval_fn=lambda model: {
            "training": model.training,
            "grad": torch.is_grad_enabled(),
            "accuracy": accuracy(model),
        },
        evaluate_every=5,
        checkpoint=tmp_path / "run",
        schedule=lambda fraction: seen.append(fraction) or 1.0,
    )
    assert seen == [k / 12 for k in range(12)]
    assert [entry["step"] for entry in result.history] == [5, 10, 12]
    assert result.history[-1]["epsilon"] == result.epsilon.upper == PLAN.epsilon
    assert not any(entry["training"] or entry["grad"] for entry in result.history)
    assert all("loss_not_private" in entry for entry in result.history)
    assert result.history[-1]["accuracy"] > 0.9
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    shown = capsys.readouterr().err
    assert "loss (not private)" in shown
    assert "12/12" in shown
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        "certificate.json",
        "checkpoint.bin",
        "metrics.json",
        "plan.json",
        "weights.pt",
    ]
    certificate = json.loads((folder / "certificate.json").read_text())
    assert certificate == result.certificate
    training = certificate["notes"]["training"]
    bounds = epsilon_bounds(*(training[name] for name in ("sigma", "q", "released_steps", "delta")))
    assert [*bounds] == training["epsilon_bounds"]
    assert training["noise"].startswith("secret")
    assert verify(certificate)
    assert PLAN.epsilon * (1 - 1e-6) < certificate["epsilon"]["upper"] <= 8.0
    altered = {**certificate, "notes": {"training": {**training, "clip": 2.0}}}
    assert "checksum" in verdict(altered).reason
    assert DPPlan.from_json((folder / "plan.json").read_text()) == PLAN
    assert json.loads((folder / "metrics.json").read_text()) == result.history
    weights = torch.load(folder / "weights.pt", weights_only=True)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def accuracy(model):
    x, y = (torch.stack(part) for part in zip(*DATA))
    return float((model(x).argmax(1) == y).float().mean())


def test_a_seed_is_named_in_the_certificate_which_does_not_verify():
    certificate = fit(network(), DATA, PLAN, lr=0.1, **SEEDED).certificate
    assert certificate["notes"]["training"]["noise"].startswith("insecure")
    assert "no privacy" in verdict(certificate).reason
    assert not verify(certificate)


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    model = network()
    torch.manual_seed(5)
    fit(model, DATA, PLAN, lr=0.1, progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_callbacks_see_every_step_and_may_rewrite_parameters():
    class Redraw(Callback):
        def __init__(self):
            self.begun, self.ended = [], []

        def before_step(self, run):
            self.begun.append((run.step, run.engine.epsilon().upper))
            with torch.no_grad():
                run.model[0].weight.fill_(len(self.begun))

        def after_step(self, run):
            self.ended.append(run.step)

    callback = Redraw()
    model = network()
    fit(model, DATA, PLAN, lr=1e-9, callbacks=[callback], progress=False)
    assert [step for step, _ in callback.begun] == list(range(12))
    assert callback.ended == list(range(1, 13))
    assert callback.begun[0][1] == 0.0
    assert (model[0].weight - 12).abs().max() < 1e-3


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_bc", lambda parameters: torch.optim.SGD(parameters, lr=2.0)])
@pytest.mark.parametrize("amp", [None, "bf16", "fp16"])
def test_every_optimizer_and_precision_learns(optimizer, amp):
    model = network()
    fit(model, DATA, PLAN, lr=0.05, optimizer=optimizer, amp=amp, schedule="linear", **SEEDED)
    assert accuracy(model) > 0.8


def test_causal_lm_from_records():
    model, _, batch = build("gpt2_tied", torch.float32)
    prepare(model)
    records = [{"input_ids": row, "labels": row.masked_fill(row == 5, -100)} for row in batch["input_ids"]] * 5
    plan = DPPlan(n=20, expected_batch=10, steps=2, sigma=1.0, delta=1e-3)
    result = fit(model, records, plan, lr=1e-3, loss="causal_lm", progress=False)
    assert result.epsilon == plan.bounds


def test_losses_are_per_example_means():
    """Pitfall 3: another example's padding or ignored tokens change nothing."""
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 6, 11), torch.randint(11, (3, 6))
    labels[0, 3:] = -100
    labels[2] = -100
    losses = LOSSES["causal_lm"](logits, {"labels": labels})
    alone = [LOSSES["causal_lm"](logits[i : i + 1], {"labels": labels[i : i + 1]})[0] for i in range(3)]
    assert losses.shape == (3,)
    assert torch.equal(losses, torch.stack(alone))
    by_hand = nn.functional.cross_entropy(logits[0, :2], labels[0, 1:3])
    assert losses[0] == pytest.approx(float(by_hand), rel=1e-6)
    assert losses[2] == 0


def test_ctrl_c_waits_for_the_step_and_leaves_a_checkpoint(tmp_path):
    class Interrupt(Callback):
        def before_step(self, run):
            if run.step == 4:
                os.kill(os.getpid(), signal.SIGINT)

    options = {"lr": 0.05, "checkpoint": tmp_path, **SEEDED}
    with pytest.raises(KeyboardInterrupt):
        fit(network(), DATA, PLAN, callbacks=[Interrupt()], **options)
    assert json.loads((tmp_path / "certificate.json").read_text())["notes"]["training"]["released_steps"] == 5
    resumed, whole = network(), network()
    fit(resumed, DATA, PLAN, resume=True, **options)
    fit(whole, DATA, PLAN, lr=0.05, **SEEDED)
    assert all(torch.equal(one, two) for one, two in zip(resumed.parameters(), whole.parameters()))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"dataset": DATA[:-1]}, "dataset must have the plan's 60 records, got 59"),
        ({"amp": "fp8"}, "amp must be"),
        ({"loss": "mse"}, "loss must be one of 'sequence_classification', 'causal_lm' or callable, got 'mse'"),
        ({"optimizer": "lion"}, "optimizer must be"),
        ({"schedule": "cosine"}, "schedule must be"),
        ({"micro_batch": 0}, "micro_batch must be"),
        ({"seed": 3}, "insecure_reproducible"),
        (
            {"loss": lambda outputs, batch: nn.functional.cross_entropy(outputs, batch["labels"])},
            "losses must have shape",
        ),
    ],
)
def test_bad_input(options, word):
    with pytest.raises(ValueError, match=word):
        fit(network(), **{"dataset": DATA, "plan": PLAN, "lr": 0.1, "progress": False, **options})
