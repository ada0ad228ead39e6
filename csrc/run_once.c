/* run_once.c - a single mechanism, once, which needs no transform.
 *
 * Once     atoms: delta(eps) = sum p_k (1 - e^{eps - l_k})_+;  Laplace, a = 1/scale: 1 - e^{(eps - a)/2} for |eps| <=
 *          a; mixture, whose loss grows: P(x > t) - e^eps Q(x > t) where the loss at t is eps, which is also the
 *          largest over all t: any t gives a lower bound, and t1 <= t <= t2 the upper bound P(x > t1) - e^eps Q(x >
 *          t2).
 */
#include "compose.h"
#include "special.h"

#include <math.h>

int ew_once_applies(const ew_run *run)
{
    if (run->mu2 > 0.0 || run->parts != 1 || run->part[0].n != 1.0)
        return 0;
    return 1;
}

/* sum of weights times P(N(centre, s^2) > s u), lower and upper */
static void above(double out[2], const ew_atom *a, int count, double s, double u)
{
    out[0] = out[1] = 0.0;
    for (int i = 0; i < count; i++) {
        const double x = a[i].at / s - u, l = ew_log_ndtr(x), p = a[i].weight * exp(l);
        /* x is off by 2 units of its parts, and d log ndtr(x)/dx <= 1 + |x| below 0, <= 1 above; p may be 0, and an
         * infinite error times 0 is no number */
        const double slope = 1.0 + fabs(fmin(x, 0.0)), parts = fabs(u) + fabs(a[i].at / s);
        const double err = fmin(1e300, EW_U * (16.0 + 10.0 * fabs(l) + 4.0 * parts * slope));
        out[0] += p * (1.0 - err);
        out[1] += p * (1.0 + err);
    }
}

static void mixture_once(double out[2], const ew_layer *ly, double eps)
{
    double lo = -4.0, hi = 4.0, p[2], q[2];
    const double room = 1e-14 * (1.0 + fabs(eps)); /* rounding of the loss */
    while (lo > -1e3 && ew_mixture_loss(ly, lo) > eps - room)
        lo *= 2.0;
    while (hi < 1e3 && ew_mixture_loss(ly, hi) < eps + room)
        hi *= 2.0;
    /* the largest place known to have a loss <= eps, then the least one known to have a loss >= eps */
    for (int side = 0; side < 2; side++) {
        double a = lo, b = hi;
        for (int i = 0; i < 80 && b - a > 2.0 * EW_U * fmax(1.0, fabs(a)); i++) {
            const double u = 0.5 * (a + b);
            if (side ? ew_mixture_loss(ly, u) < eps + room : ew_mixture_loss(ly, u) <= eps - room)
                a = u;
            else
                b = u;
        }
        if (side)
            hi = b;
        else
            lo = a;
    }
    const double e = exp(eps) * (1.0 - EW_U * (2.0 + 2.0 * fabs(eps))),
                 grown = exp(eps) * (1.0 + EW_U * (2.0 + 2.0 * fabs(eps)));
    above(p, ly->first, ly->p, ly->scale, lo);
    above(q, ly->first + ly->p, ly->q, ly->scale, hi);
    out[1] = fmax(0.0, hi < 1e3 ? p[1] - (eps < 709.0 ? e * q[0] : 0.0) : p[1]);
    above(q, ly->first + ly->p, ly->q, ly->scale, lo);
    out[0] = eps < 709.0 ? fmax(0.0, p[0] - grown * q[1]) : 0.0;
}

/* delta(eps) of one mechanism, eps >= 0, lower and upper. */
void ew_once_delta(double out[2], const ew_run *run, double eps)
{
    double sum = 0.0, err = 0.0;
    for (int j = 0; j < run->part[0].layers; j++) {
        const ew_layer *ly = &run->part[0].layer[j];
        if (ly->kind == EW_MIXTURE) {
            double now[2];
            mixture_once(now, ly, eps);
            sum += ly->share * 0.5 * (now[0] + now[1]);
            err += ly->share * (0.5 * (now[1] - now[0]) + EW_U * 4.0 * now[1]);
        }
        if (ly->kind == EW_LAPLACE) {
            const double a = 1.0 / ly->scale, x = 0.5 * fmin(0.0, eps - a);
            sum += ly->share * -expm1(x);
            err += ly->share * EW_U * 8.0 * (-expm1(x) + a + fabs(eps));
        }
        for (int k = 0; ly->kind == EW_ATOMS && k < ly->p; k++) {
            const double l = ly->first[k].at, room = 4.0 * EW_U * (fabs(l) + fabs(eps));
            if (l + room > eps) {
                const double x = ly->share * ly->first[k].weight, p = x * -expm1(fmin(0.0, eps - l));
                sum += p;
                err += x * room + p * EW_U * (16.0 + ly->p + 4.0 * fabs(fmax(-745.0, log(ly->first[k].weight))));
            }
        }
    }
    out[0] = fmax(0.0, ew_down(sum - err));
    out[1] = ew_up(sum + err);
}

/* Bisection for each end: the largest eps with lower >= target, the least with upper <= target. */
void ew_once_epsilon(double out[2], const ew_run *run, const double log_target[2])
{
    const double most = ew_run_most(run), high = exp(log_target[1]) * (1.0 + EW_U * (4.0 + 2.0 * fabs(log_target[1])));
    const double low = exp(log_target[0]) * (1.0 - EW_U * (4.0 + 2.0 * fabs(log_target[0])));
    for (int side = 0; side < 2; side++) {
        double a = 0.0, b = 1.0, now[2]; /* delta(a) > target >= delta(b), as far as the bounds tell */
        ew_once_delta(now, run, 0.0);
        if (side && now[1] <= low) {
            out[1] = 0.0;
            continue;
        }
        for (ew_once_delta(now, run, b); b < most && b < 1e6 && (side ? now[1] > low : now[0] >= high);
             ew_once_delta(now, run, b))
            b *= 2.0;
        if (side && b >= 1e6)
            continue;
        b = fmin(b, fmax(0.0, most));
        for (int i = 0; i < 200 && b - a > 2.0 * EW_U * b; i++) {
            const double middle = 0.5 * (a + b);
            ew_once_delta(now, run, middle);
            if (side ? now[1] > low : now[0] >= high)
                a = middle;
            else
                b = middle;
        }
        if (side)
            out[1] = fmin(out[1], b);
        else
            out[0] = fmax(out[0], a);
    }
}
