"""The branch-free kernels against csrc/kernels.h.  Kind of truth: same definition with more digits (mpmath).

Domain and Bound are read from the header: what it promises is what is tested.
"""

import re
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from edgeworth_acct import _core

HEADER = Path(__file__).resolve().parents[1] / "csrc" / "kernels.h"
if not HEADER.is_file():
    pytest.skip("csrc/kernels.h is not there", allow_module_level=True)

PROMISE = {
    name: (float(low), float(high), float(bound))
    for name, low, high, bound in re.findall(
        r"^/\* (\w+) .*Domain x in \[([^,]+), ([^\]]+)\].*Bound (\d+) u", HEADER.read_text(), flags=re.MULTILINE
    )
}


def _log_ndtr(x):
    if x > 0:
        return mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2)
    return mp.log(_erfcx(-x / mp.sqrt(2)) / 2) - x * x / 2


def _erfcx(x):
    if x < 50:
        return mp.exp(x * x) * mp.erfc(x)
    terms = (mp.mpf(-1) ** k * mp.rf(mp.mpf(1) / 2, k) / x ** (2 * k) for k in range(16))
    return mp.fsum(terms) / (mp.sqrt(mp.pi) * x)


#: one real argument -> (definition, digits: its own cancellation eats some)
TRUTH = {
    "exp": (mp.exp, 40),
    "expm1": (mp.expm1, 40),
    "expm1mx": (lambda x: mp.expm1(x) - x, 360),
    "log1p": (mp.log1p, 340),
    "erfcx": (_erfcx, 60),
    "log_ndtr": (_log_ndtr, 60),
}


def points(low, high, count=1500):
    """Domain ends, zero, random exponents and uniform stretches, of both signs."""
    rng = np.random.default_rng(20261124)
    values = [low, high, 0.0, *np.exp(rng.uniform(-40, 8, count))]
    values += [*rng.uniform(0, 3, count), *rng.uniform(0, 700, count)]
    values += [*np.exp(rng.uniform(0, np.log(max(high, -low)), count))]
    values = np.array([*values, *np.negative(values)])
    return np.ascontiguousarray(values[(low <= values) & (values <= high)])


def test_every_kernel_is_promised_and_tested():
    assert PROMISE.keys() == {*TRUTH, "atan2", "sincos"}


@pytest.mark.parametrize("name", TRUTH)
def test_error_is_within_the_bound(name):
    low, high, bound = PROMISE[name]
    definition, digits = TRUTH[name]
    x = points(low, high)
    out = np.empty_like(x)
    getattr(_core, f"k_{name}")(out, x)
    worst = 0.0
    with mp.workdps(digits):
        for value, argument in zip(out.tolist(), x.tolist()):
            true = definition(mp.mpf(argument))
            if abs(true) < 2.3e-308:  # below the normal doubles there are fewer digits to keep
                assert abs(value - true) < 1e-307
                continue
            worst = max(worst, float(abs(mp.mpf(value) - true) / abs(true) * 2**53))
    assert bound / 5 < worst <= bound


def test_atan2():
    rng = np.random.default_rng(1)
    count, bound = 8000, PROMISE["atan2"][2]
    y, x = (np.exp(rng.uniform(-60, 60, count)) * rng.choice([-1.0, 1.0], count) for _ in range(2))
    y[:2000] = x[:2000] * rng.uniform(-3, 3, 2000)
    y, x = np.concatenate([y, [0.0, 1.0, -1.0, 1.0]]), np.concatenate([x, [2.0, 0.0, 0.0, -1.0]])
    out = np.empty_like(x)
    _core.k_atan2(out, y, x)
    with mp.workdps(80):
        pairs = [(v, mp.atan2(b, a)) for v, b, a in zip(out.tolist(), y.tolist(), x.tolist()) if b]
        errors = [abs(value - true) / abs(true) for value, true in pairs]
    assert bound / 5 < float(max(errors) * 2**53) <= bound
    assert out[-4] == 0.0


def test_sincos():
    low, high, bound = PROMISE["sincos"]
    quarter = np.arange(1, 2000) * (np.pi / 4)
    x = np.concatenate([points(low, high), quarter, np.arange(1, 300000, 977) * (np.pi / 2), [low, high]])
    sine, cosine = np.empty_like(x), np.empty_like(x)
    _core.k_sincos(sine, cosine, x)
    with mp.workdps(40):
        errors = [
            max(abs(s - mp.sin(mp.mpf(v))), abs(c - mp.cos(mp.mpf(v))))
            for s, c, v in zip(sine.tolist(), cosine.tolist(), x.tolist())
        ]
    assert bound / 5 < float(max(errors) * 2**53) <= bound


@pytest.mark.parametrize("name", TRUTH)
def test_not_a_number_goes_through(name):
    out = np.empty(1)
    getattr(_core, f"k_{name}")(out, np.array([np.nan]))
    assert np.isnan(out[0])
