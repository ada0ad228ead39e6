"""Truth for any number of steps, q < 1: contour integral in ball arithmetic.  Kind: other algorithm, more digits.

With e^{K(z)} = E[e^{zY}], Y one step's loss under its own first law, and any c > 0,

    delta(eps) = (1/2 pi i) int_C e^{nK(z) - z eps} / (z (1 + z)) dz

over the vertical line Re z = c (class Line) or, for few steps or tiny sigma, over a bent curve (class Curve).

Line is rigorous up to the two places marked "factor 2" (a bound evaluated in double precision with that margin):
  * e^{K(z)} by the trapezoidal rule in u = x/sigma.  The integrand f is analytic for |Im u| < pi sigma, hence
    |rule - integral| <= sum over the lines Im u = +-a of int |f| du / (e^{2 pi a/h} - 1)   (L. N. Trefethen and
    J. A. C. Weideman, "The exponentially convergent trapezoidal rule", SIAM Review 56, 2014, theorem 5.1).
    What lies beyond the first and last node is summed in blocks, on each of which the two factors are monotone.
  * Poisson summation: the rule of step h on the line is sum_k e^{ckx} delta(eps + kx), x = 2 pi/h, all terms >= 0,
    bounded by delta <= 1 for k < 0 and by Chernoff's inequality at some c2 > c for k > 0.
  * Beyond t = T on the line |f| is bounded by shifting u -> u + i theta sigma, which is decreasing in t.
Curve has rigorous values of e^{K(z)} and takes the discretisation error of the curve from the disagreement of two
different curves and steps.  Both refuse (ValueError) rather than return a result of fewer than MIN_DIGITS digits.

Arguments are read exactly: a float is the double it is, a string the decimal it is.
"""

import math

import numpy as np
from flint import acb, acb_mat, acb_poly, arb, ctx

MIN_DIGITS = 15
MARGIN = math.log(2.0)  # the "factor 2" on bounds evaluated in double precision


class working_bits:
    """Context manager: the precision of ball arithmetic."""

    def __init__(self, bits):
        self.bits = bits

    def __enter__(self):
        self.before, ctx.prec = ctx.prec, self.bits

    def __exit__(self, *exc):
        ctx.prec = self.before


