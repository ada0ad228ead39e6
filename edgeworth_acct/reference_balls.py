"""What all of the reference shares: balls of python-flint (extra ``[verify]``), and the refusal."""

import math

_BITS = 128


class NotVerified(ValueError):
    """A certificate that could not be confirmed, and why."""


def flint():
    """The module python-flint; ImportError says what to install."""
    try:
        import flint as module
    except ImportError:
        raise ImportError("verify needs python-flint: pip install 'edgeworth-acct[verify]'") from None
    return module


def arb(value):
    """A ball around a number."""
    return flint().arb(value)


def around_zero(radius):
    """A ball around 0 that contains [-radius, radius]."""
    return flint().arb(0, arb(radius).upper())


def disc(radius):
    """A complex ball around 0 that contains all numbers up to this size."""
    return flint().acb(around_zero(radius), around_zero(radius))


def positive(ball):
    """A ball that contains max(x, 0) for all x of a ball."""
    if ball <= 0:
        return arb(0)
    return ball if ball > 0 else arb(0).union(abs(ball))


def log_of(ball):
    """About the log of a positive ball, as a float, for sizes that are no doubles too."""
    middle = ball.mid()
    return float(middle.log().mid()) if middle > 0 else -math.inf


class working:
    """Context manager: the precision of all balls."""

    def __enter__(self):
        self._context = flint().ctx
        self._before, self._context.prec = self._context.prec, _BITS

    def __exit__(self, *exc):
        self._context.prec = self._before
