/* alias.c - Chernoff bounds: of delta itself, and of its aliases, the terms of Poisson summation at distance x, 2 x, ..
 *
 * Bound    delta(eps + k x) e^{c k x} <= G(c2) e^{-c2 eps} m(c2) e^{-(c2 - c) k x} for any c2 > 0, m(c) =
 *          c^c/(1+c)^{1+c}; c2 > c for k > 0, c2 < c for k < 0 (MATH.md section 4).
 */
#include "rooms.h"

#include <math.h>

/* A Chernoff bound at c +- d: at distance x the aliases of that side are at most e^{v - d x}/(1 - e^{-d x}) in all. */
typedef struct {
    double d, v;
    double c, m, b0; /* v rests on M_small = m, M_mid = b0 as summed at this abscissa; m = 0: on none */
} bound;

/* log of e^{log_g} e^{-c2 eps} m(c2)/delta, log_g = log G(c2) */
static double bound_from(double log_g, double c2, const ew_view *ln, double eps, double scale)
{
    const double size = fabs(log_g) + c2 * (fabs(eps) + ln->m->n * ln->law->origin) + 1.0;
    return log_g + 1e-9 * size - c2 * eps + ew_log_kernel(c2) - scale;
}

static bound bound_at(const ew_view *ln, ew_nodes *nd, const ew_moments *at, double c2, double eps, double scale)
{
    const double n = ln->m->n;
    bound b = {.d = fabs(c2 - ln->c), .c = c2};
    double log_g;
    if (nd->tapered) {
        ew_moments there;
        ew_moments_at(&there, nd, c2);
        log_g = ew_log_power(&there, n, ln->cls);
        b.m = there.m;
        b.b0 = there.b0;
    } else { /* below anew: M may be far smaller there than at c */
        const double more = c2 < ln->c ? ew_mgf_less_1(nd, c2) : at->m0 + ew_excess(nd, at, c2 - ln->c);
        log_g = n * log1p(more);
        b.m = 1.0 + more;
    }
    b.v = bound_from(log_g, c2, ln, eps, scale);
    return b;
}

/* Its error from the nodes, INFINITY where that is not small. */
static double error_of(const bound *b, const ew_view *ln, const ew_nodes *nd)
{
    if (!(b->m > 0.0))
        return 0.0;
    double e = ew_real_quad(ln, EW_SMALL, b->c, nd->hu, b->m) + ew_ends(ln, nd, EW_SMALL, b->c, 0.0) / b->m;
    if (ln->cls == EW_MID)
        e += ew_real_quad(ln, EW_MID, b->c, nd->hu, b->b0) + ew_ends(ln, nd, EW_MID, b->c, 0.0) / b->b0;
    return ln->m->n * e < 0.5 ? 2.0 * ln->m->n * e : INFINITY;
}

/* The distance at which a side whose bound at c +- d is e^v has aliases of e^tol: v - d x - log(1 - e^{-d x}) <=
 * tol. */
static double distance(double v, double d, double tol)
{
    return fmax(3.0, v - tol + 0.052) / d; /* 0.052 >= -log(1 - e^-3) */
}

