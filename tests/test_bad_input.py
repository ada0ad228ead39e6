"""Misuse: every argument of every function, wrong in every way, is refused by name, with its value and range."""

import inspect
import math
import re

import numpy as np
import pytest

import edgeworth_acct as ea

GOOD = {"sigma": 1.0, "q": 0.01, "steps": 1000, "delta": 1e-5, "epsilon": 2.0}
FUNCTIONS = [
    ea.epsilon,
    ea.epsilon_bounds,
    ea.delta,
    ea.delta_bounds,
    ea.noise_multiplier,
    ea.max_steps,
    ea.max_sampling_rate,
]
RANGES = {
    "sigma": "finite and > 0",
    "q": "in (0, 1]",
    "steps": "an integer >= 1",
    "delta": "in (0, 1)",
    "epsilon": "finite",
}
OUTSIDE = {
    "sigma": [0.0, -0.0, -1.0, -1, 0],
    "q": [0.0, -0.01, math.nextafter(1.0, 2.0), 2, 0],
    "steps": [0, -1, 10.5, 0.0, 2**63, 10**30, 1e300, 10**400],
    "delta": [0.0, 1.0, -1e-5, 1.5, 0, 1],
    "epsilon": [-1e-300, -1.0, -1, -(10**400)],
}
NO_NUMBERS = ["1.0", b"1", None, True, np.True_, 1j, object(), {}, {1.0}, math, np.datetime64("2020-01-01")]


