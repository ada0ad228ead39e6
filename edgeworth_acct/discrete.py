"""Mechanisms whose privacy loss takes finitely many values, or values on a lattice."""

import math
from dataclasses import dataclass
from typing import ClassVar

from edgeworth_acct.arguments import (
    APPROXIMATE,
    CATEGORIES,
    INFINITY_MASS,
    PURE,
    SCALE,
    SIGMA,
    as_tuple,
    check_probabilities,
)
from edgeworth_acct.asked import AskedField
from edgeworth_acct.laws import Law, Layer
from edgeworth_acct.mechanisms import Mechanism

_REACH = 27.0  # standard deviations of a discrete Gaussian that are kept: beyond lies less than 1e-155
_TAIL = 1e-155


def _atoms(pairs, infinite=0.0):
    """The law with these (loss, probability)."""
    atoms = tuple((float(chance), float(loss)) for loss, chance in pairs if chance > 0.0)
    return Law(layers=(Layer("atoms", atoms, scale=infinite),))


@dataclass(frozen=True)
class RandomizedResponse(Mechanism):
    """Randomised response among `categories` answers; with two, what dominates every pure epsilon-DP mechanism.

    The `epsilon` is that of the neighbouring relation asked about, whichever it is.  As an attribute it is the
    parameter; called, like any mechanism's, it answers: ``RandomizedResponse(1.0).epsilon(1e-6)``.

    Parameters
    ----------
    epsilon : float
        In [0, 500].
    categories : int
        How many answers there are, >= 2.

    Notes
    -----
    The true answer has probability e^epsilon/(e^epsilon + k - 1), every other one 1/(e^epsilon + k - 1).  With k = 2
    the pair dominates every epsilon-DP mechanism [1]_.

    References
    ----------
    .. [1] P. Kairouz, S. Oh, P. Viswanath. "The Composition Theorem for Differential Privacy." ICML 2015.
       arXiv:1311.0776.

    Examples
    --------
    >>> f"{(1000 * RandomizedResponse(epsilon=1.0)).epsilon(1e-6):.7f}"
    '591.0796505'
    """

    epsilon: float = AskedField()
    categories: int = 2

    def __post_init__(self):
        self._validate(epsilon=PURE, categories=CATEGORIES)

    def law(self, direction):
        """See `Mechanism.law`."""
        low = math.exp(-self.epsilon)
        total = 1.0 + (self.categories - 1) * low
        middle = (0.0, (self.categories - 2) * low / total)
        return _atoms([(-self.epsilon, low / total), middle, (self.epsilon, 1.0 / total)])

    def rho(self, direction):
        """Zero-concentrated DP: epsilon^2/2, as of every pure mechanism (Bun, Steinke, arXiv:1605.02065)."""
        return 0.5 * self.epsilon**2

    def of_group(self, size):
        """Pure privacy of a group: size * epsilon."""
        return self if size == 1 else RandomizedResponse(math.nextafter(self.epsilon * size, math.inf))


