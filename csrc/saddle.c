/* saddle.c - the tilt c near the minimiser of  psi(c) = n K(c) - c eps - log c - log(1+c).
 *
 * Nothing here needs care about rounding or convergence: any c > 0 gives valid bounds.  The estimate of delta is the leading
 * term of the saddle-point expansion, e^{psi(c)} / sqrt(2 pi psi''(c)), kernel 1/(c(1+c)) included in psi.
 */
#include "rooms.h"

#include <math.h>

/* The largest u (sign = +1) or smallest (-1) where the tilted integrand can peak: the outermost solution of
 * u = +-(rate/s) D(u), reached monotonically from D = 1. */
static double outermost_peak(const ew_model *m, double rate, int sign)
{
    const double s = m->s, shift = m->kind == EW_KIND_REPLACE ? 0.0 : 0.5 / s;
    double u = sign * rate / s;
    for (int i = 0; i < 60; i++) {
        const double y = (u - shift) / s, up = m->odds * exp(fmin(700.0, sign > 0 || m->kind == EW_KIND_ADD ? y : -y));
        const double next = sign * (rate / s) * (up / (1.0 + up));
        if (fabs(next - u) < 0.02 * (1.0 + fabs(next)))
            return next;
        u = next;
    }
    return u;
}

/* Coarse nodes that serve every tilt up to c.  0: they would be too many. */
static int build(ew_nodes *nd, const ew_model *m, double c, double cut)
{
    const double s = m->s, reach = 8.5, shift = m->kind == EW_KIND_REPLACE ? 0.0 : 0.5 / s;
    double top = outermost_peak(m, m->kind == EW_KIND_ADD ? 1.0 : m->kind == EW_KIND_REPLACE ? 1.0 + 2.0 * c : 1.0 + c, 1);
    const double low = m->kind == EW_KIND_REMOVE ? 0.0 : outermost_peak(m, m->kind == EW_KIND_ADD ? c : 1.0, -1);
    nd->hu = fmin(0.65, 1.0 * s);
    if (cut > 0.0)
        top = fmin(top, cut - reach);
    const double hu = ew_trim(nd->hu / s, 24) * s, from = floor((low - reach - shift) / hu), to = ceil((top + reach - shift) / hu);
    nd->hu = hu;
    nd->count = 0;
    if (!(to - from < EW_KMAX - 8) || !(fmax(top + reach, reach - low) / s < 690.0))
        return 0;
    ew_nodes_append(nd, m, (long)from, (int)(to - from) + 1);
    return 1;
}

static void estimate(ew_saddle *sp, const ew_model *m)
{
    const double c = sp->c, n = m->n, curve = n * sp->at.k2 + 1.0 / (c * c) + 1.0 / ((1.0 + c) * (1.0 + c));
    sp->eps = n * sp->at.k1 - 1.0 / c - 1.0 / (1.0 + c);
    sp->spread = sqrt(curve);
    sp->log_delta = n * sp->at.k0 - c * sp->eps - log(c) - log1p(c) - 0.5 * (EW_LOG_2PI + log(curve));
}

