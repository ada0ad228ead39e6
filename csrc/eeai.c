/* eeai.c - the finite-sample Edgeworth interval (EEAI), one direction.
 *
 * Formula  Prawitz's smoothing inequality: for every T > 0 and t0 in (0, 1], sup_x |F - G| <= Omega1 + Omega2 + Omega3,
 *              Omega1 = 2 int_0^t0 |Psi(t) - i/(2 pi t)| |g(T t)| dt + (1/pi) int_t0^inf |g(T t)|/t dt,
 *              Omega2 = 2 int_t0^1 |Psi(t)| |f(T t)| dt,      Omega3 = 2 int_0^t0 |Psi(t)| |f(T t) - g(T t)| dt,
 *              Psi(t) = (1/2) (1 - |t| + i [(1-|t|) cot(pi t) + sign(t)/pi]),
 *          f and g the characteristic functions of F and of its expansion G, here with t0 = 1 (Omega2 = 0): f is known,
 *          and nothing is gained by leaving g out.  Both laws, so
 *              |delta - AEA| <= B_P + e^eps B_Q.
 * Bound    Psi - i/(2 pi t) = (1/2) (1-t) (1 + i [cot(pi t) - 1/(pi t)]) has modulus at most 1/2, so
 *              Omega1 <= (1/T) int_0^inf |g| dx + (1/pi) int_T^inf |g|/x dx.
 *          2 t |Psi(t)| <= (1/pi) sqrt(1 + pi^2 t^2 (1-t)^2), since |t (1-t) cot(pi t) + t/pi| <= 1/pi; with X the end
 *          of remainder.c,
 *              Omega3 <= (1/pi) sqrt(1 + pi^2 X^2/T^2) sqrt(X N/2)
 *                        + (1.28/pi) [sup_{x > X} |f| log(T/X) + int_X^inf |g|/x dx],
 *          N = int |f - g|^2/x^2 over both half lines (Cauchy and Schwarz on [0, X]; it costs a factor below 2).
 * T        Any T is valid; the best balances int |g|/T against the tail of f and is huge, as f falls fast.
 * Source   H. Prawitz, "Limits for a distribution, if the characteristic function is given in a finite domain", Skand.
 *          Aktuarietidskr. 1972; H. Wang et al., arXiv:2206.04236.
 */
#include "remainder.h"

#include <math.h>

/* sup_x |F - G| of the sum under tilt c; above 1 it says nothing */
static double uniform(double *density, const ew_model *m, double c, const ew_series *s, ew_scratch *ws)
{
    ew_distance d;
    if (!ew_distance_of(&d, m, c, s, EW_INVERSE_SQUARE, ws))
        return INFINITY;
    double area = 0.0; /* int_0^inf |g| <= sum |a_k| 2^{(k-1)/2} Gamma((k+1)/2) */
    for (int k = 0; k <= s->top; k++)
        area += fabs(s->a[k]) * exp(0.5 * (k - 1) * log(2.0) + lgamma(0.5 * (k + 1)));
    *density = area; /* (1/2 pi) int |g| is less */
    const double X = d.end, T = fmin(1e15, fmax(2.0 * X, area * EW_PI / (1.28 * d.beyond + 1e-300)));
    /* beyond X |g| <= e^{-x^2/2} P(x), x^2 > degree + 1: int |g|/x <= e^{-X^2/2} P(X)/(X^2 - degree) */
    const double tail = exp(-0.5 * X * X) * ew_series_size(s, X) / (X * X - s->top);
    const double one = area / T + tail / EW_PI, ratio = EW_PI * X / T;
    const double three =
        sqrt(1.0 + ratio * ratio) * sqrt(0.5 * X * d.square) / EW_PI + 1.28 / EW_PI * (d.beyond * log(T / X) + tail);
    return (one + three) * (1.0 + 1e-9);
}

int ew_eeai_init(ew_eeai *e, const ew_model *m, int order, ew_scratch *ws)
{
    if (!ew_aea_init(&e->aea, m, order, ws))
        return 0;
    e->density[0] = e->density[1] = 1.0;
    e->first = uniform(&e->density[0], m, 0.0, &e->aea.first, ws);
    e->second = uniform(&e->density[1], m, -1.0, &e->aea.second, ws);
    return e->first < 1.0 && e->second < 1.0;
}

void ew_eeai_delta(double out[2], const ew_eeai *e, double eps)
{
    const ew_series *p = &e->aea.first, *q = &e->aea.second;
    /* rounding: of x = (eps - mean)/sd, times a bound of the density, and of the sums */
    const double round_p = 1e-12 + 1e-15 * (fabs(eps) + fabs(p->mean)) / p->sd * e->density[0];
    const double round_q = 1e-12 + 1e-15 * (fabs(eps) + fabs(q->mean)) / q->sd * e->density[1];
    const double least = fmax(0.0, -expm1(eps)), grow = exp(eps), v = ew_aea_delta(&e->aea, eps);
    const double wide = e->first + round_p + grow * (e->second + round_q);
    out[0] = least > 0.0 ? ew_down(least) : 0.0;
    out[1] = 1.0;
    if (wide < 2.0 && isfinite(v)) {
        out[0] = fmax(out[0], ew_down(v - wide));
        out[1] = fmin(1.0, ew_up(v + wide));
    }
}

/* 1: certainly delta(eps) <= delta (above) or >= delta (below) */
static int certain(const ew_eeai *e, double eps, double delta, int above)
{
    double b[2];
    ew_eeai_delta(b, e, eps);
    return above ? b[1] <= delta : b[0] >= delta;
}

/* Any point that is certain is a valid end: from the grid, then halved towards the other side. */
void ew_eeai_epsilon(double out[2], const ew_eeai *e, double delta)
{
    const double most = log(2.0 / e->second), d = 0.05 * fmin(e->aea.first.sd, e->aea.second.sd),
                 step = fmax(d, most / 20000.0);
    out[0] = 0.0;
    out[1] = INFINITY;
    for (int above = 0; above < 2; above++) {
        double in = NAN, miss = NAN;
        for (int i = 0; i * step < fmax(most, step) && !(above && in >= 0.0); i++) {
            if (certain(e, i * step, delta, above))
                in = i * step;
            else if (above || isfinite(in))
                miss = above || !(miss > in) ? i * step : miss;
        }
        if (isnan(in))
            continue;
        for (int i = 0; i < 60 && isfinite(miss) && (above ? miss < in : miss > in); i++) {
            const double mid = 0.5 * (in + miss);
            *(certain(e, mid, delta, above) ? &in : &miss) = mid;
        }
        out[above] = in;
    }
}
