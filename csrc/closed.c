/* closed.c - the two cases with a closed form: no sampling (q = 1, any number of steps) and a single step (any q).
 *
 * Primitive  G(a, mu) = int_a^inf phi(u) (1 - e^{-mu (u - a)}) du = Phi(-a) - e^w Phi(-a - mu),  w = mu (a + mu/2):
 *            the delta of N(mu, 1) against N(0, 1) at epsilon = w                          (Balle and Wang 2018,
 *            theorem 8).
 * eps >= 0   q = 1     delta = G(a, mu), w = eps, mu = sqrt(n)/s, twice that for replace
 *            remove    delta = q G(a, mu), 1 - q + q e^w = e^eps                            from here on n = 1, mu =
 *            1/s add       delta = q e^{eps - w} G(a, mu), 1 - q + q e^{-w} = e^{-eps} replace   {loss > eps} = {u >
 *            t}: with y = mu t, k = mu^2/2, o = q/(1-q) e^{-k} and (1 + o e^y)/(1 + o e^{-y}) = e^eps,
 *                      delta = q [G(t - mu, mu) + e^{eps - y - k} G(t, mu)]
 * eps < 0    delta_{P,Q}(eps) = 1 - e^eps + e^eps delta_{Q,P}(-eps)                         (put-call parity).
 * Every term is positive.  delta(eps) inverts eps -> a or t; epsilon(delta) needs no inverse: delta and eps are both
 * explicit and monotone in a or t, which is the unknown solved for, so nothing cancels at either end of the range of
 * losses.
 *
 * Errors     d log G/da lies in [-slope(a), 0] (see there) and d log G/d log mu in [0, 1] (x e^{-x} <= 1 - e^{-x}).
 *            u = EW_U; libm errs by 2 u at most, ew_erfcx by 16 u.  Constants are rounded up, second orders of u are in
 *            that.
 */
#include "rooms.h"
#include "special.h"

#include <math.h>

typedef struct {
    double log, err; /* log of a positive number, absolute error of the log; err = inf: an upper bound, no more */
} rough;

/* Number times e^{log_factor}, which is uncertain by err. */
static rough times(rough g, double log_factor, double err)
{
    g.log += log_factor;
    g.err += err + EW_U * fabs(g.log);
    return g;
}

/* >= -d log G/da on (-inf, a].  log G is concave (a log-concave kernel on a Gaussian), so it is the slope at a, the
 * mean of the hazard l(u) = phi/Phi(-u) under e^{-mu u} Phi(-u), u > a; l' < 1, and u - a is below an exponential of
 * rate mu + l(a): slope <= l(a) + 1/(mu + l(a)) <= 2.06 + a for a >= 0.  For a in [-mu/2, 0] it is mu phi(a) Mills(a +
 * mu)/G <= 2 phi(a)/G(0, 0.35). */
static double slope(double a, double mu)
{
    if (a >= 0.0 || mu <= 0.35)
        return 2.1 + fmax(a, 0.0);
    a = fmax(a, -0.5 * mu);
    return fmin(2.1, 7.2 * exp(-0.5 * a * a));
}

