/* chf.c - characteristic function of the tilted, centred sum of n losses, every value with a bound of its error.
 *
 * Formula  With phi(t) = M(c + i t)/M(c), and m a double near the mean of one loss under tilt c, d = loss - m,
 *              f(t) = E_c e^{i t (S_n - C)} = (e^{-i t m} phi(t))^n e^{-i t (C - n m)},
 *              e^{-i t m} phi(t) = 1 + i t E_c d + E_c[e^{i t d} - 1 - i t d].
 *          The last mean is formed with relative accuracy (special.h), so n log of it is as accurate for any n.
 * Bound    quadrature  the nodes' sum errs by at most Q(t) M(c), Q(t) = 2 e^{y^2/2} C e^{k t y/s}/(e^{2 pi y/hu} - 1),
 *                      at M(c + i t): MATH.md section 2; C = cos(y/2s)^{-(a_- + b_-)}, k = 2 for replace, else 1.
 *                      At t = 0 it is the error of M(c); that of M'(c), for the mean alone, is at most 8 times the
 *                      largest of it on |z - c| = 1/8 (Cauchy)
 *          ends        beyond the nodes, by v^r <= 1 + q e^{rho w} with rho = r, or 1 for 0 < r < 1 (Jensen;
 *                      Bernoulli), and v^r <= (1-q)^r for r < 0: Gaussian tails.  The sum beyond [from, to] is below
 *                      the integral from one step less
 *          rounding    u = EW_U: a weight is within unit u, unit = 40 + 12 |parts of its exponent| + the number of
 *                      nodes; d within 9 |loss| u + |d| u;
 *                      |e^{ix} - 1 - ix| <= x^2/2 and its derivative |e^{ix} - 1| <= |x|
 *          tail        |phi(t)| <= E_c[e^psi], all t >= T: decay.c has the derivation
 */
#include "remainder.h"
#include "special.h"

#include <math.h>

static const double CAUCHY = 0.125; /* radius in z */

static double minus(const ew_chf *f)
{
    return fmax(0.0, -f->alpha) + fmax(0.0, -f->beta);
}

/* log of the numerator of Q(t) for half width y, and of 1/(e^{2 pi y/hu} - 1) */
static double log_rise(const ew_chf *f, double y, double t)
{
    const double theta = y / f->m->s, m = minus(f);
    return log(2.0) + 0.5 * y * y - (m > 0.0 ? m * log(cos(0.5 * theta)) : 0.0) + f->twice * t * theta;
}

static double log_fall(double y, double hu)
{
    const double e = 2.0 * EW_PI * y / hu;
    return e > 40.0 ? 1e-16 - e : -log(expm1(e));
}

static double best_q(const ew_chf *f, double t)
{
    double best = INFINITY;
    for (double y = 0.97 * fmin(EW_PI * f->m->s, 14.0); y > 0.01 * fmin(1.0, f->m->s); y *= 0.85)
        best = fmin(best, log_rise(f, y, t) + log_fall(y, f->hu));
    return exp(best);
}

/* log of the integral of phi v^r beyond u (to the right, or of the mirrored law), v = 1 - q + q e^{u/s - 1/(2 s^2)} */
static double log_tail(const ew_model *m, double r, double u, int right)
{
    const double rho = r > 0.0 && r < 1.0 ? 1.0 : r, s = m->s, sign = right ? 1.0 : -1.0;
    const double plain = ew_log_ndtr(-u), jensen = ew_lse(plain, log(m->q) + 0.5 * rho * (rho - 1.0) / (s * s) +
                                                                     ew_log_ndtr(-(u - sign * rho / s)));
    if (u - sign * rho / s < 1.0)
        return r < 0.0 ? r * m->log1mq + plain : INFINITY; /* not yet beyond the peak */
    return r < 0.0 ? fmin(jensen, r * m->log1mq + plain) : jensen;
}

static double log_end(const ew_chf *f, double u, int right)
{
    const ew_model *m = f->m;
    if (m->kind != EW_KIND_REPLACE)
        return log_tail(m, f->alpha, u, right);
    const double toward = right ? f->alpha : f->beta,
                 away = right ? f->beta : f->alpha; /* exponents of the v that grows there and of the other */
    if (!(u > 0.5 / m->s + 1.0))
        return INFINITY;
    return toward >= 0.0 ? log_tail(m, toward, u, 1) + fmin(0.0, away) * m->log1mq
                         : ew_log_ndtr(-u) + fmin(0.0, away) * m->log1mq;
}

static void exponents(ew_chf *f, double c)
{
    f->alpha = f->m->kind == EW_KIND_ADD ? -c : 1.0 + c;
    f->beta = f->m->kind == EW_KIND_REPLACE ? -c : 0.0;
}

