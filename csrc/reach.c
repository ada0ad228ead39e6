/* reach.c - how far a line must go, and how fine its quadrature must be.
 *
 * ew_far   is a bound, `far` of ew_reach too; the rest of that and ew_step are plans, checked by whoever follows them
 *          (line.c).
 */
#include "rooms.h"

#include <math.h>

/* What the nodes may miss of v = E_c[e^psi] - 1: strips |Im u| <= alpha s, and what is beyond the ends (decay.c). */
static double excess_error(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double theta, double T,
                           double v)
{
    const ew_model *m = ln->m;
    const double s = m->s, g = 0.5 * theta * theta * s * s;
    if (ln->law->far.width > 0.0)
        return ew_decay_error(ln->law, nd, at, theta, T);
    const double grows = m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c, each = m->kind == EW_KIND_REPLACE ? 1.0 : 0.5;
    double err = INFINITY;
    for (double alpha = fmin(0.95 * EW_PI - theta, 9.0 / s); alpha * s > 0.02 && !(m->n * err < 0.02 * (1.0 + v));
         alpha *= 0.6) {
        const double C = grows * log(cos(0.5 * (theta + alpha)));
        const double late = alpha < 0.4999 * EW_PI ? 0.0 : T * fmax(0.0, alpha - theta) * each;
        const double rise = g + 0.5 * alpha * alpha * s * s + C + late;
        const double control = exp(ew_survey_control(ln->law, ln->c, alpha * s)); /* as in decay.c */
        const double e = 2.0 * (exp(rise) + control) / expm1(2.0 * EW_PI * alpha * s / nd->hu);
        if (e > err && late == 0.0)
            break; /* past the best strip */
        err = fmin(err, e);
    }
    return err + ew_ends(ln, nd, EW_SMALL, ln->c, 0.0) * exp(g + grows * log(cos(0.5 * theta))) / (1.0 + at->m0);
}

/* log of sup_{t >= T} |G(c + i t)|: `certain`, and `plain` without the errors that a plan may ignore. */
typedef struct {
    double plain, certain;
} far_log;

static far_log mid_far(const ew_view *ln, const ew_moments *at, double T)
{
    const double n = ln->m->n, most = fmin(1.5, ew_widest(ln) * 0.95 / ln->m->s);
    double best = INFINITY;
    for (double theta = most; theta > 0.02 * most; theta *= 0.7) {
        const double e = ew_survey(ln->law, EW_MID, ln->c, -T, theta * ln->m->s);
        if (e > best)
            break;
        best = e;
    }
    best = fmin(best, log(at->b0) + 1e-6);
    const double far = log(n) + best + (n - 1.0) * log(at->m + exp(best)) + 1e-9 * n;
    return (far_log){far, far};
}

/* E_c[e^psi] - 1, decay.c, at a good theta.  What is best for many small losses is too much for a large one that is
 * rare: it gains nothing from theta beyond 1/T, and pays e^{theta^2 s^2/2}. */
static double least_excess(double *theta, double *slack, const ew_view *ln, const ew_nodes *nd, const ew_moments *at,
                           double T, double enough)
{
    *theta = ew_decay_theta(ln->law, nd, at, T);
    double v = ew_decay_excess(ln->law, nd, at, *theta, T, slack);
    for (double less = 0.75 * *theta, its_slack; *theta > 0.45 && v > enough; less *= 0.75) {
        const double its = ew_decay_excess(ln->law, nd, at, less, T, &its_slack);
        if (!(its < v))
            break;
        v = its;
        *slack = its_slack;
        *theta = less;
    }
    return v;
}

/* small steps; certain only where `plain` is at most `enough` */
static far_log small_far(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double T, double enough)
{
    const double n = ln->m->n, log_m = ew_log_m(at), little = enough < INFINITY ? expm1(enough / n - log_m) : -1.0;
    double theta, slack;
    const double v = least_excess(&theta, &slack, ln, nd, at, T, little),
                 plain = n * (log_m + log1p(fmax(-1.0 + 1e-300, v)));
    if (!(plain <= enough))
        return (far_log){plain, INFINITY};
    const double x = v + slack + 1.01 * excess_error(ln, nd, at, theta, T, v);
    return (far_log){plain, x > -1.0 ? n * (log_m + log1p(x)) : INFINITY};
}

