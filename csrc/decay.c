/* decay.c - one number that bounds the tail of the characteristic function of the tilted loss.
 *
 * Source   MATH.md section 4: shift u -> u + i theta s.  With D = Y/(1+Y), v_theta/v = 1 - D + D e^{i theta},
 *
 *     |phi_c(t)| <= E_c[e^psi],  psi = theta^2 s^2/2 + (1+c) log|v_theta/v|_+ - c log|v_theta/v|_- - t (arg_+ + arg_-)
 *
 *          (remove: the + parts alone, add: -c log and one arg) for every t >= T when psi is taken at T, because both
 *          args are >= 0.  Any 0 < theta < pi/2 is valid.
 * Why      psi has no part of first order in theta and T at the optimum: E_c[expm1(psi)] keeps relative accuracy, so
 *          the n-th power is meaningful for any n.
 * Rare     Where few steps matter, theta costs all the others e^{theta^2 s^2/2} for nothing.  Any smooth weight W
 *          leaves them on the real line:  |phi_c(t)| <= 1 - E_c[W] + E_c[|W_theta| e^psi],  here W = lam Y/(1 + lam Y),
 *          |W_theta| = W |(1 + lam Y)/(1 + lam Y e^{i theta})| (replace: 1 - W the product of both sides', and both
 *          factors); lam = infinity: W = 1, the bound above.
 * Error    e^psi phi g e^{c loss} is analytic: |v_theta|^2 = v_theta v_{-theta}, arg v_theta =
 *          log(v_theta/v_{-theta})/(2i). On Im u = alpha s, alpha >= 0 (alpha < 0 alike), |phi| grows by e^{alpha^2
 *          s^2/2}, |v_theta| becomes the geometric mean of |v_{theta+alpha}| and |v_{theta-alpha}|, arg v_theta becomes
 *          (arg v_{theta+alpha} - arg v_{alpha-theta})/2 =: b/2.
 * Lemma    b >= 0 for 0 <= theta <= pi/2, 0 <= alpha <= pi/2, theta + alpha < pi.  With v_x = (1-q)(1 + Y e^{ix}), Y >=
 *          0, e^{ib} is a positive multiple of w = (1 + Y e^{i(theta+alpha)})(1 + Y e^{i(theta-alpha)}), and
 *              w = 1 + 2 Y cos alpha e^{i theta} + Y^2 e^{2 i theta},   Im w = 2 Y sin theta (cos alpha + Y cos theta)
 *              >= 0.
 *          Neither factor vanishes, so b is continuous in Y, and b = 0 at Y = 0: it never leaves [0, pi].
 *          Beyond alpha = pi/2 it does (Y small); there arg v_x in [0, x] for 0 <= x < pi gives b >= -(alpha -
 *          theta)_+. Hence the strip of the trapezoidal rule may do without the factor in T, or with e^{T (alpha -
 *          theta)_+/2} for each v.  No tapers (line.c): |v_x| <= v under positive powers, |v_x| >= v cos(x/2) under
 *          negative ones (-c of add and replace), so the integral there is at most M(c) e^{(theta^2 + alpha^2) s^2/2}
 *          C, C = 1 (remove) or cos((theta + alpha)/2)^{-c}.  Tapers: survey.c, cell by cell, theta + alpha <= 3/2.
 */
#include "rooms.h"
#include "kernels.h"

#include <math.h>

/* lam Y/(1 + lam Y) from d = Y/(1+Y) */
static inline double weight(double lam, double d)
{
    return lam * d / (1.0 - d + lam * d);
}

/* The same of both sides, the weight of a step. */
static inline double either(double lam, double dp, double dm)
{
    const double a = weight(lam, dp), b = weight(lam, dm);
    return a + b - a * b;
}

EW_CLONES
double ew_decay_theta(const ew_law *law, const ew_nodes *nd, const ew_moments *at, double lam, double T)
{
    const ew_model *m = law->m;
    const double alpha = m->kind == EW_KIND_ADD ? -at->c : 1.0 + at->c, beta = -at->c, *p = nd->p[EW_SMALL],
                 *dp = nd->dp, *dm = nd->dm;
    const int all = lam == INFINITY;
    double d = 0.0, v = 0.0, sum = 0.0;
#pragma omp simd reduction(+ : d, v, sum)
    for (int i = 0; i < nd->count; i++) { /* dm = 0 unless replace */
        const double a = dp[i], b = dm[i], w = all ? p[i] : p[i] * either(lam, a, b);
        sum += w;
        d += w * (a + b);
        v += w * (alpha * a * (1.0 - a) + beta * b * (1.0 - b));
    }
    const double curve = m->s * m->s - v / sum;
    const double theta = T * d / sum / fmax(curve, 0.25 * m->s * m->s);
    return fmin(theta, law->far.width > 0.0 ? fmin(1.5, 0.5 * law->far.width / m->s) : 1.5);
}

