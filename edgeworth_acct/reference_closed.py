"""Runs with a closed form, in ball arithmetic: Gaussian mechanisms, and one step of a monotone loss."""

from edgeworth_acct.reference_balls import arb, positive
from edgeworth_acct.reference_mixture import Mixture
from edgeworth_acct.reference_simple import Laplace, Layered

_FURTHEST = 100.0  # standard deviations


class Enclosed:
    """Delta as an interval at any epsilon."""

    def delta(self, eps):
        """Lower and upper bound of delta(eps)."""
        raise NotImplementedError

    def at_most(self, eps, delta):
        """Whether delta(eps) <= delta is proven."""
        return bool(self.delta(eps)[1] <= delta)

    def at_least(self, eps, delta):
        """Whether delta(eps) >= delta is proven."""
        return bool(self.delta(eps)[0] >= delta)


class Gaussian(Enclosed):
    """Any number of Gaussian mechanisms, none included."""

    def __init__(self, mu2):
        self._mu = mu2.sqrt()

    def delta(self, eps):
        """Lower and upper bound of delta(eps)."""
        if self._mu == 0:
            value = positive(-arb(eps).expm1())
            return value.lower(), value.upper()
        e, half = arb(eps), self._mu / 2
        value = _tail(e / self._mu - half) - e.exp() * _tail(e / self._mu + half)
        return value.lower(), value.upper()


class Once(Enclosed):
    """A law, once: sums of what its layers have, each with a monotone loss, for which the best event is a half line."""

    def __init__(self, law):
        self._law = law

    def delta(self, eps):
        """Lower and upper bound of delta(eps), eps >= 0."""
        law, e = self._law, arb(eps)
        if isinstance(law, Layered):
            ends = [[share * end for end in Once(layer).delta(eps)] for share, layer in law.layers]
            return tuple(sum(column, arb(0)) for column in zip(*ends))
        if isinstance(law, Mixture):
            return _half_lines(law, e)
        value = positive(-((e - 1 / law.scale) / 2).expm1()) if isinstance(law, Laplace) else law.once(e)
        return value.lower(), value.upper()


def _half_lines(law, e):
    """Bounds of delta at e of a pair of normal mixtures."""

    def chance(components, u):
        return sum((weight * _tail(u - centre) for weight, centre in components), arb(0))

    furthest = sum((abs(centre) for _, centre in law.first + law.second), arb(_FURTHEST)).mid()
    low, high = -furthest, furthest
    while low < (middle := ((low + high) / 2).mid()) < high:
        loss = law.loss(middle)
        if not (loss < e or loss > e):  # as near as balls can tell
            break
        low, high = (middle, high) if loss < e else (low, middle)
    inside = chance(law.first, low) - e.exp() * chance(law.second, low)
    # the best event lies between the half lines from low and from high
    most = chance(law.first, low) if law.loss(low) < e else arb(1)
    least = chance(law.second, high) if law.loss(high) > e else arb(0)
    return max(arb(0), inside.lower()), (most - e.exp() * least).upper()


def _tail(u):
    """Probability that a standard normal variable is beyond u."""
    return (u / arb(2).sqrt()).erfc() / 2
