/* aea.c - the Edgeworth estimate of delta and epsilon (AEA), one direction.
 *
 * Formula  delta ~ 1 - F_P(eps) - e^eps (1 - F_Q(eps)), both distribution functions expanded: F_P from the cumulants at
 *          tilt 0, F_Q from those at tilt -1, for e^{-Y} dP = dQ.
 * Root     The right side need not decrease in eps, nor stay in [0, 1].  Epsilon is its largest crossing of delta from
 *          above, seen on a grid of a tenth of the smaller standard deviation; 0 where it stays in [0, delta] or below
 *          from eps = 0 on, having started in [0, delta].
 * Source   H. Wang, S. Gao, H. Zhang, M. Shen, W. J. Su, "Analytical Composition of Differential Privacy via the
 *          Edgeworth Accountant", 2022, arXiv:2206.04236; R. Behnia et al., "EW-Tune", 2022, arXiv:2210.15042.
 */
#include "special.h"
#include "tilt.h"

#include <math.h>

/* e^w P(standardised sum > x) by the expansion */
static double tail(const ew_series *s, double x, double w)
{
    double he = x, below = 1.0, sum = 0.0; /* He_1, He_0 */
    for (int k = 2; k < s->top; k++) {
        const double next = x * he - (k - 1) * below;
        below = he;
        he = next;
        sum += s->a[k + 1] * he;
    }
    return exp(w + ew_log_ndtr(-x)) + exp(w - 0.5 * x * x - 0.5 * EW_LOG_2PI) * sum;
}

int ew_aea_init(ew_aea *e, const ew_model *m, int order, ew_scratch *ws)
{
    double kappa[EW_CUMULANTS_MAX + 1], err[EW_CUMULANTS_MAX + 1];
    for (int i = 0; i < 2; i++) {
        if (!ew_cumulants_double(kappa, err, m, i ? -1.0 : 0.0, order + 2, ws))
            return 0;
        ew_series_init(i ? &e->second : &e->first, kappa, m->n, order);
    }
    return isfinite(e->first.sd) && isfinite(e->second.sd) && e->first.sd > 0.0 && e->second.sd > 0.0;
}

double ew_aea_delta(const ew_aea *e, double eps)
{
    return tail(&e->first, (eps - e->first.mean) / e->first.sd, 0.0) -
           tail(&e->second, (eps - e->second.mean) / e->second.sd, eps);
}

ew_status ew_aea_epsilon(double *out, const ew_aea *e, double delta)
{
    const double v = e->second.sd * e->second.sd, m = e->second.mean, d0 = 0.1 * fmin(e->first.sd, e->second.sd);
    const double high = fmax(e->first.mean + 40.0 * e->first.sd, m + v + sqrt(fmax(0.0, v * (v + 2.0 * (m + 800.0)))));
    const double d = fmax(d0, high / 50000.0);
    double hi = fmax(high, d), lo = hi, f_hi = ew_aea_delta(e, hi) - delta, f_lo = f_hi;
    if (!(f_hi < 0.0))
        return EW_PRECISION;
    while (f_lo < 0.0) {
        hi = lo;
        f_hi = f_lo;
        if (lo == 0.0) {
            if (!(f_lo + delta >= 0.0))
                return EW_NO_ROOT;
            *out = 0.0;
            return EW_OK;
        }
        lo = fmax(0.0, lo - d);
        f_lo = ew_aea_delta(e, lo) - delta;
        if (isnan(f_lo))
            return EW_PRECISION;
    }
    for (int i = 0, last = 0; i < 200 && hi - lo > 2.0 * EW_U * hi; i++) { /* Illinois, some bisection */
        double x = i % 4 == 3 ? 0.5 * (lo + hi) : lo + (hi - lo) * f_lo / (f_lo - f_hi);
        if (!(x > lo && x < hi))
            x = 0.5 * (lo + hi);
        const double f = ew_aea_delta(e, x) - delta;
        if (f < 0.0) {
            hi = x;
            f_hi = f;
            f_lo *= last < 0 ? 0.5 : 1.0;
            last = -1;
        } else {
            lo = x;
            f_lo = f;
            f_hi *= last > 0 ? 0.5 : 1.0;
            last = 1;
        }
    }
    *out = hi;
    return EW_OK;
}
