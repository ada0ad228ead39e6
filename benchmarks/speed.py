"""How fast edgeworth_acct is from Python."""

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from suites.settings import FINE_TUNING, RANGES, STEPS, TARGET, fixed_rate, random_settings, scaled_rate
from timing import median_seconds

import edgeworth_acct as ea

_EPILOG = """\
examples:
  everything, with a broadcast call over a million settings
    python benchmarks/speed.py
  a look in seconds
    python benchmarks/speed.py --quick
  for machines
    python benchmarks/speed.py --json

Times are medians on one core unless said otherwise; run it on an idle machine.
"""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, 2000 settings in the broadcast call")
    parser.add_argument("--settings", type=int, help="random settings in the broadcast call (default: 1000000)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the broadcast call (default: 2)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    count = options.settings or (2000 if options.quick else 1_000_000)
    samples = 7 if options.quick else 51
    report = {
        "version": ea.__version__,
        "calls": calls(samples),
        "steps": {"fixed q": over_steps(fixed_rate, samples), "q ~ 1/sqrt(steps)": over_steps(scaled_rate, samples)},
        "broadcast": broadcast(count, options.threads),
        "import": imports(5 if options.quick else 21),
    }
    print(json.dumps(report, indent=2) if options.json else text(report))


def calls(samples):
    """Microseconds per call of `epsilon_bounds` and `noise_multiplier` at each fine-tuning setting, and their ratio."""
    rows = []
    for setting in FINE_TUNING:
        accounting = microseconds(setting, samples)
        calibrate = partial(ea.noise_multiplier, TARGET, setting.q, setting.steps, setting.delta)
        calibration, sigma = median_seconds(calibrate, samples=samples)
        rows.append(
            {
                "setting": setting.name,
                "epsilon_bounds_us": accounting,
                "noise_multiplier_us": 1e6 * calibration,
                "ratio": 1e6 * calibration / accounting,
                "sigma": sigma,
            }
        )
    return rows


def over_steps(at, samples):
    """Microseconds per call of `epsilon_bounds` by the number of steps, and the largest over the smallest."""
    times = {str(steps): microseconds(at(steps), samples) for steps in STEPS}
    return {"epsilon_bounds_us": times, "ratio": max(times.values()) / min(times.values())}


def microseconds(setting, samples):
    """Median microseconds of `epsilon_bounds` at one setting."""
    return 1e6 * median_seconds(partial(ea.epsilon_bounds, *setting.arguments), samples=samples)[0]


def broadcast(count, threads):
    """Seconds of one call over `count` random settings; the widest of its intervals, but for those that begin at 0."""
    arguments = random_settings(count)
    start = perf_counter()
    bounds = ea.epsilon_bounds(*arguments, threads=threads)
    seconds = perf_counter() - start
    positive = bounds.lower > 0
    return {
        "settings": count,
        "ranges": RANGES,
        "threads": threads,
        "seconds": seconds,
        "relative_width": float((bounds.width / bounds.upper)[positive].max(initial=0.0)),
        "lower_end_0": int(count - positive.sum()),
        "upper_end_where_lower_is_0": float(bounds.upper[~positive].max(initial=0.0)),
    }


def imports(runs):
    """Median milliseconds of fresh interpreters; they take turns, so that all see the same machine."""
    programs = {"bare": "pass", "numpy": "import numpy", "edgeworth_acct": "import edgeworth_acct"}
    times = {name: [] for name in programs}
    for _ in range(runs):
        for name, program in programs.items():
            start = perf_counter()
            # The folder of this script holds no package of that name: the installed one is imported.
            subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent)
            times[name].append(1e3 * (perf_counter() - start))
    return {f"{name}_ms": median(values) for name, values in times.items()}


def text(report):
    """`report` for people."""
    lines = [f"edgeworth_acct {report['version']}", "", "microseconds per call"]
    lines.append(f"{'':12}{'epsilon_bounds':>16}{'noise_multiplier':>18}{'ratio':>8}{'sigma for epsilon 8':>22}")
    for row in report["calls"]:
        lines.append(
            f"{row['setting']:12}{row['epsilon_bounds_us']:16.1f}{row['noise_multiplier_us']:18.1f}{row['ratio']:8.2f}"
            f"{row['sigma']:22.10f}"
        )
    lines += ["", "microseconds per epsilon_bounds by steps: sigma 1, delta 1e-5, q 0.01 or q = 0.02 sqrt(1e3 / steps)"]
    lines.append(f"{'':20}" + "".join(f"{steps:9.0e}" for steps in STEPS) + f"{'max/min':>10}")
    for name, row in report["steps"].items():
        lines.append(f"{name:20}" + "".join(f"{t:9.1f}" for t in row["epsilon_bounds_us"].values()))
        lines[-1] += f"{row['ratio']:10.2f}"
    b = report["broadcast"]
    lines += [
        "",
        f"{b['settings']} random settings in one call, {b['threads']} threads: {b['seconds']:.2f} s "
        f"({1e6 * b['seconds'] / b['settings']:.1f} us each)",
        f"    {b['ranges']}",
        f"    widest interval {b['relative_width']:.1e} relative, but for {b['lower_end_0']} that begin at 0 "
        f"and end at {b['upper_end_where_lower_is_0']:.1e} or below",
    ]
    bare, numpy, ours = report["import"].values()
    lines += [
        "",
        f"import edgeworth_acct: {ours - bare:.0f} ms, of which numpy takes {numpy - bare:.0f} ms",
        f"    whole processes: bare {bare:.0f} ms, with numpy {numpy:.0f} ms, with edgeworth_acct {ours:.0f} ms",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
