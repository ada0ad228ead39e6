"""The Edgeworth estimate and Renyi divergences in high precision.  Kind: same definition, other route, more digits.

The expansion's coefficients come from the exponential of the power series in t of sum_j lam_{j+2}/(j+2)! He^{j+2} t^j,
whose powers He^k stand for He_k: no partitions.  The tail of the expanded law is integrated term by term,
int_x^inf He_k phi = He_{k-1}(x) phi(x).
"""

import math
from fractions import Fraction

import mpmath as mp

from oracles.cumulants import cumulants

DIGITS = 40


def coefficients(lam, order, one=Fraction(1)):
    """{k: a_k} from {k: lam_k}, by (exp f)' = f' exp f in powers of t, each coefficient a polynomial in He.

    `one` is the 1 of the numbers that `lam` consists of.
    """
    f = {j: lam[j + 2] / (one * math.factorial(j + 2)) for j in range(1, order + 1)}  # times He^{j+2} t^j
    series = [{0: one}]
    for n in range(1, order + 1):
        term = {}
        for j in range(1, n + 1):
            for power, value in series[n - j].items():
                term[power + j + 2] = term.get(power + j + 2, 0 * one) + f[j] * value * j / n
        series.append(term)
    total = {}
    for term in series:
        for power, value in term.items():
            total[power] = total.get(power, 0 * one) + value
    return total


def he(k, x):
    """Hermite polynomial He_k, from the explicit sum."""
    return sum(
        (-1) ** m * mp.factorial(k) / (mp.factorial(m) * mp.factorial(k - 2 * m)) * x ** (k - 2 * m) / mp.mpf(2) ** m
        for m in range(k // 2 + 1)
    )


class Law:
    """The sum of `steps` losses under the law tilted by `tilt`, expanded to `order`."""

    def __init__(self, sigma, q, steps, adjacency, tilt, order):
        kappa = cumulants(sigma, q, adjacency, tilt, order + 2)
        with mp.workdps(DIGITS):
            self.mean, variance = steps * kappa[0], steps * kappa[1]
            self.sd = mp.sqrt(variance)
            lam = {k: steps * kappa[k - 1] / self.sd**k for k in range(3, order + 3)}
            self.a = coefficients(lam, order, mp.mpf(1))

    def above(self, eps):
        x = (eps - self.mean) / self.sd
        density = mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
        return mp.erfc(x / mp.sqrt(2)) / 2 + density * sum(v * he(k - 1, x) for k, v in self.a.items() if k)


class Estimate:
    """The Edgeworth estimate of one direction: delta and its largest root."""

    def __init__(self, sigma, q, steps, adjacency, order):
        self.first, self.second = (Law(sigma, q, steps, adjacency, tilt, order) for tilt in (0, -1))

    def delta(self, eps):
        with mp.workdps(DIGITS):
            eps = mp.mpf(eps)
            return self.first.above(eps) - mp.exp(eps) * self.second.above(eps)

    def epsilon(self, target, start):
        """The root near `start`."""
        with mp.workdps(DIGITS):
            return mp.findroot(lambda eps: self.delta(eps) - mp.mpf(target), (start, start * (1 + mp.mpf(10) ** -6)))


def renyi(sigma, q, order, adjacency):
    """The divergence of integer order a >= 2, remove: the binomial sum of Mironov, Talwar and Zhang (2019)."""
    if adjacency != "remove" or order != int(order):
        raise ValueError("integer orders of the direction remove only")
    with mp.workdps(DIGITS):
        s, q = mp.mpf(sigma), mp.mpf(q)
        total = sum(
            mp.binomial(order, k) * (1 - q) ** (order - k) * q**k * mp.exp(mp.mpf(k * k - k) / (2 * s * s))
            for k in range(int(order) + 1)
        )
        return mp.log(total) / (order - 1)
