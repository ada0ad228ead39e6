"""Batches that are no Poisson samples: of a fixed size without replacement, and Poisson batches with a hard maximum."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgeworth_acct.arguments import LIMIT, POPULATION, Q, SAMPLE, SIGMA
from edgeworth_acct.cells import Cells
from edgeworth_acct.laws import Law, Layer
from edgeworth_acct.mechanisms import Gaussian, Mechanism, SubsampledGaussian

_REACH = 28.0  # standard deviations within cells: beyond lies less than 1e-170
_PLACES = np.concatenate([np.linspace(0.0, 9.0, 3001), np.linspace(9.0, _REACH, 301)[1:]])


@dataclass(frozen=True)
class SampledWithoutReplacementGaussian(Mechanism):
    """One step on a batch of exactly `sample` of `population` records, drawn without replacement, with normal noise.

    Parameters
    ----------
    sigma : float
        Noise multiplier: standard deviation over the clip norm.
    population, sample : int
        1 <= sample <= population; `population` counts the larger of the two data sets.

    Notes
    -----
    With q = sample/population and N(m) = N(m, sigma^2).  All batches have the same size, so the record's place is
    taken by another and a sum moves by up to 2 clip norms.  Removing: (1-q) N(0) + q N(2) against N(0), adding the
    reverse [1]_.  Replacing: at epsilon >= 0 the divergence is at most that of removing, by advanced joint convexity
    [2]_, and as the relation is symmetric delta(-epsilon) <= 1 - e^-epsilon (1 - delta(epsilon)); the pair with this
    profile has the losses of the pair for removing where these are positive, those of the pair for adding where
    these are negative, and else 0.  It dominates [1]_; whether it is the tightest is not known.

    References
    ----------
    .. [1] Y. Zhu, J. Dong, Y.-X. Wang. "Optimal Accounting of Differential Privacy via Characteristic Function."
       AISTATS 2022. arXiv:2106.08567, propositions 7 and 8, theorem 11.
    .. [2] B. Balle, G. Barthe, M. Gaboardi. "Privacy Amplification by Subsampling: Tight Analyses via Couplings and
       Divergences." NeurIPS 2018. arXiv:1807.01647, theorem 9.

    Examples
    --------
    >>> fixed = SampledWithoutReplacementGaussian(sigma=2.0, population=1000, sample=10)
    >>> abs((500 * fixed).epsilon(1e-6) - (500 * SubsampledGaussian(sigma=1.0, q=0.01)).epsilon(1e-6)) < 1e-8
    True
    """

    sigma: float
    population: int
    sample: int

    sampling: ClassVar = "fixed-size batches without replacement"

    def __post_init__(self):
        self._validate(sigma=SIGMA, population=POPULATION, sample=SAMPLE)
        if self.sample > self.population:
            raise ValueError(f"sample must be at most population = {self.population}, got {self.sample}")

    @property
    def _poisson(self):
        return SubsampledGaussian(0.5 * self.sigma, self.sample / self.population)

    def law(self, direction):
        """See `Mechanism.law`."""
        if direction != "replace_one" or self.sample == self.population:
            return self._poisson.law("remove" if direction == "replace_one" else direction)
        return _symmetric(self._poisson.sigma, self._poisson.q)

    def rho(self, direction):
        """Zero-concentrated DP: that of the mechanism without sampling."""
        return Gaussian(0.5 * self.sigma).rho("remove")

    def of_group(self, size):
        """Only a group of one."""
        return self if size == 1 else super().of_group(size)


def _symmetric(s, q):
    """The pair whose delta is the larger of those of (1-q) N(0) + q N(1) against N(0) and of the reverse; N(m, s^2)."""
    # from 1/2, where the loss is 0, to where both tails are negligible
    x = 0.5 + s * np.concatenate([_PLACES, _REACH + np.linspace(0.0, 1.0 / s, 101)[1:]])
    alone, moved = _normal(x / s), _normal((x - 1.0) / s)
    p, q_ = (1.0 - q) * alone[0] + q * moved[0], alone[0]
    p_end, q_end = (1.0 - q) * alone[1] + q * moved[1], alone[1]
    loss = np.log1p(q * np.expm1((x - 0.5) / (s * s)))
    zero = 1.0 - (np.sum(p) + p_end) - (np.sum(q_) + q_end)
    ends = np.concatenate([-loss[:0:-1], loss])
    p_all, q_all = np.concatenate([q_[::-1], p]), np.concatenate([p[::-1], q_])
    return _with_atom(Cells(ends, q_end, p_all, 0.0, p_end, q_all, 0.0, p_end).law(), max(zero, 0.0))


def _with_atom(law, chance):
    """The law with an atom at loss 0 of this probability, above and below."""

    def add(one, factor):
        layer = one.layers[0]
        return Layer("atoms", (*layer.first, (chance * factor, 0.0)), scale=layer.scale)

    return Law(layers=(add(law, 1.0 + 1e-12),), optimistic=Law(layers=(add(law.optimistic, 1.0 - 1e-12),)))


def _normal(z):
    """Probabilities between neighbouring z and beyond the last, z rising."""
    tails = np.array([0.5 * math.erfc(value * math.sqrt(0.5)) for value in z])
    below = np.array([0.5 * math.erfc(-value * math.sqrt(0.5)) for value in z])
    return np.where(z[:-1] > 0.0, tails[:-1] - tails[1:], below[1:] - below[:-1]), float(tails[-1])


@dataclass(frozen=True)
class TruncatedPoissonGaussian(Mechanism):
    """One step of DP-SGD whose Poisson batch is cut to `limit` records, chosen at random, where it is larger.

    Parameters
    ----------
    sigma : float
        Noise multiplier.
    q : float
        Sampling rate, in (0, 1).
    population : int
        Number of records (of the larger of two neighbouring data sets).
    limit : int
        The hard maximum.

    Notes
    -----
    Let the other records' sample have s members, public in this proof.  If s < limit, the step is the subsampled
    Gaussian.  If not, the record enters the cut batch with probability at most q limit/(limit + 1) and then takes
    the place of another: a sum moves by up to 2 clip norms, and the pair is that of sampling without replacement at
    this rate.  By joint convexity the mixture of the two pairs, with an upper bound of the probability of s >= limit,
    dominates (compare arXiv:2508.15089).

    Examples
    --------
    >>> cut = TruncatedPoissonGaussian(sigma=1.0, q=0.01, population=10000, limit=160)
    >>> free = 500 * SubsampledGaussian(sigma=1.0, q=0.01)
    >>> 0.0 < (500 * cut).epsilon(1e-6) - free.epsilon(1e-6) < 1e-3
    True
    """

    sigma: float
    q: float
    population: int
    limit: int

    sampling: ClassVar = "Poisson sampling, truncated to a maximal batch size"

    def __post_init__(self):
        self._validate(sigma=SIGMA, q=Q, population=POPULATION, limit=LIMIT)
        if self.q == 1.0:
            raise ValueError("q must be in (0, 1) for a truncated batch, got 1.0")

    @property
    def overflow(self):
        """An upper bound of the probability that the others' sample has `limit` members or more."""
        n, q, k = self.population, self.q, self.limit
        if k > n:
            return 0.0
        choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        slack = 1e-15 * math.lgamma(n + 1) + 1e-12  # of the logarithms
        term, total = math.exp(choose + k * math.log(q) + (n - k) * math.log1p(-q) + slack), 0.0
        for members in range(k, n + 1):  # the terms' ratio falls: a geometric series once it is small
            ratio = (n - members) * q / ((members + 1) * (1.0 - q))
            if ratio < 0.9 and term * ratio <= 1e-9 * total * (1.0 - ratio):
                return min(1.0, (total + term / (1.0 - ratio)) * (1.0 + 1e-12))
            if total > 1.0:
                return 1.0
            total += term
            term *= ratio
        return min(1.0, total * (1.0 + 1e-12))

    def law(self, direction):
        """See `Mechanism.law`."""
        over, near = self.overflow, SubsampledGaussian(self.sigma, self.q).law(direction)
        if over == 0.0:
            return near
        share = self.q * self.limit / (self.limit + 1.0)
        if direction == "replace_one":
            far = _symmetric(0.5 * self.sigma, share)
        else:
            far = SubsampledGaussian(0.5 * self.sigma, share).law(direction)
        return Law(
            layers=(*near.shared(1.0 - over), *far.shared(over)),
            optimistic=far.optimistic and Law(layers=(*near.shared(1.0 - over), *far.optimistic.shared(over))),
        )

    def rho(self, direction):
        """Zero-concentrated DP: that of the mechanism without sampling, at twice the distance."""
        return Gaussian(0.5 * self.sigma).rho("remove")

    def of_group(self, size):
        """Only a group of one."""
        return self if size == 1 else super().of_group(size)
