"""Mechanisms that a run can be made of.

Add them up and multiply them by counts:

>>> run = 500 * SubsampledGaussian(sigma=1.0, q=0.01) + 3 * Gaussian(sigma=20.0)
>>> f"{run.epsilon(1e-5):.4f}"
'1.3636'

Every mechanism knows the pair of laws that dominates its outputs on neighbouring data sets, for each neighbouring
relation that has one, and its source.  `sigma` and `scale` are in units of the sensitivity under adding or removing
a record (the clip norm); replacing a record moves a sum twice as far.
"""

import math
from dataclasses import dataclass, fields
from typing import ClassVar

from edgeworth_acct.arguments import Q, SIGMA, as_tuple, check_probabilities, single
from edgeworth_acct.composition import Composable
from edgeworth_acct.laws import Law, mixture


class Mechanism(Composable):
    """What all mechanisms have: the algebra and the questions of a `Run` of one of them.

    Attributes
    ----------
    refusals : dict
        The neighbouring relations for which no dominating pair is known, and why.
    sampling : str
        How records are drawn.
    """

    refusals: ClassVar[dict[str, str]] = {}
    sampling: ClassVar[str] = "no sampling"

    @property
    def parts(self):
        """The mechanism itself, once."""
        return ((self, 1),)

    @property
    def sort_key(self):
        """Its parameters, for an order that does not depend on where it was added."""
        return tuple(vars(self).values())  # which dataclasses keep in the order of their fields

    def law(self, direction: str) -> Law:
        """The dominating pair in one direction: "add", "remove" or "replace_one"."""
        raise NotImplementedError

    def rho(self, direction: str) -> float:
        """Rho of zero-concentrated differential privacy in one direction; infinite if there is none."""
        raise NotImplementedError

    def of_group(self, size: int) -> "Mechanism":
        """The mechanism as a group of `size` records, added or removed together, sees it."""
        raise ValueError(f"no dominating pair for a group of records is known for {type(self).__name__}")

    def tangent(self, layer):
        """For each component of a layer of its law, how its weight moves with `q`: not at all, or see a subclass."""
        return [0.0] * (len(layer.first) + len(layer.second))

    def slopes(self, sigma, weights):
        """Named derivatives out of those with respect to all scales and along `tangent`."""
        return {}

    def check_adjacency(self, adjacency):
        """Raise ValueError, with the reason, where no dominating pair is known."""
        if adjacency in self.refusals:
            raise ValueError(
                f"adjacency {adjacency!r} is not available for {type(self).__name__}: {self.refusals[adjacency]}"
            )

    def as_sampled_gaussian(self, count):
        """(sigma, q, steps) of `count` of these where the functions of `edgeworth_acct.accounting` apply, else None."""
        return None

    def to_dict(self):
        """Name and parameters, ready for JSON."""
        return {"name": type(self).__name__} | {field.name: getattr(self, field.name) for field in fields(self)}

    def _validate(self, **arguments):
        for name, argument in arguments.items():
            given = getattr(self, name)
            value = single(argument, given)
            if value is not given:
                object.__setattr__(self, name, value)


def mechanism_from_dict(parameters):
    """The mechanism that `Mechanism.to_dict` described."""
    parameters = dict(parameters)
    name = parameters.pop("name")
    known = {kind.__name__: kind for kind in Mechanism.__subclasses__()}
    if name not in known:
        raise ValueError(f"mechanism must be one of {', '.join(map(repr, sorted(known)))}, got {name!r}")
    return known[name](**parameters)


@dataclass(frozen=True)
class Gaussian(Mechanism):
    """Normal noise of standard deviation `sigma` (in units of the sensitivity) on a query of any dimension.

    Parameters
    ----------
    sigma : float
        Noise multiplier, finite and > 0.

    Notes
    -----
    Dominating pair N(1, sigma^2) against N(0, sigma^2), at twice the distance for "replace_one".  Any number of
    Gaussian mechanisms is one, with 1/sigma^2 added up [1]_.

    References
    ----------
    .. [1] J. Dong, A. Roth, W. J. Su. "Gaussian Differential Privacy." JRSS B 84, 2022. arXiv:1905.02383.

    Examples
    --------
    >>> f"{Gaussian(sigma=1.0).delta(1.0):.6f}"
    '0.126937'
    """

    sigma: float

    def __post_init__(self):
        self._validate(sigma=SIGMA)

    def law(self, direction):
        """See `Mechanism.law`."""
        return Law(mu=(2.0 if direction == "replace_one" else 1.0) / self.sigma)

    def rho(self, direction):
        """Zero-concentrated DP, exact."""
        return 0.5 * self.law(direction).mu ** 2

    def of_group(self, size):
        """The sensitivity grows with the group."""
        return self if size == 1 else Gaussian(math.nextafter(self.sigma / size, 0.0))

    def as_sampled_gaussian(self, count):
        """See `Mechanism.as_sampled_gaussian`."""
        return _certified(self.sigma, 1.0, count)


