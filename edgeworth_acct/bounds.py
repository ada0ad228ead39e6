"""The type of every two-sided result."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = float | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval that contains the exact value: ``lower <= exact <= upper``.

    Parameters
    ----------
    lower, upper : float or ndarray
        The two ends, of one shape.  `upper` is the end that is safe to publish.

    Examples
    --------
    >>> bounds = Bounds(1.25, 1.5)
    >>> lower, upper = bounds
    >>> upper, bounds.width, 1.3 in bounds
    (1.5, 0.25, True)
    """

    lower: Real
    upper: Real

    def __iter__(self) -> Iterator[Real]:
        yield self.lower
        yield self.upper

    def __contains__(self, value: Real) -> bool:
        """Whether `value` lies within the bounds (for arrays: every element)."""
        return bool(np.all((self.lower <= value) & (value <= self.upper)))

    @property
    def width(self) -> Real:
        """``upper - lower``."""
        return self.upper - self.lower
