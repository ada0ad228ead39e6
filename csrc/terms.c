/* terms.c - from the sums along a line to the terms of its trapezoidal sum and their errors.
 *
 * With A = M_small(z)/M_small(c) = 1 + w and B = M_mid(z), z = c + i t, the term at t is  (h/pi) Re[G(z) e^{-z eps}/(z
 * (1+z))] (half of it at t = 0), G = A^n or (A + B)^n - A^n, every power through n log(1 + w).
 * Error    M(c) A is M(c) as summed plus what the sums differ by from their value at t = 0: the error e_A M(c) of it is
 *          that of all three. Of A^n:  |A^n| ((1 + e_A/|A|)^n - 1);   of (A+B)^n - A^n = n B int_0^1 (A + s B)^{n-1}
 *          ds: n e_B P^{n-1} + n^2 e_A |B| P^{n-2}, inflated, P = max(|A|, |A+B|) >= |A + s B|.
 */
#include "rooms.h"
#include "kernels.h"

#include <math.h>

/* logs, angles = n log(1 + re + i im); may overwrite re, im. */
EW_CLONES
static void log_power(double *logs, double *angles, double n, const double *re, const double *im, int count)
{
#pragma omp simd
    for (int j = 0; j < count; j++) {
        const double a = re[j], b = im[j], q = 2.0 * a + (a * a + b * b), square = (1.0 + a) * (1.0 + a) + b * b;
        const double u = q > -0.5          ? 1.0 + q
                         : square > 1e-300 ? square
                                           : 1e-300,
                     lost = (q > 0.4 ? 1.0 - (u - q) : q - (u - 1.0)) / u;
        logs[j] = 0.5 * n * ew_k_log_of(u, q, q > -0.5 ? lost : 0.0);
        angles[j] = n * ew_k_atan2(b, 1.0 + a);
    }
}

/* re, im = w; bre, bim = B/A, size >= |B| */
EW_CLONES
static void normalise(const ew_line_terms *v, double *re, double *im, double *bre, double *bim, double *size)
{
    const double by = 1.0 / v->at->m, slope = v->round->bracketed ? v->h * v->at->m1 : 0.0,
                 b_slope = v->round->bracketed ? v->h * v->at->b1 : 0.0;
#pragma omp simd
    for (int j = 0; j <= v->J; j++) {
        re[j] = re[j] * by;
        im[j] = (im[j] + j * slope) * by;
    }
    if (v->cls == EW_SMALL)
        return;
#pragma omp simd
    for (int j = 0; j <= v->J; j++) {
        const double ar = 1.0 + re[j], ai = im[j], br = v->at->b0 + bre[j], bi = bim[j] + j * b_slope,
                     d2 = ar * ar + ai * ai, d = by / (d2 > 1e-300 ? d2 : 1e-300);
        size[j] = fabs(br) + fabs(bi); /* their squares may underflow */
        bre[j] = (br * ar + bi * ai) * d;
        bim[j] = (bi * ar - br * ai) * d;
    }
}

static inline void turn_by(double *sine, double *cosine, double x, int far)
{
    if (far) {
        *sine = sin(x);
        *cosine = cos(x);
    } else {
        ew_k_sincos(sine, cosine, x);
    }
}

static inline double at_most(double x, double most)
{
    return x < most ? x : most;
}

/* Terms from .. to - 1, all with the same quadrature errors; cr, ci hold n log A. */
EW_BODY void finish(ew_contour *ct, const ew_line_terms *v, const ew_scratch *ws, int base, int from, int to, double qs,
                    double qb, int far, int mid, int small)
{
    const double n = v->n, c = v->c, m = v->at->m, by_m = 1.0 / m, h = v->h, unit = h / EW_PI, eps = v->eps,
                 top = v->top, flat = v->fixed_err + 60.0 * EW_U, turning = 4.0 * EW_U * fabs(eps);
    const ew_rounding *r = v->round;
    /* at t = 0: of M(c); further on, also of the two sums subtracted */
    const double start = v->quad_0 + r->m0, q0 = start + v->quad_0 + qs;
    const double b1 = r->b_turn + (v->round->bracketed ? r->b1_bracketed : 0.0),
                 b_flat = r->b0 + (v->round->bracketed ? r->b0_bracketed : 0.0) + qb + v->quad_b0;
    const double *re = ws->sums[0], *im = ws->sums[1], *two0 = ws->sums[2], *two1 = ws->sums[3];
    double *cr = ct->cr + base, *ci = ct->ci + base, *zr = ct->zr + base, *zi = ct->zi + base, *err = ct->err + base;
#pragma omp simd
    for (int j = from; j < to; j++) {
        const double t = j * h, ar = 1.0 + re[j], ai = im[j], one0 = cr[j], one1 = ci[j], size = top + one0,
                     turn = one1 - t * eps;
        const double mod2 = ar * ar + ai * ai, mod = sqrt(mod2 > 1e-300 ? mod2 : 1e-300),
                     near = fabs(ai) < 1.0 ? fabs(ai) : 1.0;
        const double eM = (err[j] + (j ? q0 : start)) * by_m + 4.0 * EW_U * (fabs(re[j]) + fabs(ai));
        const double e0 = ew_k_exp(size);
        double sine, cosine, gr, gi, abs_err;
        turn_by(&sine, &cosine, turn, far);
        if (mid) {
            /* A^n (e^{n log(1 + B/A)} - 1), or where the second factor may be huge (A+B)^n - A^n */
            const double x = at_most(two0[j], 1.0), e = ew_k_exp(x), e1 = ew_k_exp(size + two0[j]);
            double s2, c2, s1, c1;
            turn_by(&s2, &c2, 0.5 * two1[j], far);
            turn_by(&s1, &c1, turn + two1[j], far);
            const double er = ew_k_expm1(x) - 2.0 * e * s2 * s2, ei = 2.0 * e * s2 * c2;
            gr = two0[j] > 1.0 ? e1 * c1 - e0 * cosine : e0 * (er * cosine - ei * sine);
            gi = two0[j] > 1.0 ? e1 * s1 - e0 * sine : e0 * (er * sine + ei * cosine);
            const double B = zr[j], eB = b_flat + t * b1, eA = eM * m,
                         P = mod * m * ew_k_exp(at_most(x > 0.0 ? two0[j] / n : 0.0, 700.0));
            const double grow = ew_k_exp(at_most(1.01 * n * ew_k_log1p((eA + eB) / P), 700.0)),
                         larger = e1 > e0 ? e1 : e0;
            abs_err = larger * grow * (n * eB / P + n * n * eA * (B + eB) / (P * P));
            abs_err += sqrt(gr * gr + gi * gi) * (flat + EW_U * 8.0 * (fabs(one0) + fabs(one1)) + turning * t) +
                       larger * EW_U * (16.0 * (fabs(two0[j]) + fabs(two1[j])) + (two0[j] > 1.0 ? flat / EW_U : 0.0));
        } else {
            gr = e0 * cosine;
            gi = e0 * sine;
            /* e^x - 1 <= x + x^2 for x <= 1 */
            const double x = n * eM / mod,
                         grown = small ? x + x * x : ew_k_expm1(at_most(n * ew_k_log1p(eM / mod), 700.0));
            abs_err = e0 * (grown + EW_U * 8.0 * (fabs(one0) + fabs(one1) + n * near) + turning * t + flat);
        }
        const double g = j ? unit : 0.5 * unit, kr = c * (1.0 + c) - t * t, ki = t * (1.0 + 2.0 * c),
                     k2 = kr * kr + ki * ki, by = g / k2;
        cr[j] = by * (gr * kr + gi * ki);
        ci[j] = by * (gi * kr - gr * ki);
        zr[j] = c;
        zi[j] = t;
        err[j] = 1.01 * abs_err * (by * sqrt(k2));
    }
}

