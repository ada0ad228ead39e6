/* kernels.h - elementary functions without branches or calls: a loop over them becomes vector code.
 *
 * Why      libm costs 40 to 100 instructions a call; four of these side by side cost as much as one.
 * Bound    errors in units of u = 2^-53, relative unless it says absolute, in round-to-nearest without contraction;
 *          tests/test_kernels.py reads Domain and Bound.  None sets errno or fails; outside Domain the value means
 *          nothing, NaN in gives NaN out.
 * Source   Taylor series after the classic reductions (Muller, Elementary Functions, 3rd ed., ch. 11); W. Kahan's
 *          correction of log1p.
 */
#ifndef EW_KERNELS_H
#define EW_KERNELS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t ew_bits(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static inline double ew_double(uint64_t b)
{
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

#define EW_TO_INT 0x1.8p+52            /* adding it rounds to an integer, which then stands in the low bits */
#define EW_LN2_HI 0x1.62e42fefa38p-1   /* log 2 in two parts; the first has 42 bits: 2^11 times it is exact */
#define EW_LN2_LO 0x1.ef35793c7673p-45

/* exp(r) - 1 - r, |r| <= 1: Taylor, even and odd powers apart; what is cut off is below 2^-60 of the value. */
static inline double ew_k_tail(double r)
{
    const double w = r * r, w2 = w * w;
    const double e0 = 1.0 / 2 + w * (1.0 / 24), e1 = 1.0 / 720 + w * (1.0 / 40320),
                 e2 = 1.0 / 3628800 + w * (1.0 / 479001600), e3 = 1.0 / 87178291200 + w * (1.0 / 20922789888000);
    const double o0 = 1.0 / 6 + w * (1.0 / 120), o1 = 1.0 / 5040 + w * (1.0 / 362880),
                 o2 = 1.0 / 39916800 + w * (1.0 / 6227020800), o3 = 1.0 / 1307674368000 + w * (1.0 / 355687428096000);
    const double even = (e0 + w2 * e1) + (w2 * w2) * (e2 + w2 * (e3 + w2 * (1.0 / 6402373705728000)));
    const double odd = (o0 + w2 * o1) + (w2 * w2) * (o2 + w2 * (o3 + w2 * (1.0 / 121645100408832000)));
    return w * (even + r * odd);
}

/* exp             Domain x in [-708, 709.7]; below 0, above inf.   Bound 2 u */
static inline double ew_k_exp(double x)
{
    const double c = x < -708.0 ? -708.0 : x > 709.7 ? 709.7 : x;
    const double t = c * 0x1.71547652b82fep+0 + EW_TO_INT, k = t - EW_TO_INT; /* log2 e = 1.4426950408889634 */
    const double r = (c - k * EW_LN2_HI) - k * EW_LN2_LO, w = r * r, w2 = w * w;
    const double a = (1.0 / 2 + r * (1.0 / 6)) + w * (1.0 / 24 + r * (1.0 / 120));
    const double b = (1.0 / 720 + r * (1.0 / 5040)) + w * (1.0 / 40320 + r * (1.0 / 362880));
    const double d = (1.0 / 3628800 + r * (1.0 / 39916800)) + w * (1.0 / 479001600 + r * (1.0 / 6227020800));
    const double p = 1.0 + (r + w * (a + w2 * (b + w2 * d)));
    const double y = ew_double(ew_bits(p) + (ew_bits(t) << 52));
    return x < -708.0 ? 0.0 : x > 709.7 ? INFINITY : y;
}

/* expm1mx         Formula exp(x) - 1 - x.   Domain x in [-708, 709.7].   Bound 8 u */
static inline double ew_k_expm1mx(double x)
{
    const double c = x < -1.0 ? -1.0 : x > 1.0 ? 1.0 : x, near = ew_k_tail(c), far = (ew_k_exp(x) - 1.0) - x;
    return c == x ? near : far;
}

/* expm1           Domain x in [-708, 709.7].   Bound 4 u */
static inline double ew_k_expm1(double x)
{
    const double c = x < -60.0 ? -60.0 : x > 709.7 ? 709.7 : x; /* e^-60 < 2^-86 */
    const double t = c * 0x1.71547652b82fep+0 + EW_TO_INT, k = t - EW_TO_INT;
    const double r = (c - k * EW_LN2_HI) - k * EW_LN2_LO, w = r * r, w2 = w * w;
    const double a = (1.0 / 2 + r * (1.0 / 6)) + w * (1.0 / 24 + r * (1.0 / 120));
    const double b = (1.0 / 720 + r * (1.0 / 5040)) + w * (1.0 / 40320 + r * (1.0 / 362880));
    const double d = (1.0 / 3628800 + r * (1.0 / 39916800)) + w * (1.0 / 479001600 + r * (1.0 / 6227020800));
    /* 2^{k-1} */
    const double p = r + w * (a + w2 * (b + w2 * d)), half = ew_double(0x3fe0000000000000u + (ew_bits(t) << 52));
    /* (e^r - 1) 2^k + (2^k - 1); the two cancel by a factor 3 at most, at k = +-1 */
    const double y = 2.0 * (half * p + (half - 0.5));
    return x > 709.7 ? INFINITY : y;
}

/* log(u) + extra, u > 0, exact = u - 1 where u is within a factor sqrt 2 of 1 */
static inline double ew_k_log_of(double u, double exact, double extra)
{
    const uint64_t half = 0x3fe6a09e667f3bcdu, one = 0x3ff0000000000000u; /* sqrt(1/2), 1 */
    const uint64_t shifted = (ew_bits(u) - half + one) >> 52; /* exponent + 1023 */
    const double k = ew_double(shifted | 0x4330000000000000u) - (0x1p+52 + 1023.0);
    const double m = ew_double(ew_bits(u) - ((shifted - 1023u) << 52));
    const double f = k == 0.0 ? exact : m - 1.0, c = k == 0.0 ? 0.0 : extra;
    const double s = f / (2.0 + f), z = s * s, z2 = z * z, z4 = z2 * z2;
    const double p = ((2.0 / 3 + z * (2.0 / 5)) + z2 * (2.0 / 7 + z * (2.0 / 9))) +
                     z4 * (((2.0 / 11 + z * (2.0 / 13)) + z2 * (2.0 / 15 + z * (2.0 / 17))) +
                           z4 * ((2.0 / 19 + z * (2.0 / 21)) + z2 * (2.0 / 23)));
    /* log(1+f) = 2 atanh s = 2 s + s z p, and 2 s = f - s f */
    const double tail = s * (z * p - f);
    return k * EW_LN2_HI + (f + (tail + (k * EW_LN2_LO + c)));
}

/* log1p           Domain x in [-0.999999, 1e308].   Bound 5 u */
static inline double ew_k_log1p(double x)
{
    const double u = 1.0 + x, lost = x > 0.4 ? 1.0 - (u - x) : x - (u - 1.0);
    return ew_k_log_of(u, x, lost / u);
}

/* atan(t) for |t| <= tan(pi/8): Taylor; a pair of angles y/x with x >= 0 */
static inline double ew_k_atan_small(double t)
{
    const double z = t * t, z2 = z * z, z4 = z2 * z2;
    const double a = (-1.0 / 3 + z * (1.0 / 5)) + z2 * (-1.0 / 7 + z * (1.0 / 9)),
                 b = (-1.0 / 11 + z * (1.0 / 13)) + z2 * (-1.0 / 15 + z * (1.0 / 17));
    const double c = (-1.0 / 19 + z * (1.0 / 21)) + z2 * (-1.0 / 23 + z * (1.0 / 25)),
                 d = (-1.0 / 27 + z * (1.0 / 29)) + z2 * (-1.0 / 31 + z * (1.0 / 33));
    const double e = (-1.0 / 35 + z * (1.0 / 37)) + z2 * (-1.0 / 39 + z * (1.0 / 41));
    return t + t * z * (a + z4 * (b + z4 * (c + z4 * (d + z4 * e))));
}

/* atan2           Formula argument of x + i y.   Domain x in [-1e150, 1e150], y likewise.   Bound 5 u */
static inline double ew_k_atan2(double y, double x)
{
    const double ay = fabs(y), ax = fabs(x), lo = ay < ax ? ay : ax, hi = ay < ax ? ax : ay;
    const int steep = lo > 0.41421356237309503 * hi;
    const double t = (steep ? lo - hi : lo) / (steep ? lo + hi : hi > 0.0 ? hi : 1.0);
    double a = ew_k_atan_small(t);
    a = steep ? 0x1.921fb54442d18p-1 + (a + 0x1.1a62633145c07p-55) : a;
    a = ay > ax ? 0x1.921fb54442d18p+0 - (a - 0x1.1a62633145c07p-54) : a;
    a = x < 0.0 ? 0x1.921fb54442d18p+1 - (a - 0x1.1a62633145c07p-53) : a;
    return y < 0.0 ? -a : a;
}

/* sincos          Domain x in [-524288, 524288].   Bound 2 u absolute */
static inline void ew_k_sincos(double *sine, double *cosine, double x)
{
    const double t = x * 0x1.45f306dc9c883p-1 + EW_TO_INT, k = t - EW_TO_INT; /* 2/pi = 0.63661977236758138 */
    /* pi/2 in three parts, the first two of 33 bits: k times them is exact */
    const double r = ((x - k * 0x1.921fb54400000p+0) - k * 0x1.0b4611a600000p-34) - k * 0x1.3198a2e037073p-69;
    const double z = r * r, z2 = z * z, z4 = z2 * z2;
    const double s = r + r * z *
                             (((-1.0 / 6 + z * (1.0 / 120)) + z2 * (-1.0 / 5040 + z * (1.0 / 362880))) +
                              z4 * ((-1.0 / 39916800 + z * (1.0 / 6227020800)) +
                                    z2 * (-1.0 / 1307674368000 + z * (1.0 / 355687428096000))));
    const double c =
        1.0 - (0.5 * z - z2 * (((1.0 / 24 + z * (-1.0 / 720)) + z2 * (1.0 / 40320 + z * (-1.0 / 3628800))) +
                               z4 * ((1.0 / 479001600 + z * (-1.0 / 87178291200)) + z2 * (1.0 / 20922789888000))));
    const uint64_t q = ew_bits(t), swap = 0u - (q & 1u); /* k mod 4 */
    const uint64_t sb = ew_bits(s), cb = ew_bits(c);
    *sine = ew_double(((sb & ~swap) | (cb & swap)) ^ ((q & 2u) << 62));
    *cosine = ew_double(((cb & ~swap) | (sb & swap)) ^ (((q + 1u) & 2u) << 62));
}

/* Powers of t = (x - 4)/(x + 4) in (1 + 2x) erfcx(x), x >= 0. */
static const double ew_erfcx_poly[25] = {
    0x1.3ba5916e9fd7fp+0, /* +1.2329951186255526 */
    -0x1.1df1ad154a287p-3, /* -0.1396211168405623 */
    0x1.f7f5df66fd6c2p-7, /* +0.015379652102619604 */
    0x1.16ecefcfa4d42p-4, /* +0.068097054254669082 */
    -0x1.9ddb23c3e8a22p-4, /* -0.10103906603630056 */
    0x1.7fee004e1e9dcp-4, /* +0.093732834999094405 */
    -0x1.0fb06dfe5229fp-4, /* -0.066330365812186973 */
    0x1.3079edf51fc68p-5, /* +0.037167515526555672 */
    -0x1.0962388397d97p-6, /* -0.016197734059799265 */
    0x1.49c672e0029c2p-8, /* +0.0050319700676574892 */
    -0x1.8d4a9b00c7997p-11, /* -0.00075777326137309558 */
    -0x1.a1df5db3b79f4p-13, /* -0.00019925714661091188 */
    0x1.3be04bf52bb5ap-13, /* +0.00015062149001240471 */
    -0x1.995385e20c3b6p-16, /* -2.4397746422436416e-05 */
    -0x1.78861f18ee7b4p-17, /* -1.1221287012353486e-05 */
    0x1.7ef6b7a31e6a9p-18, /* +5.7066044148957338e-06 */
    0x1.3981051d34c77p-22, /* +2.919733377963012e-07 */
    -0x1.b8d249727cce8p-21, /* -8.2109390425605677e-07 */
    0x1.4cbb15f961e46p-24, /* +7.7469927270179414e-08 */
    0x1.c8b87aa039fb6p-24, /* +1.0633855618594884e-07 */
    -0x1.613ab11aa87fdp-26, /* -2.0560649275699201e-08 */
    -0x1.a83c2ea8364c9p-27, /* -1.2346866043823529e-08 */
    0x1.b39ff8659b236p-29, /* +3.1695881915648173e-09 */
    0x1.ffeb28f8a7c30p-31, /* +9.3117449782325725e-10 */
    -0x1.246d137a7141bp-32, /* -2.6595996902426892e-10 */
};

/* erfcx           Domain x in [0, 3e307].   Bound 8 u */
static inline double ew_k_erfcx(double x)
{
    const double t = (x - 4.0) / (x + 4.0);
    double p = ew_erfcx_poly[24];
#pragma GCC unroll 24
    for (int k = 23; k >= 0; k--)
        p = p * t + ew_erfcx_poly[k];
    /* 1/sqrt(pi) = 0.5641895835477563; the next term is below 2^-60 of it */
    return x > 1e9 ? 0x1.20dd750429b6dp-1 / x : p / (1.0 + 2.0 * x);
}

/* hi + lo = x * x exactly (Dekker's product; no fma needed), for |x| < 1e150. */
static inline void ew_k_square(double *hi, double *lo, double x)
{
    const double c = 0x1.0000002p+27 * x; /* (2^27 + 1) x */
    const double big = c - (c - x), small = x - big;
    *hi = x * x;
    *lo = ((big * big - *hi) + 2.0 * big * small) + small * small;
}

/* log_ndtr        Formula log of the normal distribution function.   Domain x in [-1e154, 37.5].   Bound 16 u */
static inline double ew_k_log_ndtr(double x)
{
    const double ax = fabs(x), half = 0.5 * ew_k_erfcx(ax * 0x1.6a09e667f3bcdp-1); /* 1/sqrt(2) = 0.70710678118654757 */
    const double top = ax > 39.0 ? 39.0 : ax; /* beyond, the upper tail is below 1e-332 */
    double hi, lo;
    ew_k_square(&hi, &lo, top);
    const double right = ew_k_log1p(-half * (ew_k_exp(-0.5 * hi) * (1.0 - 0.5 * lo))),
                 left = ew_k_log_of(half, half - 1.0, 0.0) - 0.5 * x * x;
    return x > 0.0 ? (x > 39.0 ? -0.0 : right) : left;
}

#endif
