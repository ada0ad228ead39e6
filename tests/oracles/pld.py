"""Both sides of delta for any mechanism, by rounding its losses on a fine grid and convolving.  Kind: other algorithm.

A mechanism is cells of outcomes: probability under the first law, least and largest loss.  Rounding losses up (down)
can only raise (lower) delta(eps) = E[(1 - e^{eps - S})_+], for sums too.  Nothing is tilted, and no two errors
cancel: wide, but simple.
"""

import math

import numpy as np
from scipy.special import ndtr
from scipy.stats import binom

FAR = 1e-13  # probability that may be moved to infinity (or dropped) at each end


class Cells:
    """Cells of one mechanism: probabilities p, losses within [low, high], and the probability of an infinite loss."""

    def __init__(self, p, low, high, infinite=0.0):
        self.p, self.low, self.high, self.infinite = map(np.asarray, (p, low, high, infinite))


def atoms(losses, probabilities, infinite=0.0):
    return Cells(probabilities, losses, losses, infinite)


def _continuous(cdf, loss, x):
    """Cells between the places x, of a monotone loss."""
    p = np.diff(cdf(x))
    values = loss(x)
    low, high = np.minimum(values[1:], values[:-1]), np.maximum(values[1:], values[:-1])
    return Cells(np.append(p, 0.0), np.append(low, 0.0), np.append(high, 0.0), max(0.0, 1.0 - p.sum()))


def normals(first, second, sigma, cells=200_000):
    """Normal mixtures (weight, centre) against each other, of monotone likelihood ratio."""

    def log_density(components, x):
        return np.logaddexp.reduce(
            [math.log(w) - (x - a) ** 2 / (2 * sigma**2) for w, a in components if w > 0], axis=0
        )

    centres = [a for _, a in (*first, *second)]
    x = np.linspace(min(centres) - 7.6 * sigma, max(centres) + 7.6 * sigma, cells)
    return _continuous(
        lambda x: sum(w * ndtr((x - a) / sigma) for w, a in first),
        lambda x: log_density(first, x) - log_density(second, x),
        x,
    )


def laplaces(first, second, scale, cells=100_000):
    """The same for Laplace laws; beyond the outermost centres the loss is constant."""
    centres = [a for _, a in (*first, *second)]
    x = np.linspace(min(centres), max(centres), cells)

    def log_density(components, x):
        return np.logaddexp.reduce([math.log(w) - np.abs(x - a) / scale for w, a in components if w > 0], axis=0)

    def cdf(x):
        def one(u):
            return np.where(u < 0, 0.5 * np.exp(np.minimum(u, 0)), 1 - 0.5 * np.exp(-np.maximum(u, 0)))

        return sum(w * one((x - a) / scale) for w, a in first)

    loss = log_density(first, x) - log_density(second, x)
    p = np.concatenate([cdf(x[:1]), np.diff(cdf(x)), 1 - cdf(x[-1:])])
    ends = np.concatenate([loss[:1], loss, loss[-1:]])
    return Cells(p, np.minimum(ends[1:], ends[:-1]), np.maximum(ends[1:], ends[:-1]))


def larger(pair, reverse):
    """Losses > 0 of one pair and < 0 of the other, the rest at 0: the profile of the larger delta."""
    up, down = pair.low > 0, reverse.high < 0
    p = np.concatenate([pair.p[up], reverse.p[down]])
    low, high = np.concatenate([pair.low[up], reverse.low[down]]), np.concatenate([pair.high[up], reverse.high[down]])
    return Cells(
        np.append(p, max(0.0, 1 - p.sum() - pair.infinite)), np.append(low, 0), np.append(high, 0), pair.infinite
    )


def public(share, one, other):
    """One mechanism with this probability, publicly, else the other."""
    p = np.concatenate([share * one.p, (1 - share) * other.p])
    infinite = share * one.infinite + (1 - share) * other.infinite
    return Cells(p, np.append(one.low, other.low), np.append(one.high, other.high), infinite)


def discrete_gaussian(sigma, shift=1):
    k = np.arange(-math.ceil(9 * sigma), math.ceil(9 * sigma) + 1)
    weights = np.exp(-(k**2) / (2 * sigma**2))
    return atoms((shift**2 - 2 * k * shift) / (2 * sigma**2), weights / weights.sum(), 1e-15)


def discrete_laplace(scale, shift):
    k = np.arange(-math.ceil(40 * scale), math.ceil(40 * scale) + 1)
    weights = np.exp(-np.abs(k) / scale)
    return atoms((np.abs(k - shift) - np.abs(k)) / scale, weights / weights.sum(), 1e-15)


def overflow(population, q, limit):
    return binom.sf(limit - 1, population, q)


class Run:
    """Several mechanisms with counts; delta from both sides."""

    def __init__(self, parts, h):
        self.h = h
        self.sides = [self._side(parts, up) for up in (False, True)]
        self.error = 1e-12

    def _side(self, parts, up):
        laws = []
        for cells, count in parts:
            index = np.ceil(cells.high / self.h - 1e-9) if up else np.floor(cells.low / self.h + 1e-9)
            index = index.astype(np.int64)
            grid = np.bincount(index - index.min(), cells.p)
            laws.append((grid, int(index.min()), float(cells.infinite), count))
        length = sum((len(grid) - 1) * count for grid, _, _, count in laws) + 1
        size = 1 << max(1, math.ceil(math.log2(length)))
        transform = np.ones(size // 2 + 1, dtype=complex)
        finite = 1.0
        for grid, _, infinite, count in laws:
            transform *= np.fft.rfft(grid, size) ** count
            finite *= (1 - infinite) ** count
        total = np.maximum(np.fft.irfft(transform, size)[:length], 0.0)
        first = sum(start * count for _, start, _, count in laws)
        return total, first, 1 - finite

    def delta(self, eps):
        """(lower, upper) of delta(eps)."""
        out = []
        for (p, first, infinite), up in zip(self.sides, (False, True)):
            loss = (first + np.arange(p.size)) * self.h
            out.append(p @ -np.expm1(np.minimum(eps - loss, 0.0)) + (infinite if up else 0.0))
        return out[0] - self.error, out[1] + self.error
