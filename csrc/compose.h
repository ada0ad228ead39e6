/* compose.h - certified inversion of a composed run (law.h). */
#ifndef EW_COMPOSE_H
#define EW_COMPOSE_H

#include "law.h"
#include "rooms.h"

enum { EW_FOUND = 1, EW_NOT_FOUND = 0, EW_SHORT = -1 }; /* EW_SHORT: come again with a larger arena */

/* delta(eps), eps = [0 .. count), falling or rising; out = lower, upper of each. */
int ew_run_delta(double *lower, double *upper, const double *eps, int count, const ew_run *run, double rtol,
                 double smooth_rtol, ew_arena *arena);
/* How an answer was found; errors are relative to delta. */
enum { EW_BOUNDED, EW_ONCE, EW_LATTICE, EW_LINE, EW_SMOOTHED };
typedef struct {
    int route, nodes, quadrature;              /* nodes of the line, and of the parts' quadratures in all */
    double tilt, step, smoothing;              /* c, h, w^2 */
    double aliasing, truncation, rounding;
} ew_plan;

/* plan: of the last line that the result rests on. */
int ew_run_epsilon(double out[2], ew_plan *plan, const ew_run *run, double log_delta, double rtol, double smooth_rtol,
                   ew_arena *arena);
int ew_run_log_mgf(double out[2], const ew_run *run, double c, ew_arena *arena);
int ew_run_dominated(const ew_run *run, double eps, double log_delta, ew_arena *arena);

/* run_slopes.c: tangent, one number per atom of the run, is a direction in which the weights of the mixtures move */
int ew_run_slopes(double *out, const ew_run *run, const double *tangent, double log_delta, double rtol,
                  double smooth_rtol, ew_arena *arena);

/* run_nodes.c */
enum { EW_SHIFTS = 9 };
typedef struct {
    int count[2];
    /* distances from c, up and down, and logs of the Chernoff bounds there over delta */
    double d[2][EW_SHIFTS], v[2][EW_SHIFTS];
} ew_shifts;
typedef struct {
    /* of G(c + it)/G(c) without its Gaussian part; log1p of its relative error; what was added up */
    double *log_mod, *angle, *err, *size;
} ew_powers;
void ew_shifts_at(ew_shifts *s, const ew_total *to, double eps, double x, double w2);
double ew_alias_log(double *rate, const ew_shifts *s, double c, double x);
double ew_run_nodes(const ew_total *to);
double ew_run_fixed(ew_total *to, double eps);
int ew_run_powers(ew_powers *pw, const ew_total *to, double h, int J, ew_arena *arena);

/* run.c */
void ew_run_infinite(double out[2], const ew_run *run);
int ew_run_decays(const ew_run *run);
int ew_total_start(ew_total *to, const ew_run *run, ew_arena *arena);
double ew_run_chernoff(ew_total *to, double eps, ew_arena *arena);

/* run_most.c */
enum { EW_NEARS = 12 };
typedef struct {
    double most, log_pi[EW_NEARS], fall[EW_NEARS]; /* S >= most - fall with a probability of e^{log_pi} or more */
} ew_near;
double ew_run_most(const ew_run *run);
void ew_most_near(ew_near *near, const ew_run *run); /* of a run whose losses have an upper bound */
/* lower bounds; of delta of finite losses alone */
double ew_most_delta(const ew_near *near, double eps);
double ew_most_epsilon(const ew_near *near, double log_delta);

/* run_once.c */
int ew_once_applies(const ew_run *run);
void ew_once_delta(double out[2], const ew_run *run, double eps);
void ew_once_epsilon(double out[2], const ew_run *run, const double log_target[2]);

/* run_lattice.c */
int ew_lattice_delta(double out[2], const ew_run *run, double eps, double rtol, ew_arena *arena);
int ew_lattice_epsilon(double out[2], ew_plan *plan, const ew_run *run, const double log_target[2], double rtol,
                       ew_arena *arena);

/* run_line.c */
int ew_run_line(ew_contour ct[2], ew_total *to, double eps, double w2, double tol, double most, ew_arena *arena);

#endif
