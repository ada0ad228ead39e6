/* brackets.h - E2(x + i y) = e^{x+iy} - 1 - (x + i y) without branches, for sums over nodes (turned.c, curve.c).
 *
 * Bound    12 u (e^x + 1 + |x| + |y|), and 60 u of the value where |x| + |y| <= 1 (there |E2| >= 0.36 |x+iy|^2); what
 *          the argument errs by is multiplied by |e^{x+iy} - 1| <= |E2| + |x| + |y|.
 * Domain   x in [-708, 709], |y| <= 2^19; beyond in y: the angle of e^{x+iy} is lost and no more
 */
#ifndef EW_BRACKETS_H
#define EW_BRACKETS_H

#include "kernels.h"

enum { EW_ANGLES = 0x80000 }; /* 2^19 */

/* y within the domain of ew_k_sincos */
static inline double ew_k_angle(double y)
{
    return y < -EW_ANGLES ? -EW_ANGLES : y > EW_ANGLES ? EW_ANGLES : y;
}

/* 1 - cos y and y - sin y */
static inline void ew_k_lag(double *ver, double *behind, double y)
{
    const double c = y < -1.0 ? -1.0 : y > 1.0 ? 1.0 : y, w = c * c, w2 = w * w;
    const double near = w * ((1.0 / 2 - w * (1.0 / 24)) + w2 * ((1.0 / 720 - w * (1.0 / 40320)) +
                             w2 * ((1.0 / 3628800 - w * (1.0 / 479001600)) +
                                   w2 * (1.0 / 87178291200 - w * (1.0 / 20922789888000)))));
    const double close = c * w * ((1.0 / 6 - w * (1.0 / 120)) + w2 * ((1.0 / 5040 - w * (1.0 / 362880)) +
                                  w2 * ((1.0 / 39916800 - w * (1.0 / 6227020800)) +
                                        w2 * (1.0 / 1307674368000 - w * (1.0 / 355687428096000)))));
    double sine, cosine;
    ew_k_sincos(&sine, &cosine, ew_k_angle(y));
    *ver = c == y ? near : 1.0 - cosine;
    *behind = c == y ? close : y - sine;
}

/* both parts, and e^x */
static inline void ew_k_bracket(double *er, double *ei, double *grown, double x, double y)
{
    const double em1 = ew_k_expm1(x), near = x < -1.0 ? -1.0 : x > 1.0 ? 1.0 : x,
                 emx = near == x ? ew_k_tail(near) : em1 - x;
    double ver, behind;
    ew_k_lag(&ver, &behind, y);
    *er = emx - (1.0 + em1) * ver;
    *ei = em1 * (y - behind) - behind;
    *grown = 1.0 + em1;
}

#endif
