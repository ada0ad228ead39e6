"""Trade-off curves from both sides, out of certified deltas alone.

With x = e^epsilon, delta is convex and decreasing in x and f(alpha) = sup over x of g(x) = 1 - delta(x) - x alpha.
Any x bounds f from below.  From above, g is concave: between two points it lies below the chords through their
neighbours, continued.
"""

import math
from typing import NamedTuple

import numpy as np

from edgeworth_acct._evaluate import as_given
from edgeworth_acct.arguments import ALPHA, FLOOR, single
from edgeworth_acct.bounds import Bounds

_PLACES = 400  # first places on the curve
_WINDOW = 4  # steps on either side of the one that seems to decide
_ROUNDS = 4  # refinements, each putting 8 places where there was one step
_SLACK = 1e-15


class GaussianDP(NamedTuple):
    """mu of Gaussian differential privacy, and by how much its trade-off curve may lie below the exact one."""

    mu: float
    regret: float


class _Curve:
    """Certified deltas at a growing set of epsilons."""

    def __init__(self, run, adjacency):
        self._run, self._adjacency = run, adjacency
        self.epsilon, self.lower, self.upper = np.empty(0), np.empty(0), np.empty(0)
        reach = run.epsilon_bounds(1e-14, adjacency=adjacency).upper
        if math.isinf(reach):
            reach = 60.0
        half = np.linspace(0.0, max(reach, 1e-6), _PLACES // 2)
        self.add(np.concatenate([-half[:0:-1], half]))

    def add(self, epsilons):
        new = np.setdiff1d(epsilons, self.epsilon)
        if new.size:
            bounds = self._run.delta_bounds(new, adjacency=self._adjacency)
            order = np.argsort(np.concatenate([self.epsilon, new]))
            self.epsilon = np.concatenate([self.epsilon, new])[order]
            self.lower = np.concatenate([self.lower, bounds.lower])[order]
            self.upper = np.concatenate([self.upper, bounds.upper])[order]

    def bounds(self, alpha):
        """f(alpha) from both sides, and the step of the curve that decides, for a vector of alpha."""
        x = np.exp(self.epsilon)
        slope = np.minimum.accumulate(np.diff(-0.5 * (self.lower + self.upper)) / np.diff(x))  # falls: delta is convex
        decides = np.clip(np.searchsorted(-slope, -alpha), 0, len(x) - 2)
        first, last = np.maximum(decides - _WINDOW, 0), np.minimum(decides + _WINDOW, len(x) - 2)
        low, high, step = self._within(x, alpha, first, last)
        # concave: no place before the window does better if its first place does worse than some place within
        sure = ((first == 0) | (self._most(x, first, alpha) < low)) & (
            (last == len(x) - 2) | (self._most(x, last + 1, alpha) < low)
        )
        for i in np.flatnonzero(~sure):
            everywhere = self._within(x, alpha[[i]], np.array([0]), np.array([len(x) - 2]))
            low[i], high[i], step[i] = (value[0] for value in everywhere)
        high = np.maximum(high, np.where(first == 0, self._left(x, alpha), 0.0))
        high = np.maximum(high, np.where(last == len(x) - 2, self._right(x, alpha), 0.0))
        return np.maximum(low - _SLACK, 0.0), np.minimum(high + _SLACK, 1.0 - alpha), step

    def _most(self, x, place, alpha):
        return 1.0 - self.lower[place] - x[place] * alpha

    def _left(self, x, alpha):
        """Largest g left of all places, where delta >= 1 - x."""
        return x[0] * (1.0 - alpha)

    def _right(self, x, alpha):
        """Largest g right of all places, where delta lies above 0 and above the last chord continued."""
        fall = (self.upper[-2] - self.lower[-1]) / (x[-1] - x[-2])
        return np.maximum(
            self._most(x, -1, alpha), 1.0 - (x[-1] + self.lower[-1] / fall if fall > 0.0 else x[-1]) * alpha
        )

    def _lines(self, x):
        """For each step: delta lies above a line through each of its places; slopes, ends, and where the two meet."""
        rise = np.diff(x)
        # slope of delta right of a place >= that of the chord on its left, and the other way round; it is in [-1, 0]
        before = np.concatenate([[-1.0], (self.lower[1:-1] - self.upper[:-2]) / rise[:-1]])
        after = np.concatenate([(self.upper[2:] - self.lower[1:-1]) / rise[1:], [0.0]])
        left, right, turn = self.lower[:-1], self.lower[1:], after - before
        meet = np.clip((left - right + after * rise) / np.where(turn == 0.0, 1.0, turn), 0.0, rise)
        return before, after, left, right, rise, meet

    def _within(self, x, alpha, first, last):
        """Bounds of the largest g over the steps first .. last (one pair for each alpha)."""
        steps = np.minimum(first[:, None] + np.arange(np.max(last - first) + 1), last[:, None])
        before, after, left, right, rise, meet = (values[steps] for values in self._lines(x))
        start, column = x[:-1][steps], alpha[:, None]
        above = np.full(steps.shape, -np.inf)
        for at in (0.0, meet, rise):
            delta = np.maximum(left + before * at, right - after * (rise - at))
            above = np.maximum(above, 1.0 - delta - (start + at) * column)
        best, row = np.argmax(above, axis=1), np.arange(len(alpha))
        low = np.maximum(
            np.max(1.0 - self.upper[:-1][steps] - start * column, axis=1),
            np.max(1.0 - self.upper[1:][steps] - (start + rise) * column, axis=1),
        )
        return low, above[row, best], steps[row, best]

    def least_mu(self, floor):
        """The smallest mu with delta <= delta_mu + floor: chords below tangents; and what that overstates at most."""
        x = np.exp(self.epsilon)
        middle = np.log(0.5 * (x[:-1] + x[1:]))
        ends = np.maximum(self.upper - floor, 0.0)

        def below(mu):
            value, slope = _gaussian_delta(mu, middle), -_gaussian_tail(mu, middle)
            reach = 0.5 * np.diff(x)
            return np.all(ends[:-1] <= value - slope * reach) and np.all(ends[1:] <= value + slope * reach)

        low, high = 0.0, 1e-3
        while not below(high) and high < 1e3:
            low, high = high, 2.0 * high
        if not below(high):  # an infinite loss is likelier than `floor`
            return math.inf, 1.0
        for _ in range(50):
            mu = 0.5 * (low + high)
            low, high = (low, mu) if below(mu) else (mu, high)
        before, after, left, right, rise, meet = self._lines(x)
        value = _gaussian_delta(high, self.epsilon) + _SLACK
        over = [
            value[:-1] + np.diff(value) * at / rise - np.maximum(left + before * at, right - after * (rise - at))
            for at in (0.0 * rise, meet, rise)
        ]
        return high * (1.0 + 1e-12), float(np.max(over))


def _gaussian_tail(mu, epsilon):
    """Q(loss > epsilon) of the Gaussian mechanism."""
    return np.array([0.5 * math.erfc((e / mu + 0.5 * mu) * math.sqrt(0.5)) for e in epsilon])


def _gaussian_delta(mu, epsilon):
    first = np.array([0.5 * math.erfc((e / mu - 0.5 * mu) * math.sqrt(0.5)) for e in epsilon])
    return first - np.exp(epsilon) * _gaussian_tail(mu, epsilon)


def tradeoff(run, alpha, adjacency):
    """See `Composable.tradeoff`."""

    def values(alphas):
        curve = _Curve(run, adjacency)
        low, high, step = curve.bounds(alphas)
        for _ in range(_ROUNDS):
            wide = np.unique(step[high - low > 1e-10])
            if not wide.size:
                break
            near = np.unique(np.clip(np.concatenate([wide - 1, wide, wide + 1]), 0, curve.epsilon.size - 2))
            start, stop = curve.epsilon[near], curve.epsilon[near + 1]
            curve.add(np.concatenate([start + (stop - start) * k / 8 for k in range(1, 8)]))
            low, high, step = curve.bounds(alphas)
        return Bounds(low, high)

    return as_given(ALPHA, alpha, values)


def gaussian_tradeoff(run, floor, adjacency):
    """See `Composable.gdp`."""
    return GaussianDP(*_Curve(run, adjacency).least_mu(single(FLOOR, floor)))