int ew_chf_init(ew_chf *f, const ew_model *m, double c, double mean, double spread, double reach, ew_scratch *ws)
{
    ew_plan plan;
    *f = (ew_chf){.m = m,
                  .c = c,
                  .mean = mean,
                  .twice = m->kind == EW_KIND_REPLACE ? 2.0 : 1.0,
                  .d = ws->fine[0],
                  .p = ws->fine[1],
                  .dp = ws->fine[2],
                  .dm = ws->fine[3]};
    exponents(f, c);
    /* the step that keeps n Q(T) below e^-42, T = reach/spread */
    const double want = log(m->n) + 42.0;
    double hu = 0.0;
    for (double y = 0.97 * fmin(EW_PI * m->s, 14.0); y > 0.01 * fmin(1.0, m->s); y *= 0.85) {
        const double rise = log_rise(f, y, reach / spread);
        hu = fmax(hu, 2.0 * EW_PI * y / (want + rise));
    }
    if (!ew_plan_nodes(&plan, m, c, c, 2, 36.0, ws->coarse[3]))
        return 0;
    double from = m->s * (plan.first * plan.hy) + m->shift, to = from + m->s * plan.hy * (plan.count - 1);
    const double hy = ew_trim(hu / m->s, 24);
    f->hu = m->s * hy;
    int good = 0;
    double log_ends = INFINITY;
    for (int i = 0; i < 80 && !good; i++) { /* at c and on both sides of it */
        double r = -INFINITY, l = -INFINITY;
        for (int k = -1; k <= 1; k++) {
            ew_chf beside = *f;
            exponents(&beside, c + k * CAUCHY);
            r = fmax(r, log_end(&beside, to - f->hu, 1));
            l = fmax(l, log_end(&beside, -from - f->hu, 0));
        }
        log_ends = ew_lse(r, l) + log(2.0);
        good = log_ends < -log(m->n) - 40.0;
        to += r < -log(m->n) - 41.5 ? 0.0 : 1.0;
        from -= l < -log(m->n) - 41.5 ? 0.0 : 1.0;
    }
    const double i0 = floor((from - m->shift) / f->hu), i1 = ceil((to - m->shift) / f->hu);
    if (!good || !(i1 - i0 < EW_KMAX - 8) || !(fmax(fabs(i0), fabs(i1)) * hy < 690.0))
        return 0;
    f->count = (int)(i1 - i0) + 1;
    double top = -INFINITY, sum = 0.0, *loss = ws->fine[4], *unit = ws->fine[5];
    for (int i = 0; i < f->count; i++) {
        const double y = (i0 + i) * hy, u = m->s * y + m->shift, up = m->odds * exp(y);
        f->dp[i] = up / (1.0 + up);
        f->dm[i] = 0.0;
        double base;
        if (m->kind == EW_KIND_REPLACE) {
            const double um = m->odds * exp(-y), far = y >= 0.0 ? um : up;
            f->dm[i] = um / (1.0 + um);
            loss[i] = copysign(log1p(2.0 * m->odds * sinh(fabs(y)) / (1.0 + far)), y);
            base = m->log1mq + log1p(up);
        } else {
            const double l = ew_plan_log_v(m, y);
            loss[i] = m->kind == EW_KIND_ADD ? -l : l;
            base = m->kind == EW_KIND_ADD ? 0.0 : l;
        }
        f->d[i] = loss[i] - mean;
        f->p[i] = base - 0.5 * u * u + c * loss[i];
        unit[i] = 40.0 + 4.0 * u * u + 12.0 * (fabs(base) + fabs(c * loss[i])) + f->count;
        top = fmax(top, f->p[i]);
    }
    double units = 0.0, drift = 0.0, drift_err = 0.0, swing = 0.0;
    for (int i = 0; i < f->count; i++) {
        const double d = fabs(f->d[i]), off = 9.0 * fabs(loss[i]) + d, p = exp(f->p[i] - top);
        f->p[i] = p;
        sum += p;
        units += p * (0.5 * unit[i] * d * d + d * off);
        drift += p * f->d[i];
        drift_err += p * (unit[i] * d + off);
        swing += p * exp(CAUCHY * d);
    }
    const double log_m = log(sum) + top + log(f->hu) - 0.5 * EW_LOG_2PI; /* M(c) */
    for (int i = 0; i < f->count; i++)
        f->p[i] /= sum;
    f->second = 1.01 * EW_U * units / sum;
    f->drift = drift / sum;
    f->ends = exp(log_ends - log_m);
    f->quad0 = best_q(f, 0.0) + f->ends;
    f->drift_err = 1.01 * EW_U * drift_err / sum;
    /* M(c + 1/8)/M(c) <= e^{|mean|/8} E_c e^{|d|/8}; 2: the exponents of the cosine, 1/8 more */
    const double near = 2.0 * best_q(f, CAUCHY) * exp(CAUCHY * fabs(mean)) * swing / sum + f->ends;
    f->mean_err = f->drift_err + 1.01 * (near / CAUCHY + f->quad0 * (fabs(f->drift) + fabs(mean)));
    return f->quad0 < 1e-3 && isfinite(f->mean_err);
}

