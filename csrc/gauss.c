/* gauss.c - the 16-point Gauss-Legendre rule: zeros of P_16 and weights 2/((1-x^2) P_16'(x)^2), rounded from 40 digits.
 *
 * Error   for f analytic with |f| <= F in the ellipse with foci +-1 and semi-axes (rho +- 1/rho)/2, at most
 *         (64/15) F rho^{-32}/(1 - rho^{-2}): |a_k| <= 2 F rho^{-k} for the Chebyshev coefficients, the rule is exact up to degree 31,
 *         odd terms vanish, and integral and rule differ by at most 2 + 2/15 on each other T_k.  (Trefethen, ATAP, chapter 19.)
 */
#include "core.h"

const double ew_gauss_x[EW_GAUSS / 2] = {
    0x1.852bd6676a9f9p-4, 0x1.205cae642337cp-2, 0x1.d50259a43a772p-2, 0x1.3c5a466d5e8b8p-1,
    0x1.82c45dda4726bp-1, 0x1.bb3403514e483p-1, 0x1.e39f56616f9b0p-1, 0x1.fa92c264d787ep-1,
};
const double ew_gauss_w[EW_GAUSS / 2] = {
    0x1.83feae80e4dfcp-3, 0x1.75f8c77e0c00fp-3, 0x1.5a6ebbb5a75fcp-3, 0x1.325f61bca3cbfp-3,
    0x1.fe7af2bad386ap-4, 0x1.85c4ee79cc258p-4, 0x1.fdfb1a2c1265dp-5, 0x1.bcddab4b7c211p-6,
};
