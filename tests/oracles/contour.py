"""Truth for composed runs of several mechanisms: contour integral in ball arithmetic.  Kind: more digits, other
quadrature.

E[e^{zL}] of normal mixtures is a trapezoidal sum in x/sigma so fine that its error is far below everything here (the
integrand is analytic in a strip, and halving the step changes nothing); the contour sum must agree with that of
twice the step.  Parts are (count, function of z).  Arguments are read as the doubles they are.
"""

import math

from flint import acb, arb, ctx

BITS = 120
STEP = 16  # nodes per standard deviation


def mixtures(first, second, sigma, reach=30):
    """E[e^{zL}] of sum p N(a, s^2) against sum q N(b, s^2): components are pairs of weight and centre."""
    before, ctx.prec = ctx.prec, BITS
    s = arb(sigma)

    def density(components, x):
        return sum((arb(w) * (-((x - arb(a)) ** 2) / (2 * s**2)).exp() for w, a in components), arb(0))

    nodes = []
    for k in range(-12 * STEP, reach * STEP):
        for x in {k, -k} if k >= 12 * STEP else {k}:
            p, q = density(first, s * x / STEP), density(second, s * x / STEP)
            nodes.append((p / STEP / (2 * arb.pi()).sqrt(), (p / q).log()))
    ctx.prec = before
    return lambda z: sum((w * (z * l).exp() for w, l in nodes), acb(0))


def gaussian(mu):
    """E[e^{zL}] of the Gaussian mechanism."""
    return lambda z: (arb(mu) ** 2 * z * (z + 1) / 2).exp()


def laplace(scale):
    """E[e^{zL}] of Laplace(0, b) against Laplace(1, b)."""
    b = arb(scale)
    return lambda z: ((z + 1) * (z / b).exp() + z * (-(z + 1) / b).exp()) / (2 * z + 1)


def atoms(losses, probabilities):
    """E[e^{zL}] of finitely many losses."""
    return lambda z: sum((arb(p) * (z * arb(l)).exp() for l, p in zip(losses, probabilities)), acb(0))


def _log_mgf(parts, c):
    return sum(count * float(mgf(acb(c)).real.log().mid()) for count, mgf in parts)


def saddle(parts, eps):
    """(c, spread): where the integrand is least on the real axis, by ternary search in log c, and its width there."""

    def psi(c):
        return _log_mgf(parts, c) - c * eps - math.log(c * (1 + c))

    low, high = math.log(1e-3), math.log(60.0)
    for _ in range(30):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if psi(math.exp(a)) < psi(math.exp(b)) else (a, high)
    c = math.exp(low)
    step = 1e-3 * c
    return c, math.sqrt((psi(c + step) - 2 * psi(c) + psi(c - step)) / step**2)


def delta(parts, eps, digits=12, most=4000):
    """delta(eps) as a float: the line through the saddle, steps halved until two sums agree."""
    before, ctx.prec = ctx.prec, BITS
    try:
        c, spread = saddle(parts, eps)
        h, old = 0.6 / spread, None
        for _ in range(3):
            total, j, small = arb(0), 0, 0
            while small < 8:
                z = acb(c, j * h)
                log_g = sum((count * mgf(z).log() for count, mgf in parts), acb(0))
                term = (log_g - z * arb(eps)).exp() / (z * (z + 1))
                total += term.real * (0.5 if j == 0 else 1)
                small = (
                    small + 1 if float(abs(term).upper()) * j < 10.0 ** -(digits + 2) * float(abs(total).upper()) else 0
                )
                j += 1
                if j > most:
                    raise ValueError("the line decays too slowly")
            new = float((total * h / arb.pi()).mid())
            if old is not None and abs(new - old) <= 10.0**-digits * abs(new):
                return new
            old, h = new, 0.61 * h
        raise ValueError(f"no {digits} digits: {old!r}, {new!r}")
    finally:
        ctx.prec = before


def subsampled(sigma, q, direction):
    """E[e^{zL}] of the Poisson-subsampled Gaussian."""
    mixed, alone, mirrored = ((1 - q, 0.0), (q, 1.0)), ((1.0, 0.0),), ((1 - q, 0.0), (q, -1.0))
    pair = {"remove": (mixed, alone), "add": (alone, mixed), "replace_one": (mixed, mirrored)}[direction]
    return mixtures(*pair, sigma)
