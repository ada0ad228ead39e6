"""`edgeworth-acct plot`: one run in pictures."""

from decimal import ROUND_CEILING

from edgeworth_acct.accounting import delta as delta_of
from edgeworth_acct.accounting import epsilon as epsilon_of
from edgeworth_acct.arguments import DELTA, Q, SIGMA, STEPS
from edgeworth_acct.options import HELP, SETUP, add_adjacency, assumptions, flag, reader, rounded, sampling
from edgeworth_acct.series import METHODS

PANELS = ("steps", "sigma", "tradeoff")
_RUN = (Q, STEPS)


def add_command(commands):
    """Add `plot` to the subcommands of the command line; its parser."""
    parser = commands.add_parser(
        "plot",
        help="pictures of a run: epsilon against steps and sigma, the trade-off curve of attacks",
        description="Draw epsilon against the number of steps and against sigma, and the trade-off curve with the "
        "attacker's advantage, as certified bands (needs the extra 'plot').",
        epilog=assumptions("add_or_remove"),
        allow_abbrev=False,
    )
    for argument in (SIGMA, DELTA, *_RUN, *SETUP):
        alternative = " (instead: the training set-up below)" if argument in _RUN else ""
        parser.add_argument(
            flag(argument),
            type=reader(argument),
            required=argument in (SIGMA, DELTA),
            metavar=argument.name.split("_")[-1].upper(),
            help=f"{HELP[argument.name]}; {argument.allowed}{alternative}",
        )
    parser.add_argument(
        "--output", "-o", "--plot", required=True, metavar="FILE", help="the picture; .png, .svg or .pdf"
    )
    parser.add_argument("--panel", nargs="+", choices=PANELS, default=PANELS, help="what to draw (default: all)")
    parser.add_argument(
        "--method", nargs="+", choices=("aea", *METHODS), default=(), help="other accountants beside the certified band"
    )
    add_adjacency(parser)
    parser.set_defaults(command="plot", run=run)
    return parser


def run(options) -> str:
    """Draw, and what the command prints."""
    from edgeworth_acct.plot_panels import draw  # matplotlib

    q, steps = _run(options)
    methods = tuple(dict.fromkeys("edgeworth" if name == "aea" else name for name in options.method))
    panels = tuple(dict.fromkeys(options.panel))
    draw(options.output, options.sigma, q, steps, options.delta, options.adjacency, methods, panels)
    upper = epsilon_of(options.sigma, q, steps, options.delta, adjacency=options.adjacency)
    advantage = delta_of(options.sigma, q, steps, 0.0, adjacency=options.adjacency)
    return (
        f"{options.output}: epsilon <= {rounded(upper, 7, ROUND_CEILING)} at delta {options.delta:g}, "
        f"attacker's advantage <= {rounded(advantage, 5, ROUND_CEILING)}\n{assumptions(options.adjacency)}\n"
    )


def _run(options):
    given = {argument.name: getattr(options, argument.name) for argument in (*_RUN, *SETUP)}
    plain, setup = ([given[argument.name] for argument in group] for group in (_RUN, SETUP))
    if all(value is not None for value in plain) and all(value is None for value in setup):
        return tuple(plain)
    if all(value is not None for value in setup) and all(value is None for value in plain):
        return tuple(sampling(given).values())
    raise ValueError(f"give either {' and '.join(map(flag, _RUN))}, or {' and '.join(map(flag, SETUP))}")
