"""Composition on a lattice of losses by FFT, certified from both sides: for runs of few or uneven steps.

Above: the outcomes of every law move to the lattice points around them with the mean of T = e^{-loss} kept [1]_: delta,
the P-mean of a convex function of T, can only grow, by a term of second order in the lattice's spacing h.  The laws are
tilted by e^{c loss}, so that the FFT's absolute error is small beside the tail that decides delta, transformed, raised
to their counts and multiplied [2]_; with S the sum of the losses, G(c) = E[e^{c S}],

    delta(eps) = G(c) e^{-c eps} E_c[w(S - eps)] + P(S = inf),   w(x) = e^{-c x} (1 - e^{-x}) for x > 0, else 0.

Below, either outcomes merge into lattice points (data processing) or, for laws with atoms between these, they move as
above to make a sum S' that is put right.  Move the losses one by one.  If one moves to two points H apart, around it,
e^eps T keeps its mean, so (1 - e^eps T)_+ grows only if S is within H of eps, and by s (1 - s) (e^H - 1) <= H e^H/4 at
most, s the share of one point: with T = a or a e^-H, m = s + (1 - s) e^-H, the growth s (a - 1) for a <= 1/m and
(1 - s) (1 - a e^-H) for a >= 1/m is largest at a = 1/m.  Those that are yet to move add to S, given all outcomes,
something of mean in [0, n H^2/8] (Jensen; Hoeffding's lemma) and of variance n H^2/4 at most, thus P(|S - eps| <= H) <=
4/3 P(|S' - eps| <= H + sqrt(n) H + n H^2/8) by Chebyshev.  Hence, in sum,

    delta(eps) >= delta'(eps) - 1/3 e^H (sum of H) P(|S' - eps| <= H + sqrt(sum of H^2) + (sum of H^2)/8).

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

import numpy as np

from edgeworth_acct.coarse import View
from edgeworth_acct.lattice_sum import LatticeSum, Step
from edgeworth_acct.laws import Law, lattice_of
from edgeworth_acct.outcomes import Lattice, above, below, heaviest, outcomes
from edgeworth_acct.rare import Totals

_SIZES = (2**14, 2**16, 2**18, 2**20)
_AGAIN = 6  # plans that a better guess of epsilon may ask for


def epsilon_bounds(laws, delta, rtol):
    """Both sides of epsilon at `delta` for laws with counts, [(Law, count), ...]; (0, inf) where there is no lattice.

    The lattice grows until the relative width is `rtol`, or to a million points.
    """
    low, high, view, log_delta = 0.0, math.inf, View.of(laws), math.log(delta)
    guess = view.epsilon(log_delta) if view else 0.0
    for size in _SIZES if view else ():
        for _ in range(_AGAIN if size == _SIZES[0] else 1):
            known = high if high < math.inf else guess
            plan = view.plan(known, log_delta)
            if plan is None:
                return low, high
            lower, upper = _sums(plan, size)
            high = min(high, _end(upper.over, True, delta, guess, 0.1 * rtol, plan.c))
            for total in lower:
                low = max(low, _end(total.under, False, delta, min(guess, high), 0.1 * rtol, plan.c))
            guess = min(guess, high) if low < 0.9 * high else 0.5 * (low + high)
            if not high < 0.7 * known:  # a plan for less would be no better
                break
        if high - low <= rtol * high < math.inf:
            break
    return low, high


def delta_bounds(laws, epsilons, rtol):
    """Both sides of delta at `epsilons` >= 0 that increase (two arrays); one lattice serves many of them."""
    low, high, view = np.zeros(len(epsilons)), np.ones(len(epsilons)), View.of(laws)
    for i, epsilon in enumerate(map(float, epsilons)):
        if not view or high[i] - low[i] <= rtol * high[i]:
            continue
        plan = view.plan(epsilon, view.log_delta(epsilon))
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


def _sums(plan, size):
    """The total loss on a lattice: below, one way or two, and above."""
    # A law's lattice may begin a point under its least loss and end one over the largest: room for that, if few.
    room = 2 + min(sum(count for _, count, _ in plan.laws), size // 16)
    c, h = plan.c, _fitting(plan.laws, 1.02 * (plan.last - plan.first) / (size - 2.0 * room - 4.0))
    merged, moved, over, parts = [], [], [], []
    for law, count, coarse in plan.laws:
        lattice = Lattice(heaviest(coarse, c, h), h, c, plan.cut)
        whole = outcomes(law, plan.reach, lattice)
        step, (sure, infinite) = whole.below(plan.cut), whole.infinite
        far = max(-whole.low.min(), whole.high.max()) + h
        parts.append((count, step, whole.above(plan.cut)))
        k, p, span, off = above(step, lattice)
        over.append(Step(count, lattice.start, k, p, off, 0.0, infinite, far))
        low_k, low_p = below(step, lattice)
        merged.append(Step(count, lattice.start, low_k, low_p, 0.0, 0.0, sure, far))
        # what merging costs of the mean loss, of first order where there are atoms, beside what moving costs
        fall = _tilted_mean(step.p, step.mean, c) - _tilted_mean(low_p, lattice.start + h * low_k, c)
        costly = step.known and fall > c * span * span
        moved.append(Step(count, lattice.start, k, p, off, span, sure, far) if costly else merged[-1])
    ways = [merged, moved] if any(one is not other for one, other in zip(moved, merged)) else [merged]
    big = Totals(parts, plan.rate)
    return [LatticeSum(plan, size, h, room, way, big) for way in ways], LatticeSum(plan, size, h, room, over, big)


def _fitting(laws, h):
    """A spacing of h or up to twice as much that has the atoms of one law on it: that with the most steps."""
    fitting, most = h, 0
    for law, count, _ in laws:
        layers = tuple(layer for layer in law.layers if layer.kind == "atoms" and not layer.pair)
        spacing = lattice_of([(Law(layers=layers), 1)])[0] if count > most and layers else 0.0
        if spacing >= h:
            fitting, most = spacing / math.floor(spacing / h), count
    return fitting


def _tilted_mean(p, loss, c):
    exponents = np.log(p) + c * loss
    return np.average(loss, weights=np.exp(exponents - exponents.max()))
