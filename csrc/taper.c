/* taper.c - a smooth step that is analytic near the real axis and falls off doubly exponentially on both sides.
 *
 * Formula  chi(u) = erfc(X)/2, X = B sinh((u - at)/width), B = 2
 * Strip    at u + i y, |y| < (pi/4) width, X + iZ has Z^2 - X^2 = B^2 (sin^2 b - sinh^2 a cos 2b), a = (u - at)/width,
 *          b = y/width, and
 *              |erfc(X + iZ)/2| <= [X < 0] + e^{Z^2 - X^2}/2,    because |erfcx| <= 1 in the right half plane
 *          (erfcx(z) = 2/sqrt(pi) int_0^inf e^{-s^2 - 2 z s} ds) and erfc(-z) = 2 - erfc(z).
 * Why      A normal tail cannot hold v^c at c = 1e9; e^{-4 sinh^2} can.
 */
#include "core.h"
#include "kernels.h"

#include <math.h>

static const double B = 2.0;

/* log_w[i] += log of a bound of |chi|, or |1 - chi|, on Im u = y over the cell [u + i d, u + (i+1) d] (d < 0:
 * mirrored) */
EW_CLONES
void ew_taper_strip_add(double *log_w, const ew_taper *t, double u, double d, double y, int above, int count)
{
    if (!(t->width > 0.0)) {
        for (int i = 0; above && i < count; i++)
            log_w[i] = -INFINITY;
        return;
    }
    const double at = t->at, by = 1.0 / t->width, sb = sin(y * by), two_b = cos(2.0 * y * by),
                 least = d > 0.0 ? 0.0 : d, turn = above ? 1.0 : -1.0;
    /* the end of the cell that decides whether any of it is on the heavy side */
    const double end = above ? fabs(d) : 0.0;
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const double from = u + i * d + least - at, l = from * by, r = (from + fabs(d)) * by,
                     heavy = turn * (from + end);
        const double apart = l > 0.0 ? l : r < 0.0 ? -r : 0.0, near = apart < 40.0 ? apart : 40.0;
        const double grown = ew_k_expm1(near), sh = 0.5 * (grown + grown / (1.0 + grown));
        const double tail = B * B * (sb * sb - sh * sh * two_b) - 0x1.62e42fefa39efp-1;
        const double both = (tail > 0.0 ? tail : 0.0) + ew_k_log1p(ew_k_exp(-fabs(tail)));
        log_w[i] += heavy > 0.0 ? both : tail;
    }
}

/* Nodes are exact in y: rounding of u, many widths away, would turn weights by more than their own. */
ew_taper ew_taper_of_y(const ew_taper *t, const ew_model *m)
{
    return (ew_taper){(t->at - m->shift) / m->s, t->width / m->s};
}

/* log_w[i] += log chi(sign x[i]), or log(1 - chi) */
EW_CLONES
void ew_taper_add(double *log_w, const ew_taper *t, const double *x, double sign, int above, int count)
{
    if (!(t->width > 0.0))
        return;
    const double at = t->at, scale = 1.0 / t->width, turn = above ? 0x1.6a09e667f3bcdp+0 : -0x1.6a09e667f3bcdp+0;
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const double a = (sign * x[i] - at) * scale, b = fabs(a) > 40.0 ? 40.0 : fabs(a), e = ew_k_expm1(b);
        const double X = 0.5 * B * (e + e / (1.0 + e));
        log_w[i] += ew_k_log_ndtr(turn * (a < 0.0 ? -X : X));
    }
}
