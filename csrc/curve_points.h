/* curve_points.h - points of the curve in u, as the files of the room share them: curve.c (paths), curve_bounds.c,
 * curve_sums.c (nodes), curve_fill.c (all of it, and its error). */
#ifndef EW_CURVE_POINTS_H
#define EW_CURVE_POINTS_H

#include "curve.h"

#define EW_ROOT 0.3989423 /* >= 1/sqrt(2 pi) */

typedef struct {
    double re, im;
} ew_pair;

/* y at Re xi = x on the curve (b = 0) or beside it, log|Y_+|, log(1 + Y_+-) */
typedef struct {
    double re, im, log_y;
    ew_pair plus, minus;
} ew_point;

/* curve.c */
double ew_log_odds(const ew_model *m);
ew_point ew_curve_point(const ew_curve *cu, double x, double b);
double ew_curve_rising(const ew_curve *cu, double x); /* Im y' on the curve */
double ew_steepest(const ew_curve *cu, double b);     /* P1 */
double ew_share(double log_y, double log_1p);         /* |Y|/|1+Y| */
int ew_path_fill(ew_path *p, const ew_curve *cu, double b);

/* curve_bounds.c */
double ew_path_ends(const ew_curve *cu, const ew_path *p, double x,
                    double t); /* the integral of |phi u' e^A| beyond the nodes */

/* curve_sums.c */
void ew_curve_nodes(ew_curve *cu);

#endif
