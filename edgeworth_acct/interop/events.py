"""Events of dp_accounting as mechanisms with proven dominating pairs.

The relation REPLACE_SPECIAL (a record becomes the special one that adds nothing) has the pairs of adding and removing.
An event is refused, and the innermost one named, where no pair is proven for it.
"""

import math
import operator
from collections.abc import Iterable

from dp_accounting import NeighboringRelation, dp_event

from edgeworth_acct import (
    Gaussian,
    Laplace,
    MixtureOfGaussians,
    RandomizedResponse,
    SampledWithoutReplacementGaussian,
    SubsampledGaussian,
    SubsampledLaplace,
    TruncatedPoissonGaussian,
)
from edgeworth_acct.arguments import COUNT, PURE, SCALE, single
from edgeworth_acct.interop.losses import TabulatedLoss
from edgeworth_acct.interop.selection import selection
from edgeworth_acct.interop.spent import Spent

ADJACENCY = {
    NeighboringRelation.ADD_OR_REMOVE_ONE: "add_or_remove",
    NeighboringRelation.REPLACE_SPECIAL: "add_or_remove",
    NeighboringRelation.REPLACE_ONE: "replace_one",
}


class Refused(Exception):
    """An event that cannot be accounted for.

    Attributes
    ----------
    event : DpEvent
        The innermost one.
    reason : str
        Why.
    """

    def __init__(self, event, reason):
        super().__init__(reason)
        self.event, self.reason = event, reason


def spent_by(event: dp_event.DpEvent, relation: NeighboringRelation) -> Spent:
    """What one occurrence of `event` spends; raises `Refused`."""
    for kind in type(event).__mro__:
        if kind in _READERS:
            try:
                return _READERS[kind](event, relation)
            except (ValueError, TypeError, OverflowError) as error:
                raise Refused(event, str(error)) from None
    raise Refused(event, f"{type(event).__name__} is not supported.")


def _only(event, relation, *allowed):
    if relation not in allowed:
        names = " or ".join(f"`{one.name}`" for one in allowed)
        raise Refused(
            event, f"neighboring_relation must be {names} for `{type(event).__name__}`. Found {relation.name}."
        )


def _of(mechanism, relation, pure=math.inf):
    return Spent(ADJACENCY[relation], 1 * mechanism, pure=pure)


def _nothing(relation):
    return Spent(ADJACENCY[relation])


def _everything(relation):
    return Spent(ADJACENCY[relation], pure=math.inf, log_finite=-math.inf, private=False)


def _no_op(event, relation):
    return _nothing(relation)


def _non_private(event, relation):
    return _everything(relation)


def _self_composed(event, relation):
    return spent_by(event.event, relation).times(event.count)


def _composed(event, relation):
    return Spent.total([_nothing(relation), *(spent_by(one, relation) for one in event.events)])


def _gaussian(event, relation):
    if event.noise_multiplier == 0:
        return _everything(relation)
    return _of(Gaussian(event.noise_multiplier), relation)


def _pure(epsilon, relation):
    """Any mechanism of this pure epsilon."""
    above = math.nextafter(epsilon, math.inf)
    if not PURE.accepts(above):
        return Spent(ADJACENCY[relation], shift=above, pure=above)
    return _of(RandomizedResponse(above), relation, pure=above)


def _distance(relation):
    return 2 if relation is NeighboringRelation.REPLACE_ONE else 1


def _laplace(event, relation):
    scale = event.noise_multiplier
    if scale == 0:
        return _everything(relation)
    if scale > 0 and not SCALE.accepts(scale):
        return _pure(_distance(relation) / scale, relation)
    return _of(Laplace(scale), relation, pure=math.nextafter(_distance(relation) / scale, math.inf))


def _sampled_laplace(event, q, relation):
    scale = event.noise_multiplier
    if q == 0:
        return _nothing(relation)
    if scale == 0 or (scale > 0 and not SCALE.accepts(scale)):
        return _laplace(event, relation)  # sampling only helps
    mechanism = SubsampledLaplace(scale, q)
    pure = math.log1p(q * math.expm1(1.0 / scale))
    if relation is NeighboringRelation.REPLACE_ONE:
        pure -= math.log1p(q * math.expm1(-1.0 / scale))
    return _of(mechanism, relation, pure=pure * (1.0 + 1e-15))


