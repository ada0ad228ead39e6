/* run_epsilon.c - epsilon of a composed run, one direction: the plain line where it decays, smoothed lines where it
 * does not.
 */
#include "compose.h"
#include "special.h"

#include <math.h>

static const double PLAIN = 65536, SMOOTH = 262144; /* contour nodes at most, for one answer */

static int narrow(const double out[2], double rtol)
{
    return out[1] < INFINITY && out[1] - out[0] <= rtol * out[1];
}

/* One attempt; out shrinks.  1: worth going on with the *next epsilon; 0: no; EW_SHORT. */
static int epsilon_line(double out[2], ew_plan *plan, double *next, ew_total *to, double eps, double w2, double tol,
                        double log_target[2], ew_arena *arena)
{
    ew_contour ct[2];
    double now[2], moved = NAN;
    const int found = ew_run_line(ct, to, eps, w2, tol, w2 > 0.0 ? SMOOTH : PLAIN, arena);
    if (found != EW_FOUND)
        return found;
    *next = NAN;
    double rounding = 0.0;
    for (int j = 0; j < ct[0].count; j++)
        rounding += ct[0].err[j];
    *plan = (ew_plan){.route = w2 > 0.0 ? EW_SMOOTHED : EW_LINE,
                      .nodes = ct[0].count,
                      .quadrature = (int)ew_run_nodes(to),
                      .tilt = to->c,
                      .step = ct[0].count > 1 ? ct[0].zi[1] : 0.0,
                      .smoothing = w2,
                      .aliasing = ct[0].low - ct[0].high,
                      .truncation = ct[0].high,
                      .rounding = rounding};
    if (ew_contour_epsilon(now, &moved, &ct[0], log_target[0])) {
        out[1] = fmin(out[1], fmax(0.0, now[1]));
        if (w2 == 0.0 && log_target[0] == log_target[1])
            out[0] = fmax(out[0], fmax(0.0, now[0]));
    }
    *next = moved;
    if (w2 > 0.0 || log_target[0] != log_target[1]) {
        double there = NAN;
        if (ew_contour_epsilon(now, &there, &ct[w2 > 0.0], log_target[1]))
            out[0] = fmax(out[0], fmax(0.0, now[0]));
    }
    return 1;
}

