/* route.c - one direction of one mechanism: which exact route gives delta and epsilon. */
#include "rooms.h"

#include <math.h>

static const double LINE_CHEAP = 4e5, LINE_MOST = 1.5e8; /* quadrature times contour nodes: about 1 ms, 0.3 s */

/* log of an upper bound of delta(0), the total variation of the n-fold laws: half the root of the n-fold chi^2 divergence
 * (q^2 expm1(1/s^2) per step), or the probability 1 - (1-q)^n that the record is ever sampled.  replace: triangle inequality. */
static double log_variation(const ew_model *m)
{
    const double chi2 = m->q * m->q * expm1(fmin(1.0 / (m->s * m->s), 700.0)), e = m->n * log1p(chi2);
    const double a = e > 700.0 ? 0.0 : 0.5 * log(expm1(e)) - log(2.0), b = log(-expm1(m->n * m->log1mq));
    return fmin(0.0, fmin(a, b) + (m->kind == EW_KIND_REPLACE ? log(2.0) : 0.0)) + 1e-9;
}

/* Past the cut nobody looks: the law cut there, if its tail was the trouble. */
static void cut_if_heavy(ew_saddle *sp, const ew_model *m, ew_nodes *coarse, int of_delta)
{
    if (!sp->heavy)
        return;
    const ew_saddle plain = *sp;
    if (!ew_saddle_cut(sp, m, coarse, plain.log_delta, plain.eps, of_delta)) {
        *sp = plain;
        ew_saddle again;
        if (of_delta ? ew_saddle_of_delta(&again, m, coarse, plain.log_delta) : ew_saddle_of_eps(&again, m, coarse, plain.eps))
            *sp = again;
    }
}

static int contour_at(ew_contour *ct, const ew_model *m, ew_nodes *coarse, const ew_saddle *sp, double tol, ew_scratch *ws)
{
    if (ew_line(ct, m, coarse, sp, tol, LINE_CHEAP, ws))
        return 1;
    if (!(sp->cut > 0.0) && ew_bend(ct, m, sp, tol, ws))
        return 1;
    return ew_line(ct, m, coarse, sp, tol, LINE_MOST, ws);
}

int ew_route_delta(double out[2], const ew_model *m, double eps, double rtol, ew_scratch *ws)
{
    if (ew_closed_applies(m))
        return ew_closed_delta(out, m, eps);
    if (m->kind == EW_KIND_ADD && eps >= -m->n * m->log1mq * (1.0 + 4.0 * EW_U)) {
        out[0] = out[1] = 0.0; /* no loss is that large */
        return 1;
    }
    ew_nodes coarse;
    ew_saddle sp;
    ew_contour ct;
    ew_nodes_bind(&coarse, ws->coarse);
    if (!ew_saddle_of_eps(&sp, m, &coarse, eps))
        return 0;
    cut_if_heavy(&sp, m, &coarse, 0);
    int found = 0;
    double tol = fmin(fmax(rtol, 1e-12), 1e-3) / 6.0;
    for (int i = 0; i < 3; i++) {
        if (!contour_at(&ct, m, &coarse, &sp, tol, ws))
            break;
        double now[2];
        ew_contour_delta(now, &ct, eps);
        if (!found || now[1] - now[0] < out[1] - out[0]) {
            out[0] = now[0];
            out[1] = now[1];
        }
        found = 1;
        if (out[1] - out[0] <= rtol * out[1] || out[1] == 0.0)
            break;
        if (out[0] > 0.0)
            sp.log_delta = log(out[0]);
        else
            sp.log_delta -= 5.0;
        tol *= 0.2;
    }
    return found;
}

int ew_route_epsilon(double out[2], const ew_model *m, double log_delta, double rtol, ew_scratch *ws)
{
    if (ew_closed_applies(m))
        return ew_closed_epsilon(out, m, log_delta);
    out[0] = out[1] = 0.0;
    if (log_delta >= log_variation(m))
        return 1;
    ew_nodes coarse;
    ew_saddle sp;
    ew_contour ct;
    ew_nodes_bind(&coarse, ws->coarse);
    if (!ew_saddle_of_delta(&sp, m, &coarse, log_delta))
        return 0;
    if (!sp.heavy && sp.eps < 2.0 / sp.spread) { /* is delta(0) <= delta? */
        double zero[2];
        if (ew_route_delta(zero, m, 0.0, 1e-10, ws) && zero[1] > 0.0 && log(zero[1]) < log_delta - 1e-14 * fabs(log_delta))
            return 1;
        ew_nodes_bind(&coarse, ws->coarse);
        if (!ew_saddle_of_delta(&sp, m, &coarse, log_delta))
            return 0;
    }
    cut_if_heavy(&sp, m, &coarse, 1);
    const double edge = m->kind == EW_KIND_ADD ? -m->n * m->log1mq : INFINITY;
    double sharper = 1.0;
    int found = 0;
    for (int i = 0; i < 14; i++) {
        if (sp.eps >= edge)
            sp.eps = edge * (1.0 - 1e-6);
        const double tol = sharper * fmax(1e-14, fmin(1e-3, rtol * sp.c * fabs(sp.eps) / 6.0));
        double now[2], moved = NAN;
        if (!contour_at(&ct, m, &coarse, &sp, tol, ws))
            break;
        if (ew_contour_epsilon(now, &moved, &ct, log_delta)) {
            out[0] = fmax(0.0, now[0]);
            out[1] = fmax(0.0, now[1]);
            found = 1;
            if (out[1] - out[0] <= rtol * out[1] || sharper < 1e-3)
                break;
            sharper *= 0.1;
        } else if (!isfinite(moved)) {
            sharper *= 0.1;
            if (sharper < 1e-4)
                break;
            continue;
        }
        sp.eps = moved;
    }
    return found;
}

/* 1: delta(eps) < e^{log_delta} for certain, by one Chernoff bound  delta(eps) <= e^{n K(c) - c eps} m(c)  (any c > 0). */
int ew_dominated(const ew_model *m, double eps, double log_delta, ew_scratch *ws)
{
    ew_nodes nd;
    ew_saddle sp;
    if (ew_closed_applies(m))
        return 0;
    if (m->kind == EW_KIND_ADD && eps >= -m->n * m->log1mq * (1.0 + 4.0 * EW_U))
        return 1;
    ew_nodes_bind(&nd, ws->coarse);
    if (!ew_saddle_of_eps(&sp, m, &nd, eps))
        return 0;
    /* quadrature error of the coarse nodes */
    double err = INFINITY, a = fmin(0.9 * EW_PI * m->s, 9.0);
    for (int i = 0; i < 4; i++, a *= 0.75)
        err = fmin(err, 2.0 * exp(ew_strip_log(m, &nd, a / m->s, sp.c, 0.0)) / expm1(2.0 * EW_PI * a / nd.hu));
    err = (err + exp(ew_ends_log(m, &nd, sp.c))) * (2.0 + 2.0 * sp.c * fmin(1.0, m->q * (1.0 + exp(nd.y[nd.count - 1])))) * 1.01;
    const double k = m->n * log1p(sp.at.m0 + err) * (1.0 + 1e-10);
    return k - sp.c * eps - sp.c * log1p(1.0 / sp.c) - log1p(sp.c) < log_delta - 1e-9 * (1.0 + fabs(k) + fabs(sp.c * eps));
}
