"""Certified bounds once more, in ball arithmetic, from nothing but a certificate: no C core, no code shared with it.

Every number is a ball of python-flint (extra ``[verify]``) that contains the exact value.  The laws are written down
anew from the parameters, sums over all outcomes are formed where losses lie on a lattice, and elsewhere the line
integral

    delta(eps) = (1/2 pi) int G(z) e^{-z eps} / (z (1+z)) dt,   z = c + i t

is a trapezoidal sum with bounds of what it leaves out:
  aliases     the sum is sum_k e^{ckx} delta(eps + kx), x = 2 pi/h: at most e^{-dx}/(1 - e^{-dx}) G(c+-d) e^{-(c+-d)
  eps} m on each side truncation  sup of |G| beyond, by the path shifted up by y (E_c[e^psi], decreasing in the
  height), over pi T quadrature  2 e^{y^2/2} cos(y span/2)^{-c} e^{t y R} M(c)/(e^{2 pi y/h} - 1) for the trapezoidal
  rule of M (strip of half width y)
"""

import math

_BITS = 128
_FLOOR = 90.0  # log of the accuracy of quadratures and sums
_DEGREE = 200_000  # largest number of lattice points


class NotVerified(ValueError):
    """A certificate that could not be confirmed, and why."""


def _flint():
    try:
        import flint
    except ImportError:
        raise ImportError("verify needs python-flint: pip install 'edgeworth-acct[verify]'") from None
    return flint