/* log G at a +- da, mu (1 +- 2 u) */
static rough gauss(double a, double da, double mu)
{
    static const double at[6] = {0x1.149ad8bfaff12p-5, 0x1.5aebed3546d43p-3, 0x1.85d3b4bf2628fp-2,
                                 0x1.3d1625a06ceb9p-1, 0x1.a94504b2ae4afp-1, 0x1.eeb652740500fp-1};
    /* Gauss-Legendre on [0, 1] */
    static const double weight[3] = {0x1.5edf601e2dbf8p-4, 0x1.716b7b5794c1cp-3, 0x1.df24d499545e8p-3};
    const double r2 = 0x1.6a09e667f3bcdp-1 /* 1/sqrt 2 */, c = 0x1.20dd750429b6dp+0 /* 2/sqrt pi */, x = a * r2,
                 h = mu * r2;
    rough g;
    if (a < -0.5 * mu) { /* parity: 1 - e^w + e^w G(-a - mu); w keeps its digits, e^w w <= 1 */
        const double w = mu * (a + 0.5 * mu), b = -a - mu;
        g = gauss(b, EW_U * fabs(b), mu);
        const double A = -expm1(w), B = exp(w + g.log);
        g.err = (4.0 * EW_U * A + B * (expm1(g.err) + EW_U * (4.0 + 3.0 * fabs(w) + fabs(g.log)))) / (A + B);
        g.log = log(A + B);
    } else if (a < 0.0 &&
               mu > 0.35) { /* 1 - t, t <= 0.87; 24: erfcx of a rounded argument, products; a^2: the exponent */
        const double t = 0.5 * exp(-0.5 * a * a) * (ew_erfcx(-x) + ew_erfcx((a + mu) * r2));
        g.log = log1p(-t);
        g.err = EW_U * t * (24.0 + a * a) / (1.0 - t);
    } else { /* e^{-a^2/2} d/2, d = erfcx(x) - erfcx(x + h), x >= -h/2 */
        double d = 0.0, loose = 0.0; /* loose: error of d in u */
        if (mu > 0.35) {
            const double p = ew_erfcx(x), r = ew_erfcx((a + mu) * r2);
            d = p - r;
            loose = 20.0 * (p + r);
        } else { /* -d/dy erfcx = c - 2 y erfcx(y) > 0 integrated; the rule cuts off 2^-53 of it */
            for (int i = 0; i < 6; i++) {
                const double y = x + h * at[i], v = 2.0 * y * ew_erfcx(y), w = h * weight[i < 3 ? i : 5 - i];
                d += w * (c - v);
                /* 5: y rounded, |y| times the log derivative <= 2.1 */
                loose += w * (18.0 * fabs(v) + c + 5.0 * fabs(c - v));
            }
        }
        if (!(loose * EW_U < 0.1 * d))
            return (rough){-0.5 * a * a * (1.0 - 4.0 * EW_U) + da * (2.1 + fabs(a)), INFINITY}; /* G <= e^{-a^2/2}/2 */
        g.log = log(0.5 * d) - 0.5 * a * a;
        g.err = EW_U * (1.2 * loose / d + 12.0 + a * a + 2.0 * fabs(log(0.5 * d)));
    }
    da += 2.0 * EW_U * fabs(a); /* x is rounded */
    g.err += EW_U * (8.0 + 2.0 * fabs(g.log)) + 1.01 * da * slope(a + da, mu);
    return g;
}

static int gaussian(const ew_model *m) { return m->q == 1.0; }
static int paired(const ew_model *m) { return m->kind == EW_KIND_REPLACE && !gaussian(m); }

/* The bounds below are argued for these; far beyond what the library promises. */
static int tame(const ew_model *m)
{
    return m->s >= 1e-4 && m->s <= 1e12 && m->q >= 1e-30 && m->n <= 0x1p53;
}

static double mu_of(const ew_model *m) /* within 2 u */
{
    return gaussian(m) ? sqrt(m->n) * (m->kind == EW_KIND_REPLACE ? 2.0 : 1.0) / m->s : 1.0 / m->s;
}

/* x y = the value + *low exactly (Dekker) */
static double product(double x, double y, double *low)
{
    const double split = 0x1.0000002p+27, cx = split * x, cy = split * y, xb = cx - (cx - x), yb = cy - (cy - y),
                 xs = x - xb, ys = y - yb;
    *low = ((xb * yb - x * y) + xb * ys + xs * yb) + xs * ys;
    return x * y;
}

/* log odds, o above, within u times the second */
static double log_odds(const ew_model *m, double *loose)
{
    const double k = 0.5 / (m->s * m->s);
    *loose = 6.0 * (fabs(log(m->q)) + fabs(m->log1mq) + k);
    return log(m->q) - m->log1mq - k;
}

