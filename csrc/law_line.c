/* law_line.c - one part of a run: M along a vertical line, by recurrence, and its decay, each with an error bound. */
#include "kernels.h"
#include "law.h"

#include <math.h>

/* log of sup over t >= T of |M(c + it)|/M(c), at most 0. */
double ew_table_far(const ew_table *tb, double T)
{
    double sum = 0.0, slack = 0.0;
    if (ew_is_laplace(tb->part))
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
    const double x = (sum + slack) / tb->mass + 2.0 * ew_table_quad(tb, tb->c, 0.0);
    return x < 0.0 ? log1p(fmax(x, -1.0 + 1e-15)) : 0.0;
}

int ew_turns_take(ew_turns *tn, int count, ew_arena *arena)
{
    double **all[] = {&tn->wr, &tn->wi, &tn->ar, &tn->ai, &tn->er, &tn->ei};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = ew_take(arena, (size_t)count + EW_LANES, sizeof(double));
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
        expm1_i(re, im, tb->loss, ew_table_whole(tb), t);
    else
        turned_far(re, im, tb->loss, ew_table_whole(tb), t);
}

/* Ready for blocks with step h. */
void ew_table_turn(ew_turns *tn, const ew_table *tb, double h)
{
    turn(tn->ar, tn->ai, tb, h);
    for (size_t i = 0; i < ew_table_whole(tb); i++) {
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
    double re[EW_TABLE_BLOCK], im[EW_TABLE_BLOCK];
    const int plain = ew_is_laplace(tb->part);
    if (!plain) {
        turn(tn->er, tn->ei, tb, from * h);
        advance(re, im, count, tb->p, tn, ew_table_whole(tb));
    }
    const double q = plain ? 0.0 : ew_table_quad(tb, tb->c, (from + count) * h) + ew_table_quad(tb, tb->c, 0.0);
    for (int j = 0; j < count; j++) {
        double ratio[2];
        if (plain)
            ew_laplace_ratio(ratio, tb, (from + j) * h);
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