class Mixture:
    """Normal laws `first` (weight, centre >= 0) against `second` (centre <= 0), standard deviation `sigma`."""

    def __init__(self, first, second, sigma):
        self.first, self.second, self.sigma = first, second, sigma
        low, high = min(a for _, a in second) / sigma, max(a for _, a in first) / sigma
        self.reach = high - low
        self.p_max, self.q_max = high, -low
        self.span = (max(a for _, a in second) - min(a for _, a in second)) / sigma
        self.wide = max(self.span, high - min(a for _, a in first) / sigma, 1e-3)

    def prepare(self, c, t):
        """Nodes for tilts up to `c` and heights up to `t`."""
        arb = _flint().arb
        y = min(9.0, 2.8 / max(self.span, 1e-3))
        loss = _FLOOR + 0.5 * y * y + t * y * self.reach - c * math.log(math.cos(0.5 * y * self.span))
        b = 0.6 * math.pi / 2 / self.wide
        self.h = min(2 * math.pi * y / loss, 2 * math.pi * min(b, 6.0) / (0.5 * min(b, 6.0) ** 2 + 0.5 * _FLOOR))
        h, s = arb(self.h), arb(self.sigma)
        scale = h / (2 * arb.pi()).sqrt()
        self.u, self.loss, self.weight, self.parts = [], [], [], []
        for side in (1, -1):
            k = 0 if side == 1 else 1
            while True:
                u = arb(side * k) * h
                tops = [arb(w) * ((arb(a) / s) * (u - arb(a) / s / 2)).exp() for w, a in self.first]
                tails = [arb(w) * ((arb(a) / s) * (u - arb(a) / s / 2)).exp() for w, a in self.second]
                p, q = sum(tops, arb(0)), sum(tails, arb(0))
                weight, ratio = scale * (-u * u / 2).exp() * p, (p / q).log()
                self.u.append(float(u.mid()))
                self.loss.append(ratio)
                self.weight.append(weight)
                self.parts.append(([x / p for x in tops], [x / q for x in tails]))
                size = float(weight.log().mid()) + max(c * float(ratio.mid()), -float(ratio.mid()), 0.0)
                slope = self._slope(len(self.u) - 1, c)
                k += 1
                if size < -_FLOOR and slope > 0.5:
                    break
            if side == 1:
                self.top = len(self.u) - 1
        self.count = len(self.u)

    def _slope(self, i, c):
        """At least so much the log of a term, tilted by up to `c`, falls per unit beyond node i."""
        u = self.u[i]
        if u < 0:
            return -u - self.q_max
        fall = sum(abs(a) / self.sigma * float(x.mid()) for (_, a), x in zip(self.second, self.parts[i][1]))
        return u - (1.0 + c) * self.p_max - c * fall * (1.0 + 1e-9)

    def tilt(self, c):
        """M(c) as a ball; the tilted weights stay."""
        arb = _flint().arb
        self.c = c
        self.tilted = [w * (arb(c) * l).exp() for w, l in zip(self.weight, self.loss)]
        self.sum = sum(self.tilted, arb(0))
        self.error0 = self._ends() + self._quadrature(0.0)
        self.mass = self.sum + _around_zero(self.error0)
        return self.mass

    def _ends(self):
        arb, total = _flint().arb, 0
        for i in (self.top, self.count - 1):
            total += self.tilted[i].upper() / arb(self.h * self._slope(i, self.c) * (1 - 1e-9)).expm1()
        return total

    def _quadrature(self, t):
        arb = _flint().arb
        best = None
        for share in (1.0, 0.7, 0.5, 0.3):
            y = share * min(max(0.3, 2 * math.pi / self.h - t * self.reach), 2.8 / max(self.span, 1e-3), 14.0)
            value = (arb(y * y / 2 + t * y * self.reach)).exp() * (arb(0.5 * y * self.span).cos() ** (-arb(self.c)))
            value = 2 * value * self.sum * arb("1.001") / arb(2 * math.pi * y / self.h * (1 - 1e-12)).expm1()
            best = value.upper() if best is None or value.upper() < best else best
        return best

    def value(self, t):
        """M(c + i t) as a ball."""
        flint = _flint()
        total = flint.acb(0)
        for weight, loss in zip(self.tilted, self.loss):
            angle = loss * flint.arb(t)
            total += flint.acb(weight * angle.cos(), weight * angle.sin())
        error = _around_zero(self._ends() + self._quadrature(t))
        return total + flint.acb(error, error)

    def far(self, t):
        """Sup over heights >= t of |M|, over M(c): an upper bound, as an arb."""
        arb = _flint().arb
        limit = 0.5 * math.pi / self.wide
        slopes, mass = 0.0, float(self.sum.mid())
        for weight, (tops, tails) in zip(self.tilted, self.parts):
            d = sum(a * float(x.mid()) for (_, a), x in zip(self.first, tops))
            d -= sum(a * float(x.mid()) for (_, a), x in zip(self.second, tails))
            slopes += float(weight.mid()) * d / self.sigma / mass
        y = min(t * slopes, 0.45 * limit, 2.8 / max(self.p_max, self.q_max, 1e-3))
        turns = []
        for components in (self.first, self.second):
            turns.append(
                [(arb(abs(a) / self.sigma * y).cos(), arb(abs(a) / self.sigma * y).sin()) for _, a in components]
            )
        total = arb(0)
        for weight, shares in zip(self.tilted, self.parts):
            psi = arb(y * y / 2)
            for power, share, turn in zip((1 + arb(self.c), -arb(self.c)), shares, turns):
                re = sum((x * co for x, (co, _) in zip(share, turn)), arb(0))
                im = sum((x * si for x, (_, si) in zip(share, turn)), arb(0))
                psi += power * (re * re + im * im).log() / 2 - arb(t) * arb.atan2(im, re)
            total += weight * psi.exp()
        b = min(limit - y, 6.0, 2 * math.pi / self.h)
        error = 2 * arb((y * y + b * b) / 2).exp() * arb(0.5 * (y + b) * self.span).cos() ** (-arb(self.c)) * self.sum
        error = error / arb(2 * math.pi * b / self.h * (1 - 1e-12)).expm1() * arb("1.001")
        ends = self._ends() * arb(y * y / 2).exp() * arb(0.5 * y * self.span).cos() ** (-arb(self.c))
        ratio = (total + error + ends) / self.mass
        return ratio.upper() if ratio.upper() < 1 else arb(1)