/* replace at t +- dt, where y is within dy and eps within deps */
static rough pair(const ew_model *m, double t, double dt, double y, double dy, double eps, double deps)
{
    const double mu = mu_of(m), k = 0.5 / (m->s * m->s), a = t - mu;
    const rough one = gauss(a, dt + EW_U * (fabs(a) + mu), mu);
    const rough two = times(gauss(t, dt, mu), eps - y - k, deps + dy + EW_U * (2.0 * fabs(eps - y) + 6.0 * k));
    const double sum = ew_lse(one.log, two.log), share = exp(two.log - sum), worst = fmax(one.err, two.err);
    /* mean of the two, and second order */
    const double err = worst < 1.0 ? (1.0 + worst) * (one.err + share * (two.err - one.err)) : worst;
    return times((rough){sum, err + EW_U * (4.0 + 2.0 * fabs(sum))}, log(m->q), 2.0 * EW_U * fabs(log(m->q)));
}

/* delta(eps), eps >= 0 */
static rough delta_of(const ew_model *m, double eps)
{
    const double s = m->s, q = m->q, mu = mu_of(m);
    eps = fmin(eps, 1e100); /* delta decreases; it is far below any double there */
    /* a = (2 eps s^2 - mu^2 s^2)/(2 mu s^2), numerator within 2 u of itself and 8 u^2 of 2 eps s^2 */
    if (gaussian(m)) {
        double low, p_low;
        const double v = product(s, s, &low), p = product(eps, v, &p_low),
                     mm = m->n * (m->kind == EW_KIND_REPLACE ? 4.0 : 1.0);
        const double a = ((2.0 * p - mm) + 2.0 * (p_low + eps * low)) / (2.0 * mu * v);
        return gauss(a, EW_U * (8.0 * fabs(a) + 8.0 * EW_U * eps / mu), mu);
    }
    if (m->kind == EW_KIND_REPLACE) { /* o e^y - o e^{eps - y} = e^eps - 1: y = eps/2 + asinh(sinh(eps/2)/o) */
        double loose;
        const double lo = log_odds(m, &loose), half = 0.5 * eps, l = log(-expm1(-eps)), lx = half + l - log(2.0) - lo;
        const double x = exp(fmin(lx, 20.0)),
                     z = lx > 20.0 ? lx + log(2.0) : log1p(x + x * (x / (1.0 + sqrt(1.0 + x * x))));
        /* of x; asinh x feels min(1, asinh x) of it */
        const double ex = eps > 0.0 ? EW_U * (16.0 + 4.0 * (half + fabs(l)) + loose) : 0.0;
        const double y = half + z, dy = fmin(z, 1.0) * ex + 8.0 * EW_U * y, t = s * y;
        return pair(m, t, s * dy + EW_U * t, y, dy, eps, 0.0);
    }
    if (m->kind == EW_KIND_REMOVE) { /* w: 3 u in its argument and 2 u of log1p, and 4 u kept for s w and the rest */
        const double w = eps < 600.0 ? log1p(expm1(eps) / q) : eps - log(q);
        return times(gauss(w * s - 0.5 * mu, EW_U * (10.0 * w * s + 2.0 * mu), mu), log(q), 2.0 * EW_U * fabs(log(q)));
    }
    /* q e^{eps - w} = 1 - e^{-gap}; gap, to the largest loss, carries the error of that loss */
    double gap = -m->log1mq - eps, err = (2.0 * EW_U * -m->log1mq + EW_U * fabs(gap)) * 1.01;
    const int blind = !(gap > 8.0 * err);
    if (blind) { /* at the edge itself: the largest gap there may be gives an upper bound */
        gap += err;
        err = 0.0;
    }
    if (gap <= 0.0)
        return (rough){-INFINITY, INFINITY};
    const double x = -expm1(-eps) / q, w = x < 0.5 ? -log1p(-x) : log(q / ((1.0 - q) * expm1(gap)));
    const double dw = 8.0 * EW_U * (w + 1.0 * (x >= 0.5)) + (x < 0.5 ? 0.0 : 1.2 * err * (1.0 + 1.0 / gap)),
                 log_gap = log(-expm1(-gap));
    rough g = gauss(w * s - 0.5 * mu, s * dw + EW_U * (2.0 * w * s + 2.0 * mu), mu);
    g = times(g, log_gap, 1.2 * err / gap + EW_U * (4.0 + 2.0 * fabs(log_gap)));
    return blind ? (rough){g.log + (isfinite(g.err) ? g.err : 0.0) + 4.0 * EW_U * fabs(g.log), INFINITY} : g;
}

