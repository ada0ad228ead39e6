"""The privacy of a DP-SGD run: `steps` adaptive steps of the Poisson-subsampled Gaussian mechanism.

One step draws a batch in which every record appears independently with probability `q`, clips each record's gradient
to Euclidean norm `C`, sums, and adds normal noise of standard deviation ``sigma * C`` to every coordinate.  `sigma` is
the noise multiplier; ``q = 1`` is the Gaussian mechanism.  With P(m) = (1 - q) N(0, sigma^2) + q N(m, sigma^2), the sum
of the privacy losses of `steps` independent draws from a pair of laws gives delta as a function of epsilon:

===================  ==============================  ===============================================================
adjacency            pair (first against second)     neighbouring data sets
===================  ==============================  ===============================================================
``"remove"``         P(1) against N(0, sigma^2)      the first has one record more than the second
``"add"``            N(0, sigma^2) against P(1)      the first has one record fewer than the second
``"add_or_remove"``  the larger of the two           either; what most DP-SGD papers report [1]_ [2]_
``"replace_one"``    P(1) against P(-1)              one record replaced by another: same size, twice the distance [3]_
===================  ==============================  ===============================================================

Each direction is composed on its own and the larger result taken; directions are never mixed step by step [2]_.  These
pairs dominate every pair of neighbours and every adaptive choice of the gradients.  Shuffled epochs and batches of a
fixed size are other mechanisms, with other and possibly much larger epsilon [3]_.

References
----------
.. [1] M. Abadi, A. Chu, I. Goodfellow, H. B. McMahan, I. Mironov, K. Talwar, L. Zhang. "Deep Learning with Differential
   Privacy." CCS 2016. arXiv:1607.00133.
.. [2] Y. Zhu, J. Dong, Y.-X. Wang. "Optimal Accounting of Differential Privacy via Characteristic Function." AISTATS
   2022. arXiv:2106.08567.  On amplification itself: B. Balle, G. Barthe, M. Gaboardi. "Privacy Amplification by
   Subsampling: Tight Analyses via Couplings and Divergences." NeurIPS 2018. arXiv:1807.01647.
.. [3] C. J. Lebeda, M. Regehr, G. Kamath, T. Steinke. "Avoiding Pitfalls for Privacy Accounting of Subsampled
   Mechanisms under Composition." 2024. arXiv:2405.20769.
"""

from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeworth_acct import _core
from edgeworth_acct._evaluate import Kernel, evaluate
from edgeworth_acct.arguments import DELTA, EPSILON, Q, RTOL, SIGMA, STEPS, TARGET_EPSILON, single
from edgeworth_acct.bounds import Bounds, Real
from edgeworth_acct.estimates import (
    BOUNDS_OF_DELTA,
    BOUNDS_OF_EPSILON,
    DELTA_OF,
    EPSILON_OF,
    NOISE_OF,
    chosen,
    estimate,
)

_METHODS = ("certified", "edgeworth", "tilted_edgeworth", "rdp", "gdp")
_BOUNDS_METHODS = ("certified", "eeai", "tilted_edgeworth")
_RTOL = 1e-9

_INTERVAL = (np.float64, np.float64)
_EPSILON = Kernel(_core.epsilon, _core.epsilon_array, (SIGMA, Q, STEPS, DELTA), _INTERVAL)
_DELTA = Kernel(_core.delta, _core.delta_array, (SIGMA, Q, STEPS, EPSILON), _INTERVAL)
_NOISE_MULTIPLIER = Kernel(
    _core.noise_multiplier,
    _core.noise_multiplier_array,
    (TARGET_EPSILON, Q, STEPS, DELTA),
    (np.float64,),
    "no noise multiplier up to 1e4 meets the target",
)
_MAX_STEPS = Kernel(
    _core.max_steps,
    _core.max_steps_array,
    (TARGET_EPSILON, SIGMA, Q, DELTA),
    (np.int64,),
    "not even a single step meets the target",
)
_MAX_SAMPLING_RATE = Kernel(
    _core.max_sampling_rate,
    _core.max_sampling_rate_array,
    (TARGET_EPSILON, SIGMA, STEPS, DELTA),
    (np.float64,),
    "no sampling rate down to 1e-12 meets the target",
)


