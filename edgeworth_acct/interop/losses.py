"""Loss laws given as tables: of discrete mechanisms, and of distributions that dp_accounting has made."""

import math
from dataclasses import dataclass

import numpy as np

from edgeworth_acct.laws import Law, Layer
from edgeworth_acct.mechanisms import Mechanism

_LARGEST = 700.0  # losses that exponentials reach


@dataclass(frozen=True)
class TabulatedLoss(Mechanism):
    """A privacy loss with finitely many values, for the one neighbouring relation it was made for.

    Parameters
    ----------
    removed, added : tuple of (float, float)
        Probability and loss, under the first law of the pair for removing a record and of that for adding one.  For a
        symmetric relation (replacing a record) both are the same.
    infinite_removed, infinite_added : float
        Probability of an infinite loss.
    """

    removed: tuple[tuple[float, float], ...]
    added: tuple[tuple[float, float], ...]
    infinite_removed: float = 0.0
    infinite_added: float = 0.0

    def law(self, direction):
        """See `Mechanism.law`."""
        if direction == "add":
            return Law(layers=(Layer("atoms", self.added, scale=self.infinite_added),))
        return Law(layers=(Layer("atoms", self.removed, scale=self.infinite_removed),))

    def rho(self, direction):
        """Half of the pure epsilon squared (Bun, Steinke, arXiv:1605.02065); infinite if that is."""
        if self.infinite_removed or self.infinite_added:
            return math.inf
        return 0.5 * max(abs(loss) for _, loss in (*self.removed, *self.added)) ** 2


def from_pld(pld) -> TabulatedLoss:
    """The pessimistic loss law of a `dp_accounting.pld.PrivacyLossDistribution`.

    Mass that rounding took from it (up to 1e-12) counts as its largest loss; more than that, and losses above 700, as
    infinite.

    Raises
    ------
    TypeError
        `pld` is none.
    ValueError
        It is an optimistic one: its figures are no upper bounds.
    """
    from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution

    if not isinstance(pld, PrivacyLossDistribution):
        raise TypeError(f"pld must be a PrivacyLossDistribution, got {type(pld).__name__}")
    removed, infinite_removed = _table(pld._pmf_remove)
    added, infinite_added = _table(pld._pmf_add)
    return TabulatedLoss(removed, added, infinite_removed, infinite_added)


def _table(pmf):
    if not pmf._pessimistic_estimate:
        raise ValueError("pld must be made with pessimistic_estimate=True")
    dense = pmf.to_dense_pmf()
    chances = np.maximum(np.asarray(dense._probs, dtype=float), 0.0)
    losses = dense._discretization * (dense._lower_loss + np.arange(len(chances)))
    infinite = max(float(dense._infinity_mass), 0.0)
    total = math.fsum(chances) + infinite
    if abs(total - 1.0) > 1e-6:
        raise ValueError(f"pld must have probabilities that add up to 1, got {total!r}")
    if total > 1.0:
        chances = chances / total
    elif infinite or total < 1.0 - 1e-12:
        infinite += 1.0 - total
    else:
        chances[-1] += 1.0 - total
    infinite += float(np.sum(chances[losses > _LARGEST]))
    chances, losses = chances[losses <= _LARGEST], np.maximum(losses[losses <= _LARGEST], -_LARGEST)
    kept = chances > 0.0
    if not kept.any():
        raise ValueError("pld must have a finite loss: this one has no privacy")
    return tuple(zip(chances[kept].tolist(), losses[kept].tolist())), infinite
