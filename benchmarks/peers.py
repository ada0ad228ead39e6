"""Compare edgeworth_acct with other accountants: time, interval and distance from the true epsilon, in one run.

Truth is the middle of edgeworth_acct's certified interval; half of the interval's width, which is printed beside it,
bounds its error.  Every accountant starts from scratch, as a user would: build it, compose the run, read epsilon.
"""

import argparse
import math
import os
import platform
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from suites.settings import FINE_TUNING, HARD
from timing import median_seconds

import edgeworth_acct as ea

_BEGIN, _END = "<!-- peers:begin -->", "<!-- peers:end -->"

_EPILOG = """\
examples:
  print every measurement
    python benchmarks/peers.py
  and put the tables between the markers of the README
    python benchmarks/peers.py --write README.md
  a look in half a minute: fewer settings, one call each
    python benchmarks/peers.py --quick

The peers come with `pip install '.[test]'`.  One that is missing, fails or returns infinity is reported as such.
Distances are epsilon minus truth: an upper end below 0, or an interval that does not contain 0, is wrong.
"""


def edgeworth(sigma, q, steps, delta):
    return tuple(ea.epsilon_bounds(sigma, q, steps, delta))


def pld(grid):
    """dp_accounting's privacy loss distribution, pessimistic: one number, meant as an upper bound."""

    def epsilon(sigma, q, steps, delta):
        from dp_accounting.pld import PLDAccountant

        accountant = PLDAccountant(value_discretization_interval=grid)
        return (accountant.compose(_event(sigma, q), steps).get_epsilon(delta),)

    return epsilon


def rdp(sigma, q, steps, delta):
    """dp_accounting's Renyi accountant with its default orders: one number, an upper bound."""
    from dp_accounting.rdp import RdpAccountant

    return (RdpAccountant().compose(_event(sigma, q), steps).get_epsilon(delta),)


def _event(sigma, q):
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent

    return PoissonSampledDpEvent(q, GaussianDpEvent(sigma))


def prv(eps_error):
    """prv_accountant's interval; its delta_error is the delta / 1000 that its documentation recommends."""

    def epsilon(sigma, q, steps, delta):
        from prv_accountant import PoissonSubsampledGaussianMechanism, PRVAccountant

        step = PoissonSubsampledGaussianMechanism(sampling_probability=q, noise_multiplier=sigma)
        accountant = PRVAccountant(
            prvs=[step], max_self_compositions=[steps], eps_error=eps_error, delta_error=delta / 1000
        )
        lower, _, upper = accountant.compute_epsilon(delta, [steps])
        return lower, upper

    return epsilon


#: What is compared: name -> (package, call).
ACCOUNTANTS = {
    "edgeworth_acct": ("edgeworth-acct", edgeworth),
    "PRV 0.01": ("prv-accountant", prv(0.01)),
    "PRV 0.1": ("prv-accountant", prv(0.1)),
    "PLD 1e-4": ("dp-accounting", pld(1e-4)),
    "PLD 1e-3": ("dp-accounting", pld(1e-3)),
    "RDP": ("dp-accounting", rdp),
}


@dataclass(frozen=True)
class Measurement:
    """Ends of an interval, or one number, and median seconds per call; `failure` says why there are none."""

    epsilons: tuple[float, ...] = ()
    seconds: float = math.nan
    failure: str = ""

    def errors(self, truth):
        return tuple(epsilon - truth for epsilon in self.epsilons)

    def wrong(self, truth):
        """Whether an upper end is below the truth or a lower end above it."""
        return bool(self.epsilons) and not (
            self.epsilons[-1] >= truth and (len(self.epsilons) == 1 or self.epsilons[0] <= truth)
        )


def measure(package, call, arguments, once):
    """Time `call` at one setting; whatever goes wrong in a peer is a result."""
    if _version(package) is None:
        return Measurement(failure="not installed")
    limits = {"at_least": 1, "budget": 0.0} if once else {"at_least": 3, "budget": 1.0}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds, epsilons = median_seconds(lambda: call(*arguments), **limits)
            return Measurement(tuple(map(float, epsilons)), seconds)
    except Exception as error:  # a peer may raise anything
        return Measurement(failure=f"error: {type(error).__name__}: {' '.join(str(error).split())}")


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="five settings, one call of each peer, imports included")
    parser.add_argument(
        "--write", metavar="FILE", type=Path, help=f"replace what stands between {_BEGIN} and {_END} in FILE"
    )
    options = parser.parse_args()
    page = None
    if options.write:
        page = options.write.read_text(encoding="utf-8") if options.write.is_file() else ""
        if page.count(_BEGIN) != 1 or page.count(_END) != 1 or page.index(_BEGIN) > page.index(_END):
            parser.error(f"--write: {options.write} must hold one {_BEGIN} and after it one {_END}")

    settings = (*FINE_TUNING[-2:], *HARD[:3]) if options.quick else (*FINE_TUNING, *HARD)
    print(heading(), flush=True)
    results = {}
    for setting in settings:
        results[setting] = {}
        for name, (package, call) in ACCOUNTANTS.items():
            # The reference is always measured properly: it takes no time.
            once = options.quick and call is not edgeworth
            results[setting][name] = measure(package, call, setting.arguments, once)
        if failure := results[setting]["edgeworth_acct"].failure:
            parser.exit(1, f"peers.py: no truth to compare with at {setting}: {failure}\n")
        print(text(setting, results[setting]), flush=True)
    if page is not None:
        before, after = page.split(_BEGIN)[0], page.split(_END)[1]
        options.write.write_text(f"{before}{_BEGIN}\n{markdown(results)}\n{_END}{after}", encoding="utf-8")


