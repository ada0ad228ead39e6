/* run.c - delta and epsilon of a composed run, one direction: the plain line where it decays, smoothed lines where it
 * does not.
 *
 * P(S = inf) = 1 - prod (1 - p_inf)^n adds to delta at every epsilon.  For epsilon < 0 the caller exchanges the two
 * laws: delta_PQ(eps) = 1 - e^eps (1 - delta_QP(-eps)).
 */
#include "compose.h"
#include "special.h"

#include <math.h>

static const double PLAIN = 65536, SMOOTH = 262144; /* contour nodes at most, for one answer */

/* P(S = inf), lower and upper; a mass of 1 may have been rounded to it. */
static void infinite(double out[2], const ew_run *run)
{
    double k = 0.0, err = 0.0, most = 0.0;
    for (int i = 0; i < run->parts; i++) {
        double mass = 0.0;
        for (int j = 0; j < run->part[i].layers; j++)
            if (run->part[i].layer[j].kind == EW_ATOMS)
                mass += run->part[i].layer[j].share * run->part[i].layer[j].scale;
        most = fmax(most, mass);
        mass = fmin(mass, 1.0 - EW_U);
        k += run->part[i].n * log1p(-mass);
        err += 8.0 * EW_U * run->part[i].n * (mass + fabs(log1p(-mass)));
    }
    out[0] = fmax(0.0, ew_down(-expm1(k + err)) * (k < 0.0));
    out[1] = most < 1.0 ? fmax(0.0, ew_up(-expm1(k - err)) * (k < 0.0)) : 1.0;
}

/* Can the plain line work at all? */
static int decays(const ew_run *run)
{
    int some = run->mu2 > 0.0;
    for (int i = 0; i < run->parts; i++)
        for (int j = 0; j < run->part[i].layers; j++)
            some |= run->part[i].layer[j].kind == EW_MIXTURE;
    return some;
}

static int start(ew_total *to, const ew_run *run, ew_arena *arena)
{
    *to = (ew_total){.run = run, .mu2 = run->mu2};
    to->tb = ew_take(arena, (size_t)run->parts + 1, sizeof(ew_table));
    return !arena->failed;
}

/* log of the smallest Chernoff bound of delta(eps) near the tilt there is: delta(eps) <= G(c) e^{-c eps} m(c), any c >
 * 0. */
static double chernoff_log(ew_total *to, double eps, ew_arena *arena)
{
    const double c = to->c;
    if (!ew_total_fill(to, c, 0.0, 24.0, arena))
        return INFINITY;
    return ew_total_chernoff(to, c) - c * eps + ew_log_kernel(c) + 1e-9 * (1.0 + c * fabs(eps));
}

static int narrow(const double out[2], double rtol)
{
    return out[1] < INFINITY && out[1] - out[0] <= rtol * out[1];
}

/* ---- delta ---- */

/* Contours at eps; *w2 > 0: smoothed by it, rtol = 0: not smoothed. */
static int delta_line(ew_contour ct[2], ew_total *to, double eps, double *w2, double tol, double rtol, double most,
                      ew_arena *arena)
{
    const size_t mark = arena->used;
    to->mu2 = to->run->mu2;
    if (!ew_total_saddle(to, 0, eps, arena))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    to->log_delta += to->c * (to->eps - eps); /* to the saddle's accuracy */
    to->log_delta = fmin(0.0, to->log_delta);
    if (to->log_delta < -700.0)
        return EW_NOT_FOUND;
    if (*w2 == 0.0) {
        const int found = decays(to->run) ? ew_run_line(ct, to, eps, 0.0, tol, PLAIN, arena) : EW_NOT_FOUND;
        if (found != EW_NOT_FOUND)
            return found;
        arena->used = mark;
        ew_total_saddle(to, 0, eps, arena);
        to->log_delta = fmin(0.0, to->log_delta + to->c * (to->eps - eps));
        if (!(rtol > 0.0))
            return EW_NOT_FOUND;
        *w2 = fmax(rtol, 1e-2) /
              (to->c * (to->c + 1.0)); /* a cheap one first: the next are better as long as they are affordable */
    }
    return ew_run_line(ct, to, eps, *w2, fmin(1e-3, tol), most, arena);
}

static void delta_bounds(double out[2], const ew_contour ct[2], double eps, int smooth)
{
    double two[2];
    ew_contour_delta(out, &ct[0], eps);
    if (smooth) {
        ew_contour_delta(two, &ct[1], eps);
        out[0] = fmin(two[0], out[1]);
    }
}

