"""Arguments that are checked alike."""

import math


def number(name, value, low, whole):
    """`value`, named `name`, as an int >= low, or as a finite float > low."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be {'an integer' if whole else 'a real number'}, got {value!r}")
    number = float(value)
    good = number >= low and number.is_integer() if whole else low < number < math.inf
    if not good:
        raise ValueError(f"{name} must be {f'an integer >= {low}' if whole else f'finite and > {low}'}, got {value!r}")
    return int(value) if whole else number


def choose(name, value, choices):
    """Refuse a `value`, named `name`, that is none of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
