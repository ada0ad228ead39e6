/* closed_epsilon.c - epsilon in the cases of closed.c.
 *
 * It needs no inverse: delta and epsilon are both explicit and monotone in the threshold (a, or t for replace), which
 * is the unknown solved for, so nothing cancels at either end of the range of losses.  What was found is moved outward
 * until it is certain on which side of the target delta is.
 */
#include "closed.h"

/* eps >= 0 as a function of w (y for replace); relative error 16 u + loose u */
static double loss_of(const ew_model *m, double w, double *loose)
{
    const double q = m->q;
    *loose = 0.0;
    if (ew_closed_gaussian(m))
        return w;
    if (m->kind == EW_KIND_REMOVE) /* log1p(x) feels at most all of the relative error of x */
        return w < 600.0 ? log1p(q * expm1(w)) : w + log(q);
    if (m->kind == EW_KIND_ADD) { /* 1 - q is exact where q >= 1/2 */
        const double x = -q * expm1(-w);
        return x < 0.5 ? -log1p(-x) : -log((1.0 - q) + q * exp(-w));
    }
    const double lo = ew_closed_log_odds(m, loose), l = lo + w;
    *loose += 4.0 * w;
    return l > 600.0 ? l : log1p(exp(l) * -expm1(-2.0 * w) / (1.0 + exp(lo - w)));
}

/* What a threshold (t for replace, a otherwise) stands for: delta there, and the eps in [eps[0], eps[1]] it is the
 * delta of. */
static ew_rough point(double eps[2], const ew_model *m, double t)
{
    const double mu = ew_closed_mu(m), w = ew_closed_paired(m) ? mu * t : mu * (t + 0.5 * mu);
    /* mu within 2 u or u */
    const double by_mu = ew_closed_gaussian(m) ? 2.1 : 1.1,
                 dw = EW_U * (ew_closed_paired(m) ? 3.0 * w : 3.0 * fabs(w) + by_mu * mu * fabs(t + mu));
    double loose;
    for (int i = 0; i < 2; i++) {
        eps[i] = loss_of(m, fmax(0.0, i ? w + dw : w - dw), &loose);
        eps[i] *= 1.0 + (i ? EW_U : -EW_U) * (20.0 + loose);
    }
    const double mid = 0.5 * (eps[0] + eps[1]), d = 0.5 * (eps[1] - eps[0]), lq = log(m->q);
    if (ew_closed_paired(m))
        return ew_closed_pair(m, t, 0.0, w, dw, mid, d + EW_U * mid);
    const ew_rough g = ew_gauss(t, 0.0, mu);
    if (m->kind == EW_KIND_REMOVE || ew_closed_gaussian(m))
        return ew_times(g, lq, 2.0 * EW_U * fabs(lq));
    return ew_times(g, lq - w + mid, dw + d + EW_U * (3.0 * fabs(lq) + 2.0 * fabs(lq - w) + mid));
}

/* +1: g certainly above e^target, -1: certainly below, 0: undecided.  4 u: the target is the log of a double */
static int side(ew_rough g, double target)
{
    const double slack = EW_U * (4.0 * fabs(target) + 4.0 * fabs(g.log));
    return g.log - g.err > target + slack ? 1 : g.log + (isfinite(g.err) ? g.err : 0.0) < target - slack ? -1 : 0;
}

/* The eps of a threshold near t, on the side of dir, where it is certain on which side of the target delta is. */
static void outward(double *end, const ew_model *m, double target, double t, int dir, double start)
{
    double eps[2], in = 0.0;
    const double err = point(eps, m, t).err, mu = ew_closed_mu(m);
    double step = fmax(2.0 * EW_U * fabs(t), 0.3 * fmin(err, 1e-3) / (ew_gauss_slope(t, mu) + mu)) + 1e-60;
    for (int i = 0; i < 600; i++, in = step, step *= 2.0) {
        if (dir < 0 && !(t - step > start)) { /* eps = 0, as good as certain */
            step = t - start;
            break;
        }
        if (side(point(eps, m, t + dir * step), target) == -dir) {
            *end = eps[dir > 0];
            break;
        }
    }
    for (int i = 0; i < 8; i++) {
        const double mid = 0.5 * (in + step);
        if (side(point(eps, m, t + dir * mid), target) == -dir) {
            *end = eps[dir > 0];
            step = mid;
        } else {
            in = mid;
        }
    }
}

int ew_closed_epsilon(double out[2], const ew_model *m, double log_delta)
{
    const ew_rough zero = ew_closed_rough(m, 0.0);
    const double mu = ew_closed_mu(m), start = ew_closed_paired(m) ? 0.0 : -0.5 * mu;
    /* delta <= e^{-t^2/2}/2 there */
    double eps[2], t[2] = {start, (ew_closed_paired(m) ? mu : 0.0) + sqrt(fmax(0.0, -2.0 * log_delta))};
    out[0] = out[1] = 0.0;
    if (!ew_closed_tame(m))
        return 0;
    if (side(zero, log_delta) < 0)
        return 1;
    double f[2] = {zero.log - log_delta, point(eps, m, t[1]).log - log_delta};
    if (start < -8.0 && point(eps, m, -8.0).log > log_delta) /* spare the long way */
        f[0] = point(eps, m, t[0] = -8.0).log - log_delta;
    if (!(f[0] > 0.0 && f[1] < 0.0))
        t[1] = t[0];
    /* Illinois, some bisection */
    for (int i = 0, last = -1; i < 200 && t[1] - t[0] > 2.0 * EW_U * (fabs(t[0]) + fabs(t[1])); i++) {
        double x = i % 5 == 4 ? 0.5 * (t[0] + t[1]) : t[0] + (t[1] - t[0]) * f[0] / (f[0] - f[1]);
        if (!(x > t[0] && x < t[1]))
            x = 0.5 * (t[0] + t[1]);
        const ew_rough g = point(eps, m, x);
        const int k = g.log < log_delta;
        t[k] = x;
        f[k] = g.log - log_delta;
        if (k == last)
            f[!k] *= 0.5;
        last = k;
        if (fabs(f[k]) <= 0.1 * g.err)
            t[!k] = x;
    }
    out[1] = INFINITY; /* nothing above has to be right: outward from what was found until it is certain */
    outward(&out[0], m, log_delta, t[0], -1, start);
    outward(&out[1], m, log_delta, t[1], 1, start);
    return isfinite(out[1]);
}
