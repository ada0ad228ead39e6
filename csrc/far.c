/* far.c - how far out a step is big: where the taper `far` of a law stands, and what leaving big steps to a count costs
 * (split.c). */
#include "split.h"
#include "kernels.h"
#include "special.h"

#include <math.h>

/* Steps so far out that all n of them together have probability e^{log_mass}: from this u on. */
static double rare_from(const ew_model *m, double log_mass)
{
    const double rare = fmax(1.0, log(m->n) - log_mass);
    return fmax(sqrt(2.0 * rare), 1.0 / m->s + sqrt(2.0 * fmax(0.0, rare + log(m->q))));
}

/* The law with its far tail cut off, where all of it is an error of e^{log_mass} at most: add it to the upper end. */
ew_law ew_capped(const ew_model *m, double log_mass)
{
    /* 3 widths further in, 1 - chi < 1e-170 */
    const double width = fmin(1.0, 0.7 * m->s), at = rare_from(m, log_mass - 1.5) + 3.0 * width;
    ew_law law = {.m = m, .far = {at, width}};
    if (m->kind == EW_KIND_REPLACE)
        law.left = (ew_taper){-at, width};
    return law;
}

ew_job ew_job_begin(const ew_model *m, double eps, double log_delta, double tol, ew_scratch *ws)
{
    const double scale = m->kind == EW_KIND_ADD ? fmin(fabs(eps), -m->n * m->log1mq - eps) : fabs(eps);
    return (ew_job){.m = m,
                    .margin = fmax(0.0, scale) / fmax(1.0, -log_delta),
                    .eps = eps,
                    .log_delta = log_delta,
                    .tol = tol,
                    .width = fmin(1.0, 0.7 * m->s),
                    .ws = ws,
                    .limit = fmin(6e7, fmax(2e6, ws->left)),
                    .big = -INFINITY};
}

int ew_spread_nodes(ew_nodes *nd, const ew_job *j, const ew_law *law, double hu)
{
    ew_nodes_bind(nd, j->ws->coarse);
    /* add: every step next to its largest loss, at the least delta there is */
    const double left = j->m->kind == EW_KIND_ADD ? sqrt(1400.0 / j->m->n) + 5.0 : 0.0;
    const double from = -fmax(10.5, left) - (j->m->kind == EW_KIND_REPLACE ? 1.0 / j->m->s : 0.0);
    return ew_nodes_fill(nd, law, hu, from, j->top);
}

int ew_survey_nodes(ew_nodes *nd, const ew_job *j, const ew_law *law)
{
    return ew_spread_nodes(nd, j, law, fmin(fmin(0.3, 0.5 * j->m->s), 0.35 * j->width));
}

/* log M(-s)^n of a class with its quadrature error; NaN where that is not small, or the result above `most`. */
double ew_backward(const ew_job *j, const ew_law *law, ew_nodes *nd, int cls, double s, double n, double most)
{
    const double from = nd->u[0], to = nd->u[nd->count - 1];
    ew_moments at;
    ew_rounding r;
    ew_moments_at(&at, nd, -s);
    if (!(n * ew_log_m(&at) < most))
        return NAN;
    ew_rounding_at(&r, nd, j->m, &at);
    double err = INFINITY;
    for (double y = fmin(1.5 * j->m->s, law->far.width > 0.0 ? 0.74 * j->width : 8.0);
         y > 0.01 * j->m->s && !(n * err < 1e-3); y *= 0.7) {
        const double e = 2.0 * (exp(ew_survey(law, cls, -s, 0.0, y)) + (1.0 + 2.0 * s) * exp(0.5 * y * y)) /
                         expm1(2.0 * EW_PI * y / nd->hu);
        if (e > err)
            break;
        err = e;
    }
    err += exp(ew_survey_ends(law, cls, -s, 0.0, 0.0, from, to, nd->hu)) + r.m0 +
           (at.plain ? 0.0 : ew_survey_controls(law, s, from, to, nd->hu));
    const double v = n * ew_log_m(&at) + n * 1.01 * err / at.m + 1e-9;
    return n * err < 0.2 * at.m ? v : NAN;
}

/* What a big step of loss L still misses: E[(e^{x - S'} - 1)_+], x = eps - L, S' the sum of the other losses, is at
 * most
 *     min over s of  m(s-1) e^{s x} M(-s)^{n-1},        M of the others; or, all of them to the right of u = -a but for
 *     a chance: e^x Q(some other one to the left) + min over s of  m(s-1) e^{s x} M_a(-s)^{n-1},        since
 *     E[e^{-S'}; A] = Q(A), M_a(-s) = E[e^{-s Y}; u > -a] <= 1 + E[e^{-s Y} - 1 + s Y; u > -a]        (replace: Q is
 *     the likelier one to the left of -a). */
