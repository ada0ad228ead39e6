"""Shapes, types, threads: an array call is the scalar calls, element by element, bit for bit."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import edgeworth_acct as ea

SIGMA = [0.8, 1.0, 2.5]
Q = [0.01, 0.03]
STEPS = [100, 660, 5000, 10**6]
DELTA = [1e-5, 1e-8]

# function -> (its arguments in order, where the array form varies each)
FUNCTIONS = {
    ea.epsilon: (SIGMA, Q, STEPS, DELTA),
    ea.epsilon_bounds: (SIGMA, Q, STEPS, DELTA),
    ea.delta: (SIGMA, Q, STEPS, [0.5, 4.0]),
    ea.delta_bounds: (SIGMA, Q, STEPS, [0.5, 4.0]),
    ea.noise_multiplier: ([1.0, 8.0], Q, STEPS, DELTA),
    ea.max_steps: ([6.0, 9.0], SIGMA, Q, DELTA),
    ea.max_sampling_rate: ([1.0, 8.0], SIGMA, STEPS, DELTA),
}
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)


def parts(result):
    """A result as a list: both ends of bounds, or the value alone."""
    return list(result) if isinstance(result, ea.Bounds) else [result]


def grid(lists):
    """Each list along an axis of its own."""
    return np.ix_(*map(np.asarray, lists))


@every_function
@pytest.mark.parametrize("threads", [None, 1, 2, 5])
def test_array_is_its_scalars(function, threads):
    lists = FUNCTIONS[function]
    result = parts(function(*grid(lists), threads=threads))
    expected = np.array([parts(function(*point)) for point in itertools.product(*lists)])
    for k, part in enumerate(result):
        assert part.shape == tuple(map(len, lists))
        np.testing.assert_array_equal(part.ravel(), expected[:, k])


@every_function
def test_scalars_give_python_numbers(function):
    point = [values[0] for values in FUNCTIONS[function]]
    expected = parts(function(*point))
    wanted = int if function is ea.max_steps else float
    forms = [
        point,
        [np.asarray(value) for value in point],
        [np.asarray(value)[()] for value in point],
        [np.float64(value) for value in point],
    ]
    for form in forms:
        result = parts(function(*form))
        assert [type(part) for part in result] == [wanted] * len(result)
        assert result == expected


@every_function
@pytest.mark.parametrize("k", range(4))
def test_each_argument_broadcasts_alone(function, k):
    lists = FUNCTIONS[function]
    point = [values[0] for values in lists]
    for form in (list, tuple, np.array):
        given = [*point[:k], form(lists[k]), *point[k + 1 :]]
        for part in parts(function(*given)):
            assert isinstance(part, np.ndarray)
            assert part.shape == (len(lists[k]),)


@every_function
def test_memory_layout_does_not_matter(function):
    columns = [np.broadcast_to(values, tuple(map(len, FUNCTIONS[function]))) for values in grid(FUNCTIONS[function])]
    expected = parts(function(*columns))
    for layout in (np.asfortranarray, lambda a: a[::-1][::-1], lambda a: np.repeat(a, 2, axis=-1)[..., ::2]):
        for part, wanted in zip(parts(function(*map(layout, columns))), expected, strict=True):
            np.testing.assert_array_equal(part, wanted)


@every_function
def test_nothing_in_nothing_out(function):
    point = [values[0] for values in FUNCTIONS[function]]
    for shape in [(0,), (3, 0), (0, 2)]:
        for part in parts(function(np.full(shape, point[0]), *point[1:], threads=2)):
            assert part.shape == shape
    for part in parts(function([], *point[1:])):
        assert part.shape == (0,)


@every_function
def test_result_is_writable_and_arguments_are_untouched(function):
    columns = [np.array(values[:2]) for values in FUNCTIONS[function]]
    before = [column.copy() for column in columns]
    for column in columns:
        column.flags.writeable = False
    for part in parts(function(*columns)):
        assert part.flags.writeable
        assert part.flags.owndata
    for column, copy in zip(columns, before, strict=True):
        np.testing.assert_array_equal(column, copy)


def test_max_steps_counts_in_int64():
    assert ea.max_steps(8.0, SIGMA, 0.01, 1e-5).dtype == np.int64
    assert ea.noise_multiplier(8.0, Q, 100, 1e-5).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_any_float_type(dtype):
    sigma = np.array([0.75, 1.5], dtype)
    np.testing.assert_array_equal(ea.epsilon(sigma, 0.01, 100, 1e-5), ea.epsilon([0.75, 1.5], 0.01, 100, 1e-5))


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.uint64, np.float32, np.float64])
def test_any_integer_type_and_whole_floats_are_steps(dtype):
    expected = ea.epsilon(1.0, 0.01, 100, 1e-5)
    assert ea.epsilon(1.0, 0.01, dtype(100), 1e-5) == expected
    np.testing.assert_array_equal(ea.epsilon(1.0, 0.01, np.array([100, 100], dtype), 1e-5), [expected] * 2)


def test_very_many_steps_are_exact_integers():
    count = 10**13 - 1
    assert ea.epsilon_bounds(1e4, 1e-6, count, 1e-5) == ea.epsilon_bounds(1e4, 1e-6, float(count), 1e-5)
    assert ea.epsilon(1e4, 1e-6, [count], 1e-5)[0] == ea.epsilon(1e4, 1e-6, count, 1e-5)


def test_an_integer_is_a_real_number():
    assert ea.epsilon(1, 1, 10, 1e-5) == ea.epsilon(1.0, 1.0, 10, 1e-5)
    assert ea.noise_multiplier(8, 1, 10, 1e-5) == ea.noise_multiplier(8.0, 1.0, 10, 1e-5)


def test_concurrent_callers_get_the_same_results():
    points = list(itertools.product(SIGMA, Q, STEPS, DELTA)) * 4

    def both(point):
        bounds = ea.epsilon_bounds(*point)
        array = ea.epsilon_bounds(*point[:3], [point[3]] * 8, threads=2)
        assert (array.lower == bounds.lower).all()
        assert (array.upper == bounds.upper).all()
        return bounds

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(both, points))
    assert together == [ea.epsilon_bounds(*point) for point in points]


def test_publishable_numbers_are_the_upper_ends():
    assert ea.epsilon(1.0, 0.01, 1000, 1e-5) == ea.epsilon_bounds(1.0, 0.01, 1000, 1e-5).upper
    assert ea.delta(1.0, 0.01, 1000, 1.0) == ea.delta_bounds(1.0, 0.01, 1000, 1.0).upper
    assert ea.epsilon(1.0, 0.01, 1000, 1e-5, method="certified", order=None) == ea.epsilon(1.0, 0.01, 1000, 1e-5)
