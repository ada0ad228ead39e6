/* closed.c - delta in the two cases with a closed form: no sampling (q = 1, any number of steps), one step (any q).
 *
 * From G(a, mu), the delta of two normal laws at epsilon = w = mu (a + mu/2)  (gauss.c):
 * eps >= 0   q = 1     delta = G(a, mu),  w = eps,  mu = sqrt(n)/s, twice that for replace
 *            from here on n = 1, mu = 1/s
 *            remove    delta = q G(a, mu),  1 - q + q e^w = e^eps
 *            add       delta = q e^{eps - w} G(a, mu),  1 - q + q e^{-w} = e^{-eps}
 *            replace   {loss > eps} = {u > t}: with y = mu t, k = mu^2/2, o = q/(1-q) e^{-k} and
 *                      (1 + o e^y)/(1 + o e^{-y}) = e^eps,
 *                      delta = q [G(t - mu, mu) + e^{eps - y - k} G(t, mu)]
 * eps < 0    delta_{P,Q}(eps) = 1 - e^eps + e^eps delta_{Q,P}(-eps)                         (put-call parity).
 * Every term is positive, so nothing cancels.  Errors as in gauss.c.
 */
#include "closed.h"

/* The bounds below are argued for these; far beyond what the library promises. */
int ew_closed_tame(const ew_model *m)
{
    return m->s >= 1e-4 && m->s <= 1e12 && m->q >= 1e-30 && m->n <= 0x1p53;
}

