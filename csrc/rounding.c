/* rounding.c - what rounding of the nodes, and of the sums over them, costs M, M', M'' on a line.
 *
 * Units u = 2^-53; the errors of the kernels are those that kernels.h states, of libm's exp and log at most 2.
 * origin   a loss counted from elsewhere than the largest errs by LOSS of |loss| + 2 origin.
 * loss     relative, LOSS = 13 (remove, add): x = q expm1(y) has 5, the condition of log1p is at most 1/log 2 for x >=
 *          -1/2, and 5 more; below, v has 4 and |log v| >= log 2; seen from the largest loss, odds e^y has 5, the
 *          condition is at most 1. 27 + 1/s^2 (replace): the exponent -1/(2 s^2) of odds has 2 u of itself, odds 5 +
 *          1/s^2 in all; 2 sinh 8, the quotient 8, the product 1, log1p 5.
 * w        relative, W = 44 + 4.5 u^2 + 2 |u| shift + LOSS |log g|: u = s y + shift errs by |s y| + shift + |u|, so
 *          u^2/2 by 3.5 u^2 + 2 |u| shift; log w = log(hu/sqrt(2 pi)) - u^2/2 + log g and log w + c loss are rounded
 *          where they are at most 10 + u^2/2 + |log g| + c |loss|, twice.
 * p        relative, P = W + (LOSS + 2) c |loss|.  A class weight adds 40 (1 + |its logarithm|) to either.
 * M(c) - 1 with x = c loss: w (E2(x) + c E2(-loss)) moves by W of itself and, with the loss, by
 *          LOSS w c |loss| (|e^x - 1| + |1 - e^{-loss}|); E2(x) w and |x (e^x - 1)| w are at most x^2 (w + p), and
 *          |l (1 - e^{-l})| <= (2 + |l|) E2(-l): (P + LOSS (2 + |loss|)) (x^2 (w + p) + c w E2(-loss)) covers both.
 * M'(c)    the same of |loss| |p - w| + w E2(-loss): the loss moves it by
 *          LOSS (|loss| |p - w| + c loss^2 p + w |loss (1 - e^{-loss})|), and |x| p <= (1 + |x|) |p - w|.
 * out      w (1 - chi) moves by W + 40 (1 + |log(1 - chi)|) of itself, or chi's units where that is larger; its part
 *          of out_gap, |1 - e^{-loss}| of it, by LOSS (1 + |loss|) more.
 * e^{it loss}   its angle errs by t |loss| (LOSS + 2): the loss, and the products t loss and h loss; h and t are exact.
 * E2(it loss)   at most B(x) = min(x^2/2, 2 + x), x = t |loss|, and x |E2'(ix)| <= 2 B: the loss moves it by 2 LOSS B.
 * lost     each term below EW_VANISHES: M, M_mid and the sums of p by that, for every node.
 * sums     a recurrence adds 4.4 a step for EW_BLOCK steps; the sum over a chunk takes EW_CHUNK/8 + 4 additions to each
 *          of its terms, that over the chunks one each, for both parts: `count`, sqrt 2 in it.  Bracketed, all of it is
 *          relative to sums of p B, which are taken at OCTAVES distances t: B grows with t, and B/t^2 falls.
 */
#include "rooms.h"

#include <math.h>

typedef struct {
    double w0, bad0, a1;
} sums;

double ew_loss_units(const ew_model *m)
{
    return m->kind == EW_KIND_REPLACE ? 27.0 + 1.0 / (m->s * m->s) : 13.0;
}

/* Units of w[k], whatever its class. */
EW_BODY double node_units(const ew_nodes *nd, const ew_model *m, double loss_u, int k)
{
    const double u = fabs(nd->u[k]), shift = 2.0 * fabs(m->shift);
    const double log_g = m->kind == EW_KIND_REPLACE ? nd->lp[k] : m->kind == EW_KIND_ADD ? 0.0 : nd->loss[k];
    return 44.0 + u * (4.5 * u + shift) + loss_u * fabs(log_g);
}

double ew_node_units(const ew_nodes *nd, const ew_model *m, int k)
{
    return node_units(nd, m, ew_loss_units(m), k);
}

/* 40 (1 + |log of the class weight|) */
EW_BODY double class_units(double log_weight)
{
    return 40.0 + 40.0 * (log_weight > -745.0 ? -log_weight : 745.0);
}

double ew_class_units(double log_weight)
{
    return class_units(log_weight);
}

/* units of p[k] */
EW_BODY double weight_units(const ew_nodes *nd, const ew_model *m, double c, double loss_u, int k)
{
    return node_units(nd, m, loss_u, k) + (loss_u + 2.0) * c * (fabs(nd->loss[k]) + 2.0 * nd->origin) +
           (nd->tapered ? class_units(nd->cls[EW_SMALL][k]) : 0.0);
}

EW_CLONES
static void small_sums(sums *out, const ew_nodes *nd, const ew_model *m, double tilt, double loss_u, int plain)
{
    const double c = fabs(tilt);
    const double *w_ = nd->tapered ? nd->wc[EW_SMALL] : nd->w, *p_ = nd->p[EW_SMALL], *loss = nd->loss, *e2m = nd->e2m;
    double w0 = 0.0, bad0 = 0.0, a1 = 0.0;
#pragma omp simd reduction(+ : w0, bad0, a1)
    for (int k = 0; k < nd->count; k++) {
        const double l = fabs(loss[k]), p = p_[k], w = w_[k], x = tilt * loss[k];
        const double unit_p = weight_units(nd, m, c, loss_u, k), unit = unit_p + loss_u * (2.0 + l);
        w0 += unit_p * p;
        a1 += p * (l + 2.0 * nd->origin);
        bad0 += unit * (plain || x > 30.0 || !(w > 0.0) ? p : x * x * (w + p) + c * w * e2m[k]);
    }
    *out = (sums){w0, bad0, a1};
}

