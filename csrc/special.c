/* special.c - see special.h for what each function promises. */
#include "special.h"
#include "kernels.h"

#include <math.h>

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

double ew_erfcx(double x)
{
    if (!(x < 0.0))
        return ew_k_erfcx(x);
    if (x < -27.0)
        return HUGE_VAL; /* true value above 1e316 */
    double hi, lo;
    ew_k_square(&hi, &lo, x);
    return 2.0 * (exp(hi) * (1.0 + lo)) - ew_k_erfcx(-x); /* |lo| <= 2^-44: exp(lo) = 1 + lo to 2^-89 */
}

double ew_log_ndtr(double x)
{
    return x < -1.3e154 ? -INFINITY : ew_k_log_ndtr(x);
}