class Laplace:
    """Laplace(0, scale) against Laplace(1, scale): closed form."""

    reach, count = 0.0, 0

    def __init__(self, scale):
        self.scale = scale

    def prepare(self, c, t):
        """Nothing to prepare."""

    def _at(self, z):
        flint = _flint()
        b = flint.arb(self.scale)
        return ((z + 1) * (z / b).exp() + z * (-(z + 1) / b).exp()) / (2 * z + 1)

    def tilt(self, c):
        """M(c)."""
        self.c = c
        return self._at(_flint().arb(c))

    def value(self, t):
        """M(c + i t)."""
        return self._at(_flint().acb(self.c, t))

    def far(self, t):
        """No better than 1."""
        return _flint().arb(1)


class Public:
    """One of several laws, with these probabilities; which one is public."""

    count = 0

    def __init__(self, shares, laws):
        self.shares, self.laws = shares, laws

    def prepare(self, c, t):
        """Each."""
        for law in self.laws:
            law.prepare(c, t)

    def tilt(self, c):
        """M(c)."""
        self.values = [share * law.tilt(c) for share, law in zip(self.shares, self.laws)]
        self.sum = sum(self.values, _flint().arb(0))
        return self.sum

    def value(self, t):
        """M(c + i t)."""
        return sum((share * law.value(t) for share, law in zip(self.shares, self.laws)), _flint().acb(0))

    def far(self, t):
        """Each on its own."""
        ratio = sum((value * law.far(t) for value, law in zip(self.values, self.laws)), _flint().arb(0)) / self.sum
        return ratio.upper()


class Line:
    """delta near one epsilon from the line Re z = c; parts are (law, count), `mu2` adds Gaussian mechanisms."""

    def __init__(self, parts, mu2, smoothing, c, step, eps):
        flint = self._flint = _flint()
        arb = flint.arb
        self.parts, self.c, self.eps, self.w2 = parts, arb(c), arb(eps), arb(smoothing)
        self.mu2 = mu2 + self.w2
        x = 3.0 * 2 * math.pi / step  # a longer period than the certificate's
        h = self.h = arb(2 * math.pi / x)
        reach = 1.0
        for _ in range(40):  # until what follows is negligible
            top = reach * 40.0 / x * 2 * math.pi
            for law, _ in parts:
                law.prepare(2.0 * c + 1.0, top)
            self._tilt(c)
            if self._tail_log(top) < math.log(1e-13) or reach > 3e4:
                break
            reach *= 1.5
        self.top = top
        self.count = math.ceil(top * x / 2 / math.pi)
        if self.count * (1 + sum(law.count for law, _ in parts)) > 3e6:
            raise NotVerified("the line needs too many nodes for ball arithmetic")
        self.terms = [self._log_g(j) for j in range(self.count + 1)]
        self.x = 2 * arb.pi() / h
        self._chernoffs(c)

    def _real(self, c):
        """Log G(c)."""
        arb = self._flint.arb
        return sum((arb(n) * law.tilt(c).log() for law, n in self.parts), arb(0)) + self.mu2 * arb(c) * (arb(c) + 1) / 2

    def _tilt(self, c):
        self.log_g = self._real(c)

    def _log_far(self, t):
        arb = self._flint.arb
        return sum((arb(n) * law.far(t).log() for law, n in self.parts), arb(0)) - self.mu2 * arb(t) ** 2 / 2

    def _tail_log(self, t):
        """Log of the truncation error at height t over the integrand on the real axis."""
        return float((self._log_far(t) - self._flint.arb(t).log()).upper())

    def _log_g(self, j):
        flint = self._flint
        t = float((self.h * j).mid())
        z = flint.acb(self.c, flint.arb(t))
        log_g = sum((flint.arb(n) * law.value(t).log() for law, n in self.parts), flint.acb(0))
        return z, log_g + self.mu2 * z * (z + 1) / 2

    def _chernoffs(self, c):
        self.shifts = []
        for share in (-0.9, -0.7, -0.5, -0.3, -0.1, 0.1, 0.3, 0.6, 1.0):
            d = share * c
            self.shifts.append((d, self._real(c + d)))
        self._tilt(c)

    def _alias(self, eps, rough):
        """Upper bound of the aliases at eps; `rough`: of the tangents' function."""
        arb = self._flint.arb
        best = {True: None, False: None}
        for d, log_g in self.shifts:
            c2 = self.c + arb(d)
            m = (c2 * (c2 / (1 + c2)).log() - (1 + c2).log()).exp()
            if rough:
                m += 1 + (self.w2 * (c2 + 1)).exp()
            value = (log_g - c2 * eps).exp() * m / (arb(abs(d)) * self.x).expm1()
            if best[d > 0] is None or value.upper() < best[d > 0]:
                best[d > 0] = value.upper()
        return best[True] + best[False]

    def delta(self, eps, tangents=False):
        """Ball with delta(eps), smoothed; `tangents`: with the lower bound of the unsmoothed delta."""
        flint = self._flint
        arb = flint.arb
        e, total = arb(eps), flint.acb(0)
        for j, (z, log_g) in enumerate(self.terms):
            kernel = 1 / (z * (z + 1))
            if tangents:
                kernel -= ((self.w2 * (z + 1)).exp() - 1) / (z + 1)
            term = (log_g - z * e).exp() * kernel
            total += term / 2 if j == 0 else term
        value = total.real * self.h / arb.pi()
        end = self.h * self.count
        top = (self.log_g - self.c * e).exp()
        tail = top * self._log_far(float(end.lower())).exp() / (arb.pi() * end)
        if tangents:
            more = 1 + (self.w2 * (self.c + 1)).exp()
            tail += top * more * (-self.mu2 * end**2 / 2).exp() / (arb.pi() * self.mu2 * end**2)
        alias = self._alias(e, tangents)
        low, high = value.lower() - tail.upper() - alias, value.upper() + tail.upper() + (alias if tangents else 0)
        return low, high


