/* tilted_bounds.c - the tilted expansion with its remainder: certified bounds, one direction.
 *
 * Formula  delta = base + e^{n K(c) - c eps} (1/2 pi) int f(t)/(z (1+z)) dt, z = c + it, for every real c other than 0
 *          and -1, f the characteristic function of S_n - eps under tilt c; base = 0, 1, 1 - e^eps for c > 0, -1 < c <
 *          0, c < -1 (the residues). The expansion is the same integral of g (csrc/README.md), whatever its
 *          coefficients are, so
 *              |delta - expansion| <= e^{n K(c) - c eps} (1/2 pi) int |f - g|/(|z| |1+z|) dt.
 * Bound    Cauchy and Schwarz with the weight w = 1/(1 + x^2/W^2) of remainder.c, x = S t:
 *              int |f - g|/(|z||1+z|) dt <= sqrt(N/S) sqrt(V),   V = int (1 + S^2 t^2/W^2)/(|z|^2 |1+z|^2) dt
 *                                                          = pi/(a + b) (1/(a b) + S^2/W^2),  a = |c|, b = |1+c|.
 * Rounding n K(c) to 1e-13 of itself, the sum over the half-line integrals to 1e-12 of its terms (tilted.c).
 */
#include "remainder.h"

#include <math.h>

/* half = bound of |delta - t->delta| */
static int enclose(double *half, ew_tilted *t, const ew_model *m, double eps, int order, ew_scratch *ws)
{
    ew_distance d;
    if (!ew_tilted_at(t, m, eps, order, ws))
        return 0;
    t->series.mean = eps; /* what the expansion is centred at, its mean but for rounding */
    if (!ew_distance_of(&d, m, t->c, &t->series, EW_LORENTZ, ws))
        return 0;
    const double a = fabs(t->c), b = fabs(1.0 + t->c), S = t->series.sd, W = EW_LORENTZ_WIDTH;
    const double V = EW_PI / (a + b) * (1.0 / (a * b) + S * S / (W * W)), rest = sqrt(d.square / S * V) / (2.0 * EW_PI);
    const double scale = exp(t->log_scale), nk = t->log_scale + t->c * eps;
    const double cancel = t->c < 0.0 ? (a + 1.0) / b : 1.0; /* terms of both signs in K */
    const double loose =
        1e-13 * (cancel * fabs(nk) + (ew_sheet_near(m, t->c) ? 0.0 : m->n)) + 1e-15 * fabs(t->c * eps) + 1e-12;
    *half = scale * rest * (1.0 + 1e-6) + 2.0 * loose * (scale * t->terms + scale * rest) + 1e-15 * fabs(t->base);
    return isfinite(*half);
}

/* The two ends from the expansion; the trivial ones where it has none. */
static void ends(double out[2], ew_tilted *t, const ew_model *m, double eps, int order, ew_scratch *ws)
{
    double half;
    const double least = fmax(0.0, -expm1(eps));
    out[0] = least > 0.0 ? ew_down(least) : 0.0;
    out[1] = 1.0;
    if (enclose(&half, t, m, eps, order, ws)) {
        out[0] = fmax(out[0], ew_down(t->delta - half));
        out[1] = fmin(1.0, ew_up(t->delta + half));
    }
}

void ew_tilted_bounds_delta(double out[2], const ew_model *m, double eps, int order, ew_scratch *ws)
{
    ew_tilted t;
    ends(out, &t, m, eps, order, ws);
}

/* Any eps with a certain delta is a valid end: as far from the estimate as the remainder there asks for, then farther.
 * */
void ew_tilted_bounds_epsilon(double out[2], const ew_model *m, double delta, int order, ew_scratch *ws)
{
    ew_tilted t = {.slope = 0.0};
    double middle, b[2];
    out[0] = 0.0;
    out[1] = INFINITY;
    ends(b, &t, m, 0.0, order, ws);
    if (b[1] <= delta) {
        out[1] = 0.0;
        return;
    }
    if (ew_tilted_epsilon(&middle, m, delta, order, ws) != EW_OK)
        return;
    ends(b, &t, m, middle, order, ws);
    if (!(t.slope > 0.0) || (b[0] == 0.0 && b[1] == 1.0))
        return;
    for (int above = 0; above < 2; above++) {
        double step = 1.05 * fabs(above ? b[1] - delta : delta - b[0]) / t.slope + 1e-14 * middle;
        for (int i = 0; i < 16; i++, step *= i < 6 ? 1.2 : 2.0) {
            ew_tilted there;
            double e[2];
            const double eps = above ? middle + step : middle - step;
            if (eps <= 0.0 || eps > 1e300)
                break;
            ends(e, &there, m, eps, order, ws);
            if (above ? e[1] <= delta : e[0] >= delta) {
                out[above] = above ? ew_up(eps) : ew_down(eps);
                break;
            }
        }
    }
}
