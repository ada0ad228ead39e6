"""Composition beside dp_accounting in one run: distinct mechanisms, a curve of epsilons, calibration.

    python benchmarks/composition.py [--pairs 1000]

Prints a Markdown table: median seconds per call, and the values found, so that speed is not bought with error.
"""

import argparse
from time import perf_counter

import dp_accounting
import numpy as np
from dp_accounting.pld import PLDAccountant
from timing import median_seconds

from edgeworth_acct import Gaussian, Run, SubsampledGaussian, calibrate

DELTA = 1e-6
GRID = 1e-3


def once(call):
    start = perf_counter()
    result = call()
    return perf_counter() - start, result


def event(sigma, q):
    return dp_accounting.PoissonSampledDpEvent(q, dp_accounting.GaussianDpEvent(sigma))


def accountant(parts):
    result = PLDAccountant(value_discretization_interval=GRID)
    for sigma, q, count in parts:
        result.compose(event(sigma, q), count)
    return result


def row(name, ours, theirs):
    (our_time, our_value), (their_time, their_value) = ours, theirs
    print(f"| {name} | {1e3 * our_time:.2f} ms | {1e3 * their_time:.0f} ms | {our_value} | {their_value} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000, help="distinct mechanisms of the first row")
    pairs = parser.parse_args().pairs
    print(f"| what | edgeworth_acct | dp_accounting PLD {GRID:g} | our value | its value |")
    print("| --- | --: | --: | --: | --: |")

    random = np.random.default_rng(7)
    sigmas, rates = random.uniform(0.8, 2.0, pairs), random.uniform(0.001, 0.02, pairs)
    parts = [(float(s), float(q), int(n)) for s, q, n in zip(sigmas, rates, random.integers(1, 20, pairs))]
    run = Run((SubsampledGaussian(s, q), n) for s, q, n in parts)
    ours = median_seconds(lambda: f"{run.epsilon(DELTA):.9g}")
    fresh = median_seconds(lambda: f"{Run((SubsampledGaussian(s, q), n) for s, q, n in parts).epsilon(DELTA):.9g}")
    theirs = once(lambda: f"{accountant(parts).get_epsilon(DELTA):.9g}")
    row(f"epsilon of {pairs} distinct (sigma, q)", ours, theirs)
    row("the same, the run built anew", fresh, theirs)

    one, epsilons = 1000 * SubsampledGaussian(1.0, 0.01), np.linspace(0.0, 4.0, 1000)
    curve = median_seconds(lambda: f"{np.sum(one.delta(epsilons)):.9g}")
    prepared = accountant([(1.0, 0.01, 1000)])
    row(
        "curve: delta at 1000 epsilons",
        curve,
        once(lambda: f"{sum(prepared.get_delta(float(x)) for x in epsilons):.9g}"),
    )
    rates = np.linspace(0.001, 0.999, 1000)
    tradeoff = median_seconds(lambda: f"{np.mean(one.tradeoff(rates).lower):.9g}")
    print(f"| trade-off curve: 1000 false positive rates | {1e3 * tradeoff[0]:.2f} ms | | {tradeoff[1]} | |")

    for target in (8.0, 1.0, 0.01):
        calibration(target)


def calibration(target):
    """The noise of 660 sampled steps and one release of ten times that noise."""

    def peer():
        def make(sigma):
            stages = [
                dp_accounting.SelfComposedDpEvent(event(sigma, 0.03), 660),
                dp_accounting.GaussianDpEvent(10 * sigma),
            ]
            return dp_accounting.ComposedDpEvent(stages)

        def grid():
            return PLDAccountant(value_discretization_interval=min(GRID, target / 100))

        bracket = dp_accounting.ExplicitBracketInterval(0.3, 1e4)
        return f"{dp_accounting.calibrate_dp_mechanism(grid, make, target, DELTA, bracket, tol=1e-6):.9g}"

    def run(sigma):
        return 660 * SubsampledGaussian(sigma, 0.03) + Gaussian(10 * sigma)

    ours = median_seconds(lambda: f"{calibrate(run, (0.3, 1e4), epsilon=target, delta=DELTA):.9g}")
    row(f"sigma for epsilon {target:g}", ours, once(peer))


if __name__ == "__main__":
    main()