def _discrete_laplace(event, relation):
    """Integer vectors of L1 norm at most the sensitivity D are dominated by the integers 0 and D.

    Proof.  In one dimension delta(e) = 1 - exp((e - a D)/2) at e = a D, a (D - 2), ... >= 0, linear in exp(e) between.
    Split D = k + m, m >= k, on two coordinates.  At these e, with L the loss of the first, 1 - delta is the mean of
    the second's 1 - delta at e - L, which is at least exp((e - L - a m)/2) as e - L >= -a m, and L <= a k.
    """
    a, distance = event.noise_parameter, _distance(relation) * operator.index(event.sensitivity)
    if distance == 0:
        return _nothing(relation)
    if a == 0:
        return _everything(relation)
    if not (0.0 < a < math.inf and distance > 0):
        raise ValueError(f"noise_parameter and sensitivity must be finite and >= 0, got {a!r}, {event.sensitivity!r}")
    pure = math.nextafter(a * distance, math.inf)
    if distance > 10**4 or not PURE.accepts(pure):
        return _pure(a * distance, relation)
    r = math.exp(-a)
    inside = [(r**x * math.tanh(a / 2.0), a * (distance - 2 * x)) for x in range(distance - 1, 0, -1)]
    law = ((r**distance / (1.0 + r), -a * distance), *inside, (1.0 / (1.0 + r), a * distance))
    return _of(TabulatedLoss(law, law), relation, pure=pure)


def _randomized_response(event, relation):
    """REPLACE_SPECIAL: the special record's answer is uniform, as dp_accounting defines it."""
    _only(event, relation, NeighboringRelation.REPLACE_ONE, NeighboringRelation.REPLACE_SPECIAL)
    p, k = event.noise_parameter, operator.index(event.num_buckets)
    if not (0.0 <= p <= 1.0 and k >= 1):
        raise ValueError(f"noise_parameter must be in [0, 1] and num_buckets >= 1, got {p!r} and {k}")
    if k == 1 or p == 1.0:
        return _nothing(relation)
    if p == 0.0:
        return _everything(relation)
    if relation is NeighboringRelation.REPLACE_ONE:
        pure = math.log1p(k * (1.0 - p) / p)
        return _of(RandomizedResponse(pure, k), relation, pure=math.nextafter(pure, math.inf))
    low, high, true = math.log(p), math.log(k * (1.0 - p) + p), 1.0 - p * (k - 1) / k
    removed = ((1.0 - true, low), (true, high))
    added = ((1.0 / k, -high), (1.0 - 1.0 / k, -low))
    return _of(TabulatedLoss(removed, added), relation, pure=math.nextafter(max(high, -low), math.inf))


def _sampled_without_replacement(event, relation):
    _only(event, relation, NeighboringRelation.ADD_OR_REMOVE_ONE, NeighboringRelation.REPLACE_ONE)
    sigma = gaussian_sigma(event.event, "sampling without replacement")
    if sigma == math.inf or event.sample_size == 0 or event.source_dataset_size == 0:
        return _nothing(relation)
    if sigma == 0.0:
        return _everything(relation)
    return _of(SampledWithoutReplacementGaussian(sigma, event.source_dataset_size, event.sample_size), relation)


def _truncated_subsampled_gaussian(event, relation):
    _only(event, relation, NeighboringRelation.ADD_OR_REMOVE_ONE, NeighboringRelation.REPLACE_ONE)
    sigma, q = event.noise_multiplier, event.sampling_probability
    population, limit = event.dataset_size, event.truncated_batch_size
    if q == 0 or limit == 0 or population == 0:
        return _nothing(relation)
    if sigma == 0:
        return _everything(relation)
    if q == 1:
        full = limit > population
        return _of(Gaussian(sigma) if full else SampledWithoutReplacementGaussian(sigma, population, limit), relation)
    return _of(TruncatedPoissonGaussian(sigma, q, population, limit), relation)


def _mixture_of_gaussians(event, relation):
    _only(event, relation, NeighboringRelation.ADD_OR_REMOVE_ONE, NeighboringRelation.REPLACE_SPECIAL)
    if len(event.sensitivities) != len(event.sampling_probs):
        raise ValueError("sensitivities and sampling_probs must be equally many")
    chances = {}
    for place, chance in zip(event.sensitivities, event.sampling_probs):
        chances.setdefault(float(place), []).append(float(chance))
    places = sorted(place for place, parts in chances.items() if any(parts))
    if places == [0.0]:
        return _nothing(relation)
    if event.standard_deviation == 0:
        return _everything(relation)
    weights = [math.fsum(chances[place]) for place in places]
    return _of(MixtureOfGaussians(event.standard_deviation, places, weights), relation)


