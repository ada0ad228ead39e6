"""What the commands share: how options are read, what is said about a run, how numbers and tables are printed."""

import argparse
from decimal import Context, Decimal

from edgeworth_acct._core import ADJACENCY
from edgeworth_acct.arguments import Argument

_POSITIVE = "an integer >= 1"
SETUP = tuple(
    Argument(name, _POSITIVE, lambda x: x >= 1, integer=True) for name in ("dataset_size", "batch_size", "epochs")
)

HELP = {
    "sigma": "noise multiplier: standard deviation of the noise over the clip norm",
    "q": "sampling rate: the probability with which a record enters a batch",
    "steps": "number of steps",
    "delta": "delta",
    "epsilon": "epsilon",
    "dataset_size": "records in the data set, with --batch-size: q = batch / size",
    "batch_size": "expected batch size",
    "epochs": "epochs: steps = epochs * floor(size / batch)",
}

NEIGHBOURS = {
    "add_or_remove": "one record added or removed",
    "add": "one record added, that direction alone",
    "remove": "one record removed, that direction alone",
    "replace_one": "one record replaced by another",
}


def add_adjacency(parser):
    """The option `--adjacency`."""
    parser.add_argument(
        "--adjacency",
        choices=ADJACENCY,
        default="add_or_remove",
        help="neighbouring relation (default: add_or_remove, the larger of both directions)",
    )


def flag(argument):
    """How an argument is written on the command line."""
    return "--" + argument.name.replace("_", "-")


def reader(argument):
    """The reader of one option's values; it refuses what the library would refuse."""

    def parse(text):
        try:
            value = int(text) if argument.integer and text.strip().lstrip("+-").isdigit() else float(text)
            return argument.convert(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {argument.allowed}, got {text!r}") from None

    return parse


def sampling(row):
    """The sampling rate, and the steps if there are epochs, of a training set-up."""
    size, batch = row["dataset_size"], row["batch_size"]
    if batch > size:
        raise ValueError(f"argument --batch-size: must be between 1 and --dataset-size ({size}), got {batch}")
    return {"q": batch / size} | ({"steps": row["epochs"] * (size // batch)} if "epochs" in row else {})


def rounded(value, digits, rounding):
    """`value` to so many significant decimal digits, in one direction."""
    if isinstance(value, int):
        return str(value)
    number = Context(prec=digits, rounding=rounding).plus(Decimal(value))
    return f"{number:f}" if number == 0 or 1e-4 <= abs(number) < 1e16 else f"{number:e}"


def aligned(lines):
    """Lines of cells as a table, every column flush right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join("  ".join(map(str.rjust, line, widths)) + "\n" for line in lines)


def assumptions(adjacency):
    """What every figure of DP-SGD rests on, in one sentence."""
    return (
        f"Assumes Poisson sampling at rate q; neighbours: {NEIGHBOURS[adjacency]}; every record's gradient clipped to "
        "norm C; Gaussian noise of standard deviation sigma * C."
    )
