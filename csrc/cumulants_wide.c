/* cumulants_wide.c - cumulants of the tilted law in wide numbers: as many digits as it takes.
 *
 * The same sums as cumulants.c on the same kind of nodes.  Weights need no normalisation, so the Gaussian factor is a
 * double geometric sequence and e^y a geometric one; a node costs a logarithm and, for a tilt that is no integer, an
 * exponential. Digits are doubled until what the sums and the recursion carry is below 2^-60 of every cumulant: `bits`
 * of the terms are good, 40 being set aside for the operations, counted generously (wide.h), and for the number of
 * nodes.
 */
#include "tilt.h"
#include "wide.h"

#include <math.h>

typedef struct {
    const ew_model *m;
    double c;
    int limbs;
    ew_wide q, rest; /* q (times e^{-1/(2 s^2)} for replace), 1 - q */
    ew_wide alpha;   /* exponents of v_+ and v_- */
    ew_wide beta;
} wide_law;

static void constants(wide_law *w, const ew_model *m, double c, int limbs)
{
    ew_wide one, x;
    *w = (wide_law){.m = m, .c = c, .limbs = limbs};
    ew_wide_set(&one, 1.0, limbs);
    ew_wide_set(&x, m->q, limbs);
    w->q = x;
    ew_wide_sub(&w->rest, &one, &x, limbs);
    if (m->kind == EW_KIND_REPLACE) {
        ew_wide k, s;
        ew_wide_set(&s, m->s, limbs);
        ew_wide_mul(&k, &s, &s, limbs);
        ew_wide_scale(&k, &k, 2, limbs);
        ew_wide_inv(&k, &k, limbs);
        k.sign = -1;
        ew_wide_exp(&k, &k, limbs);
        ew_wide_mul(&w->q, &w->q, &k, limbs);
    }
    ew_wide_set(&x, c, limbs);
    ew_wide_set(&w->beta, m->kind == EW_KIND_REPLACE ? -c : 0.0, limbs);
    if (m->kind == EW_KIND_ADD)
        ew_wide_set(&w->alpha, -c, limbs);
    else
        ew_wide_add(&w->alpha, &one, &x, limbs);
}

/* log of 1 - q + q e, and its share of the exponent */
static void log_v(ew_wide *out, ew_wide *exponent, const wide_law *w, const ew_wide *e, const ew_wide *power)
{
    ew_wide t;
    ew_wide_mul(&t, &w->q, e, w->limbs);
    ew_wide_add(&t, &t, &w->rest, w->limbs);
    ew_wide_log(out, &t, w->limbs);
    ew_wide_mul(&t, out, power, w->limbs);
    ew_wide_add(exponent, exponent, &t, w->limbs);
}

/* moments[k] = sum of weight loss^k, k = 0 .. order */
static void moments(ew_wide *sum, const wide_law *w, const ew_plan *plan, double mean, int order)
{
    const ew_model *m = w->m;
    const int L = w->limbs;
    ew_wide h, grow, e, back, s2, ratio, turn, gauss, x, centre;
    ew_wide_set(&h, plan->hy, L);
    ew_wide_exp(&grow, &h, L);
    ew_wide_set(&x, plan->first * plan->hy, L);
    ew_wide_exp(&e, &x, L);
    ew_wide_set(&s2, m->s, L); /* the factor e^{-s^2 y^2/2 - y/2} (replace: without -y/2), from y to y + hy */
    ew_wide_mul(&s2, &s2, &s2, L);
    ew_wide_mul(&s2, &s2, &h, L);
    ew_wide_mul(&s2, &s2, &h, L);
    ew_wide_set(&x, -(plan->first + 0.5), L);
    ew_wide_mul(&ratio, &s2, &x, L);
    if (m->kind != EW_KIND_REPLACE) {
        ew_wide_set(&x, -0.5, L);
        ew_wide_mul(&x, &x, &h, L);
        ew_wide_add(&ratio, &ratio, &x, L);
    }
    ew_wide_exp(&ratio, &ratio, L);
    s2.sign = -1;
    ew_wide_exp(&turn, &s2, L);
    ew_wide_set(&gauss, 1.0, L);
    ew_wide_set(&centre, mean, L);
    for (int k = 0; k <= order; k++)
        ew_wide_set(&sum[k], 0.0, L);
    for (int i = 0; i < plan->count; i++) {
        ew_wide exponent, l, t;
        ew_wide_set(&exponent, 0.0, L);
        log_v(&l, &exponent, w, &e, &w->alpha);
        if (m->kind == EW_KIND_REPLACE) {
            ew_wide_inv(&back, &e, L);
            log_v(&t, &exponent, w, &back, &w->beta);
            ew_wide_sub(&l, &l, &t, L);
        } else if (m->kind == EW_KIND_ADD) {
            l.sign = -l.sign;
        }
        ew_wide_exp(&t, &exponent, L);
        ew_wide_mul(&t, &t, &gauss, L);
        ew_wide_sub(&l, &l, &centre, L);
        for (int k = 0; k <= order; k++) {
            ew_wide_add(&sum[k], &sum[k], &t, L);
            ew_wide_mul(&t, &t, &l, L);
        }
        ew_wide_mul(&e, &e, &grow, L);
        ew_wide_mul(&gauss, &gauss, &ratio, L);
        ew_wide_mul(&ratio, &ratio, &turn, L);
    }
}

