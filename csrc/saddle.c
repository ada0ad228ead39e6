/* saddle.c - the tilt c near the minimiser of  psi(c) = n K(c) - c eps - log c - log(1+c).
 *
 * Nothing here needs care about rounding or convergence: any c > 0 gives valid bounds.  The estimate of delta is the
 * leading term of the saddle-point expansion, e^{psi(c)} / sqrt(2 pi psi''(c)), kernel 1/(c(1+c)) included in psi.
 */
#include "rooms.h"

#include <math.h>

double ew_log_kernel(double c)
{
    return -c * log1p(1.0 / c) - log1p(c);
}

/* The outermost solution of u = +-(rate/s) D(u), reached monotonically from D = 1. */
double ew_outermost_peak(const ew_model *m, double rate, int sign)
{
    const double s = m->s;
    double u = sign * rate / s;
    for (int i = 0; i < 60; i++) {
        const double y = (u - m->shift) / s,
                     up = m->odds * exp(fmin(700.0, sign > 0 || m->kind == EW_KIND_ADD ? y : -y));
        const double next = sign * (rate / s) * (up / (1.0 + up));
        if (fabs(next - u) < 0.02 * (1.0 + fabs(next)))
            return next;
        u = next;
    }
    return u;
}

/* Coarse nodes that serve every tilt up to c.  0: they would be too many. */
static int build(ew_nodes *nd, const ew_law *law, double c)
{
    const ew_model *m = law->m;
    const double reach = 8.5, width = law->far.width;
    if (width > 0.0) /* nothing beyond the taper, whatever c */
        return ew_nodes_fill(nd, law, fmin(fmin(0.3, 0.5 * m->s), 0.35 * width),
                             law->left.width > 0.0 ? law->left.at - 2.0 * width : -10.5, law->far.at + 2.0 * width);
    const double sampled = 1.0 / m->s; /* the record's own component, which need not make a peak */
    const double top = fmax(sampled, ew_outermost_peak(m,
                                                    m->kind == EW_KIND_ADD       ? 1.0
                                                    : m->kind == EW_KIND_REPLACE ? 1.0 + 2.0 * c
                                                                                 : 1.0 + c,
                                                    1));
    const double low = m->kind == EW_KIND_REMOVE ? 0.0
                       : m->kind == EW_KIND_ADD  ? ew_outermost_peak(m, c, -1)
                                                 : fmin(-sampled, ew_outermost_peak(m, 1.0, -1));
    return top < 300.0 && ew_nodes_fill(nd, law, fmin(0.65, m->s), low - reach, top + reach);
}

static void estimate(ew_saddle *sp, const ew_model *m)
{
    const double c = sp->c, n = m->n, a = 1.0 + sp->at.m0, k1 = sp->at.m1 / a, k2 = sp->at.m2 / a - k1 * k1;
    const double curve = n * k2 + 1.0 / (c * c) + 1.0 / ((1.0 + c) * (1.0 + c));
    sp->eps = n * k1 - 1.0 / c - 1.0 / (1.0 + c);
    sp->spread = sqrt(curve);
    sp->log_delta = n * log1p(sp->at.m0) - c * sp->eps - log(c) - log1p(c) - 0.5 * (EW_LOG_2PI + log(curve));
}

