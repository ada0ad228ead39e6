"""Exceptions, and what each status of the C core becomes."""

from edgeworth_acct._core import STATUS


class PrecisionError(ArithmeticError):
    """No interval could be certified, or no estimate formed, for these arguments."""


#: status -> (exception, the argument it speaks of; None where it speaks of the whole call).
STATUS_ERRORS = {
    STATUS["EW_BAD_SIGMA"]: (ValueError, "sigma"),
    STATUS["EW_BAD_Q"]: (ValueError, "q"),
    STATUS["EW_BAD_STEPS"]: (ValueError, "steps"),
    STATUS["EW_BAD_DELTA"]: (ValueError, "delta"),
    STATUS["EW_BAD_EPSILON"]: (ValueError, "epsilon"),
    STATUS["EW_BAD_ADJACENCY"]: (ValueError, "adjacency"),
    STATUS["EW_BAD_RTOL"]: (ValueError, "rtol"),
    STATUS["EW_PRECISION"]: (PrecisionError, None),
    STATUS["EW_UNREACHABLE"]: (ValueError, None),
    STATUS["EW_BAD_METHOD"]: (ValueError, "method"),
    STATUS["EW_BAD_ORDER"]: (ValueError, "order"),
    STATUS["EW_BAD_TILT"]: (ValueError, "tilt"),
    STATUS["EW_NO_ROOT"]: (PrecisionError, None),
}
