"""Composition on a lattice of losses by FFT, certified from both sides: for runs of few or uneven steps.

Above: the outcomes of every law move to the lattice points around them with the mean of T = e^{-loss} kept [1]_: delta,
the P-mean of a convex function of T, can only grow, by a term of second order in the lattice's spacing h.  The laws are
tilted by e^{c loss}, so that the FFT's absolute error is small beside the tail that decides delta, transformed, raised
to their counts and multiplied [2]_; with S the sum of the losses, G(c) = E[e^{c S}],

    delta(eps) = G(c) e^{-c eps} E_c[w(S - eps)] + P(S = inf),   w(x) = e^{-c x} (1 - e^{-x}) for x > 0, else 0.

Below, either outcomes merge into lattice points (data processing) or, for laws with atoms between these, they move as
above to make a sum S' that is put right.  Move the losses one by one.  If one moves within [l, l + H], e^{eps} T keeps
its mean, so (1 - e^eps T)_+ grows only if S is within H of eps, and by H e^H/2 at most.  Those that are yet to move add
to S, given all outcomes, something of mean in [0, n H^2/8] (Jensen; Hoeffding's lemma) and of variance n H^2/4 at most,
thus P(|S - eps| <= H) <= 4/3 P(|S' - eps| <= H + sqrt(n) H + n H^2/8) by Chebyshev.  Hence, in sum,

    delta(eps) >= delta'(eps) - 2/3 e^H (sum of H) P(|S' - eps| <= H + sqrt(sum of H^2) + (sum of H^2)/8).

Errors, all added: what lies outside of the N points and comes back as an alias (Chernoff's bound on the lattice laws
themselves); rounding of the transforms, whose relative error in the l2 norm is at most log2 N times some 8 units of
roundoff for radix 2 [3]_ (we take 16); of powers and products, sqrt 5 units each [4]_; of probabilities and losses.

.. [1] J. Doroshenko, B. Ghazi, P. Kamath, R. Kumar, P. Manurangsi. "Connect the Dots: Tighter Discrete Approximations
   of Privacy Loss Distributions." PoPETs 2022(4). arXiv:2207.04380.
.. [2] A. Koskela, J. Jaelkoe, L. Prediger, A. Honkela. "Tight Differential Privacy for Discrete-Valued Mechanisms and
   for the Subsampled Gaussian Mechanism Using FFT." AISTATS 2021. arXiv:2006.07134.
.. [3] N. J. Higham. "Accuracy and Stability of Numerical Algorithms." 2nd ed., SIAM 2002, theorem 24.2.
.. [4] R. Brent, C. Percival, P. Zimmermann. "Error bounds on complex floating-point multiplication." Math. Comp. 76,
   2007.
"""

import math
from dataclasses import dataclass

import numpy as np

from edgeworth_acct.lattice_sum import LatticeSum, log_kernel
from edgeworth_acct.laws import Law, Layer
from edgeworth_acct.outcomes import Lattice, above, below, heaviest, outcomes

_SIZES = (2**14, 2**16, 2**18, 2**20)
_OUT = 34.0  # -log of the tilted probability that may lie outside of the lattice
_LEAST = 1e-250  # deltas from here on
_FAR = 500.0  # standard deviations between normal laws, at most
_STEPS = 10**6


def epsilon_bounds(laws, delta, rtol):
    """Both sides of epsilon at `delta` for laws with counts, [(Law, count), ...]; (0, inf) where there is no lattice.

    The lattice grows until the relative width is `rtol`, or to a million points.
    """
    low, high = 0.0, math.inf
    plan = _plan(laws, lambda c, log_g: (log_g - math.log(delta) + log_kernel(c)) / c, lambda best: math.log(delta))
    guess = plan.best if plan else 0.0
    for size in _SIZES if plan else ():
        lower, upper = _sums(plan, size)
        high = min(high, _end(upper.over, True, delta, guess, 0.1 * rtol, plan.c))
        for total in lower:
            low = max(low, _end(total.under, False, delta, min(guess, high), 0.1 * rtol, plan.c))
        guess = 0.5 * (low + high) if high < math.inf else guess
        if high - low <= rtol * high:
            break
    return low, high


def delta_bounds(laws, epsilons, rtol):
    """Both sides of delta at `epsilons` >= 0 that increase (two arrays); one lattice serves many of them."""
    low, high = np.zeros(len(epsilons)), np.ones(len(epsilons))
    for i, epsilon in enumerate(epsilons):
        if high[i] - low[i] <= rtol * high[i]:
            continue
        plan = _plan(laws, lambda c, log_g, epsilon=epsilon: log_g - c * epsilon + log_kernel(c), lambda best: best)
        for size in _SIZES if plan else ():
            lower, upper = _sums(plan, size)
            for j in np.flatnonzero(high - low > rtol * high):
                low[j] = max(low[j], *(total.under(float(epsilons[j])) for total in lower))
                high[j] = min(high[j], upper.over(float(epsilons[j])))
            if high[i] - low[i] <= rtol * high[i]:
                break
    return low, high


