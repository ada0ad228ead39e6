"""Time and peak memory of a private training step, against the same step without privacy, in one run.

Times are taken in pairs: a non-private step and a private one in turn, in one process; the ratio is the median of the
pairs.  Memory is what a step's tensors add, at their peak, to model and optimizer; the first step is left out, in which
`edgeworth_acct` checks its sums.  A step is forward, backward, noise and optimizer, on `--accumulate` micro-batches.
"""

import argparse
import itertools
import json
import math
import platform
import statistics
import subprocess
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

_BEGIN, _END = "<!-- training:begin -->", "<!-- training:end -->"

_EPILOG = """\
examples:
  the table of the README: a BERT of 4 layers, width 256, on one thread of a CPU
    python benchmarks/training.py --write README.md
  RoBERTa-base from random weights in bfloat16 on a GPU, unattended, as JSON lines
    python benchmarks/training.py --device cuda

Opacus comes with `pip install opacus==1.6.0`; an engine that is missing or fails is reported as such.
"""

#: name -> (vocabulary, width, layers, heads, tokens)
MODELS = {"bert-small": (30522, 256, 4, 4, 64), "roberta-base": (50265, 768, 12, 12, 128)}


class Task:
    """A model, an optimizer, and a micro-batch of random text."""

    def __init__(self, options, batch):
        from transformers import (
            BertConfig,
            BertForSequenceClassification,
            RobertaConfig,
            RobertaForSequenceClassification,
        )

        vocabulary, width, layers, heads, length = MODELS[options.model]
        shape = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
        shape |= {"vocab_size": vocabulary, "intermediate_size": 4 * width}
        torch.manual_seed(0)
        if options.model == "bert-small":
            self.model = BertForSequenceClassification(BertConfig(**shape))
        else:
            config = RobertaConfig(**shape, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1)
            self.model = RobertaForSequenceClassification(config)
        self.device = torch.device(options.device)
        self.model.to(self.device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-6)
        ids = torch.randint(5, vocabulary, (batch, length), device=self.device)
        self.inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if options.model == "bert-small":
            self.inputs["position_ids"] = torch.arange(length, device=self.device).repeat(batch, 1)
        self.labels = torch.randint(2, (batch,), device=self.device)
        self.batch, self.amp, self.accumulate = batch, options.amp, options.accumulate[0]

    def logits(self, model=None):
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            return (model or self.model)(**self.inputs).logits.float()


def plain(task):
    def step():
        for _ in range(task.accumulate):
            F.cross_entropy(task.logits(), task.labels).backward()
        task.optimizer.step()
        task.optimizer.zero_grad()

    return step


def compiled(task):
    task.model = torch.compile(task.model)
    return plain(task)


def ours(task, mode="stash"):
    from edgeworth_acct.torch_adapter import DPEngine, DPPlan

    size = task.batch * task.accumulate
    plan = DPPlan(n=size, expected_batch=size, steps=10**6, sigma=1.0, delta=1e-5)
    engine = DPEngine(task.model, task.optimizer, plan, mode=mode)
    steps = engine.sampler(size, micro_batch=task.batch)

    def step():
        for mb in next(steps):
            engine.backward(F.cross_entropy(task.logits(), task.labels, reduction="none"), mask=mb.mask)
        engine.step()

    return step


def ours_compiled(task):
    step = ours(task, mode="probe")
    task.model = torch.compile(task.model)
    return step


def opacus(mode):
    def make(task):
        from opacus import PrivacyEngine

        data = torch.utils.data.TensorDataset(torch.zeros(task.batch * 10))
        options = {"criterion": torch.nn.CrossEntropyLoss()} if mode == "ghost" else {}
        model, optimizer, *rest = PrivacyEngine().make_private(
            module=task.model,
            optimizer=task.optimizer,
            data_loader=torch.utils.data.DataLoader(data, batch_size=task.batch),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            poisson_sampling=False,
            grad_sample_mode=mode,
            **options,
        )
        criterion = rest[0] if mode == "ghost" else torch.nn.CrossEntropyLoss()

        def step():
            for k in range(task.accumulate):
                optimizer.signal_skip_step(do_skip=k + 1 < task.accumulate)
                criterion(task.logits(model), task.labels).backward()
                optimizer.step()
                optimizer.zero_grad()

        return step

    return make


#: name -> (package, step maker)
ENGINES = {
    "edgeworth_acct": ("edgeworth-acct", ours),
    "Opacus ghost": ("opacus", opacus("ghost")),
    "Opacus hooks": ("opacus", opacus("hooks")),
    "non-private, compiled": ("torch", compiled),
    "edgeworth_acct, compiled": ("edgeworth-acct", ours_compiled),
}