def truth(measurements):
    """The middle of our interval, and its width."""
    lower, upper = measurements["edgeworth_acct"].epsilons
    return (lower + upper) / 2, upper - lower


def heading():
    return f"{versions()}\n{machine()}\nmedian time of a call, epsilon at delta, and its distance from the truth"


def versions():
    """What was measured."""
    packages = sorted({package for package, _ in ACCOUNTANTS.values()})
    return ", ".join(f"{package} {_version(package) or '(not installed)'}" for package in packages)


def machine():
    """Where it was measured."""
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"


def text(setting, measurements):
    """The measurements at one setting for people."""
    middle, width = truth(measurements)
    lines = [
        "",
        f"{setting.name}: sigma {setting.sigma:g}, q {setting.q:.6g}, steps {setting.steps}, delta {setting.delta:g}; "
        f"truth {middle:.10g}, known to {width:.0e}",
    ]
    for name, measurement in measurements.items():
        if measurement.failure:
            lines.append(f"  {name:15} {measurement.failure}"[:120])
            continue
        ends = " .. ".join(f"{epsilon:.10g}" for epsilon in measurement.epsilons)
        errors = " .. ".join(f"{error:+.1e}" for error in measurement.errors(middle))
        wrong = "  WRONG" if measurement.wrong(middle) else ""
        lines.append(f"  {name:15} {duration(measurement.seconds):>9}  {ends:32} {errors}{wrong}")
    return "\n".join(lines)


def duration(seconds):
    """Three digits at most, and a unit."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= 0.9995 * unit or name == "µs":
            value = seconds / unit
            return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f} {name}"
    raise AssertionError


def markdown(results):
    """Three tables: the settings, the distances, the times."""
    settings, distances, times = [], [], []
    for setting, measurements in results.items():
        middle, width = truth(measurements)
        settings.append(
            (
                setting.name,
                f"{setting.sigma:g}",
                _short(f"{setting.q:.4g}"),
                f"{setting.steps}",
                _short(f"{setting.delta:.0e}"),
                f"{middle:.9g}",
                _short(f"{width:.0e}"),
            )
        )
        distances.append((setting.name, *(_distance(m, middle) for m in measurements.values())))
        times.append((setting.name, *(_failure(m) or duration(m.seconds) for m in measurements.values())))
    names = tuple(results[next(iter(results))])
    return "\n".join(
        [
            f"Measured in one run of `python benchmarks/peers.py`: {versions()};",
            f"{machine()}.  PRV is `prv_accountant` with that `eps_error`; PLD is `dp_accounting`,",
            "pessimistic, with that grid; RDP is `dp_accounting` with its default orders.  The true ε is the middle of",
            "the certified interval, known to half of the width that stands beside it.",
            "",
            _table(("setting", "σ", "q", "steps", "δ", "true ε", "width of its interval"), settings),
            "",
            "Signed distance of both ends, or of the only one, from the true ε; **bold** is on the wrong side of it:",
            "",
            _table(("setting", *names), distances),
            "",
            "Median time of a call, from scratch:",
            "",
            _table(("setting", *names), times),
        ]
    )


def _distance(measurement, middle):
    ends = _short(" ".join(f"{error:+.1e}" for error in measurement.errors(middle)))
    return _failure(measurement) or (f"**{ends}**" if measurement.wrong(middle) else ends.replace("+inf", "inf"))


def _short(number):
    """Exponents of one digit where one is enough."""
    return number.replace("e-0", "e-").replace("e+00", "").replace("e+0", "e+")


def _failure(measurement):
    """A failure in two or three words."""
    return ": ".join(measurement.failure.split(": ")[:2])


def _table(head, rows):
    lines = [head, ("---", *("--:" for _ in head[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
