/* compose.h - certified inversion of a composed run (law.h). */
#ifndef EW_COMPOSE_H
#define EW_COMPOSE_H

#include "law.h"
#include "rooms.h"

enum { EW_FOUND = 1, EW_NOT_FOUND = 0, EW_SHORT = -1 }; /* EW_SHORT: come again with a larger arena */

/* delta(eps), eps = [0 .. count), falling or rising; out = lower, upper of each. */
int ew_run_delta(double *lower, double *upper, const double *eps, int count, const ew_run *run, double rtol, double smooth_rtol, ew_arena *arena);
int ew_run_epsilon(double out[2], const ew_run *run, double log_delta, double rtol, double smooth_rtol, ew_arena *arena);
int ew_run_log_mgf(double out[2], const ew_run *run, double c, ew_arena *arena);
int ew_run_dominated(const ew_run *run, double eps, double log_delta, ew_arena *arena);

/* run_line.c */
int ew_run_line(ew_contour ct[2], ew_total *to, double eps, double w2, double tol, double most, ew_arena *arena);

#endif
