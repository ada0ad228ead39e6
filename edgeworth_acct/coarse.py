"""A coarse view of laws with counts: which losses of a step are big (`rare`), and where a lattice should lie (`grid`).

Nothing rests on it: any cut, tilt and range give valid bounds.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgeworth_acct.laws import Law, Layer
from edgeworth_acct.outcomes import outcomes

_OUT = 34.0  # -log of the tilted probability that may lie outside of the lattice
_STRAY = 25.0  # -log of what may stray, over delta: nobody sees it
_LEAST = 1e-250  # deltas from here on
_FAR = 500.0  # standard deviations between normal laws, at most
_STEPS = 10**6
_RATES = np.geomspace(1.0, 1e7, 36)
_TILTS = np.geomspace(1e-3, 1e7, 41)


def log_kernel(c):
    """Log of the largest w(x) = e^{-c x} (1 - e^{-x}): delta(eps) <= G(c) e^{-c eps} times it."""
    return c * np.log(c) - (c + 1.0) * np.log1p(c)


@dataclass(frozen=True, eq=False)
class Plan:
    """Where a lattice lies: for laws, and the tilt that suits what is asked."""

    laws: list  # of laws, counts and a coarse view of their outcomes
    reach: float  # standard deviations of normal laws that count
    c: float
    first: float  # the lattice covers total losses from here ...
    last: float  # ... to here
    down: float  # shifts of c for Chernoff's bounds
    up: float
    cut: float  # losses of one step from here on are big
    rate: float  # of what bounds their going astray


class View:
    """Laws with counts, and their outcomes, roughly."""

    def __init__(self, laws, steps):
        self.laws, self.steps = laws, steps

    @classmethod
    def of(cls, laws):
        """The view of [(Law, count), ...], or None of laws that no lattice is for."""
        mu = math.sqrt(math.fsum(count * law.mu**2 for law, count in laws))
        laws = [(law, count) for law, count in laws if law.layers]
        if mu:
            laws.append((Law(layers=(Layer("mixture", ((1.0, mu),), ((1.0, 0.0),), 1.0),)), 1))
        layers = [layer for law, _ in laws for layer in law.layers if layer.kind == "mixture"]
        spans = [at / layer.scale for layer in layers for _, at in layer.first + layer.second]
        if max(map(abs, spans), default=0.0) > _FAR or sum(count for _, count in laws) > _STEPS:
            return None
        return cls(laws, [(outcomes(law, 36.0), count) for law, count in laws])

    def epsilon(self, log_delta):
        """About the epsilon of a delta, hardly below it."""
        tilts = np.geomspace(self._least_tilt, 1e7)
        high = float(np.min((self._log_g(tilts) - log_delta + log_kernel(tilts)) / tilts))
        if not high > 0.0:
            return 0.0
        low = 1e-9 * high
        while high > 1.0001 * low:
            middle = math.sqrt(low * high)
            low, high = (low, middle) if self._log_delta(middle, log_delta) <= log_delta else (middle, high)
        return high

    def log_delta(self, epsilon):
        """About the log of delta, hardly below it."""
        return self._log_delta(epsilon, self._log_delta(epsilon, 0.0))

    def plan(self, epsilon, log_delta):
        """The lattice for delta near `epsilon`, where it is about e^log_delta; None if there is none."""
        if not log_delta > math.log(_LEAST):
            return None
        cut, rate = self._cut(epsilon, log_delta)
        small = View(self.laws, [(step.below(cut), count) for step, count in self.steps])
        plan = small._plan(epsilon, log_delta, cut, rate)
        return plan if plan or cut == math.inf else self._plan(epsilon, log_delta, math.inf, rate)

    @cached_property
    def _sums(self):
        """Of each law the least losses of its cells, rising, their largest so far, its count, and sums over cells.

        Logs of those of p e^{c loss} before it and of p e^{-r loss} from it on; those of p and p e^{-loss} from it on.
        """
        table = []
        for step, count in self.steps:
            order = np.argsort(step.low)
            p, low, mean = step.p[order], step.low[order], step.mean[order]
            before = np.logaddexp.accumulate(np.log(p) + np.multiply.outer(_TILTS, mean), axis=1)
            rest = np.logaddexp.accumulate((np.log(p) - np.multiply.outer(_RATES, low))[:, ::-1], axis=1)[:, ::-1]
            ends = ((0, 0), (1, 0)), ((0, 0), (0, 1))
            before, rest = (np.pad(x, end, constant_values=-math.inf) for x, end in zip((before, rest), ends))
            tails = [np.append(np.cumsum(x[::-1])[::-1], 0.0) for x in (p, np.exp(np.log(p) - mean))]
            table.append((low, np.maximum.accumulate(step.high[order]), count, before, rest, *tails))
        return table

    def _cut(self, epsilon, log_delta):
        """The least cut at which no more than e^-25 of delta may stray, infinite where there is none, and the rate."""
        laws = [(high, count, rest[:, 0], rest) for _, high, count, _, rest, _, _ in self._sums]
        log_moment = sum(count * whole for _, count, whole, _ in laws)

        def log_stray(loss):  # of cells that reach the cut, too: finer ones will begin there
            share = sum(n * np.exp(rest[:, np.searchsorted(high, loss)] - whole) for high, n, whole, rest in laws)
            values = _RATES * epsilon + log_moment + np.log(np.maximum(share, 5e-324))
            i = int(np.argmin(values))
            return float(values[i]), float(_RATES[i])

        wanted = log_delta - _STRAY
        ends = [(float(low[0]), float(low[-1])) for low, *_ in self._sums]
        good, bad = max(last for _, last in ends), max(epsilon, *(first for first, _ in ends))
        if not good > bad or log_stray(good)[0] > wanted:
            return math.inf, 1.0
        for _ in range(20):
            middle = 0.5 * (good + bad)
            good, bad = (middle, bad) if log_stray(middle)[0] <= wanted else (good, middle)
        return good, log_stray(good)[1]

    def _log_delta(self, epsilon, log_delta):
        """Log of Chernoff's bound for totals without a big step plus what those with one give."""
        cut, _ = self._cut(epsilon, log_delta)
        places = [np.searchsorted(low, cut) for low, *_ in self._sums]
        log_g = sum(count * before[:, i] for i, (_, _, count, before, *_) in zip(places, self._sums))
        small = float(np.min(log_g - _TILTS * epsilon + log_kernel(_TILTS)))
        p, t = (
            -math.expm1(sum(row[2] * math.log1p(-min(row[side][i], 1.0 - 1e-12)) for i, row in zip(places, self._sums)))
            for side in (5, 6)
        )
        big = p - t * math.exp(min(epsilon, 700.0))
        return min(0.0, np.logaddexp(small, math.log(big) if big > 0.0 else -math.inf))

    def _log_g(self, tilts):
        """Log of G at tilts."""
        total = np.zeros(len(tilts))
        for step, count in self.steps:
            exponents = np.log(step.p) + np.multiply.outer(tilts, step.mean)
            top = exponents.max(axis=1)
            total += count * (top + np.log(np.exp(exponents - top[:, None]).sum(axis=1)))
        return total

    @property
    def _least_tilt(self):
        """Below it a tilt changes nothing."""
        return 1e-2 / max(1.0, sum(count * max(0.0, float(step.high.max())) for step, count in self.steps))

    def _tilt(self, epsilon, log_delta):
        """The tilt with the least Chernoff bound of delta, or the least tilt whose bound is low enough."""
        tilts, enough = np.geomspace(self._least_tilt, 1e7, 73), log_delta - 5.0
        for _ in range(3):
            i = int(np.argmin(np.maximum(self._log_g(tilts) - tilts * epsilon + log_kernel(tilts), enough)))
            c, tilts = float(tilts[i]), np.geomspace(tilts[max(i - 1, 0)], tilts[min(i + 1, len(tilts) - 1)], 13)
        return c

    def _plan(self, epsilon, log_delta, cut, rate):
        c = self._tilt(epsilon, log_delta)
        before, here, after = self._log_g(c * np.array([0.99, 1.0, 1.01]))
        spread = math.sqrt(max(before - 2.0 * here + after, 0.0)) / (0.01 * c)
        if not spread > 0.0:
            return None
        shifts = np.geomspace(0.5, 50.0, 21) / spread
        up, down = (self._log_g(c + shifts) - here + _OUT) / shifts, (here - self._log_g(c - shifts) - _OUT) / shifts
        last = min(float(up.min()), sum(count * step.high.max() for step, count in self.steps))
        first = max(float(down.max()), sum(count * step.low.min() for step, count in self.steps))
        if not last > first:  # doubles do not tell the losses apart
            return None
        reach = min(36.0, math.sqrt(2.0 * (45.0 - log_delta)))
        laws = [(law, count, step) for (law, count), (step, _) in zip(self.laws, self.steps)]
        return Plan(laws, reach, c, first, last, shifts[down.argmax()], shifts[up.argmin()], cut, rate)
