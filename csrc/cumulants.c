/* cumulants.c - cumulants of the loss under the tilted law, in doubles, each with a bound of its error.
 *
 * Formula  central moments mu_k under the weights p e^{c loss}, then  kappa_k = mu_k - sum_{j<k} C(k-1, j-1) kappa_j
 *          mu_{k-j}, exact for moments about any point, so the point need only be near the mean.
 *          The mean itself may be far smaller than the losses (q^2 against q).  E[g] = E[g e^{-loss}] = 1 gives
 *              M'(c) = E[g (loss (e^{c loss} - 1) + E2(-loss))],  E2(x) = e^x - 1 - x,
 *          whose terms have one sign for c >= 0 and for c <= -1 (there with the laws exchanged: c + 1 and e^{-loss}
 *          outside).
 * Error    u = EW_U.  A loss is within 8 u of itself, a weight within (12 + 2 |exponent|) u; both go through every sum
 *          term by term, a sum adds as many u as it has terms, and the recursion adds up what its terms carry.
 */
#include "kernels.h"
#include "special.h"
#include "tilt.h"

#include <math.h>
#include <string.h>

/* M'(c)/M(c) in the form that does not cancel, given the sum s0 of the weights; *err: its error in u */
static double bracketed_mean(double *err, const ew_sheet *sheet, double c, double top, double s0)
{
    const double flip = c < -0.5 ? -1.0 : 1.0,
                 z = c < -0.5 ? -1.0 - c : c; /* exchanged: loss -> -loss under the second law */
    double sum = 0.0, size = 0.0, plain = 0.0;
    for (int i = 0; i < sheet->count; i++) {
        const double l = sheet->loss[i], lw = sheet->lw[i] - (flip < 0.0 ? l : 0.0) - top, x = z * (flip * l);
        const double w = exp(lw), a = x < 30.0 ? w * expm1(x) : exp(lw + x) - w,
                     b = -flip * l < 700.0 ? w * ew_expm1mx(-flip * l) : 0.0;
        const double term = flip * l * a + b, unit = 30.0 + 2.0 * fabs(lw) + 4.0 * fabs(x);
        sum += term;
        size += unit * (fabs(l * a) + b);
        plain += fabs(l * a) + b;
    }
    *err = (size + (60.0 + 2.0 * sheet->count) * plain) / s0;
    return flip * sum / s0;
}

/* Weights at c relative to the largest; sums of p, p loss, p |loss|, of the error of p loss and of that of p in u */
EW_CLONES
static void weigh(double out[5], ew_sheet *sheet, double c, double top)
{
    const double *lw = sheet->lw, *loss = sheet->loss;
    double s0 = 0.0, s1 = 0.0, size = 0.0, loose = 0.0, all = 0.0, *ps = sheet->p, *units = sheet->more[0];
#pragma omp simd reduction(+ : s0, s1, size, loose, all)
    for (int i = 0; i < sheet->count; i++) {
        const double l = loss[i], p = ew_k_exp(lw[i] + c * l - top), unit = 20.0 + 2.0 * (fabs(lw[i]) + fabs(c * l));
        ps[i] = p;
        units[i] = unit;
        s0 += p;
        s1 += p * l;
        size += p * fabs(l);
        loose += unit * p * fabs(l);
        all += unit * p;
    }
    out[0] = s0;
    out[1] = s1;
    out[2] = size;
    out[3] = loose;
    out[4] = all;
}

/* Moments about `mean` and their errors in u; the mean is taken as it is; s0 is the sum of the weights, to `extra` u */
EW_CLONES
static void moments(double *mu, double *bad, ew_sheet *sheet, double mean, double s0, double extra, int order)
{
    const double *loss = sheet->loss, by = 1.0 / s0;
    double *p = sheet->p, *unit = sheet->more[0], *d = sheet->more[1], *off = sheet->more[2];
#pragma omp simd
    for (int i = 0; i < sheet->count; i++) {
        const double e = loss[i] - mean;
        d[i] = e;
        off[i] = e != 0.0 ? 9.0 * fabs(loss[i] / e) + 2.0 : 0.0; /* relative error of d, and of the product */
        unit[i] += extra;
        p[i] *= by;
    }
    for (int k = 1; k <= order; k++) {
        double sum = 0.0, loose = 0.0;
#pragma omp simd reduction(+ : sum, loose)
        for (int i = 0; i < sheet->count; i++) {
            const double t = p[i] * d[i], a = unit[i] + off[i];
            p[i] = t;
            unit[i] = a;
            sum += t;
            loose += fabs(t) * a;
        }
        mu[k] = sum;
        bad[k] = loose;
    }
}

void ew_sheet_cumulants(double *kappa, double *err, ew_sheet *sheet, double c, int order)
{
    double mu[EW_CUMULANTS_MAX + 1] = {0.0}, bad[EW_CUMULANTS_MAX + 1] = {0.0}, s[5];
    const double top = ew_sheet_largest(sheet, c);
    weigh(s, sheet, c, top);
    double mean = s[1] / s[0], mean_err = EW_U * (s[3] + (s[4] / s[0] + 2.0 * sheet->count) * s[2]) / s[0];
    if (mean_err > 2e-15 * fabs(mean) && s[2] > 4.0 * fabs(s[1])) {
        double other;
        const double m = bracketed_mean(&other, sheet, c, top, s[0]);
        if (EW_U * other < mean_err) {
            mean = m;
            mean_err = EW_U * other;
        }
    }
    moments(mu, bad, sheet, mean, s[0], 12.0 + 2.0 * sheet->count + s[4] / s[0], order);
    for (int k = 1; k <= order; k++) { /* the mean taken as it is leaves mu[1], which is the error of one of the two */
        double binomial = 1.0, term = 0.0, carried = 0.0;
        bad[k] *= EW_U;
        kappa[k] = mu[k];
        err[k] = bad[k];
        for (int j = 1; j < k; j++) { /* C(k-1, j-1) */
            term = binomial * kappa[j] * mu[k - j];
            kappa[k] -= term;
            carried += binomial * (err[j] * fabs(mu[k - j]) + fabs(kappa[j]) * bad[k - j]) +
                       4.0 * EW_U * (fabs(term) + fabs(kappa[k]));
            binomial = binomial * (k - j) / j;
        }
        err[k] += carried;
    }
    kappa[1] = mean;
    err[1] = mean_err;
}

/* q = 1: the loss is normal */
static void normal(double *kappa, double *err, const ew_model *m, double c, int order)
{
    const double mu2 = (m->kind == EW_KIND_REPLACE ? 4.0 : 1.0) / (m->s * m->s);
    memset(kappa, 0, sizeof *kappa * (size_t)(order + 1));
    memset(err, 0, sizeof *err * (size_t)(order + 1));
    kappa[1] = mu2 * (0.5 + c);
    if (order > 1)
        kappa[2] = mu2;
}

int ew_cumulants_double(double *kappa, double *err, const ew_model *m, double c, int order, ew_scratch *ws)
{
    ew_sheet sheet;
    if (m->q == 1.0) {
        normal(kappa, err, m, c, order);
        return 1;
    }
    if (!ew_sheet_fill(&sheet, m, c, c, order, ws))
        return 0;
    ew_sheet_cumulants(kappa, err, &sheet, c, order);
    return 1;
}
