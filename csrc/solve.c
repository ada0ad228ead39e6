/* solve.c - the public functions: check the arguments, take the direction(s) of the relation, calibrate on the safe
 * side. */
#include "rooms.h"

#include <math.h>
#include <stdlib.h>

static const double SIGMA_MIN = 0.1, SIGMA_MAX = 1e4, Q_MIN = 1e-12, STEPS_MAX = 1e13,
                    LOG_DELTA_MIN = -690.7755278982137 - 1e-9, RTOL = 1e-9;

size_t ew_work_size(void)
{
    return sizeof(ew_scratch);
}

static ew_status check(double sigma, double q, int64_t steps, double delta, double epsilon, int adjacency, double rtol)
{
    if (!(isfinite(sigma) && sigma > 0.0))
        return EW_BAD_SIGMA;
    if (!(q > 0.0 && q <= 1.0))
        return EW_BAD_Q;
    if (steps < 1)
        return EW_BAD_STEPS;
    if (!(delta > 0.0 && delta < 1.0))
        return EW_BAD_DELTA;
    if (!isfinite(epsilon))
        return EW_BAD_EPSILON;
    if (adjacency < EW_ADD_OR_REMOVE || adjacency > EW_REPLACE_ONE)
        return EW_BAD_ADJACENCY;
    if (!(isfinite(rtol) && rtol > 0.0))
        return EW_BAD_RTOL;
    return EW_OK;
}

static int kind_of(ew_adjacency adjacency, double q)
{
    if (adjacency == EW_REPLACE_ONE)
        return EW_KIND_REPLACE;
    /* q = 1: both directions are the same Gaussian pair */
    return adjacency == EW_ADD && q < 1.0 ? EW_KIND_ADD : EW_KIND_REMOVE;
}

static int certified(double sigma, double q, double n)
{
    return sigma >= SIGMA_MIN && sigma <= SIGMA_MAX && q >= Q_MIN && n <= STEPS_MAX;
}

/* What one call may spend once it knows where epsilon is: about 0.15 s where steps are few or large, 0.5 s
 * elsewhere. */
static double allowance(double sigma, double n)
{
    return n <= 10.0 || sigma <= 0.3 ? 1.5e8 : 6e8;
}

static int epsilon_of(double out[2], double sigma, double q, double n, double log_delta, ew_adjacency adjacency,
                      double rtol, ew_scratch *ws)
{
    ew_model m;
    if (!certified(sigma, q, n) || log_delta < LOG_DELTA_MIN)
        return 0;
    ew_model_init(&m, kind_of(adjacency, q), sigma, q, n);
    ws->left = allowance(sigma, n);
    if (!ew_route_epsilon(out, &m, log_delta, rtol, ws))
        return 0;
    if (adjacency == EW_ADD_OR_REMOVE && q < 1.0) {
        double other[2];
        ew_model_init(&m, EW_KIND_ADD, sigma, q, n);
        if (out[1] == 0.0 || ew_dominated(&m, out[0], log_delta, ws)) /* delta(0) is the same for both */
            return 1;
        if (!ew_route_epsilon(other, &m, log_delta, rtol, ws))
            return 0;
        out[0] = fmax(out[0], other[0]);
        out[1] = fmax(out[1], other[1]);
    }
    return 1;
}

ew_status ew_epsilon(double out[2], double sigma, double q, int64_t steps, double delta, ew_adjacency adjacency,
                     double rtol, void *work)
{
    ew_status s = check(sigma, q, steps, delta, 0.0, (int)adjacency, rtol);
    if (s == EW_OK &&
        !(epsilon_of(out, sigma, q, (double)steps, log(delta), adjacency, rtol, work) && out[1] < INFINITY))
        s = EW_PRECISION;
    if (s != EW_OK)
        out[0] = out[1] = NAN;
    return s;
}

