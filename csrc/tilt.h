/* tilt.h - rooms of the expansions: quadrature of the tilted law, its cumulants, coefficients, and what is made of
 * them.
 *
 * Order    special, wide, round, model -> plan (where the quadrature nodes lie) -> sheet -> cumulants -> partitions
 *          (coefficients) -> edgeworth, tilted, renyi (estimates of one direction) -> estimate (the public functions)
 */
#ifndef EW_TILT_H
#define EW_TILT_H

#include "core.h"
#include "expansion.h"

/* Trapezoidal nodes y = k hy, k = first .. first + count - 1, in u = s y + shift (core.h). */
typedef struct {
    double hy;
    int first, count;
} ew_plan;

/* plan.c: nodes for moments up to `order` of the loss under every tilt in [low, high], to e^-budget; 0: too many of
 * them */
int ew_plan_nodes(ew_plan *plan, const ew_model *m, double low, double high, int order, double budget, double *scratch);
double ew_plan_log_v(const ew_model *m, double y); /* log(1 - q + q e^y) */

/* sheet.c: the law on its nodes, untilted */
typedef struct {
    const ew_model *m;
    int count;
    double low, high;      /* tilts that the nodes serve */
    double *loss, *lw, *p; /* loss, log of the weight under the first law, weight under a tilt */
    double *more[3];       /* scratch */
    double log_norm;       /* log of their sum at tilt 0: the sums below are relative to it */
} ew_sheet;

int ew_sheet_fill(ew_sheet *sheet, const ew_model *m, double low, double high, int order, ew_scratch *ws);
int ew_sheet_cover(ew_sheet *sheet, const ew_model *m, double c, int order,
                   ew_scratch *ws);                 /* the same around c, unless c is served already */
int ew_sheet_near(const ew_model *m, double c);     /* 1: K(c) is good to 1e-13 of itself, else to 1e-13 */
double ew_sheet_k(const ew_sheet *sheet, double c); /* K(c), relative accuracy */
double ew_sheet_largest(const ew_sheet *sheet, double c); /* log of the largest weight */
void ew_sheet_slopes(double out[2], const ew_sheet *sheet, double c, double at); /* K'(c) - at, K''(c) */

/* cumulants.c */
/* kappa[1 .. order] at tilt c, err[k] a bound of the error of kappa[k]: quadrature aside */
void ew_sheet_cumulants(double *kappa, double *err, ew_sheet *sheet, double c, int order);
int ew_cumulants_double(double *kappa, double *err, const ew_model *m, double c, int order, ew_scratch *ws);

/* cumulants_wide.c: the same in as many bits as it takes; 0: more than EW_WIDE_LIMBS digits would be needed */
int ew_cumulants_wide(double *kappa, const ew_model *m, double c, int order, int odd_vanish, ew_scratch *ws);

/* partitions.c: the expansion of the law of the sum; a[k] belongs to He_k, k = 0 .. top */
typedef struct {
    double mean, sd;
    int top;
    double a[3 * EW_ORDER_MAX + 1];
} ew_series;

void ew_series_init(ew_series *s, const double *kappa, double n, int order);

/* aea.c */
typedef struct {
    ew_series first, second; /* of the sum under the first and the second law */
} ew_aea;

int ew_aea_init(ew_aea *e, const ew_model *m, int order, ew_scratch *ws);
double ew_aea_delta(const ew_aea *e, double eps);
ew_status ew_aea_epsilon(double *out, const ew_aea *e, double delta);

/* tilted.c: delta = base + e^log_scale (the sum over the series) */
typedef struct {
    double c, eps, log_scale, base, delta, slope,
        terms; /* slope: -d delta/d eps; terms: sum of the sizes of what e^log_scale multiplies */
    ew_series series;
} ew_tilted;

int ew_tilted_at(ew_tilted *out, const ew_model *m, double eps, int order, ew_scratch *ws);
ew_status ew_tilted_epsilon(double *out, const ew_model *m, double delta, int order, ew_scratch *ws);

/* renyi.c */
int ew_renyi_k(double *k, const ew_model *m, double c, ew_scratch *ws);
int ew_rdp_epsilon(double *out, const ew_model *m, double delta, ew_scratch *ws);
int ew_rdp_delta(double *out, const ew_model *m, double eps, ew_scratch *ws);
double ew_gdp_mu(const ew_model *m);
int ew_gdp_epsilon(double *out, const ew_model *m, double delta);
int ew_gdp_delta(double *out, const ew_model *m, double eps);

/* estimate.c: what every public function refuses; x is delta or epsilon */
ew_status ew_estimate_check(double sigma, double q, int64_t steps, double x, int is_delta, int adjacency, int method,
                            int order);

#endif