/* Solve for the tilt: f(c) increasing in c, df its derivative with respect to log c. */
static int solve(ew_saddle *sp, const ew_law *law, ew_nodes *nd, double start, double target, int of_delta)
{
    double x = log(start), lo = -60.0, hi = 80.0, covered = 0.0;
    for (int i = 0; i < 80; i++) {
        sp->c = exp(x);
        if (sp->c > covered) {
            covered = i < 3 ? 1.25 * sp->c : sp->c * 1.02;
            if (!build(nd, law, covered)) {
                hi = x;
                if (!(hi - lo > 1e-3))
                    return 0;
                covered = 0.0;
                x = fmax(0.5 * (lo + hi), x - 1.0);
                continue;
            }
        }
        ew_moments_at(&sp->at, nd, sp->c);
        estimate(sp, law->m);
        const double curve = sp->spread * sp->spread;
        double f, df, good;
        if (of_delta) {
            f = target - sp->log_delta;
            df = sp->c * sp->c * curve;
            good = 0.4;
        } else {
            f = sp->eps - target;
            df = sp->c * curve;
            good = 0.03 * sp->spread;
        }
        if (!isfinite(f) || !isfinite(df) || df <= 0.0) { /* overflow: c is far too large */
            hi = x;
            x = lo > -60.0 ? 0.5 * (lo + hi) : x - 3.0;
            continue;
        }
        if (fabs(f) <= good)
            return 1;
        if (f > 0.0)
            hi = x;
        else
            lo = x;
        if (!(hi - lo > 1e-9))
            return 1;
        /* Newton; on the logarithm of log delta, which is nearly a power of c; a bounded step in log c, then
         * bisection */
        const double ratio = of_delta ? sp->log_delta / target : 0.0,
                     far = ratio > 0.3 && ratio != 1.0 ? log(ratio) * sp->log_delta / -f : 1.0;
        double r = x + fmax(-2.0, fmin(2.0, -f / df * far));
        if (i > 12 && lo > -60.0 && hi < 80.0)
            r = 0.5 * (lo + hi);
        if (!(r > lo && r < hi))
            r = lo > -60.0 && hi < 80.0 ? 0.5 * (lo + hi) : r <= lo ? lo + 1.0 : hi - 1.0;
        x = r;
    }
    return 1;
}

/* Standard deviation of the n-fold loss if it were Gaussian: a start for the search. */
static double gaussian_mu(const ew_model *m)
{
    const double v = 1.0 / (m->s * m->s);
    return sqrt(m->n * fmin(v, log1p(m->q * m->q * expm1(fmin(v, 700.0)))) * (m->kind == EW_KIND_REPLACE ? 4.0 : 1.0));
}

int ew_saddle_at(ew_saddle *sp, const ew_law *law, ew_nodes *nd, double c)
{
    sp->c = c;
    if (!build(nd, law, c))
        return 0;
    ew_moments_at(&sp->at, nd, c);
    estimate(sp, law->m);
    return isfinite(sp->log_delta);
}

int ew_saddle_of_delta(ew_saddle *sp, const ew_law *law, ew_nodes *nd, double log_delta)
{
    const double mu = gaussian_mu(law->m), a = sqrt(fmax(0.1, -2.0 * log_delta));
    if (!solve(sp, law, nd, fmax(a / mu - 0.4, 0.3 / mu), log_delta, 1))
        return 0;
    sp->eps += (sp->log_delta - log_delta) / sp->c; /* log delta falls by about c */
    sp->log_delta = log_delta;
    return 1;
}

int ew_saddle_of_eps(ew_saddle *sp, const ew_law *law, ew_nodes *nd, double eps)
{
    const double mu = gaussian_mu(law->m);
    if (!solve(sp, law, nd, fmax(eps / (mu * mu) - 0.5, 0.3 / mu), eps, 0))
        return 0;
    sp->eps = eps;
    sp->log_delta =
        law->m->n * log1p(sp->at.m0) - sp->c * eps - log(sp->c) - log1p(sp->c) - log(sp->spread) - 0.5 * EW_LOG_2PI;
    return 1;
}

/* d log(spread^2)/d log c, from the weights p at c. */
static double growth(const ew_saddle *sp, const ew_nodes *nd, double n)
{
    const double c = sp->c, b = 1.0 + c, m = sp->at.m, k1 = sp->at.m1 / m, k2 = sp->at.m2 / m - k1 * k1, *l = nd->loss;
    double m3 = 0.0;
    for (int k = 0; k < nd->count; k++)
        m3 += nd->p[EW_SMALL][k] * l[k] * l[k] * l[k];
    const double k3 = m3 / m - 3.0 * k1 * k2 - k1 * k1 * k1;
    return c * (n * k3 - 2.0 / (c * c * c) - 2.0 / (b * b * b)) / (n * k2 + 1.0 / (c * c) + 1.0 / (b * b));
}

