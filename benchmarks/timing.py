"""Median time of a call."""

from statistics import median
from time import perf_counter


def median_seconds(call, *, samples=25, at_least=3, budget=2.0):
    """Median seconds per `call()`, and what it returned last.

    A sample repeats a fast call until it lasts a millisecond.  There are `samples` samples, or fewer, but `at_least` so
    many, once `budget` seconds are spent.
    """
    number, times, spent = 1, [], 0.0
    while len(times) < at_least or (len(times) < samples and spent < budget):
        start = perf_counter()
        for _ in range(number):
            result = call()
        elapsed = perf_counter() - start
        if elapsed < 1e-3 and not times:
            number *= 2
            continue
        spent += elapsed
        times.append(elapsed / number)
    return median(times), result
