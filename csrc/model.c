/* model.c - quadrature nodes of the subsampled Gaussian and its tilted moments on the real line.
 *
 * With g the density of the first law and `loss` the privacy loss (core.h), M(z) = E[g e^{z loss}], K = log M.
 * E[g] = 1 and E[g e^{-loss}] = 1 exactly, so with E2(x) = e^x - 1 - x
 *
 *     M(z) - 1 = E[g (E2(z loss) + z E2(-loss))],      M'(c) = E[g (loss (e^{c loss} - 1) + E2(-loss))]
 *
 * For real z > 0 every term is >= 0: the sums keep relative accuracy however small K is, so n K does for any n.  Where
 * a taper leaves out steps of masses P' (first law) and Q' (second law), the left sides lose P' + z (P' - Q') and P' -
 * Q'.
 */
#include "core.h"
#include "kernels.h"

#include <math.h>

void ew_model_init(ew_model *m, int kind, double sigma, double q, double n)
{
    m->kind = kind;
    m->s = sigma;
    m->q = q;
    m->n = n;
    m->log1mq = log1p(-q);
    m->odds = q / (1.0 - q) * (kind == EW_KIND_REPLACE ? exp(-0.5 / (sigma * sigma)) : 1.0);
    m->shift = kind == EW_KIND_REPLACE ? 0.0 : 0.5 / sigma;
}

void ew_nodes_bind(ew_nodes *nd, double (*a)[EW_KMAX])
{
    *nd = (ew_nodes){.count = 0,
                     .hu = 0.0,
                     .y = a[0],
                     .u = a[1],
                     .lw = a[2],
                     .w = a[3],
                     .loss = a[4],
                     .e2m = a[5],
                     .lp = a[6],
                     .lm = a[7],
                     .dp = a[8],
                     .dm = a[9],
                     .cls = {a[10], a[11]},
                     .p = {a[12], a[13]},
                     .wc = {a[14], a[15]}};
}

/* Loss and weight of every node: y is there already.  remove, add: sign = +1, -1. */
EW_CLONES
static void fill_one_sided(const ew_nodes *nd, const ew_model *m, double sign, double log_w)
{
    const double odds = m->odds, q = m->q, s = m->s, shift = m->shift, base = log_w - 0.5 * EW_LOG_2PI,
                 log1mq = m->log1mq;
#pragma omp simd
    for (int i = 0; i < nd->count; i++) {
        const double y = nd->y[i], u = s * y + shift, ey = ew_k_exp(y), em1 = ew_k_expm1(y), x = q * em1;
        /* log(1 - q + q e^y) with relative accuracy */
        const double v = x > -0.5 ? 1.0 + x : (1.0 - q) + q * ey, inverse = 1.0 / v,
                     lost = x > 0.4 ? 1.0 - (v - x) : x - (v - 1.0);
        const double l = ew_k_log_of(v, x, x > -0.5 ? lost * inverse : 0.0),
                     lw = (base - 0.5 * u * u) + (sign > 0.0 ? l : 0.0);
        /* e^{-loss} - 1 + loss */
        const double near = l < -1.0 ? -1.0 : l > 1.0 ? 1.0 : l, back = sign > 0.0 ? inverse : v;
        nd->u[i] = u;
        nd->dp[i] = q * ey * inverse; /* Y/(1+Y) = q e^y/v */
        nd->lp[i] = l - log1mq;
        nd->lm[i] = nd->dm[i] = 0.0;
        nd->loss[i] = sign * l;
        nd->lw[i] = lw;
        nd->w[i] = ew_k_exp(lw);
        nd->e2m[i] = near == l ? ew_k_tail(-sign * l) : (back - 1.0) + sign * l;
    }
    if (sign < 0.0) { /* relative accuracy: place_far and edge (split.c) measure losses from the largest one */
#pragma omp simd
        for (int i = 0; i < nd->count; i++)
            nd->lp[i] = ew_k_log1p(odds * ew_k_exp(nd->y[i]));
    }
}

