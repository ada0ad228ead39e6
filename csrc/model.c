/* model.c - quadrature nodes of the subsampled Gaussian and its tilted moments on the real line.
 *
 * With g the density of the first law and `loss` the privacy loss (core.h), M(z) = E[g e^{z loss}], K = log M.
 * E[g] = 1 and E[g e^{-loss}] = 1 exactly, so with E2(x) = e^x - 1 - x
 *
 *     M(z) - 1 = E[g (E2(z loss) + z E2(-loss))],      M'(c) = E[g (loss (e^{c loss} - 1) + E2(-loss))]
 *
 * For real z > 0 every term is >= 0: the sums keep relative accuracy however small K is, so n K does for any n.
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
}

void ew_nodes_bind(ew_nodes *nd, double (*a)[EW_KMAX])
{
    *nd = (ew_nodes){.count = 0, .hu = 0.0, .y = a[0], .u = a[1], .lw = a[2], .w = a[3], .loss = a[4], .e2m = a[5],
                     .lp = a[6], .lm = a[7], .dp = a[8], .dm = a[9], .p = a[10]};
}

/* log(1 - q + q e^y), relative accuracy */
static double log_ratio(const ew_model *m, double y, double ey)
{
    const double x = m->q * (fabs(y) < 0.5 ? expm1(y) : ey - 1.0);
    return x > -0.5 ? log1p(x) : log((1.0 - m->q) + m->q * ey);
}

/* Node i at y (u = s y + shift), quadrature weight e^{log_w}. */
static void put(ew_nodes *nd, const ew_model *m, int i, double y, double u, double log_w)
{
    const double ey = exp(y), up = m->odds * ey, lp = log1p(up);
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
        const double l = log_ratio(m, y, ey);
        nd->loss[i] = m->kind == EW_KIND_ADD ? -l : l;
        logg = m->kind == EW_KIND_ADD ? 0.0 : l;
    }
    nd->lw[i] = log_w - 0.5 * u * u + logg - 0.5 * EW_LOG_2PI;
    nd->w[i] = exp(nd->lw[i]);
    nd->e2m[i] = ew_expm1mx(-nd->loss[i]);
}

static double centre(const ew_model *m)
{
    return m->kind == EW_KIND_REPLACE ? 0.0 : 0.5 / m->s;
}

void ew_nodes_append(ew_nodes *nd, const ew_model *m, long first, int count)
{
    const double s = m->s, hy = ew_trim(nd->hu / s, 24), log_w = log(nd->hu), shift = centre(m);
    nd->panel = 0.0;
    for (int i = 0; i < count; i++) {
        const double y = (double)(first + i) * hy;
        put(nd, m, nd->count + i, y, s * y + shift, log_w);
    }
    nd->count += count;
}

void ew_nodes_panels(ew_nodes *nd, const ew_model *m, double from, double to, double longest)
{
    const int panels = (int)ceil((to - from) / longest);
    const double shift = centre(m);
    nd->panel = (to - from) / panels;
    nd->from = from;
    nd->to = to;
    nd->count = panels * EW_GAUSS;
    for (int p = 0; p < panels; p++)
        for (int k = 0; k < EW_GAUSS; k++) {
            const int half = EW_GAUSS / 2, h = k < half ? half - 1 - k : k - half;
            const double x = k < half ? -ew_gauss_x[h] : ew_gauss_x[h];
            const double y = (from + nd->panel * (p + 0.5 + 0.5 * x) - shift) / m->s;
            put(nd, m, p * EW_GAUSS + k, y, m->s * y + shift, log(0.5 * nd->panel * ew_gauss_w[h]));
        }
}

void ew_moments_at(ew_moments *out, ew_nodes *nd, double c)
{
    double m0 = 0.0, m1 = 0.0, m2 = 0.0;
    for (int i = 0; i < nd->count; i++) {
        const double l = nd->loss[i], x = c * l, w = nd->w[i];
        double e2, p;
        if (x < 30.0) {
            const double e = ew_expm1mx(x);
            e2 = w * e;
            p = w * (1.0 + (e + x));
            m1 += l * (w * (e + x));
        } else { /* w may underflow where its tilted value does not */
            p = exp(nd->lw[i] + x);
            e2 = p - w * (1.0 + x);
            m1 += l * (p - w);
        }
        nd->p[i] = p;
        m0 += e2 + c * (w * nd->e2m[i]);
        m1 += w * nd->e2m[i];
        m2 += p * l * l;
    }
    out->c = c;
    out->m0 = m0;
    out->m1 = m1;
    out->m2 = m2;
    out->k0 = log1p(m0);
    out->k1 = m1 / (1.0 + m0);
    out->k2 = m2 / (1.0 + m0) - out->k1 * out->k1;
}

double ew_excess(const ew_nodes *nd, const ew_moments *at, double d)
{
    double sum = d * at->m1;
    for (int i = 0; i < nd->count; i++) {
        const double x = d * nd->loss[i];
        if (x < 30.0)
            sum += nd->p[i] * ew_expm1mx(x);
        else
            sum += exp(nd->lw[i] + (at->c + d) * nd->loss[i]) - nd->p[i] * (1.0 + x);
    }
    return sum;
}
