"""Cumulants of the privacy loss of one step."""

import numpy as np
from numpy.typing import NDArray

from edgeworth_acct import _core
from edgeworth_acct.arguments import Q, SIGMA, TILT, adjacency_code, order_value, single
from edgeworth_acct.errors import STATUS_ERRORS

_DIRECTIONS = ("add", "remove", "replace_one")


def cumulants(
    sigma: float, q: float, *, adjacency: str = "remove", tilt: float = 0.0, order: int = 8
) -> NDArray[np.float64]:
    """Cumulants kappa_1, ..., kappa_order of one step's privacy loss.

    Guarantee: every cumulant is within 1e-12 of itself (relative error); where 1536 bits do not suffice for that,
    `PrecisionError`.

    Parameters
    ----------
    sigma : float
        Noise multiplier.
    q : float
        Sampling rate, in (0, 1].
    adjacency : {"remove", "add", "replace_one"}
        Which pair of laws the loss compares, see `edgeworth_acct.accounting`.
    tilt : float
        The loss Y is taken under the law with density e^{tilt Y - K(tilt)} against its own first law, with K(z) = log
        E[e^{z Y}]: the results are the derivatives of K at `tilt`.  0 is the first law itself, -1 the second.
    order : int
        Highest cumulant, from 1 to 32.

    Returns
    -------
    ndarray
        kappa_1 (nats), ..., kappa_order (nats**order).  Those of n steps are n times as large.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong type; the message names it, its value and the range.
    PrecisionError
        Outside sigma in [0.1, 1e4] and q in [1e-12, 1], or a cumulant too close to one of its zeros.

    Notes
    -----
    Central moments from trapezoidal nodes, each with an a-posteriori bound of its rounding error; microseconds.  Where
    the recursion from moments to cumulants cancels more than a double holds (large sigma, high order) the same is done
    with as many bits as it takes; milliseconds.

    Edge cases: q = 1 is a normal loss; at tilt -1/2 "replace_one" is symmetric and its odd cumulants are exactly 0.

    Examples
    --------
    >>> cumulants(1.0, 0.01, order=3)
    array([8.38122077e-05, 1.71630506e-04, 1.25317964e-05])

    The Renyi divergence of order 2 is K(1):

    >>> kappa = cumulants(10.0, 0.01, order=20)
    >>> from math import factorial
    >>> import edgeworth_acct as ea
    >>> series = sum(k / factorial(i) for i, k in enumerate(kappa, 1))
    >>> bool(abs(series / ea.renyi_divergence(10.0, 0.01, 2.0, adjacency="remove") - 1) < 1e-12)
    True
    """
    if adjacency not in _DIRECTIONS:
        adjacency_code(adjacency)
        raise ValueError(f"adjacency must be one of {', '.join(map(repr, _DIRECTIONS))} here, got {adjacency!r}")
    sigma, q, tilt = single(SIGMA, sigma), single(Q, q), single(TILT, tilt)
    result = np.empty(order_value(order, 1, _core.CUMULANTS_MAX))
    status = _core.cumulants(result, sigma, q, adjacency_code(adjacency), tilt)
    if status:
        exception, _ = STATUS_ERRORS[status]
        where = f"sigma={sigma!r}, q={q!r}, adjacency={adjacency!r}, tilt={tilt!r}, order={result.size}"
        raise exception(f"no relative error of 1e-12 in every cumulant: {where}; sigma in [0.1, 1e4], q in [1e-12, 1]")
    return result
