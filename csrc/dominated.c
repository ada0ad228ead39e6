/* dominated.c - is delta(eps) below a given delta for certain?  One Chernoff bound  delta(eps) <= e^{n K(c) - c eps}
 * m(c)  says so, any c > 0.
 *
 * Taylor   add: M(c) = E[(1+x)^{-c}] under the second law, x = v - 1 = q (e^y - 1) >= -q, E x = 0.  R = (1+x)^{-c} - 1
 *          + c x is at most
 *              x^2 c (c+1)/2 (1-q)^{-c-2},  and at most  c x  where x >= 0,
 *          the second where x > 2/(c+1): M(c) - 1 <= E R in closed form, from E e^y above a threshold and E (e^y - 1)^2
 *          below it, both a little enlarged: their parts E 1 stand for the whole line.
 */
#include "rooms.h"
#include "special.h"

#include <math.h>

static double normal(double x)
{
    return exp(ew_log_ndtr(x));
}

/* log of a bound of delta(eps) of `add` */
static double taylor(const ew_model *m, double c, double eps)
{
    const double s = m->s, q = m->q, v = 1.0 / (s * s), u = s * log1p(2.0 / ((c + 1.0) * q)) + 0.5 / s;
    const double growth = exp(v), above = normal(1.0 / s - u),
                 square = growth * normal(u - 2.0 / s) - 1.0 + 2.0 * above;
    const double curve = 0.5 * c * (c + 1.0) * exp(-(c + 2.0) * m->log1mq);
    const double most = curve * q * q * (square + 1e-14 * (growth + 3.0)) + c * q * (above + 1e-14);
    return m->n * log1p(most * (1.0 + 1e-9)) * (1.0 + 1e-9) - c * eps * (1.0 - 1e-9) + ew_log_kernel(c) + 1e-9;
}

/* 1: delta(eps) < e^{log_delta} for certain. */
int ew_dominated(const ew_model *m, double eps, double log_delta, ew_scratch *ws)
{
    const ew_law law = {.m = m};
    ew_nodes nd;
    ew_saddle sp;
    if (ew_closed_applies(m))
        return 0;
    if (m->kind == EW_KIND_ADD && eps > 0.0) {
        if (eps >= -m->n * m->log1mq * (1.0 + 4.0 * EW_U)) /* no loss is that large */
            return 1;
        for (double f = 1.4; f < 2.0; f += 0.5)
            if (taylor(m, -f * log_delta / eps, eps) < log_delta)
                return 1;
    }
    ew_nodes_bind(&nd, ws->coarse);
    for (int i = 0; i < 3; i++) { /* the smallest tilt that may do is the easiest to certify; then better ones */
        if (i == 0 && !(eps > 0.0 && ew_saddle_at(&sp, &law, &nd, -1.4 * log_delta / eps)))
            continue;
        if (i == 1 && !(ew_saddle_of_delta(&sp, &law, &nd, log_delta) && sp.eps < eps))
            continue;
        if (i == 2 && !ew_saddle_of_eps(&sp, &law, &nd, eps))
            continue;
        sp.eps = eps;
        if (ew_chernoff(&law, &nd, &sp) < log_delta - 1e-9 * (1.0 + sp.c * fabs(eps)))
            return 1;
    }
    return 0;
}