class Lattice:
    """All total losses with their probabilities: polynomials in ball arithmetic."""

    def __init__(self, parts, spacing):
        flint = _flint()
        total, self.spacing, self.origin, self.loose = flint.arb_poly([1]), flint.arb(spacing), flint.arb(0), 0.0
        finite = flint.arb(1)
        for (losses, chances, infinite), n in parts:
            finite *= (1 - infinite) ** n
            base = min(losses, key=lambda loss: float(loss.mid()))
            places = [round(float(((loss - base) / self.spacing).mid())) for loss in losses]
            if n * max(places) > _DEGREE:
                raise NotVerified("the lattice has too many points for ball arithmetic")
            row, loose = [flint.arb(0)] * (max(places) + 1), 0.0
            for place, loss, chance in zip(places, losses, chances):
                row[place] += chance
                loose = max(loose, float(abs(loss - base - place * self.spacing).upper()))
            total = (total * flint.arb_poly(row) ** n).truncate(_DEGREE + 1)
            self.origin += n * base
            self.loose += n * loose
        self.chances, self.infinite = total.coeffs(), 1 - finite

    def delta(self, eps):
        """Ball with delta(eps)."""
        arb = _flint().arb
        out = []
        for side in (-1, 1):
            e, total = arb(eps) - side * arb(self.loose), self.infinite
            for k, chance in enumerate(self.chances):
                gap = e - (self.origin + k * self.spacing)
                if not gap > 0:
                    term = -gap.expm1()
                    total += chance * (term if gap < 0 else _hull(term))
            out.append(total.lower() if side < 0 else total.upper())
        return tuple(out)


def _hull(term):
    """A ball with max(term, 0)."""
    arb = _flint().arb
    half = abs(term).upper() / 2
    return half + _around_zero(half) if half > 0 else arb(0)


def _around_zero(radius):
    flint = _flint()
    return flint.arb(0, radius.upper() if hasattr(radius, "upper") else radius)


