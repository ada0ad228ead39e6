"""The command line: `edgeworth-acct epsilon | delta | sigma | steps | q | plan | plot | reproduce | verify`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR
from itertools import product

from edgeworth_acct import (
    PrecisionError,
    __version__,
    certificate,
    delta,
    delta_bounds,
    epsilon,
    epsilon_bounds,
    max_sampling_rate,
    max_steps,
    noise_multiplier,
    plan,
    plot,
    reproduce,
)
from edgeworth_acct.arguments import DELTA, EPSILON, Q, SIGMA, STEPS, TARGET_EPSILON, Argument
from edgeworth_acct.options import HELP, SETUP, add_adjacency, aligned, assumptions, flag, reader, rounded, sampling

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
  what batch size and epochs buy, as a table and as a heat map; pictures of one run
    edgeworth-acct plan --epsilon 8 --delta 1e-5 --dataset-size 67349 --epochs 1..40 --batch-size 256..8192
    edgeworth-acct plot --sigma 0.8 --q 0.03 --steps 660 --delta 1e-5 --method rdp gdp --output run.png
  published figures beside what the library computes
    edgeworth-acct reproduce ew-tune
  what other accountants say of the same run: estimates, and Rényi's upper bound
    edgeworth-acct epsilon --sigma 0.8 --q 0.03 --steps 660 --delta 1e-5 --method edgeworth --order 1
  for machines
    edgeworth-acct delta --sigma 1.0 --q 0.01 --steps 10000 --epsilon 4 6 --json
"""


#: --method -> what its figure is
_METHODS = {
    "certified": "certified bounds",
    "edgeworth": "an estimate, not a guarantee: the Edgeworth expansion of EW-Tune, which understates its epsilon",
    "tilted_edgeworth": "an estimate, not a guarantee: the Edgeworth expansion under the tilted law",
    "rdp": "an upper bound by Rényi divergences, loose",
    "gdp": "an estimate, not a guarantee: the Gaussian limit of many steps",
}


@dataclass(frozen=True)
class Command:
    """One subcommand: what it computes from which arguments; `bounds` says whether the result has two ends.

    `other` computes the same by another method than the certified one.
    """

    name: str
    purpose: str
    function: Callable
    arguments: tuple[Argument, ...]
    bounds: bool = False
    rounding: str = ROUND_CEILING
    other: Callable | None = None

    @property
    def from_run(self) -> tuple[Argument, ...]:
        """The training set-up that can stand for q, or for q and steps."""
        return () if Q not in self.arguments else SETUP if STEPS in self.arguments else SETUP[:2]

    @property
    def replaced(self) -> tuple[Argument, ...]:
        """The arguments that the training set-up replaces."""
        return tuple(argument for argument in self.arguments if self.from_run and argument in (Q, STEPS))


_COMMANDS = (
    Command("epsilon", "epsilon at a delta", epsilon_bounds, (SIGMA, Q, STEPS, DELTA), bounds=True, other=epsilon),
    Command("delta", "delta at an epsilon", delta_bounds, (SIGMA, Q, STEPS, EPSILON), bounds=True, other=delta),
    Command(
        "sigma",
        "smallest noise multiplier within a budget",
        noise_multiplier,
        (TARGET_EPSILON, Q, STEPS, DELTA),
        other=noise_multiplier,
    ),
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
        if getattr(options, "order", None) is not None and "edgeworth" not in options.method:
            raise ValueError(f"--order belongs to --method edgeworth or tilted_edgeworth, not to {options.method}")
        rows = list(_rows(command, options))
    except (ImportError, ValueError, PrecisionError) as error:
        subparser.error(str(error))
    method = getattr(options, "method", "certified")
    if method != "certified":
        command = replace(command, bounds=False)
    sys.stdout.write((_as_json if options.json else _as_text)(command, options.adjacency, method, rows))
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
            epilog=f"{assumptions('add_or_remove')} Negative numbers are written without an exponent: -0.001.",
            allow_abbrev=False,
        )
        subparser.set_defaults(command=command)
        for argument in (*command.arguments, *command.from_run):
            alternative = " (instead: the training set-up below)" if argument in command.replaced else ""
            subparser.add_argument(
                flag(argument),
                nargs="+",
                type=reader(argument),
                required=argument not in command.replaced + command.from_run,
                metavar=argument.name.split("_")[-1].upper(),
                help=f"{HELP[argument.name]}; {argument.allowed}{alternative}",
            )
        add_adjacency(subparser)
        if command.other:
            subparser.add_argument(
                "--method",
                choices=_METHODS,
                default="certified",
                help="; ".join(f"{name}: {what}" for name, what in _METHODS.items()).replace("%", "%%"),
            )
            subparser.add_argument("--order", type=int, metavar="R", help="order of an Edgeworth expansion (default 1)")
        subparser.add_argument("--json", action="store_true", help="print one JSON object with every digit")
    subparsers["plan"] = plan.add_command(commands)
    subparsers["plot"] = plot.add_command(commands)
    subparsers["reproduce"] = reproduce.add_command(commands)
    subparsers["verify"] = certificate.add_command(commands)
    return parser, subparsers


