/* total.c - the generating function of a whole run on the real line: sums over its parts, and the tilt where it is
 * inverted.
 *
 * Nothing in the search for the tilt needs care about rounding or convergence: any c > 0 gives valid bounds.
 */
#include "law.h"
#include "rooms.h"

#include <math.h>

int ew_total_fill(ew_total *to, double c_max, double t, double floor, ew_arena *arena)
{
    for (int i = 0; i < to->run->parts; i++) {
        const ew_part *part = &to->run->part[i];
        if (!ew_table_fill(&to->tb[i], part, c_max, t, floor + log(part->n), arena))
            return 0;
    }
    to->c_max = c_max;
    to->t = t;
    to->floor = floor;
    return 1;
}

void ew_total_tilt(ew_total *to, double c)
{
    double k = 0.5 * to->mu2 * c * (c + 1.0), k1 = to->mu2 * (c + 0.5), k2 = to->mu2;
    for (int i = 0; i < to->run->parts; i++) {
        ew_table *tb = &to->tb[i];
        ew_table_tilt(tb, c);
        k += tb->part->n * tb->log_m;
        k1 += tb->part->n * tb->k1;
        k2 += tb->part->n * tb->k2;
    }
    const double curve = fmax(0.0, k2) + 1.0 / (c * c) + 1.0 / ((1.0 + c) * (1.0 + c));
    to->c = c;
    to->log_g = k;
    to->k1 = k1;
    to->k2 = k2;
    to->eps = k1 - 1.0 / c - 1.0 / (1.0 + c);
    to->spread = sqrt(curve);
    to->log_delta = k - c * to->eps - log(c) - log1p(c) - 0.5 * (EW_LOG_2PI + log(curve));
}

/* The same run with Gaussian mechanisms of another mu^2: what the tilt knows follows. */
void ew_total_smooth(ew_total *to, double mu2)
{
    const double c = to->c, more = mu2 - to->mu2;
    to->mu2 = mu2;
    to->log_g += 0.5 * more * c * (c + 1.0);
    to->k1 += more * (c + 0.5);
    to->k2 += more;
    to->spread = sqrt(fmax(0.0, to->k2) + 1.0 / (c * c) + 1.0 / ((1.0 + c) * (1.0 + c)));
}

/* A smaller run where to look for a first guess: every STRIDE-th part, with the counts of those around it, as parts
 * come sorted.  Tables are not filled.  0: there are few already, or the arena is too small. */
static int fewer(ew_total *few, const ew_total *to, ew_arena *arena)
{
    enum { STRIDE = 8, MANY = 64 };
    const ew_run *run = to->run;
    if (run->parts < MANY)
        return 0;
    const int blocks = run->parts / STRIDE;
    ew_run *small = ew_take(arena, 1, sizeof(ew_run));
    ew_part *part = ew_take(arena, (size_t)blocks, sizeof(ew_part));
    *few = *to;
    few->tb = ew_take(arena, (size_t)blocks, sizeof(ew_table));
    if (arena->failed)
        return 0;
    for (int i = 0; i < blocks; i++) {
        part[i] = run->part[i * STRIDE + STRIDE / 2];
        part[i].n = 0.0;
    }
    for (int i = 0; i < run->parts; i++)
        part[i / STRIDE < blocks ? i / STRIDE : blocks - 1].n += run->part[i].n;
    *small = *run;
    small->parts = blocks;
    small->part = part;
    few->run = small;
    return 1;
}

/* Tilt with delta or epsilon at the saddle near `target`, on tables good enough for that.  0: they do not fit the
 * arena, or there is none. */
int ew_total_saddle(ew_total *to, int of_delta, double target, ew_arena *arena)
{
    const size_t mark = arena->used;
    double lo = -40.0, hi = 60.0, x, covered = 0.0;
    ew_total few;
    if (fewer(&few, to, arena) && ew_total_saddle(&few, of_delta, target, arena)) {
        arena->used = mark;
        x = log(few.c);
    } else {
        arena->used = mark;
        if (!ew_total_fill(to, 1.0, 0.0, 16.0, arena))
            return 0;
        ew_total_tilt(to, 0.5);
        const double v = fmax(to->k2, 1e-18), mean = to->k1 - 0.5 * v;
        x = log(of_delta ? fmax(sqrt(fmax(0.1, -2.0 * target) / v) - 0.4, 0.3 / sqrt(v))
                         : fmax((target - mean) / v, 0.3 / sqrt(v)));
        covered = 1.0;
    }
    for (int i = 0; i < 80; i++) {
        const double c = exp(x);
        if (c > covered) {
            arena->used = mark;
            if (!ew_total_fill(to, 1.3 * c, 0.0, 16.0, arena)) {
                if (arena->failed || !(hi - lo > 1e-3))
                    return 0;
                hi = x;
                covered = 0.0;
                x = fmax(0.5 * (lo + hi), x - 1.0);
                continue;
            }
            covered = 1.3 * c;
        }
        ew_total_tilt(to, c);
        const double curve = to->spread * to->spread, f = of_delta ? target - to->log_delta : to->eps - target;
        const double df = (of_delta ? c : 1.0) * c * curve, good = of_delta ? 0.03 : 0.03 * to->spread;
        if (!isfinite(f) || !(df > 0.0)) {
            hi = x;
            x = lo > -40.0 ? 0.5 * (lo + hi) : x - 3.0;
            continue;
        }
        if (fabs(f) <= good)
            break;
        if (f > 0.0)
            hi = x;
        else
            lo = x;
        if (!(hi - lo > 1e-3))
            break;
        double next = x + fmax(-2.0, fmin(2.0, -f / df));
        if (!(next > lo && next < hi) || i > 12)
            next = lo > -40.0 && hi < 60.0 ? 0.5 * (lo + hi) : next <= lo ? lo + 1.0 : hi - 1.0;
        x = next;
        if (i == 79)
            return 0;
    }
    arena->used = mark;
    return 1;
}

/* log of an upper bound of the generating function at c2 > 0, from the tables at hand. */
double ew_total_chernoff(const ew_total *to, double c)
{
    double k = 0.5 * to->mu2 * c * (c + 1.0) * (1.0 + 8.0 * EW_U);
    for (int i = 0; i < to->run->parts; i++) {
        const double n = to->tb[i].part->n, log_m = ew_table_chernoff(&to->tb[i], c);
        k += n * log_m + 4.0 * EW_U * n * fabs(log_m);
    }
    return k + (to->run->parts + 4.0) * EW_U * fabs(k) + 1e-12;
}

/* log of sup over t >= T of |G(c + it)|/G(c). */
double ew_total_far(const ew_total *to, double T)
{
    double k = -0.5 * to->mu2 * T * T;
    for (int i = 0; i < to->run->parts; i++)
        k += to->tb[i].part->n * ew_table_far(&to->tb[i], T);
    return k + 1e-9 * fabs(k);
}
