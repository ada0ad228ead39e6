/* reach.c - how far a line must go, and how fine its quadrature must be.
 *
 * ew_far   is a bound, `far` of ew_reach too; the rest of that and ew_step are plans, checked by whoever follows them
 *          (line.c).
 */
#include "rooms.h"

#include <math.h>

/* A bound of decay.c: e = E_c[W (e^psi - 1)] with its rounding, at these lam and theta; share: E_c[W]. */
typedef struct {
    double lam, theta, e, slack, share;
} turn;

static turn turn_at(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double lam, double theta, double T)
{
    turn v = {.lam = lam, .theta = theta};
    v.e = ew_decay_excess(ln->law, nd, at, lam, theta, T, &v.slack, &v.share);
    return v;
}

/* What the nodes may miss of it and of M(c): strips |Im u| <= alpha s, and what is beyond the ends (decay.c).  On a
 * strip the integrand of E_c[W], and that with e^psi, grows by a factor: an error relative to E_c[W]. */
static double excess_error(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, const turn *v, double T)
{
    const ew_model *m = ln->m;
    const double s = m->s, theta = v->theta, g = 0.5 * theta * theta * s * s;
    if (ln->law->far.width > 0.0)
        return ew_decay_error(ln->law, nd, at, theta, T);
    const int all = v->lam == INFINITY, two = m->kind == EW_KIND_REPLACE;
    const double weighs = all ? 0.0 : two ? -2.0 : -1.0, each = two ? 1.0 : 0.5,
                 grows = (m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c) + weighs,
                 ends = ew_ends(ln, nd, EW_SMALL, ln->c, 0.0) / (1.0 + at->m0);
    double err = INFINITY;
    for (double alpha = fmin(0.95 * EW_PI - theta, 9.0 / s); alpha * s > 0.02 && !(m->n * err < 0.02 * (1.0 + v->e));
         alpha *= 0.6) {
        const double late = alpha < 0.4999 * EW_PI ? 0.0 : T * fmax(0.0, alpha - theta) * each;
        const double rise = g + 0.5 * alpha * alpha * s * s + grows * log(cos(0.5 * (theta + alpha))) + late;
        const double k = 2.0 / expm1(2.0 * EW_PI * alpha * s / nd->hu), r = k * exp(rise);
        const double e = all       ? r + k * exp(ew_survey_control(ln->law, ln->c, alpha * s)) /* as in decay.c */
                         : r < 0.5 ? 2.0 * r * (v->share + 2.0 * ends) / (1.0 - r)
                                   : INFINITY;
        if (e > err && late == 0.0)
            break; /* past the best strip */
        err = fmin(err, e);
    }
    err += ends * exp(g + grows * log(cos(0.5 * theta)));
    /* factors too large, and nodes fine enough: cell by cell, |W_theta| <= 2 */
    if (!(m->n * err < 1.0) && m->kind != EW_KIND_REMOVE && 2.0 * EW_PI * s / nd->hu > log(m->n) + 5.0)
        err = fmin(err, 2.0 * ew_decay_error(ln->law, nd, at, theta, T));
    return all ? err : err + ew_real_quad(ln, EW_SMALL, ln->c, nd->hu, 1.0 + at->m0) + ends; /* and M(c) */
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

/* The least at this lam.  What is best for many small losses is too much for a large one that is rare: it gains nothing
 * from theta beyond 1/T, and pays e^{theta^2 s^2/2}. */
static turn least_at(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double lam, double T, double enough)
{
    turn best = turn_at(ln, nd, at, lam, ew_decay_theta(ln->law, nd, at, lam, T), T);
    while (best.theta > 0.45 && best.e > enough) {
        const turn less = turn_at(ln, nd, at, lam, 0.75 * best.theta, T);
        if (!(less.e < best.e))
            break;
        best = less;
    }
    return best;
}

/* To second order in T the bound falls by n (T E_c[W D])^2/(2 s^2 E_c[W]): is that far more for lam = 1, where W = D,
 * than for all steps? */
static int rare(const ew_nodes *nd, const ew_moments *at)
{
    double d = 0.0, d2 = 0.0;
    for (int i = 0; i < nd->count; i++) {
        const double each = nd->p[EW_SMALL][i] * (nd->dp[i] + nd->dm[i]);
        d += each;
        d2 += each * (nd->dp[i] + nd->dm[i]);
    }
    return d2 * d2 * at->m > 10.0 * d * d * d;
}

/* The same for any lam, until it is `enough`. */
static turn least_turn(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double T, double enough)
{
    turn best = least_at(ln, nd, at, INFINITY, T, enough);
    if (!(best.e > enough) || ln->law->far.width > 0.0 || !rare(nd, at))
        return best;
    for (double lam = 1.0; best.e > enough && lam < 1e20; lam *= 30.0) {
        const turn other = least_at(ln, nd, at, lam, T, enough);
        if (other.e < best.e)
            best = other;
        else if (lam > 1.0)
            break;
    }
    return best;
}

/* small steps; certain only where `plain` is at most `enough` */
static far_log small_far(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double T, double enough)
{
    const double n = ln->m->n, log_m = ew_log_m(at);
    const turn v = least_turn(ln, nd, at, T, enough < INFINITY ? expm1(enough / n - log_m) : -1.0);
    const double plain = n * (log_m + log1p(fmax(-1.0 + 1e-300, v.e)));
    if (!(plain <= enough))
        return (far_log){plain, INFINITY};
    const double x = v.e + v.slack + 1.01 * excess_error(ln, nd, at, &v, T);
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
        if (blind && v > 0.4 && v < 4.0 && hint < most && hint < 1.4 * T) {
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