def epsilon(
    sigma: ArrayLike,
    q: ArrayLike,
    steps: ArrayLike,
    delta: ArrayLike,
    *,
    adjacency: str = "add_or_remove",
    method: str = "certified",
    order: int | None = None,
    threads: int | None = None,
) -> Real:
    """Epsilon at `delta`, rounded up: the number to publish.

    Guarantee: the run is (result, `delta`)-differentially private; the result is never below the exact epsilon.
    Only with the default `method`: the others are estimates, "rdp" apart.

    Parameters
    ----------
    sigma : float or array_like
        Noise multiplier: the noise's standard deviation over the clip norm (dimensionless).
    q : float or array_like
        Sampling rate: the probability with which a record enters a batch, in (0, 1].
    steps : int or array_like
        Number of steps; 10.0 and NumPy integers are integers.
    delta : float or array_like
        In (0, 1).
    adjacency : {"add_or_remove", "add", "remove", "replace_one"}
        Neighbouring relation, see `edgeworth_acct.accounting`.
    method : {"certified", "edgeworth", "tilted_edgeworth", "rdp", "gdp"}
        "certified" is the upper end of `epsilon_bounds`.  The others are there to be compared with it
        (`edgeworth_acct.estimates`): "rdp" is an upper bound, 11 to 15 % too high at the settings that EW-Tune
        published for epsilon 8; "edgeworth", "tilted_edgeworth" and "gdp" are estimates and may understate epsilon.  At
        those settings "edgeworth" with order 1 does so by 0.03 to 1.6, "gdp" by 0.7 to 2.2.
    order : int, optional
        Order of the two expansions, 0 to 30; 1 for "edgeworth" and 4 for "tilted_edgeworth" if not given.
    threads : int, optional
        Threads that share an array's elements; one if not given.

    Returns
    -------
    float or ndarray
        Nats; an array of the arguments' broadcast shape if any of them is an array.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong type.
    PrecisionError
        No interval could be certified; never within the certified domain (see `epsilon_bounds`).

    See Also
    --------
    epsilon_bounds : both ends.

    Examples
    --------
    SST-2 with batch 2000, 20 epochs, at the noise that an Edgeworth estimate once put at epsilon 8:

    >>> run = dict(sigma=0.7865, q=2000 / 67349, steps=660, delta=1e-5)
    >>> f"{epsilon(**run):.6f}, {epsilon(**run, method='edgeworth', order=1):.6f}, {epsilon(**run, method='rdp'):.6f}"
    '8.289118, 7.992899, 9.275106'
    """
    if chosen(method, order, _METHODS):
        return estimate(EPSILON_OF, (sigma, q, steps, delta), adjacency, method, order, threads)[0]
    _, _, upper = evaluate(_EPSILON, (sigma, q, steps, delta), adjacency, threads, _RTOL)
    return upper


def epsilon_bounds(
    sigma: ArrayLike,
    q: ArrayLike,
    steps: ArrayLike,
    delta: ArrayLike,
    *,
    adjacency: str = "add_or_remove",
    method: str = "certified",
    order: int | None = None,
    rtol: float = _RTOL,
    threads: int | None = None,
) -> Bounds:
    """Epsilon at `delta` from both sides.

    Guarantee: ``lower <= exact epsilon <= upper`` for the arguments read as the doubles they are, with discretisation,
    truncation and floating-point error included.

    Parameters
    ----------
    sigma, q, steps, delta, adjacency, threads
        As in `epsilon`.
    method : {"certified", "eeai", "tilted_edgeworth"}
        "certified": exact inversion of the characteristic function with every error bounded.  The other two are as
        certain and wider, an expansion and a bound of its error (`edgeworth_acct.estimates`): "eeai" the Edgeworth
        accountant's finite-sample interval, made sound; it is uniform in epsilon, so that at small `delta` it is
        ``Bounds(..., inf)``; "tilted_edgeworth" the tilted expansion with its Fourier remainder.
    order : int, optional
        Order of the two expansions, 0 to 30; 1 for "eeai" and 4 for "tilted_edgeworth" if not given.
    rtol : float
        Wanted relative width with "certified": ``upper - lower <= rtol * upper``.  The interval is wider, never wrong,
        where epsilon is so close to 0 that delta cannot resolve it, and where double precision does not reach further
        (see Notes).

    Returns
    -------
    Bounds
        Two floats, or two arrays of the arguments' broadcast shape.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong type; the message names it, its value and the range.
    PrecisionError
        No interval could be certified; outside sigma in [0.1, 1e4], q in [1e-12, 1], steps in [1, 1e13] and delta in
        [1e-300, 0.99] always.

    Notes
    -----
    Where a rare large step competes with the sum of many small ones (small q, delta far below 1e-10), for
    "replace_one" with few sampled records, and for a handful of steps at sigma below 0.3, rounding may leave an
    interval wider than `rtol`, at worst what a single step and Chernoff's inequality give.  Look at the width before
    relying on it; the upper end is safe to publish in any case.

    Edge cases: epsilon is floored at 0; where epsilon = 0 already meets `delta` it is exactly ``Bounds(0.0, 0.0)``.

    Examples
    --------
    >>> lower, upper = epsilon_bounds(0.7865, 2000 / 67349, 660, 1e-5)
    >>> lower <= 8.2891179057434 <= upper, upper - lower <= 1e-9 * upper
    (True, True)
    >>> epsilon_bounds(1.0, [0.001, 0.01], 10000, [[1e-5], [1e-6]]).upper.shape
    (2, 2)
    """
    if not (type(rtol) is float and 0.0 < rtol < inf):
        rtol = single(RTOL, rtol)
    if chosen(method, order, _BOUNDS_METHODS):
        return Bounds(*estimate(BOUNDS_OF_EPSILON, (sigma, q, steps, delta), adjacency, method, order, threads))
    _, lower, upper = evaluate(_EPSILON, (sigma, q, steps, delta), adjacency, threads, rtol)
    return Bounds(lower, upper)


