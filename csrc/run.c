/* run.c - what every question to a composed run needs, and those that take one real evaluation.
 *
 * P(S = inf) = 1 - prod (1 - p_inf)^n adds to delta at every epsilon.  For epsilon < 0 the caller exchanges the two
 * laws: delta_PQ(eps) = 1 - e^eps (1 - delta_QP(-eps)).
 */
#include "compose.h"

#include <math.h>

/* P(S = inf), lower and upper; a mass of 1 may have been rounded to it. */
void ew_run_infinite(double out[2], const ew_run *run)
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
int ew_run_decays(const ew_run *run)
{
    int some = run->mu2 > 0.0;
    for (int i = 0; i < run->parts; i++)
        for (int j = 0; j < run->part[i].layers; j++)
            some |= run->part[i].layer[j].kind == EW_MIXTURE;
    return some;
}

int ew_total_start(ew_total *to, const ew_run *run, ew_arena *arena)
{
    *to = (ew_total){.run = run, .mu2 = run->mu2};
    to->tb = ew_take(arena, (size_t)run->parts + 1, sizeof(ew_table));
    return !arena->failed;
}

/* log of the smallest Chernoff bound of delta(eps) near the tilt there is: delta(eps) <= G(c) e^{-c eps} m(c), any c >
 * 0. */
double ew_run_chernoff(ew_total *to, double eps, ew_arena *arena)
{
    const double c = to->c;
    if (!ew_total_fill(to, c, 0.0, 24.0, arena))
        return INFINITY;
    return ew_total_chernoff(to, c) - c * eps + ew_log_kernel(c) + 1e-9 * (1.0 + c * fabs(eps));
}

int ew_run_log_mgf(double out[2], const ew_run *run, double c, ew_arena *arena)
{
    ew_total to;
    if (!ew_total_start(&to, run, arena) || !ew_total_fill(&to, c, 0.0, 38.0, arena))
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

/* EW_FOUND: delta(eps) < e^{log_delta} for certain, as no loss is so large or by one Chernoff bound. */
int ew_run_dominated(const ew_run *run, double eps, double log_delta, ew_arena *arena)
{
    ew_total to;
    double inf[2];
    ew_run_infinite(inf, run);
    if (inf[1] > 0.0)
        return EW_NOT_FOUND;
    if (eps >= ew_run_most(run))
        return EW_FOUND;
    if (!ew_total_start(&to, run, arena))
        return EW_SHORT;
    if (!ew_total_saddle(&to, 0, eps, arena))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    return ew_run_chernoff(&to, eps, arena) < log_delta ? EW_FOUND : arena->failed ? EW_SHORT : EW_NOT_FOUND;
}
