/* taper.c - a smooth step that is analytic near the real axis and falls off doubly exponentially on both sides.
 *
 * Formula  chi(u) = erfc(X)/2, X = B sinh((u - at)/width), B = 2
 * Strip    at u + i y, |y| < (pi/4) width, X + iZ has Z^2 - X^2 = B^2 (sin^2 b - sinh^2 a cos 2b), a = (u - at)/width, b = y/width, and
 *              |erfc(X + iZ)/2| <= [X < 0] + e^{Z^2 - X^2}/2,    because |erfcx| <= 1 in the right half plane
 *          (erfcx(z) = 2/sqrt(pi) int_0^inf e^{-s^2 - 2 z s} ds) and erfc(-z) = 2 - erfc(z).
 * Why      A normal tail cannot hold v^c at c = 1e9; e^{-4 sinh^2} can.
 */
#include "core.h"
#include "special.h"

#include <math.h>

static const double B = 2.0;

double ew_taper_log(const ew_taper *t, double u, int above)
{
    if (!(t->width > 0.0))
        return above ? -INFINITY : 0.0;
    const double a = fmax(-40.0, fmin(40.0, (u - t->at) / t->width)), x = B * sinh(a);
    return ew_log_ndtr((above ? 1.0 : -1.0) * x * 0x1.6a09e667f3bcdp+0); /* erfc(x)/2 = ndtr(-sqrt(2) x) */
}

double ew_taper_strip_log(const ew_taper *t, double from, double to, double y, int above)
{
    if (!(t->width > 0.0))
        return above ? -INFINITY : 0.0;
    const double l = (from - t->at) / t->width, r = (to - t->at) / t->width, b = y / t->width;
    const double near = l * r <= 0.0 ? 0.0 : fmin(40.0, fmin(fabs(l), fabs(r))), sh = sinh(near), sb = sin(b);
    const double tail = B * B * (sb * sb - sh * sh * cos(2.0 * b)) - 0x1.62e42fefa39efp-1;
    return (above ? r > 0.0 : l < 0.0) ? ew_lse(0.0, tail) : tail;
}
