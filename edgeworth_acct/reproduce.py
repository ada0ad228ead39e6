"""`edgeworth-acct reproduce ew-tune`: published figures beside what the library computes now."""

import json

from edgeworth_acct import (
    epsilon,
    epsilon_bounds,
    noise_multiplier,
    published,
    rdp_epsilon,
)

_ACCOUNTANTS = ("edgeworth", "fft", "rdp")

_NOTES = """\
says: the Edgeworth estimate (AEA) of order 1 that the noise was chosen by.  It certifies nothing; epsilon is larger.
saving: how much less noise than the published one of that accountant honestly gives epsilon 8.
Published figures: the logs of EW-Tune (Behnia et al., arXiv:2210.15042; repository star-ailab/LLM_Tune).  They account
for Poisson sampling; that code draws its batches from shuffled epochs.
"""


def add_command(commands):
    """Add `reproduce` to the subcommands of the command line; its parser."""
    parser = commands.add_parser(
        "reproduce",
        help="published figures beside what the library computes",
        description="What EW-Tune published for epsilon 8, and what its noise really gives: published noise "
        "multipliers of three accountants, the certified epsilon of each, and the least noise that gives it honestly.",
        allow_abbrev=False,
    )
    parser.add_argument("what", choices=("ew-tune",), help="ew-tune: Behnia et al., arXiv:2210.15042")
    parser.add_argument("--json", action="store_true", help="print one JSON object with every digit")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw epsilon against steps by every accountant, and the error of the expansions against their order, "
        "into FILE (.png, .svg or .pdf; needs the extra 'plot')",
    )
    parser.set_defaults(command="reproduce", run=run)
    return parser


def run(options) -> str:
    """What the command prints."""
    if options.plot:
        from edgeworth_acct.reproduce_plot import draw  # matplotlib

        draw(options.plot)
    report = ew_tune()
    return json.dumps(report, indent=2) + "\n" if options.json else _text(report)


def ew_tune() -> dict:
    """Every published figure and its certified counterpart.

    Returns
    -------
    dict
        "runs": published noise multipliers for epsilon 8, the certified epsilon of each, the smallest noise multiplier
        that certifies epsilon 8 and the share of noise that it saves; "edgeworth", "rdp", "fft": published epsilons,
        the same computed here (an FFT accountant is not part of the library) and the certified ones.
    """
    return {
        "source": "arXiv:2210.15042; repository star-ailab/LLM_Tune",
        "target_epsilon": published.TARGET,
        "runs": [_noise_row(run, sigmas) for run, sigmas in published.NOISE.items()],
        "edgeworth": [
            _row(run, sigma, value)
            | {"order": order, "computed": epsilon(sigma, run.q, run.steps, run.delta, method="edgeworth", order=order)}
            for run, sigma, order, value in published.EDGEWORTH
        ],
        "rdp": [
            _row(run, sigma, value)
            | {
                "computed": rdp_epsilon(
                    sigma, run.q, run.steps, run.delta, orders=published.RDP_ORDERS, conversion="mironov"
                ),
                "best_order": epsilon(sigma, run.q, run.steps, run.delta, method="rdp"),
            }
            for run, sigma, value in published.RDP
        ],
        "fft": [_row(run, sigma, value) for run, sigma, value in published.FFT],
    }


def _row(run, sigma, value):
    lower, upper = epsilon_bounds(sigma, run.q, run.steps, run.delta)
    setting = {"task": run.task, "batch": run.batch, "steps": run.steps, "delta": run.delta, "sigma": sigma}
    return setting | {"published": value, "true_lower": lower, "true_upper": upper}


def _noise_row(run, sigmas):
    honest = noise_multiplier(published.TARGET, run.q, run.steps, run.delta)
    row = {"task": run.task, "delta": run.delta, "q": run.q, "steps": run.steps}
    for name, sigma in zip(_ACCOUNTANTS, sigmas, strict=True):
        lower, upper = epsilon_bounds(sigma, run.q, run.steps, run.delta)
        row |= {f"sigma_{name}": sigma, f"true_{name}_lower": lower, f"true_{name}_upper": upper}
    row["estimate_edgeworth"] = epsilon(sigmas[0], run.q, run.steps, run.delta, method="edgeworth", order=1)
    row["sigma_honest"] = honest
    return row | {f"saving_{name}": 1 - honest / row[f"sigma_{name}"] for name in _ACCOUNTANTS[1:]}


def _text(report):
    runs = [
        {
            "task": row["task"],
            "delta": f"{row['delta']:.0e}".replace("e-0", "e-"),
            "Edgeworth": f"{row['sigma_edgeworth']:.4f}",
            "says": f"{row['estimate_edgeworth']:.4f}",
            "true eps": f"{row['true_edgeworth_upper']:.4f}",
            "FFT": f"{row['sigma_fft']:.4f}",
            "true eps ": f"{row['true_fft_upper']:.4f}",
            "RDP": f"{row['sigma_rdp']:.4f}",
            "true eps  ": f"{row['true_rdp_upper']:.4f}",
            "honest sigma": f"{row['sigma_honest']:.6f}",
            "saving RDP": f"{100 * row['saving_rdp']:.1f} %",
            "saving FFT": f"{100 * row['saving_fft']:.1f} %",
        }
        for row in report["runs"]
    ]
    epsilons = [
        {
            "accountant": f"Edgeworth, order {row['order']}" if kind == "edgeworth" else kind.upper(),
            "task": row["task"],
            "batch": str(row["batch"]),
            "delta": f"{row['delta']:.0e}".replace("e-0", "e-"),
            "sigma": f"{row['sigma']:.4f}",
            "published": f"{row['published']:.{4 if kind == 'fft' else 10}f}",
            "computed": f"{row['computed']:.10f}" if "computed" in row else "-",
            "true eps": f"{row['true_upper']:.6f}",
        }
        for kind in ("edgeworth", "rdp", "fft")
        for row in report[kind]
    ]
    return (
        "Published noise multipliers for epsilon 8 (batch 2000, 20 epochs), and the epsilon that each truly gives\n"
        f"{_table(runs)}\nPublished epsilons, recomputed, and the truth\n{_table(epsilons)}\n{_NOTES}"
    )


def _table(rows):
    lines = [list(rows[0])] + [list(row.values()) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join("  ".join(map(str.rjust, line, widths)).rstrip() + "\n" for line in lines)