double ew_far(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double T)
{
    return (ln->cls == EW_MID ? mid_far(ln, at, T) : small_far(ln, nd, at, T, INFINITY)).certain;
}

/* The search: log sup_{t >= T} |G| - log(pi T) - wanted in [-1.5, 0.4] */
int ew_reach(ew_reached *out, const ew_view *ln, double spread, double wanted, double most)
{
    const double s = ln->m->s, f0 = ew_log_power(ln->at, ln->m->n, ln->cls), skew = fmin(4.0, fmax(1.0, 1.0 / (s * s)));
    double T = (ln->cls == EW_MID ? 3.0 : 6.5 * skew) / spread, last = 0.0, last_T = 0.0;
    double lo = 0.0, hi = 0.0; /* what is searched for lies between, as far as known */
    /* is the error of the coarse nodes beyond hope? then the fine ones have the last word, and need not be foreseen
     * exactly */
    const int blind = !(ln->law->far.width > 0.0) && log(ln->m->n) + 1.23 * s * s - 9.87 * s / ln->ref->hu > -1.8;
    *out = (ew_reached){0.0, 2.0, INFINITY};
    for (int i = 0; i < 60 && T < most; i++) {
        const double log_t = log(EW_PI * T), gone = f0 - log_t - wanted; /* what must decay in all */
        const far_log far = ln->cls == EW_MID ? mid_far(ln, ln->at, T)
                                              : small_far(ln, ln->ref, ln->at, T, wanted + log_t + 0.4);
        const double v = far.plain - log_t - wanted, decayed = fmax(1e-9, f0 - far.plain);
        if (last > 0.0 && T != last_T)
            out->power = fmin(2.2, fmax(0.3, log(decayed / last) / log(T / last_T)));
        last = decayed;
        last_T = T;
        if (v <= 0.4) {
            hi = out->T = T;
            out->far = far.certain;
            if (v > -1.5 || (lo > 0.0 && hi < 1.03 * lo) || ln->cls == EW_MID || i > 8 || !(gone > 0.0))
                return 1;
        } else {
            lo = T;
        }
        /* far falls as a power of T, and the power falls */
        const double hint = T * pow(fmax(gone + 0.4, 0.1) / decayed, (i ? 1.1 : 1.0) / out->power);
        if (blind && v > 0.4 && v < 4.0 && hint < most) {
            out->T = T * pow(fmax(gone, 0.1) / decayed, 1.1 / out->power);
            out->far = INFINITY;
            return 1;
        }
        if (lo > 0.0 && hi > 0.0)
            T = hint > lo * 1.005 && hint < hi * 0.995 ? hint : sqrt(lo * hi);
        else if (v > 0.4)
            T = fmin(8.0 * T, fmax(1.02 * T, hint));
        else
            T = fmin(0.98 * T, fmax(0.3 * T, hint));
    }
    return out->T > 0.0;
}

const double ew_stretch[EW_SEGMENTS] = {0.2, 0.45, 0.7, 1.0};

double ew_step(double *a, const ew_view *ln, int cls, double T, double log_want, double gone_last)
{
    const double n = ln->m->n, any = -5.0 - log(n);
    double hu = INFINITY;
    for (int i = 0; i < EW_SEGMENTS; i++) {
        const double share = i ? ew_stretch[i - 1] / ew_stretch[EW_SEGMENTS - 2] : 0.0,
                     gone = gone_last * share * share;
        /* n e |M|^{n-1}, and e below |M| */
        const double target = fmax(log_want, fmin(any - gone / n, log_want + gone * (n - 1.0) / n));
        /* the best strip narrows as t grows */
        double best = 0.0, y = i ? fmin(ew_widest(ln), 1.4 * a[i - 1]) : ew_widest(ln);
        for (int j = 0; j < 20; j++, y *= 0.7) {
            const double t = ew_stretch[i] * T, strip = ew_strip_log(ln, cls, ln->c, t, y), z = hypot(ln->c, t),
                         both = cls == EW_SMALL ? ew_lse(strip, ew_survey_control(ln->law, z, y)) : strip,
                         budget = 1.4 + both - target;
            const double h = 2.0 * EW_PI * y / fmax(budget, 2.0);
            if (h > best) {
                best = h;
                a[i] = y;
            } else if (best > 0.0) {
                break;
            }
        }
        if (!(best > 0.0))
            return 0.0;
        hu = fmin(hu, best);
    }
    return hu;
}