def logsumexp(a, axis=None):
    top = np.max(a, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    return np.squeeze(top, axis=axis) + np.log(np.sum(np.exp(a - top), axis=axis))


def upper_float(x):
    """A double >= every point of the ball x."""
    return float(x.upper()) * (1 + 1e-15) + 1e-300


def log_upper(x):
    """A double >= log of every point of the nonnegative ball x."""
    top = x.upper()
    return float(top.log().upper()) + 1e-12 if top > 0 else -math.inf


def powers(base, number):
    """base^0 .. base^(number-1).  Each is the product of its halves: boxes grow by sqrt 2 per product of a chain."""
    out = [acb(1), base]
    for j in range(2, number):
        out.append(out[j // 2] * out[j - j // 2])
    return out[:number]


class Polynomial:
    """sum a_j x^j for |x| = 1 without the growth of Horner's rule in rectangles: in blocks of 24."""

    BLOCK = 24

    def __init__(self, coefficients):
        self.count = len(coefficients)
        self.parts = [acb_poly(coefficients[i : i + self.BLOCK]) for i in range(0, self.count, self.BLOCK)]

    def __call__(self, x):
        return sum((p(x) * y for p, y in zip(self.parts, powers(x**self.BLOCK, len(self.parts)))), acb(0))


class Step:
    """One step's loss: u ~ N(0, 1) under the base law, weight g(u) of the first law, loss y(u).

    remove: g = v, y = log v;  add: g = 1, y = -log v;  replace_one: g = v_+, y = log v_+ - log v_-,
    v = 1 - q + q e^{(s u - 1/2)/s^2}, v_+- the same with s u replaced by +-s u.  For every real r the exponent
    log g + r y is monotone in u when r >= 0, and for `add` when r < 0 too (for `remove` only if r >= -1).
    """

    def __init__(self, sigma, q, direction):
        if direction not in ("remove", "add", "replace_one"):
            raise ValueError(f"direction {direction!r}")
        self.direction = direction
        with working_bits(1000):
            self.sigma_exact, self.q_exact = arb(sigma), arb(q)
        self.sigma, self.q = float(self.sigma_exact.mid()), float(self.q_exact.mid())
        self.width = math.pi * self.sigma  # half width of the strip of analyticity in u

    # double precision, for choosing parameters and for bounds with the factor 2

    def _log_v(self, u, theta=0.0):
        """log |v| and arg v at u + i theta sigma."""
        w = (self.sigma * u - 0.5) / self.sigma**2
        big = np.minimum(w, 0.0)
        if theta == 0.0:
            small = np.log1p(self.q * np.expm1(big))
            large = np.where(w > 0, w + np.log(self.q + (1 - self.q) * np.exp(-np.abs(w))), small)
            return large, 0.0 * w
        down, up = np.exp(-np.maximum(w, 0.0)), np.exp(big)  # v e^{-max(w,0)} = (1-q) down + q up e^{i theta}
        re, im = (1 - self.q) * down + self.q * up * math.cos(theta), self.q * up * math.sin(theta)
        if abs(theta) < 1e-3:  # |v|^2 = (A + B)^2 - 4 A B sin^2(theta/2): no loss near 1
            a, b = (1 - self.q) * down, self.q * up
            plain = self._log_v(u)[0]
            return plain + 0.5 * np.log1p(-4 * a * b * math.sin(theta / 2) ** 2 / (a + b) ** 2), np.arctan2(im, re)
        return np.maximum(w, 0.0) + 0.5 * np.log(re * re + im * im), np.arctan2(im, re)

    def pair(self, u, theta=0.0):
        """log g and y at u + i theta sigma: each as (real part, imaginary part)."""
        l, a = self._log_v(u, theta)
        if self.direction == "remove":
            return (l, a), (l, a)
        if self.direction == "add":
            return (0.0 * l, 0.0 * a), (-l, -a)
        m, b = self._log_v(-u, -theta)
        return (l, a), (l - m, a - b)

    def log_terms(self, u, r, t=0.0, theta=0.0):
        """log |phi(u + i theta s) g e^{z y}| at u + i theta sigma, z = r + i t, without the 1/sqrt(2 pi)."""
        (g, _), (y, arg) = self.pair(u, theta)
        return -0.5 * u * u + 0.5 * (theta * self.sigma) ** 2 + g + r * y - t * arg

    def extent(self, r, bits=60, floor=None):
        """[lo, hi] in u that holds all terms above e^floor (default: 2^-bits of the largest), real exponent r."""
        reach = 60.0 + 2 * (2 + abs(r)) * (1 if self.direction != "replace_one" else 2) / self.sigma
        u = np.sinh(np.linspace(-math.asinh(reach), math.asinh(reach), 20001))
        level = self.log_terms(u, r)
        top = level.max()
        keep = np.flatnonzero(level >= min(top - 5, top - bits * math.log(2) if floor is None else floor))
        return u[max(keep[0] - 1, 0)] - 0.5, u[min(keep[-1] + 1, len(u) - 1)] + 0.5

    def log_mgf(self, r):
        """K(r) in doubles."""
        lo, hi = self.extent(r)
        u = np.linspace(lo, hi, 1501)
        return float(logsumexp(self.log_terms(u, r))) + math.log(u[1] - u[0]) - 0.5 * math.log(2 * math.pi)

    def log_tail(self, r, lo, hi, h):
        """log of an upper bound of h sum phi g e^{ry} over the grid points below lo (< 0) and above hi (> 0)."""
        parts = []
        slope = (1 + abs(r)) * (2 if self.direction == "replace_one" else 1) / self.sigma  # |d(log g + r y)/du| <=
        for sign, start in ((-1.0, lo), (1.0, hi)):
            start = abs(start)
            count = 1 + max(0, math.ceil(math.log(max(1.0, 2 * slope / start)) / math.log(1.02)))
            edge = start * 1.02 ** np.arange(count + 1)
            (g, _), (y, _) = self.pair(sign * edge)
            e = g + r * y
            block = -0.5 * edge[:-1] ** 2 + np.maximum(e[:-1], e[1:]) + np.log((edge[1:] - edge[:-1]) / h + 1)
            last = edge[-1]  # here last >= 2 slope: ratio of neighbours <= exp(-h (last - slope))
            rest = -0.5 * last**2 + e[-1] - math.log(-math.expm1(-h * (last - slope)))
            parts.append(logsumexp(np.append(block, rest)))
        return float(np.logaddexp(*parts)) + math.log(h) - 0.5 * math.log(2 * math.pi) + 1e-6

    # ball arithmetic

    def exact(self, u):
        """log g and y at the real ball u."""
        s, q = self.sigma_exact, self.q_exact

        def log_v(x):
            return (q * ((x - arb("0.5")) / (s * s)).expm1()).log1p()

        x = s * u
        l = log_v(x)
        if self.direction == "remove":
            return l, l
        if self.direction == "add":
            return arb(0), -l
        return l, l - log_v(-x)


class Quadrature:
    """Nodes of the trapezoidal rule in u, and the error of the moment generating function computed from them."""

    def __init__(self, step, points):
        """points: (r, t, log of the error wanted of e^{K(r + it)})."""
        self.step = step
        ends = [step.extent(r, floor=wanted - 12.0) for r, _, wanted in points]
        self.lo, self.hi = min(v[0] for v in ends), max(v[1] for v in ends)
        coarse = np.linspace(self.lo - 3, self.hi + 3, 3001)
        best = 0.0
        for share in (0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.96):
            for a in {share * step.width, share * min(step.width, 12.0)}:
                cost = max(self._log_lines(coarse, a, r, t) - wanted for r, t, wanted in points)
                h = 2 * math.pi * a / max(cost + 1.0, 1.0)
                if h > best:
                    best, self.a = h, a
        self.h = max(1.0, math.floor(best * 2**20)) / 2**20  # of 2^-20: the nodes are exact in doubles too
        first, last = math.floor(self.lo / self.h), math.ceil(self.hi / self.h)
        self.lo, self.hi = (first - 1) * self.h, (last + 1) * self.h
        if last - first > 40000:
            raise ValueError(f"{last - first} quadrature nodes")
        self.u = self.h * np.arange(first, last + 1)
        scale = arb(self.h) / (2 * arb.pi()).sqrt()
        self.weight, self.log_weight, self.loss = [], [], []
        for k in range(first, last + 1):
            u = arb(k) * arb(self.h)
            g, y = step.exact(u)
            self.log_weight.append(g - u * u / 2 + scale.log())
            self.loss.append(y)
        self.weight = [v.exp() for v in self.log_weight]
        thin = max(1, len(self.u) // 1500)
        self.coarse, self.coarse_h = self.u[::thin], self.h * thin

    def _log_lines(self, u, a, r, t):
        """log of the two sums over Im u = +-a of |phi g e^{zy}| (times the step of u)."""
        theta = a / self.step.sigma
        both = [logsumexp(self.step.log_terms(u, r, t, way)) for way in (theta, -theta)]
        return float(np.logaddexp(*both)) + math.log(u[1] - u[0])

    def log_error(self, r, t):
        """log of a bound of |rule - e^{K(r + it)}|: lines Im u = +-a ("factor 2") and the nodes left out."""
        lines = self._log_lines(self.coarse, self.a, r, t) - 0.5 * math.log(2 * math.pi)
        ratio = 2 * math.pi * self.a / self.h
        return float(
            np.logaddexp(
                lines + MARGIN - ratio - math.log(-math.expm1(-ratio)), self.step.log_tail(r, self.lo, self.hi, self.h)
            )
        )

    def ball(self, value, r, t):
        """The computed e^{K(r+it)} with its error added to both parts."""
        e = self.log_error(r, t)
        radius = arb(0, 1) * arb(e).exp()
        return value + acb(radius, radius) if isinstance(value, acb) else value + radius

    def at(self, z):
        """e^{K(z)} as a ball, complex z."""
        total = acb(0)
        for lw, y in zip(self.log_weight, self.loss):
            total += (z * y + lw).exp()
        return self.ball(total, float(z.real.mid()), float(z.imag.mid()))

    def real(self, r):
        """e^{K(r)} as a ball, real r (a double)."""
        rr = arb(r)
        return self.ball(sum(((rr * y + lw).exp() for lw, y in zip(self.log_weight, self.loss)), arb(0)), r, 0.0)


def saddle(step, n, eps):
    """c > 0 near the minimum of n K(c) - c eps - log c - log(1 + c), in doubles: any c is valid."""

    def slope(c):
        u = np.linspace(*step.extent(c), 1201)
        level = step.log_terms(u, c)
        p = np.exp(level - level.max())
        y = step.pair(u)[1][0]
        return n * float(p @ y) / float(p.sum()) - eps - 1 / c - 1 / (1 + c)

    low, high = 1e-6, 1e-6
    while slope(high) < 0 and high < 1e22:
        low, high = high, 10 * high
    for _ in range(12):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return math.sqrt(low * high)


class Line:
    """delta(eps) for every eps from the values on one vertical line Re z = c."""

    MAX_NODES = 3000

    def __init__(self, step, n, eps, bits=120, max_nodes=MAX_NODES):
        self.step, self.n = step, n
        c = saddle(step, n, eps)
        self.c = c = float(np.float32(c)) if 1e-30 < c < 1e30 else c
        with working_bits(2 * bits + int(math.log2(n)) + 20):
            self._build(eps, bits, max_nodes)

    def _log_decay(self, u, t, theta):
        """log of the bound of |e^{K(c+it')}|, all t' >= t, by the shift theta."""
        sign = 1.0 if self.step.direction != "add" else -1.0
        return (
            logsumexp(self.step.log_terms(u, self.c, t, sign * theta))
            + math.log(u[1] - u[0])
            - 0.5 * math.log(2 * math.pi)
            + 1e-14
        )  # a smooth integrand: the sum is good to a few units of rounding

    def _build(self, eps, bits, max_nodes):
        step, n, c = self.step, self.n, self.c
        lo, hi = step.extent(c, 200)
        u = np.linspace(min(lo, -17.0) - 3, max(hi, 17.0) + 3, 4001)  # a shift may leave only the mass near 0
        du = u[1] - u[0]
        log_m = logsumexp(step.log_terms(u, c)) + math.log(du) - 0.5 * math.log(2 * math.pi)
        thetas = [3.1, *(3.0 * 0.7**k for k in range(60))]

        def log_rho(t):
            return min(self._log_decay(u, t, theta) for theta in thetas) - log_m

        # truncation: n log rho_T <= -bits log 2
        goal = bits * math.log(2)
        p = np.exp(step.log_terms(u, c))
        y = step.pair(u)[1][0]
        mean = float(p @ y) / float(p.sum())
        top = math.sqrt(2 * goal / (n * float(p @ (y - mean) ** 2) / float(p.sum())))
        for _ in range(60):
            if n * log_rho(top) < -goal:
                break
            top *= 1.25
        else:
            raise ValueError("the vertical line decays too slowly")
        # aliasing: both sides below 2^-bits of e^{nK(c) - c eps}; one c2 for Chernoff, chosen in doubles
        log_scale = n * log_m - c * eps
        x, best_c2 = math.inf, None
        for ratio in (1.02, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0):
            c2 = c * ratio
            need = (n * step.log_mgf(c2) - c2 * eps - log_scale + goal) / (c2 - c)
            if need < x:
                x, best_c2 = need, c2
        x = max(x, (goal - min(log_scale, 0.0)) / c)
        count = math.ceil(top * x / (2 * math.pi)) + 1
        if count > max_nodes:
            raise ValueError(f"{count} nodes on the vertical line")
        wanted = -goal - math.log(n)
        points = [(c, 0.0, wanted + log_m), (c, top, wanted + log_m), (best_c2, 0.0, wanted + step.log_mgf(best_c2))]
        self.quad = quad = Quadrature(step, points)
        self.log_m2 = [(best_c2, n * log_upper(quad.real(best_c2)))]
        self.x = x
        h = arb(2) * arb.pi() / arb(x)
        self.h = h
        # e^{zY} along the line is geometric: rows j2, columns j1, j = j1 + block j2, one matrix product
        block = math.isqrt(count) + 1
        rows = -(-count // block)
        small = [powers(acb(0, h * y).exp(), block) for y in quad.loss]
        leaps = [powers(acb(0, h * block * y).exp(), rows) for y in quad.loss]
        start = [(w + c * y).exp() for w, y in zip(quad.log_weight, quad.loss)]
        large = [[w * p[j] for w, p in zip(start, leaps)] for j in range(rows)]
        product = acb_mat(large) * acb_mat(small)
        coefficients, slopes = [], []
        self.log_m = log_upper(quad.real(c))
        step_t = 2 * math.pi / x
        error = [quad.log_error(c, t) for t in np.linspace(0, count * step_t, 9)]  # increasing in t
        for j in range(count):
            z = acb(c, h * j)
            e = arb(error[min(8, j * 8 // count + 1)]).exp()
            ball = product[j // block, j % block] + acb(arb(0, 1) * e, arb(0, 1) * e)
            if ball.contains(0):
                value = acb(arb(0, 1), arb(0, 1)) * (abs(ball).upper()) ** n
            else:
                value = (n * ball.log()).exp()
            value *= h / arb.pi() / (1 + z) * (arb("0.5") if j == 0 else 1)
            coefficients.append(value / z)
            slopes.append(value)
        self.poly, self.slope_poly = Polynomial(coefficients), Polynomial(slopes)
        t_last = (count - 1) * step_t
        self.log_cut = n * (log_rho(t_last) + log_m) - math.log(math.pi * t_last) + MARGIN
        self.bits = ctx.prec

    def delta(self, eps):
        """delta(eps) as a ball, any real eps (a double or a ball): sharp near the eps of the saddle."""
        with working_bits(self.bits):
            e = arb(eps)
            f, c, x = float(e.mid()), self.c, self.x
            value = (self.poly(acb(0, -self.h * e).exp())).real * (-arb(c) * e).exp()
            cut = self.log_cut - c * f
            right = []
            for c2, log_m2 in self.log_m2:
                log_r = -(c2 - c) * x
                kernel = c2 * math.log(c2) - (1 + c2) * math.log1p(c2) if c2 < 1e8 else -math.log(c2) - 1
                right.append(log_m2 - c2 * f + kernel + log_r - math.log(-math.expm1(log_r)))
            left = -c * x - math.log(-math.expm1(-c * x))
            alias = arb(np.logaddexp(left, min(right)) + 1e-6 + 1e-14 * abs(c2 * f)).exp()
            # true = rule - alias terms, alias terms in [0, alias]
            ball = value - alias / 2 + arb(0, 1) * (alias / 2 + arb(cut + 1e-6 + 1e-14 * abs(c * f)).exp())
            return ball

    def slope(self, eps):
        """-delta'(eps), without the error of truncation: for Newton's method."""
        with working_bits(self.bits):
            e = arb(eps)
            return (self.slope_poly(acb(0, -self.h * e).exp())).real * (-arb(self.c) * e).exp()


class Bend:
    """z(v) = c +- al (cosh(v/2) - 1) + i be sinh(v), to the right (remove, replace_one) or to the left (add)."""

    def __init__(self, step, n, eps, bits, c, be, al):
        self.step, self.n = step, n
        self.way = -1.0 if step.direction == "add" else 1.0
        self.c, self.be, self.al = c, be, al
        goal = bits * math.log(2)
        # how far: until the bound of the integrand has fallen by `bits` bits from its value on the real axis
        scan, v = [], 0.0
        while True:
            r, t = c + self.way * al * (math.cosh(v / 2) - 1), be * math.sinh(v)
            log_m = self._log_bound(r, t)
            size = (
                n * log_m
                - r * eps
                - math.log(math.hypot(r, t) * math.hypot(1 + r, t))
                + math.log(be * math.cosh(v) + al * math.sinh(v))
            )
            scan.append((r, t, log_m, size))
            if size < scan[0][3] - goal - 5:
                break
            v += 0.1
            if v > 60:
                raise ValueError("the bent curve decays too slowly")
        self.end = v
        # what e^K must be good to on the way: n times its relative error counts as much as its term does
        points = []
        for i, (r, t, log_m, size) in enumerate(scan):
            size = max(size, scan[max(i - 1, 0)][3])
            points.append((r, t, log_m - math.log(n) - max(5.0, goal + size - scan[0][3])))
        self.prec = int((max(step.log_mgf(r) - wanted for r, _, wanted in points) + goal) / math.log(2)) + 60
        with working_bits(self.prec):
            self.quad = Quadrature(step, points)
        self.z, self.terms, self.h = [], [], None

    def _log_bound(self, r, t):
        """log of a bound of |e^{K(r+it)}|, best of some shifts."""
        lo, hi = self.step.extent(r, 100)
        u = np.linspace(min(lo, -14.0), max(hi, 14.0), 1201)  # a shift may leave only the mass near 0
        shifts = [0.0, 3.1, *(3.0 * 0.6**k for k in range(25))]
        return (
            min(float(logsumexp(self.step.log_terms(u, r, t, self.way * theta))) for theta in shifts)
            + math.log(u[1] - u[0])
            - 0.5 * math.log(2 * math.pi)
        )

    def _add(self, v):
        z = acb(arb(self.c) + self.way * arb(self.al) * ((v / 2).cosh() - 1), arb(self.be) * v.sinh())
        dz = acb(self.way * arb(self.al) / 2 * (v / 2).sinh(), arb(self.be) * v.cosh())
        m = self.quad.at(z)
        if m.contains(0):
            value = acb(arb(0, 1), arb(0, 1)) * abs(m).upper() ** self.n
        else:
            value = (self.n * m.log()).exp()
        self.z.append(z)
        self.terms.append(value * dz / arb.pi() / (1 + z) * (arb("0.5") if v == 0 else 1))

    def refine(self, h):
        """First call: nodes at the multiples of h; later calls halve the step, whatever h."""
        with working_bits(self.prec):
            if self.h is None:
                self.h, first, stride = arb(h), 0, 1
            else:
                self.h, first, stride = self.h / 2, 1, 2
            count = math.ceil(self.end / float(self.h.mid()))
            if count > 4000:
                raise ValueError(f"{count} nodes on the bent curve")
            for j in range(first, count + 1, stride):
                self._add(self.h * j)

    def sums(self, eps):
        """delta(eps), -delta'(eps) and the size of the last term, for the present step."""
        with working_bits(self.prec):
            e, total, slope, last = arb(eps), acb(0), acb(0), arb(0)
            for z, f in zip(self.z, self.terms):
                w = f * (-z * e).exp()
                slope += w
                total += w / z
            far = max(range(len(self.z)), key=lambda j: float(self.z[j].imag.mid()))
            last = abs(self.terms[far] * (-self.z[far] * e).exp() / self.z[far])
            return total.imag * self.h, slope.imag * self.h, last * self.h


class Curve:
    """delta(eps) for eps near one value from two bent curves."""

    SHAPES = ((1.0, 0.5, 2.5, 0.08), (0.85, 0.4, 2.2, 0.067))  # c/saddle, be/c, al/(sigma sqrt be), first step

    def __init__(self, step, n, eps, bits=90, digits=22):
        c = saddle(step, n, eps)
        self.bends = []
        for c_share, be_share, al_share, h in self.SHAPES:
            be = be_share * c_share * c
            bend = Bend(step, n, eps, bits, c_share * c, be, al_share * step.sigma * math.sqrt(be))
            bend.refine(h)
            self.bends.append(bend)
        self.c = c
        while Inversion.digits(self.delta(eps)) < digits:
            try:
                for bend in self.bends:
                    bend.refine(None)
            except ValueError:
                break

    def delta(self, eps):
        """delta(eps) as a ball: the first curve, widened by 10 times its distance from the other and the last terms."""
        with working_bits(max(b.prec for b in self.bends)):
            (one, _, end1), (two, _, end2) = (b.sums(eps) for b in self.bends)
            gap = abs(one.mid() - two.mid()) * 10 + (end1 + end2) * 100
            return one + arb(0, 1) * gap.upper()

    def slope(self, eps):
        """-delta'(eps), for Newton's method."""
        return self.bends[0].sums(eps)[1]


class Inversion:
    """delta and epsilon of n steps; lines and curves once computed are used again for every eps they are good for."""

    def __init__(self, sigma, q, steps, direction, bits=100, route=None):
        """direction: "remove", "add" or "replace_one"; route: "line", "curve" or None (line if it is cheap enough)."""
        self.step, self.n, self.bits, self.route = Step(sigma, q, direction), int(steps), bits, route
        self.contours = []
        with working_bits(200):
            q = self.step.q_exact
            # add: the loss is at most -n log(1-q), so delta is exactly 0 from there on
            self.edge = -self.n * (-q).log1p() if direction == "add" else None

    @staticmethod
    def digits(ball):
        """Correct decimal digits of a positive ball (0 if it might be 0 or negative)."""
        if not ball > 0:
            return 0.0
        rad = float((ball.rad() / ball.mid()).upper())
        return 99.0 if rad == 0 else -math.log10(rad)

    def new_contour(self, eps):
        if self.route != "curve":
            try:
                return Line(self.step, self.n, eps, self.bits)
            except ValueError:
                if self.route == "line":
                    raise
        return Curve(self.step, self.n, eps, self.bits)

    def best(self, eps, min_digits):
        """(contour, delta(eps)) of at least `min_digits` digits, from a contour known already or a new one."""
        for contour in self.contours:
            value = contour.delta(eps)
            if self.digits(value) >= min_digits:
                return contour, value
        contour = self.new_contour(float(arb(eps).mid()))
        self.contours.insert(0, contour)
        value = contour.delta(eps)
        if self.digits(value) < min_digits:
            at = float(arb(eps).mid())
            raise ValueError(f"{self.digits(value):.1f} digits of delta({at!r}), {min_digits} wanted")
        return contour, value

    def delta(self, eps, min_digits=MIN_DIGITS):
        """delta(eps) as a ball of at least `min_digits` digits (exactly 0 for `add` beyond its edge)."""
        if self.edge is not None and not arb(eps) < self.edge:
            if arb(eps) >= self.edge:
                return arb(0)
            raise ValueError("eps cannot be told from the edge")
        return self.best(eps, min_digits)[1]

    def _guess(self, log_delta):
        """eps from Chernoff's inequality: min over c of (n K(c) + log m(c) - log delta)/c."""
        best = math.inf
        for c in 10.0 ** np.arange(-4, 22, 0.05):
            kernel = c * math.log(c) - (1 + c) * math.log1p(c) if c < 1e8 else -math.log(c) - 1
            value = (self.n * self.step.log_mgf(c) + kernel - log_delta) / c
            if value > best * 1.5 + 1e-300 and best < math.inf:
                break
            best = min(best, value)
        return max(best, 1e-300)

    def epsilon(self, target, digits=20, guess=None):
        """The eps >= 0 with delta(eps) = target, as a ball whose ends are proven by the signs of delta - target."""
        with working_bits(300):
            goal, wanted = arb(target), digits + 2
            low, high = arb(0), self.edge
            eps = arb(self._guess(float(goal.log().mid())) if guess is None else guess)
            known_positive, sure = False, MIN_DIGITS
            for _ in range(80):
                if high is not None and not eps < high:
                    eps = ((low + high) / 2).mid()
                contour, value = self.best(eps, sure)
                gap = (value / goal).log().mid()
                low, high = (eps, high) if gap > 0 else (low, eps)
                known_positive = known_positive or gap > 0
                after = (eps + gap * value.mid() / contour.slope(eps).mid()).mid()  # Newton on log delta
                if not after > 0 and not known_positive:
                    if self.delta(0.0) <= goal:
                        return arb(0)
                    known_positive = True
                if not after > low:
                    after = ((low + high) / 2).mid()
                elif high is not None and not after < high:
                    after = ((low + high) / 2).mid() if low > 0 or high is self.edge else (high / 2).mid()
                move = abs(after - eps)
                eps = after
                if move < eps * arb(10) ** -(digits + 3):
                    break
                if move < eps * arb("1e-6"):
                    sure = wanted
            reach = eps * arb(10) ** -digits / 2
            if self.delta(eps - reach, wanted) >= goal and self.delta(eps + reach, wanted) <= goal:
                return eps + arb(0, 1) * reach.upper()
            raise ValueError(f"epsilon({target}) not proven to {digits} digits")
