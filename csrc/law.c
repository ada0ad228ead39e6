/* law.c - one part of a run: its nodes, K on the real line and along a vertical line, each with an error bound.
 *
 * As in model.c, sums keep relative accuracy by what is known exactly: with E2(x) = e^x - 1 - x, sum w = 1 + gap_p and
 * sum w e^{-loss} = 1 + gap_q,
 *     M(c) - 1 = gap_p + c (gap_p - gap_q) + sum w (E2(c loss) + c E2(-loss)),
 *     M'(c)    = gap_p - gap_q + sum w (loss (e^{c loss} - 1) + E2(-loss)).
 * Where c |loss| is large there is nothing to cancel, and plain sums in units of their largest term do.
 */
#include "kernels.h"
#include "law.h"
#include "special.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 32 }; /* steps of the recurrence between fresh starts */
enum { LANES = 8 };  /* the loops below run over whole vectors: what fills the last one has weight 0 */

void *ew_take(ew_arena *arena, size_t count, size_t size)
{
    const size_t bytes = (count * size + 63) & ~(size_t)63;
    if (arena->failed || bytes > arena->size - arena->used) {
        arena->failed = 1;
        return NULL;
    }
    void *out = arena->base + arena->used;
    arena->used += bytes;
    return out;
}

static int nodes_take(ew_table *tb, size_t count, ew_arena *arena)
{
    double **all[] = {&tb->loss, &tb->lw, &tb->w, &tb->e2m, &tb->p, &tb->u, &tb->dp, &tb->dq, &tb->cp, &tb->cq};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = ew_take(arena, count + LANES, sizeof(double));
    return !arena->failed;
}

static size_t whole(const ew_table *tb) { return ((size_t)tb->count + LANES - 1) & ~(size_t)(LANES - 1); }

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

/* p = w e^{c loss}; sums of w (E2(c loss) + c E2(-loss)), w (loss (e^{c loss} - 1) + E2(-loss)), p loss^2 */
EW_CLONES
static void tilted(double out[3], double *restrict p, const double *restrict w, const double *restrict e2m,
                   const double *restrict loss, size_t count, double c)
{
    double m0 = 0.0, m1 = 0.0, m2 = 0.0;
#pragma omp simd reduction(+ : m0, m1, m2)
    for (size_t i = 0; i < count; i++) {
        const double l = loss[i], x = c * l, e = ew_k_expm1mx(x), f = w[i], r = f * (1.0 + (e + x));
        p[i] = r;
        m0 += f * (e + c * e2m[i]);
        m1 += f * (l * (e + x) + e2m[i]);
        m2 += r * l * l;
    }
    out[0] = m0;
    out[1] = m1;
    out[2] = m2;
}

EW_CLONES
static double excess(const double *restrict w, const double *restrict e2m, const double *restrict loss, size_t count,
                     double c)
{
    double m0 = 0.0;
#pragma omp simd reduction(+ : m0)
    for (size_t i = 0; i < count; i++)
        m0 += w[i] * (ew_k_expm1mx(c * loss[i]) + c * e2m[i]);
    return m0;
}

static int is_laplace(const ew_part *part) { return part->layer[0].kind == EW_LAPLACE; }

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
    if (is_laplace(part)) {
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
    for (size_t i = (size_t)tb->count; i < whole(tb); i++) {
        tb->lw[i] = -INFINITY;
        tb->loss[i] = tb->p[i] = tb->u[i] = 0.0;
    }
    weigh(tb->w, tb->e2m, tb->lw, tb->loss, whole(tb));
    for (int k = 0; k < part->layers; k++)
        if (part->layer[k].kind == EW_MIXTURE)
            tb->gap_err += ew_mixture_quad(&tb->seg[k], 0.0, 0.0) + ew_mixture_quad(&tb->seg[k], -1.0, 0.0) +
                           ew_mixture_ends(tb, k, 0.0) + ew_mixture_ends(tb, k, -1.0);
    return 1;
}

/* N(z) = (z+1) e^{z a} + z e^{-(z+1) a} = (2z+1) M(z), times e^{-c a}: value and two derivatives, Re z = c. */
static void laplace(double out[3], double c, double a)
{
    const double f = exp(-(2.0 * c + 1.0) * a);
    out[0] = (c + 1.0) + c * f;
    out[1] = (1.0 + a * (c + 1.0)) + f * (1.0 - a * c);
    out[2] = a * (2.0 + a * (c + 1.0)) + f * a * (a * c - 2.0);
}

