"""The command line: `edgeworth-acct epsilon | delta | sigma | steps | q | reproduce | verify`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from itertools import product

from edgeworth_acct import (
    PrecisionError,
    __version__,
    certificate,
    delta_bounds,
    epsilon_bounds,
    max_sampling_rate,
    max_steps,
    noise_multiplier,
    reproduce,
)
from edgeworth_acct._core import ADJACENCY
from edgeworth_acct.arguments import DELTA, EPSILON, Q, SIGMA, STEPS, TARGET_EPSILON, Argument

_POSITIVE = "an integer >= 1"
_RUN = tuple(
    Argument(name, _POSITIVE, lambda x: x >= 1, integer=True) for name in ("dataset_size", "batch_size", "epochs")
)

_HELP = {
    "sigma": "noise multiplier: standard deviation of the noise over the clip norm",
    "q": "sampling rate: the probability with which a record enters a batch",
    "steps": "number of steps",
    "delta": "delta",
    "epsilon": "epsilon",
    "dataset_size": "records in the data set, with --batch-size: q = batch / size",
    "batch_size": "expected batch size",
    "epochs": "epochs: steps = epochs * floor(size / batch)",
}

_NEIGHBOURS = {
    "add_or_remove": "one record added or removed",
    "add": "one record added, that direction alone",
    "remove": "one record removed, that direction alone",
    "replace_one": "one record replaced by another",
}

_EPILOG = """\
examples:
  epsilon of a run, as an interval
    edgeworth-acct epsilon --sigma 1.0 --q 0.01 --steps 10000 --delta 1e-5
  the same from the training set-up; several values make a table
    edgeworth-acct epsilon --sigma 0.8 1.0 --dataset-size 67349 --batch-size 2000 --epochs 10 20 --delta 1e-5
  the smallest noise for a budget
    edgeworth-acct sigma --epsilon 8 --dataset-size 67349 --batch-size 2000 --epochs 20 --delta 1e-5
  how long, and how densely, one may train
    edgeworth-acct steps --epsilon 8 --sigma 0.8 --q 0.03 --delta 1e-5
    edgeworth-acct q --epsilon 8 --sigma 0.8 --steps 660 --delta 1e-5
  published figures beside what the library computes
    edgeworth-acct reproduce ew-tune
  for machines
    edgeworth-acct delta --sigma 1.0 --q 0.01 --steps 10000 --epsilon 4 6 --json
"""


@dataclass(frozen=True)
class Command:
    """One subcommand: what it computes from which arguments; `bounds` says whether the result has two ends."""

    name: str
    purpose: str
    function: Callable
    arguments: tuple[Argument, ...]
    bounds: bool = False
    rounding: str = ROUND_CEILING

    @property
    def from_run(self) -> tuple[Argument, ...]:
        """The training set-up that can stand for q, or for q and steps."""
        return () if Q not in self.arguments else _RUN if STEPS in self.arguments else _RUN[:2]

    @property
    def replaced(self) -> tuple[Argument, ...]:
        """The arguments that the training set-up replaces."""
        return tuple(argument for argument in self.arguments if self.from_run and argument in (Q, STEPS))


_COMMANDS = (
    Command("epsilon", "epsilon at a delta", epsilon_bounds, (SIGMA, Q, STEPS, DELTA), bounds=True),
    Command("delta", "delta at an epsilon", delta_bounds, (SIGMA, Q, STEPS, EPSILON), bounds=True),
    Command("sigma", "smallest noise multiplier within a budget", noise_multiplier, (TARGET_EPSILON, Q, STEPS, DELTA)),
    Command("steps", "largest number of steps within a budget", max_steps, (TARGET_EPSILON, SIGMA, Q, DELTA)),
    Command(
        "q",
        "largest sampling rate within a budget",
        max_sampling_rate,
        (TARGET_EPSILON, SIGMA, STEPS, DELTA),
        rounding=ROUND_FLOOR,
    ),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; 0 on success, exit status 2 and one line on stderr on bad input."""
    parser, subparsers = _parsers()
    options = parser.parse_args(argv)
    command = options.command
    subparser = subparsers[getattr(command, "name", command)]
    try:
        if "run" in options:
            result = options.run(options)
            text, status = result if isinstance(result, tuple) else (result, 0)
            sys.stdout.write(text)
            return status
        rows = list(_rows(command, options))
    except (ImportError, ValueError, PrecisionError) as error:
        subparser.error(str(error))
    sys.stdout.write((_as_json if options.json else _as_text)(command, options.adjacency, rows))
    return 0


