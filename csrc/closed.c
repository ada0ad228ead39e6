/* closed.c - the two cases with a closed form: no sampling (q = 1, any number of steps) and a single step (any q).
 *
 * Primitive  G(a, mu) = Phi(-a) - e^{mu a + mu^2/2} Phi(-a - mu) = int_a^inf phi(u) (1 - e^{-mu (u - a)}) du   (> 0)
 *            = e^{-a^2/2} [erfcx(a/sqrt 2) - erfcx((a + mu)/sqrt 2)] / 2.
 * q = 1      delta(eps) = G(eps/mu - mu/2, mu), mu = sqrt(n)/s, twice that for replace       (Balle and Wang 2018, theorem 8)
 * n = 1      the loss is monotone in x, so the event {loss > eps} is {x > x*} or {x < x*}; with x* from v(x*) = e^{+-eps}
 *            each direction is one or two values of G with mu = 1/s.
 * Every value comes as log delta with a bound of its relative error.
 */
#include "rooms.h"
#include "special.h"

#include <math.h>

typedef struct {
    double log, rel; /* log of a positive number, relative error of the number */
} rough;

/* G at a +- da */
static rough gauss(double a, double da, double mu)
{
    const double r2 = 0x1.6a09e667f3bcdp-1; /* 1/sqrt 2 */
    rough g;
    double slope, value;
    if (a > 0.0) {
        const double p = ew_erfcx(a * r2), r = ew_erfcx((a + mu) * r2), d = p - r;
        if (!(d > 0.0))
            return (rough){-INFINITY, INFINITY};
        g.log = -0.5 * a * a + log(0.5 * d);
        g.rel = EW_U * (24.0 * (p + r) / d + 4.0 * a * a + 4.0 * fabs(g.log) + 8.0);
        slope = mu * r / d;
    } else {
        const double p = exp(ew_log_ndtr(-a)), e = mu * a + 0.5 * mu * mu, r = exp(e + ew_log_ndtr(-a - mu));
        value = p - r;
        if (!(value > 0.0))
            return (rough){-INFINITY, INFINITY};
        g.log = log(value);
        g.rel = EW_U * (16.0 * p + r * (32.0 + 4.0 * (fabs(mu * a) + mu * mu + fabs(ew_log_ndtr(-a - mu))))) / value + EW_U * (4.0 * fabs(g.log) + 8.0);
        slope = mu * r / value;
    }
    g.rel += 1.1 * da * (slope + da * (1.0 + mu) * (1.0 + mu) * (1.0 + fabs(a)) * (1.0 + fabs(a)));
    return g;
}

static rough times(rough g, double log_factor, double err)
{
    g.log += log_factor;
    g.rel += err + EW_U * (4.0 * fabs(log_factor) + 4.0 * fabs(g.log));
    return g;
}

static rough gaussian(const ew_model *m, double eps)
{
    const double mu = sqrt(m->n) / m->s * (m->kind == EW_KIND_REPLACE ? 2.0 : 1.0), a = eps / mu - 0.5 * mu;
    return gauss(a, EW_U * (4.0 * fabs(eps / mu) + 3.0 * mu), mu * 1.0);
}

/* log(1 + expm1(e)/q) with its absolute error; -inf where it is not positive */
static double log_lift(double e, double q, double *err)
{
    if (e > 600.0) {
        *err = 4.0 * EW_U * (e - log(q));
        return e - log(q);
    }
    const double x = expm1(e) / q, v = log1p(x);
    *err = x > -1.0 ? EW_U * (4.0 * fabs(x) / (1.0 + x) + 2.0 * fabs(v)) : INFINITY;
    return x > -1.0 ? v : -INFINITY;
}

static rough single(const ew_model *m, double eps)
{
    const double s = m->s, mu = 1.0 / s, q = m->q;
    double err;
    if (m->kind == EW_KIND_REPLACE) {
        /* odds X^2 - expm1(eps) X - odds e^eps = 0, X = e^{x / s^2}; delta = (1-q) sum of two positive integrals */
        const double g = fabs(eps), lo = log(m->q) - m->log1mq - 0.5 / (s * s);
        /* root for |eps|: the loss is odd in x */
        const double E = g < 600.0 ? log(expm1(g)) : g, b = log(2.0) + lo + 0.5 * g, big = fmax(E, b);
        const double root = big + 0.5 * log(exp(2.0 * (E - big)) + exp(2.0 * (b - big)));
        const double top = fmax(E, root), y0 = g > 0.0 ? top + log(exp(E - top) + exp(root - top)) - log(2.0) - lo : 0.0;
        const double y = copysign(y0, eps), u = s * y, ey = EW_U * (16.0 + 4.0 * (fabs(E) + fabs(lo) + fabs(y0) + fabs(root) + g));
        const double eu = g > 0.0 && isfinite(E) ? s * ey + 4.0 * EW_U * fabs(u) : 4.0 * EW_U;
        if (g > 0.0 && !isfinite(E))
            return (rough){-INFINITY, INFINITY};
        /* odds X int phi (e^eta - 1) = odds X e^{-(mu a + mu^2/2)} G(a, mu), a = u - mu */
        rough one = gauss(u - mu, eu + EW_U * 2.0 * mu, mu), two = gauss(u, eu, mu);
        one = times(one, lo + y - mu * u + 0.5 * mu * mu, ey + mu * eu + EW_U * 4.0 * mu * fabs(u));
        two = times(two, eps + lo - y, ey + EW_U * fabs(eps));
        const double t = fmax(one.log, two.log), sum = exp(one.log - t) + exp(two.log - t);
        rough r = {t + log(sum), fmax(one.rel, two.rel) + 8.0 * EW_U};
        return times(r, m->log1mq, 2.0 * EW_U);
    }
    if (m->kind == EW_KIND_REMOVE) {
        const double w = log_lift(eps, q, &err);
        if (w == -INFINITY) /* eps <= log(1-q): every outcome counts */
            return (rough){log(-expm1(eps)), 8.0 * EW_U};
        return times(gauss(w * s - 0.5 * mu, s * err + EW_U * (4.0 * fabs(w * s) + 2.0 * mu), mu), log(q), 2.0 * EW_U);
    }
    const double w = log_lift(-eps, q, &err);
    if (w == -INFINITY)
        return (rough){-INFINITY, 0.0};
    rough r = gauss(-w * s - 0.5 * mu, s * err + EW_U * (4.0 * fabs(w * s) + 2.0 * mu), mu);
    return times(times(r, log(q) + eps, EW_U * (4.0 + 2.0 * fabs(eps))), w, err);
}

