/* alias.c - Chernoff bounds: of delta itself, and of its aliases, the terms of Poisson summation at distance x, 2 x, ..
 *
 * Bound    delta(eps + k x) e^{c k x} <= G(c2) e^{-c2 eps} m(c2) e^{-(c2 - c) k x} for any c2 > 0, m(c) = c^c/(1+c)^{1+c}; c2 > c for k > 0,
 *          c2 < c for k < 0 (MATH.md section 4).
 */
#include "rooms.h"

#include <math.h>

/* log of G(c2) e^{-c2 eps} m(c2)/delta at a few c2 on both sides of c: Chernoff bounds for the aliases, whatever their distance x. */
static double chernoff(const ew_view *ln, ew_nodes *nd, const ew_moments *at, double c2, double eps, double scale)
{
    const double n = ln->m->n;
    double log_g;
    if (nd->tapered) {
        ew_moments there;
        ew_moments_at(&there, nd, c2);
        log_g = ew_log_power(&there, n, ln->cls);
    } else if (c2 < ln->c) { /* anew: M may be far smaller there than at c */
        log_g = n * log1p(ew_mgf_less_1(nd, c2));
    } else {
        const double more = at->m0 + ew_excess(nd, at, c2 - ln->c);
        log_g = n * ew_ends(ln, nd, EW_SMALL, c2, 0.0) < 0.1 * (1.0 + more) ? n * log1p(more) : INFINITY;
    }
    return log_g + 1e-9 * (fabs(log_g) + c2 * fabs(eps) + 1.0) - c2 * eps + ew_log_kernel(c2) - scale;
}

/* The distance at which a side whose Chernoff bound at c +- d is e^v has aliases of e^tol: v - d x - log(1 - e^{-d x}) <= tol. */
static double distance(double v, double d, double tol)
{
    return fmax(3.0, v - tol + 0.052) / d; /* 0.052 >= -log(1 - e^-3) */
}

static double try_above(ew_chernoffs *s, const ew_view *ln, ew_nodes *nd, const ew_moments *at, double d, double eps, double scale)
{
    const double v = chernoff(ln, nd, at, ln->c + d, eps, scale);
    if (isfinite(v)) {
        s->d[0][s->up] = d;
        s->v[0][s->up++] = v;
    }
    return v;
}

/* The d with the least distance if v(d) = v0 + curve d^2/2 e^{b d}, given v(d1) = v1. */
static double better(double v0, double curve, double d1, double v1, double tol)
{
    const double b = log(fmax(1.0, (v1 - v0) / (0.5 * curve * d1 * d1))) / d1;
    double d = d1, lo = 0.0, hi = 4.0 * d1;
    for (int i = 0; i < 12; i++) {
        const double rise = 0.5 * curve * d * d * exp(b * d), f = rise * (1.0 + b * d) - (v0 - tol); /* d v' - v + tol: grows with d */
        if (f > 0.0)
            hi = d;
        else
            lo = d;
        const double next = d - f / (rise / d * (2.0 + 4.0 * b * d + b * b * d * d));
        d = next > lo && next < hi ? next : 0.5 * (lo + hi);
        if (fabs(f) < 0.3)
            break;
    }
    return d;
}

/* Bounds good for aliases of e^tol each side; x2: second derivative of the exponent at c. */
void ew_chernoffs_at(ew_chernoffs *s, const ew_view *ln, ew_nodes *nd, const ew_moments *at, double x, double x2, double eps, double scale, double tol)
{
    const double c = ln->c;
    s->up = s->down = 0;
    double d = fmin(x / x2, fmax(1e3, 1e3 * c));
    if (nd->tapered) {
        for (int i = 0; i < EW_ABSCISSAS; i++, d *= 0.45)
            try_above(s, ln, nd, at, d, eps, scale);
    } else { /* far ahead G may explode */
        const double v0 = ew_log_power(at, ln->m->n, ln->cls) - c * eps + ew_log_kernel(c) - scale;
        double best = INFINITY;
        d *= 0.6;
        for (int i = 0; i < EW_ABSCISSAS && 0.98 * distance(v0, d, tol) < best; i++) {
            const double v = try_above(s, ln, nd, at, d, eps, scale);
            if (isfinite(v))
                best = fmin(best, distance(v, d, tol));
            const double next = isfinite(v) ? better(v0, x2, d, v, tol) : 0.45 * d;
            if (fabs(log(next / d)) < 0.25)
                break;
            d = fmax(0.3 * d, next);
        }
    }
    for (double f = 0.75; f < (nd->tapered ? 0.999 : 0.8); f = 1.0 - 0.35 * (1.0 - f)) {
        s->d[1][s->down] = f * c;
        s->v[1][s->down++] = chernoff(ln, nd, at, (1.0 - f) * c, eps, scale);
    }
}

/* Distance at which the aliases of both sides are at most e^{log_tol} together. */
double ew_alias_distance(const ew_chernoffs *s, double log_tol)
{
    double x = 0.0;
    for (int side = 0; side < 2; side++) {
        double best = INFINITY;
        for (int i = 0; i < (side ? s->down : s->up); i++)
            best = fmin(best, distance(s->v[side][i], s->d[side][i], log_tol - 0.7));
        x = fmax(x, best);
    }
    return x;
}

/* log of the aliases at distance x, x, .. on both sides; *rate: the abscissa used above */
double ew_alias_bound(double *rate, const ew_chernoffs *s, double c, double x)
{
    double best[2] = {INFINITY, INFINITY};
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < (side ? s->down : s->up); i++) {
            const double d = s->d[side][i], e = s->v[side][i] - d * x - log(-expm1(-d * x));
            if (e < best[side]) {
                best[side] = e;
                if (side == 0)
                    *rate = c + d;
            }
        }
    return ew_lse(best[0], best[1]);
}

/* log of a certain upper bound of delta(eps) from the coarse nodes of a law without tapers, INFINITY where they are too coarse. */
double ew_chernoff(const ew_law *law, ew_nodes *nd, const ew_saddle *sp)
{
    const ew_model *m = law->m;
    const double m_c = 1.0 + sp->at.m0;
    const ew_view ln = {law, m, nd, &sp->at, EW_SMALL, sp->c, log(m_c)};
    const double err = 1.2 * m_c * ew_real_quad(&ln, EW_SMALL, sp->c, nd->hu, 1.2 * m_c);
    if (!(err < 0.1 * m_c)) /* M <= 1.2 (1 + m0) is what the bound takes for granted */
        return INFINITY;
    const double k = m->n * log1p(sp->at.m0 * (1.0 + 1e-10) + 1.01 * (err + ew_ends(&ln, nd, EW_SMALL, sp->c, 0.0)));
    return k + 1e-12 * fabs(k) - sp->c * sp->eps * (1.0 - 4.0 * EW_U * copysign(1.0, sp->eps)) + ew_log_kernel(sp->c) + 1e-11;
}
