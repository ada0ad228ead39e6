/* mixture.c - a pair of Gaussian mixtures: quadrature of its generating function, and errors of it.
 *
 * With base N(0, s^2), u = x/s, alpha = a/s >= 0, beta = b/s <= 0 (law.h),
 *     v_P = sum p_i e^{alpha_i u - alpha_i^2/2},  loss = log v_P - log v_Q,  M(z) = int phi v_P^{1+z} v_Q^{-z} du.
 * At u + iy the summands of v turn by alpha_i y, so |v_P| <= v_P(u), |v_Q| >= cos(y span_Q/2) v_Q(u) (projection on the
 * middle direction), and |arg v_P - arg v_Q| <= y (max alpha + max |beta|).
 * Step     trapezoidal rule, error <= 2 e^{y^2/2} cos(y span_Q/2)^{-c} e^{t y R} M(c)/(e^{2 pi y/hu} - 1), R = max
 *          alpha + max |beta|
 * Ends     beyond the last node on the right d log(phi v_P^{1+c} v_Q^{-c})/du <= -u + (1+c) max alpha + c |d log
 *          v_Q/du| at that node, since log v_Q is convex and falls; on the left it is at most -|u| per unit to the
 *          left.  So the sums left out are geometric.
 */
#include "kernels.h"
#include "law.h"

#include <math.h>

/* log v at u, and the first two derivatives; log v has relative accuracy where v is near 1 (the weights add up to 1),
 * v has it where it is small: below e^-1 no e^y is taken from 1. */
double ew_mixture_log_v(double out[2], const ew_atom *a, int count, double s, double u)
{
    double top = -INFINITY, less_1 = 0.0, m0 = 0.0, m1 = 0.0, m2 = 0.0;
    if (count == 1) {
        const double k = a[0].at / s;
        out[0] = k;
        out[1] = 0.0;
        return k * (u - 0.5 * k);
    }
    for (int i = 0; i < count; i++)
        top = fmax(top, a[i].at / s * (u - 0.5 * a[i].at / s));
    top = fabs(top) > 300.0 ? top : 0.0;
    for (int i = 0; i < count; i++) {
        const double k = a[i].at / s, y = k * (u - 0.5 * k), e = k == 0.0 ? 0.0 : expm1(y);
        const double x = a[i].weight * (top != 0.0 || y < -1.0 ? exp(y - top) : 1.0 + e);
        less_1 += a[i].weight * e;
        m0 += x;
        m1 += x * k;
        m2 += x * k * k;
    }
    out[0] = m1 / m0;
    out[1] = m2 / m0 - out[0] * out[0];
    return top != 0.0 ? top + log(m0) : less_1 > -0.5 ? log1p(less_1) : log(m0);
}

enum { CHUNK = 8 };

/* The same at u[0 .. CHUNK): log v, its derivatives.  The largest exponent at each is within 300 of 0. */
EW_CLONES
static void log_v_chunk(double *restrict lv, double *restrict d1, double *restrict d2, const double *restrict u,
                        const ew_atom *a, int count, double s)
{
    double less_1[CHUNK] = {0.0}, m0[CHUNK] = {0.0}, m1[CHUNK] = {0.0}, m2[CHUNK] = {0.0};
    for (int i = 0; i < count; i++) {
        const double k = a[i].at / s, w = a[i].weight;
#pragma omp simd
        for (size_t j = 0; j < CHUNK; j++) {
            const double y = k * (u[j] - 0.5 * k), e = ew_k_expm1(y), small = ew_k_exp(y);
            const double x = w * (y < -1.0 ? small : 1.0 + e);
            less_1[j] += w * e;
            m0[j] += x;
            m1[j] += x * k;
            m2[j] += x * k * k;
        }
    }
#pragma omp simd
    for (size_t j = 0; j < CHUNK; j++) {
        lv[j] = ew_k_log_of(m0[j], less_1[j], 0.0);
        d1[j] = m1[j] / m0[j];
        d2[j] = m2[j] / m0[j] - d1[j] * d1[j];
    }
}

static void log_v_at(double *lv, double *d1, double *d2, const double *u, const ew_atom *a, int count, double s)
{
    double first = -INFINITY, last = -INFINITY; /* largest exponents at the ends; all grow with u, or all fall */
    if (count == 1) {
        const double k = a[0].at / s;
        for (size_t j = 0; j < CHUNK; j++) {
            lv[j] = k * (u[j] - 0.5 * k);
            d1[j] = k;
            d2[j] = 0.0;
        }
        return;
    }
    for (int i = 0; i < count; i++) {
        const double k = a[i].at / s;
        first = fmax(first, k * (u[0] - 0.5 * k));
        last = fmax(last, k * (u[CHUNK - 1] - 0.5 * k));
    }
    if (fmax(fabs(first), fabs(last)) < 300.0) {
        log_v_chunk(lv, d1, d2, u, a, count, s);
        return;
    }
    for (int j = 0; j < CHUNK; j++) {
        double d[2];
        lv[j] = ew_mixture_log_v(d, a, count, s, u[j]);
        d1[j] = d[0];
        d2[j] = d[1];
    }
}

/* CHUNK nodes from place `at` of the part on, at u: losses, logs of the weights. */
static void put(ew_table *tb, const ew_layer *ly, int at, const double *u, double log_h)
{
    double lp[CHUNK], lq[CHUNK];
    log_v_at(lp, tb->dp + at, tb->cp + at, u, ly->first, ly->p, ly->scale);
    log_v_at(lq, tb->dq + at, tb->cq + at, u, ly->first + ly->p, ly->q, ly->scale);
    for (int j = 0; j < CHUNK; j++) {
        tb->u[at + j] = u[j];
        tb->loss[at + j] = lp[j] - lq[j];
        tb->lw[at + j] = log_h - 0.5 * u[j] * u[j] + lp[j];
    }
}

