/* closed.h - what the closed forms share: numbers known by their log, the primitive G, delta made of it. */
#ifndef EW_CLOSED_H
#define EW_CLOSED_H

#include "rooms.h"

#include <math.h>

typedef struct {
    double log, err; /* log of a positive number, absolute error of the log; err = inf: an upper bound, no more */
} ew_rough;

/* Number times e^{log_factor}, which is uncertain by err. */
static inline ew_rough ew_times(ew_rough g, double log_factor, double err)
{
    g.log += log_factor;
    g.err += err + EW_U * fabs(g.log);
    return g;
}

/* gauss.c */
double ew_gauss_slope(double a, double mu);
ew_rough ew_gauss(double a, double da, double mu); /* log G at a +- da, mu (1 +- 2 u) */

/* closed.c */
static inline int ew_closed_gaussian(const ew_model *m)
{
    return m->q == 1.0;
}
static inline int ew_closed_paired(const ew_model *m)
{
    return m->kind == EW_KIND_REPLACE && !ew_closed_gaussian(m);
}
int ew_closed_tame(const ew_model *m);
double ew_closed_mu(const ew_model *m); /* within 2 u */
double ew_closed_log_odds(const ew_model *m, double *loose);
ew_rough ew_closed_pair(const ew_model *m, double t, double dt, double y, double dy, double eps, double deps);
ew_rough ew_closed_rough(const ew_model *m, double eps); /* delta(eps) */

#endif