@dataclass(frozen=True)
class SubsampledGaussian(Mechanism):
    """One step of DP-SGD: every record enters the batch with probability `q`, normal noise of multiplier `sigma`.

    Parameters
    ----------
    sigma : float
        Noise multiplier, finite and > 0.
    q : float
        Sampling rate, in (0, 1].

    Notes
    -----
    The pairs of `edgeworth_acct.accounting`, where they are proven.  A group of k records, adding or removing: a
    mixture of normal laws at 0 .. k with binomial weights [1]_; no tight pair is known for replacing a group.

    References
    ----------
    .. [1] A. Ganesh. "Tight Group-Level DP Guarantees for DP-SGD with Sampling via Mixture of Gaussians Mechanisms."
       2024. arXiv:2401.10294.

    Examples
    --------
    >>> f"{(660 * SubsampledGaussian(sigma=0.7865, q=2000 / 67349)).epsilon(1e-5):.6f}"
    '8.289118'
    """

    sigma: float
    q: float

    sampling: ClassVar = "Poisson sampling"

    def __post_init__(self):
        self._validate(sigma=SIGMA, q=Q)

    def law(self, direction):
        """See `Mechanism.law`."""
        if self.q == 1.0:
            return Gaussian(self.sigma).law(direction)
        pair = ((1.0 - self.q, 0.0), (self.q, 1.0))
        return mixture(direction, pair, self.sigma)

    def rho(self, direction):
        """Zero-concentrated DP: that of the mechanism without sampling, which the Renyi divergence approaches."""
        return Gaussian(self.sigma).rho(direction)

    def tangent(self, layer):
        """The unsampled component loses what the sampled one gains."""
        ways = []
        for components in (layer.first, layer.second):
            ways += [0.0] if len(components) == 1 else [-1.0, 1.0]
        return ways

    def slopes(self, sigma, weights):
        """See `Mechanism.slopes`."""
        return {"sigma": sigma, "q": weights}

    def of_group(self, size):
        """A mixture over how many of the group are sampled."""
        if size == 1:
            return self
        if self.q == 1.0:
            return Gaussian(self.sigma).of_group(size)
        room = 1.0 + 4e-16 * (size + 4.0)  # rounded upwards but for nobody's being sampled
        chances = [math.comb(size, k) * self.q**k * (1.0 - self.q) ** (size - k) * room for k in range(1, size + 1)]
        chances = (max(0.0, 1.0 - math.fsum(chances)), *chances)
        return MixtureOfGaussians(self.sigma, tuple(map(float, range(size + 1))), chances)

    def as_sampled_gaussian(self, count):
        """See `Mechanism.as_sampled_gaussian`."""
        return _certified(self.sigma, self.q, count)


@dataclass(frozen=True)
class MixtureOfGaussians(Mechanism):
    """Normal noise on a sum whose sensitivity is random: `sensitivities` with `probabilities`, unknown to the attacker.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise, in units of the clip norm.
    sensitivities : tuple of float
        Norms of what the record (or group) adds, in the same units, >= 0 and increasing.
    probabilities : tuple of float
        One for each, adding up to 1.

    Notes
    -----
    Dominating pair: the mixture of N(c_i, sigma^2) against N(0, sigma^2), also for vectors of these norms [1]_.

    References
    ----------
    .. [1] C. A. Choquette-Choo, A. Ganesh, T. Steinke, A. Thakurta. "Privacy Amplification for Matrix Mechanisms."
       ICLR 2024. arXiv:2310.15526.

    Examples
    --------
    >>> both = MixtureOfGaussians(sigma=2.0, sensitivities=(0.0, 1.0), probabilities=(0.99, 0.01))
    >>> abs((100 * both).epsilon(1e-6) - (100 * SubsampledGaussian(2.0, 0.01)).epsilon(1e-6)) < 1e-8
    True
    """

    sigma: float
    sensitivities: tuple[float, ...]
    probabilities: tuple[float, ...]

    refusals: ClassVar = {
        "replace_one": "no dominating pair is proven for a random sensitivity when a record is replaced"
    }

    def __post_init__(self):
        self._validate(sigma=SIGMA)
        places, chances = as_tuple("sensitivities", self.sensitivities), as_tuple("probabilities", self.probabilities)
        if len(places) != len(chances) or not places:
            raise ValueError(
                f"sensitivities and probabilities must be equally many, got {len(places)} and {len(chances)}"
            )
        if any(not 0.0 <= place < math.inf for place in places) or sorted(set(places)) != list(places):
            raise ValueError(f"sensitivities must be finite, >= 0 and increasing, got {places}")
        check_probabilities(chances, 1.0)
        total = math.fsum(chances)
        if abs(total - 1.0) > 1e-15:  # within the tolerance of the check, but not within rounding
            chances = tuple(chance / total for chance in chances)
        object.__setattr__(self, "sensitivities", places)
        object.__setattr__(self, "probabilities", chances)

    def law(self, direction):
        """See `Mechanism.law`."""
        pairs = tuple((chance, place) for place, chance in zip(self.sensitivities, self.probabilities) if chance > 0.0)
        return mixture(direction, pairs, self.sigma)

    def rho(self, direction):
        """Zero-concentrated DP: that of the largest sensitivity, which the Renyi divergence approaches."""
        return 0.5 * (max(self.sensitivities) / self.sigma) ** 2


def _certified(sigma, q, count):
    return (sigma, q, count) if 0.1 <= sigma <= 1e4 and 1e-12 <= q and count <= 10**13 else None