def _single_epoch_tree(event, relation):
    """A record is in at most one leaf, so in as many nodes as the deepest tree has levels (arXiv:2103.00039)."""
    _only(event, relation, NeighboringRelation.REPLACE_SPECIAL)
    several = isinstance(event.step_counts, Iterable)
    counts = [operator.index(count) for count in (event.step_counts if several else [event.step_counts])]
    if not counts or min(counts) < 0 or max(counts) == 0:
        raise ValueError(f"step_counts must be integers >= 0, and one of them >= 1, got {event.step_counts}")
    return _gaussian(event, relation).times(max(counts).bit_length())


def _zero_concentrated(event, relation):
    """Known by its Renyi divergences alone, xi + rho order: a Gaussian mechanism would promise more."""
    rho, xi = float(event.rho), float(event.xi)
    if not (0.0 <= rho < math.inf and 0.0 <= xi < math.inf):
        raise ValueError(f"rho and xi must be finite and >= 0, got rho={rho!r}, xi={xi!r}")
    if rho == 0.0:  # the divergence of every order, infinite included, is at most xi
        return Spent(ADJACENCY[relation], shift=xi, pure=xi)
    return Spent(ADJACENCY[relation], renyi=((lambda order: xi + rho * order, 1),), pure=math.inf)


def _repeat_and_select(event, relation):
    spent = spent_by(event.event, relation)
    if not spent.private or spent == _nothing(relation):
        return spent
    return Spent(ADJACENCY[relation], renyi=((selection(spent, event.mean, event.shape), 1),), pure=math.inf)


def _poisson_sampled(event, relation):
    q, inner = event.sampling_probability, event.event
    if isinstance(inner, dp_event.LaplaceDpEvent):
        return _sampled_laplace(inner, q, relation)
    sigma = gaussian_sigma(inner, "Poisson sampling")
    if q == 0 or sigma == math.inf:
        return _nothing(relation)
    if sigma == 0.0:
        return _everything(relation)
    return _of(SubsampledGaussian(sigma, q), relation)


def gaussian_sigma(event, scheme):
    """Noise multiplier of the one Gaussian mechanism that Gaussian mechanisms on one sample are.

    Returns
    -------
    float
        Infinite if there are none, 0 if something is released without privacy; rounded down.
    """
    sigmas = _sigmas(event, scheme)
    if not sigmas or min(sigmas)[0] == 0.0:
        return 0.0 if sigmas else math.inf
    if len(sigmas) == 1 and sigmas[0][1] == 1:
        return sigmas[0][0]
    return 1.0 / math.sqrt(math.fsum(count / sigma**2 for sigma, count in sigmas)) * (1.0 - 1e-15)


def _sigmas(event, scheme):
    if isinstance(event, dp_event.NoOpDpEvent):
        return []
    if isinstance(event, dp_event.NonPrivateDpEvent):
        return [(0.0, 1)]
    if isinstance(event, dp_event.GaussianDpEvent):
        if not 0.0 <= event.noise_multiplier < math.inf:
            raise Refused(event, f"noise_multiplier must be finite and >= 0, got {event.noise_multiplier!r}")
        return [(float(event.noise_multiplier), 1)]
    if isinstance(event, dp_event.SelfComposedDpEvent):
        times = single(COUNT, event.count)
        return [(sigma, count * times) for sigma, count in _sigmas(event.event, scheme) if times]
    if isinstance(event, dp_event.ComposedDpEvent):
        return [part for one in event.events for part in _sigmas(one, scheme)]
    raise Refused(event, f"No amplification by {scheme} is known for {type(event).__name__}.")


_NAMES = {
    "NoOpDpEvent": _no_op,
    "NonPrivateDpEvent": _non_private,
    "SelfComposedDpEvent": _self_composed,
    "ComposedDpEvent": _composed,
    "GaussianDpEvent": _gaussian,
    "LaplaceDpEvent": _laplace,
    "DiscreteLaplaceDpEvent": _discrete_laplace,
    "RandomizedResponseDpEvent": _randomized_response,
    "SampledWithoutReplacementDpEvent": _sampled_without_replacement,
    "TruncatedSubsampledGaussianDpEvent": _truncated_subsampled_gaussian,
    "MixtureOfGaussiansDpEvent": _mixture_of_gaussians,
    "PoissonSampledDpEvent": _poisson_sampled,
    "RepeatAndSelectDpEvent": _repeat_and_select,
    "SingleEpochTreeAggregationDpEvent": _single_epoch_tree,
    "ZCDpEvent": _zero_concentrated,
}
#: some events exist only in newer versions
_READERS = {getattr(dp_event, name): reader for name, reader in _NAMES.items() if hasattr(dp_event, name)}