def _parsers():
    parser = _Parser(
        prog="edgeworth-acct",
        description="Certified privacy accounting for DP-SGD with Poisson sampling.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    subparsers = {}
    for command in _COMMANDS:
        subparser = subparsers[command.name] = commands.add_parser(
            command.name,
            help=command.purpose,
            description=f"{command.purpose.capitalize()}. Several values per option make a table of all combinations.",
            epilog=f"{_assumptions('add_or_remove')} Negative numbers are written without an exponent: -0.001.",
            allow_abbrev=False,
        )
        subparser.set_defaults(command=command)
        for argument in (*command.arguments, *command.from_run):
            alternative = " (instead: the training set-up below)" if argument in command.replaced else ""
            subparser.add_argument(
                _flag(argument),
                nargs="+",
                type=_parse(argument),
                required=argument not in command.replaced + command.from_run,
                metavar=argument.name.split("_")[-1].upper(),
                help=f"{_HELP[argument.name]}; {argument.allowed}{alternative}",
            )
        subparser.add_argument(
            "--adjacency",
            choices=ADJACENCY,
            default="add_or_remove",
            help="neighbouring relation (default: add_or_remove, the larger of both directions)",
        )
        subparser.add_argument("--json", action="store_true", help="print one JSON object with every digit")
    subparsers["reproduce"] = reproduce.add_command(commands)
    subparsers["verify"] = certificate.add_command(commands)
    return parser, subparsers


def _flag(argument):
    return "--" + argument.name.replace("_", "-")


def _parse(argument):
    """The reader of one option's values; it refuses what the library would refuse."""

    def parse(text):
        try:
            value = int(text) if argument.integer and text.strip().lstrip("+-").isdigit() else float(text)
            return argument.convert(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {argument.allowed}, got {text!r}") from None

    return parse


def _rows(command, options) -> Iterator[dict]:
    """A row per combination of the options' values: its inputs by name, then its result."""
    given = {argument: getattr(options, argument.name) for argument in (*command.arguments, *command.from_run)}
    from_run = any(given[argument] for argument in command.from_run)
    needed = command.from_run if from_run else command.replaced
    if any(not given[argument] for argument in needed) or (from_run and any(given[a] for a in command.replaced)):
        either, instead = (" and ".join(map(_flag, group)) for group in (command.replaced, command.from_run))
        raise ValueError(f"give either {either}, or {instead}")
    varied = [argument for argument in given if given[argument]]
    for values in product(*(given[argument] for argument in varied)):
        row = {argument.name: value for argument, value in zip(varied, values, strict=True)}
        if from_run:
            row |= _sampling(row)
        result = command.function(*(row[a.name] for a in command.arguments), adjacency=options.adjacency)
        yield row | ({"lower": result.lower, "upper": result.upper} if command.bounds else {command.name: result})


def _sampling(row):
    """The sampling rate, and the steps if there are epochs, of a training set-up."""
    size, batch = row["dataset_size"], row["batch_size"]
    if batch > size:
        raise ValueError(f"argument --batch-size: must be between 1 and --dataset-size ({size}), got {batch}")
    return {"q": batch / size} | ({"steps": row["epochs"] * (size // batch)} if "epochs" in row else {})


def _as_json(command, adjacency, rows):
    report = {
        "command": command.name,
        "adjacency": adjacency,
        "assumptions": _assumptions(adjacency),
        "version": __version__,
        "results": rows,
    }
    return json.dumps(report, indent=2) + "\n"


def _as_text(command, adjacency, rows):
    if len(rows) > 1:
        text = _table(command, rows)
    elif command.bounds:
        lower, upper = rows[0]["lower"], rows[0]["upper"]
        text = (
            f"{command.name} <= {_rounded(upper, 7, ROUND_CEILING)}  (the upper end, rounded up: safe to publish)\n"
            f"certified interval [{_rounded(lower, 11, ROUND_FLOOR)}, {_rounded(upper, 11, ROUND_CEILING)}]\n"
        )
    else:
        down = command.rounding == ROUND_FLOOR or command.name == "steps"
        within = f"epsilon <= {rows[0]['epsilon']:.10g} at delta {rows[0]['delta']:.10g}"
        value = _rounded(rows[0][command.name], 8, command.rounding)
        text = f"{command.name} = {value}  (rounded {'down' if down else 'up'}: {within})\n"
    return text + _assumptions(adjacency) + "\n"


def _table(command, rows):
    def cell(name, value):
        if name in ("lower", "upper"):
            return _rounded(value, 10, ROUND_FLOOR if name == "lower" else ROUND_CEILING)
        return _rounded(value, 8, command.rounding) if name == command.name else f"{value:.10g}"

    heads = [{"lower": f"{command.name} >=", "upper": f"{command.name} <="}.get(name, name) for name in rows[0]]
    lines = [heads] + [[cell(name, value) for name, value in row.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join("  ".join(map(str.rjust, line, widths)) + "\n" for line in lines)


def _rounded(value, digits, rounding):
    """`value` to so many significant decimal digits, in one direction."""
    if isinstance(value, int):
        return str(value)
    number = Context(prec=digits, rounding=rounding).plus(Decimal(value))
    return f"{number:f}" if number == 0 or 1e-4 <= abs(number) < 1e16 else f"{number:e}"


def _assumptions(adjacency):
    return (
        f"Assumes Poisson sampling at rate q; neighbours: {_NEIGHBOURS[adjacency]}; every record's gradient clipped to "
        "norm C; Gaussian noise of standard deviation sigma * C."
    )