double ew_closed_mu(const ew_model *m)
{
    return ew_closed_gaussian(m) ? sqrt(m->n) * (m->kind == EW_KIND_REPLACE ? 2.0 : 1.0) / m->s : 1.0 / m->s;
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
double ew_closed_log_odds(const ew_model *m, double *loose)
{
    const double k = 0.5 / (m->s * m->s);
    *loose = 6.0 * (fabs(log(m->q)) + fabs(m->log1mq) + k);
    return log(m->q) - m->log1mq - k;
}

/* replace at t +- dt, where y is within dy and eps within deps */
ew_rough ew_closed_pair(const ew_model *m, double t, double dt, double y, double dy, double eps, double deps)
{
    const double mu = ew_closed_mu(m), k = 0.5 / (m->s * m->s), a = t - mu;
    const ew_rough one = ew_gauss(a, dt + EW_U * (fabs(a) + mu), mu);
    const ew_rough two = ew_times(ew_gauss(t, dt, mu), eps - y - k, deps + dy + EW_U * (2.0 * fabs(eps - y) + 6.0 * k));
    const double sum = ew_lse(one.log, two.log), share = exp(two.log - sum), worst = fmax(one.err, two.err);
    /* mean of the two, and second order */
    const double err = worst < 1.0 ? (1.0 + worst) * (one.err + share * (two.err - one.err)) : worst;
    return ew_times((ew_rough){sum, err + EW_U * (4.0 + 2.0 * fabs(sum))}, log(m->q), 2.0 * EW_U * fabs(log(m->q)));
}

/* delta(eps), eps >= 0 */
static ew_rough delta_of(const ew_model *m, double eps)
{
    const double s = m->s, q = m->q, mu = ew_closed_mu(m);
    eps = fmin(eps, 1e100); /* delta decreases; it is far below any double there */
    /* a = (2 eps s^2 - mu^2 s^2)/(2 mu s^2), numerator within 2 u of itself and 8 u^2 of 2 eps s^2 */
    if (ew_closed_gaussian(m)) {
        double low, p_low;
        const double v = product(s, s, &low), p = product(eps, v, &p_low),
                     mm = m->n * (m->kind == EW_KIND_REPLACE ? 4.0 : 1.0);
        const double a = ((2.0 * p - mm) + 2.0 * (p_low + eps * low)) / (2.0 * mu * v);
        return ew_gauss(a, EW_U * (8.0 * fabs(a) + 8.0 * EW_U * eps / mu), mu);
    }
    if (m->kind == EW_KIND_REPLACE) { /* o e^y - o e^{eps - y} = e^eps - 1: y = eps/2 + asinh(sinh(eps/2)/o) */
        double loose;
        const double lo = ew_closed_log_odds(m, &loose), half = 0.5 * eps, l = log(-expm1(-eps)),
                     lx = half + l - log(2.0) - lo;
        const double x = exp(fmin(lx, 20.0)),
                     z = lx > 20.0 ? lx + log(2.0) : log1p(x + x * (x / (1.0 + sqrt(1.0 + x * x))));
        /* of x; asinh x feels min(1, asinh x) of it */
        const double ex = eps > 0.0 ? EW_U * (16.0 + 4.0 * (half + fabs(l)) + loose) : 0.0;
        const double y = half + z, dy = fmin(z, 1.0) * ex + 8.0 * EW_U * y, t = s * y;
        return ew_closed_pair(m, t, s * dy + EW_U * t, y, dy, eps, 0.0);
    }
    if (m->kind == EW_KIND_REMOVE) { /* w: 3 u in its argument and 2 u of log1p, and 4 u kept for s w and the rest */
        const double w = eps < 600.0 ? log1p(expm1(eps) / q) : eps - log(q);
        const ew_rough g = ew_gauss(w * s - 0.5 * mu, EW_U * (10.0 * w * s + 2.0 * mu), mu);
        return ew_times(g, log(q), 2.0 * EW_U * fabs(log(q)));
    }
    /* q e^{eps - w} = 1 - e^{-gap}; gap, to the largest loss, carries the error of that loss */
    double gap = -m->log1mq - eps, err = (2.0 * EW_U * -m->log1mq + EW_U * fabs(gap)) * 1.01;
    const int blind = !(gap > 8.0 * err);
    if (blind) { /* at the edge itself: the largest gap there may be gives an upper bound */
        gap += err;
        err = 0.0;
    }
    if (gap <= 0.0)
        return (ew_rough){-INFINITY, INFINITY};
    const double x = -expm1(-eps) / q, w = x < 0.5 ? -log1p(-x) : log(q / ((1.0 - q) * expm1(gap)));
    const double dw = 8.0 * EW_U * (w + 1.0 * (x >= 0.5)) + (x < 0.5 ? 0.0 : 1.2 * err * (1.0 + 1.0 / gap)),
                 log_gap = log(-expm1(-gap));
    ew_rough g = ew_gauss(w * s - 0.5 * mu, s * dw + EW_U * (2.0 * w * s + 2.0 * mu), mu);
    g = ew_times(g, log_gap, 1.2 * err / gap + EW_U * (4.0 + 2.0 * fabs(log_gap)));
    return blind ? (ew_rough){g.log + (isfinite(g.err) ? g.err : 0.0) + 4.0 * EW_U * fabs(g.log), INFINITY} : g;
}

ew_rough ew_closed_rough(const ew_model *m, double eps)
{
    if (!ew_closed_tame(m))
        return (ew_rough){0.0, INFINITY};
    if (eps >= 0.0)
        return delta_of(m, eps);
    ew_model back = *m; /* the two laws exchanged */
    back.kind = m->kind == EW_KIND_ADD ? EW_KIND_REMOVE : m->kind == EW_KIND_REMOVE ? EW_KIND_ADD : m->kind;
    const ew_rough g = delta_of(&back, -eps);
    const double A = -expm1(eps), B = exp(eps + g.log), e = g.err + EW_U * (4.0 + 2.0 * fabs(eps + g.log));
    ew_rough r = {log(A + B), 0.0};
    r.err = (isfinite(e) ? (2.0 * EW_U * A + B * expm1(e)) / (A + B) : log1p(B / A)) + EW_U * (4.0 + 2.0 * fabs(r.log));
    return r;
}

int ew_closed_applies(const ew_model *m)
{
    return ew_closed_gaussian(m) || m->n == 1.0;
}

/* log delta(eps) and its absolute error, inf where it is but an upper bound; 0: then */
int ew_closed_log_delta(double *log_delta, double *rel, const ew_model *m, double eps)
{
    const ew_rough g = ew_closed_rough(m, eps);
    *log_delta = g.log;
    *rel = g.err;
    return g.err < 1.0;
}

int ew_closed_delta(double out[2], const ew_model *m, double eps)
{
    const double tiny = 0x1p-1021, slack = 8.0 * EW_U; /* tiny: below it digits get lost; slack: exp and what follows */
    const ew_rough g = ew_closed_rough(m, eps);
    const double v = exp(g.log);
    const int exact = isfinite(g.err);
    out[0] = exact && v > tiny && g.err < 0.5 ? v * exp(-g.err) * (1.0 - slack) : 0.0;
    out[1] = fmin(1.0, v * (exact ? exp(g.err) : 1.0) * (1.0 + slack));
    if (out[1] < tiny && g.log > -INFINITY)
        out[1] = tiny;
    return 1;
}
