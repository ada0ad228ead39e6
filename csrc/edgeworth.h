/* edgeworth.h - certified privacy accounting of the Poisson-subsampled Gaussian mechanism.
 *
 * The whole public surface of the numerical core.  Pure C11 and libm: no allocation, no globals, no stdio.
 * Every function is thread-safe as long as two threads never share one workspace.
 *
 * PROMISE  Every interval contains the exact value for the arguments read as the doubles they are:
 *          lower <= true <= upper, with discretisation, truncation and floating-point error included.
 */
#ifndef EDGEWORTH_H
#define EDGEWORTH_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define EW_CHECKED __attribute__((warn_unused_result))
#else
#define EW_CHECKED
#endif

/* What a function did.  Everything but EW_OK leaves NaN (or -1 for an integer) in every output. */
typedef enum {
    EW_OK = 0,
    EW_BAD_SIGMA,      /* sigma must be finite and > 0 */
    EW_BAD_Q,          /* q must satisfy 0 < q <= 1 */
    EW_BAD_STEPS,      /* steps must be >= 1 */
    EW_BAD_DELTA,      /* delta must satisfy 0 < delta < 1 */
    EW_BAD_EPSILON,    /* epsilon must be finite (ew_delta) or finite and >= 0 (the calibrations) */
    EW_BAD_ADJACENCY,  /* not a value of ew_adjacency */
    EW_BAD_RTOL,       /* rtol must be finite and > 0 */
    EW_PRECISION,      /* no interval of the wanted width could be certified */
    EW_UNREACHABLE,    /* no value of the parameter in its range meets the target */
    EW_BAD_METHOD,     /* not a value of ew_method (expansion.h) */
    EW_BAD_ORDER,      /* the order of an expansion, or of a cumulant, is out of range */
    EW_BAD_TILT,       /* tilt must satisfy |tilt| <= 1e6 */
    EW_NO_ROOT,        /* the expansion gives no probability here, or takes the value nowhere */
    EW_STATUS_COUNT
} ew_status;

/* Neighbouring relation.  With P = (1-q) N(0, s^2) + q N(1, s^2), Q = N(0, s^2):
 *   EW_REMOVE        loss of P against Q (the data set with the record against the one without)
 *   EW_ADD           loss of Q against P
 *   EW_ADD_OR_REMOVE the larger of the two, each composed on its own
 *   EW_REPLACE_ONE   (1-q) N(0, s^2) + q N(+1, s^2) against (1-q) N(0, s^2) + q N(-1, s^2)
 */
typedef enum { EW_ADD_OR_REMOVE = 0, EW_ADD = 1, EW_REMOVE = 2, EW_REPLACE_ONE = 3 } ew_adjacency;

/* Bytes of workspace that every function below needs (aligned like malloc's result).  Its contents never
 * carry meaning from one call to the next. */
size_t ew_work_size(void);

/* ew_epsilon: out = [lower, upper] of epsilon(delta), floored at 0.
 * ew_delta:   out = [lower, upper] of delta(epsilon), any finite epsilon (negative too).
 *
 * Formula  delta(eps) = E[(1 - exp(eps - S))_+], S = sum of `steps` privacy losses; epsilon is its inverse.
 * Domain   sigma in [0.1, 1e4], q in [1e-12, 1], steps in [1, 1e13], delta in [1e-300, 0.99].
 * Bound    ew_epsilon: upper - lower <= rtol * upper is aimed at; wider where epsilon is so close to 0 that delta
 *          cannot resolve it, and where the cancellation between large and small steps (split.c) costs more digits than
 *          a double has.
 * Errors   the EW_BAD_* of each argument; EW_PRECISION outside Domain.
 */
EW_CHECKED ew_status ew_epsilon(double out[2], double sigma, double q, int64_t steps, double delta,
                                ew_adjacency adjacency, double rtol, void *work);
EW_CHECKED ew_status ew_delta(double out[2], double sigma, double q, int64_t steps, double epsilon,
                              ew_adjacency adjacency, double rtol, void *work);

/* Calibration, always on the safe side: the upper end of ew_epsilon at *out (default rtol) is <= epsilon.
 *   ew_noise_multiplier   smallest sigma, within 1e-9 (relative) of the optimum
 *   ew_max_steps          largest number of steps in [1, 1e13]
 *   ew_max_sampling_rate  largest q in [1e-12, 1], within 1e-9 (relative) of the optimum
 * Errors   EW_UNREACHABLE where not even sigma = 1e4, one step, or q = 1e-12 meets the target.
 */
EW_CHECKED ew_status ew_noise_multiplier(double *out, double epsilon, double q, int64_t steps, double delta,
                                         ew_adjacency adjacency, void *work);
EW_CHECKED ew_status ew_max_steps(int64_t *out, double epsilon, double sigma, double q, double delta,
                                  ew_adjacency adjacency, void *work);
EW_CHECKED ew_status ew_max_sampling_rate(double *out, double epsilon, double sigma, int64_t steps, double delta,
                                          ew_adjacency adjacency, void *work);

#endif
