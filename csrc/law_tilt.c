/* law_tilt.c - one part of a run: M and K = log M on the real line, each with an error bound.
 *
 * As in model.c, sums keep relative accuracy by what is known exactly: with E2(x) = e^x - 1 - x, sum w = 1 + gap_p and
 * sum w e^{-loss} = 1 + gap_q,
 *     M(c) - 1 = gap_p + c (gap_p - gap_q) + sum w (E2(c loss) + c E2(-loss)),
 *     M'(c)    = gap_p - gap_q + sum w (loss (e^{c loss} - 1) + E2(-loss)).
 * Where c |loss| is large there is nothing to cancel, and plain sums in units of their largest term do.
 */
#include "kernels.h"
#include "law.h"

#include <math.h>

/* p = w e^{c loss}; sums of w (E2(c loss) + c E2(-loss)), w (loss (e^{c loss} - 1) + E2(-loss)), p loss^2 */
EW_CLONES
static void tilted(double out[3], double *restrict p, const double *restrict w, const double *restrict e2m,
                   const double *restrict loss, size_t count, double c)
{
    double m0 = 0.0, m1 = 0.0, m2 = 0.0;
#pragma omp simd reduction(+ : m0, m1, m2)
    for (size_t i = 0; i < count; i++) {
        const double l = loss[i], x = c * l, e = ew_k_expm1mx(x), f = w[i], r = f * (1.0 + (e + x));
        p[i] = r;
        m0 += f * (e + c * e2m[i]);
        m1 += f * (l * (e + x) + e2m[i]);
        m2 += r * l * l;
    }
    out[0] = m0;
    out[1] = m1;
    out[2] = m2;
}

EW_CLONES
static double excess(const double *restrict w, const double *restrict e2m, const double *restrict loss, size_t count,
                     double c)
{
    double m0 = 0.0;
#pragma omp simd reduction(+ : m0)
    for (size_t i = 0; i < count; i++)
        m0 += w[i] * (ew_k_expm1mx(c * loss[i]) + c * e2m[i]);
    return m0;
}

/* Whether M(c) - 1 is added up by itself: no product there is e^30, and w e^-loss >= e^-100 has a w of normal size. */
static int is_small(const ew_table *tb, double c)
{
    return tb->least > -600.0 && c * fmax(tb->most, -tb->least) < 30.0;
}

void ew_table_tilt(ew_table *tb, double c)
{
    tb->c = c;
    tb->shift = 0.0;
    if (ew_is_laplace(tb->part)) {
        ew_laplace_tilt(tb, c);
        return;
    }
    double m0 = 0.0, m1 = 0.0, m2 = 0.0;
    if (is_small(tb, c)) {
        double m[3];
        tilted(m, tb->p, tb->w, tb->e2m, tb->loss, ew_table_whole(tb), c);
        m0 = m[0];
        m1 = m[1];
        m2 = m[2];
        m0 += tb->gap_p + c * (tb->gap_p - tb->gap_q);
        m1 += tb->gap_p - tb->gap_q;
        tb->mass = 1.0 + m0;
        tb->log_m = log1p(m0);
    } else {
        double top = -INFINITY;
        for (int i = 0; i < tb->count; i++)
            top = fmax(top, tb->lw[i] + c * tb->loss[i]);
        for (int i = 0; i < tb->count; i++) {
            const double l = tb->loss[i], p = exp(tb->lw[i] + c * l - top);
            tb->p[i] = p;
            m0 += p;
            m1 += p * l;
            m2 += p * l * l;
        }
        tb->shift = top;
        tb->mass = m0;
        tb->log_m = top + log(m0);
    }
    tb->k1 = m1 / tb->mass;
    tb->k2 = m2 / tb->mass - tb->k1 * tb->k1;
}

/* Error of M(c + it), |t| <= t, from the quadrature alone, over M(c); what a layer leaves beyond its ends included. */
double ew_table_quad(const ew_table *tb, double c, double t)
{
    double err = 0.0;
    for (int k = 0; k < tb->part->layers; k++)
        if (tb->part->layer[k].kind == EW_MIXTURE)
            err += ew_mixture_quad(&tb->seg[k], c, t) + ew_mixture_ends(tb, k, c) * exp(-tb->shift) / tb->mass;
    return err;
}

/* Sums of the sizes of rounding: of p that turns, of p |loss|, of angles; of what M(c) - 1 (small) or M(c) adds up,
 * each with its own unit, and without. */
