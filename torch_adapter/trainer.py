"""A Hugging Face `Trainer` whose `train` is `fit`; imported only by those who use it.

>>> from edgeworth_acct.torch_adapter.trainer import DPTrainer
"""

import torch
from transformers import Trainer, get_scheduler
from transformers.trainer_utils import TrainOutput

from edgeworth_acct.torch_adapter.plan import DPPlan
from edgeworth_acct.torch_adapter.training import Callback, fit


class DPTrainer(Trainer):
    """`transformers.Trainer` under a `DPPlan`.

    Guarantee: as `DPEngine`.  Sampling, clipping, noise and the number of steps are the plan's: `TrainingArguments` has
    no say in them.  Data set, collator, optimizer, learning rate and its schedule, evaluation, logging and the
    callbacks' events are the Trainer's.  `per_device_train_batch_size` is the micro-batch; epochs, `max_grad_norm` and
    `gradient_accumulation_steps` mean nothing here.

    Parameters
    ----------
    *args, **kwargs
        Of `transformers.Trainer`.  Labels must be in "labels"; the loss is not the model's own but `loss`.
    plan : DPPlan
    loss : str or callable
        As in `fit`.
    fit_options : dict, optional
        More keyword arguments of `fit`.

    Raises
    ------
    ValueError
        `max_steps` is given and not the plan's, or an argument asks for a loss that is not per example.
    """

    def __init__(self, *args, plan: DPPlan, loss="sequence_classification", fit_options=None, **kwargs):
        super().__init__(*args, **kwargs)
        if self.args.max_steps not in (-1, plan.steps):
            raise ValueError(f"max_steps must be the plan's {plan.steps} or not given, got {self.args.max_steps}")
        if self.args.label_smoothing_factor or kwargs.get("compute_loss_func"):
            raise ValueError("label_smoothing_factor and compute_loss_func must not be given: pass loss= per example")
        self.plan, self.loss, self.fit_options = plan, loss, dict(fit_options or {})

    def train(self, resume_from_checkpoint: bool = False) -> TrainOutput:
        """Run the plan; with `resume_from_checkpoint`, continue it from `output_dir`."""
        args, loader = self.args, self.get_train_dataloader()
        self.model.to(args.device)
        self.state.max_steps = self.plan.steps
        result = fit(
            self.model,
            loader.dataset,
            self.plan,
            lr=args.learning_rate,
            optimizer=lambda parameters: self.create_optimizer(),
            schedule=self._factor(),
            collate=loader.collate_fn,
            loss=self.loss,
            micro_batch=args.per_device_train_batch_size,
            amp="bf16" if args.bf16 else "fp16" if args.fp16 else None,
            eval_fn=lambda model: self.evaluate() if self.eval_dataset is not None else {},
            evaluate_every=int(args.eval_steps) if args.eval_steps else None,
            checkpoint=args.output_dir,
            checkpoint_every=int(args.save_steps) if args.save_steps >= 1 else None,
            resume=resume_from_checkpoint,
            callbacks=[_Events(self)],
            progress=False,
            **self.fit_options,
        )
        return TrainOutput(self.plan.steps, float("nan"), {"epsilon": result.epsilon.upper, "delta": self.plan.delta})

    def _factor(self):
        """The Trainer's learning-rate schedule as a function of the fraction of steps done."""
        steps, unused = self.plan.steps, torch.optim.SGD([torch.zeros(1)], lr=1.0)
        schedule = get_scheduler(
            self.args.lr_scheduler_type,
            unused,
            num_warmup_steps=self.args.get_warmup_steps(steps),
            num_training_steps=steps,
            scheduler_specific_kwargs=self.args.lr_scheduler_kwargs,
        )
        if not hasattr(schedule, "lr_lambdas"):
            raise ValueError(f"lr_scheduler_type must not follow the loss, got {self.args.lr_scheduler_type}")
        return lambda fraction: schedule.lr_lambdas[0](round(fraction * steps))


class _Events(Callback):
    """The Trainer's callbacks, called from `fit`."""

    def __init__(self, trainer):
        self.trainer, self._begun = trainer, False

    def _call(self, event):
        trainer = self.trainer
        trainer.control = getattr(trainer.callback_handler, event)(trainer.args, trainer.state, trainer.control)

    def before_step(self, run):
        if not self._begun:
            self._begun, self.trainer.callback_handler.optimizer = True, run.optimizer
            self._call("on_train_begin")
        self._call("on_step_begin")

    def after_step(self, run):
        self.trainer.state.global_step = run.step
        self._call("on_step_end")
        if run.step % max(1, int(self.trainer.args.logging_steps)) == 0:
            self.trainer.log({"epsilon": run.engine.epsilon().upper, "loss_not_private": run.loss})
        if run.step == run.plan.steps:
            self._call("on_train_end")
