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
    MixtureOfGaussians,
    SampledWithoutReplacementGaussian,
    SubsampledGaussian,
    TruncatedPoissonGaussian,
)
from edgeworth_acct.arguments import COUNT, single
from edgeworth_acct.interop.pure_events import discrete_laplace, laplace, randomized_response, sampled_laplace
from edgeworth_acct.interop.readers import ADJACENCY, Refused, everything, nothing, of, only
from edgeworth_acct.interop.selection import selection
from edgeworth_acct.interop.spent import Spent


def spent_by(event: dp_event.DpEvent, relation: NeighboringRelation) -> Spent:
    """What one occurrence of `event` spends; raises `Refused`."""
    for kind in type(event).__mro__:
        if kind in _READERS:
            try:
                return _READERS[kind](event, relation)
            except (ValueError, TypeError, OverflowError) as error:
                raise Refused(event, str(error)) from None
    raise Refused(event, f"{type(event).__name__} is not supported.")


def _no_op(event, relation):
    return nothing(relation)


def _non_private(event, relation):
    return everything(relation)


def _self_composed(event, relation):
    return spent_by(event.event, relation).times(event.count)


def _composed(event, relation):
    return Spent.total([nothing(relation), *(spent_by(one, relation) for one in event.events)])


def _gaussian(event, relation):
    if event.noise_multiplier == 0:
        return everything(relation)
    return of(Gaussian(event.noise_multiplier), relation)


def _sampled_without_replacement(event, relation):
    only(event, relation, NeighboringRelation.ADD_OR_REMOVE_ONE, NeighboringRelation.REPLACE_ONE)
    sigma = gaussian_sigma(event.event, "sampling without replacement")
    if sigma == math.inf or event.sample_size == 0 or event.source_dataset_size == 0:
        return nothing(relation)
    if sigma == 0.0:
        return everything(relation)
    return of(SampledWithoutReplacementGaussian(sigma, event.source_dataset_size, event.sample_size), relation)


def _truncated_subsampled_gaussian(event, relation):
    only(event, relation, NeighboringRelation.ADD_OR_REMOVE_ONE, NeighboringRelation.REPLACE_ONE)
    sigma, q = event.noise_multiplier, event.sampling_probability
    population, limit = event.dataset_size, event.truncated_batch_size
    if q == 0 or limit == 0 or population == 0:
        return nothing(relation)
    if sigma == 0:
        return everything(relation)
    if q == 1:
        full = limit > population
        return of(Gaussian(sigma) if full else SampledWithoutReplacementGaussian(sigma, population, limit), relation)
    return of(TruncatedPoissonGaussian(sigma, q, population, limit), relation)


def _mixture_of_gaussians(event, relation):
    only(event, relation, NeighboringRelation.ADD_OR_REMOVE_ONE, NeighboringRelation.REPLACE_SPECIAL)
    if len(event.sensitivities) != len(event.sampling_probs):
        raise ValueError("sensitivities and sampling_probs must be equally many")
    chances = {}
    for place, chance in zip(event.sensitivities, event.sampling_probs):
        chances.setdefault(float(place), []).append(float(chance))
    places = sorted(place for place, parts in chances.items() if any(parts))
    if places == [0.0]:
        return nothing(relation)
    if event.standard_deviation == 0:
        return everything(relation)
    weights = [math.fsum(chances[place]) for place in places]
    return of(MixtureOfGaussians(event.standard_deviation, places, weights), relation)


def _single_epoch_tree(event, relation):
    """A record is in at most one leaf, so in as many nodes as the deepest tree has levels (arXiv:2103.00039)."""
    only(event, relation, NeighboringRelation.REPLACE_SPECIAL)
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
    if not spent.private or spent == nothing(relation):
        return spent
    return Spent(ADJACENCY[relation], renyi=((selection(spent, event.mean, event.shape), 1),), pure=math.inf)


def _poisson_sampled(event, relation):
    q, inner = event.sampling_probability, event.event
    if isinstance(inner, dp_event.LaplaceDpEvent):
        return sampled_laplace(inner, q, relation)
    sigma = gaussian_sigma(inner, "Poisson sampling")
    if q == 0 or sigma == math.inf:
        return nothing(relation)
    if sigma == 0.0:
        return everything(relation)
    return of(SubsampledGaussian(sigma, q), relation)


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
    "LaplaceDpEvent": laplace,
    "DiscreteLaplaceDpEvent": discrete_laplace,
    "RandomizedResponseDpEvent": randomized_response,
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
