/* rooms.h - what each room of the core offers to the higher ones. */
#ifndef EW_ROOMS_H
#define EW_ROOMS_H

#include "core.h"

/* survey.c */
/* further kinds of weights: 1, 1 - chi_far, what chi_far gains off the real axis */
enum { EW_WHOLE = EW_CLASSES, EW_BIG, EW_MORE };
double ew_survey(const ew_law *law, int weight, double c, double t, double y);
double ew_survey_ends(const ew_law *law, int weight, double c, double t, double y, double from, double to, double hu);
/* the control variates at |z|: log of their modulus on Im u = y, and their ends */
double ew_survey_control(const ew_law *law, double z, double y);
double ew_survey_controls(const ew_law *law, double z, double from, double to, double hu);
double ew_survey_turned(const ew_law *law, double c, double theta, double alpha);

/* decay.c */
double ew_decay_theta(const ew_law *law, const ew_nodes *nd, const ew_moments *at, double lam, double T);
/* share: E_c[W] */
double ew_decay_excess(const ew_law *law, const ew_nodes *nd, const ew_moments *at, double lam, double theta, double T,
                       double *slack, double *share);
double ew_decay_error(const ew_law *law, const ew_nodes *nd, const ew_moments *at, double theta, double T);

/* saddle.c: where to integrate.  Any c > 0 gives valid bounds; a good one makes them cheap. */
typedef struct {
    double c, eps;       /* tilt; epsilon it belongs to */
    double log_delta;    /* log delta(eps), wanted or estimated */
    double spread;       /* square root of the second derivative of the exponent at c */
    ew_moments at;
} ew_saddle;

/* the largest u (sign = +1) or smallest (-1) where an integrand tilted by that rate can peak */
double ew_outermost_peak(const ew_model *m, double rate, int sign);
int ew_saddle_at(ew_saddle *sp, const ew_law *law, ew_nodes *nd, double c);
/* 0: no saddle within reach */
int ew_saddle_of_delta(ew_saddle *sp, const ew_law *law, ew_nodes *nd, double log_delta);
int ew_saddle_of_eps(ew_saddle *sp, const ew_law *law, ew_nodes *nd, double eps);
/* remove, replace: a smaller tilt for the same epsilon where spread^2 grows as a high power of c: there rare large
 * losses weigh more than all the others, though they hardly matter for delta.  The terms of a line are larger then, but
 * fewer. */
void ew_saddle_back(ew_saddle *sp, const ew_law *law, ew_nodes *nd);
/* slow, any law */
double ew_saddle_least(ew_saddle *sp, ew_nodes *nd, const ew_model *m, int cls, double eps, double start);
double ew_log_kernel(double c); /* log of the largest (1 - e^-x)_+ e^{-c x} */
double ew_log_m(const ew_moments *at);
double ew_log_power(const ew_moments *at, double n, int cls);
double ew_line_eps(const ew_law *law, double eps); /* epsilon as the law counts it */

/* rotate.c: ws->sums = both parts of the sums over the small and over the mid steps at t = 0, h, .. J h, weights p:
 * of e^{i t loss} - 1, or of e^{i t loss} - 1 - i t loss (bracketed) */
enum { EW_BLOCK = 32, EW_CHUNK = 512 }; /* steps of one recurrence, nodes of one sum */
void ew_rotate(const ew_nodes *nd, double h, int J, int bracketed, ew_scratch *ws);

/* quadrature.c */
/* Everything that the bounds of one line need. */
typedef struct {
    const ew_law *law;
    const ew_model *m;
    ew_nodes *ref;        /* coarse nodes, weights at c */
    const ew_moments *at; /* there */
    int cls;
    double c, log_m;      /* log of M(c) of the small steps */
} ew_view;

/* log N_y of a class at c + i t', |t'| <= t */
double ew_strip_log(const ew_view *ln, int cls, double c, double t, double y);
double ew_widest(const ew_view *ln);                                             /* largest y */
/* error of M at c + i t', nodes without end */
double ew_quad(const ew_view *ln, int cls, double c, double t, double y, double hu);
/* the same on the real axis, best y, over `size` */
double ew_real_quad(const ew_view *ln, int cls, double c, double hu, double size);
double ew_ends(const ew_view *ln, const ew_nodes *nd, int cls, double c, double t);  /* what is beyond the nodes */
int ew_past_peaks(const ew_model *m, const ew_nodes *nd, double c); /* without tapers: is that little at tilt c? */