ew_status ew_delta(double out[2], double sigma, double q, int64_t steps, double epsilon, ew_adjacency adjacency,
                   double rtol, void *work)
{
    ew_status s = check(sigma, q, steps, 0.5, epsilon, (int)adjacency, rtol);
    if (s == EW_OK) {
        ew_model m;
        ew_model_init(&m, kind_of(adjacency, q), sigma, q, (double)steps);
        ((ew_scratch *)work)->left = allowance(sigma, (double)steps);
        if (!certified(sigma, q, (double)steps) || !ew_route_delta(out, &m, epsilon, rtol, work))
            s = EW_PRECISION;
        if (s == EW_OK && adjacency == EW_ADD_OR_REMOVE && q < 1.0) {
            double other[2];
            ew_model_init(&m, EW_KIND_ADD, sigma, q, (double)steps);
            if (!(out[0] > 0.0 && ew_dominated(&m, epsilon, log(out[0]), work))) {
                if (!ew_route_delta(other, &m, epsilon, rtol, work))
                    s = EW_PRECISION;
                out[0] = fmax(out[0], other[0]);
                out[1] = fmax(out[1], other[1]);
            }
        }
    }
    if (s != EW_OK)
        out[0] = out[1] = NAN;
    return s;
}

/* Calibration.  One parameter moves, the rest stands. */
typedef struct {
    double sigma, q, n, log_delta, target;
    ew_adjacency adjacency;
    ew_scratch *ws;
    int which; /* 0 sigma, 1 q, 2 steps */
} dial;

static int upper(double *eps, const dial *d, double x)
{
    double out[2];
    const int ok = epsilon_of(out, d->which == 0 ? x : d->sigma, d->which == 1 ? x : d->q, d->which == 2 ? x : d->n,
                              d->log_delta, d->adjacency, RTOL, d->ws);
    *eps = ok ? out[1] : INFINITY;
    return ok;
}

/* Where the saddle-point estimate says the target is met: a start, nothing more. */
static double guess(const dial *d, double lo, double hi)
{
    double a = log(lo), b = log(hi), x = d->which == 0 ? log(fmin(hi, fmax(lo, 1.0))) : 0.5 * (a + b), fa = NAN,
           xa = NAN;
    const double sign = d->which == 0 ? -1.0 : 1.0, want = log(d->target);
    for (int i = 0; i < 14; i++) {
        ew_model m;
        ew_nodes nd;
        ew_saddle sp;
        const double v = exp(x), q = d->which == 1 ? v : d->q;
        const ew_law law = {.m = &m};
        ew_model_init(&m,
                      d->adjacency == EW_REPLACE_ONE ? EW_KIND_REPLACE
                      : d->adjacency == EW_ADD       ? EW_KIND_ADD
                                                     : EW_KIND_REMOVE,
                      d->which == 0 ? v : d->sigma, fmin(q, 1.0 - 1e-9), d->which == 2 ? floor(v) : d->n);
        ew_nodes_bind(&nd, d->ws->coarse);
        double f = NAN;
        if (ew_saddle_of_delta(&sp, &law, &nd, d->log_delta))
            f = sp.eps > 0.0 ? log(sp.eps) - want : -1.0;
        if (!isfinite(f))
            return exp(x);
        if (fabs(f) < 2e-3)
            break;
        if (sign * f > 0.0)
            b = x;
        else
            a = x;
        double slope = isfinite(xa) && xa != x ? (f - fa) / (x - xa) : sign;
        if (!(sign * slope > 0.1))
            slope = sign;
        xa = x;
        fa = f;
        x -= fmax(-3.0, fmin(3.0, f / slope));
        if (!(x > a && x < b))
            x = 0.5 * (a + b);
    }
    return exp(x);
}

/* Largest x between ok and bad that meets the target, up to tol (relative) or 1 for steps; ok < bad or ok > bad.  Both
 * ends are only presumed to be what they are called until the search needs them.  Bracketing secant in (log x, log
 * eps); *result is certified. 1: found; 0: no certificate; -1: not even `ok` meets the target. */
