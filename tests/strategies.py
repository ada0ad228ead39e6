"""Hypothesis strategies for DP-SGD settings: exponents rather than numbers, and the ends of the domain often."""

import math

from hypothesis import strategies as st

ADJACENCIES = ("add_or_remove", "add", "remove", "replace_one")

#: The certified domain: name -> (smallest, largest).
DOMAIN = {"sigma": (0.1, 1e4), "q": (1e-12, 1.0), "steps": (1, 10**13), "delta": (1e-300, 0.99)}

#: Where DP-SGD lives.
TYPICAL = {"sigma": (0.5, 10.0), "q": (1e-4, 0.2), "steps": (100, 10**6), "delta": (1e-10, 1e-3)}


def reals(low, high):
    """Reals in [low, high], 0 < low: the ends, powers of ten between them, and uniform exponents."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    exponents = st.floats(math.log(low), math.log(high))
    return st.one_of(
        exponents.map(lambda x: min(max(math.exp(x), low), high)),
        st.integers(first, last).map(lambda k: float(f"1e{k}")),
        st.sampled_from([low, high, math.nextafter(low, math.inf), math.nextafter(high, 0.0)]),
    )


def counts(low, high):
    """Integers in [low, high], low >= 1, like `reals`; the first few often."""
    return st.one_of(
        st.floats(math.log(low), math.log(high)).map(lambda x: min(max(round(math.exp(x)), low), high)),
        st.integers(low, min(low + 20, high)),
        st.sampled_from([low, high, high - 1]),
    )


def settings(domain, adjacencies=ADJACENCIES):
    """Dictionaries of sigma, q, steps, delta and adjacency: the keyword arguments of `epsilon`."""
    return st.fixed_dictionaries(
        {
            "sigma": reals(*domain["sigma"]),
            "q": reals(*domain["q"]),
            "steps": counts(*domain["steps"]),
            "delta": reals(*domain["delta"]),
            "adjacency": st.sampled_from(adjacencies),
        }
    )


anywhere = settings(DOMAIN)
typical = settings(TYPICAL)
