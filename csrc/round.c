/* round.c - the only place that rounds outward.
 *
 * No directed rounding modes: every quantity carries an a-priori error bound, and what is left (the last few additions
 * that form an end of an interval) is covered by stepping a few ulps outward.
 */
#include "core.h"

#include <math.h>

double ew_up(double x)
{
    return x + (fabs(x) * 0x1p-50 + 0x1p-1071);
}

double ew_down(double x)
{
    return x - (fabs(x) * 0x1p-50 + 0x1p-1071);
}

double ew_trim(double x, int bits)
{
    int e;
    double f = frexp(x, &e);
    return ldexp(nearbyint(ldexp(f, bits)), e - bits);
}

double ew_lse(double a, double b)
{
    const double t = a > b || isnan(a) ? a : b; /* unknown if either is */
    return fabs(t) < INFINITY ? t + log1p(exp(-fabs(a - b))) : t;
}
