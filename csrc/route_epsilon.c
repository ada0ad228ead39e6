/* route_epsilon.c - epsilon of one direction of one mechanism: one line for all steps where that serves, else by
 * search. */
#include "rooms.h"

#include <math.h>

/* Is delta(0) < delta?  More steps hide less, so a single one may already say no. */
static int nothing_to_hide(const ew_model *m, double log_delta, ew_scratch *ws)
{
    ew_model one = *m;
    double zero[2];
    one.n = 1.0;
    if (ew_closed_delta(zero, &one, 0.0) && log(zero[0]) > log_delta + 1e-9)
        return 0;
    return ew_route_delta(zero, m, 0.0, 1e-10, ws) && log(zero[1]) < log_delta - 1e-14 * fabs(log_delta);
}

static int narrow(const double out[2], double rtol)
{
    return isfinite(out[1]) && out[1] - out[0] <= rtol * out[1];
}

/* One line for all steps of a law, moved until it stands where epsilon is; `lost` is the log of what the law leaves
 * out. 1: [out[0], out[1]] is as narrow as asked. */
static int line_epsilon(double out[2], const ew_law *law, ew_nodes *coarse, ew_saddle *sp, double log_delta,
                        double lost, double rtol, double limit, ew_scratch *ws)
{
    const double edge = ew_largest_loss(law->m);
    double sharper = 1.0;
    ew_contour ct;
    for (int i = 0; i < 6; i++) {
        if (sp->eps >= edge)
            sp->eps = edge * (1.0 - 1e-6);
        const double tol = sharper * fmax(1e-14, fmin(1e-3, rtol * sp->c * fabs(sp->eps) / 2.5));
        double now[2], moved = NAN;
        ew_contour_start(&ct, sp->eps, log_delta, tol, ws);
        ct.high = exp(lost - log_delta);
        if (!ew_line(&ct, law, coarse, EW_SMALL, sp, limit, ws))
            break;
        if (ew_contour_epsilon(now, &moved, &ct, log_delta)) {
            now[0] = fmax(0.0, now[0]);
            now[1] = fmax(0.0, now[1]);
            ew_intersect(out, now);
            if (out[1] - out[0] <= rtol * out[1] || sharper < 1e-2)
                break;
            sharper *= 0.1;
        } else if (!isfinite(moved)) {
            break;
        }
        sp->eps = moved;
        ew_moments_at(&sp->at, coarse, sp->c);
    }
    return narrow(out, rtol);
}

/* The same from the saddle point, or stepped back from it, however much that costs, up to the limit. */
static int again(double out[2], const ew_law *law, ew_nodes *coarse, int back, double log_delta, double rtol,
                 double limit, ew_scratch *ws)
{
    ew_saddle sp;
    ew_nodes_bind(coarse, ws->coarse);
    if (!ew_saddle_of_delta(&sp, law, coarse, log_delta))
        return 0;
    if (back)
        ew_saddle_back(&sp, law, coarse);
    return line_epsilon(out, law, coarse, &sp, log_delta, -INFINITY, rtol, limit, ws);
}

int ew_route_epsilon(double out[2], const ew_model *m, double log_delta, double rtol, ew_scratch *ws)
{
    if (ew_closed_applies(m))
        return ew_closed_epsilon(out, m, log_delta);
    out[0] = out[1] = 0.0;
    if (log_delta >= ew_log_variation(m))
        return 1;
    out[1] = INFINITY;
    const ew_law law = {.m = m};
    ew_nodes coarse;
    ew_saddle sp;
    ew_nodes_bind(&coarse, ws->coarse);
    int seen = ew_saddle_of_delta(&sp, &law, &coarse, log_delta), asked = 0;
    if (seen && sp.eps * sp.c < 0.02) { /* is delta(0) <= delta? */
        if (nothing_to_hide(m, log_delta, ws)) {
            out[1] = 0.0;
            return 1;
        }
        asked = 1;
        ew_nodes_bind(&coarse, ws->coarse);
        seen = ew_saddle_of_delta(&sp, &law, &coarse, log_delta);
    }
    const double lost = log_delta + log(1e-4 * rtol);
    if (seen) {
        ew_saddle_back(&sp, &law, &coarse);
        if (line_epsilon(out, &law, &coarse, &sp, log_delta, -INFINITY, rtol, EW_PLAIN, ws))
            return 1;
    }
    if (m->kind != EW_KIND_ADD && !isfinite(out[1])) { /* a far tail too rare to matter stands in the way */
        const ew_law cut = ew_capped(m, lost);
        ew_saddle there;
        ew_nodes_bind(&coarse, ws->coarse);
        if (ew_saddle_of_delta(&there, &cut, &coarse, log_delta) &&
            line_epsilon(out, &cut, &coarse, &there, log_delta, lost, rtol, EW_PLAIN, ws))
            return 1;
    }
    if (seen && m->n >= 1e4 && !isfinite(out[1]) && again(out, &law, &coarse, 0, log_delta, rtol, 50.0 * EW_PLAIN, ws))
        return 1;
    if (seen && !asked && !(out[0] > 0.0) && nothing_to_hide(m, log_delta, ws)) {
        out[0] = out[1] = 0.0;
        return 1;
    }
    double guess[2] = {0.5 * (out[0] + out[1]), 0.0};
    if (!isfinite(out[1]))
        ew_first_guesses(guess, m, log_delta, ws);
    ew_search_epsilon(out, m, log_delta, rtol, guess, ws);
    for (int back = 0; seen && m->n >= 1e4 && back < 2 && !narrow(out, 1e-6); back++)
        if (again(out, &law, &coarse, back, log_delta, rtol, EW_DEAR, ws))
            break;
    if (!narrow(out, 1e-6)) { /* a single step is a lower bound */
        ew_model one = *m;
        double now[2];
        one.n = 1.0;
        if (ew_closed_epsilon(now, &one, log_delta))
            out[0] = fmax(out[0], now[0]);
        out[1] = fmin(out[1], ew_split_upper(m, log_delta, ws));
    }
    /* next to 0: as far down as delta can be told from delta(0) */
    for (int i = 0; i < 8 && out[0] == 0.0 && out[1] > 0.0 && isfinite(out[1]); i++) {
        double there[2];
        if (!ew_route_delta(there, m, 0.03 * out[1], rtol, ws) ||
            !(log(there[1]) < log_delta - 4.0 * EW_U * fabs(log_delta)))
            break;
        out[1] *= 0.03;
    }
    return isfinite(out[1]) && out[0] <= out[1];
}
