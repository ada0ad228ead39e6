/* tilted.c - Edgeworth expansion under the tilted law: delta of one direction, to a small relative error even where
 * delta is tiny.
 *
 * Formula  Tilt so that the mean is eps: n K'(c) = eps.  With S_n = eps + S x, S^2 = n K''(c), and a_k the coefficients
 *          at tilt c,
 *              delta = E[(1 - e^{eps - S_n})_+] = e^{n K(c) - c eps} int_0^inf (e^{-c S x} - e^{-(c+1) S x}) f_c(x) dx,
 *              delta ~ e^{n K(c) - c eps} sum_k a_k [I_k(c S) - I_k((c+1) S)],    I_k(u) = int_0^inf e^{-u x} He_k(x)
 *              phi(x) dx.
 *          Where c < 0 the integrals are taken over the other half line, so that every u is >= 0 (csrc/README.md):
 *              -1 < c < 0:  delta = 1 - e^{..} sum a_k [(-1)^k I_k(-c S) + I_k((c+1) S)]
 *                   c < -1:  delta = 1 - e^eps + e^{..} sum a_k (-1)^k [I_k(-(c+1) S) - I_k(-c S)]
 * I_k      Integration by parts: I_k = He_{k-1}(0)/sqrt(2 pi) - u I_{k-1}, which cancels like u^{2k} for large u.  But
 *          with
 *              J_m(u) = (1/2 pi) int tau^{2m} e^{-tau^2/2}/(u^2 + tau^2) dtau > 0
 *          I_{2m} = (-1)^m u J_m and I_{2m+1} = (-1)^m J_{m+1}: a trapezoidal sum of positive terms whose error is
 *          about e^{-2 pi u/h}, used for u >= 2.  Below, J_{m+1} = (2m-1)!!/sqrt(2 pi) - u^2 J_m from J_0 = I_0/u loses
 *          a digit at most.
 */
#include "special.h"
#include "tilt.h"

#include <math.h>

enum { TOP = 3 * EW_ORDER_MAX };
static const double INV_SQRT_2PI = 0x1.9884533d43651p-2;

/* I_0 .. I_top at u >= 0 */
void ew_half_hermite(double *I, double u, int top)
{
    const int m_top = top / 2 + 1;
    double J[TOP / 2 + 2] = {0.0};
    if (u < 2.0) {
        double odd = INV_SQRT_2PI; /* (2m-1)!!/sqrt(2 pi) */
        I[0] = 0.5 * ew_erfcx(u * 0x1.6a09e667f3bcdp-1);
        J[1] = INV_SQRT_2PI - u * I[0];
        for (int m = 1; m < m_top; m++) {
            odd *= 2 * m - 1;
            J[m + 1] = odd - u * u * J[m];
        }
    } else {
        const double h = 0.3125, end = 8.5 + 1.5 * sqrt((double)m_top), turn = exp(-h * h);
        double gauss = h / EW_PI, ratio = exp(-0.5 * h * h); /* h/pi e^{-tau^2/2}, tau = j h, by its quotients */
        J[0] = 0.5 * gauss / (u * u);
        for (int j = 1; j * h < end; j++) {
            const double t2 = (j * h) * (j * h);
            gauss *= ratio;
            ratio *= turn;
            double term = gauss / (u * u + t2);
            for (int m = 0; m <= m_top; m++) {
                J[m] += term;
                term *= t2;
            }
        }
        I[0] = u * J[0];
    }
    for (int k = 1; k <= top; k++)
        I[k] = ((k / 2) % 2 ? -1.0 : 1.0) * (k % 2 ? J[k / 2 + 1] : u * J[k / 2]);
}

/* delta and e^eps Q(S_n > eps) = -d delta/d eps from the series at its tilt; the signs by the strip of c. */
static int combine(ew_tilted *t)
{
    double one[TOP + 1], two[TOP + 1], near = 0.0, over = 0.0, terms = 0.0;
    const int left = t->c < 0.0, far = t->c < -1.0;
    const ew_series *s = &t->series;
    ew_half_hermite(one, fabs(t->c) * s->sd, s->top);
    ew_half_hermite(two, fabs(t->c + 1.0) * s->sd, s->top);
    for (int k = 0; k <= s->top; k++) {
        const double flip = k % 2 ? -1.0 : 1.0;
        near += s->a[k] * (left ? -flip : 1.0) * one[k];
        over += s->a[k] * (far ? -flip : 1.0) * two[k];
        terms += fabs(s->a[k]) * (fabs(one[k]) + fabs(two[k]));
    }
    t->log_scale -= t->c * t->eps;
    t->base = far ? -expm1(t->eps) : left ? 1.0 : 0.0;
    t->terms = terms;
    t->delta = t->base + exp(t->log_scale) * (near - over);
    t->slope = (far ? exp(t->eps) : 0.0) + exp(t->log_scale) * over;
    return isfinite(t->delta);
}

