/* quadrature.c - what a trapezoidal sum over u may miss of M_small, M_mid on a vertical line: between its nodes and
 * beyond its ends.
 *
 * Bound    |sum - integral| <= 2 N_y/(e^{2 pi y/hu} - 1) for any strip |Im u| <= y without singularity, N_y the
 *          integral of the modulus on its edge: survey.c, or for a law without tapers the closed form of MATH.md
 *          section 2.
 */
#include "rooms.h"

#include <math.h>

/* Is the coarse sum of phi g e^{c loss} within 2 % of the integral? */
static int trusted(const ew_model *m, double c, double hu)
{
    const double a = fmin(0.9 * EW_PI * m->s, 6.0),
                 log_c = m->kind == EW_KIND_REMOVE ? 0.0 : -c * log(cos(0.5 * a / m->s));
    const double b = 0.3 * a, log_d = m->kind == EW_KIND_REMOVE ? 0.0 : -c * log(cos(0.5 * b / m->s));
    return fmin(0.5 * a * a + log_c - 2.0 * EW_PI * a / hu, 0.5 * b * b + log_d - 2.0 * EW_PI * b / hu) < -5.0;
}

/* log N_y of a law without tapers at Re z = c, |Im z| <= t: e^{y^2/2} C e^{t theta} M(c), C = 1 or cos(theta/2)^{-c};
 * or, with B <= theta min(1, Y) <= theta log(1 + Y)/log 2, the same with M at a shifted exponent, from the nodes nd
 * (weights p at c). */
static double plain_log(const ew_model *m, const ew_nodes *nd, const ew_moments *at, double c, double t, double y,
                        double log_m)
{
    const double theta = y / m->s, C = m->kind == EW_KIND_REMOVE ? 0.0 : -c * log(cos(0.5 * theta));
    const int two = m->kind == EW_KIND_REPLACE;
    double rise = t * theta * (two ? 2.0 : 1.0);
    if (rise > 12.0 && c == at->c) {
        const double k = t * theta * 0x1.71547652b82fep+0 * 1.0000001,
                     alpha = (m->kind == EW_KIND_ADD ? 0.0 : 1.0 + c) + k, s = m->s;
        const int e = nd->count - 1;
        const double *p = nd->p[EW_SMALL], right = nd->u[e], left = -nd->u[0], back = two ? k : 0.0;
        const int fine = alpha < 4.0 * s * s;
        const double down = right - alpha * (fine ? nd->dp[e] : 1.0) / s - (two ? c * nd->dm[e] / s : 0.0),
                     up = left - back * (fine ? nd->dm[0] * two : 1.0) / s -
                          (m->kind == EW_KIND_ADD ? c * nd->dp[0] / s : 0.0);
        if (down > 2.0 && up > 2.0 && trusted(m, c, nd->hu)) {
            double sum = 0.0;
            for (int i = 0; i <= e; i++)
                sum += (p[i] + EW_VANISHES) * exp(k * (nd->lp[i] + (two ? nd->lm[i] : 0.0)));
            const double ends =
                (p[e] + EW_VANISHES) * exp(k * (nd->lp[e] + (two ? nd->lm[e] : 0.0))) / (nd->hu * down) +
                (p[0] + EW_VANISHES) * exp(k * (nd->lp[0] + (two ? nd->lm[0] : 0.0))) / (nd->hu * up);
            rise = fmin(rise, log((sum + 2.0 * ends) * 1.05 / (1.0 + at->m0)));
        }
    }
    return 0.5 * y * y + C + rise + log_m + 1e-3;
}

double ew_strip_log(const ew_view *ln, int cls, double c, double t, double y)
{
    return ln->law->far.width > 0.0 ? ew_survey(ln->law, cls, c, t, y)
                                    : plain_log(ln->m, ln->ref, ln->at, c, t, y, ln->log_m);
}

double ew_widest(const ew_view *ln)
{
    const double s = ln->m->s,
                 w = fmin(ln->law->far.width, ln->law->split.width > 0.0 ? ln->law->split.width : ln->law->far.width);
    return ln->law->far.width > 0.0 ? fmin(1.5 * s, 0.75 * w) : fmin(0.93 * EW_PI * s, 11.0);
}

