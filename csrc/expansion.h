/* expansion.h - cumulants of the privacy loss and what expansions in them say about epsilon: estimates, not bounds.
 *
 * Conventions as in edgeworth.h: statuses, thread-safety, a workspace of ew_work_size() bytes.
 */
#ifndef EW_EXPANSION_H
#define EW_EXPANSION_H

#include "edgeworth.h"

enum {
    EW_CUMULANTS_MAX = 32, /* highest order of a cumulant */
    EW_ORDER_MAX = 30      /* highest order of an expansion: it needs cumulants up to order + 2 */
};

/* ew_cumulants
 * Formula  out[k-1] = kappa_k, k = 1 .. order: the k-th derivative of K(z) = log E[e^{z Y}] at z = tilt, Y one step's
 *          loss under its own first law (edgeworth.h); equally the k-th cumulant of Y under the law tilted by e^{tilt Y
 *          - K(tilt)}
 * Domain   sigma in [0.1, 1e4], q in [1e-12, 1], adjacency other than EW_ADD_OR_REMOVE, 1 <= order <= EW_CUMULANTS_MAX,
 *          |tilt| <= 1e6
 * Bound    relative error 1e-12
 * Why      moments of 1e-12 and powers of 1/sigma cancel: whatever a double cannot hold is summed in wide.c.
 * Errors   EW_BAD_*; EW_PRECISION outside Domain, or where EW_WIDE_LIMBS digits do not suffice (a zero of kappa_k, a
 *          value below 1e-400 of the scale of its terms)
 */
EW_CHECKED ew_status ew_cumulants(double *out, double sigma, double q, ew_adjacency adjacency, double tilt, int order,
                                  void *work);

/* What a number that is no certified bound rests on.
 *   EW_EDGEWORTH  aea.c     estimate: both distribution functions expanded to `order` >= 0; understates or overstates
 *   EW_TILTED     tilted.c  estimate: the density under the tilted law expanded to `order` >= 0
 *   EW_RDP        renyi.c   upper bound, loose: Renyi divergences of the best order
 *   EW_GDP        renyi.c   estimate: the central limit theorem; understates or overstates
 */
typedef enum { EW_EDGEWORTH = 0, EW_TILTED = 1, EW_RDP = 2, EW_GDP = 3 } ew_method;

/* ew_estimate_epsilon, ew_estimate_delta: epsilon(delta) floored at 0, delta(epsilon), by `method`
 * ew_estimate_noise_multiplier: a sigma whose estimated epsilon is <= epsilon and at 1e-9 (relative) less is not: the
 *          crossing nearest to ew_noise_multiplier
 * Domain   that of ew_epsilon; order <= EW_ORDER_MAX
 * Errors   EW_BAD_*; EW_PRECISION outside Domain or where the sums overflow; EW_NO_ROOT where the expansion gives a
 *          delta outside [0, 1], or takes the wanted value nowhere on eps >= 0; EW_UNREACHABLE as ew_noise_multiplier
 */
EW_CHECKED ew_status ew_estimate_epsilon(double *out, double sigma, double q, int64_t steps, double delta,
                                         ew_adjacency adjacency, ew_method method, int order, void *work);
EW_CHECKED ew_status ew_estimate_delta(double *out, double sigma, double q, int64_t steps, double epsilon,
                                       ew_adjacency adjacency, ew_method method, int order, void *work);
EW_CHECKED ew_status ew_estimate_noise_multiplier(double *out, double epsilon, double q, int64_t steps, double delta,
                                                  ew_adjacency adjacency, ew_method method, int order, void *work);

/* ew_expansion_epsilon, ew_expansion_delta: out = [lower, upper] of epsilon(delta), delta(epsilon), certified, from an
 * expansion and a bound of its error.
 *   EW_EDGEWORTH  eeai.c           Prawitz smoothing, uniform in epsilon: [.., inf] for epsilon and
 *                                  [max(0, 1 - e^eps), 1] for delta where delta is smaller than that error
 *   EW_TILTED     tilted_bounds.c  Fourier remainder under the tilted law: relative to delta
 * Domain   that of ew_epsilon; order <= EW_ORDER_MAX
 * Errors   EW_BAD_*, EW_BAD_METHOD for other methods; EW_PRECISION outside Domain
 */
EW_CHECKED ew_status ew_expansion_epsilon(double out[2], double sigma, double q, int64_t steps, double delta,
                                          ew_adjacency adjacency, ew_method method, int order, void *work);
EW_CHECKED ew_status ew_expansion_delta(double out[2], double sigma, double q, int64_t steps, double epsilon,
                                        ew_adjacency adjacency, ew_method method, int order, void *work);

/* ew_renyi: the Renyi divergence of order `order` > 1 of one step, K(order - 1)/(order - 1), to 1e-12 (relative).
 * ew_gdp:   mu of the Gaussian mechanism that `steps` steps tend to (renyi.c); the same for both directions.
 * Errors    EW_BAD_*, EW_BAD_ORDER unless 1 < order <= 1e6; EW_PRECISION outside Domain
 */
EW_CHECKED ew_status ew_renyi(double *out, double sigma, double q, double order, ew_adjacency adjacency, void *work);
EW_CHECKED ew_status ew_gdp(double *out, double sigma, double q, int64_t steps, ew_adjacency adjacency);

/* Parts of the expansions, for those who build on them and for the tests.
 *   ew_series_coefficients  a[0 .. 3 order] from standardised cumulants lam[3 .. order + 2] (partitions.c)
 *   ew_half_hermite         I[k] = int_0^inf e^{-u x} He_k(x) phi(x) dx, k = 0 .. top <= 3 EW_ORDER_MAX, u >= 0
 *                           (tilted.c)
 */
void ew_series_coefficients(double *a, const double *lam, int order);
void ew_half_hermite(double *I, double u, int top);

#endif
