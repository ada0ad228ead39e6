/* estimate.c - the public functions of expansion.h: check the arguments, take the direction(s), calibrate. */
#include "tilt.h"

#include <math.h>

ew_status ew_estimate_check(double sigma, double q, int64_t steps, double x, int is_delta, int adjacency, int method,
                            int order)
{
    if (!(isfinite(sigma) && sigma > 0.0))
        return EW_BAD_SIGMA;
    if (!(q > 0.0 && q <= 1.0))
        return EW_BAD_Q;
    if (steps < 1)
        return EW_BAD_STEPS;
    if (is_delta && !(x > 0.0 && x < 1.0))
        return EW_BAD_DELTA;
    if (!isfinite(x))
        return EW_BAD_EPSILON;
    if (adjacency < EW_ADD_OR_REMOVE || adjacency > EW_REPLACE_ONE)
        return EW_BAD_ADJACENCY;
    if (method < EW_EDGEWORTH || method > EW_GDP)
        return EW_BAD_METHOD;
    if (order < 0 || order > EW_ORDER_MAX)
        return EW_BAD_ORDER;
    return sigma < 0.1 || sigma > 1e4 || q < 1e-12 || (double)steps > 1e13 || (is_delta && x < 1e-300) ? EW_PRECISION
                                                                                                       : EW_OK;
}

static int kind_of(ew_adjacency adjacency, double q)
{
    return adjacency == EW_REPLACE_ONE      ? EW_KIND_REPLACE
           : adjacency == EW_ADD && q < 1.0 ? EW_KIND_ADD
                                            : EW_KIND_REMOVE;
}

ew_status ew_cumulants(double *out, double sigma, double q, ew_adjacency adjacency, double tilt, int order, void *work)
{
    double kappa[EW_CUMULANTS_MAX + 1], err[EW_CUMULANTS_MAX + 1];
    ew_status s = ew_estimate_check(sigma, q, 1, 0.0, 0, (int)adjacency, EW_GDP, 0);
    if (s == EW_OK && adjacency == EW_ADD_OR_REMOVE)
        s = EW_BAD_ADJACENCY;
    if (order < 1 || order > EW_CUMULANTS_MAX)
        return EW_BAD_ORDER;
    if (s == EW_OK && !(fabs(tilt) <= 1e6))
        s = EW_BAD_TILT;
    if (s == EW_OK) {
        ew_model m;
        ew_model_init(&m, kind_of(adjacency, q), sigma, q, 1.0);
        int good = ew_cumulants_double(kappa, err, &m, tilt, order, work);
        const int odd_vanish = m.kind == EW_KIND_REPLACE && tilt == -0.5; /* K(-1-z) = K(z) */
        for (int k = 1; k <= order && good; k++)
            good = (odd_vanish && k % 2) || err[k] <= 9e-13 * fabs(kappa[k]);
        if (!good && !ew_cumulants_wide(kappa, &m, tilt, order, odd_vanish, work))
            s = EW_PRECISION;
        for (int k = 1; k <= order; k++)
            out[k - 1] = odd_vanish && k % 2 ? 0.0 : kappa[k];
    }
    for (int k = 0; s != EW_OK && k < order; k++)
        out[k] = NAN;
    return s;
}

static ew_status one_epsilon(double *out, const ew_model *m, double delta, ew_method method, int order, ew_scratch *ws)
{
    ew_aea e;
    switch (method) {
    case EW_EDGEWORTH:
        return ew_aea_init(&e, m, order, ws) ? ew_aea_epsilon(out, &e, delta) : EW_PRECISION;
    case EW_TILTED:
        return ew_tilted_epsilon(out, m, delta, order, ws);
    case EW_RDP:
        return ew_rdp_epsilon(out, m, delta, ws) ? EW_OK : EW_PRECISION;
    default:
        return ew_gdp_epsilon(out, m, delta) ? EW_OK : EW_PRECISION;
    }
}

static ew_status one_delta(double *out, const ew_model *m, double eps, ew_method method, int order, ew_scratch *ws)
{
    int ok = 0;
    if (method == EW_EDGEWORTH) {
        ew_aea e;
        ok = ew_aea_init(&e, m, order, ws);
        *out = ok ? ew_aea_delta(&e, eps) : NAN;
    } else if (method == EW_TILTED) {
        ew_tilted t;
        ok = ew_tilted_at(&t, m, eps, order, ws);
        *out = t.delta;
    } else if (method == EW_RDP) {
        ok = ew_rdp_delta(out, m, eps, ws);
    } else {
        ok = ew_gdp_delta(out, m, eps);
    }
    return !ok ? EW_PRECISION : *out >= 0.0 && *out <= 1.0 ? EW_OK : EW_NO_ROOT;
}

/* The direction(s) of the relation.  EW_ADD_OR_REMOVE: bounds take the larger of both.  An expansion takes the one that
 * dominates in DP-SGD, `remove` for eps >= 0 (so do the papers) and hence, by parity, `add` below: the maximum of two
 * estimates would be ruled by the worse. */