/* out = f(t) of the sum counted from C, t >= 0; the bound of its error */
double ew_chf_at(double out[2], const ew_chf *f, double t, double centre)
{
    const double n = f->m->n;
    double re = 0.0, im = 0.0;
    for (int i = 0; i < f->count; i++) {
        double e[2];
        ew_cexpm1mx(e, 0.0, t * f->d[i]);
        re += f->p[i] * e[0];
        im += f->p[i] * e[1];
    }
    im += t * f->drift;
    const double err = (best_q(f, t) + f->ends + f->quad0) * 1.01 + t * t * f->second + t * f->drift_err;
    const double mod = hypot(1.0 + re, im), square = 2.0 * re + (re * re + im * im);
    const double log_mod = 0.5 * n * (square < -0.5 ? log(fmax(1e-300, mod * mod)) : log1p(square));
    const double off = centre - n * f->mean, turn = n * atan2(im, 1.0 + re) - t * off;
    const double loose = n * 1.01 * err / fmax(mod, 1e-300) +
                         8.0 * EW_U * (fabs(log_mod) + n * fabs(im) + t * (fabs(centre) + n * fabs(f->mean)) + 4.0);
    const double size = exp(log_mod);
    out[0] = size * cos(turn);
    out[1] = size * sin(turn);
    if (mod > 2.0 * err && loose < 1.0)
        return size * 2.0 * loose;
    return size + exp(n * log(fmin(1.0, mod + err))); /* both are at most that */
}

/* log of a bound of |f(t)| for all t >= T */
double ew_chf_log_beyond(const ew_chf *f, double T)
{
    const ew_model *m = f->m;
    const double s = m->s, alpha = f->alpha, beta = f->beta;
    double d = 0.0, v = 0.0, best = 0.0;
    for (int i = 0; i < f->count; i++) {
        const double a = f->dp[i], b = f->dm[i];
        d += f->p[i] * (a + b);
        v += f->p[i] * (alpha * a * (1.0 - a) + beta * b * (1.0 - b));
    }
    const double start = fmin(1.5, T * d / fmax(s * s - v, 0.25 * s * s));
    for (double share = 1.3; share > 0.4; share -= 0.3) {
        const double theta = fmin(1.5, share * start), co = cos(theta), si = sin(theta), h = sin(0.5 * theta),
                     ver = 2.0 * h * h, g = 0.5 * theta * theta * s * s;
        double sum = 0.0, size = 0.0, err = INFINITY;
        for (int i = 0; i < f->count; i++) {
            const double a = f->dp[i], b = f->dm[i];
            const double la = 0.5 * alpha * log1p(-2.0 * a * (1.0 - a) * ver),
                         lb = 0.5 * beta * log1p(-2.0 * b * (1.0 - b) * ver);
            const double arg = T * (atan2(a * si, 1.0 - a + a * co) + atan2(b * si, 1.0 - b + b * co)),
                         psi = g + la + lb - arg;
            sum += f->p[i] * expm1(psi);
            size += f->p[i] * (g + fabs(la) + fabs(lb) + arg) * (psi > 0.0 ? exp(psi) : 1.0);
        }
        const double mm = minus(f);
        for (double y = fmin(0.95 * EW_PI - theta, 12.0 / s); y * s > 0.01 * fmin(1.0, s); y *= 0.7) {
            const double rise =
                0.5 * (theta * theta + y * y) * s * s - (mm > 0.0 ? mm * log(cos(0.5 * (theta + y))) : 0.0);
            err = fmin(err, log(2.0) + rise + log_fall(y * s, f->hu));
        }
        const double ends = f->ends * exp(g - (mm > 0.0 ? mm * log(cos(0.5 * theta)) : 0.0));
        const double x = sum + 1e-11 * size + 1.01 * (exp(err) + ends + f->quad0 * (1.0 + fabs(sum)));
        best = fmin(best, m->n * log1p(fmax(-1.0 + 1e-300, x)));
    }
    return best;
}
