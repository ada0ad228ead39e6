"""What has been spent: a run, and beside it steps of which only a Renyi divergence or a pure epsilon is known."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from edgeworth_acct.bounds import Bounds
from edgeworth_acct.composition import Run
from edgeworth_acct.errors import PrecisionError

_UP = 1.0 + 1e-14  # covers the rounding of a dozen operations
_ORDERS = np.geomspace(1e-4, 1e6, 41)  # of order - 1
_EMPTY = Run()
_GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)


@dataclass(frozen=True)
class Spent:
    """A privacy loss that has been composed; every figure is an upper bound.

    Parameters
    ----------
    adjacency : str
        Neighbouring relation, as in `edgeworth_acct.epsilon`.
    run : Run
        The steps whose loss laws are known.
    renyi : tuple of (function, int)
        Other steps: functions from an order > 1 to a Renyi divergence, with counts.
    shift : float
        Pure epsilon of other steps.
    pure : float
        Pure epsilon of everything; infinite if there is none.
    log_finite : float
        Logarithm of the probability that no loss is infinite.
    private : bool
        False if something was released without privacy.
    """

    adjacency: str
    run: Run = _EMPTY
    renyi: tuple[tuple[Callable[[float], float], int], ...] = ()
    shift: float = 0.0
    pure: float = 0.0
    log_finite: float = 0.0
    private: bool = True

    @classmethod
    def total(cls, spents: Iterable["Spent"]) -> "Spent":
        """All of them together; at least one, all of one adjacency."""
        spents = list(spents)
        return cls(
            spents[0].adjacency,
            Run(part for spent in spents for part in spent.run.parts),
            tuple(step for spent in spents for step in spent.renyi),
            _UP * math.fsum(spent.shift for spent in spents),
            _UP * math.fsum(spent.pure for spent in spents),
            math.fsum(spent.log_finite for spent in spents),
            all(spent.private for spent in spents),
        )

    def times(self, count: int) -> "Spent":
        """The same `count` times."""
        if count == 0:
            return Spent(self.adjacency)
        return Spent(
            self.adjacency,
            count * self.run,
            tuple((divergence, count * times) for divergence, times in self.renyi),
            _UP * count * self.shift,
            _UP * count * self.pure,
            count * self.log_finite,
            self.private,
        )

    @property
    def known(self) -> bool:
        """Whether the loss law of every step is known, so that there are lower bounds too."""
        return not self.renyi and not self.shift and self.private

    def epsilon(self, delta: float) -> float:
        """Epsilon at `delta`, both ends of [0, 1] included."""
        if not 0.0 <= delta <= 1.0:
            raise ValueError(f"delta must be in [0, 1], got {delta!r}")
        if not self.private:
            return math.inf
        if delta == 1.0:
            return 0.0
        if delta == 0.0 or self.pure == 0.0:
            return self.pure
        rest = max(0.0, self._epsilon(float(delta)))
        return min(self.pure, _UP * (self.shift + rest) if self.shift else rest)

    def delta(self, epsilon: float) -> float:
        """Delta at `epsilon`, any real number or infinite."""
        if math.isnan(epsilon):
            raise ValueError(f"epsilon must be a number, got {epsilon!r}")
        if not self.private or epsilon == -math.inf:
            return 1.0
        if epsilon == math.inf:
            return -math.expm1(self.log_finite) * _UP
        return 0.0 if epsilon >= self.pure else min(1.0, self._delta(float(epsilon)))

    def epsilon_bounds(self, delta: float) -> Bounds:
        """Epsilon from both sides; the lower end is 0 where only upper bounds are known."""
        upper = self.epsilon(delta)
        if not self.known or not 0.0 < delta < 1.0:
            return Bounds(upper if self.known or upper == math.inf else 0.0, upper)
        try:
            lower = self.run.epsilon_bounds(delta, adjacency=self.adjacency).lower
        except PrecisionError:
            lower = 0.0
        return Bounds(min(lower, upper), upper)

    def beta(self, alpha: float) -> float:
        """Least false negative rate at false positive rate `alpha`, rounded down."""
        if not self.private:
            return 0.0
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha must be in [0, 1], got {alpha!r}")
        if self.known:
            return self.run.tradeoff(alpha, adjacency=self.adjacency).lower
        grid = np.linspace(0.0, 40.0, 161)  # of epsilons; each gives two bounds (arXiv:1905.02383, proposition 2.5)
        deltas = [self.delta(epsilon) for epsilon in grid]
        lines = [
            max(1.0 - delta - math.exp(epsilon) * alpha, math.exp(-epsilon) * (1.0 - delta - alpha))
            for epsilon, delta in zip(grid, deltas)
        ]
        return max(0.0, max(lines) - 1e-14)

    def divergence(self, order: float) -> float:
        """Renyi divergence of `order` > 1."""
        if not self.private:
            return math.inf
        others = math.fsum(count * divergence(order) for divergence, count in self.renyi)
        return min(self.pure, _UP * (self._divergence_of_run(order) + others + self.shift))

    def _divergence_of_run(self, order):
        if not self.run.parts:
            return 0.0
        try:
            return self.run.rdp(order, adjacency=self.adjacency)
        except PrecisionError:
            return self.run.zcdp(adjacency=self.adjacency) * order

    def _epsilon(self, delta):
        if not self.renyi:
            try:
                return self.run.epsilon(delta, adjacency=self.adjacency)
            except PrecisionError:
                pass  # for instance sigma below 0.1; Renyi divergence has a bound still
        log_delta = math.log(delta)

        def converted(order):
            """Canonne, Kamath, Steinke, arXiv:2004.00010, proposition 12."""
            gain, loss = math.log1p(-1.0 / order), -(log_delta + math.log(order)) / (order - 1.0)
            divergence = self.divergence(order) - self.shift
            return divergence + gain + loss + 1e-14 * (divergence + abs(gain) + abs(loss))

        return least_over_orders(converted)

    def _delta(self, epsilon):
        if not self.renyi:
            try:
                return self.run.delta(epsilon - self.shift * _UP, adjacency=self.adjacency)
            except PrecisionError:
                pass

        def converted(order):
            power = order - 1.0
            exponent = power * (self.divergence(order) - epsilon + math.log1p(-1.0 / order)) - math.log(order)
            return exponent + 1e-14 * (1.0 + abs(exponent) + power * abs(epsilon))

        return math.exp(min(0.0, least_over_orders(converted)))


def least_over_orders(function):
    """Smallest value found over orders > 1 (each of them is a valid bound): a grid, then golden sections."""
    values = [function(1.0 + power) for power in _ORDERS]
    best = int(np.argmin(values))
    low, high = (math.log(_ORDERS[place]) for place in (max(best - 1, 0), min(best + 1, len(_ORDERS) - 1)))
    least = values[best]
    places = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    values = [function(1.0 + math.exp(place)) for place in places]
    for _ in range(24):
        if values[0] <= values[1]:
            high, places[1], values[1] = places[1], places[0], values[0]
            places[0] = high - _GOLDEN * (high - low)
            values[0] = function(1.0 + math.exp(places[0]))
        else:
            low, places[0], values[0] = places[0], places[1], values[1]
            places[1] = low + _GOLDEN * (high - low)
            values[1] = function(1.0 + math.exp(places[1]))
    return min(least, *values)
