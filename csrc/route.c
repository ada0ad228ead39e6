/* route.c - delta of one direction of one mechanism: which exact route. */
#include "rooms.h"

#include <math.h>

/* log of an upper bound of delta(0), the total variation of the n-fold laws: half the root of the n-fold chi^2
 * divergence (q^2 expm1(1/s^2) per step), or the probability 1 - (1-q)^n that the record is ever sampled.  replace:
 * triangle inequality. */
double ew_log_variation(const ew_model *m)
{
    const double chi2 = m->q * m->q * expm1(fmin(1.0 / (m->s * m->s), 700.0)), e = m->n * log1p(chi2);
    const double a = e > 700.0 ? 0.0 : 0.5 * log(expm1(e)) - log(2.0), b = log(-expm1(m->n * m->log1mq));
    return fmin(0.0, fmin(a, b) + (m->kind == EW_KIND_REPLACE ? log(2.0) : 0.0)) + 1e-9;
}

void ew_intersect(double out[2], const double now[2])
{
    out[0] = fmax(out[0], now[0]);
    out[1] = fmin(out[1], now[1]);
}

/* Largest loss of `add`, outward. */
double ew_largest_loss(const ew_model *m)
{
    return m->kind == EW_KIND_ADD ? -m->n * m->log1mq * (1.0 + 4.0 * EW_U) : INFINITY;
}

static int plain_at(ew_contour *ct, const ew_model *m, double eps, double tol, double limit, ew_scratch *ws)
{
    const ew_law law = {.m = m};
    ew_nodes coarse;
    ew_saddle sp;
    ew_nodes_bind(&coarse, ws->coarse);
    if (!ew_saddle_of_eps(&sp, &law, &coarse, eps) || sp.log_delta < -720.0)
        return 0;
    ew_saddle_back(&sp, &law, &coarse);
    ew_contour_start(ct, eps, sp.log_delta, tol, ws);
    return ew_line(ct, &law, &coarse, EW_SMALL, &sp, limit, ws);
}

/* bent.c where that serves, else split.c */
int ew_contour_at(ew_contour *ct, double *size, ew_ways *ways, int steer, const ew_model *m, double eps,
                  double log_delta, double tol, double sharp, ew_scratch *ws)
{
    if (!ways->straight) {
        double now[2];
        if (ew_bent(ct, m, eps, log_delta, sharp, ws)) {
            ew_contour_delta(now, ct, eps);
            if (now[1] - now[0] < 0.05 * exp(log_delta) || now[1] - now[0] < 0.05 * now[1])
                return 1;
        }
        ways->straight = 1;
    }
    return ew_split(ct, size, &ways->split, steer, m, eps, log_delta, tol, ws);
}

/* delta(eps), eps >= 0, by lines: [out[0], out[1]] becomes as narrow as can be. */
static void lines_delta(double out[2], const ew_model *m, double eps, double rtol, ew_scratch *ws)
{
    ew_contour ct;
    const double tol = fmin(fmax(rtol, 1e-13), 1e-3) / 6.0;
    double now[2];
    for (int i = 0; i < 2 && !(out[1] - out[0] <= rtol * out[1]); i++)
        if (plain_at(&ct, m, eps, tol * (i ? 0.1 : 1.0), EW_PLAIN, ws)) {
            ew_contour_delta(now, &ct, eps);
            ew_intersect(out, now);
        } else {
            break;
        }
    double guess = out[0] > 0.0 ? log(out[0]) : NAN;
    if (isnan(guess)) { /* the size of delta: more than one step gives, as a start */
        ew_model one = *m;
        double rel;
        one.n = 1.0;
        ew_closed_log_delta(&guess, &rel, &one, m->kind == EW_KIND_ADD ? eps / m->n : eps);
        guess = fmin(guess + log(m->n), log(0.5));
        if (!(guess > -690.0))
            guess = -690.0;
    }
    ew_ways ways = {0};
    for (int i = 0; i < 12 && (ws->left > 0.0 || out[0] == 0.0) && !(out[1] - out[0] <= rtol * out[1]); i++) {
        double size;
        const double want = fmax(1e-13, tol * (i > 9 ? 0.1 : 1.0));
        const int done = ew_contour_at(&ct, &size, &ways, i < 6, m, eps, guess,
                                       i < 6 && out[0] == 0.0 ? 1e-3 : want, want, ws);
        if (!done)
            break;
        if (done < 0) {
            guess = fmin(guess + size, 0.0);
            if (guess < -700.0) { /* below what doubles hold: Chernoff bounds alone say so */
                if (ew_split(&ct, &size, &ways.split, 0, m, eps, -690.0, 0.5, ws) == 1) {
                    ew_contour_delta(now, &ct, eps);
                    ew_intersect(out, now);
                }
                break;
            }
            continue;
        }
        ew_contour_delta(now, &ct, eps);
        ew_intersect(out, now);
        guess = out[0] > 0.0 ? log(out[0]) : fmin(guess, log(out[1])) - 4.0;
    }
    if (!(out[1] - out[0] <= fmax(rtol, 1e-9) * out[1]) && plain_at(&ct, m, eps, tol, EW_DEAR, ws)) {
        ew_contour_delta(now, &ct, eps);
        ew_intersect(out, now);
    }
}

static ew_model exchanged(const ew_model *m)
{
    ew_model other;
    ew_model_init(&other,
                  m->kind == EW_KIND_REMOVE ? EW_KIND_ADD
                  : m->kind == EW_KIND_ADD  ? EW_KIND_REMOVE
                                            : m->kind,
                  m->s, m->q, m->n);
    return other;
}

int ew_route_delta(double out[2], const ew_model *m, double eps, double rtol, ew_scratch *ws)
{
    if (ew_closed_applies(m))
        return ew_closed_delta(out, m, eps);
    if (eps < 0.0) { /* delta(-e) = 1 - e^{-e} + e^{-e} (delta(e) of the laws exchanged) */
        const ew_model other = exchanged(m);
        const double factor = exp(eps), least = -expm1(eps);
        if (!ew_route_delta(out, &other, -eps, rtol, ws))
            return 0;
        out[0] = ew_down(least + factor * out[0]);
        out[1] = fmin(1.0, ew_up(least + factor * out[1]));
        return 1;
    }
    out[0] = out[1] = 0.0;
    if (eps >= ew_largest_loss(m))
        return 1; /* no loss is that large */
    out[1] = 1.0;
    lines_delta(out, m, eps, rtol, ws);
    if (eps == 0.0 && !(out[1] - out[0] <= rtol * out[1])) { /* the same from the other side */
        const ew_model other = exchanged(m);
        lines_delta(out, &other, 0.0, rtol, ws);
    }
    if (!(out[1] - out[0] <= 1e-3 * out[1])) { /* delta(0) is larger, a single step's is smaller */
        ew_model one = *m;
        double now[2];
        one.n = 1.0;
        if (ew_closed_delta(now, &one, eps))
            ew_intersect(out, (double[2]){now[0], fmin(1.0, exp(ew_log_variation(m)) * (1.0 + 1e-8))});
    }
    return out[0] <= out[1];
}