enum { BACK = 10, CAPS = 4 };
typedef struct {
    int caps;
    double q[CAPS], back[CAPS][BACK], tilt[BACK];
} lower_tail;

/* remove: tilts that suit eps, none left of anything */
static void tail_of_remove(lower_tail *t, const ew_job *j, const ew_law *whole, ew_nodes *nd)
{
    double s = 2.0;
    const double scale = fmax(1.0, 7.0 / fmax(1e-12, fabs(j->eps)));
    t->caps = 1;
    t->q[0] = 0.0;
    for (int i = 0; i < BACK; i++, s *= fmax(2.0, pow(scale, 1.0 / (BACK - 2)))) {
        t->tilt[i] = s;
        t->back[0][i] = ew_backward(j, whole, nd, EW_WHOLE, s, j->m->n - 1.0, INFINITY) + ew_log_kernel(s - 1.0);
    }
}

EW_CLONES
static double bracket(const double *w, const double *loss, double s, int from, int to)
{
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int k = from; k < to; k++) { /* on the cell to the right of a node */
        const double a = ew_k_expm1mx(-s * loss[k]), b = ew_k_expm1mx(-s * loss[k + 1]);
        sum += (w[k] > w[k + 1] ? w[k] : w[k + 1]) * (a > b ? a : b);
    }
    return sum;
}

/* replace, from close nodes of the whole law; chances that matter beside tol, and ever smaller ones */
static void tail_of_replace(lower_tail *t, const ew_job *j, const ew_nodes *nd)
{
    const ew_model *m = j->m;
    const double n = m->n - 1.0, last = nd->u[nd->count - 1],
                 ratio = pow(50.0 / fmin(1.0, fabs(j->eps) + 1e-12), 1.0 / (BACK - 1));
    /* E[L; u > last]: normal tails fall at least like e^{-hazard (u - last)}, the loss grows at most like
     * e^{(u - last)/s} or by 2 (u - last)/s */
    const double hazard = last - 1.0 / m->s, rate = 1.0 / m->s, loss = nd->loss[nd->count - 1],
                 above = fmin(loss + 2.0 * rate / hazard, hazard > rate ? loss * hazard / (hazard - rate) : INFINITY),
                 beyond = (exp(ew_log_ndtr(-last)) + m->q * exp(ew_log_ndtr(-hazard))) * above;
    double left = exp(ew_log_ndtr(nd->u[0])) + m->q * exp(ew_log_ndtr(nd->u[0] + 1.0 / m->s)),
           want = log(j->tol) - 2.0 + log(fmin(1.0, fabs(j->eps) + 1e-12)) - 16.0;
    t->caps = 0;
    for (int k = 0; k + 1 < nd->count && nd->u[k + 1] < 0.0 && t->caps < CAPS; k++) { /* Q-mass left of node k + 1 */
        const double more = 1.01 * fmax(nd->w[k] * exp(-nd->loss[k]), nd->w[k + 1] * exp(-nd->loss[k + 1]));
        if (n * (left + more) > exp(want)) {
            double s = 2.0;
            t->q[t->caps] = n * left;
            for (int i = 0; i < BACK; i++, s *= ratio) {
                t->tilt[i] = s;
                t->back[t->caps][i] = n * log1p(1.01 * bracket(nd->w, nd->loss, s, k, nd->count - 1) +
                                                s * 1.01 * beyond) +
                                      ew_log_kernel(s - 1.0);
            }
            t->caps++;
            want += 16.0 / (CAPS - 1);
        }
        left += more;
    }
}

/* e(eps - L) of every node (see `big` above) */
static void missing(double *e, const ew_job *j, const ew_nodes *nd, const lower_tail *tail)
{
    const ew_model *m = j->m;
    const double edge = (m->n - 1.0) * m->log1mq, gap = -m->n * m->log1mq - j->eps + j->margin,
                 eps = j->eps + j->margin;
    for (int k = 0; k < nd->count; k++) {
        const double x = eps - nd->loss[k];
        if (m->kind == EW_KIND_ADD) {
            e[k] = nd->lp[k] < gap ? -expm1(nd->lp[k] - gap) : 0.0;
        } else if (j->rare) {
            e[k] = 1.0;
        } else {
            e[k] = exp(fmin(700.0, x));
            for (int c = 0; c < tail->caps; c++) {
                double least = INFINITY;
                for (int i = 0; i < BACK; i++)
                    least = fmin(least, tail->back[c][i] + tail->tilt[i] * x);
                e[k] = fmin(e[k], exp(fmin(700.0, least)) + tail->q[c] * exp(fmin(700.0, x)));
            }
            if (m->kind == EW_KIND_REMOVE)
                e[k] = fmin(e[k], x > edge ? expm1(fmin(700.0, (x - edge) * (1.0 + 1e-9))) : 0.0);
        }
    }
}

