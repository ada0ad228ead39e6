/* remainder.h - how far an expansion can be from the truth: rooms above those of tilt.h.
 *
 * Order    tilt.h -> chf (characteristic function) -> remainder (its distance from the expansion's) -> eeai,
 *          tilted_bounds -> expansion_bounds
 */
#ifndef EW_REMAINDER_H
#define EW_REMAINDER_H

#include "rooms.h"
#include "tilt.h"

/* chf.c: the sum of n losses under tilt c on quadrature nodes of its own */
typedef struct {
    const ew_model *m;
    double c, mean, alpha, beta, twice; /* exponents of v_+, v_-; twice: both args count */
    double hu;
    int count;
    double *d, *p, *dp, *dm;               /* loss - mean, weight, Y/(1 + Y) of each */
    double drift;                          /* mean of d */
    double second, drift_err, quad0, ends; /* errors of the sums */
    double mean_err;                       /* of mean + drift against the exact mean */
} ew_chf;

int ew_chf_init(ew_chf *f, const ew_model *m, double c, double mean, double spread, double reach,
                ew_scratch *ws); /* t <= reach/spread */
double ew_chf_at(double out[2], const ew_chf *f, double t, double centre);
double ew_chf_log_beyond(const ew_chf *f, double T);

/* remainder.c: f - g, g the expansion s at tilt c of n steps of m, x in units of the standard deviation */
typedef struct {
    double square; /* integral over all x of |f - g|^2 weight, an upper bound */
    double beyond; /* bound of |f(x)|, x >= end */
    double end;
} ew_distance;

enum { EW_INVERSE_SQUARE, EW_LORENTZ }; /* weights 1/x^2 and 1/(1 + x^2/EW_LORENTZ_WIDTH^2) */
static const double EW_LORENTZ_WIDTH = 6.0;

int ew_distance_of(ew_distance *out, const ew_model *m, double c, const ew_series *s, int weight, ew_scratch *ws);
double ew_series_size(const ew_series *s, double x); /* sum |a_k| x^k, k > 0, plus 1 */

/* eeai.c, tilted_bounds.c: one direction; 0: nothing better than the trivial bound */
typedef struct {
    ew_aea aea;
    double density[2];    /* bounds of the two expanded densities */
    double first, second; /* bounds of |F_P - expansion|, |F_Q - expansion| */
} ew_eeai;

int ew_eeai_init(ew_eeai *e, const ew_model *m, int order, ew_scratch *ws);
void ew_eeai_delta(double out[2], const ew_eeai *e, double eps);
void ew_eeai_epsilon(double out[2], const ew_eeai *e, double delta);
void ew_tilted_bounds_delta(double out[2], const ew_model *m, double eps, int order, ew_scratch *ws);
void ew_tilted_bounds_epsilon(double out[2], const ew_model *m, double delta, int order, ew_scratch *ws);

#endif