static rough log_delta_at(const ew_model *m, double eps)
{
    if (!tame(m))
        return (rough){0.0, INFINITY};
    if (eps >= 0.0)
        return delta_of(m, eps);
    ew_model back = *m; /* the two laws exchanged */
    back.kind = m->kind == EW_KIND_ADD ? EW_KIND_REMOVE : m->kind == EW_KIND_REMOVE ? EW_KIND_ADD : m->kind;
    const rough g = delta_of(&back, -eps);
    const double A = -expm1(eps), B = exp(eps + g.log), e = g.err + EW_U * (4.0 + 2.0 * fabs(eps + g.log));
    rough r = {log(A + B), 0.0};
    r.err = (isfinite(e) ? (2.0 * EW_U * A + B * expm1(e)) / (A + B) : log1p(B / A)) + EW_U * (4.0 + 2.0 * fabs(r.log));
    return r;
}

int ew_closed_applies(const ew_model *m)
{
    return gaussian(m) || m->n == 1.0;
}

/* log delta(eps) and its absolute error, inf where it is but an upper bound; 0: then */
int ew_closed_log_delta(double *log_delta, double *rel, const ew_model *m, double eps)
{
    const rough g = log_delta_at(m, eps);
    *log_delta = g.log;
    *rel = g.err;
    return g.err < 1.0;
}

int ew_closed_delta(double out[2], const ew_model *m, double eps)
{
    const double tiny = 0x1p-1021, slack = 8.0 * EW_U; /* tiny: below it digits get lost; slack: exp and what follows */
    const rough g = log_delta_at(m, eps);
    const double v = exp(g.log);
    const int exact = isfinite(g.err);
    out[0] = exact && v > tiny && g.err < 0.5 ? v * exp(-g.err) * (1.0 - slack) : 0.0;
    out[1] = fmin(1.0, v * (exact ? exp(g.err) : 1.0) * (1.0 + slack));
    if (out[1] < tiny && g.log > -INFINITY)
        out[1] = tiny;
    return 1;
}

/* eps >= 0 as a function of w (y for replace); relative error 16 u + loose u */
static double loss_of(const ew_model *m, double w, double *loose)
{
    const double q = m->q;
    *loose = 0.0;
    if (gaussian(m))
        return w;
    if (m->kind == EW_KIND_REMOVE) /* log1p(x) feels at most all of the relative error of x */
        return w < 600.0 ? log1p(q * expm1(w)) : w + log(q);
    if (m->kind == EW_KIND_ADD) { /* 1 - q is exact where q >= 1/2 */
        const double x = -q * expm1(-w);
        return x < 0.5 ? -log1p(-x) : -log((1.0 - q) + q * exp(-w));
    }
    const double lo = log_odds(m, loose), l = lo + w;
    *loose += 4.0 * w;
    return l > 600.0 ? l : log1p(exp(l) * -expm1(-2.0 * w) / (1.0 + exp(lo - w)));
}

/* What a threshold (t for replace, a otherwise) stands for: delta there, and the eps in [eps[0], eps[1]] it is the
 * delta of. */
static rough point(double eps[2], const ew_model *m, double t)
{
    const double mu = mu_of(m), w = paired(m) ? mu * t : mu * (t + 0.5 * mu);
    /* mu within 2 u or u */
    const double dw = EW_U * (paired(m) ? 3.0 * w : 3.0 * fabs(w) + (gaussian(m) ? 2.1 : 1.1) * mu * fabs(t + mu));
    double loose;
    for (int i = 0; i < 2; i++) {
        eps[i] = loss_of(m, fmax(0.0, i ? w + dw : w - dw), &loose);
        eps[i] *= 1.0 + (i ? EW_U : -EW_U) * (20.0 + loose);
    }
    const double mid = 0.5 * (eps[0] + eps[1]), d = 0.5 * (eps[1] - eps[0]), lq = log(m->q);
    if (paired(m))
        return pair(m, t, 0.0, w, dw, mid, d + EW_U * mid);
    const rough g = gauss(t, 0.0, mu);
    if (m->kind == EW_KIND_REMOVE || gaussian(m))
        return times(g, lq, 2.0 * EW_U * fabs(lq));
    return times(g, lq - w + mid, dw + d + EW_U * (3.0 * fabs(lq) + 2.0 * fabs(lq - w) + mid));
}