def timed(step, device):
    """Seconds of a step: of the clock on CUDA, of the processor on a CPU that others may be using too."""
    if device.type == "cpu":
        start = time.process_time()
        step()
        return time.process_time() - start
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def measure_time(options, name, batch):
    """Median seconds of both steps, and the median ratio of pairs."""
    one, two = Task(options, batch), Task(options, batch)
    steps = plain(one), ENGINES[name][1](two)
    pairs = []
    for k in range(options.warm_up + options.pairs):
        order = (0, 1) if k % 2 else (1, 0)
        times = {which: timed(steps[which], one.device) for which in order}
        if k >= options.warm_up:
            pairs.append((times[0], times[1]))
    base, mine = (statistics.median(column) for column in zip(*pairs))
    return {"non_private_s": base, "seconds": mine, "time_ratio": statistics.median(b / a for a, b in pairs)}


def measure_memory(options, name, batch):
    """Bytes of tensors that a step, the second one, adds at its peak to model and optimizer."""
    task = Task(options, batch)
    step = plain(task) if name == "non-private" else ENGINES[name][1](task)
    step()
    if task.device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return {"bytes": torch.cuda.max_memory_allocated() - before}
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as events:
        step()
    changes = [event.nbytes() for event in events.profiler.kineto_results.events() if event.name() == "[memory]"]
    return {"bytes": max(itertools.accumulate(changes))}


def child(arguments, measure, name, batch, accumulate):
    """One measurement in a process of its own; whatever goes wrong in it is a result."""
    command = [sys.executable, __file__, *arguments, "--measure", measure, "--engine", name]
    command += ["--batch", str(batch), "--accumulate", str(accumulate)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        lines = run.stderr.strip().split("\n")
        return {"failure": lines[-1][:200] if lines else f"exit status {run.returncode}"}
    return json.loads(run.stdout.strip().split("\n")[-1])


def collect(options, arguments):
    """One dictionary per engine and batch size, printed as it comes."""
    results = []
    for batch, accumulate in itertools.product(options.batch, options.accumulate):
        base = child(arguments, "memory", "non-private", batch, accumulate)
        for name, (package, _) in ENGINES.items():
            if options.engines and name not in options.engines:
                continue
            if installed(package) is None:
                row = {"failure": f"{package} is not installed"}
            else:
                row = child(arguments, "time", name, batch, accumulate)
                row |= child(arguments, "memory", name, batch, accumulate)
            if "bytes" in row and "bytes" in base:
                row["memory_ratio"] = row["bytes"] / base["bytes"]
            row = {"engine": name, "model": options.model, "batch": batch, "accumulate": accumulate, **row}
            print(json.dumps(row), flush=True)
            results.append(row)
    return results


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def table(options, results):
    _, width, layers, _, length = MODELS[options.model]
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{platform.machine()}, one thread"
    packages = ", ".join(f"{name} {installed(name)}" for name in ("torch", "transformers", "opacus") if installed(name))
    lines = [
        f"Measured in one run of `python benchmarks/training.py`: {options.model} ({layers} layers, width {width}), "
        f"{length} tokens, {packages}; {where}.",
        "Ratios are to the same step without privacy.",
        "",
        "| engine | records in a micro-batch | micro-batches in a step | step | time ratio | memory ratio |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for row in results:
        start = f"| {row['engine']} | {row['batch']} | {row['accumulate']} | "
        if "failure" in row:
            lines.append(start + f"{row['failure']} | | |")
        else:
            memory = row.get("memory_ratio", math.nan)
            lines.append(start + f"{row['seconds']:.3f} s | {row['time_ratio']:.2f} | {memory:.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", choices=MODELS, help="bert-small on a CPU, roberta-base on CUDA")
    parser.add_argument("--batch", type=int, nargs="+", help="32 on a CPU; 32 64 128 256 on CUDA")
    parser.add_argument("--accumulate", type=int, nargs="+", default=[1, 4], help="micro-batches in a logical step")
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction, help="bfloat16 activations: on CUDA only")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=ENGINES)
    parser.add_argument("--write", type=Path, help="put the table between the markers of this file")
    parser.add_argument("--measure", choices=("time", "memory"), help=argparse.SUPPRESS)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    options = parser.parse_args()
    cuda = options.device == "cuda"
    options.model = options.model or ("roberta-base" if cuda else "bert-small")
    options.batch = options.batch or ([32, 64, 128, 256] if cuda else [32])
    options.amp = cuda if options.amp is None else options.amp
    torch.set_num_threads(torch.get_num_threads() if cuda else 1)
    warnings.simplefilter("ignore")
    if options.measure:
        measure = measure_time if options.measure == "time" else measure_memory
        print(json.dumps(measure(options, options.engine, options.batch[0])))
        return
    arguments = ["--device", options.device, "--model", options.model, "--amp" if options.amp else "--no-amp"]
    arguments += ["--pairs", str(options.pairs), "--warm-up", str(options.warm_up)]
    results = collect(options, arguments)
    text = table(options, results)
    print(text)
    if options.write:
        content = options.write.read_text(encoding="utf-8")
        before, _, rest = content.partition(_BEGIN)
        after = rest.partition(_END)[2]
        options.write.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
