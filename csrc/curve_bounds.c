/* curve_bounds.c - integrals of moduli on the curve, and beside it, from above: cell by cell, and beyond the ends
 * (curve.c).
 */
#include "curve_points.h"
#include "kernels.h"
#include "special.h"

#include <math.h>

/* At what rate does log|phi e^A| fall beyond node k, at zeta = x + i t?  dir = 1: to the right; -1, replace: to the
 * left.  <= 0: unknown */
static double falls(const ew_curve *cu, const ew_path *p, int k, int dir, double x, double t)
{
    const double s = cu->m->s, slope = cu->slope, R = dir * p->ur[k], I = p->ui[k], z = hypot(x, t) + 1.0,
                 log_y = dir > 0 ? p->log_y[k] : 2.0 * ew_log_odds(cu->m) - p->log_y[k],
                 gain = dir > 0 ? x - slope * t : 1.0 - x - slope * t;
    return log_y > 2.0 ? s * (R - slope * I) - 0.15 * s * s * slope - 0.1 * s * slope * hypot(R, I) - gain -
                             z * (0.1 * slope + 1.5 * exp(-log_y))
                       : 0.0;
}

/* The integral of |phi u' e^A| to the left of the first node; remove, add */
static double left_of(const ew_curve *cu, const ew_path *p, double x, double t)
{
    const double s = cu->m->s, y = exp(p->log_y[0]),
                 high = fmax(fabs(p->ui[0]), s * (cu->eta + p->b)) + s * p->b + 0.01 * s,
                 most = 1.4 * y * (fabs(x) + (p->lowest < 0.0 ? t : 0.0));
    return y < 0.1 ? 1.2 * ew_steepest(cu, p->b) * exp(0.5 * high * high + most + ew_log_ndtr(p->ur[0] + 0.1 * s))
                   : INFINITY;
}

/* f = log|phi e^A| at nodes from, .. to - 1; returns the largest */
EW_CLONES
static double heights(double *f, const ew_path *p, double x, double t, int from, int to, int two)
{
    double top = -1e300;
    if (two) {
        const double r = x - 1.0;
#pragma omp simd reduction(max : top)
        for (int k = from; k < to; k++) {
            f[k] = p->g[k] + (x * p->l[k] - r * p->lm[k]) - t * (p->a[k] - p->am[k]);
            top = f[k] > top ? f[k] : top;
        }
    } else {
#pragma omp simd reduction(max : top)
        for (int k = from; k < to; k++) {
            f[k] = p->g[k] + x * p->l[k] - t * p->a[k];
            top = f[k] > top ? f[k] : top;
        }
    }
    return top;
}

/* The integral of |phi u' e^A| to the left of the first node and to the right of node `last`, where log|phi e^A| falls
 * faster than `least`, else INFINITY. */
static double beyond(const ew_curve *cu, const ew_path *p, int last, double x, double t, double f_first, double f_last,
                     double least)
{
    const int two = cu->m->kind == EW_KIND_REPLACE;
    const double unit = cu->m->s * ew_steepest(cu, p->b) * EW_ROOT, right = falls(cu, p, last, 1, x, t),
                 left = two ? falls(cu, p, 0, -1, x, t) : 1.0;
    return right > least && left > least
               ? unit * exp(f_last) / right + (two ? unit * exp(f_first) / left : left_of(cu, p, x, t))
               : INFINITY;
}

EW_CLONES
static double cell_sum(const double *f, const ew_path *p, double z, double top, int count)
{
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int k = 0; k < count - 1; k++) {
        const double e = (f[k] > f[k + 1] ? f[k] : f[k + 1]) - top + p->k0[k] + z * p->k1[k];
        sum += ew_k_exp(e < 700.0 ? e : 700.0) + 1e-300;
    }
    return sum;
}

double ew_path_log(double *ends, const ew_curve *cu, const ew_path *p, double x, double t, double floor)
{
    enum { BLOCK = 64 };
    const int two = cu->m->kind == EW_KIND_REPLACE;
    double *f = cu->scratch, top = -INFINITY;
    int count = 0;
    while (count < cu->cells) { /* until what is beyond is known to be small */
        const int to = count + BLOCK < cu->cells ? count + BLOCK : cu->cells;
        top = fmax(top, heights(f, p, x, t, count, to, two));
        count = to;
        if (f[count - 1] < floor && falls(cu, p, count - 1, 1, x, t) > 0.1)
            break;
    }
    const double tail = beyond(cu, p, count - 1, x, t, f[0], f[count - 1], 0.0);
    if (!isfinite(tail))
        return INFINITY;
    if (ends)
        *ends = tail;
    const double unit = cu->coarse * cu->m->s * ew_steepest(cu, p->b) * EW_ROOT,
                 sum = unit * cell_sum(f, p, hypot(x, t) + (two ? 1.0 : 0.0), top, count) * (1.0 + 1e-9);
    return ew_lse(top + log(sum), log(tail + 1e-300));
}

double ew_path_ends(const ew_curve *cu, const ew_path *p, double x, double t)
{
    const int two = cu->m->kind == EW_KIND_REPLACE, last = cu->cells - 1;
    double *f = cu->scratch;
    heights(f, p, x, t, 0, 1, two);
    heights(f, p, x, t, last, last + 1, two);
    return beyond(cu, p, last, x, t, f[0], f[last], 0.1);
}

/* Sum over the cells of the largest |phi g| (flat + grown |e^{w L}|), flat = min(a, one + a), grown = min(a, 1), where
 * a = |w L| or, in brackets, |w L|^2/2; f: scratch.  In units of e^*top. */
