"""Sums of exponentials at many heights of a vertical line, in ball arithmetic."""

import math

from edgeworth_acct.reference_balls import flint


def sums_along(pairs, h, first, last):
    """Sums of e^{term + i h j loss} over pairs (loss, term) for first <= j < last.

    One product of matrices: j = start + k, with about as many starts as k.
    """
    acb, matrix = flint().acb, flint().acb_mat
    columns = math.isqrt(last - first - 1) + 1
    starts = range(first, last, columns)
    turns = [acb(0, h) * loss for loss, _ in pairs]
    left = [(term + turn * start).exp() for start in starts for turn, (_, term) in zip(turns, pairs)]
    right = [(turn * k).exp() for turn in turns for k in range(columns)]
    product = matrix(len(starts), len(pairs), left) * matrix(len(pairs), columns, right)
    return product.entries()[: last - first]
