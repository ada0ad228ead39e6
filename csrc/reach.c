/* reach.c - how far a line must go, and how fine its quadrature must be.
 *
 * ew_far_log  is a bound; the two others are plans, checked by whoever follows them (line.c).
 */
#include "rooms.h"

#include <math.h>

/* log of sup_{t >= T} |G(c + i t)| from the nodes; sure = 1 adds the errors that a plan may ignore. */
double ew_far_log(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double T, int sure)
{
    const ew_model *m = ln->m;
    const double n = m->n;
    if (ln->cls == EW_MID) {
        const double most = fmin(1.5, ew_widest(ln) * 0.95 / m->s);
        double best = INFINITY;
        for (double theta = most; theta > 0.02 * most; theta *= 0.7) {
            const double e = ew_survey(ln->law, EW_MID, ln->c, -T, theta * m->s);
            if (e > best)
                break;
            best = e;
        }
        best = fmin(best, log(at->b0) + 1e-6);
        return log(n) + best + (n - 1.0) * log(at->m + exp(best)) + 1e-9 * n;
    }
    double slack;
    const double theta = ew_decay_theta(ln->law, nd, at, T), v = ew_decay_excess(ln->law, nd, at, theta, T, &slack);
    double err = 0.0;
    if (sure && ln->law->far.width > 0.0) {
        err = ew_decay_error(ln->law, nd, at, theta, T);
    } else if (sure) { /* strips |Im u| <= alpha s: decay.c */
        err = INFINITY;
        for (double alpha = fmin(0.95 * EW_PI - theta, 9.0 / m->s); alpha * m->s > 0.02 && !(n * err < 0.02 * (1.0 + v)); alpha *= 0.6) {
            const double C = m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c * log(cos(0.5 * (theta + alpha)));
            const double late = alpha < 0.4999 * EW_PI ? 0.0 : T * fmax(0.0, alpha - theta) * (m->kind == EW_KIND_REPLACE ? 1.0 : 0.5);
            err = fmin(err, 2.0 * exp(0.5 * (theta * theta + alpha * alpha) * m->s * m->s + C + late - log(expm1(2.0 * EW_PI * alpha * m->s / nd->hu))));
        }
        const double C = m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c * log(cos(0.5 * theta));
        err += ew_ends(ln, nd, EW_SMALL, ln->c, 0.0) * exp(0.5 * theta * theta * m->s * m->s + C) / (1.0 + at->m0);
    }
    const double x = v + (sure ? slack + 1.01 * err : 0.0);
    return n * (ew_log_m(at) + log1p(fmax(-1.0 + 1e-300, x)));
}

double ew_reach(double *power, const ew_view *ln, double spread, double wanted, double most)
{
    const double f0 = ew_log_power(ln->at, ln->m->n, ln->cls);
    double T = (ln->cls == EW_MID ? 3.0 : 6.5) / spread, lo = 0.0, hi = 0.0, hint = 0.0, last = 0.0, last_T = 0.0; /* far - wanted > 0 at lo, <= 0 at hi */
    *power = 2.0;
    for (int i = 0; i < 60; i++) {
        if (!(T < most))
            return hi;
        const double log_t = log(EW_PI * T), far = ew_far_log(ln, ln->ref, ln->at, T, 0), v = far - log_t - wanted;
        const double decayed = fmax(1e-9, f0 - far), gone = f0 - log_t - wanted; /* what must decay in all */
        if (last > 0.0 && T != last_T)
            *power = fmin(2.2, fmax(0.3, log(decayed / last) / log(T / last_T)));
        last = decayed;
        last_T = T;
        if (v <= 0.4) {
            hi = T;
            if (v > -1.5 || (lo > 0.0 && hi < 1.03 * lo) || ln->cls == EW_MID || i > 8)
                return T;
        } else {
            lo = T;
        }
        hint = T * pow(fmax(gone + 0.4, 0.1) / decayed, 1.0 / *power); /* far falls as a power of T */
        if (lo > 0.0 && hi > 0.0) {
            T = hint > lo * 1.005 && hint < hi * 0.995 ? hint : sqrt(lo * hi);
        } else if (v > 0.4) {
            T = fmin(8.0 * T, fmax(1.02 * T, hint));
        } else if (gone > 0.0) {
            T = fmin(0.98 * T, fmax(0.3 * T, hint));
        } else {
            return T;
        }
    }
    return hi;
}

const double ew_stretch[EW_SEGMENTS] = {0.2, 0.45, 0.7, 1.0};

double ew_step(double *a, const ew_view *ln, int cls, double T, double log_want, double gone_last)
{
    const double n = ln->m->n, any = -5.0 - log(n);
    double hu = INFINITY;
    for (int i = 0; i < EW_SEGMENTS; i++) {
        const double share = i ? ew_stretch[i - 1] / ew_stretch[EW_SEGMENTS - 2] : 0.0, gone = gone_last * share * share;
        /* n e |M|^{n-1}, and e below |M| */
        const double target = fmax(log_want, fmin(any - gone / n, log_want + gone * (n - 1.0) / n));
        double best = 0.0, y = i ? fmin(ew_widest(ln), 1.4 * a[i - 1]) : ew_widest(ln); /* the best strip narrows as t grows */
        for (int j = 0; j < 20; j++, y *= 0.7) {
            const double strip = ew_strip_log(ln, cls, ln->c, ew_stretch[i] * T, y), budget = 1.4 + (cls == EW_SMALL ? ew_lse(strip, ew_control(ln, hypot(ln->c, ew_stretch[i] * T), y)) : strip) - target;
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
