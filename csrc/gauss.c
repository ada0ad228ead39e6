/* gauss.c - the delta of two normal laws, the primitive of every closed form, with a bound of its error.
 *
 * Formula    G(a, mu) = int_a^inf phi(u) (1 - e^{-mu (u - a)}) du = Phi(-a) - e^w Phi(-a - mu),  w = mu (a + mu/2):
 *            the delta of N(mu, 1) against N(0, 1) at epsilon = w            (Balle and Wang 2018, theorem 8).
 * Errors     d log G/da lies in [-slope(a), 0] (see there) and d log G/d log mu in [0, 1] (x e^{-x} <= 1 - e^{-x}).
 *            u = EW_U; libm errs by 2 u at most, ew_erfcx by 16 u.  Constants are rounded up, second orders of u are in
 *            that.
 */
#include "closed.h"
#include "special.h"

/* >= -d log G/da on (-inf, a].  log G is concave (a log-concave kernel on a Gaussian), so it is the slope at a, the
 * mean of the hazard l(u) = phi/Phi(-u) under e^{-mu u} Phi(-u), u > a; l' < 1, and u - a is below an exponential of
 * rate mu + l(a): slope <= l(a) + 1/(mu + l(a)) <= 2.06 + a for a >= 0.  For a in [-mu/2, 0] it is mu phi(a) Mills(a +
 * mu)/G <= 2 phi(a)/G(0, 0.35). */
double ew_gauss_slope(double a, double mu)
{
    if (a >= 0.0 || mu <= 0.35)
        return 2.1 + fmax(a, 0.0);
    a = fmax(a, -0.5 * mu);
    return fmin(2.1, 7.2 * exp(-0.5 * a * a));
}

ew_rough ew_gauss(double a, double da, double mu)
{
    static const double at[6] = {0x1.149ad8bfaff12p-5, 0x1.5aebed3546d43p-3, 0x1.85d3b4bf2628fp-2,
                                 0x1.3d1625a06ceb9p-1, 0x1.a94504b2ae4afp-1, 0x1.eeb652740500fp-1};
    /* Gauss-Legendre on [0, 1] */
    static const double weight[3] = {0x1.5edf601e2dbf8p-4, 0x1.716b7b5794c1cp-3, 0x1.df24d499545e8p-3};
    const double r2 = 0x1.6a09e667f3bcdp-1 /* 1/sqrt 2 */, c = 0x1.20dd750429b6dp+0 /* 2/sqrt pi */, x = a * r2,
                 h = mu * r2;
    ew_rough g;
    if (a < -0.5 * mu) { /* parity: 1 - e^w + e^w G(-a - mu); w keeps its digits, e^w w <= 1 */
        const double w = mu * (a + 0.5 * mu), b = -a - mu;
        g = ew_gauss(b, EW_U * fabs(b), mu);
        const double A = -expm1(w), B = exp(w + g.log);
        g.err = (4.0 * EW_U * A + B * (expm1(g.err) + EW_U * (4.0 + 3.0 * fabs(w) + fabs(g.log)))) / (A + B);
        g.log = log(A + B);
    } else if (a < 0.0 &&
               mu > 0.35) { /* 1 - t, t <= 0.87; 24: erfcx of a rounded argument, products; a^2: the exponent */
        const double t = 0.5 * exp(-0.5 * a * a) * (ew_erfcx(-x) + ew_erfcx((a + mu) * r2));
        g.log = log1p(-t);
        g.err = EW_U * t * (24.0 + a * a) / (1.0 - t);
    } else { /* e^{-a^2/2} d/2, d = erfcx(x) - erfcx(x + h), x >= -h/2 */
        double d = 0.0, loose = 0.0; /* loose: error of d in u */
        if (mu > 0.35) {
            const double p = ew_erfcx(x), r = ew_erfcx((a + mu) * r2);
            d = p - r;
            loose = 20.0 * (p + r);
        } else { /* -d/dy erfcx = c - 2 y erfcx(y) > 0 integrated; the rule cuts off 2^-53 of it */
            for (int i = 0; i < 6; i++) {
                const double y = x + h * at[i], v = 2.0 * y * ew_erfcx(y), w = h * weight[i < 3 ? i : 5 - i];
                d += w * (c - v);
                /* 5: y rounded, |y| times the log derivative <= 2.1 */
                loose += w * (18.0 * fabs(v) + c + 5.0 * fabs(c - v));
            }
        }
        if (!(loose * EW_U < 0.1 * d)) /* G <= e^{-a^2/2}/2 */
            return (ew_rough){-0.5 * a * a * (1.0 - 4.0 * EW_U) + da * (2.1 + fabs(a)), INFINITY};
        g.log = log(0.5 * d) - 0.5 * a * a;
        g.err = EW_U * (1.2 * loose / d + 12.0 + a * a + 2.0 * fabs(log(0.5 * d)));
    }
    da += 2.0 * EW_U * fabs(a); /* x is rounded */
    g.err += EW_U * (8.0 + 2.0 * fabs(g.log)) + 1.01 * da * ew_gauss_slope(a + da, mu);
    return g;
}
