/* rooms.h - what each room of the core offers to the higher ones. */
#ifndef EW_ROOMS_H
#define EW_ROOMS_H

#include "core.h"

/* strip.c */
double ew_strip_log(const ew_model *m, const ew_nodes *nd, double theta, double c, double t); /* >= log N_a */
double ew_panels_log(const ew_model *m, const ew_nodes *nd, double c, double t);
double ew_ends_log(const ew_model *m, const ew_nodes *nd, double c);

/* decay.c: >= log |phi_c(t)| for every t >= T */
double ew_decay_log(const ew_model *m, const ew_nodes *nd, const ew_moments *at, double theta, double T, double *slack);
double ew_decay_theta(const ew_model *m, const ew_nodes *nd, const ew_moments *at, double T);

/* saddle.c: where to integrate.  Any c > 0 gives valid bounds; a good one makes them cheap. */
typedef struct {
    double c, eps;       /* tilt; epsilon it belongs to */
    double log_delta;    /* log delta(eps), wanted or estimated */
    int heavy;           /* the saddle point was useless (saddle.c, lighten); eps is only a start */
    double spread;       /* square root of the second derivative of the exponent at c */
    double cut;          /* > 0: the law is cut there, and */
    double lost;         /* so much of delta may be missing */
    ew_moments at;
} ew_saddle;

int ew_saddle_of_delta(ew_saddle *sp, const ew_model *m, ew_nodes *nd, double log_delta); /* 0: no saddle within reach */
int ew_saddle_cut(ew_saddle *sp, const ew_model *m, ew_nodes *nd, double log_delta, double eps, int of_delta);
int ew_saddle_of_eps(ew_saddle *sp, const ew_model *m, ew_nodes *nd, double eps);

/* line.c, bend.c: nodes of a contour, so that for eps near eps0
 *     delta(eps) e^{-log_scale} = sum_j Re[(cr + i ci) e^{-(zr + i zi)(eps - eps0)}] + error,
 *     error in [-(low + round) g, (high + round) g],  g = e^{rate |eps - eps0|},  round = sum_j err_j |c_j| */
typedef struct {
    int count;
    double eps0, log_scale, scale_err; /* scale_err: relative error of e^{log_scale} and of the kernel at eps0 */
    double *cr, *ci, *zr, *zi, *err;
    double low, high, rate;
} ew_contour;

/* 0: too expensive (cost above limit, in quadrature x contour nodes) or impossible */
int ew_line(ew_contour *ct, const ew_model *m, const ew_nodes *coarse, const ew_saddle *sp, double tol, double limit,
            ew_scratch *ws);

int ew_bend(ew_contour *ct, const ew_model *m, const ew_saddle *sp, double tol, ew_scratch *ws);

/* contour.c */
void ew_contour_delta(double out[2], const ew_contour *ct, double eps);
int ew_contour_epsilon(double out[2], double *moved, const ew_contour *ct, double log_delta);

/* closed.c: q = 1 or a single step */
int ew_closed_applies(const ew_model *m);
int ew_closed_log_delta(double *log_delta, double *rel, const ew_model *m, double eps);
int ew_closed_delta(double out[2], const ew_model *m, double eps);
int ew_closed_epsilon(double out[2], const ew_model *m, double log_delta);

/* route.c: one direction, whatever it takes; 0: no certificate */
int ew_route_delta(double out[2], const ew_model *m, double eps, double rtol, ew_scratch *ws);
int ew_route_epsilon(double out[2], const ew_model *m, double log_delta, double rtol, ew_scratch *ws);
int ew_dominated(const ew_model *m, double eps, double log_delta, ew_scratch *ws);

#endif
