"""Validation: what each argument may be, said once and used by the functions and the command line alike."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgeworth_acct._core import ADJACENCY

_NUMBERS = (float, int, np.floating, np.integer)
_TOO_MANY = 2.0**63


@dataclass(frozen=True)
class Argument:
    """A numeric argument: its name, the allowed range in words, and the test of that range (elementwise)."""

    name: str
    allowed: str
    accepts: Callable
    integer: bool = False

    def convert(self, value):
        """`value` as a float or an array of them (int and int64 for an integer argument).

        Raises TypeError where it is no real number, ValueError where it is out of range, each naming the argument,
        the value and the range.
        """
        if isinstance(value, _NUMBERS) and not isinstance(value, bool):
            return self._convert_number(value)
        try:
            array = np.asarray(value)
        except ValueError:
            raise self._wrong_type("a ragged sequence") from None
        if array.dtype.kind == "O" and all(type(item) in (int, float) for item in array.flat):
            array = np.array([_as_float(item) for item in array.flat]).reshape(array.shape)  # some beyond 64 bits
        if array.dtype.kind not in "fiu":
            raise self._wrong_type(repr(value) if array.ndim == 0 else f"an array of {array.dtype}")
        if array.ndim == 0:
            return self._convert_number(array.item())
        good = self.accepts(array)
        if self.integer:
            good &= (array == np.floor(array)) & (array < _TOO_MANY)
        if not np.all(good):
            index = np.unravel_index(np.argmin(good), array.shape)
            raise ValueError(self.refusal(array[index].item(), index))
        return array.astype(np.int64 if self.integer else np.float64)

    def _convert_number(self, value):
        number = _as_float(value)
        if not self.accepts(number) or (self.integer and not (number.is_integer() and number < _TOO_MANY)):
            raise ValueError(self.refusal(value))
        return int(value) if self.integer else number

    def refusal(self, value, index=()):
        """The message for a value out of range, at `index` of an array."""
        return f"{self.name} must be {self.allowed}, got {value!r}{at(index)}"

    def _wrong_type(self, got):
        kind = "an integer" if self.integer else "a real number"
        return TypeError(f"{self.name} must be {kind} ({self.allowed}) or an array of them, got {got}")


def at(index):
    """How a message names the place in an array: nothing for a scalar."""
    place = tuple(map(int, index))
    return f" at index {place[0] if len(place) == 1 else place}" if place else ""


def _as_float(value):
    """A number as a float; integers beyond the floats' range are infinite."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def _finite_and_positive(x):
    return (x > 0) & (x < np.inf)


SIGMA = Argument("sigma", "finite and > 0", _finite_and_positive)
Q = Argument("q", "in (0, 1]", lambda x: (x > 0) & (x <= 1))
STEPS = Argument("steps", "an integer >= 1 that fits in 64 bits", lambda x: x >= 1, integer=True)
DELTA = Argument("delta", "in (0, 1), both ends excluded", lambda x: (x > 0) & (x < 1))
EPSILON = Argument("epsilon", "finite", np.isfinite)
TARGET_EPSILON = Argument("epsilon", "finite and >= 0", lambda x: (x >= 0) & (x < np.inf))
RTOL = Argument("rtol", "finite and > 0", _finite_and_positive)
COUNT = Argument("count", "an integer from 0 to 2**53", lambda x: (x >= 0) & (x <= 2.0**53), integer=True)
ALPHA = Argument("alpha", "in [0, 1]", lambda x: (x >= 0) & (x <= 1))
FLOOR = Argument("floor", "in [1e-12, 0.1]", lambda x: (x >= 1e-12) & (x <= 0.1))
PURE = Argument("epsilon", "in [0, 500]", lambda x: (x >= 0) & (x <= 500))
APPROXIMATE = Argument("delta", "in [0, 1)", lambda x: (x >= 0) & (x < 1))
INFINITY_MASS = Argument("infinity_mass", "in [0, 1)", lambda x: (x >= 0) & (x < 1))
CATEGORIES = Argument("categories", "an integer >= 2", lambda x: (x >= 2) & (x < 2**31), integer=True)
SCALE = Argument("scale", "in [0.002, 1e4]", lambda x: (x >= 0.002) & (x <= 1e4))
POPULATION = Argument("population", "an integer >= 1", lambda x: x >= 1, integer=True)
SAMPLE = Argument("sample", "an integer from 1 to population", lambda x: x >= 1, integer=True)
LIMIT = Argument("limit", "an integer >= 1", lambda x: x >= 1, integer=True)
ADVANTAGE = Argument("advantage", "in (0, 1)", lambda x: (x > 0) & (x < 1))
BETA = Argument("beta", "in [0, 1]", lambda x: (x >= 0) & (x <= 1))
TOLERANCE = Argument("tol", "in [1e-12, 0.1]", lambda x: (x >= 1e-12) & (x <= 0.1))
ORDER = Argument("order", "finite and > 1", lambda x: (x > 1) & (x < np.inf))
TILT = Argument("tilt", "in [-1e6, 1e6]", lambda x: abs(x) <= 1e6)


def single(argument, value):
    """`value` converted; it is one number for the whole call."""
    if type(value) is float and not argument.integer and argument.accepts(value):
        return value
    value = argument.convert(value)
    if isinstance(value, np.ndarray):
        kind = "integer" if argument.integer else "real number"
        wanted = f"{argument.name} must be a single {kind} ({argument.allowed})"
        raise TypeError(f"{wanted}, got an array of shape {value.shape}")
    return value


def order_value(order, low, high):
    """`order` as an int in [low, high]."""
    try:
        value = operator.index(order)
    except TypeError:
        value = None
    if value is None or isinstance(order, bool):
        raise TypeError(f"order must be an integer in [{low}, {high}], got {order!r}")
    if not low <= value <= high:
        raise ValueError(f"order must be an integer in [{low}, {high}], got {order!r}")
    return value


def adjacency_code(adjacency):
    """The core's number for a neighbouring relation."""
    if isinstance(adjacency, str) and adjacency in ADJACENCY:
        return ADJACENCY[adjacency]
    raise ValueError(f"adjacency must be one of {', '.join(map(repr, ADJACENCY))}, got {adjacency!r}")


def thread_count(threads):
    """`threads` as an int >= 1; None is 1."""
    if threads is None:
        return 1
    try:
        count = operator.index(threads)
    except TypeError:
        count = None
    if count is None or isinstance(threads, bool):
        raise TypeError(f"threads must be None or an integer >= 1, got {threads!r}")
    if count < 1:
        raise ValueError(f"threads must be None or an integer >= 1, got {count}")
    return count


def choose(name, value, choices):
    """Refuse a `value` that is not among `choices`, naming them."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def as_tuple(name, values):
    """`values` as a tuple of floats."""
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a sequence of real numbers, got {values!r}") from None


def check_probabilities(values, total):
    """Refuse `values` that are no probabilities or do not add up to `total`."""
    if any(not 0.0 <= value <= 1.0 for value in values) or abs(math.fsum(values) - total) > 1e-12:
        total_is = math.fsum(values)
        raise ValueError(f"probabilities must lie in [0, 1] and add up to {total}, got {values} with sum {total_is!r}")