/* Solve for the tilt: f(c) increasing in c, df its derivative with respect to log c. */
static int solve(ew_saddle *sp, const ew_model *m, ew_nodes *nd, double start, double target, int of_delta)
{
    sp->heavy = 0;
    double x = log(start), lo = -60.0, hi = 80.0, covered = 0.0;
    for (int i = 0; i < 80; i++) {
        sp->c = exp(x);
        if (sp->c > covered) {
            covered = i < 3 ? 1.25 * sp->c : sp->c * 1.02;
            if (!build(nd, m, covered, sp->cut)) {
                hi = x;
                if (!(hi - lo > 1e-3))
                    return 0;
                covered = 0.0;
                x = fmax(0.5 * (lo + hi), x - 1.0);
                continue;
            }
        }
        ew_moments_at(&sp->at, nd, sp->c);
        estimate(sp, m);
        const double curve = sp->spread * sp->spread;
        double f, df, good;
        if (of_delta) {
            f = target - sp->log_delta;
            df = sp->c * sp->c * curve;
            good = 0.03;
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
        double step = -f / df, r;
        /* Newton on f is a poor guide far away; a bounded step in log c, then bisection */
        r = x + fmax(-2.0, fmin(2.0, step));
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

/* Heavy tail: past u* a single step has probability below e^{-9} delta, yet at the saddle point it carries the tilted law.  The
 * expansion then means nothing; a smaller tilt, where those steps no longer count, keeps the sums short. */
static void lighten(ew_saddle *sp, const ew_model *m, ew_nodes *nd)
{
    const double a = log(m->n) - sp->log_delta + 9.0, s = m->s;
    double edge = sqrt(2.0 * fmax(0.0, a));
    if (m->kind != EW_KIND_ADD)
        edge = fmax(edge, 1.0 / s + sqrt(2.0 * fmax(0.0, a + log(m->q))));
    if (m->kind == EW_KIND_ADD || nd->u[nd->count - 1] <= edge)
        return;
    double lo = log(sp->c) - 30.0, hi = log(sp->c), x = hi;
    const double target = sp->log_delta;
    for (int i = 0; i < 24; i++) {
        double far = 0.0;
        if (i > 0) {
            sp->c = exp(x);
            ew_moments_at(&sp->at, nd, sp->c);
        }
        for (int k = nd->count - 1; k >= 0 && nd->u[k] > edge; k--)
            far += nd->p[k] * nd->loss[k] * nd->loss[k];
        const double share = far / sp->at.m2;
        if (i == 0 && share < 0.3)
            return;
        sp->heavy = 1;
        if (share > 0.01)
            hi = x;
        else
            lo = x;
        if (share <= 0.01 && share > 1e-9)
            break;
        x = i == 0 ? hi - 0.2 : lo < hi - 20.0 ? hi - (i < 4 ? 0.3 : 3.0) : 0.5 * (lo + hi);
    }
    if (build(nd, m, sp->c, sp->cut))
        ew_moments_at(&sp->at, nd, sp->c);
    estimate(sp, m);
    sp->eps = m->n * sp->at.k1;
    sp->log_delta = target;
}

int ew_saddle_of_delta(ew_saddle *sp, const ew_model *m, ew_nodes *nd, double log_delta)
{
    const double mu = gaussian_mu(m), a = sqrt(fmax(0.1, -2.0 * log_delta));
    sp->cut = sp->lost = 0.0;
    if (!solve(sp, m, nd, fmax(a / mu - 0.4, 0.3 / mu), log_delta, 1))
        return 0;
    sp->log_delta = log_delta;
    lighten(sp, m, nd);
    return 1;
}

int ew_saddle_of_eps(ew_saddle *sp, const ew_model *m, ew_nodes *nd, double eps)
{
    const double mu = gaussian_mu(m);
    sp->cut = sp->lost = 0.0;
    if (!solve(sp, m, nd, fmax(eps / (mu * mu) - 0.5, 0.3 / mu), eps, 0))
        return 0;
    sp->eps = eps;
    sp->log_delta = m->n * sp->at.k0 - sp->c * eps - log(sp->c) - log1p(sp->c) - log(sp->spread) - 0.5 * EW_LOG_2PI;
    lighten(sp, m, nd);
    sp->eps = eps;
    return 1;
}

/* The saddle point of the law cut where n steps together are past it with probability below 1e-12 delta.  0: even so a single
 * step near the cut decides (or the direction has no such tail). */
int ew_saddle_cut(ew_saddle *sp, const ew_model *m, ew_nodes *nd, double log_delta, double eps, int of_delta)
{
    const double s = m->s, mu = gaussian_mu(m), a = log(m->n) - log_delta + 28.0;
    if (m->kind == EW_KIND_ADD || s < 1.0)
        return 0;
    sp->cut = fmax(sqrt(2.0 * fmax(1.0, a)), 1.0 / s + sqrt(2.0 * fmax(1.0, a + log(m->q))));
    sp->lost = 1e-12;
    const double start = of_delta ? sqrt(fmax(0.1, -2.0 * log_delta)) / mu : fmax(eps / (mu * mu), 0.3 / mu);
    if (!solve(sp, m, nd, start, of_delta ? log_delta : eps, of_delta))
        return 0;
    if (!of_delta)
        sp->eps = eps;
    sp->log_delta = of_delta ? log_delta : m->n * sp->at.k0 - sp->c * eps - log(sp->c) - log1p(sp->c) - log(sp->spread) - 0.5 * EW_LOG_2PI;
    double far = 0.0;
    for (int k = nd->count - 1; k >= 0 && nd->u[k] > sp->cut - 1.0; k--)
        far += nd->p[k] * nd->loss[k] * nd->loss[k];
    return far < 1e-4 * sp->at.m2;
}