static void tilt_laplace(ew_table *tb, double c)
{
    const double a = 1.0 / tb->part->layer[0].scale, d = 2.0 * c + 1.0;
    double n[3];
    laplace(n, c, a);
    tb->shift = c * a;
    tb->mass = n[0] / d;
    tb->log_m = c * a + log(tb->mass);
    tb->k1 = n[1] / n[0] - 2.0 / d;
    tb->k2 = n[2] / n[0] - n[1] / n[0] * (n[1] / n[0]) + 4.0 / (d * d);
}

/* Whether M(c) - 1 is added up by itself: no product there is e^30, and w e^-loss >= e^-100 has a w of normal size. */
static int is_small(const ew_table *tb, double c)
{
    return tb->least > -600.0 && c * fmax(tb->most, -tb->least) < 30.0;
}

void ew_table_tilt(ew_table *tb, double c)
{
    tb->c = c;
    tb->shift = 0.0;
    if (is_laplace(tb->part)) {
        tilt_laplace(tb, c);
        return;
    }
    double m0 = 0.0, m1 = 0.0, m2 = 0.0;
    if (is_small(tb, c)) {
        double m[3];
        tilted(m, tb->p, tb->w, tb->e2m, tb->loss, whole(tb), c);
        m0 = m[0];
        m1 = m[1];
        m2 = m[2];
        m0 += tb->gap_p + c * (tb->gap_p - tb->gap_q);
        m1 += tb->gap_p - tb->gap_q;
        tb->mass = 1.0 + m0;
        tb->log_m = log1p(m0);
    } else {
        double top = -INFINITY;
        for (int i = 0; i < tb->count; i++)
            top = fmax(top, tb->lw[i] + c * tb->loss[i]);
        for (int i = 0; i < tb->count; i++) {
            const double l = tb->loss[i], p = exp(tb->lw[i] + c * l - top);
            tb->p[i] = p;
            m0 += p;
            m1 += p * l;
            m2 += p * l * l;
        }
        tb->shift = top;
        tb->mass = m0;
        tb->log_m = top + log(m0);
    }
    tb->k1 = m1 / tb->mass;
    tb->k2 = m2 / tb->mass - tb->k1 * tb->k1;
}

/* Error of M(c + it), |t| <= t, from the quadrature alone, over M(c); what a layer leaves beyond its ends included. */
static double quad(const ew_table *tb, double c, double t)
{
    double err = 0.0;
    for (int k = 0; k < tb->part->layers; k++)
        if (tb->part->layer[k].kind == EW_MIXTURE)
            err += ew_mixture_quad(&tb->seg[k], c, t) + ew_mixture_ends(tb, k, c) * exp(-tb->shift) / tb->mass;
    return err;
}

/* Sums of the sizes of rounding: of p that turns, of p |loss|, of angles; of what M(c) - 1 (small) or M(c) adds up,
 * each with its own unit, and without. */
EW_CLONES
static void sizes(double out[5], const ew_table *tb, double c, int small, size_t count)
{
    const double *p = tb->p, *w = tb->w, *u = tb->u, *lw = tb->lw, *loss = tb->loss, *e2m = tb->e2m;
    const double per_sum = (double)count + 2.0 * BLOCK + 20.0;
    double r0 = 0.0, r1 = 0.0, r2 = 0.0, own = 0.0, rest = 0.0;
#pragma omp simd reduction(+ : r0, r1, r2, own, rest)
    for (size_t i = 0; i < count; i++) {
        const double l = fabs(loss[i]), x = c * l, log_w = lw[i] > -745.0 ? -lw[i] : 745.0;
        const double unit = 24.0 + 3.0 * u[i] * u[i] + 8.0 * (1.0 + c) * l + 2.0 * fabs(log_w);
        const double grow = 1.0 + ew_k_exp(x < 40.0 ? x : 40.0), e = fabs(ew_k_expm1mx(c * loss[i]));
        r0 += (unit + per_sum) * p[i];
        r1 += (unit + per_sum) * p[i] * l;
        r2 += 4.0 * p[i] * l;
        /* a relative error of the loss and of w enters M - 1 through terms of its own size */
        own += unit * (small ? w[i] * ((x < 1.0 ? x * x : x) * grow + c * e2m[i]) : p[i]);
        rest += small ? w[i] * (e + c * e2m[i]) : p[i];
    }
    out[0] = r0;
    out[1] = r1;
    out[2] = r2;
    out[3] = own;
    out[4] = rest;
}

