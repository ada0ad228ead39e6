/* mixture.c - a pair of Gaussian mixtures: quadrature of its generating function, errors of it, decay of its
 * characteristic function.
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
 * Decay    path shifted to u + iy (MATH.md section 4): |phi_c(t)| <= E_c[e^psi] for all t >= T, psi = y^2/2 + (1+c)
 *          log|v_P(u+iy)/v_P| - c log|v_Q(u+iy)/v_Q| - T (arg v_P - arg v_Q), both args of one sign because alpha >= 0
 *          >= beta and y max < pi. Its trapezoidal error: at height b the modulus becomes a geometric mean, as above,
 *          and the args (arg v(u + i(y+b)) + arg v(u + i(y-b)))/2, of one sign still where args grow with height, which
 *          they do while (y+b) span <= pi/2: d arg v/dy = sum alpha_i a_i a_j cos((alpha_i - alpha_j) y)/|v|^2.
 */
#include "kernels.h"
#include "law.h"
#include "special.h"

#include <math.h>

/* log v at u, and the first two derivatives; log v has relative accuracy where v is near 1 (the weights add up to 1),
 * v has it where it is small: below e^-1 no e^y is taken from 1. */
static double log_v(double out[2], const ew_atom *a, int count, double s, double u)
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
        lv[j] = log_v(d, a, count, s, u[j]);
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
    return log_v(d, ly->first, ly->p, ly->scale, u) - log_v(d, ly->first + ly->p, ly->q, ly->scale, u);
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

/* log|v(u+iy)/v| and arg v(u+iy) (counted positive) of the components, in out; absolute size of what was added up is
 * returned. */
static double turned(double out[2], const ew_atom *a, int count, double s, double u, double log_v, double y)
{
    double less = 0.0, im = 0.0;
    for (int i = 0; i < count; i++) {
        const double k = fabs(a[i].at) / s;
        if (k == 0.0)
            continue;
        const double x = a[i].weight * exp((a[i].at / s) * u - 0.5 * k * k - log_v), si = sin(0.5 * k * y);
        less += 2.0 * x * si * si;
        im += x * sin(k * y);
    }
    out[0] = 0.5 * log1p(fmax(-1.0 + 1e-16, -2.0 * less + less * less + im * im));
    out[1] = atan2(im, 1.0 - less);
    return 2.0 * less + im * im;
}

/* log|v(u+iy)/v| and arg v(u+iy) of a mixture of two, one of them at 0, where the other, k away, has this share. */
static inline void turned_pair(double *log_mod, double *arg, double share, double versine, double sine)
{
    *log_mod = 0.5 * ew_k_log1p(-2.0 * share * (1.0 - share) * versine);
    *arg = ew_k_atan2(share * sine, 1.0 - share * versine);
}

/* The sums of ew_mixture_far for mixtures of at most two, one of them at 0: d log v/du over the other centre is its
 * share.  One: the other law is a single component at 0, and v, with exponent `e`, is the one of `d`. */
EW_CLONES
static void far_one(double out[2], const double *restrict p, const double *restrict d, size_t count, double k, double e,
                    double y, double T)
{
    const double a = k != 0.0 ? 1.0 / k : 0.0, half = sin(0.5 * fabs(k) * y), versine = 2.0 * half * half,
                 sine = sin(fabs(k) * y), up = 0.5 * y * y;
    double sum = 0.0, size = 0.0;
#pragma omp simd reduction(+ : sum, size)
    for (size_t i = 0; i < count; i++) {
        double l, arg;
        turned_pair(&l, &arg, d[i] * a, versine, sine);
        const double grown = ew_k_expm1(up + e * l - T * arg);
        sum += p[i] * grown;
        size += p[i] * 1e-11 * (up - fabs(e) * l + T * arg) * (grown > 0.0 ? 1.0 + grown : 1.0);
    }
    out[0] = sum;
    out[1] = size;
}

EW_CLONES
static void far_both(double out[2], const double *restrict p, const double *restrict dp, const double *restrict dq,
                     size_t count, double kp, double kq, double c, double y, double T)
{
    const double sp = sin(0.5 * kp * y), sq = sin(0.5 * kq * y), vp = 2.0 * sp * sp, vq = 2.0 * sq * sq,
                 ip = sin(kp * y), iq = sin(kq * y), up = 0.5 * y * y;
    double sum = 0.0, size = 0.0;
#pragma omp simd reduction(+ : sum, size)
    for (size_t i = 0; i < count; i++) {
        double lp, lq, ap, aq;
        turned_pair(&lp, &ap, dp[i] / kp, vp, ip);
        turned_pair(&lq, &aq, -dq[i] / kq, vq, iq);
        const double grown = ew_k_expm1(up + (1.0 + c) * lp - c * lq - T * (ap + aq));
        sum += p[i] * grown;
        size += p[i] * 1e-11 * (up - (1.0 + c) * lp - c * lq + T * (ap + aq)) * (grown > 0.0 ? 1.0 + grown : 1.0);
    }
    out[0] = sum;
    out[1] = size;
}

