"""The sum of independent losses on a lattice, through the FFT, and delta of it from both sides (`grid`)."""

import math

import numpy as np

from edgeworth_acct.outcomes import LOOSE

_U = 2.0**-53
_SMALL = 80.0  # -log of what is left out of E_c[w]


def log_kernel(c):
    """Log of the largest w(x) = e^{-c x} (1 - e^{-x}): delta(eps) <= G(c) e^{-c eps} times it."""
    return c * np.log(c) - (c + 1.0) * np.log1p(c)


class LatticeSum:
    """Total losses on `size` lattice points, tilted by c.

    Parameters
    ----------
    plan : grid.Plan
        Tilt, range, and shifts for Chernoff's bounds.
    size : int
        Number of points.
    h : float
        Their distance.
    room : int
        Number of points under the least total loss of the plan.
    steps : list of (int, float, ndarray, ndarray, float, float, float)
        For each law its count, lattice start, k and p; how far losses may lie off; the largest move of a loss that the
        lower end must make good; P(loss = inf).
    """

    def __init__(self, plan, size, h, room, steps):
        c, self.c, self.h = plan.c, plan.c, h
        transform, bottom, top, finite = 1.0, 0.0, 0.0, 0.0
        self.log_g = self.room = self.loose = origin = rounding = out_up = out_down = total = 0.0
        for count, start, k, p, off, _, infinite in steps:
            loss = start + h * k
            exponents = np.log(p) + c * loss
            shift = exponents.max()
            weights = np.exp(exponents - shift)
            mass, far = weights.sum(), np.abs(loss).max()
            self.log_g += count * (shift + math.log(mass))
            self.room += count * (LOOSE + off + 16.0 * _U * far)
            self.loose += count * (2.0 * LOOSE + 16.0 * _U * (800.0 + c * far))
            out_up += count * _log_moment(exponents - shift, plan.up * loss, mass)
            out_down += count * _log_moment(exponents - shift, -plan.down * loss, mass)
            bottom, top = bottom + count * k.min(), top + count * k.max()
            folded = np.bincount(k.astype(np.int64) % size, weights, size) / mass
            rounding += count * np.linalg.norm(folded)
            transform = transform * _power(np.fft.rfft(folded), count)
            finite += count * math.log1p(-infinite)
            origin += count * start
            total += count
        first = math.floor((plan.first - origin) / h) - room
        self.losses = origin + h * (first + np.arange(size))
        self.p = np.roll(np.fft.irfft(transform, size), -(first % size))
        unit = 16.0 * _U * math.log2(size)
        self.error = 1.01 * unit * rounding + 2.0 * (3.0 * _U * total + unit) * np.linalg.norm(self.p)
        self.infinite = -math.expm1(finite)
        self.below = 0.0 if bottom >= first else _exp(out_down + plan.down * self.losses[0])
        self.above = 0.0 if top < first + size else _exp(out_up - plan.up * (self.losses[-1] + h))
        moves = [(count, span) for count, _, _, _, _, span, _ in steps if span > 0.0]
        squares, most = math.fsum(n * span * span for n, span in moves), max((span for _, span in moves), default=0.0)
        self.moved = _exp(most) * math.fsum(n * span for n, span in moves) / 1.5
        self.window = 1.01 * (most + math.sqrt(squares) + squares / 8.0)

    def over(self, epsilon):
        """An upper bound of delta, if no law was put below itself."""
        at = max(0.0, epsilon - self.room)
        scale, loose, mean, error = self._mean(at)
        error += math.exp(log_kernel(self.c)) * self.above  # aliases only add
        return min(1.0, scale * (mean + error) * (1.0 + loose) + self.infinite * (1.0 + 1e-12))

    def under(self, epsilon):
        """A lower bound of delta, if what the moves of losses may have added is all that was put above."""
        at, sure = epsilon + self.room, max(0.0, self.infinite * (1.0 - 1e-12))
        scale, loose, mean, error = self._mean(at)
        if scale == math.inf:
            return sure
        error += math.exp(log_kernel(self.c)) * (self.above + self.below)
        if self.moved:
            begin, end = np.searchsorted(self.losses, [at - self.window, at + self.window])
            if begin == 0 or end == len(self.losses):
                return sure
            tilt = np.exp(-self.c * (self.losses[begin:end] - at))
            error += self.moved * (np.dot(tilt, np.abs(self.p[begin:end])) + np.linalg.norm(tilt) * self.error)
        return max(0.0, scale * (mean * (1.0 - loose) - error * (1.0 + loose))) + sure

    def _mean(self, at):
        """Factor, its relative error, E_c[w(S' - at)] and the absolute error of that on the lattice."""
        begin = int(np.searchsorted(self.losses, at, "right"))
        x = self.losses[begin : begin + math.ceil(_SMALL / (self.c * self.h))] - at
        w, p = -np.exp(-self.c * x) * np.expm1(-x), self.p[begin : begin + len(x)]
        error = np.linalg.norm(w) * self.error + 3e-14 * np.dot(w, np.abs(p)) + math.exp(-_SMALL)
        loose = 2.0 * (self.loose + 8.0 * _U * (8.0 + abs(self.log_g) + self.c * at))
        return _exp(self.log_g - self.c * at), loose, float(np.dot(w, p)), float(error)


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


def _exp(x):
    return math.exp(x) if x < 700.0 else math.inf
