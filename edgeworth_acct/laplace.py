"""Laplace noise on a query, with and without sampling."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgeworth_acct.arguments import Q, SCALE
from edgeworth_acct.cells import Cells
from edgeworth_acct.laws import Law, Layer
from edgeworth_acct.mechanisms import Mechanism

_CELLS = 2048  # per unit of sensitivity


@dataclass(frozen=True)
class Laplace(Mechanism):
    """Laplace noise of this `scale` (in units of the L1 sensitivity) on a query.

    Parameters
    ----------
    scale : float
        In [0.002, 1e4].

    Notes
    -----
    Dominating pair Laplace(0, b) against Laplace(1, b), for vectors of this L1 sensitivity too [1]_.

    References
    ----------
    .. [1] Y. Zhu, J. Dong, Y.-X. Wang. "Optimal Accounting of Differential Privacy via Characteristic Function."
       AISTATS 2022. arXiv:2106.08567.

    Examples
    --------
    >>> lower, upper = Laplace(scale=1.0).advantage()
    >>> lower <= 0.3934693402873666 <= upper < 0.39348
    True
    """

    scale: float

    def __post_init__(self):
        self._validate(scale=SCALE)

    def law(self, direction):
        """See `Mechanism.law`."""
        scale = self.scale / (2.0 if direction == "replace_one" else 1.0)
        return Law(layers=(Layer("laplace", scale=scale, pair=_Pair(scale, 1.0, "remove")),))

    def rho(self, direction):
        """Zero-concentrated DP of the pure guarantee."""
        return 0.5 * ((2.0 if direction == "replace_one" else 1.0) / self.scale) ** 2

    def of_group(self, size):
        """The sensitivity grows with the group."""
        return self if size == 1 else Laplace(math.nextafter(self.scale / size, 0.0))


@dataclass(frozen=True)
class SubsampledLaplace(Mechanism):
    """Laplace noise on a sum over a Poisson sample: every record takes part with probability `q`.

    Parameters
    ----------
    scale : float
        In units of the sensitivity; in [0.002, 1e4].
    q : float
        Sampling rate, in (0, 1].

    Notes
    -----
    Adding and removing: (1-q) L(0) + q L(1) against L(0), L(m) the Laplace law around m [1]_, for vectors of this L1
    sensitivity too.  Replacing, for a number: (1-q) L(0) + q L(1) against (1-q) L(0) + q L(-1).  Proof for the
    latter.  Let the two records be a and b in [-1, 1].  By joint convexity the divergence at epsilon >= 0 is q times
    the supremum over events of L(a) - A ((1-B) L(0) + B L(b)) for some A, B.  Say a >= 0.  If b > a, reflecting b at
    a leaves L(a) as it is and brings the larger values of L(0) and L(b) together on one side of a: by convexity of
    the positive part the supremum grows.  Now 0 and b lie left of a, the likelihood ratio grows, the best events are
    half lines, and on these L(a) grows with a and L(b) falls with falling b: the supremum is largest for a = 1, b = -1.

    References
    ----------
    .. [1] Y. Zhu, J. Dong, Y.-X. Wang. "Optimal Accounting of Differential Privacy via Characteristic Function."
       AISTATS 2022. arXiv:2106.08567, theorem 11.

    Examples
    --------
    >>> lower, upper = SubsampledLaplace(scale=0.5, q=0.8).delta_bounds(0.5, adjacency="remove")
    >>> lower <= 0.4039564635032081 <= upper
    True
    """

    scale: float
    q: float

    sampling: ClassVar = "Poisson sampling"

    def __post_init__(self):
        self._validate(scale=SCALE, q=Q)

    def law(self, direction):
        """See `Mechanism.law`."""
        if self.q == 1.0:
            return Laplace(self.scale).law(direction)
        pair = _Pair(self.scale, self.q, direction)
        return pair.cells(pair.places).law(pair)

    def rho(self, direction):
        """Zero-concentrated DP of the pure guarantee."""
        ends = self.law(direction).layers[0].first
        return 0.5 * max(abs(loss) for _, loss in ends) ** 2

    def of_group(self, size):
        """Only a group of one."""
        return self if size == 1 else super().of_group(size)


@dataclass(frozen=True)
class _Pair:
    """The pair of `SubsampledLaplace`, its outcome x so that the loss grows."""

    scale: float
    q: float
    direction: str

    @property
    def places(self):
        """Places between which the loss is not constant, with its kinks."""
        if self.direction == "replace_one":
            return np.linspace(-1.0, 1.0, 2 * _CELLS + 1)
        return np.linspace(0.0, 1.0, _CELLS + 1) - (self.direction == "add")

    def loss(self, x):
        """Losses; adding is removing with the laws exchanged and x reflected."""
        if self.direction == "add":
            return -self._log_ratio(-x, 1.0)
        return self._log_ratio(x, 1.0) - (self._log_ratio(x, -1.0) if self.direction == "replace_one" else 0.0)

    def cells(self, x):
        """Cells between the places x, which contain `places`."""
        y = -x[::-1] if self.direction == "add" else x
        first, second = self._mixture(y, 1.0), self._interval(y, 0.0)
        if self.direction == "add":
            first, second = second[::-1], first[::-1]
            return Cells(self.loss(x), first[0], first[1][::-1], first[2], second[0], second[1][::-1], second[2])
        if self.direction == "replace_one":
            second = self._mixture(y, -1.0)
        return Cells(self.loss(x), *first, *second)

    def _interval(self, x, centre):
        """Probabilities of (-inf, x_0], the cells and [x_n, inf) under L(centre), centre at a place or beyond all."""
        b, distance = self.scale, np.abs(x - centre)
        cells = 0.5 * np.exp(-np.minimum(distance[1:], distance[:-1]) / b) * -np.expm1(-np.diff(x) / b)
        left = 0.5 * math.exp((x[0] - centre) / b) if x[0] <= centre else 1.0 - 0.5 * math.exp((centre - x[0]) / b)
        right = 0.5 * math.exp((centre - x[-1]) / b) if x[-1] >= centre else 1.0 - 0.5 * math.exp((x[-1] - centre) / b)
        return left, cells, right

    def _mixture(self, x, centre):
        alone, moved = self._interval(x, 0.0), self._interval(x, centre)
        return tuple((1.0 - self.q) * one + self.q * other for one, other in zip(alone, moved))

    def _log_ratio(self, x, centre):
        """Log of (1-q) + q L(centre)/L(0)."""
        alone = math.log1p(-self.q) if self.q < 1.0 else -math.inf
        return np.logaddexp(alone, math.log(self.q) + (np.abs(x) - np.abs(x - centre)) / self.scale)