/* Error of K(c): quadrature, and the rounding of what was added up. */
void ew_table_errors(ew_table *tb)
{
    const double c = tb->c;
    if (is_laplace(tb->part)) {
        tb->real_err = EW_U * (24.0 + 8.0 * tb->shift);
        tb->r0 = EW_U * 60.0;
        tb->r1 = EW_U * 60.0 / tb->part->layer[0].scale;
        tb->r2 = EW_U * 4.0 / tb->part->layer[0].scale;
        return;
    }
    const int small = tb->shift == 0.0;
    double size[5];
    sizes(size, tb, c, small, whole(tb));
    double err = size[3] + tb->count * size[4];
    err = EW_U * (err + (small ? 4.0 * (fabs(tb->gap_p) + c * fabs(tb->gap_p - tb->gap_q)) : 0.0));
    for (int k = 0; k < tb->part->layers; k++)
        if (tb->part->layer[k].kind == EW_ATOMS) /* gap_p and gap_q were added up, too */
            err += small ? EW_U * (tb->part->layer[k].p + 8.0) * (1.0 + 2.0 * c) * tb->part->layer[k].share *
                               (1.0 + tb->gap_q)
                         : 0.0;
    if (small) { /* the identities behind gap_p and gap_q hold for the integrals */
        err += (1.0 + 2.0 * c) * tb->gap_err;
    }
    tb->real_err = 1.01 * (err / tb->mass + quad(tb, c, 0.0)) + EW_U * (4.0 + 2.0 * fabs(tb->shift));
    tb->r0 = EW_U * size[0] / tb->mass;
    tb->r1 = EW_U * size[1] / tb->mass;
    tb->r2 = EW_U * size[2] / tb->mass;
}

/* log of an upper bound of M(c2), any c2 > 0 that the nodes serve; INFINITY elsewhere.  Tilt and weights p stay. */
double ew_table_chernoff(const ew_table *tb, double c)
{
    ew_table at = *tb;
    if (is_laplace(tb->part)) {
        tilt_laplace(&at, c);
        return at.log_m + EW_U * (24.0 + 8.0 * at.shift);
    }
    double sum = 0.0, top = 0.0;
    const int small = is_small(tb, c);
    if (small) {
        sum = excess(tb->w, tb->e2m, tb->loss, whole(tb), c);
        sum += tb->gap_p + c * (tb->gap_p - tb->gap_q);
    } else {
        top = -INFINITY;
        for (int i = 0; i < tb->count; i++)
            top = fmax(top, tb->lw[i] + c * tb->loss[i]);
        for (int i = 0; i < tb->count; i++)
            sum += exp(tb->lw[i] + c * tb->loss[i] - top);
    }
    at.shift = top;
    at.mass = small ? 1.0 + sum : sum;
    const double err = quad(&at, c, 0.0), ends = (1.0 + 2.0 * c) * tb->gap_err;
    if (!(err < 0.1))
        return INFINITY;
    const double log_m = small ? log1p(sum) : top + log(sum);
    return log_m + 1.2 * err + (small ? ends / at.mass : 0.0) + 1e-12 * fabs(log_m) +
           EW_U * (tb->count + 40.0 + 4.0 * fabs(top)) * (1.0 + c);
}

/* log of sup over t >= T of |M(c + it)|/M(c), at most 0. */
double ew_table_far(const ew_table *tb, double T)
{
    double sum = 0.0, slack = 0.0;
    if (is_laplace(tb->part))
        return 0.0;
    for (int k = 0; k < tb->part->layers; k++)
        if (tb->part->layer[k].kind == EW_MIXTURE) {
            double more = 0.0;
            const double x = ew_mixture_far(tb, k, T, &more);
            if (x + more < 0.0) {
                sum += x;
                slack += more;
            }
        }
    const double x = (sum + slack) / tb->mass + 2.0 * quad(tb, tb->c, 0.0);
    return x < 0.0 ? log1p(fmax(x, -1.0 + 1e-15)) : 0.0;
}

int ew_turns_take(ew_turns *tn, int count, ew_arena *arena)
{
    double **all[] = {&tn->wr, &tn->wi, &tn->ar, &tn->ai, &tn->er, &tn->ei};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = ew_take(arena, (size_t)count + LANES, sizeof(double));
    return !arena->failed;
}

/* e^{i t loss} - 1 */
EW_CLONES
static void expm1_i(double *restrict re, double *restrict im, const double *restrict loss, size_t count, double t)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        double s, c;
        ew_k_sincos(&s, &c, 0.5 * t * loss[i]);
        re[i] = -2.0 * s * s;
        im[i] = 2.0 * s * c;
    }
}

/* The same where angles are too large for ew_k_sincos. */
static void turned_far(double *re, double *im, const double *loss, size_t count, double t)
{
    for (size_t i = 0; i < count; i++) {
        const double s = sin(0.5 * t * loss[i]);
        re[i] = -2.0 * s * s;
        im[i] = sin(t * loss[i]);
    }
}

