"""A drop-in accountant for dp_accounting: certified, and of any composition at once.

>>> import dp_accounting
>>> step = dp_accounting.PoissonSampledDpEvent(0.01, dp_accounting.GaussianDpEvent(1.0))
>>> accountant = EdgeworthAccountant()
>>> f"{accountant.compose(step, 1000).get_epsilon(1e-5):.7f}"
'1.8282367'
"""

import math
import operator

try:
    from dp_accounting import NeighboringRelation, PrivacyAccountant, dp_event
except ModuleNotFoundError as error:
    if error.name != "dp_accounting":
        raise
    raise ModuleNotFoundError(
        "edgeworth_acct.interop.dp_accounting needs dp_accounting: pip install dp-accounting", name=error.name
    ) from None

from edgeworth_acct.bounds import Bounds
from edgeworth_acct.interop.events import spent_by
from edgeworth_acct.interop.losses import from_pld
from edgeworth_acct.interop.readers import ADJACENCY, Refused
from edgeworth_acct.interop.spent import Spent


class EdgeworthAccountant(PrivacyAccountant):
    """Accountant whose epsilon and delta are the upper ends of certified intervals.

    Parameters
    ----------
    neighboring_relation : dp_accounting.NeighboringRelation
        All three are supported; REPLACE_SPECIAL has the loss laws of adding and removing a record.

    Notes
    -----
    Supported are NoOp, NonPrivate, SelfComposed and Composed events, and as leaves

    ==========================================  =================================================================
    Gaussian, Laplace, both Poisson sampled     every relation; Gaussians composed on one sample are one Gaussian
    SampledWithoutReplacement of Gaussians      adding and removing, REPLACE_ONE
    TruncatedSubsampledGaussian                 adding and removing, REPLACE_ONE
    MixtureOfGaussians                          adding and removing, REPLACE_SPECIAL
    DiscreteLaplace, ZCDp, RepeatAndSelect      every relation
    RandomizedResponse                          REPLACE_ONE, REPLACE_SPECIAL
    SingleEpochTreeAggregation                  REPLACE_SPECIAL
    ==========================================  =================================================================

    With a zCDP or repeat-and-select event, epsilon and delta of the whole come from its Renyi divergence at the best
    real order.  So they do where the library cannot certify an interval (for instance noise multipliers below 0.1).

    Examples
    --------
    >>> from dp_accounting import GaussianDpEvent, calibrate_dp_mechanism
    >>> sigma = calibrate_dp_mechanism(EdgeworthAccountant, GaussianDpEvent, 1.0, 1e-5)
    >>> f"{sigma:.4f}"
    '3.7306'
    """

    def __init__(self, neighboring_relation: NeighboringRelation = NeighboringRelation.ADD_OR_REMOVE_ONE):
        super().__init__(neighboring_relation)
        if neighboring_relation not in ADJACENCY:
            raise ValueError(f"neighboring_relation must be a NeighboringRelation, got {neighboring_relation!r}")
        self._spent = Spent(ADJACENCY[neighboring_relation])

    def compose(self, event: dp_event.DpEvent, count: int = 1) -> "EdgeworthAccountant":
        """Account for `event`, `count` times (NumPy integers are counts)."""
        return super().compose(event, operator.index(count))

    def _maybe_compose(self, event: dp_event.DpEvent, count: int, do_compose: bool):
        try:
            spent = spent_by(event, self.neighboring_relation).times(count)
        except Refused as refused:
            return self.CompositionErrorDetails(refused.event, refused.reason)
        if do_compose:
            self._spent = Spent.total([self._spent, spent])
        return None

    def compose_pld(self, pld, count: int = 1) -> "EdgeworthAccountant":
        """Account for `count` mechanisms with this loss law; the ledger holds an UnsupportedDpEvent for them.

        Parameters
        ----------
        pld : dp_accounting.pld.PrivacyLossDistribution
            A pessimistic one, made for this accountant's neighbouring relation.  That of a single step is the best:
            composing it here is exact, while dp_accounting's own composition adds noise of 1e-16 to every probability.
        count : int
            >= 1.

        Returns
        -------
        EdgeworthAccountant
            This one.
        """
        law = from_pld(pld)
        infinite = max(law.infinite_removed, law.infinite_added)
        pure = math.inf if infinite else max(abs(loss) for _, loss in (*law.removed, *law.added))
        spent = Spent(self._spent.adjacency, 1 * law, pure=pure, log_finite=math.log1p(-min(infinite, 1.0 - 1e-16)))
        spent = spent.times(operator.index(count))
        self._ledger.compose(dp_event.UnsupportedDpEvent(), operator.index(count))
        self._spent = Spent.total([self._spent, spent])
        return self

    def get_epsilon(self, target_delta: float) -> float:
        """Epsilon at `target_delta` in [0, 1], rounded up; infinite if there is none."""
        return self._spent.epsilon(target_delta)

    def get_delta(self, target_epsilon: float) -> float:
        """Delta at `target_epsilon` (any real number, or infinite), rounded up."""
        return self._spent.delta(target_epsilon)

    def get_epsilon_bounds(self, target_delta: float) -> Bounds:
        """Epsilon from both sides; the lower end is 0 where an event is known by an upper bound only."""
        return self._spent.epsilon_bounds(target_delta)

    def get_advantage(self) -> float:
        """Advantage of the best membership attack, true minus false positive rate, rounded up."""
        return self._spent.delta(0.0)

    def get_beta(self, alpha: float) -> float:
        """Least false negative rate of any attack with false positive rate `alpha`, rounded down."""
        return self._spent.beta(alpha)