class Gaussian:
    """Any number of Gaussian mechanisms: closed form."""

    def __init__(self, mu2):
        self.mu = mu2.sqrt()

    def delta(self, eps):
        """Ball with delta(eps)."""
        arb = _flint().arb
        e, root = arb(eps), arb(2).sqrt()
        value = ((e / self.mu - self.mu / 2) / root).erfc() - e.exp() * ((e / self.mu + self.mu / 2) / root).erfc()
        return (value / 2).lower(), (value / 2).upper()


class Once:
    """One mixture or Laplace law, once: the best event is a half line."""

    def __init__(self, law):
        self.law = law

    def delta(self, eps):
        """Ball with delta(eps)."""
        arb = _flint().arb
        e, law = arb(eps), self.law
        if isinstance(law, Laplace):
            value = -((e - 1 / arb(law.scale)) / 2).expm1()
            return (value.lower(), value.upper()) if value > 0 else (arb(0), max(arb(0), value.upper()))
        s = arb(law.sigma)

        def loss(x):
            p = sum((arb(w) * ((arb(a) * x - arb(a) ** 2 / 2) / s**2).exp() for w, a in law.first), arb(0))
            q = sum((arb(w) * ((arb(a) * x - arb(a) ** 2 / 2) / s**2).exp() for w, a in law.second), arb(0))
            return (p / q).log()

        low, high = arb(-64) * s, arb(64) * s
        for _ in range(110):
            middle = ((low + high) / 2).mid()
            low, high = (middle, high) if loss(middle) < e else (low, middle)

        def tail(components, x):
            return sum((arb(w) * ((x - arb(a)) / (s * arb(2).sqrt())).erfc() / 2 for w, a in components), arb(0))

        inside = tail(law.first, low) - e.exp() * tail(law.second, low)
        # the largest event lies between the half lines from low and from high
        outside = tail(law.first, low) - e.exp() * tail(law.second, high) if loss(high) > e else tail(law.first, low)
        return max(arb(0), inside.lower()), outside.upper()


class working:
    """Context manager: the precision of all balls."""

    def __enter__(self):
        self._context = _flint().ctx
        self._before, self._context.prec = self._context.prec, _BITS

    def __exit__(self, *exc):
        self._context.prec = self._before


def curve(parts, direction, hint, eps):
    """One direction of a run by the first route that does it; `hint`: tilt, step and smoothing to begin with."""
    arb = _flint().arb
    laws, mu2 = [], arb(0)
    for mechanism, count in parts:
        law = _law(mechanism.to_dict(), direction)
        if isinstance(law, Normal):
            mu2 += count * law.mu**2
        else:
            laws.append((law, count))
    if not laws:
        return Gaussian(mu2)
    finite = [isinstance(law, tuple) for law, _ in laws]
    if all(finite) and mu2 == 0:
        spacing = _spacing([losses for (losses, _, _), _ in laws])
        return Lattice(laws, spacing)
    if any(finite):
        if any(law[2] > 0 for law, _ in laws if isinstance(law, tuple)):
            raise NotVerified("infinite losses beside continuous ones are beyond ball arithmetic here")
        laws = [(Atoms(*law[:2]) if isinstance(law, tuple) else law, count) for law, count in laws]
    if len(laws) == 1 and laws[0][1] == 1 and mu2 == 0 and isinstance(laws[0][0], Mixture | Laplace):
        return Once(laws[0][0])
    if not hint["tilt"] > 0.0 or not hint["step"] > 0.0:
        raise NotVerified("the certificate names no line, and this run has no closed form in ball arithmetic")
    return Line(laws, mu2, hint["smoothing"], hint["tilt"], hint["step"], eps)


class Normal:
    """A Gaussian mechanism."""

    def __init__(self, mu):
        self.mu = mu