/* The series at tilt c, whose mean is its eps; log_scale = n K(c) so far. */
static int at_tilt(ew_tilted *t, const ew_model *m, ew_sheet *sheet, double c, int order)
{
    double kappa[EW_CUMULANTS_MAX + 1] = {0.0}, err[EW_CUMULANTS_MAX + 1], k;
    if (m->q == 1.0) {
        kappa[2] = (m->kind == EW_KIND_REPLACE ? 4.0 : 1.0) / (m->s * m->s);
        kappa[1] = kappa[2] * (0.5 + c);
        k = kappa[2] * 0.5 * c * (c + 1.0);
    } else {
        ew_sheet_cumulants(kappa, err, sheet, c, order + 2);
        k = ew_sheet_k(sheet, c);
    }
    ew_series_init(&t->series, kappa, m->n, order);
    t->c = c;
    t->eps = t->series.mean;
    t->log_scale = m->n * k;
    return t->series.sd > 0.0;
}

static int cover(ew_sheet *sheet, const ew_model *m, double c, int order, ew_scratch *ws)
{
    return m->q == 1.0 || ew_sheet_cover(sheet, m, c, order + 2, ws);
}

/* Variance of the sum when q is small. */
static double variance(const ew_model *m)
{
    const double v = 1.0 / (m->s * m->s);
    return m->n * fmin(v, log1p(m->q * m->q * expm1(fmin(v, 700.0)))) * (m->kind == EW_KIND_REPLACE ? 4.0 : 1.0);
}

int ew_tilted_at(ew_tilted *out, const ew_model *m, double eps, int order, ew_scratch *ws)
{
    ew_sheet sheet = {.count = 0};
    double lo = -INFINITY, hi = INFINITY, last = INFINITY, c = fmax(-20.0, fmin(eps / variance(m) - 0.5, 20.0));
    for (int i = 0; i < 100 && m->q < 1.0; i++) { /* n K'(c) = eps: Newton in a bracket */
        double k[2];
        if (!cover(&sheet, m, c, order, ws)) { /* too far out: nearer to 0 */
            *(c > 0.0 ? &hi : &lo) = c;
            c = isfinite(lo) && isfinite(hi) ? 0.5 * (lo + hi) : 0.5 * c;
            if (!(hi - lo > 1e-6 * (1.0 + fabs(c))) || fabs(c) < 1e-3)
                return 0;
            continue;
        }
        ew_sheet_slopes(k, &sheet, c, eps / m->n);
        const double gap = -m->n * k[0], var = m->n * k[1], step = gap / var, size = fabs(gap) / sqrt(var);
        if (!(size > 1e-11) || (size < 1e-6 && size >= last))
            break;
        last = size;
        *(gap > 0.0 ? &lo : &hi) = c;
        double next = c + fmax(-1.0 - fabs(c), fmin(1.0 + fabs(c), step));
        if (!(next > lo && next < hi))
            next = isfinite(lo) && isfinite(hi) ? 0.5 * (lo + hi) : c + copysign(0.5, step);
        if (next == c)
            break;
        c = next;
    }
    if (m->q == 1.0)
        c = eps / variance(m) - 0.5;
    if (!at_tilt(out, m, &sheet, c, order) || !(fabs(out->eps - eps) < 1e-6 * (out->series.sd + fabs(eps))))
        return 0;
    out->eps = eps; /* the mean but for rounding */
    return combine(out);
}

/* The unknown is the tilt, in which eps and delta are both explicit; Newton for log delta in eps, d eps = S^2 dc, from
 * where a normal loss would have its root.  eps >= 0 has c > -1. */
ew_status ew_tilted_epsilon(double *out, const ew_model *m, double delta, int order, ew_scratch *ws)
{
    ew_tilted t = {.eps = -1.0};
    ew_sheet sheet = {.count = 0};
    double lo = -1.0, hi = INFINITY, c = sqrt(fmax(0.1, -2.0 * log(delta)) / variance(m)) - 0.4;
    for (int i = 0; i < 100 && (isinf(hi) || hi - lo > 4.0 * EW_U * fabs(hi)); i++) {
        const int ok = cover(&sheet, m, c, order, ws) && at_tilt(&t, m, &sheet, c, order) && combine(&t);
        const double f = ok && t.delta > 0.0 ? log(t.delta / delta) : -INFINITY, step = f * t.delta / t.slope,
                     var = t.series.sd * t.series.sd;
        if (f > -INFINITY && t.slope > 0.0 && fabs(step) < 1e-11 * fmin(1.0, t.series.sd)) {
            *out = t.eps + step;
            if (*out > 0.0)
                return EW_OK;
            break;
        }
        *(f > 0.0 ? &lo : &hi) = c;
        const double most = 1.0 + fabs(c), next = c + fmax(-most, fmin(most, step / var));
        c = f > -INFINITY && t.slope > 0.0 && next > lo && next < hi ? next : isfinite(hi) ? 0.5 * (lo + hi) : c + most;
    }
    *out = 0.0; /* none above 0: right if delta(0) is small enough already */
    if (!ew_tilted_at(&t, m, 0.0, order, ws))
        return EW_PRECISION;
    return t.delta >= 0.0 && t.delta <= delta ? EW_OK : EW_NO_ROOT;
}
