"""The special functions against csrc/special.h.  Kind of truth: same definition with more digits (mpmath).

Domain, Bound and Witness are read from the header: what it promises is what is tested.
"""

import math
import re
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from edgeworth_acct import _core

HEADER = Path(__file__).resolve().parents[1] / "csrc" / "special.h"
if not HEADER.is_file():
    pytest.skip("csrc/special.h is not there", allow_module_level=True)

U = mp.mpf(2) ** -53
LARGEST, SMALLEST = float.fromhex("0x1.fffffffffffffp+1023"), float.fromhex("0x1p-1022")
DIGITS = 60


def _log1pmx(x):
    return mp.log1p(x) - x if x > -1 else -mp.inf


def _erfcx(x):
    if x < 1e10:
        return mp.exp(x * x) * mp.erfc(x)
    return (1 - 1 / (2 * x**2) + 3 / (4 * x**4) - 15 / (8 * x**6)) / (x * mp.sqrt(mp.pi))  # the next term is < 1e-78


def _log_ndtr(x):
    if x > 0:
        return mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2)
    return mp.log(_erfcx(-x / mp.sqrt(2)) / 2) - x * x / 2


#: function -> (definition, the extra digits its own cancellation eats)
TRUTH = {
    "log1pmx": (_log1pmx, 700),
    "expm1mx": (lambda x: mp.expm1(x) - x, 700),
    "cexpm1mx": (lambda z: mp.exp(z) - 1 - z, 700),
    "erfcx": (_erfcx, 40),
    "log_ndtr": (_log_ndtr, 40),
}


def blocks():
    """Each function's comment block: name -> {field: text}."""
    found = {}
    for name, body in re.findall(r"/\* ew_(\w+)\n(.*?)\*/", HEADER.read_text(), flags=re.DOTALL):
        lines = re.sub(r"\n \*          +", " ", body)
        found[name] = dict(re.findall(r"^ \* (\w+) +(.*)$", lines, flags=re.MULTILINE))
    return found


BLOCKS = blocks()
every_function = pytest.mark.parametrize("name", TRUTH)


def domain(name):
    """[(low, high)] of each real argument."""
    return [(float(a), float(b)) for a, b in re.findall(r"in \[([^,]+), ([^\]]+)\]", BLOCKS[name]["Domain"])]


def bound(name):
    return float(re.match(r"([\d.]+) u\b", BLOCKS[name]["Bound"])[1])


def witness(name):
    """(arguments, error in u) that the header calls the worst."""
    text = BLOCKS[name]["Witness"]
    point = [float.fromhex(x) for x in re.findall(r"= (-?0x[^\s,]+)", text)]
    return point, float(re.search(r"\(([\d.]+) u\)", text)[1])


def promised(name, point):
    """Whether the bound is promised here: "where |x| >= ..." or "where x < ..."."""
    condition = re.search(r"where (\|?\w\|?) (>=|<) ([\d.e+-]+)", BLOCKS[name]["Bound"])
    if condition is None:
        return True
    size = math.hypot(*point) if "|" in condition[1] else point[0]
    return size >= float(condition[3]) if condition[2] == ">=" else size < float(condition[3])


def error_in_u(name, point):
    """Relative error in units of 2^-53; where the value leaves the normal doubles, against the smallest of them."""
    definition, extra = TRUTH[name]
    value = getattr(_core, name)(complex(*point) if len(point) == 2 else point[0])
    with mp.workdps(DIGITS + extra):
        x = mp.mpc(*point) if len(point) == 2 else mp.mpf(point[0])
        true = definition(x)
        if mp.isinf(true) or abs(true) > LARGEST * (1 + U / 2):
            return 0.0 if mp.mpf(value) == mp.sign(true) * mp.inf else math.inf
        size = abs(true)
        if len(point) == 2 and abs(x) > 7:  # "of max(|value|, |1 + z| if |z| > 7)"
            size = max(size, abs(1 + x))
        if math.isinf(abs(value)):
            return 0.0 if abs(true) > LARGEST * (1 - bound(name) * U) else math.inf
        floor = 0 if promised(name, point) and size >= SMALLEST else mp.mpf(SMALLEST)
        gap = abs((mp.mpc(value) if len(point) == 2 else mp.mpf(value)) - true)
        return 0.0 if gap == 0 else float(gap / (U * max(size, floor)))


