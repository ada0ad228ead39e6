/* bent.h - the bent contour, as its files share it: bent.c (the path and its panels), bent_bounds.c. */
#ifndef EW_BENT_H
#define EW_BENT_H

#include "curve.h"

enum { EW_LEVELS = 4 }; /* curves in u, from the real axis to the one that serves far up the path */

typedef struct {
    const ew_model *m;
    ew_contour *ct;
    double log_delta, d, c, kappa, sign; /* sign: the path goes to the right or to the left */
    double before;                       /* log of the constant factor of F, over e^{log_scale} */
    double room;                         /* how far epsilon may move */
    double want;                         /* log of the error allowed, likewise */
    int less, bracketed;                 /* is A taken off? is it A = e^{-z eps}? */
    int level;                           /* of the curve */
    double reach;                        /* log of how small the integrand must be beyond the nodes */
    double rounding_d;                   /* of d */
    double back;                         /* log of the integral of |phi g E2(-loss)| */
    ew_curve cu;
    ew_scratch *ws;
} ew_bent_path;

/* bent_bounds.c */
double ew_bent_exponent(const ew_bent_path *b, double x);                          /* zeta at z = x + i t */
double ew_bent_tilt(const ew_bent_path *b, double x);                              /* what L is multiplied by */
double ew_bent_log_m(const ew_bent_path *b, const ew_path *p, double x, double t); /* log of a bound of |M|, along p */
double ew_bent_size(const ew_bent_path *b, double x, double t); /* .. of |F|; all of them over e^{log_scale} */
double ew_bent_panel_error(double *rate, const ew_bent_path *b, double mx, double mt, double hx, double ht,
                           double size);
double ew_bent_tail(const ew_bent_path *b, double x, double t);

#endif