def delta(
    sigma: ArrayLike,
    q: ArrayLike,
    steps: ArrayLike,
    epsilon: ArrayLike,
    *,
    adjacency: str = "add_or_remove",
    method: str = "certified",
    order: int | None = None,
    threads: int | None = None,
) -> Real:
    """Delta at `epsilon`, rounded up: the number to publish.

    Guarantee: the run is (`epsilon`, result)-differentially private; the result is never below the exact delta.
    Only with the default `method`: the others are estimates, "rdp" apart.

    Parameters
    ----------
    sigma, q, steps, adjacency, method, order, threads
        As in `edgeworth_acct.epsilon`.
    epsilon : float or array_like
        Any finite real number, in nats; negative ones too.

    Returns
    -------
    float or ndarray
        In [0, 1]; an array of the arguments' broadcast shape if any of them is an array.

    Raises
    ------
    ValueError, TypeError, PrecisionError
        As in `epsilon_bounds`.

    Examples
    --------
    >>> f"{delta(sigma=0.7865, q=2000 / 67349, steps=660, epsilon=8.0):.2e}"
    '1.75e-05'
    """
    if chosen(method, order, _METHODS):
        return estimate(DELTA_OF, (sigma, q, steps, epsilon), adjacency, method, order, threads)[0]
    _, _, upper = evaluate(_DELTA, (sigma, q, steps, epsilon), adjacency, threads, _RTOL)
    return upper


def delta_bounds(
    sigma: ArrayLike,
    q: ArrayLike,
    steps: ArrayLike,
    epsilon: ArrayLike,
    *,
    adjacency: str = "add_or_remove",
    method: str = "certified",
    order: int | None = None,
    rtol: float = _RTOL,
    threads: int | None = None,
) -> Bounds:
    """Delta at `epsilon` from both sides.

    Guarantee: ``lower <= exact delta <= upper`` for the arguments read as the doubles they are, with discretisation,
    truncation and floating-point error included.

    Parameters
    ----------
    sigma, q, steps, adjacency, threads
        As in `edgeworth_acct.epsilon`.
    epsilon : float or array_like
        Any finite real number, in nats; negative ones too.
    method, order
        As in `epsilon_bounds`; where "eeai" says nothing, the bounds are max(0, 1 - e^epsilon) and 1.
    rtol : float
        Wanted relative width with "certified".

    Returns
    -------
    Bounds
        Two floats, or two arrays of the arguments' broadcast shape.

    Raises
    ------
    ValueError, TypeError, PrecisionError
        As in `epsilon_bounds`.

    Notes
    -----
    Edge cases: "add" with q < 1 has delta exactly 0 from epsilon = -steps * log(1 - q) on.

    Examples
    --------
    The Gaussian mechanism (q = 1, one step, sigma = 1) has a closed form:

    >>> 0.12693673750664395 in delta_bounds(1.0, 1.0, 1, 1.0)
    True
    """
    if not (type(rtol) is float and 0.0 < rtol < inf):
        rtol = single(RTOL, rtol)
    if chosen(method, order, _BOUNDS_METHODS):
        return Bounds(*estimate(BOUNDS_OF_DELTA, (sigma, q, steps, epsilon), adjacency, method, order, threads))
    _, lower, upper = evaluate(_DELTA, (sigma, q, steps, epsilon), adjacency, threads, rtol)
    return Bounds(lower, upper)


