"""`edgeworth-finetune`: a pretrained language model, a text task, a privacy budget; a private model with its proof."""

import json
import os
import shutil
import sys
import time
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from edgeworth_acct.errors import PrecisionError
from edgeworth_acct.torch_adapter import accountants
from edgeworth_acct.torch_adapter import checkpoint as files
from edgeworth_acct.torch_adapter.data import load
from edgeworth_acct.torch_adapter.encoding import Encoded, collator
from edgeworth_acct.torch_adapter.evaluation import evaluator
from edgeworth_acct.torch_adapter.losses import causal_lm, sequence_classification
from edgeworth_acct.torch_adapter.methods import ready
from edgeworth_acct.torch_adapter.optim import DPAdamW
from edgeworth_acct.torch_adapter.options import CONFIG, parse
from edgeworth_acct.torch_adapter.plan import DPPlan
from edgeworth_acct.torch_adapter.preparation import prepare
from edgeworth_acct.torch_adapter.pretrained import model_for, tokenizer_for
from edgeworth_acct.torch_adapter.report import Metrics, card, curves
from edgeworth_acct.torch_adapter.tasks import task_named
from edgeworth_acct.torch_adapter.training import fit
from edgeworth_acct.torch_adapter.trial import trial


def main(arguments=None) -> int:
    """Run the command; 0, 1 if files fail, 2 after bad input, 130 after an interrupt; errors are one line."""
    try:
        options = parse(arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of other packages, about their own future
            warnings.filterwarnings("always", module=r"edgeworth_acct\.torch_adapter\.finetune")
            warnings.showwarning = _one_line
            run(options)
    except (ValueError, TypeError, PrecisionError) as error:
        print(f"edgeworth-finetune: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"edgeworth-finetune: error: {error}; what was written before is whole", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        where = f"--output {options.output} --resume" if "options" in locals() else "--resume"
        print(f"\nedgeworth-finetune: interrupted; {where} continues from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _one_line(message, category, filename, lineno, file=None, line=None):
    print(f"edgeworth-finetune: warning: {message}", file=sys.stderr)


def run(options) -> dict | None:
    """Carry out `Options`.

    Returns
    -------
    dict or None
        What metrics.json holds; None of a dry run.

    Raises
    ------
    ValueError
        Something is wrong with the options, the data or the model; nothing was trained.
    KeyboardInterrupt
        After Ctrl-C, with a checkpoint to resume from.
    """
    _quiet()
    task, folder = task_named(options.task), Path(options.output)
    if (folder / "metrics.json").exists():
        raise ValueError(f"output must be a folder without a finished run, {folder} has one")
    tokenizer = tokenizer_for(task, options.model)
    data = load(task, options.data)
    plan = _plan(options, len(data.train))
    torch.manual_seed(options.seed)
    model = model_for(task, options.model, tokenizer, options.max_length, options.pooling, options.dropout)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    dataset = Encoded(data.train, task, tokenizer, options.max_length)
    _warn(data, dataset, plan, options)
    method = {name: getattr(options, name) for name in ("rank", "targets", "alpha", "biases", "momentum")}
    if options.method == "rgp":
        method["published_sign"] = options.published_sign
    trainee = ready(model, options.method, freeze_embeddings=options.freeze_embeddings, **method)
    report = prepare(trainee.model)
    print(f"{plan}\n  data                            {data.source}\n  {str(report).replace(chr(10), chr(10) + '  ')}")
    collate = collator(tokenizer)
    loss = causal_lm if task.generates else partial(sequence_classification, label_smoothing=options.label_smoothing)
    if options.dry_run:
        print(trial(trainee.model, dataset, plan, collate, loss, options.micro_batch, options.amp))
        if options.compare:
            print(f"\n{accountants.table(accountants.comparison(plan, options.epsilon))}")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    resumed = options.resume and (folder / "checkpoint" / "checkpoint.bin").exists()
    if not resumed:
        if (folder / "checkpoint" / "checkpoint.bin").exists():
            raise ValueError(f"output must be a new folder, {folder} holds a run: --resume continues it")
        files.write(folder / CONFIG, _yaml(options.as_dict()))
        files.write(folder / "plan.json", plan.to_json().encode())
    started = time.perf_counter()
    result = fit(
        trainee.model,
        dataset,
        plan,
        lr=options.lr,
        optimizer=lambda _: _optimizer(options, trainee, plan),
        schedule=options.schedule,
        collate=collate,
        loss=loss,
        micro_batch=options.micro_batch,
        lengths=dataset.lengths,
        amp=options.amp,
        eval_fn=evaluator(task, data, tokenizer, options.max_length, options.evaluation_limit),
        evaluate_every=options.evaluate_every,
        checkpoint=folder / "checkpoint",
        checkpoint_every=options.checkpoint_every or max(1, plan.steps // 20),
        resume=options.resume,
        callbacks=[Metrics(folder)],
        progress=options.progress,
    )
    seconds = time.perf_counter() - started
    return _write(options, trainee.finish(), tokenizer, result, {} if resumed else {"seconds": seconds}, device)


def _optimizer(options, trainee, plan):
    groups = trainee.groups(options.lr, options.head_lr)
    if options.optimizer == "adamw_bc":
        return DPAdamW(groups, lr=options.lr, weight_decay=options.weight_decay, noise_std=plan.noise_std)
    optimizer = torch.optim.AdamW(groups, lr=options.lr, weight_decay=options.weight_decay)
    return optimizer if trainee.rgp is None else trainee.rgp.attach(optimizer)


def _quiet():
    """Do without the long report of every new head."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _plan(options, records):
    run = {"n": records, "expected_batch": options.batch_size, "delta": options.delta, "clip": options.clip}
    run |= {"clipping": options.clipping, "adjacency": options.adjacency}
    if options.batch_size > records:
        raise ValueError(
            f"batch_size must be at most the {records} records of the data set, got {options.batch_size!r}"
        )
    budget = {"epsilon": options.epsilon, "steps": options.steps, "epochs": options.epochs}
    if options.sigma is None:
        return accountants.plan_by(options.accountant, **run, **budget)
    plan = DPPlan(**run, steps=DPPlan.calibrate(**run, **budget).steps, sigma=options.sigma)
    if plan.epsilon > options.epsilon and not options.i_know_this_is_an_estimate:
        raise ValueError(
            f"sigma must be large enough for epsilon {options.epsilon!r}, {options.sigma!r} costs {plan.epsilon:.6f}; "
            "--i-know-this-is-an-estimate runs it all the same, with the true epsilon in its certificate"
        )
    return plan


def _warn(data, dataset, plan, options):
    if plan.delta >= 1 / plan.n:
        warnings.warn(
            f"delta = {plan.delta:g} is not below 1/n = {1 / plan.n:.3g}: publishing one record in full would satisfy "
            "such a guarantee",
            stacklevel=2,
        )
    if dataset.cut:
        warnings.warn(
            f"{dataset.cut} of {len(dataset)} training records are longer than {options.max_length} tokens and cut off",
            stacklevel=2,
        )
    if data.dropped:
        warnings.warn(f"{data.dropped} lines of the training file lack columns and are left out", stacklevel=2)
    if plan.epsilon > options.epsilon:
        warnings.warn(
            f"this noise, sigma = {plan.sigma!r}, costs epsilon {plan.epsilon:.6f}, not {options.epsilon!r}",
            stacklevel=2,
        )


def _yaml(values):
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()


def _write(options, model, tokenizer, result, extra, device):
    """Everything that may be published; the checkpoint, which is secret, goes last."""
    folder = Path(options.output)
    model.to("cpu").save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    figures = {key: value for key, value in result.history[-1].items() if key != "step"} | extra
    metric = next(key for key in figures if key.startswith(("accuracy", "bleu")))
    over = result.epsilon.upper > options.epsilon
    note = f" That was an estimate: the true cost is {files.rounded_up(result.epsilon.upper)}." if over else ""
    files.write_json(folder / "certificate.json", result.certificate)
    files.write(folder / "MODEL_CARD.md", card(options, result.certificate, figures, note).encode())
    curves(folder / "curves.png", result.history, metric, result.certificate)
    packages = {name: version(name) for name in ("edgeworth-acct", "torch", "transformers")}
    settings = {"method": options.method, "task": options.task, "accountant": options.accountant}
    facts = {"delta": options.delta, "steps": result.history[-1]["step"], "device": device}
    files.write_json(folder / "metrics.json", figures | settings | facts | {"seed": options.seed, "packages": packages})
    shutil.rmtree(folder / "checkpoint")
    print(f"{metric} {figures[metric]:.4f} at epsilon {files.rounded_up(result.epsilon.upper)}: {folder}")
    return json.loads((folder / "metrics.json").read_text())


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
