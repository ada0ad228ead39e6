/* curve.c - M at complex exponents from few nodes, on a curve in u that leaves the real axis.
 *
 * Formula  with Y_+- = odds e^{+-y}, u = s y + shift (core.h) and the edge of the losses taken out,
 *              E[e^A] = int phi(u) e^A du,   A = zeta log(1+Y)  (remove: zeta = 1+z, add: zeta = conj(-z)),
 *                                            A = (1+z) log(1+Y_+) - z log(1+Y_-)  (replace),
 *          is the same along every curve that passes below the zero of 1+Y at y = x_b + i pi, x_b = -log odds:
 *              y = xi + i (eta + slope h(xi - x_b)),  h(x) = (x + sqrt(x^2+1))/2     (replace: + slope h(-xi - x_b)).
 *          Left of x_b it lies at the height eta: there |e^A| = |1+Y|^x e^{-t arg(1+Y)} dies where t |Y| is large.  To
 *          the right of x_b, where log(1+Y) grows like y, the height grows as well: |e^A| falls for every zeta of real
 *          part up to about slope times the imaginary one.  So a few nodes serve at any height t.
 *          In brackets (remove, replace), as E[g] = E[g e^{-loss}] = 1 along the curve too (core.h):
 *              M(z) - 1 = int phi g (E2(z loss) + z E2(-loss)) du.
 * Step     trapezoidal in xi; the curve is analytic for |Im xi| < 1, and the error is at most
 *              (N_above + N_below)/(e^{2 pi b/hy} - 1),   N = int |phi u'| (|e^A| + 1) along Im xi = +-b;
 *          in brackets, with N(zeta) = int |phi u' e^A|:  N = N(1+z) + N(1) + |z| (N(0) + N(1)), g = e^A at zeta = 1.
 * Cells    of such an integral: f = Re(-u^2/2 + A) lies below the larger of its values at the ends of a cell, but for
 *          coarse^2/8 sup|f''|.  With |y'| <= P1, |y''| <= P2, D = Y/(1+Y):
 *              |(u^2/2)''| <= s^2 P1^2 + |u| s P2,    |A''| <= |zeta| sum (|D (1-D)| P1^2 + |D| P2).
 *          |1+Y| >= .7 at the ends (checked), so .46 within, and |D (1-D)|, |D| change by e^{2.7 coarse P1} at most
 *          from the nearer end.  f is linear in zeta, the integral log-convex: on a polygon it is largest at a corner.
 * Ends     f falls outward at the rate at the end at least (right, and both ends of replace): there y is a straight
 *          line but for .25/(xi - x_b), -Re(u u') = -s (R - slope I) falls, D is 1 but for 1.2/|Y|.  On the left of
 *          the others |e^A| <= e^{1.4 |zeta| |Y|}.
 * Rounding xi is exact and eta errs by 9 u of itself; so Y by 12 u |Y|, log(1+Y) by 12 u |Y/(1+Y)| and 6 u of itself
 *          (where |Y| > e it is log odds + xi + i eta + log(1 + 1/Y): by u of each of these); q (e^y - 1), from
 *          e^xi - 1 and 2 sin^2(eta/2), part by part; u = R + i I = s xi + shift + i s eta, so -(R^2 - I^2)/2 by 4 R^2
 *          + |R| shift + 11 I^2 units, R I by 12 |R I| + |I| shift.  Brackets as in turned.c.  e^A - 1 by
 *          16 u (|e^x - 1| + e^x min(1.5 |angle|, 2)), and by what A errs times e^x: 12 u |zeta| |log(1+Y)| leave room
 *          for zeta's own rounding.
 */
#include "curve_points.h"

#include <math.h>

double ew_log_odds(const ew_model *m)
{
    return log(m->q) - m->log1mq - (m->kind == EW_KIND_REPLACE ? 0.5 / (m->s * m->s) : 0.0);
}

/* h(x + i b) */
static ew_pair rise(double x, double b)
{
    const double re = x * x - b * b + 1.0, im = 2.0 * x * b, mod = hypot(re, im), sr = sqrt(0.5 * (mod + re)),
                 si = b == 0.0 ? 0.0 : im / (2.0 * sr);
    if (x >= 0.0)
        return (ew_pair){0.5 * (x + sr), 0.5 * (b + si)};
    const double dr = sr - x, di = si - b, d = 0.5 / (dr * dr + di * di);
    return (ew_pair){d * dr, -d * di};
}

/* h'(x) on the real axis */
static double rising(double x)
{
    return 0.5 * (1.0 + x / sqrt(x * x + 1.0));
}

/* log(1 + Y), Y = e^{x + i angle}, |Y| = size; far above 1 by its logarithm, so that the angle may pass pi */
static ew_pair log_1p(double x, double size, double angle)
{
    const double Y = size, co = cos(angle), si = sin(angle);
    if (x <= 1.0)
        return (ew_pair){0.5 * log1p(Y * (2.0 * co + Y)), atan2(Y * si, 1.0 + Y * co)};
    const double r = 1.0 / size, re = r * co, im = -r * si;
    return (ew_pair){x + 0.5 * log1p(re * 2.0 + r * r), angle + atan2(im, 1.0 + re)};
}

double ew_share(double x, double l)
{
    return exp(fmin(x, 700.0) - l);
}