def noise_multiplier(
    epsilon: ArrayLike,
    q: ArrayLike,
    steps: ArrayLike,
    delta: ArrayLike,
    *,
    adjacency: str = "add_or_remove",
    method: str = "certified",
    order: int | None = None,
    threads: int | None = None,
) -> Real:
    """Smallest noise multiplier that meets a budget, rounded up.

    Guarantee: ``edgeworth_acct.epsilon(result, q, steps, delta) <= epsilon``, and the result is at most 1e-9 (relative)
    above the optimum.  Only with the default `method`: the noise that an estimate asks for may be too little.

    Parameters
    ----------
    epsilon : float or array_like
        Target, in nats, finite and >= 0.
    q, steps, delta, adjacency, threads
        As in `edgeworth_acct.epsilon`.
    method, order
        As in `edgeworth_acct.epsilon`: the noise at which that method says `epsilon`, to compare accountants with.
        Safe with "certified" and "rdp" only.

    Returns
    -------
    float or ndarray
        In units of the clip norm; an array of the arguments' broadcast shape if any of them is an array.

    Raises
    ------
    ValueError
        An argument is out of range, or not even a noise multiplier of 1e4 meets the target.
    TypeError, PrecisionError
        As in `epsilon_bounds`.

    Examples
    --------
    The smallest honest noise for SST-2 at epsilon 8, batch 2000, 20 epochs:

    >>> f"{noise_multiplier(epsilon=8.0, q=2000 / 67349, steps=660, delta=1e-5):.6f}"
    '0.798198'
    """
    if chosen(method, order, _METHODS):
        return estimate(NOISE_OF, (epsilon, q, steps, delta), adjacency, method, order, threads)[0]
    _, result = evaluate(_NOISE_MULTIPLIER, (epsilon, q, steps, delta), adjacency, threads)
    return result


def max_steps(
    epsilon: ArrayLike,
    sigma: ArrayLike,
    q: ArrayLike,
    delta: ArrayLike,
    *,
    adjacency: str = "add_or_remove",
    threads: int | None = None,
) -> int | NDArray[np.int64]:
    """Largest number of steps within a budget.

    Guarantee: ``edgeworth_acct.epsilon(sigma, q, result, delta) <= epsilon``, and one more step does not.

    Parameters
    ----------
    epsilon : float or array_like
        Target, in nats, finite and >= 0.
    sigma, q, delta, adjacency, threads
        As in `edgeworth_acct.epsilon`.

    Returns
    -------
    int or ndarray of int64
        From 1 to 10**13; an array of the arguments' broadcast shape if any of them is an array.

    Raises
    ------
    ValueError
        An argument is out of range, or not even a single step meets the target.
    TypeError, PrecisionError
        As in `epsilon_bounds`.

    Examples
    --------
    >>> max_steps(epsilon=8.0, sigma=0.7982, q=2000 / 67349, delta=1e-5)
    660
    """
    _, result = evaluate(_MAX_STEPS, (epsilon, sigma, q, delta), adjacency, threads)
    return result


def max_sampling_rate(
    epsilon: ArrayLike,
    sigma: ArrayLike,
    steps: ArrayLike,
    delta: ArrayLike,
    *,
    adjacency: str = "add_or_remove",
    threads: int | None = None,
) -> Real:
    """Largest sampling rate within a budget, rounded down.

    Guarantee: ``edgeworth_acct.epsilon(sigma, result, steps, delta) <= epsilon``, and the result is at most 1e-9
    (relative) below the optimum.

    Parameters
    ----------
    epsilon : float or array_like
        Target, in nats, finite and >= 0.
    sigma, steps, delta, adjacency, threads
        As in `edgeworth_acct.epsilon`.

    Returns
    -------
    float or ndarray
        In [1e-12, 1]; an array of the arguments' broadcast shape if any of them is an array.

    Raises
    ------
    ValueError
        An argument is out of range, or not even a rate of 1e-12 meets the target.
    TypeError, PrecisionError
        As in `epsilon_bounds`.

    Examples
    --------
    The rate, times 67349 records, is the expected batch:

    >>> f"{67349 * max_sampling_rate(epsilon=8.0, sigma=0.798198, steps=660, delta=1e-5):.0f}"
    '2000'
    """
    _, result = evaluate(_MAX_SAMPLING_RATE, (epsilon, sigma, steps, delta), adjacency, threads)
    return result
