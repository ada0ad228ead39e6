/* alias.c - Chernoff bounds: of delta itself, and of its aliases, the terms of Poisson summation at distance x, 2 x, ..
 *
 * Bound    delta(eps + k x) e^{c k x} <= G(c2) e^{-c2 eps} m(c2) e^{-(c2 - c) k x} for any c2 > 0, m(c) = c^c/(1+c)^{1+c}; c2 > c for k > 0,
 *          c2 < c for k < 0 (MATH.md section 4).
 */
#include "rooms.h"

#include <math.h>

/* Chernoff bounds at a few abscissas on both sides of c, good for any distance x. */
enum { ABSCISSAS = 10 };
typedef struct {
    int up, down;
    double d[2][ABSCISSAS], v[2][ABSCISSAS];
    double top[ABSCISSAS]; /* M at those above, of a law without tapers */
} bounds;

/* log of e^{log_g} e^{-c2 eps} m(c2)/delta, log_g = log G(c2) */
static double bound_from(double log_g, double c2, double eps, double scale)
{
    return log_g + 1e-9 * (fabs(log_g) + c2 * fabs(eps) + 1.0) - c2 * eps + ew_log_kernel(c2) - scale;
}

static double bound_at(double *top, const ew_view *ln, ew_nodes *nd, const ew_moments *at, double c2, double eps,
                       double scale)
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
        *top = 1.0 + more;
    }
    return bound_from(log_g, c2, eps, scale);
}

/* The distance at which a side whose bound at c +- d is e^v has aliases of e^tol: v - d x - log(1 - e^{-d x}) <= tol. */
static double distance(double v, double d, double tol)
{
    return fmax(3.0, v - tol + 0.052) / d; /* 0.052 >= -log(1 - e^-3) */
}

static double try_above(bounds *s, const ew_view *ln, ew_nodes *nd, const ew_moments *at, double d, double eps,
                        double scale)
{
    double top = 0.0;
    const double v = bound_at(&top, ln, nd, at, ln->c + d, eps, scale);
    if (isfinite(v)) {
        s->d[0][s->up] = d;
        s->top[s->up] = top;
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

/* The least distance at which the side below has aliases of e^tol. */
static double distance_below(const bounds *s, double tol)
{
    double best = INFINITY;
    for (int i = 0; i < s->down; i++)
        best = fmin(best, distance(s->v[1][i], s->d[1][i], tol));
    return best;
}

/* Bounds good for aliases of e^tol in all, nearly all of it from above, x2 the second derivative of the exponent at c; the abscissas below are only tried where their
 * side decides. */
static double gather(bounds *s, const ew_view *ln, ew_nodes *nd, const ew_moments *at, double x, double x2, double eps,
                     double scale, double tol)
{
    const double c = ln->c, log_g = ew_log_power(at, ln->m->n, ln->cls), v0 = bound_from(log_g, c, eps, scale);
    double d = 0.6 * fmin(x / x2, fmax(1e3, 1e3 * c)), best = INFINITY, unused;
    s->up = s->down = 0;
    for (int i = 0; i < ABSCISSAS && 0.98 * distance(v0, d, tol - 0.1) < best; i++) { /* far ahead G may explode */
        const double v = try_above(s, ln, nd, at, d, eps, scale);
        if (isfinite(v))
            best = fmin(best, distance(v, d, tol - 0.1));
        const double next = isfinite(v) ? better(v0, x2, d, v, tol) : 0.45 * d;
        if (fabs(log(next / d)) < 0.25)
            break;
        d = fmax(0.3 * d, next);
    }
    if (!(best < INFINITY))
        return best;
    s->d[1][s->down] = 0.75 * c;
    if (!nd->tapered) { /* log G is convex and 0 at 0 */
        s->v[1][s->down++] = bound_from(0.25 * log_g, 0.25 * c, eps, scale);
        if (distance_below(s, tol - 3.0) <= best)
            return best;
        s->down = 0;
    }
    for (double f = 0.75; f < (nd->tapered ? 0.999 : 0.8) && !(distance_below(s, tol - 3.0) <= best); f = 1.0 - 0.35 * (1.0 - f)) {
        s->d[1][s->down] = f * c;
        s->v[1][s->down++] = bound_at(&unused, ln, nd, at, (1.0 - f) * c, eps, scale);
    }
    return fmax(best, distance_below(s, tol - 3.0));
}

/* The distance x >= least at which the aliases of both sides are e^{log_tol} together, near `guess`; 0: these nodes do not tell. */
int ew_alias(ew_aliases *out, const ew_view *ln, ew_nodes *nd, const ew_moments *at, double guess, double x2, double eps,
             double scale, double log_tol)
{
    const double c = ln->c, n = ln->m->n;
    bounds s;
    const double x = fmax(0.5 * guess, gather(&s, ln, nd, at, guess, x2, eps, scale, log_tol));
    if (!(x < INFINITY))
        return 0;
    double best[2] = {INFINITY, INFINITY}, rate = c, top = at->m;
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < (side ? s.down : s.up); i++) {
            const double d = s.d[side][i], e = s.v[side][i] - d * x - log(-expm1(-d * x));
            if (e < best[side]) {
                best[side] = e;
                if (side == 0) {
                    rate = c + d;
                    top = s.top[i];
                }
            }
        }
    const double low = ew_lse(best[0], best[1]);
    /* the quadrature error: relative to M it is largest at the largest abscissa */
    ew_moments there = *at;
    if (nd->tapered) {
        ew_moments_at(&there, nd, rate);
        top = there.m;
    }
    double e = ew_real_quad(ln, EW_SMALL, rate, nd->hu, top) + ew_ends(ln, nd, EW_SMALL, rate, 0.0) / top +
               ew_real_quad(ln, EW_SMALL, c, nd->hu, at->m) + ew_ends(ln, nd, EW_SMALL, c, 0.0) / at->m;
    if (ln->cls == EW_MID)
        e += ew_real_quad(ln, EW_MID, rate, nd->hu, there.b0) + ew_ends(ln, nd, EW_MID, rate, 0.0) / there.b0 +
             ew_real_quad(ln, EW_MID, c, nd->hu, at->b0) + ew_ends(ln, nd, EW_MID, c, 0.0) / at->b0;
    *out = (ew_aliases){x, low + 0.1 + 2.0 * n * e, rate};
    return n * e < 0.5 && low <= log_tol + 0.1;
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
