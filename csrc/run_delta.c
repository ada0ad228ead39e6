/* run_delta.c - delta of a composed run, one direction: the plain line where it decays, smoothed lines where it does
 * not; one contour serves many epsilons.
 */
#include "compose.h"
#include "special.h"

#include <math.h>

static const double PLAIN = 65536, SMOOTH = 262144; /* contour nodes at most, for one answer */

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
        const int found = ew_run_decays(to->run) ? ew_run_line(ct, to, eps, 0.0, tol, PLAIN, arena) : EW_NOT_FOUND;
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
    ew_run_infinite(inf, run);
    if (!ew_total_start(&to, run, arena))
        return EW_SHORT;
    const size_t mark = arena->used;
    const double most = ew_run_most(run);
    ew_near near;
    int have = 0, knows = 0;
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
        const double least = most < INFINITY && !ew_run_decays(run) ? 1e-15 : 0.0;
        for (int k = 0;
             k < 8 && best[1] > least && !ew_once_applies(run) && !(best[1] - best[0] <= wanted * best[1]); k++) {
            arena->used = mark;
            const int found =
                delta_line(ct, &to, eps[i], &w, tol, smooth_rtol, count > 1 ? 0.25 * SMOOTH : SMOOTH, arena);
            if (found == EW_SHORT)
                return EW_SHORT;
            have = found == EW_FOUND;
            if (!have) {
                if (!(smooth_rtol > 0.0))
                    return EW_NOT_FOUND;
                double bound = isfinite(to.log_delta) ? ew_run_chernoff(&to, eps[i], arena) : INFINITY;
                if (!(bound < 0.0) && !arena->failed && ew_total_saddle(&to, 1, -700.0, arena) && to.eps < eps[i])
                    bound = ew_run_chernoff(&to, eps[i], arena); /* delta falls: from where it vanishes */
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
        if (eps[i] < most && most < INFINITY && !(best[1] - best[0] <= smooth_rtol * best[1])) {
            if (!knows) {
                ew_most_near(&near, run);
                knows = 1;
            }
            best[0] = fmax(best[0], ew_most_delta(&near, eps[i]));
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