int ew_closed_applies(const ew_model *m)
{
    return m->q == 1.0 || m->n == 1.0;
}

/* log delta(eps) and the relative error of delta; 0: below what this formula resolves */
int ew_closed_log_delta(double *log_delta, double *rel, const ew_model *m, double eps)
{
    const rough g = m->q == 1.0 ? gaussian(m, eps) : single(m, eps);
    *log_delta = g.log;
    *rel = g.rel;
    return g.rel < 1.0 || g.log == -INFINITY;
}

int ew_closed_delta(double out[2], const ew_model *m, double eps)
{
    double l, rel;
    if (m->kind == EW_KIND_ADD && m->q < 1.0 && eps >= -m->log1mq * (1.0 + 4.0 * EW_U)) {
        out[0] = out[1] = 0.0; /* no loss is that large */
        return 1;
    }
    ew_closed_log_delta(&l, &rel, m, eps);
    const double v = exp(l);
    out[0] = rel < 1.0 ? ew_down(v * (1.0 - rel)) : 0.0;
    out[1] = isfinite(rel) && l > -INFINITY ? ew_up(v * (1.0 + rel)) : 1.0;
    if (l == -INFINITY && m->kind == EW_KIND_ADD) { /* within rounding of the largest loss */
        const double gap = -m->log1mq - eps;
        out[1] = ew_up(fmax(0.0, gap) + 8.0 * EW_U * fabs(eps));
    }
    out[0] = fmax(0.0, out[0]);
    out[1] = fmin(1.0, out[1]);
    return 1;
}

/* lower <= log delta(eps) - target <= upper, as a sign: +1 certainly above, -1 certainly below, 0 undecided */
static int side(const ew_model *m, double eps, double target, double *mid)
{
    double l, rel;
    ew_closed_log_delta(&l, &rel, m, eps);
    *mid = l - target;
    const double slack = 4.0 * EW_U * (fabs(l) + fabs(target)) + 2.0 * EW_U;
    if (l == -INFINITY)
        return rel == 0.0 ? -1 : 0;
    if (rel < 0.5 && *mid + log1p(-rel) > slack)
        return 1;
    if (rel < 0.5 && *mid + log1p(rel) < -slack)
        return -1;
    return 0;
}

int ew_closed_epsilon(double out[2], const ew_model *m, double log_delta)
{
    const double mu = (m->q == 1.0 ? sqrt(m->n) : 1.0) / m->s * (m->kind == EW_KIND_REPLACE ? 2.0 : 1.0);
    double lo = 0.0, hi = fmax(1e-12, 0.5 * mu * mu + mu * sqrt(fmax(0.0, -2.0 * log_delta))), mid, f_lo, f_hi;
    if (m->kind == EW_KIND_ADD && m->q < 1.0)
        hi = fmin(hi, -m->log1mq);
    const int at0 = side(m, 0.0, log_delta, &f_lo);
    if (at0 < 0 || (at0 == 0 && !(f_lo > 0.0))) {
        out[0] = out[1] = 0.0;
        if (at0 < 0)
            return 1;
    }
    for (int i = 0; i < 200 && side(m, hi, log_delta, &f_hi) >= 0; i++)
        hi = hi * 1.25;
    /* bisection with regula falsi (Illinois): monotone, so it cannot fail */
    double a = lo, b = hi, fa = f_lo, fb = f_hi;
    int last = 0;
    for (int i = 0; i < 300 && b - a > 1e-15 * b; i++) {
        double x = isfinite(fa) && isfinite(fb) && fa > fb ? a + (b - a) * fa / (fa - fb) : 0.5 * (a + b);
        if (i % 6 == 5 || !(x > a && x < b))
            x = a > 0.0 && b > 4.0 * a ? sqrt(a * b) : 0.5 * (a + b);
        if (a == 0.0 && i % 3 == 2)
            x = fmin(x, b * 1e-3);
        side(m, x, log_delta, &mid);
        if (mid == 0.0) {
            a = b = x;
        } else if (mid > 0.0) {
            a = x;
            fa = mid;
            if (last == 1)
                fb *= 0.5;
            last = 1;
        } else {
            b = x;
            fb = mid;
            if (last == -1)
                fa *= 0.5;
            last = -1;
        }
    }
    double step = fmax(2.0 * EW_U * b, 1e-300);
    for (int i = 0;; i++, step *= 2.0) {
        if (side(m, b + step, log_delta, &mid) < 0)
            break;
        if (i > 200)
            return 0;
    }
    out[1] = ew_up(b + step);
    step = fmax(2.0 * EW_U * a, 1e-300);
    for (int i = 0;; i++, step *= 2.0) {
        if (a - step <= 0.0) {
            out[0] = 0.0;
            break;
        }
        if (side(m, a - step, log_delta, &mid) > 0) {
            out[0] = ew_down(a - step);
            break;
        }
        if (i > 200)
            return 0;
    }
    return 1;
}
