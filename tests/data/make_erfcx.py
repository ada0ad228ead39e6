"""Make the coefficient table of ew_k_erfcx in csrc/kernels.h.

    python tests/data/make_erfcx.py            print the table
    python tests/data/make_erfcx.py --check    exit 1 unless csrc/kernels.h holds exactly this table

(1 + 2x) erfcx(x) is smooth on [0, inf] in t = (x - 4)/(x + 4) in [-1, 1] (the variable and the factor are those of
M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1+2x)exp(x^2)erfc x", Math. Comp. 36, 1981).  The
Chebyshev series of degree 24 is computed here with 60 digits and turned into powers of t; what is cut off is below
2^-55 of the value.
"""

import pathlib
import sys

import mpmath as mp

K, DEGREE, SAMPLES = 4, 24, 80
SOURCE = pathlib.Path(__file__).parents[2] / "csrc" / "kernels.h"


def erfcx(x):
    """exp(x^2) erfc(x): by definition, or (beyond x = 60) by its divergent series stopped below 1e-60."""
    if x < 60:
        with mp.workdps(1700):
            return mp.exp(x * x) * mp.erfc(x)
    terms = (mp.mpf(-1) ** k * mp.rf(mp.mpf(1) / 2, k) / x ** (2 * k) for k in range(40))
    return mp.fsum(terms) / (mp.sqrt(mp.pi) * x)


def coefficients():
    """Coefficients of t^0 .. t^DEGREE, as doubles."""
    with mp.workdps(60):
        angles = [mp.pi * (j + mp.mpf(1) / 2) / SAMPLES for j in range(SAMPLES)]
        x = [K * (1 + mp.cos(a)) / (1 - mp.cos(a)) for a in angles]
        f = [(1 + 2 * v) * erfcx(v) for v in x]
        cheb = [
            2 * mp.fsum(v * mp.cos(m * a) for v, a in zip(f, angles, strict=True)) / SAMPLES for m in range(DEGREE + 1)
        ]
        cheb[0] /= 2
        power = [mp.mpf(0)] * (DEGREE + 1)
        before, now = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]  # T_0, T_1
        for c in cheb:
            for i, v in enumerate(before):
                power[i] += c * v
            after = [mp.mpf(0)] + [2 * v for v in now]
            for i, v in enumerate(before):
                after[i] -= v
            before, now = now, after
        return [float(v) for v in power]


def table():
    """The C array, highest power last."""
    rows = [f"    {c.hex()}, /* {c:+.17g} */" for c in coefficients()]
    return "static const double ew_erfcx_poly[25] = {\n" + "\n".join(rows) + "\n};"


if __name__ == "__main__":
    text = table()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if text in SOURCE.read_text() else "csrc/special.c does not hold the table made here")
    print(text)