/* The far taper that makes the error of the big steps a fraction of the tolerance, as far to the left as that
 * allows. */
int ew_place_far(ew_law *law, ew_job *j)
{
    const ew_model *m = j->m;
    ew_law whole = {.m = m};
    ew_nodes nd;
    if (m->kind == EW_KIND_REPLACE) { /* M(-s) of the whole law would speak of its far left tail only */
        j->left = j->log_delta + log(j->tol) - 12.0 - fabs(j->eps);
        whole = ew_capped(m, j->left);
        j->top = fmax(j->top, whole.far.at + 5.0 * j->width);
    }
    if (!ew_survey_nodes(&nd, j, &whole))
        return 0;
    lower_tail tail = {.caps = 0};
    if (m->kind == EW_KIND_REMOVE && m->n > 8.0 && !j->rare)
        tail_of_remove(&tail, j, &whole, &nd);
    const ew_law plain = {.m = m};
    if (!ew_spread_nodes(&nd, j, &plain, 0.05 * j->width))
        return 0;
    if (m->kind == EW_KIND_REPLACE && !j->rare)
        tail_of_replace(&tail, j, &nd);
    /* w e(eps - L); e falls with u (add: rises with the loss), 1 - chi rises */
    double *cost = nd.p[EW_MID], *chi = nd.p[EW_SMALL];
    missing(cost, j, &nd, &tail);
    for (int k = 0; k + 1 < nd.count; k++) /* at most this much on the cell to the right of a node, 1 - chi apart */
        cost[k] *= nd.u[k] * nd.u[k + 1] <= 0.0 ? 1.0 : fmax(nd.w[k], nd.w[k + 1]);
    double *beyond = nd.wc[EW_SMALL], lo = 0.0, hi = j->top - 3.0 * j->width, at_hi = INFINITY;
    beyond[nd.count - 1] = 0.0;
    for (int k = nd.count - 2; k >= 0; k--)
        beyond[k] = beyond[k + 1] + cost[k];
    const double most = log(j->tol) + j->log_delta - log(m->n) - 3.0;
    for (int i = 0; i < 14; i++) {
        const double at = i == 0 ? hi : 0.5 * (lo + hi);
        const ew_taper t = {at, j->width};
        /* further left 1 - chi < 1e-1000, further right it is nearly 1; beyond the last node: below the tolerance by
         * place of top */
        int first = 0, last;
        while (first + 1 < nd.count && nd.u[first] <= at - 4.0 * j->width)
            first++;
        for (last = first; last + 1 < nd.count && nd.u[last] < at + 3.0 * j->width; last++)
            ;
        const double v = log((ew_above(chi, &t, nd.u + first + 1, cost + first, last - first) + beyond[last]) * 1.01);
        if (v <= most) {
            hi = at;
            at_hi = v;
        } else if (i == 0) {
            return 0;
        } else {
            lo = at;
        }
    }
    law->far = (ew_taper){hi, j->width};
    j->big = -INFINITY;
    if (m->kind != EW_KIND_ADD && !j->rare) {
        for (int k = 0; k < nd.count; k++)
            cost[k] = nd.loss[k] > j->eps ? -nd.w[k] * expm1(j->eps - nd.loss[k]) : 0.0;
        j->big = log(m->n * ew_above(chi, &law->far, nd.u, cost, nd.count)) - j->log_delta;
    }
    law->left = whole.left;
    j->high += exp(at_hi + log(m->n) - j->log_delta) +
               (m->kind == EW_KIND_REPLACE ? exp(j->left - j->log_delta) : 0.0) + exp(-8.0) * j->tol; /* beyond top */
    return 1;
}

/* Sum of x (1 - chi(u)); scratch: log(1 - chi). */
EW_CLONES
double ew_above(double *scratch, const ew_taper *t, const double *u, const double *x, int count)
{
    double sum = 0.0;
    for (int k = 0; k < count; k++)
        scratch[k] = 0.0;
    ew_taper_add(scratch, t, u, 1.0, 1, count);
#pragma omp simd reduction(+ : sum)
    for (int k = 0; k < count; k++)
        sum += x[k] * ew_k_exp(scratch[k]);
    return sum;
}