EW_CLONES
static double excess_cells(double *top, double *f, const ew_path *p, double x, double t, double far, double br,
                           int cells)
{
    const double *g = p->gg, z = sqrt(x * x + t * t);
    double most = -1e300, sum = 0.0;
#pragma omp simd reduction(max : most)
    for (int k = 0; k < cells; k++) {
        const double grown = x * p->lr[k] - t * p->la[k], v = g[k] + (grown > 0.0 ? grown : 0.0);
        f[k] = g[k] + grown;
        most = v > most ? v : most;
    }
#pragma omp simd reduction(+ : sum)
    for (int k = 0; k < cells - 1; k++) {
        const double l = far * p->ll[k], a = br > 0.0 ? 0.5 * l * l : l, more = p->k0[k] + br * p->k1[k] - most,
                     flat = (g[k] > g[k + 1] ? g[k] : g[k + 1]) + more,
                     grown = (f[k] > f[k + 1] ? f[k] : f[k + 1]) + more + z * p->k1[k];
        const double by_flat = a < 1.0 + br * l ? a : 1.0 + br * l, by_grown = a < 1.0 ? a : 1.0;
        sum += by_flat * ew_k_exp(flat < 700.0 ? flat : 700.0) + by_grown * ew_k_exp(grown < 700.0 ? grown : 700.0) +
               1e-300;
    }
    *top = most;
    return sum;
}

/* What is beyond the nodes of |phi u' (e^A - 1)| or |phi u' g E2(w L)|, |E2(w)| <= |e^w| + 1 + |w|; |L| grows by less
 * than 20 while the rest falls */
static double missing(const ew_curve *cu, const ew_path *p, double x, double t, double far)
{
    const double with_g = cu->kind == EW_BRACKETED ? 1.0 : 0.0, widest = p->ll[0] + p->ll[cu->cells - 2] + 20.0;
    return ew_path_ends(cu, p, x + with_g, t) * exp(fabs(x + with_g) * fabs(cu->m->log1mq)) +
           (with_g > 0.0 ? p->one_ends * (1.0 + far * widest) : p->zero_ends);
}

double ew_curve_excess(const ew_curve *cu, double x, double t, double far)
{
    const ew_path *p = &cu->on;
    const double with_g = cu->kind == EW_BRACKETED ? 1.0 : 0.0;
    double top;
    const double sum = excess_cells(&top, cu->scratch, p, x, t, far, with_g, cu->cells);
    /* g = (1-q) (1 + Y) */
    return ew_lse(log(sum * cu->coarse * cu->m->s * ew_steepest(cu, 0.0) * EW_ROOT * (1.0 + 1e-9)) + top +
                      with_g * cu->m->log1mq,
                  log(missing(cu, p, x, t, far) + 1e-300));
}

double ew_curve_first(const ew_curve *cu, double x, double t)
{
    const ew_path *p = &cu->on;
    const double br = cu->kind == EW_BRACKETED ? 1.0 : 0.0, z = hypot(x, t), edge = cu->m->log1mq;
    double sum = 0.0, last = 0.0;
    for (int k = 0; k < cu->cells; k++) {
        const double grown = x * p->lr[k] - t * p->la[k];
        if (k > 0) {
            const int c = k - 1;
            sum += p->ll[c] * exp(fmin(700.0, fmax(p->gg[c], p->gg[k]) + p->k0[c] + br * p->k1[c] +
                                                  fmax(0.0, fmax(last, grown) + z * p->k1[c])));
        }
        last = grown;
    }
    const double ends = (ew_path_ends(cu, p, x + br, t) + (br > 0.0 ? p->one_ends : p->zero_ends)) *
                        (p->ll[0] + p->ll[cu->cells - 2] + 20.0);
    return sum * exp(br * edge) * cu->coarse * cu->m->s * ew_steepest(cu, 0.0) * EW_ROOT * (1.0 + 1e-9) +
           ends * exp(fabs(x + 1.0) * fabs(edge));
}

double ew_curve_size(const ew_curve *cu, double x, double t)
{
    const ew_path *p = &cu->on;
    const int two = cu->m->kind == EW_KIND_REPLACE;
    double *f = cu->scratch, sum = 0.0;
    heights(f, p, x, t, 0, cu->cells, two);
    for (int k = 0; k < cu->cells; k++) {
        const double size =
            hypot(x, t) * (fabs(p->l[k]) + fabs(p->a[k]) + (two ? fabs(p->lm[k]) + fabs(p->am[k]) : 0.0));
        sum += fmin(1.0, cu->kind == EW_BRACKETED ? size * size : size) * exp(fmin(700.0, fmax(p->g[k], f[k])));
    }
    return sum;
}

int ew_curve_cone(const ew_curve *cu, double kappa)
{
    const ew_path *p = &cu->on;
    const int two = cu->m->kind == EW_KIND_REPLACE;
    const double half = 0.65 * cu->coarse * (1.0 + kappa) * ew_steepest(cu, 0.0), odds = ew_log_odds(cu->m);
    for (int k = 0; k < cu->cells; k++) {
        const double l = p->l[k] - (two ? p->lm[k] : 0.0), a = p->a[k] - (two ? p->am[k] : 0.0),
                     d = ew_share(p->log_y[k], p->l[k]) + (two ? ew_share(2.0 * odds - p->log_y[k], p->lm[k]) : 0.0);
        if (!(a - kappa * l >= half * d))
            return 0;
    }
    return sin(cu->eta) - kappa * cos(cu->eta) >= (two ? 0.0 : 0.75 * exp(p->log_y[0])) &&
           0.95 * cu->slope - kappa >= 2.5 * exp(-p->log_y[cu->cells - 1]);
}