def axis(low, high, rng, count):
    """Ends, zero, powers of 2 and 10 with their neighbours, small integers, random exponents, and uniform near 0."""
    plain = [low, high, 0.0, *(2.0 ** np.arange(-520, 1020, 37)), *(10.0 ** np.arange(-320, 308, 29.0))]
    plain += [k / 8 for k in range(1, 240)]
    plain += [*np.exp(rng.uniform(-700, 700, count)), *np.exp(rng.uniform(-5, 5, count)), *rng.uniform(0, 4, count)]
    values = np.array([*plain, *np.negative(plain)])
    values = np.concatenate([values, np.nextafter(values[::7], -np.inf), np.nextafter(values[::7], np.inf)])
    return values[(low <= values) & (values <= high)]


def points(name, count=400):
    rng = np.random.default_rng(20250101)
    axes = [axis(low, high, rng, count) for low, high in domain(name)]
    if len(axes) == 1:
        return [(float(x),) for x in axes[0]]
    pairs = [(rng.choice(axes[0]), rng.choice(axes[1])) for _ in range(2 * count)]
    radius, angle = np.exp(rng.uniform(-20, 3, 2 * count)), rng.uniform(-math.pi, math.pi, 2 * count)
    pairs += list(zip(radius * np.cos(angle), radius * np.sin(angle)))
    for k in range(1, 8):  # around the zeros of exp(z) - 1 - z, and on the seam |z| = 1
        with mp.workdps(30):
            t = (2 * k + 0.5) * mp.pi
            zero = complex(mp.findroot(lambda z: mp.exp(z) - 1 - z, mp.mpc(mp.log(t), t)))
        pairs += [(zero.real, zero.imag), (zero.real, -zero.imag), (zero.real + 1e-9, zero.imag)]
        pairs += [(math.cos(k), math.sin(k)), (math.nextafter(math.cos(k), 2), math.sin(k))]
    pairs += [(low, im) for low in domain(name)[0] for im in (0.0, *domain(name)[1])]
    return [(float(re_), float(im)) for re_, im in pairs]


def test_the_header_describes_what_the_binding_offers():
    assert BLOCKS.keys() == TRUTH.keys()
    for name, block in BLOCKS.items():
        assert block.keys() == {"Formula", "Domain", "Bound", "Why", "Source", "Witness", "Errors"}, name
        assert callable(getattr(_core, name))


@every_function
def test_error_is_within_the_bound(name):
    errors = {point: error_in_u(name, point) for point in points(name)}
    worst = max(errors, key=errors.get)
    print(f"{name}: worst of {len(errors)} points {errors[worst]:.2f} u at {[x.hex() for x in worst]}")
    assert errors[worst] <= bound(name), [x.hex() for x in worst]


@every_function
def test_the_witness_is_as_bad_as_it_says(name):
    point, stated = witness(name)
    assert stated / 2 <= error_in_u(name, point) <= bound(name)
    assert bound(name) <= 3 * stated  # the bound is not an excuse


@every_function
def test_not_a_number_goes_through(name):
    value = getattr(_core, name)(complex(math.nan, 1.0) if name == "cexpm1mx" else math.nan)
    assert value != value


def test_stated_special_values():
    assert _core.log1pmx(-1.0) == -math.inf
    assert math.isnan(_core.log1pmx(math.nextafter(-1.0, -2.0)))
    assert _core.log1pmx(0.0) == _core.expm1mx(0.0) == abs(_core.cexpm1mx(0j)) == 0.0
    assert _core.expm1mx(709.7) < _core.expm1mx(709.79) == math.inf
    assert _core.erfcx(0.0) == 1.0
    assert _core.erfcx(-26.62) < _core.erfcx(-26.629) == math.inf
    assert _core.log_ndtr(-1.1e154) > -math.inf
    assert _core.log_ndtr(-2e154) == -math.inf