/* By lines and lattices; log_target: of the finite losses, below and above. */
static int invert(double out[2], ew_plan *plan, double log_target[2], const ew_run *run, double log_delta, double rtol,
                  double smooth_rtol, ew_arena *arena)
{
    ew_total to;
    double inf[2], eps, next = NAN;
    *plan = (ew_plan){.route = EW_BOUNDED};
    out[0] = 0.0;
    out[1] = INFINITY;
    ew_run_infinite(inf, run);
    if (inf[1] > 0.0) {
        const double delta = exp(log_delta), err = delta * EW_U * (4.0 + 2.0 * fabs(log_delta));
        if (delta + err < inf[0]) {
            out[0] = INFINITY;
            return EW_FOUND;
        }
        if (!(delta - err > inf[1]))
            return EW_FOUND; /* cannot be told */
        log_target[0] = log(ew_down(delta - err - inf[1]));
        log_target[1] = log(ew_up(delta + err - inf[0]));
    }
    out[1] = fmax(0.0, ew_run_most(run));
    if (ew_once_applies(run)) {
        plan->route = EW_ONCE;
        ew_once_epsilon(out, run, log_target);
        return EW_FOUND;
    }
    if (!ew_total_start(&to, run, arena))
        return EW_SHORT;
    const size_t mark = arena->used;
    int seen = ew_total_saddle(&to, 1, log_target[0], arena);
    if (arena->failed)
        return EW_SHORT;
    if (!seen || to.eps < 2.0 / to.spread) { /* is delta(0) <= delta? */
        double lo, hi, zero = 0.0;
        arena->used = mark;
        if (ew_run_delta(&lo, &hi, &zero, 1, run, rtol, smooth_rtol, arena) == EW_SHORT)
            return EW_SHORT;
        if (log(hi) < log_delta - 1e-14 * fabs(log_delta)) {
            out[1] = 0.0;
            return EW_FOUND;
        }
        arena->used = mark;
        if (!ew_total_start(&to, run, arena))
            return EW_SHORT;
        seen = ew_total_saddle(&to, 1, log_target[0], arena);
    }
    if (run->lattice > 0.0) {
        arena->used = mark;
        if (ew_lattice_epsilon(out, plan, run, log_target, rtol, arena) == EW_SHORT)
            return EW_SHORT;
        if (narrow(out, rtol))
            return EW_FOUND;
        arena->used = mark;
        if (!ew_total_start(&to, run, arena))
            return EW_SHORT;
        seen = ew_total_saddle(&to, 1, log_target[0], arena);
        if (arena->failed)
            return EW_SHORT;
    }
    if (!seen)
        return EW_FOUND;
    const double c = to.c;
    to.log_delta = log_target[0];
    eps = to.eps;
    double sharper = 1.0;
    int again = ew_run_decays(run);
    for (int i = 0; again && i < 6; i++) {
        const size_t here = arena->used;
        const double tol = sharper * fmax(1e-15, fmin(1e-3, rtol * c * fabs(eps) / 6.0));
        const int found = epsilon_line(out, plan, &next, &to, eps, 0.0, tol, log_target, arena);
        if (found == EW_SHORT)
            return EW_SHORT;
        arena->used = here;
        if (found != 1 || narrow(out, rtol) || sharper < 1e-2 || !isfinite(next))
            break;
        if (out[0] > 0.0)
            sharper *= 0.1;
        eps = next;
    }
    if (narrow(out, smooth_rtol))
        return EW_FOUND;
    to.mu2 = run->mu2;
    const double bound = ew_run_chernoff(&to, 0.0, arena); /* at epsilon: bound - c epsilon <= log delta */
    if (arena->failed)
        return EW_SHORT;
    if (isfinite(bound))
        out[1] = fmin(out[1], fmax(0.0, ew_up((bound - log_target[0]) / c + 1e-9 * (1.0 + fabs(bound) / c))));
    ew_total_tilt(&to, c);
    to.log_delta = log_target[0];
    /* as for delta: cheap ones first, but not so wide that the tilt explodes them */
    double w2 = fmin(0.3 / (c * (c + 1.0)), fmax(1e-2, smooth_rtol) * fmax(fabs(eps), 1e-3 / to.spread) / (c + 1.0));
    for (int i = 0; i < 16; i++) {
        const size_t here = arena->used;
        const double tol = fmax(1e-15, fmin(1e-3, smooth_rtol * c * fabs(eps) / 20.0));
        const int found = epsilon_line(out, plan, &next, &to, eps, w2, tol, log_target, arena);
        if (found == EW_SHORT)
            return EW_SHORT;
        arena->used = here;
        if (found != 1 || narrow(out, smooth_rtol))
            break;
        if (isfinite(next))
            eps = next;
        w2 *= out[0] > 0.0 ? fmin(0.5, fmax(0.05, 0.5 * smooth_rtol * out[1] / (out[1] - out[0]))) : 0.2;
    }
    return EW_FOUND;
}

int ew_run_epsilon(double out[2], ew_plan *plan, const ew_run *run, double log_delta, double rtol, double smooth_rtol,
                   ew_arena *arena)
{
    double log_target[2] = {log_delta, log_delta};
    const int found = invert(out, plan, log_target, run, log_delta, rtol, smooth_rtol, arena);
    if (found == EW_FOUND && ew_run_most(run) < INFINITY && out[0] < out[1] && !narrow(out, smooth_rtol)) {
        ew_near near;
        ew_most_near(&near, run);
        out[0] = fmax(out[0], ew_most_epsilon(&near, log_target[1]));
    }
    return found;
}