/* bound of the error of M, nodes without end */
double ew_quad(const ew_view *ln, int cls, double c, double t, double y, double hu)
{
    const double k = log(expm1(2.0 * EW_PI * y / hu));
    return 2.0 *
           (exp(ew_strip_log(ln, cls, c, t, y) - k) +
            (cls == EW_SMALL ? exp(ew_survey_control(ln->law, hypot(c, t), y) - k) : 0.0)) *
           (1.0 + 1e-6);
}

/* The same on the real axis, best y; relative to M when `size` is M.  Where large negative powers make the closed form
 * useless, and the nodes are fine enough, cell by cell. */
double ew_real_quad(const ew_view *ln, int cls, double c, double hu, double size)
{
    ew_view here = *ln;
    const double s = ln->m->s, little = 1e-4 * size / ln->m->n;
    double err = INFINITY;
    here.log_m = log(size);
    for (double y = ew_widest(ln); y > 0.02 * fmin(1.0, s) && !(err < little); y *= 0.7) {
        const double e = ew_quad(&here, cls, c, 0.0, y, hu);
        if (e > err)
            break;
        err = e;
    }
    if (!(err < 1e3 * little) && ln->m->kind != EW_KIND_REMOVE && !(ln->law->far.width > 0.0) &&
        2.0 * EW_PI * fmin(s, 11.0) / hu > log(ln->m->n) + 5.0)
        for (double y = fmin(s, 11.0); y > 0.05 * s && !(err < little); y *= 0.7) {
            const double both = ew_lse(ew_survey(ln->law, EW_SMALL, c, 0.0, y), ew_survey_control(ln->law, c, y));
            err = fmin(err, 2.0 * exp(both - log(expm1(2.0 * EW_PI * y / hu))) * (1.0 + 1e-6));
        }
    return err / size;
}

/* What the sums lose beyond the ends of the nodes, cell by cell. */
static double surveyed_ends(const ew_view *ln, const ew_nodes *nd, int cls, double c, double z)
{
    const double from = nd->u[0], to = nd->u[nd->count - 1],
                 lost = exp(ew_survey_ends(ln->law, cls, c, 0.0, 0.0, from, to, nd->hu));
    if (cls != EW_SMALL || ln->law->origin != 0.0)
        return lost;
    return lost + ew_survey_controls(ln->law, z, from, to, nd->hu);
}

/* How fast the logarithm of phi g e^{c loss} falls at either end of the nodes, at least, and ever faster beyond. */
static void falls(double *up, double *down, const ew_model *m, const ew_nodes *nd, double c)
{
    const int e = nd->count - 1;
    const double s = m->s, a = m->kind == EW_KIND_ADD ? 1.0 : 1.0 + c, b = m->kind == EW_KIND_REPLACE ? 1.0 : 0.0;
    *up = nd->u[e] - a * (a < 4.0 * s * s ? nd->dp[e] : 1.0) / s - b * c * nd->dm[e] / s;
    *down = -nd->u[0] - (m->kind == EW_KIND_ADD ? c * nd->dp[0] / s : b / s);
}

int ew_past_peaks(const ew_model *m, const ew_nodes *nd, double c)
{
    double up, down;
    falls(&up, &down, m, nd, c);
    return up > 0.5 && down > 0.5;
}

/* The same, in closed form where the integrand is log-concave beyond or past every peak. */
double ew_ends(const ew_view *ln, const ew_nodes *nd, int cls, double c, double t)
{
    const ew_model *m = ln->m;
    const int e = nd->count - 1, two = m->kind == EW_KIND_REPLACE;
    const double z = hypot(c, t), left = 1.0 + z * fmin(1.0, m->q * 1.0001);
    double up, down;
    falls(&up, &down, m, nd, c);
    if (ln->law->far.width > 0.0 || !(up > 0.5 && down > 0.5))
        return surveyed_ends(ln, nd, cls, c, z);
    const double le = nd->loss[e], l0 = nd->loss[0];
    const double fe = exp(nd->lw[e] + fmax(c * le, fmax(0.0, -le))) / expm1(nd->hu * up),
                 f0 = exp(nd->lw[0] + fmax(c * l0, fmax(0.0, -l0))) / expm1(nd->hu * down);
    return 2.0 * (fe * (1.0 + z) + f0 * (two ? 1.0 + z : left)) * (1.0 + 1e-6);
}