class Atoms:
    """Finitely many losses: a sum."""

    reach = 0.0

    def __init__(self, losses, chances):
        self.losses, self.chances, self.count = losses, chances, len(losses)

    def prepare(self, c, t):
        """Nothing to prepare."""

    def tilt(self, c):
        """M(c)."""
        arb = _flint().arb
        self.tilted = [p * (arb(c) * l).exp() for p, l in zip(self.chances, self.losses)]
        return sum(self.tilted, arb(0))

    def value(self, t):
        """M(c + i t)."""
        flint = _flint()
        angles = [loss * flint.arb(t) for loss in self.losses]
        return sum((flint.acb(p * a.cos(), p * a.sin()) for p, a in zip(self.tilted, angles)), flint.acb(0))

    def far(self, t):
        """No better than 1."""
        return _flint().arb(1)


def _spacing(groups):
    """A spacing of which all differences of losses are multiples, as far as doubles tell."""
    gaps = sorted(
        {float((loss - other).mid()) for losses in groups for loss in losses for other in losses if loss > other}
    )
    if not gaps:
        return 1.0
    spacing = gaps[0]
    for gap in gaps[1:]:
        while gap > 1e-9 * spacing:
            spacing, gap = gap, abs(math.remainder(spacing, gap))
            if spacing < 1e-7 * gaps[-1]:
                raise NotVerified("finite losses without a common lattice are beyond ball arithmetic here")
    return gaps[-1] / round(gaps[-1] / spacing)


def _law(parameters, direction):
    """The loss law of a mechanism by name and parameters: Normal, a law above, or (losses, probabilities, infinite)."""
    arb = _flint().arb
    name, two = parameters["name"], direction == "replace_one"

    def response(epsilon, k):
        e = arb(epsilon)
        total = e.exp() + (k - 1)
        losses, chances = [e, -e], [e.exp() / total, 1 / total]
        return ([*losses, arb(0)], [*chances, (k - 2) / total], arb(0)) if k > 2 else (losses, chances, arb(0))

    def pair(components, sigma):
        mirrored, alone = [(w, -a) for w, a in components], [(arb(1), 0.0)]
        return Mixture(alone if direction == "add" else components, alone if direction == "remove" else mirrored, sigma)

    if name == "Gaussian" or (name == "SubsampledGaussian" and parameters["q"] == 1.0):
        return Normal((2 if two else 1) / arb(parameters["sigma"]))
    if name == "SubsampledGaussian":
        q = arb(parameters["q"])
        return pair([(1 - q, 0.0), (q, 1.0)], parameters["sigma"])
    if name == "MixtureOfGaussians":
        chances = [(arb(w), a) for a, w in zip(parameters["sensitivities"], parameters["probabilities"]) if w > 0.0]
        return pair(chances, parameters["sigma"])
    if name == "SampledWithoutReplacementGaussian" and not two:
        q = arb(parameters["sample"]) / arb(parameters["population"])
        return pair([(1 - q, 0.0), (q, 1.0)], 0.5 * parameters["sigma"])
    if name == "Laplace":
        return Laplace(parameters["scale"] / (2.0 if two else 1.0))
    if name == "RandomizedResponse":
        return response(parameters["epsilon"], parameters["categories"])
    if name == "DiscreteLaplace" and not two:
        return response(1 / arb(parameters["scale"]), 2)
    if name == "DiscreteLaplace":
        step = 1 / arb(parameters["scale"])
        r = (-step).exp()
        return ([2 * step, arb(0), -2 * step], [1 / (1 + r), r * (1 - r) / (1 + r), r * r / (1 + r)], arb(0))
    if name == "ApproximateDP":
        losses, chances, _ = response(parameters["epsilon"], 2)
        infinite = arb(parameters["delta"])
        return losses, [chance * (1 - infinite) for chance in chances], infinite
    if name == "DiscreteLoss":
        losses, chances = ([arb(x) for x in parameters[key]] for key in ("losses", "probabilities"))
        infinite = arb(parameters["infinity_mass"])
        if direction == "add":
            losses, chances = [-l for l in losses], [p * (-l).exp() for l, p in zip(losses, chances)]
            rest = 1 - sum(chances, arb(0))  # outcomes that only the second law has
            infinite = rest if rest > 1e-14 else arb(0)
        return losses, chances, infinite
    raise NotVerified(f"{name} under {direction!r} cannot be derived in ball arithmetic here")
