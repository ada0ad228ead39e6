/* mixture_far.c - a pair of Gaussian mixtures: decay of its characteristic function.
 *
 * With v_P, v_Q, alpha and beta of mixture.c, the path shifted to u + iy (MATH.md section 4):
 *     |phi_c(t)| <= E_c[e^psi] for all t >= T,
 *     psi = y^2/2 + (1+c) log|v_P(u+iy)/v_P| - c log|v_Q(u+iy)/v_Q| - T (arg v_P - arg v_Q),
 * both args of one sign because alpha >= 0 >= beta and y max < pi.  Its trapezoidal error: at height b the modulus
 * becomes a geometric mean, as in mixture.c, and the args (arg v(u + i(y+b)) + arg v(u + i(y-b)))/2, of one sign still
 * where args grow with height, which they do while (y+b) span <= pi/2:
 *     d arg v/dy = sum alpha_i a_i a_j cos((alpha_i - alpha_j) y)/|v|^2.
 */
#include "kernels.h"
#include "law.h"

#include <math.h>

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
                                  : ew_mixture_log_v(dq, ly->first + ly->p, ly->q, ly->scale, tb->u[i]);
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