void ew_saddle_back(ew_saddle *sp, const ew_law *law, ew_nodes *nd)
{
    const double eps = sp->eps, log_delta = sp->log_delta, start = sp->c;
    while (law->m->kind != EW_KIND_ADD && sp->c > 0.1 * start && growth(sp, nd, law->m->n) > 4.0) {
        sp->c *= 0.9;
        ew_moments_at(&sp->at, nd, sp->c);
        estimate(sp, law->m);
    }
    sp->eps = eps;
    sp->log_delta = log_delta;
}

/* log M of the small steps, from above where terms may be lost.  */
double ew_log_m(const ew_moments *at)
{
    return at->plain ? log(fmax(at->m, EW_LEAST) + EW_KMAX * EW_VANISHES) : log1p(at->m0);
}

/* log of the generating function of the n steps, at the moments: all small, or at least one mid step. */
double ew_log_power(const ew_moments *at, double n, int cls)
{
    const double small = n * ew_log_m(at);
    if (cls == EW_SMALL)
        return small;
    const double more = n * log1p((at->b0 + EW_KMAX * EW_VANISHES) / at->m);
    return small + (more > 40.0 ? more : log(expm1(more)));
}

/* d/dc of the above */
static double slope(const ew_moments *at, double n, int cls)
{
    const double a = at->m, small = n * at->m1 / a;
    if (cls == EW_SMALL)
        return small;
    const double r = at->b0 / a, more = n * log1p(r), factor = more > 40.0 ? 1.0 : 1.0 / -expm1(-more);
    return small + n * factor * (at->b1 * a - at->b0 * at->m1) / (a * a) / (1.0 + r);
}

/* Minimise  log power(c) - c eps + log kernel(c)  over c > 0: its derivative grows with c, so bracketing and secants in
 * log c find it for any law. */
double ew_saddle_least(ew_saddle *sp, ew_nodes *nd, const ew_model *m, int cls, double eps, double start)
{
    double lo = -INFINITY, hi = INFINITY, g_lo = 0.0, g_hi = 0.0, x = log(start), best = INFINITY, step = 0.7;
    ew_moments at;
    for (int i = 0; i < 60 && hi - lo > 0.05; i++) {
        const double c = exp(x);
        ew_moments_at(&at, nd, c);
        const double v = ew_log_power(&at, m->n, cls) - c * eps + ew_log_kernel(c);
        const double g = c * (slope(&at, m->n, cls) - eps - log1p(1.0 / c));
        if (isfinite(v) && v < best) {
            best = v;
            sp->c = c;
            sp->at = at;
        }
        if (isfinite(v) && fabs(g) < 0.02 && isfinite(lo) && isfinite(hi))
            break;
        if (isfinite(v) && g < 0.0) {
            lo = x;
            g_lo = g;
        } else {
            hi = x;
            g_hi = isfinite(v) && isfinite(g) ? g : INFINITY;
        }
        if (isfinite(lo) && isfinite(hi)) {
            const double w = -g_lo / (g_hi - g_lo);
            x = lo + (hi - lo) * (i % 3 && isfinite(g_hi) ? fmin(0.9, fmax(0.1, w)) : 0.5);
        } else {
            x = isfinite(lo) ? lo + step : hi - step;
            step *= 1.5;
        }
        if (fabs(x) > 80.0)
            break;
    }
    if (!isfinite(best))
        return best;
    const double c = sp->c, h = 1e-3 * c, g0 = slope(&sp->at, m->n, cls);
    ew_moments_at(&at, nd, c + h);
    sp->eps = eps;
    sp->spread = sqrt(fmax(0.0, (slope(&at, m->n, cls) - g0) / h) + 1.0 / (c * c) + 1.0 / ((1.0 + c) * (1.0 + c)));
    sp->log_delta = best - ew_log_kernel(c) - log(c) - log1p(c) - log(sp->spread) - 0.5 * EW_LOG_2PI;
    return best;
}
