"""EW-Tune's fine-tuning runs with their own settings, by `edgeworth-finetune`: honest noise, or the published one.

    python benchmarks/ewtune/run.py --task sst2 --delta 1e-5 --model roberta-base --data GLUE --output HONEST
    python benchmarks/ewtune/run.py --noise published --task sst2 --delta 1e-5 --model roberta-base --data GLUE \\
        --output PUBLISHED

Settings as in the logs and code published with arXiv:2210.15042 (repository star-ailab/LLM_Tune): RoBERTa-base,
expected batch 2000, 20 epochs, reparametrised gradients of rank 1, clip norm 10, AdamW without decay at 3e-4 falling
linearly, epsilon 8; MNLI, QQP, QNLI at delta 1e-5 and 1e-6, SST-2 at 1e-5 and 1e-4.  ``--noise published`` takes the
noise multiplier that was published for Edgeworth; the certificate then says what it truly costs.  What follows ``--``
goes to edgeworth-finetune as it is (``-- --amp bf16 --micro-batch 200``) and can override any setting.

Different on purpose: batches are drawn as accounted (Poisson), noise comes from the operating system, the projection
has the right sign (``-- --published-sign`` has theirs), the gradients of the head are not divided by 10 before
clipping, and the last model is reported, not the best on the development set.
"""

import argparse
import sys

from edgeworth_acct import published
from edgeworth_acct.torch_adapter.finetune import main as finetune

TASKS = {"mnli": "MNLI", "qqp": "QQP", "qnli": "QNLI", "sst2": "SST-2"}
SETTINGS = {
    "batch-size": 2000,
    "epochs": published.EPOCHS,
    "epsilon": published.TARGET,
    "method": "rgp",
    "rank": 1,
    "momentum": 0,
    "clip": 10,
    "lr": 3e-4,
    "schedule": "linear",
    "max-length": 512,
}


def arguments(task, delta, noise):
    """Arguments of edgeworth-finetune for a published run.

    Raises
    ------
    ValueError
        There is no such run.
    """
    run = published.Run(TASKS[task], delta)
    if run not in published.NOISE:
        known = [f"{one.delta:g}" for one in published.NOISE if one.task == run.task]
        raise ValueError(f"delta must be one of {', '.join(known)} for {task}, got {delta!r}")
    given = {"task": task, "delta": delta, **SETTINGS}
    if noise == "published":
        given |= {"sigma": published.NOISE[run][0], "i-know-this-is-an-estimate": True}
    return [str(part) for key, value in given.items() for part in ([f"--{key}"] + [value] * (value is not True))]


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--delta", type=float, required=True)
    parser.add_argument("--noise", choices=("honest", "published"), default="honest")
    parser.add_argument("--model", required=True, help="folder of RoBERTa-base, or hub id")
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True)
    options = parser.parse_args(argv[:cut])
    places = ["--model", options.model, "--data", options.data, "--output", options.output]
    return finetune([*arguments(options.task, options.delta, options.noise), *places, *argv[cut + 1 :]])


if __name__ == "__main__":
    sys.exit(main())
