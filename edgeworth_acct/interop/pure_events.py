"""Events of dp_accounting with a pure epsilon: Laplace and discrete Laplace noise, randomised response."""

import math
import operator

from dp_accounting import NeighboringRelation

from edgeworth_acct import Laplace, RandomizedResponse, SubsampledLaplace
from edgeworth_acct.arguments import PURE, SCALE
from edgeworth_acct.interop.losses import TabulatedLoss
from edgeworth_acct.interop.readers import ADJACENCY, everything, nothing, of, only
from edgeworth_acct.interop.spent import Spent


def _pure(epsilon, relation):
    """Any mechanism of this pure epsilon."""
    above = math.nextafter(epsilon, math.inf)
    if not PURE.accepts(above):
        return Spent(ADJACENCY[relation], shift=above, pure=above)
    return of(RandomizedResponse(above), relation, pure=above)


def _distance(relation):
    return 2 if relation is NeighboringRelation.REPLACE_ONE else 1


def laplace(event, relation):
    """Laplace noise on vectors; scales beyond the domain of the library by their pure epsilon."""
    scale = event.noise_multiplier
    if scale == 0:
        return everything(relation)
    if scale > 0 and not SCALE.accepts(scale):
        return _pure(_distance(relation) / scale, relation)
    return of(Laplace(scale), relation, pure=math.nextafter(_distance(relation) / scale, math.inf))


def sampled_laplace(event, q, relation):
    """Replacing one vector u of L1 norm at most 1 by another, v: the numbers 1 and -1 dominate.

    Proof.  L(u): Laplace noise of scale b around u.  At e^epsilon >= 1, advanced joint convexity (arXiv:1807.01647)
    makes the divergence q times the mean over x ~ L(u) of (1 - g ((1-B) e^s + B e^t))_+ for some g >= 1 and
    0 <= B <= 1, with s = (|x-u| - |x|)/b and t = (|x-u| - |x-v|)/b >= s - 1/b.  So it is at most q times the mean of
    (1 - g k e^s)_+, k = 1 - B + B e^(-1/b): the divergence of L(u) from L(0) at g k, which is largest for the number 1.
    For 1 and -1 nothing is lost: t > s - 1/b only where x < 0, there s = 1/b, and both integrands vanish.
    """
    scale = event.noise_multiplier
    if q == 0:
        return nothing(relation)
    if scale == 0 or (scale > 0 and not SCALE.accepts(scale)):
        return laplace(event, relation)  # sampling only helps
    mechanism = SubsampledLaplace(scale, q)
    pure = math.log1p(q * math.expm1(1.0 / scale))
    if relation is NeighboringRelation.REPLACE_ONE:
        pure -= math.log1p(q * math.expm1(-1.0 / scale))
    return of(mechanism, relation, pure=pure * (1.0 + 1e-15))


def discrete_laplace(event, relation):
    """Integer vectors of L1 norm at most the sensitivity D are dominated by the integers 0 and D.

    Proof.  In one dimension delta(e) = 1 - exp((e - a D)/2) at e = a D, a (D - 2), ... >= 0, linear in exp(e) between.
    Split D = k + m, m >= k, on two coordinates.  At these e, with L the loss of the first, 1 - delta is the mean of
    the second's 1 - delta at e - L, which is at least exp((e - L - a m)/2) as e - L >= -a m, and L <= a k.
    """
    a, distance = event.noise_parameter, _distance(relation) * operator.index(event.sensitivity)
    if distance == 0:
        return nothing(relation)
    if a == 0:
        return everything(relation)
    if not (0.0 < a < math.inf and distance > 0):
        raise ValueError(f"noise_parameter and sensitivity must be finite and >= 0, got {a!r}, {event.sensitivity!r}")
    pure = math.nextafter(a * distance, math.inf)
    if distance > 10**4 or not PURE.accepts(pure):
        return _pure(a * distance, relation)
    r = math.exp(-a)
    inside = [(r**x * math.tanh(a / 2.0), a * (distance - 2 * x)) for x in range(distance - 1, 0, -1)]
    law = ((r**distance / (1.0 + r), -a * distance), *inside, (1.0 / (1.0 + r), a * distance))
    return of(TabulatedLoss(law, law), relation, pure=pure)


def randomized_response(event, relation):
    """REPLACE_SPECIAL: the special record's answer is uniform, as dp_accounting defines it."""
    only(event, relation, NeighboringRelation.REPLACE_ONE, NeighboringRelation.REPLACE_SPECIAL)
    p, k = event.noise_parameter, operator.index(event.num_buckets)
    if not (0.0 <= p <= 1.0 and k >= 1):
        raise ValueError(f"noise_parameter must be in [0, 1] and num_buckets >= 1, got {p!r} and {k}")
    if k == 1 or p == 1.0:
        return nothing(relation)
    if p == 0.0:
        return everything(relation)
    if relation is NeighboringRelation.REPLACE_ONE:
        pure = math.log1p(k * (1.0 - p) / p)
        return of(RandomizedResponse(pure, k), relation, pure=math.nextafter(pure, math.inf))
    low, high, true = math.log(p), math.log(k * (1.0 - p) + p), 1.0 - p * (k - 1) / k
    removed = ((1.0 - true, low), (true, high))
    added = ((1.0 / k, -high), (1.0 - 1.0 / k, -low))
    return of(TabulatedLoss(removed, added), relation, pure=math.nextafter(max(high, -low), math.inf))