/* The d with the least distance if v(d) = v0 + curve d^2/2 e^{b d}, given v(d1) = v1. */
static double better(double v0, double curve, double d1, double v1, double tol)
{
    const double b = log(fmax(1.0, (v1 - v0) / (0.5 * curve * d1 * d1))) / d1;
    double d = d1, lo = 0.0, hi = 4.0 * d1;
    for (int i = 0; i < 12; i++) {
        const double rise = 0.5 * curve * d * d * exp(b * d);
        const double f = rise * (1.0 + b * d) - (v0 - tol); /* d v' - v + tol: grows with d */
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

enum { ABSCISSAS = 10 };

/* The bound above c with the least distance, x2 the second derivative of the exponent at c; v = INFINITY: none */
static bound best_above(const ew_view *ln, ew_nodes *nd, const ew_moments *at, double x, double x2, double eps,
                        double scale, double tol)
{
    const double c = ln->c, v0 = bound_from(ew_log_power(at, ln->m->n, ln->cls), c, ln, eps, scale);
    double d = 0.6 * fmin(x / x2, fmax(1e3, 1e3 * c)), least = INFINITY;
    bound best = {.v = INFINITY};
    for (int i = 0; i < ABSCISSAS && 0.98 * distance(v0, d, tol) < least; i++) { /* far ahead G may explode */
        const bound b = bound_at(ln, nd, at, c + d, eps, scale);
        const int known = isfinite(b.v) && (nd->tapered || (ew_past_peaks(ln->m, nd, b.c) &&
                                            ew_ends(ln, nd, EW_SMALL, b.c, 0.0) * ln->m->n < 0.1 * b.m));
        if (known && distance(b.v, d, tol) < least) {
            least = distance(b.v, d, tol);
            best = b;
        }
        const double next = known ? better(v0, x2, d, b.v, tol) : 0.45 * d;
        if (fabs(log(next / d)) < 0.25)
            break;
        d = fmax(0.3 * d, next);
    }
    return best;
}

/* A bound below c of distance x at most, or the best there is: delta <= 1; log G, convex and 0 at 0, on the chord
 * (without tapers); anew. */
static bound best_below(const ew_view *ln, ew_nodes *nd, const ew_moments *at, double x, double eps, double scale,
                        double tol)
{
    const double c = ln->c;
    bound best = {.d = c, .v = -scale};
    for (int i = nd->tapered ? 1 : 0; i < (nd->tapered ? ABSCISSAS : 2) && distance(best.v, best.d, tol) > x; i++) {
        const double f = 1.0 - 0.25 * pow(0.35, fmax(0.0, i - 1.0));
        bound b;
        if (i == 0)
            b = (bound){0.75 * c, bound_from(0.25 * ew_log_power(at, ln->m->n, ln->cls), 0.25 * c, ln, eps, scale), c,
                        at->m, 0.0};
        else
            b = bound_at(ln, nd, at, (1.0 - f) * c, eps, scale);
        if (distance(b.v, b.d, tol) < distance(best.v, best.d, tol))
            best = b;
    }
    return best;
}

/* The distance x, at least half of `guess`, at which the aliases of both sides are e^{log_tol} together; 0: these nodes
 * do not tell. */
int ew_alias(ew_aliases *out, const ew_view *ln, ew_nodes *nd, const ew_moments *at, double guess, double x2,
             double eps, double scale, double log_tol)
{
    const bound above = best_above(ln, nd, at, guess, x2, eps, scale, log_tol - 0.1);
    if (!isfinite(above.v))
        return 0;
    double x = fmax(0.5 * guess, distance(above.v, above.d, log_tol - 0.1));
    const bound below = best_below(ln, nd, at, x, eps, scale, log_tol - 3.0);
    x = fmax(x, distance(below.v, below.d, log_tol - 3.0));
    const double up = above.v - above.d * x - log(-expm1(-above.d * x)) + error_of(&above, ln, nd);
    const double down = below.v - below.d * x - log(-expm1(-below.d * x)) + error_of(&below, ln, nd);
    *out = (ew_aliases){x, ew_lse(up, down) + 1e-9, ln->c + above.d};
    return out->low <= log_tol + 0.3;
}

/* log of a certain upper bound of delta(eps) from the coarse nodes of a law without tapers, INFINITY where they are too
 * coarse. */
double ew_chernoff(const ew_law *law, ew_nodes *nd, const ew_saddle *sp)
{
    const ew_model *m = law->m;
    const double m_c = 1.0 + sp->at.m0;
    const ew_view ln = {law, m, nd, &sp->at, EW_SMALL, sp->c, log(m_c)};
    const double err = 1.2 * m_c * ew_real_quad(&ln, EW_SMALL, sp->c, nd->hu, 1.2 * m_c);
    if (!(err < 0.1 * m_c)) /* M <= 1.2 (1 + m0) is what the bound takes for granted */
        return INFINITY;
    const double k = m->n * log1p(sp->at.m0 * (1.0 + 1e-10) + 1.01 * (err + ew_ends(&ln, nd, EW_SMALL, sp->c, 0.0)));
    return k + 1e-12 * fabs(k) - sp->c * sp->eps * (1.0 - 4.0 * EW_U * copysign(1.0, sp->eps)) + ew_log_kernel(sp->c) +
           1e-11;
}
