"""A Hugging Face Trainer under a plan: the plan decides, whatever the arguments say."""

import json

import pytest
import torch
from torch_models import build
from transformers import Trainer, TrainerCallback, TrainingArguments

from edgeworth_acct.torch_adapter import DPPlan, fit, prepare
from edgeworth_acct.torch_adapter.trainer import DPTrainer

PLAN = DPPlan.calibrate(n=40, expected_batch=10, steps=6, epsilon=4.0, delta=1e-3, clip=0.1)
SEEDED = {"insecure_reproducible": True, "seed": 2}


def data(count=40):
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 40, (count, 6), generator=generator)
    return [{"input_ids": row, "labels": int(row[0] > 20)} for row in ids]


def trainer(folder, plan=PLAN, **arguments):
    model, _, _ = build("bert", torch.float32)
    prepare(model)
    arguments = {"learning_rate": 1e-2, "lr_scheduler_type": "constant", "weight_decay": 0.0, **arguments}
    arguments = TrainingArguments(
        str(folder), per_device_train_batch_size=8, report_to=[], use_cpu=True, disable_tqdm=True, **arguments
    )
    return DPTrainer(model, arguments, train_dataset=data(), eval_dataset=data(10), plan=plan, fit_options=SEEDED)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_trainer_is_fit(tmp_path):
    mine = trainer(tmp_path / "one", eval_steps=3, logging_steps=2)
    output = mine.train()
    assert isinstance(mine, Trainer)
    assert output.global_step == 6
    assert output.metrics == {"epsilon": PLAN.epsilon, "delta": 1e-3}
    model, _, _ = build("bert", torch.float32)
    prepare(model)
    options = {"lr": 1e-2, "collate": mine.data_collator, "micro_batch": 8, "progress": False}
    fit(model, data(), PLAN, **options, **SEEDED)
    assert weights(model).allclose(weights(mine.model), rtol=1e-5, atol=1e-7)  # the Trainer's AdamW is a fused one
    certificate = json.loads((tmp_path / "one" / "certificate.json").read_text())
    assert certificate["notes"]["training"]["released_steps"] == 6
    assert certificate["notes"]["training"]["epsilon_bounds"][1] == PLAN.epsilon
    logs = mine.state.log_history
    assert [entry["step"] for entry in logs if "epsilon" in entry] == [2, 4, 6]
    assert [entry["step"] for entry in logs if "eval_loss" in entry] == [3, 6]
    assert not any("loss" in entry for entry in logs)  # only what is marked


def test_clipping_and_accumulation_arguments_change_nothing(tmp_path):
    """Pitfall 13."""
    one, two = (
        trainer(tmp_path / str(k), max_grad_norm=norm, gradient_accumulation_steps=steps, num_train_epochs=k)
        for k, norm, steps in ((1, 1.0, 1), (2, 1e-6, 4))
    )
    for each in (one, two):
        each.train()
    assert torch.equal(weights(one.model), weights(two.model))


def test_schedule_and_callbacks(tmp_path):
    class Rates(TrainerCallback):
        def __init__(self):
            self.rates, self.events = [], []

        def on_train_begin(self, args, state, control, **_):
            self.events.append("begin")

        def on_step_end(self, args, state, control, optimizer, **_):
            self.rates.append(optimizer.param_groups[0]["lr"])

        def on_train_end(self, args, state, control, **_):
            self.events.append("end")

    seen, mine = Rates(), trainer(tmp_path, lr_scheduler_type="linear", warmup_steps=2)
    mine.add_callback(seen)
    mine.train()
    assert seen.rates == pytest.approx([0.0, 0.5e-2, 1e-2, 0.75e-2, 0.5e-2, 0.25e-2])
    assert seen.events == ["begin", "end"]


def test_resume(tmp_path):
    class Stop(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step == 4:
                raise InterruptedError

    whole, killed = trainer(tmp_path / "whole"), trainer(tmp_path / "killed", save_steps=2)
    whole.train()
    killed.add_callback(Stop())
    with pytest.raises(InterruptedError):
        killed.train()
    with pytest.raises(ValueError, match="resume=True"):
        trainer(tmp_path / "killed").train()
    again = trainer(tmp_path / "killed")
    again.train(resume_from_checkpoint=True)
    assert torch.equal(weights(whole.model), weights(again.model))


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="max_steps must be the plan's 6"):
        trainer(tmp_path, max_steps=100)
    with pytest.raises(ValueError, match="per example"):
        trainer(tmp_path, label_smoothing_factor=0.1)
    with pytest.raises(ValueError, match="follow the loss"):
        trainer(tmp_path, lr_scheduler_type="reduce_lr_on_plateau", eval_strategy="steps").train()