/* EW_NOT_FOUND: smooth_rtol is 0 and some delta has no plain line; the bounds mean nothing then. */
int ew_run_delta(double *lower, double *upper, const double *eps, int count, const ew_run *run, double rtol,
                 double smooth_rtol, ew_arena *arena)
{
    ew_total to;
    ew_contour ct[2];
    double inf[2], w2 = 0.0, reached = 0.0; /* smoothing, and the relative width got where the contour was made */
    infinite(inf, run);
    if (!start(&to, run, arena))
        return EW_SHORT;
    const size_t mark = arena->used;
    const double most = ew_run_most(run);
    int have = 0;
    for (int i = 0; i < count; i++) {
        double best[2] = {0.0, eps[i] < most ? fmin(1.0, ew_up(-expm1(eps[i] - most))) : 0.0}, now[2];
        double wanted = rtol;
        if (ew_once_applies(run)) {
            ew_once_delta(now, run, eps[i]);
            ew_intersect(best, now);
        } else if (best[1] > 1e-15 && run->lattice > 0.0) {
            arena->used = mark;
            have = 0; /* its nodes lay there */
            const int found = ew_lattice_delta(now, run, eps[i], rtol, arena);
            if (found == EW_SHORT)
                return EW_SHORT;
            if (found == EW_FOUND)
                ew_intersect(best, now);
        }
        if (have && !(best[1] - best[0] <= wanted * best[1])) {
            wanted = w2 > 0.0 ? fmax(smooth_rtol, 4.0 * reached) : rtol;
            delta_bounds(now, ct, eps[i], w2 > 0.0);
            ew_intersect(best, now);
        }
        double tol = fmax(1e-15, count > 1 ? 1e-4 * rtol : rtol / 6.0), w = 0.5 * w2; /* one contour reaches far */
        for (int k = 0; k < 8 && best[1] > (most < INFINITY && !decays(run) ? 1e-15 : 0.0) && !ew_once_applies(run) &&
                        !(best[1] - best[0] <= wanted * best[1]);
             k++) {
            arena->used = mark;
            const int found =
                delta_line(ct, &to, eps[i], &w, tol, smooth_rtol, count > 1 ? 0.25 * SMOOTH : SMOOTH, arena);
            if (found == EW_SHORT)
                return EW_SHORT;
            have = found == EW_FOUND;
            if (!have) {
                if (!(smooth_rtol > 0.0))
                    return EW_NOT_FOUND;
                double bound = isfinite(to.log_delta) ? chernoff_log(&to, eps[i], arena) : INFINITY;
                if (!(bound < 0.0) && !arena->failed && ew_total_saddle(&to, 1, -700.0, arena) && to.eps < eps[i])
                    bound = chernoff_log(&to, eps[i], arena); /* delta falls: from where it vanishes */
                if (arena->failed)
                    return EW_SHORT;
                best[1] = fmin(best[1], ew_up(exp(fmin(0.0, bound)) * (1.0 + 1e-9)));
                break;
            }
            w2 = w;
            wanted = w > 0.0 ? smooth_rtol : rtol;
            delta_bounds(now, ct, eps[i], w > 0.0);
            const double before = best[1] - best[0];
            ew_intersect(best, now);
            reached = (now[1] - now[0]) / now[1];
            if (w > 0.0)
                w *= fmin(0.5, fmax(0.05, 0.5 * wanted * best[1] / (best[1] - best[0])));
            else if (k > 0 && best[1] - best[0] > 0.5 * before)
                break;
            tol = fmax(1e-16, 0.1 * tol);
        }
        lower[i] = fmin(1.0, ew_down(best[0] + inf[0]));
        upper[i] = fmin(1.0, ew_up(best[1] + inf[1]));
        if (inf[1] == 0.0) {
            lower[i] = best[0];
            upper[i] = best[1];
        }
        lower[i] = fmax(0.0, lower[i]);
    }
    return EW_FOUND;
}

/* ---- epsilon ---- */

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

int ew_run_epsilon(double out[2], ew_plan *plan, const ew_run *run, double log_delta, double rtol, double smooth_rtol,
                   ew_arena *arena)
{
    ew_total to;
    double inf[2], log_target[2] = {log_delta, log_delta}, eps, next = NAN;
    *plan = (ew_plan){.route = EW_BOUNDED};
    out[0] = 0.0;
    out[1] = INFINITY;
    infinite(inf, run);
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
    if (!start(&to, run, arena))
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
        if (!start(&to, run, arena))
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
        if (!start(&to, run, arena))
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
    int again = decays(run);
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
    const double bound = chernoff_log(&to, 0.0, arena); /* at epsilon: bound - c epsilon <= log delta */
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

/* ---- the rest ---- */

int ew_run_log_mgf(double out[2], const ew_run *run, double c, ew_arena *arena)
{
    ew_total to;
    if (!start(&to, run, arena) || !ew_total_fill(&to, c, 0.0, 38.0, arena))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    ew_total_tilt(&to, c);
    double err = 8.0 * EW_U * (run->parts + 4.0) * fabs(to.log_g);
    for (int i = 0; i < run->parts; i++) {
        ew_table_errors(&to.tb[i]);
        err += run->part[i].n * to.tb[i].real_err * 1.1 +
               (run->parts + 4.0) * EW_U * run->part[i].n * fabs(to.tb[i].log_m);
    }
    out[0] = ew_down(to.log_g - err);
    out[1] = ew_up(to.log_g + err);
    return err < 0.1 * (1.0 + fabs(to.log_g)) ? EW_FOUND : EW_NOT_FOUND;
}

/* EW_FOUND: delta(eps) < e^{log_delta} for certain, by one Chernoff bound. */
int ew_run_dominated(const ew_run *run, double eps, double log_delta, ew_arena *arena)
{
    ew_total to;
    double inf[2];
    infinite(inf, run);
    if (inf[1] > 0.0)
        return EW_NOT_FOUND;
    if (!start(&to, run, arena))
        return EW_SHORT;
    if (!ew_total_saddle(&to, 0, eps, arena))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    return chernoff_log(&to, eps, arena) < log_delta ? EW_FOUND : arena->failed ? EW_SHORT : EW_NOT_FOUND;
}
