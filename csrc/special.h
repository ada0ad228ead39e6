/* special.h - special functions that keep relative accuracy where the textbook formula cancels.
 *
 * Bound is a relative error in units of u = 2^-53, over the stated Domain, with a libm whose exp, expm1, log, log1p,
 * sin and cos err by at most 1 ulp (glibc 2.28 and later: exp, log, sin, cos 0.55 ulp, expm1, log1p 0.91 ulp).
 * Witness is the worst argument found and its error in u.  tests/test_special.py reads Domain, Bound and Witness.
 * None of these functions fails, allocates or sets errno on purpose; NaN in gives NaN out.
 */
#ifndef EW_SPECIAL_H
#define EW_SPECIAL_H

/* ew_log1pmx
 * Formula  log(1 + x) - x
 * Domain   x in [-1, 1.7e308]; -1 gives -inf
 * Bound    8 u where |x| >= 1e-150 (below, the value -x^2/2 runs out of exponent)
 * Why      log1p(x) - x loses every digit as x -> 0.
 * Source   log(1 + x) = 2 atanh(s), s = x/(2 + x)  (Abramowitz and Stegun 4.1.27), and x - 2 s = x s.
 * Witness  x = -0x1.46370feb9f70fp-1 (3.5 u)
 * Errors   x < -1: NaN
 */
double ew_log1pmx(double x);

/* ew_expm1mx
 * Formula  exp(x) - 1 - x
 * Domain   x in [-1.7e308, 1.7e308]; inf above 709.78
 * Bound    8 u where |x| >= 1e-150
 * Why      expm1(x) - x loses every digit as x -> 0.
 * Source   the Taylor series for |x| <= 1; expm1(x) - x beyond, where the two never cancel below half.
 * Witness  x = -0x1.c4e97544a0dbdp-1 (3.4 u)
 * Errors   none
 */
double ew_expm1mx(double x);

/* ew_cexpm1mx
 * Formula  exp(z) - 1 - z, z = re + i im; out[0] = real part, out[1] = imaginary part
 * Domain   re in [-700, 700], im in [-1e6, 1e6]
 * Bound    20 u of max(|value|, |1 + z| if |z| > 7), where |z| >= 1e-150; of the complex number, not of each part
 * Why      the kernel of M(z) - 1: each quadrature node adds expm1(w) - w with w = z L.
 * Source   the Taylor series for |z| <= 1, even and odd powers apart; the definition beyond.  exp(z) - 1 - z has zeros
 *          at 2.09 +- 7.46 i, 2.66 +- 13.88 i, ...: near them the error stays small against the two numbers whose
 *          difference it is, not against the difference.
 * Witness  re = 0x1.004a2aa68aa3fp+0, im = 0x1.e8341e864ab80p-5 (9.3 u)
 * Errors   none
 */
void ew_cexpm1mx(double out[2], double re, double im);

/* ew_erfcx
 * Formula  exp(x^2) erfc(x)
 * Domain   x in [-1.7e308, 1.7e308]; inf below -26.628
 * Bound    16 u where x < 3e307
 * Why      erfc underflows at 27 where erfcx is still 0.02, and every normal tail here is used in log space.
 * Source   (1 + 2x) erfcx(x) as a polynomial in (x - 4)/(x + 4), made by tests/data/make_erfcx.py (the form of
 *          Shepherd and Laframboise, Math. Comp. 36, 1981); 2 exp(x^2) - erfcx(-x) for x < 0, x^2 in two parts.
 * Witness  x = -0x1.4134d5299f794p-19 (7.7 u)
 * Errors   none
 */
double ew_erfcx(double x);

/* ew_log_ndtr
 * Formula  log of the standard normal distribution function
 * Domain   x in [-1e154, 37.5]; below it -inf, above it the value leaves the normal doubles and goes to -0
 * Bound    16 u
 * Why      log(ndtr(x)) is -inf for x < -38 and 0 for x > 9.
 * Source   x <= 0: log(erfcx(-x/sqrt 2)/2) - x^2/2, two negative numbers; x > 0: log1p of minus the upper tail,
 *          itself erfcx(x/sqrt 2) exp(-x^2/2)/2 with x^2 in two parts.
 * Witness  x = -0x1.d189aada53e6ap-20 (8.0 u)
 * Errors   none
 */
double ew_log_ndtr(double x);

#endif
