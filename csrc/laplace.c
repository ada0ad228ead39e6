/* laplace.c - the Laplace law: its generating function is explicit, and it has no nodes.
 *
 * N(z) = (z+1) e^{z a} + z e^{-(z+1) a} = (2z+1) M(z),  a = 1/scale                                           (law.h).
 */
#include "law.h"

#include <math.h>

/* N(z) = (z+1) e^{z a} + z e^{-(z+1) a} = (2z+1) M(z), times e^{-c a}: value and two derivatives, Re z = c. */
static void laplace(double out[3], double c, double a)
{
    const double f = exp(-(2.0 * c + 1.0) * a);
    out[0] = (c + 1.0) + c * f;
    out[1] = (1.0 + a * (c + 1.0)) + f * (1.0 - a * c);
    out[2] = a * (2.0 + a * (c + 1.0)) + f * a * (a * c - 2.0);
}

/* M, K and its derivatives at c. */
void ew_laplace_tilt(ew_table *tb, double c)
{
    const double a = 1.0 / tb->part->layer[0].scale, d = 2.0 * c + 1.0;
    double n[3];
    laplace(n, c, a);
    tb->shift = c * a;
    tb->mass = n[0] / d;
    tb->log_m = c * a + log(tb->mass);
    tb->k1 = n[1] / n[0] - 2.0 / d;
    tb->k2 = n[2] / n[0] - n[1] / n[0] * (n[1] / n[0]) + 4.0 / (d * d);
}

/* (M(c + it)/M(c) - 1) of the Laplace law */
void ew_laplace_ratio(double out[2], const ew_table *tb, double t)
{
    const double a = 1.0 / tb->part->layer[0].scale, c = tb->c, f = exp(-(2.0 * c + 1.0) * a), d = 2.0 * c + 1.0;
    /* N(c+it) e^{-(c+it) a} = (c+1+it) + (c+it) f e^{-2ita} */
    const double co = cos(2.0 * t * a), si = -sin(2.0 * t * a);
    const double nr = (c + 1.0) + f * (c * co - t * si), ni = t + f * (t * co + c * si);
    const double br = (nr * d + ni * 2.0 * t) / (d * d + 4.0 * t * t),
                 bi = (ni * d - nr * 2.0 * t) / (d * d + 4.0 * t * t);
    const double xr = cos(t * a), xi = sin(t * a);
    out[0] = (br * xr - bi * xi) / tb->mass - 1.0;
    out[1] = (br * xi + bi * xr) / tb->mass;
}
