/* law.c - one part of a run: its nodes. */
#include "kernels.h"
#include "law.h"

#include <math.h>
#include <string.h>

static int nodes_take(ew_table *tb, size_t count, ew_arena *arena)
{
    double **all[] = {&tb->loss, &tb->lw, &tb->w, &tb->e2m, &tb->p, &tb->u, &tb->dp, &tb->dq, &tb->cp, &tb->cq};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = ew_take(arena, count + EW_LANES, sizeof(double));
    return !arena->failed;
}

EW_CLONES
static void weigh(double *restrict w, double *restrict e2m, const double *restrict lw, const double *restrict loss,
                  size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        w[i] = ew_k_exp(lw[i]);
        e2m[i] = ew_k_expm1mx(-loss[i]);
    }
}

/* The nodes of all layers, in arrays of `room` places.  0: too many. */
static int nodes_fill(ew_table *tb, size_t room, double c_max, double t, double floor, ew_arena *arena)
{
    const ew_part *part = tb->part;
    const int most = (int)room - 32;
    if (!nodes_take(tb, room, arena))
        return 0;
    tb->count = 0;
    tb->gap_p = tb->gap_q = 0.0;
    for (int k = 0; k < part->layers; k++) {
        const ew_layer *ly = &part->layer[k];
        ew_segment *sg = &tb->seg[k];
        if (ly->kind == EW_MIXTURE) {
            const double hu = ew_mixture_step(ly, sg, c_max, t, floor);
            if (!(hu > 0.0) || !ew_mixture_fill(tb, k, hu, c_max, floor, most))
                return 0;
            continue;
        }
        double p = 0.0, q = 0.0;
        sg->begin = tb->count;
        sg->count = ly->p;
        if (ly->p + tb->count > most)
            return 0;
        for (int i = 0; i < ly->p; i++) {
            const double l = ly->first[i].at, w = ly->first[i].weight;
            const int at = tb->count++;
            tb->loss[at] = l;
            tb->lw[at] = log(w * ly->share);
            tb->u[at] = tb->dp[at] = tb->dq[at] = tb->cp[at] = tb->cq[at] = 0.0;
            p += w;
            q += w * exp(-l);
        }
        tb->gap_p += ly->share * (p - 1.0);
        tb->gap_q += ly->share * (q - 1.0);
    }
    return 1;
}

/* Nodes for tilts up to c_max and |Im z| <= t, errors about e^{-floor}.  0: they do not fit. */
int ew_table_fill(ew_table *tb, const ew_part *part, double c_max, double t, double floor, ew_arena *arena)
{
    const size_t most = 1 << 18;
    *tb = (ew_table){.part = part};
    if (ew_is_laplace(part)) {
        tb->most = 1.0 / part->layer[0].scale;
        tb->least = -tb->most;
        return 1;
    }
    tb->seg = ew_take(arena, (size_t)part->layers, sizeof(ew_segment));
    if (arena->failed)
        return 0;
    /* arrays for few nodes, which stay close together; if they do not do, as long as what is left allows */
    const size_t before = arena->used, left = (arena->size - before) / (10 * sizeof(double));
    if (left < 1024) {
        arena->failed = 1;
        return 0;
    }
    if (!nodes_fill(tb, 512, c_max, t, floor, arena)) {
        const size_t room = left - 64 < most ? left - 64 : most;
        arena->used = before;
        if (!nodes_fill(tb, room, c_max, t, floor, arena)) {
            arena->failed |= room < most;
            return 0;
        }
    }
    const double *old[] = {tb->loss, tb->lw, tb->u, tb->dp, tb->dq, tb->cp, tb->cq};
    arena->used = before;
    nodes_take(tb, (size_t)tb->count, arena);
    double *now[] = {tb->loss, tb->lw, tb->u, tb->dp, tb->dq, tb->cp, tb->cq};
    for (int a = 0; a < 7; a++) /* each array moves down or stays */
        memmove(now[a], old[a], (size_t)tb->count * sizeof(double));
    double least = INFINITY, largest = -INFINITY;
    for (int i = 0; i < tb->count; i++) {
        least = tb->loss[i] < least ? tb->loss[i] : least;
        largest = tb->loss[i] > largest ? tb->loss[i] : largest;
    }
    tb->least = least;
    tb->most = largest;
    for (size_t i = (size_t)tb->count; i < ew_table_whole(tb); i++) {
        tb->lw[i] = -INFINITY;
        tb->loss[i] = tb->p[i] = tb->u[i] = 0.0;
    }
    weigh(tb->w, tb->e2m, tb->lw, tb->loss, ew_table_whole(tb));
    for (int k = 0; k < part->layers; k++)
        if (part->layer[k].kind == EW_MIXTURE)
            tb->gap_err += ew_mixture_quad(&tb->seg[k], 0.0, 0.0) + ew_mixture_quad(&tb->seg[k], -1.0, 0.0) +
                           ew_mixture_ends(tb, k, 0.0) + ew_mixture_ends(tb, k, -1.0);
    return 1;
}