EW_CLONES
static void sizes(double out[5], const ew_table *tb, double c, int small, size_t count)
{
    const double *p = tb->p, *w = tb->w, *u = tb->u, *lw = tb->lw, *loss = tb->loss, *e2m = tb->e2m;
    const double per_sum = (double)count + 2.0 * EW_TABLE_BLOCK + 20.0;
    double r0 = 0.0, r1 = 0.0, r2 = 0.0, own = 0.0, rest = 0.0;
#pragma omp simd reduction(+ : r0, r1, r2, own, rest)
    for (size_t i = 0; i < count; i++) {
        const double l = fabs(loss[i]), x = c * l, log_w = lw[i] > -745.0 ? -lw[i] : 745.0;
        const double unit = 24.0 + 3.0 * u[i] * u[i] + 8.0 * (1.0 + c) * l + 2.0 * fabs(log_w);
        const double grow = 1.0 + ew_k_exp(x < 40.0 ? x : 40.0), e = fabs(ew_k_expm1mx(c * loss[i]));
        r0 += (unit + per_sum) * p[i];
        r1 += (unit + per_sum) * p[i] * l;
        r2 += 4.0 * p[i] * l;
        /* a relative error of the loss and of w enters M - 1 through terms of its own size */
        own += unit * (small ? w[i] * ((x < 1.0 ? x * x : x) * grow + c * e2m[i]) : p[i]);
        rest += small ? w[i] * (e + c * e2m[i]) : p[i];
    }
    out[0] = r0;
    out[1] = r1;
    out[2] = r2;
    out[3] = own;
    out[4] = rest;
}

/* Error of K(c): quadrature, and the rounding of what was added up. */
void ew_table_errors(ew_table *tb)
{
    const double c = tb->c;
    if (ew_is_laplace(tb->part)) {
        tb->real_err = EW_U * (24.0 + 8.0 * tb->shift);
        tb->r0 = EW_U * 60.0;
        tb->r1 = EW_U * 60.0 / tb->part->layer[0].scale;
        tb->r2 = EW_U * 4.0 / tb->part->layer[0].scale;
        return;
    }
    const int small = tb->shift == 0.0;
    double size[5];
    sizes(size, tb, c, small, ew_table_whole(tb));
    double err = size[3] + tb->count * size[4];
    err = EW_U * (err + (small ? 4.0 * (fabs(tb->gap_p) + c * fabs(tb->gap_p - tb->gap_q)) : 0.0));
    for (int k = 0; k < tb->part->layers; k++)
        if (tb->part->layer[k].kind == EW_ATOMS) /* gap_p and gap_q were added up, too */
            err += small ? EW_U * (tb->part->layer[k].p + 8.0) * (1.0 + 2.0 * c) * tb->part->layer[k].share *
                               (1.0 + tb->gap_q)
                         : 0.0;
    if (small) { /* the identities behind gap_p and gap_q hold for the integrals */
        err += (1.0 + 2.0 * c) * tb->gap_err;
    }
    tb->real_err = 1.01 * (err / tb->mass + ew_table_quad(tb, c, 0.0)) + EW_U * (4.0 + 2.0 * fabs(tb->shift));
    tb->r0 = EW_U * size[0] / tb->mass;
    tb->r1 = EW_U * size[1] / tb->mass;
    tb->r2 = EW_U * size[2] / tb->mass;
}

/* log of an upper bound of M(c2), any c2 > 0 that the nodes serve; INFINITY elsewhere.  Tilt and weights p stay. */
double ew_table_chernoff(const ew_table *tb, double c)
{
    ew_table at = *tb;
    if (ew_is_laplace(tb->part)) {
        ew_laplace_tilt(&at, c);
        return at.log_m + EW_U * (24.0 + 8.0 * at.shift);
    }
    double sum = 0.0, top = 0.0;
    const int small = is_small(tb, c);
    if (small) {
        sum = excess(tb->w, tb->e2m, tb->loss, ew_table_whole(tb), c);
        sum += tb->gap_p + c * (tb->gap_p - tb->gap_q);
    } else {
        top = -INFINITY;
        for (int i = 0; i < tb->count; i++)
            top = fmax(top, tb->lw[i] + c * tb->loss[i]);
        for (int i = 0; i < tb->count; i++)
            sum += exp(tb->lw[i] + c * tb->loss[i] - top);
    }
    at.shift = top;
    at.mass = small ? 1.0 + sum : sum;
    const double err = ew_table_quad(&at, c, 0.0), ends = (1.0 + 2.0 * c) * tb->gap_err;
    if (!(err < 0.1))
        return INFINITY;
    const double log_m = small ? log1p(sum) : top + log(sum);
    return log_m + 1.2 * err + (small ? ends / at.mass : 0.0) + 1e-12 * fabs(log_m) +
           EW_U * (tb->count + 40.0 + 4.0 * fabs(top)) * (1.0 + c);
}
