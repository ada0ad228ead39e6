"""The training loop: sample, forward, backward, step; evaluate, report, checkpoint, resume."""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.utils.data import default_collate

from edgeworth_acct.bounds import Bounds
from edgeworth_acct.torch_adapter.checkpoint import Folder
from edgeworth_acct.torch_adapter.engine import DPEngine
from edgeworth_acct.torch_adapter.losses import inputs_and_batch, loss_function
from edgeworth_acct.torch_adapter.optim import DPAdamW
from edgeworth_acct.torch_adapter.plan import DPPlan
from edgeworth_acct.torch_adapter.progress import Bar, Interrupts

_AMP = {"bf16": torch.bfloat16, "fp16": torch.float16}
_LOSS_SCALE = 2.0**12  # of fp16: fixed, since one that follows the gradients would tell about them


class Callback:
    """What may happen beside the loop; all methods do nothing.

    `run` is the `TrainingRun` in progress.  A callback with `state_dict` and `load_state_dict` is checkpointed with it.
    """

    def before_step(self, run):
        """A logical step begins; its batch is not drawn yet.  Parameters may be rewritten here."""

    def after_step(self, run):
        """The optimizer has moved."""

    def evaluated(self, run, entry):
        """`entry` was added to ``run.history``."""


@dataclass
class TrainingRun:
    """A run in progress, for callbacks."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    engine: DPEngine
    plan: DPPlan
    history: list = field(default_factory=list)
    loss: float = float("nan")  # of the last logical batch; not private

    @property
    def step(self):
        """Logical steps released."""
        return self.engine.ledger.steps


@dataclass(frozen=True)
class FitResult:
    """What `fit` leaves.

    Attributes
    ----------
    epsilon : Bounds
        Certified, for the released steps.
    certificate : dict
    history : list of dict
        One entry for each evaluation: step, epsilon, ``loss_not_private``, and what `eval_fn` returned.
    """

    epsilon: Bounds
    certificate: dict
    history: list


def fit(
    model: nn.Module,
    dataset,
    plan: DPPlan,
    *,
    lr: float,
    optimizer="adamw",
    weight_decay: float = 0.0,
    schedule="constant",
    collate=default_collate,
    loss="sequence_classification",
    micro_batch: int = 32,
    lengths=None,
    amp: str | None = None,
    eval_fn=None,
    evaluate_every: int | None = None,
    checkpoint=None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    callbacks=(),
    progress: bool = True,
    process_group=None,
    insecure_reproducible: bool = False,
    seed: int | None = None,
) -> FitResult:
    """Train a model under a plan.

    Guarantee: as `DPEngine`.  The loss on the progress bar and in the history is computed on the training data and is
    not covered; nor is a choice made by `eval_fn` on data that is private too.

    Parameters
    ----------
    model : Module
        On the device where it is to be trained; parameters that require gradients are trained.
    dataset : sequence
        ``len(dataset) == plan.n``; records are ``dataset[i]``.
    plan : DPPlan
    lr : float
        Learning rate.
    optimizer : {"adamw", "adamw_bc"} or callable
        torch.optim.AdamW, `DPAdamW` with bias correction for the noise, or ``parameters -> torch.optim.Optimizer``.
    weight_decay : float
        For the named optimizers.
    schedule : {"constant", "linear"} or callable
        Factor on the learning rate; a callable maps the fraction of steps done, in [0, 1), to it.
    collate : callable
        List of records to a dictionary of tensors, the model's arguments and "labels", or to a pair (inputs, labels).
    loss : {"sequence_classification", "causal_lm"} or callable
        ``(outputs, batch) -> losses`` of shape (B,).
    micro_batch : int
        Records of a forward pass.
    lengths : array_like, optional
        Size of each record, for less padding: see `DPEngine.sampler`.
    amp : {"bf16", "fp16"}, optional
        Activations under torch.autocast; norms, sums and noise stay in float32.
    eval_fn : callable, optional
        ``model -> dict`` of numbers, called in evaluation mode without gradients, by the first rank.
    evaluate_every, checkpoint_every : int, optional
        In logical steps; always after the last.
    checkpoint : path, optional
        Folder for plan.json, certificate.json, metrics.json, checkpoint.bin (secret: it holds the noise to come), and
        in the end weights.pt.
    resume : bool
        Continue from the folder's checkpoint, if there is one; the result is that of a run without interruption.
    callbacks : sequence of Callback
    progress : bool
        Show a progress bar (tqdm).
    process_group, insecure_reproducible, seed
        As in `DPEngine`.

    Returns
    -------
    FitResult

    Raises
    ------
    ValueError, TypeError
        An argument is out of range; the folder holds a checkpoint and `resume` is false, or a checkpoint that is
        damaged or of another run.
    KeyboardInterrupt
        After an interrupt, once the logical step is finished and the checkpoint written.

    Examples
    --------
    >>> data = [(torch.randn(4), torch.tensor(k % 2)) for k in range(100)]
    >>> plan = DPPlan.calibrate(n=100, expected_batch=20, steps=3, epsilon=1.0, delta=1e-3)
    >>> result = fit(nn.Linear(4, 2), data, plan, lr=0.1, progress=False)
    >>> bool(0.9 < result.epsilon.upper <= 1.0)
    True
    """
    if len(dataset) != plan.n:
        raise ValueError(f"dataset must have the plan's {plan.n} records, got {len(dataset)}")
    if amp is not None and amp not in _AMP:
        raise ValueError(f"amp must be None or one of {', '.join(map(repr, _AMP))}, got {amp!r}")
    loss, factor = loss_function(loss), _schedule(schedule)
    optimizer = _optimizer(optimizer, [p for p in model.parameters() if p.requires_grad], lr, weight_decay, plan)
    options = {"process_group": process_group, "insecure_reproducible": insecure_reproducible, "seed": seed}
    engine = DPEngine(model, optimizer, plan, **options)
    run = TrainingRun(model, optimizer, engine, plan)
    first = engine.ranks.rank == 0
    rates = [group["lr"] for group in optimizer.param_groups]
    settings = {"rates": rates, "micro_batch": micro_batch, "amp": amp, "optimizer": type(optimizer).__name__}
    folder = Folder(checkpoint, settings, callbacks, writes=first) if checkpoint is not None else None
    if folder:
        folder.open(run, resume)

    def begin(engine):
        torch.manual_seed(engine.step_seed(f"dropout {engine.ranks.rank}"))
        for callback in callbacks:
            callback.before_step(run)
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate * factor(run.step / plan.steps)

    engine.before_step.append(begin)
    training = model.training
    model.train()
    device = next(model.parameters()).device
    try:
        with Bar(plan, run, progress and first) as bar, Interrupts() as interrupts, torch.random.fork_rng():
            for logical in engine.sampler(plan.n, micro_batch, lengths):
                total = count = 0
                for mb in logical:
                    args, kwargs, batch = inputs_and_batch(collate(_records(dataset, mb)), device)
                    with torch.autocast(device.type, _AMP.get(amp), enabled=amp is not None):
                        losses = loss(model(*args, **kwargs), batch)
                    engine.backward(losses, mask=mb.mask, loss_scale=_LOSS_SCALE if amp == "fp16" else 1.0)
                    total += losses.detach()[mb.mask.to(device)].sum()
                    count += int(mb.mask.sum())
                engine.step()
                run.loss = float(total) / count if count else float("nan")
                for callback in callbacks:
                    callback.after_step(run)
                last = run.step == plan.steps
                if last or (evaluate_every and run.step % evaluate_every == 0):
                    _evaluate(run, eval_fn if first else None, callbacks)
                if folder and (last or interrupts.seen or (checkpoint_every and run.step % checkpoint_every == 0)):
                    folder.save(run)
                bar.update(run)
                interrupts.act()
    finally:
        engine.detach()
        model.train(training)
    if folder:
        folder.finish(run)
    return FitResult(engine.epsilon(), engine.certificate(), run.history)


def _records(dataset, mb):
    rows = mb.indices.clamp(min=0).tolist()
    return dataset.__getitems__(rows) if hasattr(dataset, "__getitems__") else [dataset[row] for row in rows]


def _evaluate(run, eval_fn, callbacks):
    entry = {"step": run.step, "epsilon": run.engine.epsilon().upper, "loss_not_private": run.loss}
    if eval_fn is not None:
        run.model.eval()
        with torch.no_grad():
            entry |= eval_fn(run.model)
        run.model.train()
    run.history.append(entry)
    for callback in callbacks:
        callback.evaluated(run, entry)


def _schedule(schedule):
    schedules = {"constant": lambda fraction: 1.0, "linear": lambda fraction: 1.0 - fraction}
    if callable(schedule):
        return schedule
    if schedule not in schedules:
        raise ValueError(f"schedule must be one of {', '.join(map(repr, schedules))} or callable, got {schedule!r}")
    return schedules[schedule]


def _optimizer(optimizer, parameters, lr, weight_decay, plan):
    if callable(optimizer):
        return optimizer(parameters)
    if optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
    if optimizer == "adamw_bc":
        return DPAdamW(parameters, lr=lr, weight_decay=weight_decay, noise_std=plan.noise_std)
    raise ValueError(f"optimizer must be 'adamw', 'adamw_bc' or callable, got {optimizer!r}")