def _rows(command, options) -> Iterator[dict]:
    """A row per combination of the options' values: its inputs by name, then its result."""
    given = {argument: getattr(options, argument.name) for argument in (*command.arguments, *command.from_run)}
    from_run = any(given[argument] for argument in command.from_run)
    needed = command.from_run if from_run else command.replaced
    if any(not given[argument] for argument in needed) or (from_run and any(given[a] for a in command.replaced)):
        either, instead = (" and ".join(map(flag, group)) for group in (command.replaced, command.from_run))
        raise ValueError(f"give either {either}, or {instead}")
    varied = [argument for argument in given if given[argument]]
    for values in product(*(given[argument] for argument in varied)):
        row = {argument.name: value for argument, value in zip(varied, values, strict=True)}
        if from_run:
            row |= sampling(row)
        values = [row[argument.name] for argument in command.arguments]
        if getattr(options, "method", "certified") != "certified":
            settings = {"method": options.method, "adjacency": options.adjacency}
            if options.order is not None:
                settings["order"] = options.order
            yield row | {command.name: command.other(*values, **settings)}
            continue
        result = command.function(*values, adjacency=options.adjacency)
        yield row | ({"lower": result.lower, "upper": result.upper} if command.bounds else {command.name: result})


def _as_json(command, adjacency, method, rows):
    report = {
        "command": command.name,
        "method": method,
        "kind": _METHODS[method],
        "adjacency": adjacency,
        "assumptions": assumptions(adjacency),
        "version": __version__,
        "results": rows,
    }
    return json.dumps(report, indent=2) + "\n"


def _as_text(command, adjacency, method, rows):
    if method != "certified":
        relation = "~" if method != "rdp" else "=" if command.name == "sigma" else "<="
        one = f"{command.name} {relation} {_value(command, rows[0][command.name])}\n"
        text = _table(command, rows) if len(rows) > 1 else one
        return f"{text}method {method}: {_METHODS[method]}\n{assumptions(adjacency)}\n"
    if len(rows) > 1:
        text = _table(command, rows)
    elif command.bounds:
        lower, upper = rows[0]["lower"], rows[0]["upper"]
        text = (
            f"{command.name} <= {rounded(upper, 7, ROUND_CEILING)}  (the upper end, rounded up: safe to publish)\n"
            f"certified interval [{rounded(lower, 11, ROUND_FLOOR)}, {rounded(upper, 11, ROUND_CEILING)}]\n"
        )
    else:
        down = command.rounding == ROUND_FLOOR or command.name == "steps"
        within = f"epsilon <= {rows[0]['epsilon']:.10g} at delta {rows[0]['delta']:.10g}"
        value = _value(command, rows[0][command.name])
        text = f"{command.name} = {value}  (rounded {'down' if down else 'up'}: {within})\n"
    return text + assumptions(adjacency) + "\n"


def _value(command, value):
    return rounded(value, 8, command.rounding)


def _table(command, rows):
    def cell(name, value):
        if name in ("lower", "upper"):
            return rounded(value, 10, ROUND_FLOOR if name == "lower" else ROUND_CEILING)
        return _value(command, value) if name == command.name else f"{value:.10g}"

    heads = [{"lower": f"{command.name} >=", "upper": f"{command.name} <="}.get(name, name) for name in rows[0]]
    return aligned([heads] + [[cell(name, value) for name, value in row.items()] for row in rows])