@dataclass(frozen=True)
class ApproximateDP(Mechanism):
    """Any mechanism of which only (`epsilon`, `delta`)-DP is known, for the neighbouring relation asked about.

    As attributes these are the parameters; called, like any mechanism's, they answer: ``mechanism.delta(1.0)``.

    Parameters
    ----------
    epsilon : float
        In [0, 500].
    delta : float
        In [0, 1).

    Notes
    -----
    Dominated by randomised response with probability 1 - delta and an infinite loss with probability delta [1]_.

    References
    ----------
    .. [1] P. Kairouz, S. Oh, P. Viswanath. "The Composition Theorem for Differential Privacy." ICML 2015.
       arXiv:1311.0776.

    Examples
    --------
    >>> ApproximateDP(epsilon=1.0, delta=1e-6).delta_bounds(1.0).upper <= 1.0000001e-6
    True
    """

    epsilon: float = AskedField()
    delta: float = AskedField()

    def __post_init__(self):
        self._validate(epsilon=PURE, delta=APPROXIMATE)

    def law(self, direction):
        """See `Mechanism.law`."""
        low = math.exp(-self.epsilon)
        rest = (1.0 - self.delta) / (1.0 + low)
        return _atoms([(-self.epsilon, rest * low), (self.epsilon, rest)], self.delta)

    def rho(self, direction):
        """Infinite unless delta is 0."""
        return math.inf if self.delta else 0.5 * self.epsilon**2

    def of_group(self, size):
        """Group privacy of an approximate mechanism: (k epsilon, delta (e^(k epsilon) - 1)/(e^epsilon - 1))."""
        if size == 1:
            return self
        grown = self.delta * math.fsum(math.exp(self.epsilon * k) for k in range(size)) * (1.0 + 1e-12)
        if grown >= 1.0:
            raise ValueError(f"a group of {size} records has no privacy left: delta would be {grown!r}")
        return ApproximateDP(math.nextafter(self.epsilon * size, math.inf), grown)


@dataclass(frozen=True)
class DiscreteLoss(Mechanism):
    """A privacy-loss distribution with finitely many losses, for instance one that another library has discretised.

    Parameters
    ----------
    losses : tuple of float
        Finite, increasing.
    probabilities : tuple of float
        One for each, under the law of the data set with the record.
    infinity_mass : float
        Probability of an infinite loss.

    Notes
    -----
    The law is that of removing a record; adding one exchanges the two laws of the pair, whose second gives a loss l the
    probability p e^-l and has the rest, if any, where the first has nothing.

    Examples
    --------
    >>> law = DiscreteLoss(losses=(-1.0, 1.0), probabilities=(0.2689414213699951, 0.7310585786300049))
    >>> (10 * law).epsilon_bounds(1e-6).lower <= (10 * RandomizedResponse(1.0)).epsilon(1e-6)
    True
    """

    losses: tuple[float, ...]
    probabilities: tuple[float, ...]
    infinity_mass: float = 0.0

    refusals: ClassVar = {"replace_one": "a loss law belongs to one relation; this one is that of removing a record"}

    def __post_init__(self):
        self._validate(infinity_mass=INFINITY_MASS)
        losses, chances = as_tuple("losses", self.losses), as_tuple("probabilities", self.probabilities)
        if len(losses) != len(chances) or not losses:
            raise ValueError(f"losses and probabilities must be equally many, got {len(losses)} and {len(chances)}")
        if any(not abs(loss) <= 700.0 for loss in losses) or sorted(set(losses)) != list(losses):
            raise ValueError(f"losses must lie in [-700, 700] and be increasing, got {losses}")
        check_probabilities(chances, 1.0 - self.infinity_mass)
        other = math.fsum(chance * math.exp(-loss) for loss, chance in zip(losses, chances))
        if other > 1.0 + 1e-9:
            raise ValueError(f"probabilities must have sum of p exp(-loss) <= 1, got {other!r}: no pair has this loss")
        object.__setattr__(self, "losses", losses)
        object.__setattr__(self, "probabilities", chances)

    def law(self, direction):
        """See `Mechanism.law`.  Mass that rounding may have taken from the sum counts above, as an infinite loss."""
        if direction == "remove":
            pairs, infinite, room = list(zip(self.losses, self.probabilities)), self.infinity_mass, 0.0
        else:
            pairs = [(-loss, chance * math.exp(-loss)) for loss, chance in zip(self.losses, self.probabilities)][::-1]
            infinite, room = 0.0, 4e-16 * math.fsum(chance for _, chance in pairs)  # of the exponentials
        missing = -math.fsum([*(chance for _, chance in pairs), infinite, -1.0])
        above = infinite + max(0.0, missing + room) * (1.0 + 4e-16)
        below = infinite if direction == "remove" else max(0.0, missing - room)
        if above == below:
            return _atoms(pairs, above)
        return _atoms(pairs, above)._replace(optimistic=_atoms(pairs, below))

    def rho(self, direction):
        """The pure guarantee's where there is one, else infinite."""
        if self.law(direction).infinite:
            return math.inf
        return 0.5 * max(-self.losses[0], self.losses[-1]) ** 2