static void turn(double *re, double *im, const ew_table *tb, double t)
{
    if (t * fmax(tb->most, -tb->least) < 1e6)
        expm1_i(re, im, tb->loss, whole(tb), t);
    else
        turned_far(re, im, tb->loss, whole(tb), t);
}

/* Ready for blocks with step h. */
void ew_table_turn(ew_turns *tn, const ew_table *tb, double h)
{
    turn(tn->ar, tn->ai, tb, h);
    for (size_t i = 0; i < whole(tb); i++) {
        tn->wr[i] = 1.0 + tn->ar[i];
        tn->wi[i] = tn->ai[i];
    }
}

/* sum p (e^{i t loss} - 1) at `steps` t's, each one step of the recurrence after the one before. */
EW_CLONES
static void advance(double *restrict re, double *restrict im, int steps, const double *restrict p,
                    const ew_turns *tn, size_t count)
{
    const double *restrict wr = tn->wr, *restrict wi = tn->wi, *restrict ar = tn->ar, *restrict ai = tn->ai;
    double *restrict er = tn->er, *restrict ei = tn->ei;
    for (int j = 0; j < steps; j++) {
        double sr = 0.0, si = 0.0;
#pragma omp simd reduction(+ : sr, si)
        for (size_t k = 0; k < count; k++) {
            const double x = er[k], y = ei[k];
            sr += p[k] * x;
            si += p[k] * y;
            er[k] = (x * wr[k] - y * wi[k]) + ar[k];
            ei[k] = (x * wi[k] + y * wr[k]) + ai[k];
        }
        re[j] = sr;
        im[j] = si;
    }
}

/* (M(c + it)/M(c) - 1) of the Laplace law */
static void laplace_ratio(double out[2], const ew_table *tb, double t)
{
    const double a = 1.0 / tb->part->layer[0].scale, c = tb->c, f = exp(-(2.0 * c + 1.0) * a), d = 2.0 * c + 1.0;
    /* N(c+it) e^{-(c+it) a} = (c+1+it) + (c+it) f e^{-2ita} */
    const double co = cos(2.0 * t * a), si = -sin(2.0 * t * a);
    const double nr = (c + 1.0) + f * (c * co - t * si), ni = t + f * (t * co + c * si);
    const double br = (nr * d + ni * 2.0 * t) / (d * d + 4.0 * t * t),
                 bi = (ni * d - nr * 2.0 * t) / (d * d + 4.0 * t * t);
    const double xr = cos(t * a), xi = sin(t * a);
    out[0] = (br * xr - bi * xi) / tb->mass - 1.0;
    out[1] = (br * xi + bi * xr) / tb->mass;
}

/* log and angle of 1 + x + i y */
EW_CLONES
static void polar(double *restrict log_mod, double *restrict angle, const double *restrict x, const double *restrict y,
                  int count)
{
#pragma omp simd
    for (size_t j = 0; j < (size_t)count; j++) {
        const double m = 2.0 * x[j] + (x[j] * x[j] + y[j] * y[j]), mod = (1.0 + x[j]) * (1.0 + x[j]) + y[j] * y[j];
        log_mod[j] = 0.5 * ew_k_log_of(mod > 1e-300 ? mod : 1e-300, m, 0.0);
        angle[j] = ew_k_atan2(y[j], 1.0 + x[j]);
    }
}

/* log|M(c+it)/M(c)|, its angle and a bound of the relative error of the ratio, at t = j h, j = from .. from + count - 1
 * (count <= BLOCK). */
void ew_table_block(double *log_mod, double *angle, double *err, const ew_table *tb, ew_turns *tn, double h, int from,
                    int count)
{
    double re[BLOCK], im[BLOCK];
    const int plain = is_laplace(tb->part);
    if (!plain) {
        turn(tn->er, tn->ei, tb, from * h);
        advance(re, im, count, tb->p, tn, whole(tb));
    }
    const double q = plain ? 0.0 : quad(tb, tb->c, (from + count) * h) + quad(tb, tb->c, 0.0);
    for (int j = 0; j < count; j++) {
        double ratio[2];
        if (plain)
            laplace_ratio(ratio, tb, (from + j) * h);
        re[j] = plain ? ratio[0] : re[j] / tb->mass;
        im[j] = plain ? ratio[1] : im[j] / tb->mass;
    }
    polar(log_mod, angle, re, im, count);
    for (int j = 0; j < count; j++) {
        const double t = (from + j) * h, x = re[j], y = im[j], mod = fmax(1e-300, (1.0 + x) * (1.0 + x) + y * y);
        const double round =
            fmin(2.0 * tb->r0 + t * tb->r2, t * tb->r1) + 4.0 * EW_U * (fabs(x) + fabs(y)) + (t > 0.0 ? q : 0.0);
        err[j] = round / sqrt(mod);
    }
}