EW_CLONES
static void fill_replace(const ew_nodes *nd, const ew_model *m, double log_w)
{
    const double odds = m->odds, s = m->s, base = log_w - 0.5 * EW_LOG_2PI + m->log1mq;
#pragma omp simd
    for (int i = 0; i < nd->count; i++) {
        const double y = nd->y[i], u = s * y, ay = fabs(y), more = ew_k_expm1(ay), ea = 1.0 + more;
        const double big = odds * ea, small = odds / ea, gap = odds * (more + more / ea); /* 2 odds sinh|y| */
        const double up = y < 0.0 ? small : big, um = y < 0.0 ? big : small, al = ew_k_log1p(gap / (1.0 + small)),
                     l = y < 0.0 ? -al : al;
        const double lp = ew_k_log1p(up), lw = (base - 0.5 * u * u) + lp;
        nd->u[i] = u;
        nd->lp[i] = lp;
        nd->lm[i] = ew_k_log1p(um);
        nd->dp[i] = up / (1.0 + up);
        nd->dm[i] = um / (1.0 + um);
        nd->loss[i] = l;
        nd->lw[i] = lw;
        nd->w[i] = ew_k_exp(lw);
        nd->e2m[i] = ew_k_expm1mx(-l);
    }
}

/* Class weights, and the masses of what is not small. */
EW_CLONES
static void sort(ew_nodes *nd, const ew_law *law)
{
    nd->out = nd->out_gap = 0.0;
    nd->tapered = law->far.width > 0.0 || law->split.width > 0.0;
    nd->split = law->split.width > 0.0;
    nd->plain = law->origin != 0.0;
    nd->origin = law->edge ? 0.0 : law->origin;
    if (!nd->tapered)
        return;
    const ew_taper left = {-law->left.at, law->left.width}; /* mirrored */
    const ew_taper far = ew_taper_of_y(&law->far, law->m), split = ew_taper_of_y(&law->split, law->m),
                   mirrored = ew_taper_of_y(&left, law->m);
    const double *y = nd->y, *lw = nd->lw;
    double *small = nd->cls[EW_SMALL], *mid = nd->cls[EW_MID], out = 0.0, gap = 0.0;
    for (int i = 0; i < nd->count; i++)
        small[i] = 0.0;
    ew_taper_add(small, &far, y, 1.0, 0, nd->count);
    ew_taper_add(small, &mirrored, y, -1.0, 0, nd->count);
    for (int i = 0; i < nd->count; i++)
        mid[i] = nd->split ? small[i] : -INFINITY;
    ew_taper_add(mid, &split, y, 1.0, 1, nd->split ? nd->count : 0);
    ew_taper_add(small, &split, y, 1.0, 0, nd->count);
#pragma omp simd reduction(+ : out, gap)
    for (int i = 0; i < nd->count; i++) {
        const double lost = nd->w[i] * -ew_k_expm1(small[i]);
        nd->wc[EW_SMALL][i] = ew_k_exp(lw[i] + small[i]);
        nd->wc[EW_MID][i] = ew_k_exp(lw[i] + mid[i]);
        out += lost;
        gap -= lost * ew_k_expm1(-nd->loss[i]);
    }
    nd->out = out;
    nd->out_gap = gap;
}

int ew_nodes_fill(ew_nodes *nd, const ew_law *law, double hu, double from, double to)
{
    const ew_model *m = law->m;
    const double hy = ew_trim(hu / m->s, 24), i0 = floor((from - m->shift) / (m->s * hy)),
                 i1 = ceil((to - m->shift) / (m->s * hy));
    nd->hu = m->s * hy;
    if (!(i1 - i0 < EW_KMAX - 8) || !(fmax(fabs(i0), fabs(i1)) * hy < 690.0))
        return 0;
    nd->count = (int)(i1 - i0) + 1;
    for (int i = 0; i < nd->count; i++)
        nd->y[i] = (i0 + i) * hy;
    if (m->kind == EW_KIND_REPLACE)
        fill_replace(nd, m, log(nd->hu));
    else
        fill_one_sided(nd, m, m->kind == EW_KIND_ADD ? -1.0 : 1.0, log(nd->hu));
    sort(nd, law);
    for (int i = 0; nd->plain && i < nd->count; i++)
        nd->loss[i] = law->edge ? -nd->lp[i] : nd->loss[i] - law->origin;
    return 1;
}

