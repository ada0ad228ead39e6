"""Poisson batches in micro-batches of one shape."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class MicroBatch:
    """Records of one forward pass.

    Attributes
    ----------
    indices : Tensor
        Row numbers of the data set, int64, shape (micro_batch,); -1 where there is none.
    mask : Tensor
        Boolean, shape (micro_batch,): whether there is one.  What stands in the other places counts for nothing; with
        ``indices.clamp(min=0)`` the shapes stay the same.
    """

    indices: Tensor
    mask: Tensor


class LogicalStep:
    """One batch, to be iterated over as `MicroBatch`es once; `DPEngine.step` ends it.

    Attributes
    ----------
    number : int
        Of the step, from 0.

    Raises
    ------
    RuntimeError
        It is iterated over again, or when it is over: a record would count twice.
    """

    def __init__(self, number, indices, micro_batch, announce):
        self.number = number
        self._indices = indices
        self._micro_batch = micro_batch
        self._announce = announce

    def __iter__(self):
        rows, self._indices = self._indices, None
        if rows is None:
            raise RuntimeError("a logical step must be iterated over once: its records count once")
        for start in range(0, len(rows), self._micro_batch):
            present = rows[start : start + self._micro_batch]
            indices = torch.full((self._micro_batch,), -1)
            indices[: len(present)] = torch.from_numpy(present)
            batch = MicroBatch(indices, indices >= 0)
            self._announce(self, batch)
            yield batch


def by_length(rows, lengths):
    """Rows of a batch with the longest first: micro-batches of like lengths need little padding."""
    return rows if lengths is None else rows[np.argsort(-lengths[rows], kind="stable")]


def poisson(generator, n, q):
    """Row numbers of a batch that holds each of `n` records independently with probability q.

    The generator's doubles are multiples of 2^-53, so q is rounded down to one: no record is ever likelier than
    accounted.
    """
    threshold = math.floor(q * 2.0**53) * 2.0**-53
    return (generator.random(n) < threshold).nonzero()[0]
