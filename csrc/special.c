/* special.c - see special.h for what each function promises. */
#include "special.h"

#include <math.h>

/* hi + lo = x * x exactly (Dekker's product; no fma needed), for |x| < 1e150. */
static void square(double x, double *hi, double *lo)
{
    const double c = 0x1.0000002p+27 * x; /* (2^27 + 1) x */
    const double big = c - (c - x), small = x - big;
    *hi = x * x;
    *lo = ((big * big - *hi) + 2.0 * big * small) + small * small;
}

double ew_log1pmx(double x)
{
    if (!(x >= -0.5 && x <= 1.0))
        return x > 1e300 ? -x : log1p(x) - x; /* the two never cancel below 1/4 of log1p(x) here */
    const double s = x / (2.0 + x), y = s * s, w = y * y; /* y <= 1/9: what is cut off is below 2^-58 of the value */
    const double even = 2.0 / 3 + w * (2.0 / 7 + w * (2.0 / 11 + w * (2.0 / 15 + w * (2.0 / 19 + w * (2.0 / 23
                      + w * (2.0 / 27 + w * (2.0 / 31 + w * (2.0 / 35))))))));
    const double odd = 2.0 / 5 + w * (2.0 / 9 + w * (2.0 / 13 + w * (2.0 / 17 + w * (2.0 / 21 + w * (2.0 / 25
                     + w * (2.0 / 29 + w * (2.0 / 33)))))));
    return s * (y * (even + y * odd) - x);
}

/* 1/(k + 2)! for k = 0 .. 17, the Taylor coefficients of (exp(z) - 1 - z)/z^2; |z| <= 1 leaves 2^-60 of the value. */
static const double taylor[18] = {
    1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,
    1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200, 1.0 / 1307674368000,
    1.0 / 20922789888000, 1.0 / 355687428096000, 1.0 / 6402373705728000, 1.0 / 121645100408832000,
};

double ew_expm1mx(double x)
{
    if (!(fabs(x) <= 1.0))
        return x > 1e3 ? x * x * 1e308 : expm1(x) - x; /* beyond 710 both are inf: inf without inf - inf */
    const double w = x * x;
    double even = taylor[16], odd = taylor[17];
    for (int k = 14; k >= 0; k -= 2) {
        even = even * w + taylor[k];
        odd = odd * w + taylor[k + 1];
    }
    return w * (even + x * odd);
}

void ew_cexpm1mx(double out[2], double re, double im)
{
    const double wr = (re - im) * (re + im), wi = 2.0 * re * im; /* z^2 */
    if (!(re * re + im * im <= 1.0)) {
        const double e = exp(re);
        out[0] = e * cos(im) - (1.0 + re);
        out[1] = e * sin(im) - im;
        return;
    }
    double er = taylor[16], ei = 0.0, or = taylor[17], oi = 0.0;
    for (int k = 14; k >= 0; k -= 2) {
        const double e = er * wr - ei * wi + taylor[k], o = or * wr - oi * wi + taylor[k + 1];
        ei = er * wi + ei * wr;
        oi = or * wi + oi * wr;
        er = e;
        or = o;
    }
    const double pr = er + (re * or - im * oi), pi = ei + (re * oi + im * or);
    out[0] = wr * pr - wi * pi;
    out[1] = wr * pi + wi * pr;
}

/* Powers of t = (x - 4)/(x + 4) in (1 + 2x) erfcx(x), x >= 0. */
static const double erfcx_poly[] = {
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

/* erfcx for x >= 0. */
static double erfcx_right(double x)
{
    if (x > 1e9)
        return 0x1.20dd750429b6dp-1 / x; /* 1/sqrt(pi) = 0.5641895835477563; the next term is below 2^-60 of it */
    const double t = (x - 4.0) / (x + 4.0);
    double p = erfcx_poly[24];
    for (int k = 23; k >= 0; k--)
        p = p * t + erfcx_poly[k];
    return p / (1.0 + 2.0 * x);
}

double ew_erfcx(double x)
{
    if (!(x < 0.0))
        return erfcx_right(x);
    if (x < -27.0)
        return HUGE_VAL; /* true value above 1e316 */
    double hi, lo;
    square(x, &hi, &lo);
    return 2.0 * (exp(hi) * (1.0 + lo)) - erfcx_right(-x); /* |lo| <= 2^-44: exp(lo) = 1 + lo to 2^-89 */
}

double ew_log_ndtr(double x)
{
    const double r = 0x1.6a09e667f3bcdp-1; /* 1/sqrt(2) = 0.70710678118654757 */
    if (!(x > 0.0))
        return log(0.5 * erfcx_right(-x * r)) - 0.5 * x * x;
    if (x > 39.0)
        return -0.0; /* true value above -1e-332 */
    double hi, lo;
    square(x, &hi, &lo);
    return log1p(-0.5 * erfcx_right(x * r) * (exp(-0.5 * hi) * (1.0 - 0.5 * lo)));
}