/* p = w class e^{c loss}; w alone may underflow where its tilted value does not. */
EW_CLONES
static void tilt(const ew_nodes *nd, int cls, double c)
{
    double *p = nd->p[cls];
    const double *lw = nd->lw, *loss = nd->loss, *weight = nd->cls[cls];
    if (nd->tapered) {
#pragma omp simd
        for (int i = 0; i < nd->count; i++)
            p[i] = ew_k_exp((lw[i] + weight[i]) + c * loss[i]);
    } else {
#pragma omp simd
        for (int i = 0; i < nd->count; i++)
            p[i] = ew_k_exp(lw[i] + c * loss[i]);
    }
}

/* M, M', M'' of a class as plain sums. */
EW_CLONES
static void plain_sums(double sum[3], const ew_nodes *nd, int cls)
{
    const double *p = nd->p[cls], *loss = nd->loss;
    double s0 = 0.0, s1 = 0.0, s2 = 0.0;
#pragma omp simd reduction(+ : s0, s1, s2)
    for (int i = 0; i < nd->count; i++) {
        const double l = loss[i], t = p[i] * l;
        s0 += p[i];
        s1 += t;
        s2 += t * l;
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
}

/* M - 1, M', M'' of the small steps in positive terms, from the tilted weights p. */
EW_CLONES
static void bracketed_sums(double sum[3], const ew_nodes *nd, const double *p, double c)
{
    const double *w = nd->tapered ? nd->wc[EW_SMALL] : nd->w, *loss = nd->loss, *e2m = nd->e2m;
    double s0 = 0.0, s1 = 0.0, s2 = 0.0;
#pragma omp simd reduction(+ : s0, s1, s2)
    for (int i = 0; i < nd->count; i++) {
        const double l = loss[i], x = c * l, e = ew_k_expm1mx(x), back = w[i] * e2m[i];
        s0 += (x < 30.0 ? w[i] * e : p[i] - w[i] * (1.0 + x)) + c * back;
        s1 += l * (x < 30.0 ? w[i] * (e + x) : p[i] - w[i]) + back;
        s2 += p[i] * l * l;
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
}

void ew_moments_at(ew_moments *out, ew_nodes *nd, double c)
{
    double small[3], mid[3] = {0.0};
    tilt(nd, EW_SMALL, c);
    if (nd->split) {
        tilt(nd, EW_MID, c);
        plain_sums(mid, nd, EW_MID);
    }
    double m0 = 0.0;
    if (!nd->plain) {
        bracketed_sums(small, nd, nd->p[EW_SMALL], c);
        m0 = small[0] - (nd->out + c * nd->out_gap);
        small[0] = 1.0 + m0;
        small[1] -= nd->out_gap;
    }
    const int plain = nd->plain || m0 < -0.5; /* M is far from 1: its terms are positive and do not cancel */
    if (plain) {
        plain_sums(small, nd, EW_SMALL);
        m0 = small[0] - 1.0;
    }
    *out = (ew_moments){c, small[0], m0, small[1], small[2], mid[0], mid[1], mid[2], plain};
}

/* M(c) - 1 of a law without tapers, weights p left alone. */
EW_CLONES
double ew_mgf_less_1(const ew_nodes *nd, double c)
{
    const double *w = nd->w, *lw = nd->lw, *loss = nd->loss, *e2m = nd->e2m;
    double m0 = 0.0;
#pragma omp simd reduction(+ : m0)
    for (int i = 0; i < nd->count; i++) {
        const double x = c * loss[i];
        m0 += (x < 30.0 ? w[i] * ew_k_expm1mx(x) : ew_k_exp(lw[i] + x) - w[i] * (1.0 + x)) + c * (w[i] * e2m[i]);
    }
    return m0;
}

/* M(c + d) - M(c), d > 0, of a law without tapers. */
EW_CLONES
double ew_excess(const ew_nodes *nd, const ew_moments *at, double d)
{
    const double *lw = nd->lw, *loss = nd->loss, *p = nd->p[EW_SMALL], c = at->c + d;
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < nd->count; i++) {
        const double x = d * loss[i];
        sum += x < 30.0 ? p[i] * ew_k_expm1mx(x) : ew_k_exp(lw[i] + c * loss[i]) - p[i] * (1.0 + x);
    }
    return d * at->m1 + sum;
}
