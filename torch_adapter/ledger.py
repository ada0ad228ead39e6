"""What was released so far."""

import edgeworth_acct as ea
from edgeworth_acct.bounds import Bounds


class Ledger:
    """Released steps as (sigma, q, count), in order; equal neighbours are counted together.

    Parameters
    ----------
    entries : iterable of (float, float, int)
        What an earlier process released.

    Raises
    ------
    ValueError
        Two different mechanisms: they need an accountant of compositions, `edgeworth_acct.epsilon_bounds` is for one.

    Examples
    --------
    >>> ledger = Ledger()
    >>> for _ in range(3):
    ...     ledger.charge(1.0, 0.01)
    >>> ledger.entries
    [(1.0, 0.01, 3)]
    """

    def __init__(self, entries=()):
        self.entries = []
        for sigma, q, count in entries:
            self.charge(sigma, q, count)

    def charge(self, sigma, q, count=1):
        """Record `count` steps about to be released."""
        if not self.entries:
            self.entries.append((sigma, q, count))
        elif self.entries[-1][:2] == (sigma, q):
            self.entries[-1] = (sigma, q, self.entries[-1][2] + count)
        else:
            raise ValueError(f"sigma and q must stay {self.entries[-1][:2]}, got {(sigma, q)}")

    @property
    def steps(self):
        """Steps released."""
        return sum(count for _, _, count in self.entries)

    def epsilon(self, delta, adjacency="add_or_remove"):
        """Certified bounds of epsilon for everything released; (0, 0) before the first step."""
        if not self.entries:
            return Bounds(0.0, 0.0)
        ((sigma, q, count),) = self.entries
        return ea.epsilon_bounds(sigma, q, count, delta, adjacency=adjacency)