double ew_mixture_loss(const ew_layer *ly, double u)
{
    double d[2];
    return ew_mixture_log_v(d, ly->first, ly->p, ly->scale, u) -
           ew_mixture_log_v(d, ly->first + ly->p, ly->q, ly->scale, u);
}

/* Step in u for |Im z| <= t, errors about e^{-floor}; fills in the extents of the centres. */
double ew_mixture_step(const ew_layer *ly, ew_segment *sg, double c, double t, double floor)
{
    double lo = INFINITY, hi = 0.0, qlo = INFINITY, qhi = 0.0;
    for (int i = 0; i < ly->p; i++) {
        hi = fmax(hi, ly->first[i].at);
        lo = fmin(lo, ly->first[i].at);
    }
    for (int i = ly->p; i < ly->p + ly->q; i++) {
        qhi = fmax(qhi, -ly->first[i].at);
        qlo = fmin(qlo, -ly->first[i].at);
    }
    sg->p_max = hi / ly->scale;
    sg->p_span = (hi - lo) / ly->scale;
    sg->q_max = qhi / ly->scale;
    sg->q_span = (qhi - qlo) / ly->scale;
    const double most = 0.95 * EW_PI / fmax(sg->q_span, 1e-3), turn = t * (sg->p_max + sg->q_max);
    double best = 0.0;
    for (double y = fmin(most, sqrt(2.0 * floor)); y > 1e-4; y *= 0.8) {
        const double loss = floor + 0.7 + 0.5 * y * y + turn * y - c * log(cos(0.5 * y * sg->q_span));
        const double h = 2.0 * EW_PI * y / loss;
        if (h < best)
            break;
        best = h;
    }
    /* the decay, at height b <= pi/(2 span) above its own path, is wanted less sharply */
    const double b = fmin(6.0, 0.5 * EW_PI / fmax(1e-3, fmax(sg->p_span, sg->q_span)) * 0.8);
    return fmin(best, 2.0 * EW_PI * b / (0.5 * b * b + 0.5 * floor));
}

/* 1: the nodes of layer k follow those already there; 0: too many. */
int ew_mixture_fill(ew_table *tb, int k, double hu, double c_max, double floor, int room)
{
    const ew_layer *ly = &tb->part->layer[k];
    ew_segment *sg = &tb->seg[k];
    const double log_h = log(hu) - 0.5 * EW_LOG_2PI + log(ly->share);
    int at = tb->count;
    sg->begin = at;
    sg->hu = hu;
    for (int side = 0; side < 2; side++) {
        int done = 0;
        for (int i = side; !done; i += CHUNK) { /* chunks outwards, until terms and their slope are low enough */
            double u[CHUNK];
            if (at + CHUNK > room)
                return 0;
            for (int j = 0; j < CHUNK; j++)
                u[j] = (side ? -(i + j) : i + j) * hu;
            put(tb, ly, at, u, log_h);
            for (int j = 0; j < CHUNK && !done; j++, at++) {
                const double l = tb->loss[at], grown = l > 0.0 ? c_max * l : -l;
                done = tb->lw[at] + grown < -floor &&
                       (side ? -u[j] - sg->q_max : u[j] - (1.0 + c_max) * sg->p_max + c_max * tb->dq[at]) > 0.5;
            }
        }
        if (side == 0)
            sg->top = at - 1;
    }
    sg->count = at - sg->begin;
    tb->count = at;
    return 1;
}

/* Trapezoidal error of the layer's M(c + it), |t| <= t, relative to its M(c); c = 0 and c = -1 are legal. */
double ew_mixture_quad(const ew_segment *sg, double c, double t)
{
    const double turn = t * (sg->p_max + sg->q_max),
                 most = 0.95 * EW_PI / fmax(fmax(sg->q_span, c < 0.0 ? sg->p_span : 0.0), 1e-3);
    double best = INFINITY, y = fmin(most, fmax(0.1, 2.0 * EW_PI / sg->hu - turn));
    const int tries = sg->q_span > 0.0 && c > 0.0 ? 4 : 1; /* without the cosine the first y is the best */
    for (int i = 0; i < tries; i++, y *= 0.7) {
        const double far = 2.0 * EW_PI * y / sg->hu, less = tries > 1 ? c * log(cos(0.5 * y * sg->q_span)) : 0.0;
        best = fmin(best, 0.5 * y * y + turn * y - less - (far > 36.0 ? far : log(expm1(far))));
    }
    return 2.0 * exp(best) * (1.0 + 1e-9);
}

/* Sum of the weights beyond the ends, tilted by c (share included); INFINITY where they are not known to fall. */
double ew_mixture_ends(const ew_table *tb, int k, double c)
{
    const ew_segment *sg = &tb->seg[k];
    const int e = sg->top, b = sg->begin + sg->count - 1;
    const double up = tb->u[e] - fmax(0.0, 1.0 + c) * sg->p_max + fmax(0.0, c) * tb->dq[e];
    const double down = -tb->u[b] - (c < 0.0 ? -c * sg->q_max : 0.0);
    if (!(up > 0.3 && down > 0.3))
        return INFINITY;
    return (exp(tb->lw[e] + c * tb->loss[e]) / expm1(sg->hu * up) +
            exp(tb->lw[b] + c * tb->loss[b]) / expm1(sg->hu * down)) *
           (1.0 + 1e-9);
}