static int calibrate(double *result, const dial *d, double ok, double bad, double tol)
{
    double fo = NAN, fb = NAN, e, x = guess(d, fmin(ok, bad), fmax(ok, bad));
    const double want = log(d->target);
    int have_ok = 0, have_bad = 0, same = 0;
    for (int i = 0; i < 300; i++) {
        if (d->which == 2) {
            x = floor(x + 0.5);
            if (bad - ok <= 1.0)
                break;
            x = fmax(ok + 1.0, fmin(bad - 1.0, x));
        } else if (fabs(bad - ok) <= tol * fmin(ok, bad)) {
            break;
        }
        if (i >= 3 && (!have_ok || !have_bad)) /* is the root between the ends at all? */
            x = have_ok ? bad : ok;
        const int end = x == ok ? 1 : x == bad ? 2 : 0;
        if (!upper(&e, d, x))
            return 0;
        if ((end == 1 && e > d->target) || (end == 2 && e <= d->target)) {
            *result = x;
            return end == 1 ? -1 : 1;
        }
        const double f = log(e) - want;
        if (e <= d->target) {
            ok = x;
            fo = f;
            same = have_ok && same > 0 ? same + 1 : 1;
            have_ok = 1;
        } else {
            bad = x;
            fb = f;
            same = have_bad && same < 0 ? same - 1 : -1;
            have_bad = 1;
        }
        /* next: secant; then, once close, straddle the root by a third of the tolerance */
        const double lo = log(ok), lb = log(bad);
        double t = NAN;
        if (isfinite(fo) && isfinite(fb) && fo < fb)
            t = lo + (lb - lo) * fo / (fo - fb);
        else if (isfinite(f) && fabs(f) < 1.0)
            t = log(x) + f * (d->which == 0 ? 0.8 : -0.8) + (e <= d->target ? 1.0 : -1.0) * copysign(1e-3, lb - lo);
        if (isfinite(t) && fabs(f) < 1e-2 && isfinite(fo) && isfinite(fb)) {
            const double nudge = (d->which == 2 ? 0.5 / x : 0.3 * tol) * copysign(1.0, lb - lo) *
                                 (1 << (abs(same) > 8 ? 8 : abs(same) - 1));
            t += (same > 0 ? 1.0 : -1.0) * nudge; /* aim past the root, so that both ends close in */
        }
        if (!isfinite(t) || (i > 30 && i % 2) || !((t > lo && t < lb) || (t < lo && t > lb)))
            t = 0.5 * (lo + lb);
        x = exp(t);
        if (d->which == 2 && bad - ok < 1e3 && i > 30)
            x = 0.5 * (ok + bad);
    }
    *result = ok;
    return have_ok ? 1 : !upper(&e, d, ok) ? 0 : e <= d->target ? 1 : -1;
}

static ew_status calibrated(double *out, dial *d, double safe, double limit, double tol)
{
    const int found = calibrate(out, d, safe, limit, tol);
    return found > 0 ? EW_OK : found < 0 ? EW_UNREACHABLE : EW_PRECISION;
}

ew_status ew_noise_multiplier(double *out, double epsilon, double q, int64_t steps, double delta,
                              ew_adjacency adjacency, void *work)
{
    ew_status s = check(1.0, q, steps, delta, epsilon, (int)adjacency, RTOL);
    if (s == EW_OK && epsilon < 0.0)
        s = EW_BAD_EPSILON;
    if (s == EW_OK) {
        dial d = {0.0, q, (double)steps, log(delta), epsilon, adjacency, work, 0};
        s = calibrated(out, &d, SIGMA_MAX, SIGMA_MIN, 5e-10);
    }
    if (s != EW_OK)
        *out = NAN;
    return s;
}

ew_status ew_max_steps(int64_t *out, double epsilon, double sigma, double q, double delta, ew_adjacency adjacency,
                       void *work)
{
    ew_status s = check(sigma, q, 1, delta, epsilon, (int)adjacency, RTOL);
    double n = 0.0;
    if (s == EW_OK && epsilon < 0.0)
        s = EW_BAD_EPSILON;
    if (s == EW_OK) {
        dial d = {sigma, q, 0.0, log(delta), epsilon, adjacency, work, 2};
        s = calibrated(&n, &d, 1.0, STEPS_MAX, 0.0);
    }
    *out = s == EW_OK ? (int64_t)n : -1;
    return s;
}

ew_status ew_max_sampling_rate(double *out, double epsilon, double sigma, int64_t steps, double delta,
                               ew_adjacency adjacency, void *work)
{
    ew_status s = check(sigma, 1.0, steps, delta, epsilon, (int)adjacency, RTOL);
    if (s == EW_OK && epsilon < 0.0)
        s = EW_BAD_EPSILON;
    if (s == EW_OK) {
        dial d = {sigma, 0.0, (double)steps, log(delta), epsilon, adjacency, work, 1};
        s = calibrated(out, &d, Q_MIN, 1.0, 5e-10);
    }
    if (s != EW_OK)
        *out = NAN;
    return s;
}