/* reach.c */
enum { EW_SEGMENTS = 4 }; /* stretches of t with a quadrature error of their own */
extern const double ew_stretch[EW_SEGMENTS]; /* where they end, over T */
/* log of a bound of sup_{t >= T} |G(c + i t)| from the nodes */
double ew_far(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double T);
typedef struct {
    /* |G| falls like e^{-t^power} near T; far: log of a bound of it from T on, INFINITY: unknown */
    double T, power, far;
} ew_reached;
/* the distance T after which log |G| - log(pi T) is about `wanted`; 0 if it is beyond `most` */
int ew_reach(ew_reached *out, const ew_view *ln, double spread, double wanted, double most);
/* step in u, 0: none will do; gone_last: how far the integrand has faded where the last stretch begins, before that as
 * the square of t at least */
double ew_step(double *a, const ew_view *ln, int cls, double T, double log_want, double gone_last);

/* turned.c: nodes on Im u = theta s */
double ew_turned_step(double *theta, const ew_view *ln, double t, double log_want); /* 0: not for this law */
double ew_turned_quad(const ew_view *ln, double theta, double t, double hu);        /* error between the nodes, */
double ew_turned_ends(const ew_view *ln, const ew_nodes *nd, double theta, double t); /* and beyond them */
/* ws->sums[0], [1] = M(c + i j h) - M(c), [2] = their rounding errors; the losses of nd are turned; 0: out of range */
int ew_turned(const ew_nodes *nd, const ew_model *m, double theta, const ew_moments *at, double h, int J,
              ew_scratch *ws);

/* alias.c */
typedef struct {
    /* distance; log of what the aliases add there at most; how fast that grows with |eps - eps0| */
    double x, low, rate;
} ew_aliases;

int ew_alias(ew_aliases *out, const ew_view *ln, ew_nodes *nd, const ew_moments *at, double guess, double x2,
             double eps, double scale, double log_tol);
double ew_chernoff(const ew_law *law, ew_nodes *nd, const ew_saddle *sp);

/* line.c: nodes of lines Re z = c, so that for eps near eps0
 *     delta(eps) e^{-log_scale} = fixed - moving expm1(eps - eps0) + sum_j Re[(cr + i ci) e^{-(zr + i zi)(eps - eps0)}]
 *     + error, error in [-low g - flat - round, high g + flat + round],  g = e^{rate |eps - eps0|},
 *     round = sum_j err_j e^{-zr (eps - eps0)}, rate >= |zr|,
 * as long as -left <= eps - eps0 <= right */
typedef struct {
    int count;
    double eps0, log_scale, scale_err; /* scale_err: relative error of e^{log_scale} and of the kernel at eps0 */
    double *cr, *ci, *zr, *zi, *err;
    double fixed, moving;
    double low, high, flat, rate, left, right, tol; /* tol: the relative error asked for */
} ew_contour;

/* rounding.c */
/* relative errors in units of EW_U: of a loss, of w[k], of a class weight */
double ew_loss_units(const ew_model *m);
double ew_node_units(const ew_nodes *nd, const ew_model *m, int k);
double ew_class_units(double log_weight);
/* absolute errors at the tilt of the nodes' weights */
enum { EW_OCTAVES = 14 };
typedef struct {
    double m0;                         /* of M(c) - 1, or M(c), as summed */
    double gap;                        /* of M'(c), by what the tapers leave out of it */
    double r0, turn;                   /* of the sum of p that turns along the line; by its angles, each unit of t */
    double b0, b_turn;                 /* of M_mid, and by its angles */
    double b0_bracketed, b1_bracketed; /* more of it in bracketed form, and more of that each unit of t */
    int bracketed;                     /* then: */
    double m1;                         /* of M'(c) */
    /* of the bracketed sum at falling distances t; over t^2 as t falls to 0 */
    double t[EW_OCTAVES], e[EW_OCTAVES], curve;
} ew_rounding;

