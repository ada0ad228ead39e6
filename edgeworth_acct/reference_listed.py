"""Finitely many losses off any lattice: all ways in which a short run can go, in ball arithmetic."""

import math
from itertools import combinations, pairwise, product

from edgeworth_acct.reference_balls import arb, positive
from edgeworth_acct.reference_closed import Enclosed

_MOST = 20_000


class Listed(Enclosed):
    """All total losses with their probabilities; parts are ((losses, probabilities, infinite), count)."""

    def __init__(self, parts):
        self._infinite = 1 - math.prod(((1 - infinite) ** n for (_, _, infinite), n in parts), start=arb(1))
        ways = (_ways(losses, chances, n) for (losses, chances, _), n in parts)
        self._outcomes = [
            (sum(losses), math.prod(chances)) for losses, chances in (zip(*way) for way in product(*ways))
        ]

    @staticmethod
    def does(parts):
        """Whether there are few enough."""
        return math.prod(math.comb(n + len(losses) - 1, n) for (losses, _, _), n in parts) <= _MOST

    def delta(self, eps):
        """Lower and upper bound of delta(eps)."""
        gains = (chance * positive(-(arb(eps) - loss).expm1()) for loss, chance in self._outcomes)
        value = sum(gains, self._infinite)
        return value.lower(), value.upper()


def _ways(losses, chances, n):
    """(loss, probability) of each way to share n steps among the losses: bars between stars."""
    k = len(losses)
    for bars in combinations(range(n + k - 1), k - 1):
        shares = [after - before - 1 for before, after in pairwise((-1, *bars, n + k - 1))]
        ways = math.factorial(n) // math.prod(map(math.factorial, shares))
        loss = sum((share * loss for share, loss in zip(shares, losses)), arb(0))
        yield loss, math.prod((chance**share for share, chance in zip(shares, chances)), start=arb(ways))
