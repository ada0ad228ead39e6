"""`edgeworth-acct plan`: what batch size and epochs buy at a given budget."""

import argparse
import json
from decimal import ROUND_CEILING
from itertools import chain

import numpy as np

from edgeworth_acct import __version__
from edgeworth_acct.accounting import noise_multiplier
from edgeworth_acct.arguments import DELTA, TARGET_EPSILON
from edgeworth_acct.options import HELP, SETUP, add_adjacency, aligned, assumptions, flag, reader, rounded

_DATASET_SIZE, _BATCH_SIZE, _EPOCHS = SETUP
_CLOSE = 1.1  # what counts as nearly the best
_PLACES = 33  # per axis of a map, before rounding to integers

_NOTES = """\
per step: standard deviation of the noise in one coordinate of the mean gradient, over the clip norm: sigma/batch_size.
per run: the same for the sum over all steps, where noise grows with the square root and gradients that agree grow with
their number: sigma/(batch_size*sqrt(steps)).  best: the least of these; ~ within 10 % of it.  Computing costs epochs.
"""


def add_command(commands):
    """Add `plan` to the subcommands of the command line; its parser."""
    parser = commands.add_parser(
        "plan",
        help="what batch size and epochs buy at a given budget",
        description="The smallest noise for each batch size and number of epochs, and what is left of the signal. "
        "A range A..B stands for A, 2A, 4A, ... and B.",
        epilog=assumptions("add_or_remove"),
        allow_abbrev=False,
    )
    for argument in (TARGET_EPSILON, DELTA, _DATASET_SIZE):
        help_ = f"{HELP[argument.name].partition(',')[0]}; {argument.allowed}"
        metavar = argument.name.split("_")[-1].upper()
        parser.add_argument(flag(argument), type=reader(argument), required=True, metavar=metavar, help=help_)
    for argument in (_EPOCHS, _BATCH_SIZE):
        help_ = f"{argument.name.replace('_', ' ')}: values, or ranges such as 4..32; {argument.allowed}"
        parser.add_argument(
            flag(argument), nargs="+", type=_range_reader(argument), required=True, metavar="A..B", help=help_
        )
    add_adjacency(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object with every digit")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the noise-to-signal ratio over the ranges into FILE (.png, .svg or .pdf; needs the extra 'plot')",
    )
    parser.set_defaults(command="plan", run=run)
    return parser


def _range_reader(argument):
    """The reader of a value, or of a range, as a tuple of values."""
    one = reader(argument)

    def parse(text):
        first, dots, last = text.partition("..")
        if not dots:
            return (one(text),)
        low, high = one(first), one(last)
        if low > high:
            raise argparse.ArgumentTypeError(f"a range A..B must have A <= B, got {text!r}")
        values = []
        while low < high:
            values.append(low)
            low *= 2
        return (*values, high)

    return parse


def run(options) -> str:
    """What the command prints."""
    epochs, batches = (sorted(set(chain.from_iterable(parts))) for parts in (options.epochs, options.batch_size))
    if batches[-1] > options.dataset_size:
        allowed = f"between 1 and --dataset-size ({options.dataset_size})"
        raise ValueError(f"argument --batch-size: must be {allowed}, got {batches[-1]}")
    budget = {"epsilon": options.epsilon, "delta": options.delta, "dataset_size": options.dataset_size}
    rows = plan(**budget, epochs=epochs, batch_sizes=batches, adjacency=options.adjacency)
    if options.plot:
        from edgeworth_acct.plan_plot import draw  # matplotlib

        places = {"epochs": _places(epochs), "batch_sizes": _places(batches)}
        draw(options.plot, rows, plan(**budget, **places, adjacency=options.adjacency), budget)
    if options.json:
        given = {"command": "plan", "adjacency": options.adjacency, "assumptions": assumptions(options.adjacency)}
        return json.dumps(given | {"version": __version__} | budget | {"results": rows}, indent=2) + "\n"
    return f"{_table(rows)}{_NOTES}{assumptions(options.adjacency)}\n"


def plan(epsilon, delta, dataset_size, epochs, batch_sizes, adjacency="add_or_remove") -> list[dict]:
    """The smallest noise multiplier, rounded up, and what it leaves of the signal, for every pair.

    Returns
    -------
    list of dict
        "epochs", "batch_size", "q", "steps", "sigma"; "noise_per_step", sigma over the batch size, and
        "noise_per_run", this over the square root of the number of steps; "best", true for the least of the latter.
    """
    epochs, batches = (grid.ravel() for grid in np.meshgrid(epochs, batch_sizes, indexing="ij"))
    q, steps = batches / dataset_size, epochs * (dataset_size // batches)
    sigma = noise_multiplier(epsilon, q, steps, delta, adjacency=adjacency)
    per_step = sigma / batches
    per_run = per_step / np.sqrt(steps)
    best = int(np.argmin(per_run))
    names = ("epochs", "batch_size", "q", "steps", "sigma", "noise_per_step", "noise_per_run", "best")
    columns = (epochs, batches, q, steps, sigma, per_step, per_run, np.arange(len(q)) == best)
    return [dict(zip(names, values)) for values in zip(*(column.tolist() for column in columns))]


def _places(values):
    return np.unique(np.rint(np.geomspace(min(values), max(values), _PLACES)).astype(int))


def _table(rows):
    least = min(row["noise_per_run"] for row in rows)
    lines = [["epochs", "batch_size", "q", "steps", "sigma", "per step", "per run", "    "]]
    for row in rows:
        mark = "best" if row["best"] else "~   " if row["noise_per_run"] <= _CLOSE * least else "    "
        sigma = rounded(row["sigma"], 7, ROUND_CEILING)
        noise = [f"{row[name]:.3e}" for name in ("noise_per_step", "noise_per_run")]
        setting = [str(row["epochs"]), str(row["batch_size"]), f"{row['q']:.6g}", str(row["steps"])]
        lines.append([*setting, sigma, *noise, mark])
    return "".join(line.rstrip() + "\n" for line in aligned(lines).splitlines())
