/* renyi.c - bounds by Renyi divergences, and the Gaussian limit.
 *
 * RDP      The Renyi divergence of order a = 1 + c is K(c)/c for one step, n K(c)/c for n.  For any one order a
 *              eps = n K(c)/c + log(c/(1+c)) - (log delta + log(1+c))/c
 *          is safe: C. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for Differential Privacy", NeurIPS 2020,
 *          proposition 12; B. Balle et al., "Hypothesis Testing Interpretations and Renyi Differential Privacy",
 *          AISTATS 2020, theorem 21. It is Chernoff's inequality with the best constant: delta <= e^{n K(c) - c eps}
 *          c^c/(1+c)^{1+c}.  S. Asoodeh, J. Liao, F. Calmon, O. Kosut, L. Sankar, "Three Variants of Differential
 *          Privacy", IEEE JSAIT 2021, keep one more term, of relative size e^{-c eps}/(delta (1+c) e): nothing at the
 *          deltas in use.
 * Order    d eps/dc = 0 is  n (c K' - K) + log(1+c) = -log delta, whose left side grows with c: one root.  Any c is
 *          safe, so the root needs no care.
 * Rounding K is good to 1e-13 of itself (all its terms have one sign); 1e-12 of every term is added on top.
 * GDP      n steps tend to the Gaussian mechanism of mu^2 = n chi^2(P, Q): J. Dong, A. Roth, W. J. Su, "Gaussian
 *          Differential Privacy", JRSS B 2022, section 5.  mu = q sqrt(n (e^{1/s^2} - 1)), replace: q sqrt(2 n
 *          (e^{1/s^2} - e^{-1/s^2})).
 */
#include "rooms.h"
#include "tilt.h"

#include <math.h>

/* K(c), K'(c), K''(c) */
static int k_of(double k[3], const ew_model *m, ew_sheet *sheet, double c, ew_scratch *ws)
{
    if (m->q == 1.0) {
        const double mu2 = (m->kind == EW_KIND_REPLACE ? 4.0 : 1.0) / (m->s * m->s);
        k[0] = 0.5 * c * (c + 1.0) * mu2;
        k[1] = (c + 0.5) * mu2;
        k[2] = mu2;
        return 1;
    }
    if (!ew_sheet_cover(sheet, m, c, 2, ws))
        return 0;
    k[0] = ew_sheet_k(sheet, c);
    ew_sheet_slopes(k + 1, sheet, c, 0.0);
    return isfinite(k[0]);
}

int ew_renyi_k(double *k, const ew_model *m, double c, ew_scratch *ws)
{
    ew_sheet sheet = {.count = 0};
    double all[3];
    const int ok = k_of(all, m, &sheet, c, ws);
    *k = all[0];
    return ok;
}

/* The best c, and K there: g increases with x = log c.  target = -log delta (of_delta) or eps. */
static int best_order(double *c, double *k, const ew_model *m, double target, int of_delta, ew_scratch *ws)
{
    ew_sheet sheet = {.count = 0};
    const double n = m->n;
    double lo = -INFINITY, hi = INFINITY, x = log(of_delta ? fmax(0.1, sqrt(2.0 * target / n) * m->s / m->q) : 2.0),
           best = INFINITY;
    x = fmin(x, 3.0);
    for (int i = 0; i < 100 && x > -60.0 && x < 60.0; i++) {
        const double here = exp(x);
        double v[3], next;
        if (!k_of(v, m, &sheet, here, ws)) { /* too far out */
            hi = x;
            next = isfinite(lo) ? 0.5 * (lo + hi) : x - 1.0;
        } else {
            const double kernel = ew_log_kernel(here),
                         value = of_delta ? (n * v[0] + kernel + target) / here : n * v[0] - here * target + kernel;
            const double g = of_delta ? n * (here * v[1] - v[0]) + log1p(here) - target
                                      : n * v[1] + log(here) - log1p(here) - target;
            const double dg =
                of_delta ? here * (n * here * v[2] + 1.0 / (1.0 + here)) : here * n * v[2] + 1.0 / (1.0 + here);
            if (value < best) {
                best = value;
                *c = here;
                *k = v[0];
            }
            *(g > 0.0 ? &hi : &lo) = x;
            next = x - fmax(-1.0, fmin(1.0, g / dg));
            if (!(next > lo && next < hi))
                next = 0.5 * (lo + hi);
        }
        if (fabs(next - x) < 1e-7 || (isfinite(lo) && hi - lo < 1e-7))
            break;
        x = next;
    }
    return best < INFINITY;
}

int ew_rdp_epsilon(double *out, const ew_model *m, double delta, ew_scratch *ws)
{
    double c, k;
    if (!best_order(&c, &k, m, -log(delta), 1, ws))
        return 0;
    const double a = m->n * k, b = c * (log(c) - log1p(c)), d = -log(delta), e = -log1p(c);
    *out = fmax(0.0, (a + b + d + e) / c + 1e-12 * (fabs(a) + fabs(b) + d + fabs(e)) / c);
    return 1;
}

int ew_rdp_delta(double *out, const ew_model *m, double eps, ew_scratch *ws)
{
    double c, k;
    if (!best_order(&c, &k, m, eps, 0, ws))
        return 0;
    const double a = m->n * k, b = ew_log_kernel(c);
    *out = fmin(1.0, exp(a - c * eps + b + 1e-12 * (fabs(a) + fabs(c * eps) + fabs(b))) * (1.0 + 1e-14));
    return 1;
}

double ew_gdp_mu(const ew_model *m)
{
    const double v = 1.0 / (m->s * m->s);
    if (m->kind == EW_KIND_REPLACE)
        return m->q == 1.0 ? 2.0 * sqrt(m->n) / m->s : m->q * sqrt(2.0 * m->n * (expm1(v) - expm1(-v)));
    return m->q == 1.0 ? sqrt(m->n) / m->s : m->q * sqrt(m->n * expm1(v));
}

static int limit(ew_model *g, const ew_model *m)
{
    const double mu = ew_gdp_mu(m);
    if (!(mu > 1e-12 && mu < 1e4))
        return 0;
    ew_model_init(g, EW_KIND_REMOVE, 1.0 / mu, 1.0, 1.0);
    return 1;
}

int ew_gdp_epsilon(double *out, const ew_model *m, double delta)
{
    ew_model g;
    double ends[2];
    if (!limit(&g, m) || !ew_closed_epsilon(ends, &g, log(delta)))
        return 0;
    *out = ends[1];
    return 1;
}

int ew_gdp_delta(double *out, const ew_model *m, double eps)
{
    ew_model g;
    double ends[2];
    if (!limit(&g, m) || !ew_closed_delta(ends, &g, eps))
        return 0;
    *out = ends[1];
    return 1;
}
