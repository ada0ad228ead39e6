"""Batches that are no Poisson samples: of a fixed size without replacement, and Poisson batches with a hard maximum."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgeworth_acct.arguments import LIMIT, POPULATION, Q, SAMPLE, SIGMA
from edgeworth_acct.cells import Cells, apart, between
from edgeworth_acct.laws import Law
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
    u = np.concatenate([_PLACES, _REACH + np.linspace(0.0, 1.0 / s, 101)[1:]])
    pair = _SymmetricPair(s, q)
    return pair.half(u, _normal(u + 0.5 / s), _normal(u - 0.5 / s)).law(pair)


@dataclass(frozen=True)
class _SymmetricPair:
    """The pair of `_symmetric`; u: distance from where the loss is 0, in units of s, signed like the loss."""

    s: float
    q: float

    @property
    def places(self):
        """Places, 0 among them."""
        far = apart(0.0, _REACH + 1.0 / self.s)
        return np.concatenate([-far[:0:-1], far])

    def loss(self, u):
        """Losses, which grow with u."""
        size = np.abs(u) / self.s
        near = np.log1p(self.q * np.expm1(np.minimum(size, 30.0)))
        far = np.logaddexp(math.log1p(-self.q), math.log(self.q) + size)
        return np.copysign(np.where(size < 30.0, near, far), u)

    def cells(self, u):
        """Cells between the places u, and P(loss = 0) as one between."""
        up, down, shift = u[u >= 0.0], -u[u <= 0.0][::-1], 0.5 / self.s
        tails = [0.5 * math.erfc((up[-1] + c) * math.sqrt(0.5)) for c in (shift, -shift)]
        alone, moved = between(up, -shift), between(up, shift)
        p, q = self._mix(alone, moved), alone
        low_p = between(down, -shift)
        low_q = self._mix(low_p, between(down, shift))
        return self._join(
            np.concatenate([self.loss(-down[::-1]), self.loss(up)]), low_p, p, low_q, q, tails[0], self._mix(*tails)
        )

    def half(self, u, alone, moved):
        """Cells from probabilities between the places u >= 0 and beyond, mirrored for the other sign."""
        p, loss = self._mix(alone[0], moved[0]), self.loss(u)
        ends = np.concatenate([-loss[::-1], loss])
        return self._join(ends, alone[0], p, p, alone[0], alone[1], self._mix(alone[1], moved[1]))

    def _join(self, ends, low_p, p, low_q, q, lost_low, lost):
        zero = np.array([(1.0 - self.q) * math.erf(0.5 / self.s * math.sqrt(0.5))])
        both = [np.concatenate([low[::-1], zero, high]) for low, high in ((low_p, p), (low_q, q))]
        return Cells(ends, lost_low, both[0], 0.0, lost, both[1], 0.0, lost)

    def _mix(self, alone, moved):
        return (1.0 - self.q) * alone + self.q * moved


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
    Gaussian.  If not, the record enters the cut batch with probability q limit/(s + 1) < q and then takes the place
    of another: a sum moves by up to 2 clip norms, and the pair of sampling without replacement at rate q dominates.
    That pair dominates the first one too, as it is no less of the same kind at twice the distance.  So the mixture of
    the two, with any upper bound of the probability of s >= limit, dominates (compare arXiv:2508.15089).  (At a rate
    of q limit/(limit + 1) it would not near epsilon 0, where distances hardly matter: the bound would have to be
    exact.)

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
        """Bounds of the probability that of `population` members `limit` or more are sampled: the others', or more."""
        n, q, k = self.population, self.q, self.limit
        if k > n:
            return 0.0, 0.0
        choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        log, slack = choose + k * math.log(q) + (n - k) * math.log1p(-q), 1e-15 * math.lgamma(n + 1) + 1e-12
        if log < -700.0:  # left of the mode the terms grow: below k there is less than k of this one
            return (0.0, 1e-290) if k > n * q else (1.0 - 1e-15, 1.0)
        term, total = math.exp(log), 0.0
        for members in range(k, n + 1):  # the terms' ratio falls: a geometric series once it is small
            total += term
            ratio = (n - members) * q / ((members + 1) * (1.0 - q))
            if total > 1.0 or (ratio < 0.9 and term * ratio <= 1e-14 * total * (1.0 - ratio)):
                break
            term, slack = term * ratio, slack + 1e-15
        return max(0.0, min(1.0, total) * (1.0 - slack)), min(1.0, total * (1.0 + slack))

    def law(self, direction):
        """See `Mechanism.law`."""
        near = SubsampledGaussian(self.sigma, self.q).law(direction)
        if direction == "replace_one":
            far = _symmetric(0.5 * self.sigma, self.q)
        else:
            far = SubsampledGaussian(0.5 * self.sigma, self.q).law(direction)
        low, high = self.overflow
        if high == 0.0:
            return near
        less = (*near.shared(1.0 - low), *((far.optimistic or far).shared(low) if low else ()))
        return Law(layers=(*near.shared(1.0 - high), *far.shared(high)), optimistic=Law(layers=less))

    def rho(self, direction):
        """Zero-concentrated DP: that of the mechanism without sampling, at twice the distance."""
        return Gaussian(0.5 * self.sigma).rho("remove")

    def of_group(self, size):
        """Only a group of one."""
        return self if size == 1 else super().of_group(size)
