/* model.c - quadrature nodes of the subsampled Gaussian and its tilted moments on the real line.
 *
 * With g the density of the first law and `loss` the privacy loss (core.h), M(z) = E[g e^{z loss}], K = log M.
 * E[g] = 1 and E[g e^{-loss}] = 1 exactly, so with E2(x) = e^x - 1 - x
 *
 *     M(z) - 1 = E[g (E2(z loss) + z E2(-loss))],      M'(c) = E[g (loss (e^{c loss} - 1) + E2(-loss))]
 *
 * For real z > 0 every term is >= 0: the sums keep relative accuracy however small K is, so n K does for any n.  Where a taper
 * leaves out steps of masses P' (first law) and Q' (second law), the left sides lose P' + z (P' - Q') and P' - Q'.
 */
#include "core.h"
#include "special.h"

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
    *nd = (ew_nodes){.count = 0, .hu = 0.0, .y = a[0], .u = a[1], .lw = a[2], .w = a[3], .loss = a[4], .e2m = a[5],
                     .lp = a[6], .lm = a[7], .dp = a[8], .dm = a[9], .cls = {a[10], a[11]}, .p = {a[12], a[13]}, .wc = {a[14], a[15]}};
}

/* log(1 - q + q e^y), relative accuracy */
static double log_ratio(const ew_model *m, double y, double ey)
{
    const double x = m->q * (fabs(y) < 0.5 ? expm1(y) : ey - 1.0);
    return x > -0.5 ? log1p(x) : log((1.0 - m->q) + m->q * ey);
}

static void put(ew_nodes *nd, const ew_model *m, int i, double y, double log_w)
{
    const double ey = exp(y), up = m->odds * ey, lp = log1p(up), u = m->s * y + m->shift;
    double logg;
    nd->y[i] = y;
    nd->u[i] = u;
    nd->lp[i] = lp;
    nd->dp[i] = up / (1.0 + up);
    if (m->kind == EW_KIND_REPLACE) {
        const double um = m->odds / ey, far = y >= 0.0 ? um : up;
        const double gap = 2.0 * m->odds * sinh(fabs(y));
        nd->lm[i] = log1p(um);
        nd->dm[i] = um / (1.0 + um);
        nd->loss[i] = copysign(log1p(gap / (1.0 + far)), y);
        logg = m->log1mq + lp;
    } else {
        nd->lm[i] = nd->dm[i] = 0.0;
        const double l = log_ratio(m, y, ey);
        nd->loss[i] = m->kind == EW_KIND_ADD ? -l : l;
        logg = m->kind == EW_KIND_ADD ? 0.0 : l;
    }
    nd->lw[i] = log_w - 0.5 * u * u + logg - 0.5 * EW_LOG_2PI;
    nd->w[i] = exp(nd->lw[i]);
    nd->e2m[i] = ew_expm1mx(-nd->loss[i]);
}

/* Class weights, and the masses of what is not small. */
static void sort(ew_nodes *nd, const ew_law *law)
{
    nd->out = nd->out_gap = 0.0;
    nd->tapered = law->far.width > 0.0 || law->split.width > 0.0;
    nd->split = law->split.width > 0.0;
    nd->edge = law->edge;
    if (!nd->tapered)
        return;
    const ew_taper left = {-law->left.at, law->left.width}; /* mirrored */
    for (int i = 0; i < nd->count; i++) {
        const double u = nd->u[i], far = ew_taper_log(&law->far, u, 0) + ew_taper_log(&left, -u, 0);
        nd->cls[EW_SMALL][i] = far + ew_taper_log(&law->split, u, 0);
        nd->cls[EW_MID][i] = far + ew_taper_log(&law->split, u, 1);
        const double out = nd->w[i] * -expm1(nd->cls[EW_SMALL][i]);
        for (int k = 0; k < EW_CLASSES; k++)
            nd->wc[k][i] = exp(nd->lw[i] + nd->cls[k][i]);
        nd->out += out;
        nd->out_gap -= out * expm1(-nd->loss[i]);
    }
}

