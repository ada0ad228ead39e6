/* curve.h - M at complex exponents from few nodes, on a curve in u that leaves the real axis (curve.c). */
#ifndef EW_CURVE_H
#define EW_CURVE_H

#include "rooms.h"

/* The curve, or the line at a distance b beside it, in coarse steps: what the integrand is there. */
typedef struct {
    double b;
    double *g;                             /* Re(-u^2/2) */
    double *l, *a;                         /* log|1 + Y_+| and its argument */
    double *lm, *am;                       /* of Y_-; replace only */
    double *k0, *k1;                       /* on the cell to the right of a node log|integrand| rises above its ends by
                                            * k0 + |z| k1 at most */
    double *ur, *ui, *log_y;               /* u; log|Y_+| */
    double lowest;                         /* least Im y */
    double *lr, *la, *gg, *ll;             /* w L: losses (bracketed) or log(1 + Y); log of |phi g| or |phi|; |L| on the
                                            * cell to the right of a node; on the curve only */
    double zero, one, zero_ends, one_ends; /* that integral at zeta = 0 and 1, and what of it is beyond the nodes */
} ew_path;

typedef struct {
    const ew_model *m;
    double eta, slope, strip; /* Im y far to the left, its slope far to the right, half width of the strip */
    double coarse, hy;        /* steps of the paths and of the nodes, in y */
    int cells, count;
    double first, from;       /* Re y of the first of each */
    ew_path on, above, below; /* the curve, and the lines a strip above and below it */
    /* the nodes: weights and their size, the loss l + i a and E2(-loss), errors of weight, loss and E2 in units of
     * EW_U; not bracketed: log(1 + Y) in place of the loss */
    double *wr, *wi, *size, *l, *a, *back_r, *back_i, *bad_w, *bad, *bad_back;
    int kind;  /* of the sums */
    int ready; /* the nodes are filled */
    double *scratch;
} ew_curve;

/* what is summed: E[e^A] - 1, E[e^A], M(z) - 1 in brackets */
enum { EW_LESS, EW_WHOLE_SUM, EW_BRACKETED };
enum { EW_PANEL = 32 };

/* 0: not for this law, or too many nodes.  reach: how far in u it must go on either side of where phi g peaks */
int ew_curve_fill(ew_curve *cu, const ew_model *m, int kind, double eta, double slope, double strip, double hy,
                  double left, double right, ew_scratch *ws);
/* log of a bound of the integral of |phi e^A| along a path, A = zeta_+ log(1+Y_+) - zeta_- log(1+Y_-) at the exponent
 * zeta_+ = x + i t, t >= 0; *ends: the part of it beyond the nodes; below e^{floor} it need not be known better */
double ew_path_log(double *ends, const ew_curve *cu, const ew_path *p, double x, double t, double floor);
/* log of a bound of the integral of |phi u'| |e^{w L} - 1|, L = log(1+Y), or bracketed of |phi u' g| |E2(w L)|, L the
 * loss, at w = x + i t; with |w| <= far in its place where that makes it log-convex in w */
double ew_curve_excess(const ew_curve *cu, double x, double t, double far);
/* A bound of the integral of |phi u'| |L| max(1, |e^{w L}|), bracketed |phi u' g| .. */
double ew_curve_first(const ew_curve *cu, double x, double t);
/* Error of these sums at exponents between two: what is between the nodes, beyond them, and outside of the window
 * [window[0], window[1]), where nodes add less than e^{floor} each. */
double ew_curve_error(int window[2], ew_curve *cu, const double x[2], const double t[2], double floor);
/* The sums at EW_PANEL points (bracketed: z, else zeta) = x + i t and their rounding errors, from the nodes of a window
 */
void ew_curve_sums(double *re, double *im, double *err, const ew_curve *cu, const double *x, const double *t,
                   const int window[2]);
/* Size of the terms of such a sum, roughly. */
double ew_curve_size(const ew_curve *cu, double x, double t);
/* does |e^A| fall everywhere on the curve along rays of slope Re/Im = kappa? */
int ew_curve_cone(const ew_curve *cu, double kappa);

#endif
