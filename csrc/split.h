/* split.h - one way to sort the steps of a run, as far.c, counted.c and split.c share it. */
#ifndef EW_SPLIT_H
#define EW_SPLIT_H

#include "rooms.h"

typedef struct {
    const ew_model *m;
    double eps, log_delta, tol;
    double width, top; /* of the tapers; last u that matters */
    ew_scratch *ws;
    double limit;      /* cost of one line, in quadrature times contour nodes: 6e7 are about 50 ms */
    double high;       /* error so far, in units of e^{log_delta} */
    double big;        /* log of the part of the big steps, likewise, roughly */
    int rare;          /* big steps are an error as a whole, and not counted */
    /* replace: log of the mass of the steps that law->left leaves out, all n of them, under either law */
    double left;
    double margin;     /* what is bounded for the big steps holds for epsilons so much larger (add: smaller) */
} ew_job;

/* far.c */
ew_job ew_job_begin(const ew_model *m, double eps, double log_delta, double tol, ew_scratch *ws);
int ew_spread_nodes(ew_nodes *nd, const ew_job *j, const ew_law *law, double hu); /* 0: too many */
int ew_survey_nodes(ew_nodes *nd, const ew_job *j, const ew_law *law);
/* log M(-s)^n, or NaN */
double ew_backward(const ew_job *j, const ew_law *law, ew_nodes *nd, int cls, double s, double n, double most);
/* sum of x (1 - chi(u)) */
double ew_above(double *scratch, const ew_taper *t, const double *u, const double *x, int count);
int ew_place_far(ew_law *law, ew_job *j);

/* counted.c */
int ew_add_big(ew_contour *ct, const ew_job *j, const ew_law *law);
int ew_add_small(ew_contour *ct, const ew_job *j, const ew_law *law);

#endif