int ew_nodes_fill(ew_nodes *nd, const ew_law *law, double hu, double from, double to)
{
    const ew_model *m = law->m;
    const double hy = ew_trim(hu / m->s, 24), i0 = floor((from - m->shift) / (m->s * hy)), i1 = ceil((to - m->shift) / (m->s * hy));
    nd->hu = m->s * hy;
    if (!(i1 - i0 < EW_KMAX - 8) || !(fmax(fabs(i0), fabs(i1)) * hy < 690.0))
        return 0;
    nd->count = (int)(i1 - i0) + 1;
    const double log_w = log(nd->hu);
    for (int i = 0; i < nd->count; i++)
        put(nd, m, i, (i0 + i) * hy, log_w);
    sort(nd, law);
    for (int i = 0; law->edge && i < nd->count; i++)
        nd->loss[i] = -nd->lp[i];
    return 1;
}

static void edge_moments(ew_moments *out, ew_nodes *nd, double c)
{
    double sum[EW_CLASSES][3] = {{0.0}};
    for (int k = 0; k < (nd->split ? EW_CLASSES : 1); k++)
        for (int i = 0; i < nd->count; i++) {
            const double l = nd->loss[i], p = exp(nd->lw[i] + nd->cls[k][i] + c * l);
            nd->p[k][i] = p;
            sum[k][0] += p;
            sum[k][1] += p * l;
            sum[k][2] += p * l * l;
        }
    *out = (ew_moments){c, sum[0][0], sum[0][0] - 1.0, sum[0][1], sum[0][2], sum[1][0], sum[1][1], sum[1][2]};
}

void ew_moments_at(ew_moments *out, ew_nodes *nd, double c)
{
    double m0 = 0.0, m1 = 0.0, m2 = 0.0, b0 = 0.0, b1 = 0.0, b2 = 0.0, *ps = nd->p[EW_SMALL], *pb = nd->p[EW_MID];
    const double *ws = nd->tapered ? nd->wc[EW_SMALL] : nd->w;
    if (nd->edge) { /* no cancellation to avoid: every term of M is positive and at most 1 */
        edge_moments(out, nd, c);
        return;
    }
    for (int i = 0; i < nd->count; i++) {
        const double l = nd->loss[i], x = c * l, w = ws[i];
        double e2, p, b = 0.0;
        if (x < 30.0) {
            const double e = ew_expm1mx(x);
            e2 = w * e;
            p = w * (1.0 + (e + x));
            m1 += l * (w * (e + x));
            if (nd->split)
                b = nd->wc[EW_MID][i] * (1.0 + (e + x));
        } else { /* w may underflow where its tilted value does not */
            p = exp(nd->lw[i] + x + (nd->tapered ? nd->cls[EW_SMALL][i] : 0.0));
            e2 = p - w * (1.0 + x);
            m1 += l * (p - w);
            if (nd->split)
                b = exp(nd->lw[i] + x + nd->cls[EW_MID][i]);
        }
        ps[i] = p;
        m0 += e2 + c * (w * nd->e2m[i]);
        m1 += w * nd->e2m[i];
        m2 += p * l * l;
        if (nd->split) {
            pb[i] = b;
            b0 += b;
            b1 += b * l;
            b2 += b * l * l;
        }
    }
    *out = (ew_moments){c, 1.0 + m0, m0, m1, m2, b0, b1, b2};
    if (nd->tapered) {
        out->m0 -= nd->out + c * nd->out_gap;
        out->m1 -= nd->out_gap;
        out->m = 1.0 + out->m0;
    }
}

/* M(c) - 1 of a law without tapers, weights p left alone. */
double ew_mgf_less_1(const ew_nodes *nd, double c)
{
    double m0 = 0.0;
    for (int i = 0; i < nd->count; i++) {
        const double x = c * nd->loss[i];
        m0 += (x < 30.0 ? nd->w[i] * ew_expm1mx(x) : exp(nd->lw[i] + x) - nd->w[i] * (1.0 + x)) + c * (nd->w[i] * nd->e2m[i]);
    }
    return m0;
}

double ew_excess(const ew_nodes *nd, const ew_moments *at, double d)
{
    double sum = d * at->m1;
    for (int i = 0; i < nd->count; i++) {
        const double x = d * nd->loss[i], p = nd->p[EW_SMALL][i];
        if (x < 30.0)
            sum += p * ew_expm1mx(x);
        else
            sum += exp(nd->lw[i] + (nd->tapered ? nd->cls[EW_SMALL][i] : 0.0) + (at->c + d) * nd->loss[i]) - p * (1.0 + x);
    }
    return sum;
}
