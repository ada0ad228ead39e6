"""What a run leaves for people: the model card, the curves, and one line of figures for each evaluation."""

import json
from pathlib import Path

import numpy as np

import edgeworth_acct as ea
from edgeworth_acct.torch_adapter import checkpoint as files
from edgeworth_acct.torch_adapter.tasks import task_named
from edgeworth_acct.torch_adapter.training import Callback

_UNITS = {
    "add_or_remove": "any two training sets of which one has one record more",
    "add": "any two training sets of which the second has one record more",
    "remove": "any two training sets of which the first has one record more",
    "replace_one": "any two training sets of equal size that differ in one record",
}
_PLACES = ("model", "data")


class Metrics(Callback):
    """metrics.jsonl: a line for every evaluation, rewritten whole so that a resumed run repeats none."""

    def __init__(self, folder):
        self.path = Path(folder) / "metrics.jsonl"

    def evaluated(self, run, entry):
        """Write the history."""
        files.write(self.path, "".join(json.dumps(line) + "\n" for line in run.history).encode())


def claim(certificate: dict) -> str:
    """The privacy claim of a certificate in one paragraph.

    Examples
    --------
    >>> from edgeworth_acct.torch_adapter import DPPlan
    >>> text = claim(DPPlan(n=1000, expected_batch=10, steps=5, sigma=1.0, delta=1e-6).certificate())
    >>> "probability q = 0.01" in text
    True
    """
    run = certificate["notes"]["training"]
    lower, upper = run["epsilon_bounds"]
    return (
        f"The weights in this folder are ({files.rounded_up(upper)}, {run['delta']:g})-differentially private. The "
        f"unit of privacy is one training record (one row of the training set, {run['n']} of them, a public number); "
        f"neighbouring data sets are {_UNITS[run['adjacency']]} (`{run['adjacency']}`). Each of "
        f"{run['released_steps']} steps drew its batch anew with every record in it independently with probability "
        f"q = {run['q']:.10g} (Poisson sampling), clipped each record's gradient to Euclidean norm {run['clip']:g} "
        f"over all trained parameters jointly, and added normal noise of standard deviation {run['sigma']:.10g} times "
        "that norm to every coordinate of the sum. Epsilon is the upper end of a certified interval, "
        f"[{lower:.9f}, {upper:.9f}], which `edgeworth-acct epsilon --sigma {run['sigma']!r} --q {run['q']!r} --steps "
        f"{run['released_steps']} --delta {run['delta']!r} --adjacency {run['adjacency']}` recomputes; `edgeworth-acct "
        "verify certificate.json` derives the certificate's interval, up to "
        f"{files.rounded_up(certificate['epsilon']['upper'])}, by other means. "
        "Not covered: the choice of hyper-parameters and of this run among others, the evaluation data, people who "
        "stand behind several records, the data that the model was pretrained on, training losses, times and "
        "checkpoints, and what floating-point noise may leak."
    )


def card(options, certificate: dict, figures: dict, note: str = "") -> str:
    """MODEL_CARD.md."""
    settings = "\n".join(f"| {name} | `{value}` |" for name, value in _settings(options).items())
    public = {name: value for name, value in figures.items() if not name.endswith("not_private")}
    results = "\n".join(f"| {name} | {_shown(name, value)} |" for name, value in public.items())
    chosen = f"chosen by the accountant `{options.accountant}`" if options.sigma is None else "given"
    return f"""# {Path(options.model).name}, fine-tuned on {options.task} with differential privacy

## Privacy

{claim(certificate)}

The noise multiplier was {chosen} for a budget of {options.epsilon!r}.{note}
`certificate.json` holds the same numbers for machines.

## Results

On evaluation data, which the guarantee does not cover.  (`metrics.json` and `metrics.jsonl` also hold the training
loss, as `loss_not_private`: do not publish it with the model.)

| figure | value |
|---|---|
{results}

## Use

```python
{_usage(options)}
```

## Settings

| option | value |
|---|---|
{settings}
"""


def _settings(options):
    """What was chosen; of files no more than their names, and nothing that only says where and how to write."""
    left_out = ("output", "device", "progress", "i_know_this_is_an_estimate")
    values = {name: value for name, value in options.as_dict().items() if value is not None and name not in left_out}
    return {name: Path(value).name if name in _PLACES else value for name, value in values.items()}


def _usage(options):
    if options.pooling:
        package, name, load = "edgeworth_acct.torch_adapter.pooled", "MeanPooledClassifier", "load"
    else:
        kind = "CausalLM" if task_named(options.task).generates else "SequenceClassification"
        package, name, load = "transformers", f"AutoModelFor{kind}", "from_pretrained"
    return f'from {package} import {name}\n\nmodel = {name}.{load}("model")  # the folder beside this file'


def _shown(name, value):
    return files.rounded_up(value) if name == "epsilon" else f"{value:.6g}"


def curves(path, history, metric, certificate) -> None:
    """Draw `metric` at every evaluation, and the certified epsilon spent after every step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    right = left.twinx()
    run = certificate["notes"]["training"]
    steps = np.unique(np.rint(np.linspace(1, run["released_steps"], 200)).astype(int))
    spent = ea.epsilon(run["sigma"], run["q"], steps, run["delta"], adjacency=run["adjacency"])
    right.plot(steps, spent, "--", color="tab:red")
    left.plot([entry["step"] for entry in history], [entry[metric] for entry in history], "o-", color="tab:blue")
    left.set_xlabel("steps")
    left.set_xlim(0, 1.02 * run["released_steps"])
    right.set_ylim(bottom=0)
    left.set_ylabel(f"{metric.replace('_', ' ')} on evaluation data", color="tab:blue")
    right.set_ylabel(f"ε spent (certified) at δ = {run['delta']:g}", color="tab:red")
    left.grid(alpha=0.3)
    last = f"{metric.replace('_', ' ')} {history[-1][metric]:.4g}"
    left.set_title(f"{last} at ε ≤ {files.rounded_up(run['epsilon_bounds'][1])}", fontsize=10, loc="left")
    figure.savefig(path, dpi=120)
