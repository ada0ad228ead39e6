"""Renyi divergences of the subsampled Gaussian, the bound that they give, and its Gaussian limit."""

import numpy as np
from numpy.typing import ArrayLike

from edgeworth_acct import _core
from edgeworth_acct.arguments import DELTA, Q, SIGMA, STEPS, Argument, adjacency_code, choose, single
from edgeworth_acct.errors import STATUS_ERRORS

RENYI_ORDER = Argument("order", "in (1, 1e6]", lambda x: (x > 1) & (x <= 1e6))

_CONVERSIONS = ("canonne", "mironov")


def _checked(status, **named):
    if status:
        exception, _ = STATUS_ERRORS[status]
        where = ", ".join(f"{name}={value!r}" for name, value in named.items())
        domain = "the domain is sigma in [0.1, 1e4], q in [1e-12, 1], and orders whose nodes are not too many"
        raise exception(f"not computed for {where}; {domain}")


def renyi_divergence(sigma: float, q: float, order: float, *, adjacency: str = "add_or_remove") -> float:
    """Renyi divergence of one step: RDP at `order`.

    Guarantee: relative error below 1e-12; not rounded to a side.

    Parameters
    ----------
    sigma : float
        Noise multiplier.
    q : float
        Sampling rate, in (0, 1].
    order : float
        Order of the divergence, in (1, 1e6]; any real number.
    adjacency : {"add_or_remove", "add", "remove", "replace_one"}
        Neighbouring relation; the first takes the larger of the next two.

    Returns
    -------
    float
        K(order - 1)/(order - 1) in nats, K as in `edgeworth_acct.cumulants`; steps times it for a run.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong type.
    PrecisionError
        Outside sigma in [0.1, 1e4], q in [1e-12, 1], or where the order makes the divergence's nodes too many.

    Examples
    --------
    >>> f"{renyi_divergence(2.0, 1.0, 8.0):.6f}"  # the Gaussian mechanism: order/(2 sigma^2)
    '1.000000'
    """
    sigma, q, order = single(SIGMA, sigma), single(Q, q), single(RENYI_ORDER, order)
    status, value = _core.renyi(sigma, q, order, adjacency_code(adjacency))
    _checked(status, sigma=sigma, q=q, order=order)
    return value


def rdp_epsilon(
    sigma: float,
    q: float,
    steps: int,
    delta: float,
    *,
    orders: ArrayLike,
    conversion: str = "canonne",
    adjacency: str = "add_or_remove",
) -> float:
    """Epsilon by Renyi divergences at given orders; `epsilon` with ``method="rdp"`` finds the best real order itself.

    Guarantee: an upper bound of the exact epsilon, up to rounding (1e-12).

    Parameters
    ----------
    sigma, q, steps, delta, adjacency
        As in `edgeworth_acct.epsilon`; single numbers.
    orders : array_like
        The orders to choose from, each in (1, 1e6].
    conversion : {"canonne", "mironov"}
        From RDP at order a to epsilon: "canonne" adds log(1 - 1/a) - log(a delta)/(a - 1), the best known closed form
        [1]_; "mironov" adds log(1/delta)/(a - 1), the classical one [2]_, which the published EW-Tune baselines use.

    Returns
    -------
    float
        The smallest epsilon over the orders, floored at 0.

    Raises
    ------
    ValueError, TypeError, PrecisionError
        As in `renyi_divergence`.

    References
    ----------
    .. [1] C. Canonne, G. Kamath, T. Steinke. "The Discrete Gaussian for Differential Privacy." NeurIPS 2020.
       arXiv:2004.00010, proposition 12.
    .. [2] I. Mironov. "Renyi Differential Privacy." CSF 2017. arXiv:1702.07476, proposition 3.

    Examples
    --------
    The RDP baseline of EW-Tune on SST-2, with its orders and its conversion:

    >>> orders = [2 + k / 10 for k in range(300)]
    >>> f"{rdp_epsilon(0.8775, 2000 / 67349, 660, 1e-5, orders=orders, conversion='mironov'):.10f}"
    '7.9982551808'
    """
    choose("conversion", conversion, _CONVERSIONS)
    steps, delta = single(STEPS, steps), single(DELTA, delta)
    orders = np.atleast_1d(RENYI_ORDER.convert(orders))
    rdp = np.array([renyi_divergence(sigma, q, order, adjacency=adjacency) for order in orders.flat])
    a = orders.reshape(-1)
    extra = -np.log(delta) / (a - 1)
    if conversion == "canonne":
        extra += np.log1p(-1 / a) - np.log(a) / (a - 1)
    return max(0.0, float(np.min(steps * rdp + extra)))


def gdp_mu(sigma: float, q: float, steps: int, *, adjacency: str = "add_or_remove") -> float:
    """Parameter mu of the Gaussian mechanism that the run tends to.

    Guarantee: none; an estimate by the central limit theorem [1]_ (exact for q = 1).

    Parameters
    ----------
    sigma, q, steps, adjacency
        As in `edgeworth_acct.epsilon`; single numbers.

    Returns
    -------
    float
        q sqrt(steps (e^{1/sigma^2} - 1)); for "replace_one" q sqrt(2 steps (e^{1/sigma^2} - e^{-1/sigma^2})).

    Raises
    ------
    ValueError, TypeError, PrecisionError
        As in `renyi_divergence`.

    References
    ----------
    .. [1] J. Dong, A. Roth, W. J. Su. "Gaussian Differential Privacy." JRSS B 84, 2022. arXiv:1905.02383, section 5.

    Examples
    --------
    >>> f"{gdp_mu(1.0, 0.01, 1000):.6f}"
    '0.414522'
    """
    sigma, q, steps = single(SIGMA, sigma), single(Q, q), single(STEPS, steps)
    status, value = _core.gdp(sigma, q, steps, adjacency_code(adjacency))
    _checked(status, sigma=sigma, q=q, steps=steps)
    return value
