"""The sum of independent losses on a lattice, through the FFT, and delta of it from both sides (`grid`)."""

import math
from typing import NamedTuple

import numpy as np

from edgeworth_acct.coarse import log_kernel
from edgeworth_acct.outcomes import LOOSE
from edgeworth_acct.rare import exp_or_inf

_U = 2.0**-53
_SMALL = 80.0  # -log of what is left out of E_c[w]


class Step(NamedTuple):
    """One law on a lattice: how many there are, where lattice point 0 is, and the probabilities of points k.

    `off`: how far losses may lie off; `span`: the largest move of a loss that the lower end must make good; `infinite`:
    P(loss = inf); `far`: the largest size of a loss, on the lattice or not.
    """

    count: int
    start: float
    k: np.ndarray
    p: np.ndarray
    off: float
    span: float
    infinite: float
    far: float


class LatticeSum:
    """Total losses on `size` lattice points, tilted by c, and those in which some step is big (`rare`).

    Parameters
    ----------
    plan : coarse.Plan
        Tilt, range, and shifts for Chernoff's bounds.
    size : int
        Number of points.
    h : float
        Their distance.
    room : int
        Number of points under the least total loss of the plan.
    steps : list of Step
        One for each law.
    big : rare.Totals
        The sums over totals with a big step.
    """

    def __init__(self, plan, size, h, room, steps, big):
        c, self.c, self.h = plan.c, plan.c, h
        transform, bottom, top, finite = 1.0, 0.0, 0.0, 0.0
        self.log_g = self.room = self.loose = origin = rounding = out_up = out_down = total = 0.0
        for count, start, k, p, off, _, infinite, far in steps:
            loss = start + h * k
            exponents = np.log(p) + c * loss
            shift = exponents.max()
            weights = np.exp(exponents - shift)
            mass = weights.sum()
            self.log_g += count * (shift + math.log(mass))
            self.room += count * (LOOSE + off + 16.0 * _U * far)
            self.loose += count * (2.0 * LOOSE + 16.0 * _U * (800.0 + max(c, 1.0) * far))
            out_up += count * _log_moment(exponents - shift, plan.up * loss, mass)
            out_down += count * _log_moment(exponents - shift, -plan.down * loss, mass)
            bottom, top = bottom + count * k.min(), top + count * k.max()
            folded = np.bincount(k.astype(np.int64) % size, weights, size) / mass
            rounding += count * _norm(folded)
            transform = transform * _power(np.fft.rfft(folded), count)
            finite += count * math.log1p(-infinite)
            origin += count * start
            total += count
        first = math.floor((plan.first - origin) / h) - room
        self.losses = origin + h * (first + np.arange(size))
        self.p = np.roll(np.fft.irfft(transform, size), -(first % size))
        unit = 16.0 * _U * math.log2(size)
        self.error = 1.01 * unit * rounding + 2.0 * (3.0 * _U * total + unit) * _norm(self.p)
        self.infinite = -math.expm1(finite)
        self.below = 0.0 if bottom >= first else exp_or_inf(out_down + plan.down * self.losses[0])
        self.above = 0.0 if top < first + size else exp_or_inf(out_up - plan.up * (self.losses[-1] + h))
        self.big = big
        moves = [(step.count, step.span) for step in steps if step.span > 0.0]
        squares, most = math.fsum(n * span * span for n, span in moves), max((span for _, span in moves), default=0.0)
        self.moved = exp_or_inf(most) * math.fsum(n * span for n, span in moves) / 3.0
        self.window = 1.01 * (most + math.sqrt(squares) + squares / 8.0)

    def over(self, epsilon):
        """An upper bound of delta, if no law was put below itself."""
        at = max(0.0, epsilon - self.room)
        scale, loose, mean, error = self._mean(at)
        error += math.exp(log_kernel(self.c)) * self.above  # aliases only add
        if not (scale < math.inf and error < math.inf):
            return 1.0
        rare = self.big.bounds(at, loose)[1]
        return min(1.0, scale * (mean + error) * (1.0 + loose) + rare + self.infinite * (1.0 + 1e-12))

    def under(self, epsilon):
        """A lower bound of delta, if what the moves of losses may have added is all that was put above."""
        at = epsilon + self.room
        scale, loose, mean, error = self._mean(at)
        sure = self.big.bounds(at, loose)[0] + max(0.0, self.infinite * (1.0 - 1e-12))
        error += math.exp(log_kernel(self.c)) * (self.above + self.below)
        if not (scale < math.inf and error < math.inf):
            return sure
        if self.moved:
            begin, end = np.searchsorted(self.losses, [at - self.window, at + self.window])
            if begin == 0 or end == len(self.losses):
                return sure
            tilt = np.exp(-self.c * (self.losses[begin:end] - at))
            error += self.moved * ((tilt * np.abs(self.p[begin:end])).sum() + _norm(tilt) * self.error)
        return max(0.0, scale * (mean * (1.0 - loose) - error * (1.0 + loose))) + sure

    def _mean(self, at):
        """Factor, its relative error, E_c[w(S' - at)] and the absolute error of that on the lattice."""
        begin = int(np.searchsorted(self.losses, at, "right"))
        x = self.losses[begin : begin + math.ceil(_SMALL / (self.c * self.h))] - at
        w = -np.exp(-self.c * x) * np.expm1(-x)
        terms = w * self.p[begin : begin + len(x)]  # NumPy adds in pairs: some 40 units of roundoff
        error = _norm(w) * self.error + 3e-14 * np.abs(terms).sum() + math.exp(-_SMALL)
        loose = 2.0 * (self.loose + 8.0 * _U * (8.0 + abs(self.log_g) + self.c * at))
        return exp_or_inf(self.log_g - self.c * at), loose, float(terms.sum()), float(error)


def _norm(x):
    """The l2 norm, on one thread."""
    return math.sqrt((x * x).sum())


def _log_moment(exponents, more, mass):
    """Log of the mean of e^more under the tilted law."""
    exponents = exponents + more
    top = exponents.max()
    return top + math.log(np.exp(exponents - top).sum() / mass)


def _power(transform, count):
    """Integer power, element by element, by repeated squaring."""
    result = 1.0
    while count:
        if count & 1:
            result = result * transform
        count >>= 1
        if count:
            transform = transform * transform
    return result
