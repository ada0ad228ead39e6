/* run_slopes.c - derivatives of epsilon, from the nodes of the line that gives epsilon itself.
 *
 * Formula  delta(eps; theta) stays: d eps/d theta = -(d delta/d theta)/(d delta/d eps), under the integral
 *              d delta/d eps = -(1/2 pi) int z G e^{-z eps} k dt,   d delta/d n_g = (1/2 pi) int K_g G e^{-z eps} k dt,
 *              d delta/d theta = (1/2 pi) int n_g (d M_g/d theta)/M_g G e^{-z eps} k dt,
 *              d M/d theta = E[e^{z loss} ((1+z) d log v_P/d theta - z d log v_Q/d theta)]   (mixture.c).
 * Bound    none: these are floating-point values, about as accurate as the line (law.h); no certificate rests on them.
 */
#include "compose.h"

#include <math.h>

/* d log v/d theta at u: of sigma (tangent = 0), or of the weights along `tangent`. */
static double slope(const ew_atom *a, const double *tangent, int count, double s, double u)
{
    double v = 0.0, d = 0.0;
    for (int i = 0; i < count; i++) {
        const double k = a[i].at / s, e = exp(k * (u - 0.5 * k));
        v += a[i].weight * e;
        d += tangent ? tangent[i] * e : -a[i].weight * e * (u - k) * k / s;
    }
    return d / v;
}

/* sum over the nodes of Re C_j n (d M/d theta)/M; share: of sigma alike in all layers. */
static double moved(const ew_contour *ct, const ew_table *tb, const double *tangent, const ew_atom *base, double *gp,
                    double *gq)
{
    for (int k = 0; k < tb->part->layers; k++) {
        const ew_layer *ly = &tb->part->layer[k];
        const double *w = tangent ? tangent + (ly->first - base) : NULL;
        for (int i = tb->seg[k].begin; i < tb->seg[k].begin + tb->seg[k].count; i++) {
            const int mixed = ly->kind == EW_MIXTURE;
            gp[i] = mixed ? slope(ly->first, w, ly->p, ly->scale, tb->u[i]) : 0.0;
            gq[i] = mixed ? slope(ly->first + ly->p, w ? w + ly->p : NULL, ly->q, ly->scale, tb->u[i]) : 0.0;
        }
    }
    double total = 0.0;
    for (int j = 0; j < ct->count; j++) {
        const double c = ct->zr[j], t = ct->zi[j];
        double mr = 0.0, mi = 0.0, dr = 0.0, di = 0.0;
        for (int i = 0; i < tb->count; i++) {
            const double re = tb->p[i] * cos(t * tb->loss[i]), im = tb->p[i] * sin(t * tb->loss[i]);
            const double fr = (1.0 + c) * gp[i] - c * gq[i], fi = t * (gp[i] - gq[i]);
            mr += re;
            mi += im;
            dr += re * fr - im * fi;
            di += re * fi + im * fr;
        }
        const double m2 = mr * mr + mi * mi, qr = (dr * mr + di * mi) / m2, qi = (di * mr - dr * mi) / m2;
        total += ct->cr[j] * qr - ct->ci[j] * qi;
    }
    return tb->part->n * total;
}

/* sum over the nodes of Re C_j K(z_j) */
static int longer(double *out, const ew_contour *ct, const ew_table *tb, double h, ew_arena *arena)
{
    ew_turns tn;
    double total = 0.0, last = 0.0, full = 0.0;
    if (!ew_turns_take(&tn, tb->count, arena))
        return 0;
    ew_table_turn(&tn, tb, h);
    for (int j = 0; j < ct->count; j++) {
        double l, a, e;
        ew_table_block(&l, &a, &e, tb, &tn, h, j, 1);
        full += 2.0 * EW_PI * nearbyint((last - a) / (2.0 * EW_PI)) * (j > 0);
        last = a;
        total += ct->cr[j] * (tb->log_m + l) - ct->ci[j] * (a + full);
    }
    *out = total;
    return 1;
}

/* out = d eps/d delta, d eps/d mu^2, then for each part d eps/d n, d eps/d sigma, and d eps along `tangent` of its
 * weights. */
int ew_run_slopes(double *out, const ew_run *run, const double *tangent, double log_delta, double rtol,
                  double smooth_rtol, ew_arena *arena)
{
    double bounds[2];
    ew_plan plan;
    int status = ew_run_epsilon(bounds, &plan, run, log_delta, rtol, smooth_rtol, arena);
    if (status != EW_FOUND)
        return status;
    if (!(bounds[1] > 0.0 && bounds[1] < INFINITY) || (plan.route != EW_LINE && plan.route != EW_SMOOTHED))
        return EW_NOT_FOUND;
    const double eps = 0.5 * (bounds[0] + bounds[1]);
    ew_total to = {.run = run, .mu2 = run->mu2};
    ew_contour ct[2];
    arena->used = 0;
    to.tb = ew_take(arena, (size_t)run->parts + 1, sizeof(ew_table));
    if (!to.tb || !ew_total_saddle(&to, 1, log_delta, arena))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    to.log_delta = log_delta;
    status = ew_run_line(ct, &to, eps, plan.smoothing, 1e-12, 262144, arena);
    if (status != EW_FOUND)
        return status;
    double rise = 0.0, gauss = 0.0;
    for (int j = 0; j < ct->count; j++) {
        const double c = ct->zr[j], t = ct->zi[j];
        rise -= ct->cr[j] * c - ct->ci[j] * t;
        gauss += 0.5 * (ct->cr[j] * (c * (c + 1.0) - t * t) - ct->ci[j] * t * (2.0 * c + 1.0));
    }
    out[0] = exp(-log_delta) / rise;
    out[1] = -gauss / rise;
    const double h = ct->count > 1 ? ct->zi[1] : 1.0;
    for (int i = 0; i < run->parts; i++) {
        const ew_table *tb = &to.tb[i];
        const size_t mark = arena->used;
        double *gp = ew_take(arena, (size_t)tb->count + 1, sizeof(double)),
               *gq = ew_take(arena, (size_t)tb->count + 1, sizeof(double));
        double *row = out + 2 + 3 * i;
        if (arena->failed || !longer(&row[0], ct, tb, h, arena))
            return EW_SHORT;
        row[1] = row[2] = 0.0;
        if (tb->count > 0) {
            row[1] = -moved(ct, tb, NULL, run->part[0].layer[0].first, gp, gq) / rise;
            row[2] = -moved(ct, tb, tangent, run->part[0].layer[0].first, gp, gq) / rise;
        }
        row[0] = -row[0] / rise;
        arena->used = mark;
    }
    return EW_FOUND;
}
