"""The parameter that just meets a privacy target, whatever the parameter."""

import math

from edgeworth_acct.arguments import ADVANTAGE, ALPHA, BETA, DELTA, TARGET_EPSILON, TOLERANCE, single
from edgeworth_acct.composition import Composable
from edgeworth_acct.errors import PrecisionError


def calibrate(
    make_run,
    parameter_range,
    *,
    epsilon: float | None = None,
    delta: float | None = None,
    advantage: float | None = None,
    beta: float | None = None,
    alpha: float | None = None,
    adjacency: str = "add_or_remove",
    tol: float = 1e-9,
) -> float | int:
    """The value of a parameter at which a run just meets a privacy target, on the safe side.

    Guarantee: the run at the result meets the target, certified; at `tol` (relative) from it, towards less privacy,
    it does not.

    Parameters
    ----------
    make_run : callable
        From a value of the parameter to a run or mechanism, whose privacy must rise or fall with it.
    parameter_range : (number, number)
        Where to look.  Two integers ask for an integer.
    epsilon, delta : float, optional
        Target: ``epsilon(delta) <= epsilon``.
    advantage : float, optional
        Target: no attack has a larger advantage, true minus false positive rate; in (0, 1).
    beta, alpha : float, optional
        Target: every attack with false positive rate `alpha` has a false negative rate of at least `beta`.
    adjacency : str
        As in `Run`.
    tol : float
        Relative tolerance of the parameter, in [1e-12, 0.1].

    Returns
    -------
    float or int
        Of the values within the range that meet the target, the one of least privacy, up to `tol`.

    Raises
    ------
    ValueError
        An argument is wrong, or neither end of the range meets the target.

    Examples
    --------
    >>> from edgeworth_acct import Gaussian, SubsampledGaussian
    >>> sigma = calibrate(lambda s: 660 * SubsampledGaussian(s, 2000 / 67349), (0.5, 5.0), epsilon=8.0, delta=1e-5)
    >>> f"{sigma:.6f}"
    '0.798198'
    >>> f"{calibrate(Gaussian, (0.1, 100.0), advantage=0.1):.4f}"
    '3.9789'
    """
    meets = _target(epsilon, delta, advantage, beta, alpha, adjacency)
    tol = single(TOLERANCE, tol)
    low, high = _range(parameter_range)
    whole = isinstance(low, int)

    def excess(value):
        run = make_run(value)
        if not isinstance(run, Composable):
            raise TypeError(f"make_run must return a run or a mechanism, got {run!r}")
        try:
            return meets(run)
        except PrecisionError:
            return math.inf  # what cannot be certified does not meet the target

    at_low, at_high = excess(low), excess(high)
    if at_low > 0.0 and at_high > 0.0:
        raise ValueError(f"no value in parameter_range ({low!r}, {high!r}) meets the target")
    if at_low <= 0.0 and at_high <= 0.0:
        return low if at_low > at_high else high
    good, bad, at_good, at_bad = (low, high, at_low, at_high) if at_low <= 0.0 else (high, low, at_high, at_low)
    same = 0
    for turn in range(300):
        if (abs(bad - good) <= 1) if whole else (abs(bad - good) <= tol * min(abs(good), abs(bad))):
            return good
        value = _next(good, bad, at_good, at_bad, turn, whole, tol, same)
        if value in (good, bad):
            return good
        here = excess(value)
        if here <= 0.0:
            same = same + 1 if same > 0 else 1
            good, at_good = value, here
        else:
            same = same - 1 if same < 0 else -1
            bad, at_bad = value, here
    return good


def _next(good, bad, at_good, at_bad, turn, whole, tol, same):
    """A secant step in the logarithm, a little past the root, so that both ends close in; in turns the middle."""
    log = good > 0 and bad > 0
    a, b = (math.log(good), math.log(bad)) if log else (float(good), float(bad))
    share = 0.5
    if turn % 4 != 3 and math.isfinite(at_good) and math.isfinite(at_bad):
        share = at_good / (at_good - at_bad)
        nudge = 0.3 * tol / abs(b - a) * 2.0 ** min(30, max(0, abs(same) - 1)) if log else 0.0
        share += nudge if same >= 0 else -nudge
        share = min(max(share, 1e-12), 1.0 - 1e-12)
    value = a + (b - a) * share
    value = math.exp(value) if log else value
    if whole:
        low, high = sorted((good, bad))
        return min(max(round(value), low + 1), high - 1)
    low, high = sorted((good, bad))
    return min(max(value, math.nextafter(low, high)), math.nextafter(high, low))


def _target(epsilon, delta, advantage, beta, alpha, adjacency):
    """From a run to how far beyond the target it is: <= 0 meets it."""
    given = {
        name: value
        for name, value in (
            ("epsilon", epsilon),
            ("delta", delta),
            ("advantage", advantage),
            ("beta", beta),
            ("alpha", alpha),
        )
        if value is not None
    }
    if given.keys() == {"epsilon", "delta"}:
        epsilon, delta = single(TARGET_EPSILON, epsilon), single(DELTA, delta)
        return lambda run: _excess(run.epsilon(delta, adjacency=adjacency), epsilon)
    if given.keys() == {"advantage"}:
        advantage = single(ADVANTAGE, advantage)
        return lambda run: _excess(run.advantage(adjacency=adjacency).upper, advantage)
    if given.keys() == {"beta", "alpha"}:
        beta, alpha = single(BETA, beta), single(ALPHA, alpha)
        return lambda run: beta - run.tradeoff(alpha, adjacency=adjacency).lower
    raise ValueError(f"give epsilon and delta, or advantage, or beta and alpha; got {', '.join(given) or 'none'}")


def _excess(found, target):
    if found <= target:
        return math.log(found / target) if found > 0.0 and target > 0.0 else 0.0 if found == target else -1.0
    return math.log(found / target) if target > 0.0 and math.isfinite(found) else math.inf


def _range(parameter_range):
    try:
        low, high = parameter_range
    except (TypeError, ValueError):
        raise ValueError(f"parameter_range must be two numbers, got {parameter_range!r}") from None
    whole = all(isinstance(end, int) and not isinstance(end, bool) for end in (low, high))
    if not whole:
        low, high = float(low), float(high)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"parameter_range must be two finite numbers, the first smaller, got {parameter_range!r}")
    return low, high