def numeric(function):
    """The names of the positional arguments: all numbers."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]


CASES = [(function, name) for function in FUNCTIONS for name in numeric(function)]
every_argument = pytest.mark.parametrize(("function", "name"), CASES, ids=[f"{f.__name__}-{n}" for f, n in CASES])
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)


def call(function, **changes):
    return function(**({name: GOOD[name] for name in numeric(function)} | changes))


def outside(function, name):
    """Values out of range, not-a-number and the infinities among them."""
    if name == "epsilon" and function in (ea.delta, ea.delta_bounds):  # any finite real is good there
        return [10**400, math.nan, math.inf, -math.inf]
    return [*OUTSIDE[name], math.nan, math.inf, -math.inf]


def refused(name, value, index=""):
    return re.escape(f"{name} must be {RANGES[name]}") + ".*" + re.escape(f", got {value!r}{index}") + "$"


@every_argument
def test_scalar_out_of_range(function, name):
    for value in outside(function, name):
        with pytest.raises(ValueError, match=refused(name, value)):
            call(function, **{name: value})


@every_argument
def test_array_out_of_range_names_the_first_offender(function, name):
    good = GOOD[name]
    for value in outside(function, name):
        array = [good, good, value, good, value]
        shown = np.asarray(array, dtype=object if abs(value) >= 2**63 else None)[2]
        number = re.escape(repr(shown.item())) if isinstance(shown, np.generic) else r"-?(inf|[\d.e+]+|\d+)"
        allowed = re.escape(f"{name} must be {RANGES[name]}")
        with pytest.raises(ValueError, match=rf"^{allowed}.*, got {number} at index 2$"):
            call(function, **{name: array})
        with pytest.raises(ValueError, match=re.escape(" at index (1, 0)")):
            call(function, **{name: [[good, good], array[2:4]]}, threads=2)


@every_argument
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_not_a_real_number(function, name, value):
    with pytest.raises(TypeError, match=rf"^{name} must be (a real number|an integer) \("):
        call(function, **{name: value})
    with pytest.raises(TypeError, match=rf"^{name} must be"):
        call(function, **{name: [value, value]})


@every_argument
def test_ragged_sequence(function, name):
    with pytest.raises(TypeError, match=f"^{name} must be .* ragged"):
        call(function, **{name: [[GOOD[name]], [GOOD[name]] * 2]})


@every_function
def test_shapes_that_do_not_broadcast(function):
    first, second, *rest = numeric(function)
    with pytest.raises(ValueError, match=re.escape(f"got {first} (2,), {second} (3,), {rest[0]} ()")):
        call(function, **{first: [GOOD[first]] * 2, second: [GOOD[second]] * 3})


@every_function
@pytest.mark.parametrize("value", ["add-or-remove", "ADD", "", None, 0, ["add"], b"add", "replace_special"], ids=repr)
def test_unknown_adjacency(function, value):
    with pytest.raises(ValueError, match=r"adjacency must be one of 'add_or_remove', 'add', 'remove', 'replace_one'"):
        call(function, adjacency=value)


@pytest.mark.parametrize("function", [ea.epsilon, ea.epsilon_bounds], ids=lambda function: function.__name__)
@pytest.mark.parametrize("value", ["exact", "Certified", None, 1, ["certified"]], ids=repr)
def test_unknown_method(function, value):
    with pytest.raises(ValueError, match="method must be one of 'certified'"):
        call(function, method=value)


def test_order_without_an_expansion():
    with pytest.raises(ValueError, match="order must be None with method='certified', got 2"):
        call(ea.epsilon, order=2)


@pytest.mark.parametrize("function", [ea.epsilon_bounds, ea.delta_bounds], ids=lambda function: function.__name__)
def test_rtol(function):
    for value in [0.0, -1e-9, math.nan, math.inf, 0, -1]:
        with pytest.raises(ValueError, match=re.escape(f"rtol must be finite and > 0, got {value!r}")):
            call(function, rtol=value)
        with pytest.raises(ValueError, match="rtol must be"):
            call(function, rtol=value, steps=[])
    for value in ["1e-9", None, True, 1j, [1e-9, 1e-6]]:
        with pytest.raises(TypeError, match="rtol must be a"):
            call(function, rtol=value)


@every_function
def test_threads(function):
    for steps in ({}, {numeric(function)[0]: [GOOD[numeric(function)[0]]]}):
        for value in [0, -1]:
            with pytest.raises(ValueError, match=f"threads must be None or an integer >= 1, got {value}"):
                call(function, threads=value, **steps)
        for value in [1.0, "2", True, [1]]:
            with pytest.raises(TypeError, match="threads must be None or an integer >= 1, got "):
                call(function, threads=value, **steps)
    call(function, threads=np.int64(2))


@every_function
def test_no_default_delta_and_no_unknown_names(function):
    names = numeric(function)
    for name in names:
        with pytest.raises(TypeError, match=name):
            function(**{other: GOOD[other] for other in names if other != name})
    with pytest.raises(TypeError, match="noise_multiplier_typo"):
        call(function, noise_multiplier_typo=1.0)
    with pytest.raises(TypeError, match="positional"):
        function(*(GOOD[name] for name in names), "remove")


@pytest.mark.parametrize(
    ("function", "arguments", "what"),
    [
        (ea.noise_multiplier, {"epsilon": 1e-9, "steps": 10**12, "q": 1.0}, "no noise multiplier up to 1e4 meets"),
        (ea.max_steps, {"epsilon": 0.01, "sigma": 0.2, "q": 0.5}, "not even a single step meets"),
        (ea.max_sampling_rate, {"epsilon": 1e-3, "sigma": 0.1, "delta": 1e-300}, "no sampling rate down to 1e-12"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_unreachable_target(function, arguments, what):
    with pytest.raises(ValueError, match=f"^{what}.*epsilon={arguments['epsilon']!r}"):
        call(function, **arguments)
    reachable = {name: [GOOD[name], value] for name, value in arguments.items()}
    with pytest.raises(ValueError, match=f"^{what}.*epsilon={arguments['epsilon']!r}.* at index 1$"):
        call(function, **reachable)


@every_function
def test_outside_the_certified_domain(function):
    name = "sigma" if "sigma" in numeric(function) else "delta"
    value = {"sigma": 1e-3, "delta": 1e-305}[name]
    with pytest.raises(ea.PrecisionError, match=rf"{name}={value!r}.*certified domain.*sigma in \[0\.1, 1e4\]"):
        call(function, **{name: value})
    with pytest.raises(ea.PrecisionError, match=rf"{name}={value!r}.* at index \(1, 0\)"):
        call(function, **{name: [[GOOD[name]], [value]]}, threads=2)


def test_first_failure_wins_whatever_the_threads():
    sigma = np.ones(5000)
    sigma[[1234, 1235, 4000]] = 1e-3
    for threads in (None, 2, 7):
        with pytest.raises(ea.PrecisionError, match=" at index 1234"):
            ea.epsilon(sigma, 0.01, 1000, 1e-5, threads=threads)