void ew_rounding_at(ew_rounding *r, const ew_nodes *nd, const ew_model *m, const ew_moments *at);
void ew_rounding_bracketed(ew_rounding *r, const ew_nodes *nd, const ew_model *m, const ew_moments *at, double T,
                           double *scratch);
void ew_rounding_along(double *err, const ew_rounding *r, double h, int count);

/* terms.c: the terms of one line, from ws->sums */
typedef struct {
    int cls, J, turned; /* turned: the sums came with their errors (turned.c) */
    double n, c, eps, h;
    double top;                   /* log of M_small(c)^n e^{-c eps} over e^{log_scale} */
    const ew_moments *at;
    const ew_rounding *round;
    double fixed_err;             /* relative error of M(c)^n e^{-c eps}, M(c) given */
    double until[EW_SEGMENTS];    /* largest t of each stretch */
    double quad_s[EW_SEGMENTS], quad_b[EW_SEGMENTS], quad_0, quad_b0; /* errors of M_small, M_mid there, and at t = 0 */
} ew_line_terms;

void ew_add_terms(ew_contour *ct, const ew_line_terms *terms, ew_scratch *ws);

void ew_contour_start(ew_contour *ct, double eps, double log_scale, double tol, ew_scratch *ws);
int ew_line(ew_contour *ct, const ew_law *law, ew_nodes *ref, int cls, const ew_saddle *sp, double limit,
            ew_scratch *ws);

/* contour.c */
double ew_contour_slope(const ew_contour *ct); /* -d log delta/d eps at eps0, roughly; NaN: it does not tell */
void ew_contour_delta(double out[2], const ew_contour *ct, double eps);
int ew_contour_epsilon(double out[2], double *moved, const ew_contour *ct, double log_delta);

/* closed.c, closed_epsilon.c: q = 1 or a single step */
int ew_closed_applies(const ew_model *m);
int ew_closed_log_delta(double *log_delta, double *rel, const ew_model *m, double eps);
int ew_closed_delta(double out[2], const ew_model *m, double eps);
int ew_closed_epsilon(double out[2], const ew_model *m, double log_delta);

/* far.c */
ew_law ew_capped(const ew_model *m, double log_mass);

/* split.c: the lines of one law whose far tail must be cut or whose tilted characteristic function does not decay */
int ew_split(ew_contour *ct, double *size, int *way, int steer, const ew_model *m, double eps, double log_delta,
             double tol, ew_scratch *ws);

double ew_split_upper(const ew_model *m, double log_delta, ew_scratch *ws);

/* bent.c: a contour for few steps of any size; 0: it does not suit */
int ew_bent(ew_contour *ct, const ew_model *m, double eps, double log_delta, double tol, ew_scratch *ws);

/* route.c: delta of one direction, whatever it takes; 0: no certificate */
/* quadrature times contour nodes of a line that is tried first: below 1 ms; where nothing else serves: below 0.2 s */
#define EW_PLAIN 4e5
#define EW_DEAR 1.2e8
void ew_intersect(double out[2], const double now[2]);
double ew_log_variation(const ew_model *m); /* log of an upper bound of delta(0) */
double ew_largest_loss(const ew_model *m);  /* of `add`, outward; INFINITY for the others */
int ew_route_delta(double out[2], const ew_model *m, double eps, double rtol, ew_scratch *ws);

/* split.c's choice so far; bent.c does not serve */
typedef struct {
    int split, straight;
} ew_ways;

int ew_contour_at(ew_contour *ct, double *size, ew_ways *ways, int steer, const ew_model *m, double eps,
                  double log_delta, double tol, double sharp, ew_scratch *ws);

/* search.c */
void ew_first_guesses(double guess[2], const ew_model *m, double log_delta, ew_scratch *ws); /* of epsilon */
void ew_search_epsilon(double out[2], const ew_model *m, double log_delta, double rtol, const double guess[2],
                       ew_scratch *ws);

/* route_epsilon.c: epsilon of one direction, likewise */
int ew_route_epsilon(double out[2], const ew_model *m, double log_delta, double rtol, ew_scratch *ws);

/* dominated.c */
int ew_dominated(const ew_model *m, double eps, double log_delta, ew_scratch *ws);

#endif