/* sup over t >= T of |M_layer(c + it)| - M_layer(c), in units of e^{tb->shift}, from the nodes tilted to c; *slack
 * grows by its error. */
double ew_mixture_far(const ew_table *tb, int k, double T, double *slack)
{
    const ew_segment *sg = &tb->seg[k];
    const ew_layer *ly = &tb->part->layer[k];
    double mass = 0.0, d = 0.0, curve = 0.0, sum = 0.0, size = 0.0;
    const double c = tb->c;
#pragma omp simd reduction(+ : mass, d, curve)
    for (size_t i = (size_t)sg->begin; i < (size_t)(sg->begin + sg->count); i++) {
        mass += tb->p[i];
        d += tb->p[i] * (tb->dp[i] - tb->dq[i]);
        curve += tb->p[i] * ((1.0 + c) * tb->cp[i] - c * tb->cq[i]);
    }
    const double span = fmax(1e-3, fmax(sg->p_span, sg->q_span)), limit = 0.5 * EW_PI / span,
                 widest = fmax(sg->p_max, sg->q_max);
    double y = T * d / mass / fmax(0.25, 1.0 - curve / mass);
    y = fmin(y, fmin(0.45 * limit, 0.9 * EW_PI / fmax(widest, 1e-3)));
    if (ly->p <= 2 && ly->q <= 2 && ly->first[0].at == 0.0 && ly->first[ly->p].at == 0.0) {
        const size_t n = (size_t)sg->count, at = (size_t)sg->begin;
        double found[2];
        if (sg->p_max > 0.0 && sg->q_max > 0.0)
            far_both(found, tb->p + at, tb->dp + at, tb->dq + at, n, sg->p_max, sg->q_max, c, y, T);
        else if (sg->q_max > 0.0)
            far_one(found, tb->p + at, tb->dq + at, n, -sg->q_max, -c, y, T);
        else
            far_one(found, tb->p + at, tb->dp + at, n, sg->p_max, 1.0 + c, y, T);
        sum = found[0];
        size = found[1];
    } else {
        for (int i = sg->begin; i < sg->begin + sg->count; i++) {
            if (!(tb->p[i] > 1e-30 * mass)) { /* psi <= (1 + c) 0 + c log(1/cos) + y^2/2: counted below */
                size += tb->p[i];
                continue;
            }
            double a[2], b[2] = {0.0, 0.0}, dq[2];
            const double lq = ly->q == 1 && ly->first[ly->p].at == 0.0
                                  ? 0.0
                                  : log_v(dq, ly->first + ly->p, ly->q, ly->scale, tb->u[i]);
            double abs_psi = (1.0 + c) * turned(a, ly->first, ly->p, ly->scale, tb->u[i], tb->loss[i] + lq, y);
            if (ly->q > 1 || ly->first[ly->p].at != 0.0)
                abs_psi += c * turned(b, ly->first + ly->p, ly->q, ly->scale, tb->u[i], lq, y);
            const double psi = 0.5 * y * y + (1.0 + c) * a[0] - c * b[0] - T * (a[1] + b[1]);
            abs_psi += 0.5 * y * y + T * (a[1] + b[1]);
            sum += tb->p[i] * expm1(psi);
            size += tb->p[i] * 1e-11 * abs_psi * (psi > 0.0 ? exp(psi) : 1.0);
        }
    }
    const double b = fmin(limit - y, fmax(0.1, 2.0 * EW_PI / sg->hu)),
                 C = -c * log(cos(0.5 * fmin(0.95 * EW_PI, (y + b) * sg->q_span)));
    double err = INFINITY, f = 1.0;
    for (int i = 0; i < 5; i++, f *= 0.8)
        err = fmin(err, 2.0 * exp(0.5 * (y * y + f * f * b * b) + C - log(expm1(2.0 * EW_PI * f * b / sg->hu))));
    const double grow = exp(0.5 * y * y - c * log(cos(0.5 * y * sg->q_span)));
    *slack += size * grow + mass * 1.01 * err + 1.01 * ew_mixture_ends(tb, k, c) * exp(-tb->shift) * grow;
    return sum;
}