EW_CLONES
static void finish_small(ew_contour *ct, const ew_line_terms *v, const ew_scratch *ws, int base, int from, int to,
                         double qs)
{
    finish(ct, v, ws, base, from, to, qs, 0.0, 0, 0, 0);
}

EW_CLONES
static void finish_precise(ew_contour *ct, const ew_line_terms *v, const ew_scratch *ws, int base, int from, int to,
                           double qs)
{
    finish(ct, v, ws, base, from, to, qs, 0.0, 0, 0, 1);
}

EW_CLONES
static void finish_mid(ew_contour *ct, const ew_line_terms *v, const ew_scratch *ws, int base, int from, int to,
                       double qs, double qb)
{
    finish(ct, v, ws, base, from, to, qs, qb, 0, 1, 0);
}

EW_CLONES
static double largest(const double *x, int count)
{
    double most = 0.0;
#pragma omp simd reduction(max : most)
    for (int j = 0; j < count; j++)
        most = fabs(x[j]) > most ? fabs(x[j]) : most;
    return most;
}

EW_CLONES
static double least(const double *x, int from, int to)
{
    double small = 0.0;
#pragma omp simd reduction(min : small)
    for (int j = from; j < to; j++)
        small = x[j] < small ? x[j] : small;
    return small;
}

/* Is n e_A/|A| <= 1 for |A| >= modulus, |1 - A| <= 2, where the rounding is at most `turned`? */
static int precise(const ew_line_terms *v, double qs, double turned, double modulus)
{
    return v->n * ((turned + v->round->m0 + 2.0 * v->quad_0 + qs) / v->at->m + 16.0 * EW_U) <= 0.99 * modulus;
}

void ew_add_terms(ew_contour *ct, const ew_line_terms *v, ew_scratch *ws)
{
    const int base = ct->count, count = v->J + 1;
    double *re = ws->sums[0], *im = ws->sums[1], *bre = ws->sums[2], *bim = ws->sums[3], *angles = ct->ci + base;
    normalise(v, re, im, bre, bim, ct->zr + base);
    log_power(ct->cr + base, angles, v->n, re, im, count);
    double most = largest(angles, count);
    if (v->cls == EW_MID) {
        log_power(bre, bim, v->n, bre, bim, count);
        most += largest(bim, count);
    }
    if (v->turned)
        for (int j = 0; j < count; j++)
            ct->err[base + j] = ws->sums[2][j];
    else
        ew_rounding_along(ct->err + base, v->round, v->h, count); /* grows with t */
    const int far = !(most + v->J * v->h * fabs(v->eps) < 0x1p19);
    for (int i = 0, from = 0; i < EW_SEGMENTS; i++) {
        const double end = v->until[i] / v->h + 1.0;
        const int to = i == EW_SEGMENTS - 1 || !(end < count) ? count : (int)end;
        if (far)
            finish(ct, v, ws, base, from, to, v->quad_s[i], v->quad_b[i], 1, v->cls == EW_MID, 0);
        else if (v->cls == EW_MID)
            finish_mid(ct, v, ws, base, from, to, v->quad_s[i], v->quad_b[i]);
        else if (precise(v, v->quad_s[i], ct->err[base + to - 1], exp(least(ct->cr + base, from, to) / v->n)))
            finish_precise(ct, v, ws, base, from, to, v->quad_s[i]);
        else
            finish_small(ct, v, ws, base, from, to, v->quad_s[i]);
        from = to > from ? to : from;
    }
    ct->count += count;
}