@dataclass(frozen=True)
class DiscreteLaplace(Mechanism):
    """Integer noise with probabilities proportional to e^(-|k|/scale) (two-sided geometric) on an integer query.

    Parameters
    ----------
    scale : float
        In units of the sensitivity, which is 1; in [0.002, 1e4].

    Notes
    -----
    With sensitivity 1 the loss is +-1/scale: randomised response [1]_.  Replacing a record moves the query by 2.

    References
    ----------
    .. [1] A. Ghosh, T. Roughgarden, M. Sundararajan. "Universally Utility-Maximizing Privacy Mechanisms." STOC 2009.

    Examples
    --------
    >>> (3 * DiscreteLaplace(scale=2.0)).epsilon(1e-6) == (3 * RandomizedResponse(epsilon=0.5)).epsilon(1e-6)
    True
    """

    scale: float

    def __post_init__(self):
        self._validate(scale=SCALE)

    def law(self, direction):
        """See `Mechanism.law`."""
        step = 1.0 / self.scale
        if direction != "replace_one":
            return RandomizedResponse(step).law(direction)
        r = math.exp(-step)
        return _atoms(
            [(-2.0 * step, r * r / (1.0 + r)), (0.0, r * -math.expm1(-step) / (1.0 + r)), (2.0 * step, 1.0 / (1.0 + r))]
        )

    def rho(self, direction):
        """Zero-concentrated DP of the pure guarantee."""
        return 0.5 * ((2.0 if direction == "replace_one" else 1.0) / self.scale) ** 2

    def of_group(self, size):
        """The sensitivity grows with the group: at most `size` mechanisms of one record."""
        return self if size == 1 else RandomizedResponse(math.nextafter(size / self.scale, math.inf))


@dataclass(frozen=True)
class DiscreteGaussian(Mechanism):
    """Integer noise with probabilities proportional to e^(-k^2/(2 sigma^2)) on an integer query of sensitivity 1.

    Parameters
    ----------
    sigma : float
        In [0.05, 1000].

    Notes
    -----
    The loss at k is (1 - 2k)/(2 sigma^2) [1]_; a vector query is the composition of its coordinates.  What lies
    beyond 27 sigma (less than 1e-155) counts as an infinite loss.

    References
    ----------
    .. [1] C. L. Canonne, G. Kamath, T. Steinke. "The Discrete Gaussian for Differential Privacy." NeurIPS 2020.
       arXiv:2004.00010.

    Examples
    --------
    >>> (10 * DiscreteGaussian(sigma=5.0)).epsilon(1e-6) < 3.16
    True
    """

    sigma: float

    def __post_init__(self):
        self._validate(sigma=SIGMA)
        if not 0.05 <= self.sigma <= 1000.0:
            raise ValueError(f"sigma must be in [0.05, 1000] for DiscreteGaussian, got {self.sigma!r}")

    def law(self, direction):
        """See `Mechanism.law`."""
        shift, variance = (2 if direction == "replace_one" else 1), self.sigma**2
        last = math.ceil(_REACH * self.sigma) + 2
        weights = [math.exp(-k * k / (2.0 * variance)) for k in range(-last, last + 1)]
        total = math.fsum(weights)
        pairs = [
            ((shift - 2 * k) * shift / (2.0 * variance), weight / total)
            for k, weight in zip(range(last, -last - 1, -1), weights)
        ]
        return _atoms(pairs, _TAIL)._replace(optimistic=_atoms(pairs))

    def rho(self, direction):
        """Zero-concentrated DP, that of the Gaussian with the same sigma."""
        return 0.5 * ((2.0 if direction == "replace_one" else 1.0) / self.sigma) ** 2