double ew_steepest(const ew_curve *cu, double b)
{
    /* beside the curve the slopes of both sides of replace may add up */
    const double off = fmax(1.0, fabs(b) / sqrt(1.0 - b * b)),
                 sides = cu->m->kind == EW_KIND_REPLACE && b != 0.0 ? 2.0 : 1.0;
    return 1.0 + cu->slope * 0.5 * (1.0 + off) * sides;
}

/* k0 and k1 of a cell, from what d = |D| and e = |D (1-D)| are at one of its ends */
static void bound(double *k0, double *k1, const ew_curve *cu, double u, double d, double e, double b)
{
    const double s = cu->m->s, sides = cu->m->kind == EW_KIND_REPLACE ? 2.0 : 1.0, p1 = ew_steepest(cu, b),
                 p2 = sides * 0.5 * cu->slope / pow(1.0 - b * b, 1.5), cell = 0.125 * cu->coarse * cu->coarse;
    *k0 = cell * s * (s * p1 * p1 + (fabs(u) + s * cu->coarse * p1) * p2) + 1e-12 * (1.0 + u * u);
    *k1 = cell * exp(2.7 * cu->coarse * p1) * (e * p1 * p1 + d * p2);
}

double ew_curve_rising(const ew_curve *cu, double x)
{
    const double odds = ew_log_odds(cu->m);
    return cu->slope * (rising(x + odds) - (cu->m->kind == EW_KIND_REPLACE ? rising(odds - x) : 0.0));
}

ew_point ew_curve_point(const ew_curve *cu, double x, double b)
{
    const double odds = ew_log_odds(cu->m);
    ew_point p;
    ew_pair h = rise(x + odds, b);
    p.minus = (ew_pair){0.0, 0.0};
    if (cu->m->kind == EW_KIND_REPLACE) {
        const ew_pair other = rise(odds - x, -b);
        h.re += other.re;
        h.im += other.im;
    }
    p.re = x - cu->slope * h.im;
    p.im = b + cu->eta + cu->slope * h.re;
    p.log_y = odds + p.re;
    p.plus = log_1p(p.log_y, cu->m->odds * exp(fmin(700.0, p.re)), p.im);
    if (cu->m->kind == EW_KIND_REPLACE)
        p.minus = log_1p(odds - p.re, cu->m->odds * exp(fmin(700.0, -p.re)), -p.im);
    return p;
}

static int passes(double log_y, double im)
{
    return log_y < -0.5 || log_y > 1.1 || fabs(im) < 3.0;
}

int ew_path_fill(ew_path *p, const ew_curve *cu, double b)
{
    const ew_model *m = cu->m;
    const double odds = ew_log_odds(m);
    const int two = m->kind == EW_KIND_REPLACE, bracketed = cu->kind == EW_BRACKETED;
    /* |L'| = |D y'| over a cell */
    const double p1 = ew_steepest(cu, b), change = cu->coarse * p1 * exp(2.7 * cu->coarse * p1);
    double k0 = 0.0, k1 = 0.0;
    p->lowest = INFINITY;
    p->b = fabs(b);
    for (int k = 0; k < cu->cells; k++) {
        const ew_point v = ew_curve_point(cu, cu->first + k * cu->coarse, b);
        const double R = m->s * v.re + m->shift, I = m->s * v.im;
        /* 1 + Y well away from 0, which the curve passes below */
        if (!(v.plus.re > -0.35 && v.minus.re > -0.35) || !passes(v.log_y, v.im) || (two && !passes(odds - v.re, v.im)))
            return 0;
        double d = ew_share(v.log_y, v.plus.re), e = ew_share(v.log_y, 2.0 * v.plus.re), now0, now1,
               size = fabs(v.plus.re) + fabs(v.plus.im);
        p->l[k] = v.plus.re;
        p->a[k] = v.plus.im;
        if (two) {
            p->lm[k] = v.minus.re;
            p->am[k] = v.minus.im;
            d += ew_share(odds - v.re, v.minus.re);
            e += ew_share(odds - v.re, 2.0 * v.minus.re);
            size += fabs(v.minus.re) + fabs(v.minus.im);
        }
        p->g[k] = -0.5 * (R * R - I * I);
        p->lr[k] = bracketed ? (two ? v.plus.re - v.minus.re : v.plus.re + m->log1mq) : v.plus.re;
        p->la[k] = bracketed && two ? v.plus.im - v.minus.im : v.plus.im;
        p->gg[k] = p->g[k] + (bracketed ? v.plus.re : 0.0);
        p->ll[k] = hypot(p->lr[k], p->la[k]) + 1e-12 * size + d * change;
        if (k > 0)
            p->ll[k - 1] = fmax(p->ll[k - 1], p->ll[k]);
        p->ur[k] = R;
        p->ui[k] = I;
        p->log_y[k] = v.log_y;
        p->lowest = fmin(p->lowest, v.im);
        bound(&now0, &now1, cu, hypot(R, I), d, e, p->b);
        now1 += 1e-13 * size;
        if (k > 0) {
            p->k0[k - 1] = fmax(k0, now0);
            p->k1[k - 1] = fmax(k1, now1);
        }
        k0 = now0;
        k1 = now1;
    }
    return 1;
}