static ew_status directed(double *out, double sigma, double q, double n, double x, int of_delta, ew_adjacency adjacency,
                          ew_method method, int order, ew_scratch *ws)
{
    const int both = adjacency == EW_ADD_OR_REMOVE && method == EW_RDP && q < 1.0, first = kind_of(adjacency, q);
    ew_status s = EW_OK;
    for (int way = 0; way <= both && s == EW_OK; way++) {
        ew_model m;
        double one;
        const int below = adjacency == EW_ADD_OR_REMOVE && !of_delta && x < 0.0 && q < 1.0;
        ew_model_init(&m, way || (below && !both) ? EW_KIND_ADD : first, sigma, q, n);
        s = of_delta ? one_epsilon(&one, &m, x, method, order, ws) : one_delta(&one, &m, x, method, order, ws);
        *out = way ? fmax(*out, one) : one;
    }
    return s;
}

ew_status ew_estimate_epsilon(double *out, double sigma, double q, int64_t steps, double delta, ew_adjacency adjacency,
                              ew_method method, int order, void *work)
{
    ew_status s = ew_estimate_check(sigma, q, steps, delta, 1, (int)adjacency, (int)method, order);
    if (s == EW_OK)
        s = directed(out, sigma, q, (double)steps, delta, 1, adjacency, method, order, work);
    if (s != EW_OK)
        *out = NAN;
    return s;
}

ew_status ew_estimate_delta(double *out, double sigma, double q, int64_t steps, double epsilon, ew_adjacency adjacency,
                            ew_method method, int order, void *work)
{
    ew_status s = ew_estimate_check(sigma, q, steps, epsilon, 0, (int)adjacency, (int)method, order);
    if (s == EW_OK)
        s = directed(out, sigma, q, (double)steps, epsilon, 0, adjacency, method, order, work);
    if (s != EW_OK)
        *out = NAN;
    return s;
}

/* The crossing nearest to the certified noise multiplier: outward from there to a change of side, then secants on log
 * eps in the bracket. */
ew_status ew_estimate_noise_multiplier(double *out, double epsilon, double q, int64_t steps, double delta,
                                       ew_adjacency adjacency, ew_method method, int order, void *work)
{
    ew_status s = ew_estimate_check(1.0, q, steps, delta, 1, (int)adjacency, (int)method, order);
    double ends[2] = {NAN, NAN}, values[2] = {NAN, NAN}, sigma = 1.0, e; /* too little noise, enough of it */
    if (s == EW_OK && !(isfinite(epsilon) && epsilon >= 0.0))
        s = EW_BAD_EPSILON;
    if (s == EW_OK)
        s = ew_noise_multiplier(&sigma, epsilon, q, steps, delta, adjacency, work);
    double x = log(sigma), step = 0.02;
    for (int i = 0; s == EW_OK && i < 100 && !(ends[1] - ends[0] < 3e-10); i++) {
        s = directed(&e, exp(x), q, (double)steps, delta, 1, adjacency, method, order, work);
        const int enough = e <= epsilon, last = enough && !(x > log(0.1));
        ends[enough] = x;
        values[enough] = log(e / epsilon);
        if (last)
            break;
        if (isnan(ends[!enough])) {
            if (!enough && !(x < log(1e4)))
                s = s == EW_OK ? EW_UNREACHABLE : s;
            x = fmin(log(1e4), fmax(log(0.1), enough ? x - step : x + step));
            step *= 2.0;
            continue;
        }
        const double gap = ends[1] - ends[0], share = values[0] / (values[0] - values[1]);
        x = ends[0] + gap * (isfinite(share) && i % 3 ? fmin(1.0 - 1e-10 / gap, fmax(1e-10 / gap, share)) : 0.5);
    }
    *out = s == EW_OK ? exp(ends[1]) : NAN;
    return s;
}

ew_status ew_renyi(double *out, double sigma, double q, double order, ew_adjacency adjacency, void *work)
{
    ew_status s = ew_estimate_check(sigma, q, 1, 0.0, 0, (int)adjacency, EW_RDP, 0);
    if (s == EW_OK && !(order > 1.0 && order <= 1e6))
        s = EW_BAD_ORDER;
    *out = NAN;
    for (int way = 0; s == EW_OK && way <= (adjacency == EW_ADD_OR_REMOVE && q < 1.0); way++) {
        ew_model m;
        double k;
        ew_model_init(&m, way ? EW_KIND_ADD : kind_of(adjacency, q), sigma, q, 1.0);
        if (!ew_renyi_k(&k, &m, order - 1.0, work))
            s = EW_PRECISION;
        *out = fmax(way ? *out : 0.0, k / (order - 1.0));
    }
    if (s != EW_OK)
        *out = NAN;
    return s;
}

ew_status ew_gdp(double *out, double sigma, double q, int64_t steps, ew_adjacency adjacency)
{
    const ew_status s = ew_estimate_check(sigma, q, steps, 0.0, 0, (int)adjacency, EW_GDP, 0);
    ew_model m;
    ew_model_init(&m, kind_of(adjacency, q), sigma, q, (double)steps);
    *out = s == EW_OK ? ew_gdp_mu(&m) : NAN;
    return s;
}