/* Errors of nd->out and of nd->out_gap (from epsilon = 0). */
static void out_errors(double *out, double *gap, const ew_nodes *nd, const ew_model *m, double loss_u)
{
    *out = *gap = 0.0;
    for (int k = 0; nd->tapered && k < nd->count; k++) {
        const double kept = nd->cls[EW_SMALL][k], part = -expm1(kept), l = fabs(nd->loss[k]);
        if (!(part > 0.0))
            continue;
        const double unit = node_units(nd, m, loss_u, k) + nd->count + class_units(fmin(kept, log(part))),
                     e = EW_U * nd->w[k] * part;
        *out += unit * e;
        *gap += (unit + loss_u * (1.0 + l)) * e * fabs(expm1(-nd->loss[k]));
    }
}

/* What a sum of so many terms along the line adds to each of them. */
static double count_units(const ew_nodes *nd)
{
    return 5.0 * EW_BLOCK + 1.42 * (fmin(nd->count, EW_CHUNK) / 8.0 + 5.0 + nd->count / EW_CHUNK) + 20.0;
}

void ew_rounding_at(ew_rounding *r, const ew_nodes *nd, const ew_model *m, const ew_moments *at)
{
    const double c = fabs(at->c), loss_u = ew_loss_units(m), count = count_units(nd);
    const double lost = nd->count * EW_VANISHES;
    double out = 0.0, gap = 0.0;
    sums s;
    small_sums(&s, nd, m, at->c, loss_u, at->plain);
    if (!at->plain)
        out_errors(&out, &gap, nd, m, loss_u);
    *r = (ew_rounding){.m0 = EW_U * (s.bad0 + nd->count * (at->plain ? at->m : fabs(at->m0))) + out + c * gap + lost,
                       .gap = gap,
                       .r0 = EW_U * (s.w0 + count * at->m) + lost,
                       .turn = EW_U * (loss_u + 2.0) * s.a1};
    if (!nd->split)
        return;
    double b0 = 0.0, b1 = 0.0;
    for (int k = 0; k < nd->count; k++) {
        const double l = fabs(nd->loss[k]) + 2.0 * nd->origin, p = nd->p[EW_MID][k];
        b0 += (node_units(nd, m, loss_u, k) + (loss_u + 2.0) * c * l + class_units(nd->cls[EW_MID][k])) * p;
        b1 += p * l;
    }
    r->b0 = EW_U * (b0 + count * at->b0) + lost;
    r->b_turn = EW_U * (loss_u + 2.0) * b1;
    r->b0_bracketed = EW_U * count * at->b0;
    r->b1_bracketed = 2.0 * EW_U * (count + 4.0) * b1;
}

/* sum of g B(t loss) */
EW_CLONES
static double bracket_sum(const double *g, const double *loss, double t, int count)
{
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int k = 0; k < count; k++) {
        const double x = t * fabs(loss[k]), near = 0.5 * x * x, far = 2.0 + x;
        sum += g[k] * (near < far ? near : far);
    }
    return sum;
}

/* The same line in bracketed form, up to t = T; scratch: as long as the nodes. */
void ew_rounding_bracketed(ew_rounding *r, const ew_nodes *nd, const ew_model *m, const ew_moments *at, double T,
                           double *scratch)
{
    const double loss_u = ew_loss_units(m), more = count_units(nd) + 4.0, *w = nd->tapered ? nd->wc[EW_SMALL] : nd->w;
    double bad1 = 0.0, size = at->plain ? 0.0 : fabs(at->m1), r2 = 0.0;
    for (int k = 0; k < nd->count; k++) {
        const double l = fabs(nd->loss[k]), p = nd->p[EW_SMALL][k];
        const double unit = weight_units(nd, m, at->c, loss_u, k) + loss_u * (2.0 + l);
        bad1 += unit * (at->plain ? l * p : l * fabs(p - w[k]) + w[k] * nd->e2m[k]);
        size += at->plain ? l * p : 0.0;
        scratch[k] = EW_U * (unit + more) * p;
        r2 += scratch[k] * l * l;
    }
    r->bracketed = 1;
    r->m1 = EW_U * (bad1 + nd->count * size) + r->gap;
    r->curve = 0.5 * r2;
    for (int i = 0; i < EW_OCTAVES; i++, T *= 0.5) {
        r->t[i] = T;
        r->e[i] = bracket_sum(scratch, nd->loss, T, nd->count);
    }
}

/* err[j], j < count = error of the sums at t = j h, less what t = 0 has of it. */
void ew_rounding_along(double *err, const ew_rounding *r, double h, int count)
{
    for (int j = 0, i = EW_OCTAVES - 1; j < count; j++) {
        const double t = j * h;
        if (r->bracketed) {
            while (i > 0 && t > r->t[i])
                i--;
            const double below = i + 1 < EW_OCTAVES ? r->e[i + 1] / (r->t[i + 1] * r->t[i + 1]) : r->curve;
            err[j] = fmin(t * t * below, r->e[i]) + t * r->m1;
        } else {
            err[j] = j ? 2.0 * r->r0 + t * r->turn : 0.0;
        }
    }
}