/* +1: g certainly above e^target, -1: certainly below, 0: undecided.  4 u: the target is the log of a double */
static int side(rough g, double target)
{
    const double slack = EW_U * (4.0 * fabs(target) + 4.0 * fabs(g.log));
    return g.log - g.err > target + slack ? 1 : g.log + (isfinite(g.err) ? g.err : 0.0) < target - slack ? -1 : 0;
}

/* The eps of a threshold near t, on the side of dir, where it is certain on which side of the target delta is. */
static void outward(double *end, const ew_model *m, double target, double t, int dir, double start)
{
    double eps[2], in = 0.0;
    const double err = point(eps, m, t).err, mu = mu_of(m);
    double step = fmax(2.0 * EW_U * fabs(t), 0.3 * fmin(err, 1e-3) / (slope(t, mu) + mu)) + 1e-60;
    for (int i = 0; i < 600; i++, in = step, step *= 2.0) {
        if (dir < 0 && !(t - step > start)) { /* eps = 0, as good as certain */
            step = t - start;
            break;
        }
        if (side(point(eps, m, t + dir * step), target) == -dir) {
            *end = eps[dir > 0];
            break;
        }
    }
    for (int i = 0; i < 8; i++) {
        const double mid = 0.5 * (in + step);
        if (side(point(eps, m, t + dir * mid), target) == -dir) {
            *end = eps[dir > 0];
            step = mid;
        } else {
            in = mid;
        }
    }
}

int ew_closed_epsilon(double out[2], const ew_model *m, double log_delta)
{
    const rough zero = log_delta_at(m, 0.0);
    const double mu = mu_of(m), start = paired(m) ? 0.0 : -0.5 * mu;
    /* delta <= e^{-t^2/2}/2 there */
    double eps[2], t[2] = {start, (paired(m) ? mu : 0.0) + sqrt(fmax(0.0, -2.0 * log_delta))};
    out[0] = out[1] = 0.0;
    if (!tame(m))
        return 0;
    if (side(zero, log_delta) < 0)
        return 1;
    double f[2] = {zero.log - log_delta, point(eps, m, t[1]).log - log_delta};
    if (start < -8.0 && point(eps, m, -8.0).log > log_delta) /* spare the long way */
        f[0] = point(eps, m, t[0] = -8.0).log - log_delta;
    if (!(f[0] > 0.0 && f[1] < 0.0))
        t[1] = t[0];
    /* Illinois, some bisection */
    for (int i = 0, last = -1; i < 200 && t[1] - t[0] > 2.0 * EW_U * (fabs(t[0]) + fabs(t[1])); i++) {
        double x = i % 5 == 4 ? 0.5 * (t[0] + t[1]) : t[0] + (t[1] - t[0]) * f[0] / (f[0] - f[1]);
        if (!(x > t[0] && x < t[1]))
            x = 0.5 * (t[0] + t[1]);
        const rough g = point(eps, m, x);
        const int k = g.log < log_delta;
        t[k] = x;
        f[k] = g.log - log_delta;
        if (k == last)
            f[!k] *= 0.5;
        last = k;
        if (fabs(f[k]) <= 0.1 * g.err)
            t[!k] = x;
    }
    out[1] = INFINITY; /* nothing above has to be right: outward from what was found until it is certain */
    outward(&out[0], m, log_delta, t[0], -1, start);
    outward(&out[1], m, log_delta, t[1], 1, start);
    return isfinite(out[1]);
}