/* The recursion of cumulants.c.  1: every cumulant is within 2^-60 of itself.  Terms of an odd moment have both signs:
 * their size is the geometric mean of the moments beside it (Lyapunov), so mu goes to order + 1. */
static int recursion(double *kappa, ew_wide *mu, double mean, int order, int odd_vanish, int L, double bits)
{
    ew_wide k_wide[EW_CUMULANTS_MAX + 1], t, norm;
    int good = 1;
    ew_wide_inv(&norm, &mu[0], L);
    for (int k = 1; k <= order + 1; k++)
        ew_wide_mul(&mu[k], &mu[k], &norm, L);
    for (int k = 1; k <= order; k++) {
        int64_t largest = k % 2 ? ((k > 1 ? mu[k - 1].exp : 1) + mu[k + 1].exp) / 2 + 1 : mu[k].exp;
        uint32_t binomial = 1;
        k_wide[k] = mu[k];
        for (int j = 1; j < k; j++) {
            ew_wide_mul(&t, &k_wide[j], &mu[k - j], L);
            ew_wide_scale(&t, &t, binomial, L);
            if (t.sign && t.exp > largest)
                largest = t.exp;
            ew_wide_sub(&k_wide[k], &k_wide[k], &t, L);
            binomial = (uint32_t)((uint64_t)binomial * (uint64_t)(k - j) / (uint64_t)j);
        }
        if (k == 1) {
            ew_wide_set(&t, mean, L);
            ew_wide_add(&t, &k_wide[1], &t, L);
            kappa[1] = ew_wide_get(&t);
            good &= odd_vanish || (t.sign && (double)(largest - t.exp) < bits - 60.0);
        } else {
            kappa[k] = ew_wide_get(&k_wide[k]);
            good &= (odd_vanish && k % 2) || (k_wide[k].sign && (double)(largest - k_wide[k].exp) < bits - 60.0);
        }
    }
    return good;
}

int ew_cumulants_wide(double *kappa, const ew_model *m, double c, int order, int odd_vanish, ew_scratch *ws)
{
    ew_wide *mu = (ew_wide *)(void *)ws->fine[0];
    double slopes[2];
    ew_sheet sheet;
    if (!ew_sheet_fill(&sheet, m, c, c, order, ws))
        return 0;
    ew_sheet_slopes(slopes, &sheet, c, 0.0);
    for (int limbs = 6; limbs <= EW_WIDE_LIMBS; limbs *= 2) {
        ew_plan plan;
        wide_law w;
        const double guard = 40.0 - log2(m->q) + 2.0 * log2(2.0 + fabs(c)) + 2.0 * fabs(log2(m->s)),
                     bits = 32.0 * limbs - guard;
        if (bits < 64.0)
            continue;
        if (!ew_plan_nodes(&plan, m, c, c, order + 1, bits * 0x1.62e42fefa39efp-1 + 2.0, ws->coarse[3]))
            return 0;
        constants(&w, m, c, limbs);
        moments(mu, &w, &plan, slopes[0], order + 1);
        if (recursion(kappa, mu, slopes[0], order, odd_vanish, limbs, bits))
            return 1;
    }
    return 0;
}