/* log|1 - d + d e^{i theta}|, ver = 1 - cos theta */
static inline double log_turned(double d, double ver)
{
    const double x = -2.0 * d * (1.0 - d) * ver;
    return 0.5 * ew_k_log_of(1.0 + x, x, 0.0); /* what 1 + x loses matters little beyond sqrt 2 */
}

/* log|v_theta/v| and arg v_theta at D = d; 0 <= theta <= 1.5, so that the real part is positive */
static inline double turned(double *arg, double d, double co, double si, double ver)
{
    *arg = ew_k_atan2(d * si, 1.0 - d + d * co);
    return log_turned(d, ver);
}

EW_BODY void add_up(double out[3], const ew_nodes *nd, double alpha, double beta, double g, double theta, double lam,
                    double T, int two, int all)
{
    const double *p = nd->p[EW_SMALL], *dp = nd->dp, *dm = nd->dm;
    const double co = cos(theta), si = sin(theta), h = sin(0.5 * theta), ver = 2.0 * h * h; /* 1 - cos theta */
    double sum = 0.0, size = 0.0, share = 0.0;
#pragma omp simd reduction(+ : sum, size, share)
    for (int i = 0; i < nd->count; i++) {
        double a, b = 0.0, k = 0.0, w = p[i], f = 0.0;
        const double l = alpha * turned(&a, dp[i], co, si, ver);
        if (two)
            k = beta * turned(&b, dm[i], co, si, ver);
        if (!all) {
            w *= two ? either(lam, dp[i], dm[i]) : weight(lam, dp[i]);
            f = -log_turned(weight(lam, dp[i]), ver) - (two ? log_turned(weight(lam, dm[i]), ver) : 0.0);
        }
        const double psi = g + l + k + f - T * (a + b), e = ew_k_expm1(psi), grown = e > 0.0 ? e : 0.0;
        sum += w * e + EW_VANISHES * grown;
        size += w * (g + fabs(l) + fabs(k) + f + T * (a + b)) * (1.0 + grown);
        share += w + EW_VANISHES;
    }
    out[0] = sum;
    out[1] = size;
    out[2] = share;
}

EW_CLONES
double ew_decay_excess(const ew_law *law, const ew_nodes *nd, const ew_moments *at, double lam, double theta, double T,
                       double *slack, double *share)
{
    const ew_model *m = law->m;
    const double alpha = m->kind == EW_KIND_ADD ? -at->c : 1.0 + at->c, beta = -at->c,
                 g = 0.5 * theta * theta * m->s * m->s;
    double sums[3];
    if (m->kind == EW_KIND_REPLACE && lam == INFINITY)
        add_up(sums, nd, alpha, beta, g, theta, lam, T, 1, 1);
    else if (m->kind == EW_KIND_REPLACE)
        add_up(sums, nd, alpha, beta, g, theta, lam, T, 1, 0);
    else if (lam == INFINITY)
        add_up(sums, nd, alpha, beta, g, theta, lam, T, 0, 1);
    else
        add_up(sums, nd, alpha, beta, g, theta, lam, T, 0, 0);
    *slack = 1e-11 * sums[1] / at->m; /* rounding of p, psi and the sum, relative 1e-13 or better each */
    *share = sums[2] / at->m * (1.0 + 1e-11);
    return sums[0] / at->m;
}

/* Error of that sum against the integral, and what the taper gains off the real axis.  M(c) that was summed as M(c) - 1
 * also errs by its control variates, and the sum above takes it for the sum of the weights. */
double ew_decay_error(const ew_law *law, const ew_nodes *nd, const ew_moments *at, double theta, double T)
{
    const double s = law->m->s, widest = fmin(1.5 - theta, law->far.width > 0.0 ? 0.75 * law->far.width / s : 1.5);
    const double from = nd->u[0], to = nd->u[nd->count - 1];
    double err = INFINITY;
    for (double alpha = fmin(widest, 9.0 / s); alpha > fmax(0.05 * theta, 1e-3 * widest); alpha *= 0.6) {
        const double turn = ew_survey_turned(law, at->c, theta, alpha), y = alpha * s,
                     control = at->plain ? -INFINITY : ew_survey_control(law, at->c, y);
        const double e = ew_lse(turn, control) - log(expm1(2.0 * EW_PI * y / nd->hu)) + log(2.0);
        if (e > err)
            break;
        err = e;
    }
    double sum = exp(err) + exp(ew_survey_ends(law, EW_SMALL, at->c, -T, theta * s, from, to, nd->hu));
    if (!at->plain)
        sum += ew_survey_controls(law, at->c, from, to, nd->hu);
    if (law->far.width > 0.0 || law->left.width > 0.0)
        sum += exp(ew_survey(law, EW_MORE, at->c, -T, theta * s));
    return sum / at->m;
}
