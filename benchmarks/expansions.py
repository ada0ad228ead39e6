"""Expansions: time per call and accuracy against the order, in one table."""

import argparse
import json
from functools import partial

from suites.settings import BY_NAME, TARGET
from timing import median_seconds

import edgeworth_acct as ea

_SST2 = BY_NAME["SST-2 1e-5"]
_SETTINGS = {
    "SST-2, epsilon 8": (*_SST2.arguments[:3], TARGET),
    "sigma 2, q 0.05, 1000 steps, epsilon 5": (2.0, 0.05, 1000, 5.0),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    report = {
        "cumulants_us": {
            f"order {order}, sigma {sigma:g}": micro(ea.cumulants, sigma, _SST2.q, order=order)[0]
            for order in (4, 8, 20)
            for sigma in (0.7865, 20.0)
        },
        "orders": {name: [row(run, order) for order in (0, 1, 2, 4, 8, 12)] for name, run in _SETTINGS.items()},
    }
    print(json.dumps(report, indent=2) if options.json else text(report))


def micro(function, *arguments, **options):
    """Median microseconds of a call, and its result."""
    seconds, result = median_seconds(partial(function, *arguments, **options))
    return 1e6 * seconds, result


def row(run, order):
    """Relative errors of delta, half widths of its certified intervals, and microseconds, at one order."""
    truth = ea.delta_bounds(*run, rtol=1e-13).upper
    fields = {"order": order}
    for name in ("edgeworth", "tilted_edgeworth"):
        time, value = micro(ea.delta, *run, method=name, order=order)
        fields |= {f"{name}_us": time, f"{name}_error": value / truth - 1}
    for name in ("eeai", "tilted_edgeworth"):
        time, bounds = micro(ea.delta_bounds, *run, method=name, order=order)
        fields |= {f"{name}_bounds_us": time, f"{name}_half_width": bounds.width / 2 / truth}
    return fields


def text(report):
    """`report` for people."""
    lines = [f"cumulants, {name:22} {time:9.1f} us" for name, time in report["cumulants_us"].items()]
    heads = ["order", "AEA err", "us", "tilted err", "us", "EEAI +-", "us", "tilted +-", "us"]
    for name, rows in report["orders"].items():
        lines += [
            "",
            f"delta at {name}: error and half width relative to the truth",
            "".join(f"{h:>12}" for h in heads),
        ]
        for r in rows:
            values = [f"{r['order']}"]
            for key in ("edgeworth_error", "tilted_edgeworth_error", "eeai_half_width", "tilted_edgeworth_half_width"):
                base = key.rpartition("_error")[0] or key.removesuffix("_half_width") + "_bounds"
                values += [f"{r[key]:.1e}", f"{r[base + '_us']:.1f}"]
            lines.append("".join(f"{v:>12}" for v in values))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