def _end(bound, up, delta, guess, precision, c):
    """The least epsilon found with a bound of at most `delta` (up), or the largest with at least that."""

    def holds(epsilon):
        return bound(epsilon) <= delta if up else bound(epsilon) >= delta

    x, step, known = guess, precision * guess + 1e-7 / c, holds(guess)
    way = step if known != up else -step
    for _ in range(40):  # outwards from the guess, or inwards, until that changes
        y = max(0.0, x + way)
        if holds(y) != known:
            break
        if y == x:
            return 0.0
        x, way = y, 4.0 * way
    else:
        return x if known else math.inf if up else 0.0
    good, bad = (x, y) if known else (y, x)
    while abs(good - bad) > max(1e-2 * precision, 4e-15) * good:
        middle = 0.5 * (good + bad)
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good


@dataclass(frozen=True, eq=False)
class Plan:
    """Where a lattice lies: for laws, and the tilt that suits what is asked."""

    laws: list  # of laws, counts and a coarse view of their outcomes
    reach: float  # standard deviations of normal laws that count
    best: float
    c: float
    first: float  # the lattice covers total losses from here ...
    last: float  # ... to here
    down: float  # shifts of c for Chernoff's bounds
    up: float


def _plan(laws, objective, log_delta):
    """The tilt that makes `objective` of c and log G(c) least, and the lattice; a coarse view, nothing rests on it."""
    mu = math.sqrt(math.fsum(count * law.mu**2 for law, count in laws))
    laws = [(law, count) for law, count in laws if law.layers]
    if mu:
        laws.append((Law(layers=(Layer("mixture", ((1.0, mu),), ((1.0, 0.0),), 1.0),)), 1))
    spans = [at / y.scale for law, _ in laws for y in law.layers if y.kind == "mixture" for _, at in y.first + y.second]
    if max(map(abs, spans), default=0.0) > _FAR or sum(count for _, count in laws) > _STEPS:
        return None
    coarse = [(outcomes(law, 36.0), count) for law, count in laws]

    def log_g(tilts):
        total = np.zeros(len(tilts))
        for law, count in coarse:
            exponents = np.log(law.p) + np.multiply.outer(tilts, law.mean)
            top = exponents.max(axis=1)
            total += count * (top + np.log(np.exp(exponents - top[:, None]).sum(axis=1)))
        return total

    most = sum(count * max(0.0, law.high.max()) for law, count in coarse)
    tilts = np.geomspace(1e-2 / max(1.0, most), 1e7, 73)
    for _ in range(3):
        values = objective(tilts, log_g(tilts))
        i = int(np.argmin(values))
        best, c = float(values[i]), float(tilts[i])
        tilts = np.geomspace(tilts[max(i - 1, 0)], tilts[min(i + 1, len(tilts) - 1)], 13)
    before, here, after = log_g(c * np.array([0.99, 1.0, 1.01]))
    spread, log_least = math.sqrt(max(before - 2.0 * here + after, 0.0)) / (0.01 * c), min(0.0, log_delta(best))
    if not (log_least > math.log(_LEAST) and spread > 0.0):
        return None
    shifts = np.geomspace(0.5, 50.0, 21) / spread
    up, down = (log_g(c + shifts) - here + _OUT) / shifts, (here - log_g(c - shifts) - _OUT) / shifts
    last = min(float(up.min()), sum(count * law.high.max() for law, count in coarse))
    first = max(float(down.max()), sum(count * law.low.min() for law, count in coarse))
    if not last > first:  # doubles do not tell the losses apart
        return None
    reach = min(36.0, math.sqrt(2.0 * (45.0 - log_least)))
    laws = [(law, count, view) for (law, count), (view, _) in zip(laws, coarse)]
    return Plan(laws, reach, max(0.0, best), c, first, last, shifts[down.argmax()], shifts[up.argmin()])


def _sums(plan, size):
    """The total loss on a lattice: below, one way or two, and above."""
    # A law's lattice may begin a point under its least loss and end one over the largest: room for that, if few.
    room = 2 + min(sum(count for _, count, _ in plan.laws), size // 16)
    c, h = plan.c, 1.02 * (plan.last - plan.first) / (size - 2.0 * room - 4.0)
    merged, moved, over = [], [], []
    for law, count, coarse in plan.laws:
        lattice = Lattice(heaviest(coarse, c, h), h, c)
        step = outcomes(law, plan.reach, lattice)
        k, p, span, off = above(step, lattice)
        over.append((count, lattice.start, k, p, off, 0.0, step.infinite[1]))
        low_k, low_p = below(step, lattice)
        merged.append((count, lattice.start, low_k, low_p, 0.0, 0.0, step.infinite[0]))
        # what merging costs of the mean loss, of first order where there are atoms, beside what moving costs
        fall = _tilted_mean(step.p, step.mean, c) - _tilted_mean(low_p, lattice.start + h * low_k, c)
        costly = fall > c * span * span
        moved.append((count, lattice.start, k, p, off, span, step.infinite[0]) if costly else merged[-1])
    ways = [merged, moved] if any(one is not other for one, other in zip(moved, merged)) else [merged]
    return [LatticeSum(plan, size, h, room, way) for way in ways], LatticeSum(plan, size, h, room, over)


def _tilted_mean(p, loss, c):
    exponents = np.log(p) + c * loss
    return np.average(loss, weights=np.exp(exponents - exponents.max()))
