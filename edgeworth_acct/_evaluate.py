"""From Python numbers and arrays to the C loops and back: broadcasting, threads, errors."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edgeworth_acct._core import STATUS
from edgeworth_acct.arguments import Argument, adjacency_code, at, thread_count
from edgeworth_acct.bounds import Bounds
from edgeworth_acct.errors import STATUS_ERRORS, PrecisionError

_CHUNK = 512  # most elements between two chances to interrupt
_CHUNKS_PER_THREAD = 8  # costs differ from element to element, so threads take small bites

_CERTIFIED = "sigma in [0.1, 1e4], q in [1e-12, 1], steps in [1, 10**13], delta in [1e-300, 0.99]"


@dataclass(frozen=True, slots=True)
class Kernel:
    """One function of the core: its scalar and array forms, its arguments, its results, and what it may fail to do.

    `imprecise` says what PrecisionError means for an estimate; "" is a kernel that certifies an interval.
    """

    scalar: Callable
    array: Callable
    arguments: tuple[Argument, ...]
    outputs: tuple[type, ...]
    unreachable: str = ""
    imprecise: str = ""
    types: tuple[type, ...] = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "types", tuple(int if argument.integer else float for argument in self.arguments))


def evaluate(kernel, values, adjacency, threads, *options):
    """(EW_OK, results...) of `kernel`: scalars for scalars, else arrays of the broadcast shape."""
    code = adjacency_code(adjacency)
    if threads is not None:
        threads = thread_count(threads)
    a, b, c, d = values
    if (type(a), type(b), type(c), type(d)) != kernel.types:
        values = _convert(kernel, values)
        if any(isinstance(value, np.ndarray) for value in values):
            return _evaluate_arrays(kernel, values, threads or 1, (code, *options))
    try:
        results = kernel.scalar(*values, code, *options)
    except OverflowError:  # an integer beyond 64 bits
        _convert(kernel, values)
        raise
    if results[0]:
        raise _failure(kernel, results[0], values, options)
    return results


def as_given(argument, value, function):
    """`function` of a 1-D array of `value`'s elements, its Bounds in the shape of `value`: floats for a number."""
    values = argument.convert(value)
    bounds = function(np.atleast_1d(values).astype(np.float64).reshape(-1))
    if isinstance(values, np.ndarray):
        return Bounds(bounds.lower.reshape(values.shape), bounds.upper.reshape(values.shape))
    return Bounds(float(bounds.lower[0]), float(bounds.upper[0]))


def _convert(kernel, values):
    return tuple(argument.convert(value) for argument, value in zip(kernel.arguments, values, strict=True))


def _evaluate_arrays(kernel, values, threads, options):
    shape = _broadcast_shape(kernel, values)
    outputs = [np.empty(shape, dtype) for dtype in kernel.outputs]
    # A number becomes a view of stride 0; every flat view of an output is the output itself.
    columns = [output.reshape(-1) for output in outputs]
    columns += [np.broadcast_to(value, shape).reshape(-1) for value in values]
    size = columns[0].size
    step = _CHUNK if threads == 1 else max(1, min(_CHUNK, size // (threads * _CHUNKS_PER_THREAD)))

    def run(start):
        stop = min(start + step, size)
        status, done = kernel.array(*[column[start:stop] for column in columns], *options)
        return status, start + done

    for status, place in _map(run, range(0, size, step), threads):
        if status:
            index = np.unravel_index(place, shape)
            failed = [np.broadcast_to(value, shape)[index].item() for value in values]
            raise _failure(kernel, status, failed, options[1:], index)
    return 0, *outputs


def _broadcast_shape(kernel, values):
    shapes = [np.shape(value) for value in values]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        named = ", ".join(f"{argument.name} {shape}" for argument, shape in zip(kernel.arguments, shapes, strict=True))
        raise ValueError(f"shapes must broadcast together, got {named}") from None


def _map(function, items, threads):
    """`map` in order, over `threads` threads; leaving it early cancels what has not begun."""
    if threads == 1:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # not needed by a scalar call, nor at import

    with ThreadPoolExecutor(threads) as executor:
        yield from executor.map(function, items)


def _failure(kernel, status, values, options, index=()):
    """The exception for a `status` of the core at `values`."""
    exception, name = STATUS_ERRORS[status]
    named = {argument.name: value for argument, value in zip(kernel.arguments, values, strict=True)}
    for argument in kernel.arguments:
        if argument.name == name:
            return exception(argument.refusal(named[name], index))
    where = ", ".join(f"{key}={value!r}" for key, value in named.items()) + at(index)
    if status == STATUS["EW_NO_ROOT"]:
        return exception(f"the expansion gives no probability, or meets the target nowhere, for {where}")
    if exception is PrecisionError and kernel.imprecise:
        return exception(f"{kernel.imprecise}, for {where}; the domain is {_CERTIFIED}")
    if exception is PrecisionError:
        width = f" of relative width {options[0]!r}" if options else ""
        return exception(f"no interval{width} could be certified for {where}; the certified domain is {_CERTIFIED}")
    return exception(f"{f'{name} was refused' if name else kernel.unreachable}: {where}")
