/* split.c - laws whose far tail would blow up M(c), or whose tilted characteristic function does not decay: few steps,
 * little noise, tiny sampling rates.
 *
 * Idea     Sort the steps by u (core.h) and condition on what they are; weights are smooth (taper.c), so that every
 *          part is again a positive measure with an analytic density and has its own line, its own tilt.
 * big      remove, replace: a step so far out that S > eps whatever the others do.  With masses b, b' of a big step
 *          under the two laws,
 *              E[1 - e^{eps - S}; some big] = (1 - (1-b)^n) - e^eps (1 - (1-b')^n),      exactly, and
 *              0 <= E[(1 - e^{eps - S})_+; some big] - that = E[(e^{eps - S} - 1)_+; some big] <= n E[e(eps - L); big],
 *          e(x) = least of e^x; e^{x - (n-1) log(1-q)} - 1 (remove: S >= n log(1-q)); m(s-1) e^{s x} M(-s)^{n-1} (any s
 *          > 1, remove). add: a step whose loss alone leaves S < eps.  Its paths contribute at most n E[(1 - e^{eps - n
 *          edge + X})_+; big], X = edge - L.
 * small    every step small.  remove, replace: its own line, or nothing where its Chernoff bound is below the
 *          tolerance.  add: S > eps throughout, so its part is P_s^n - e^eps Q_s^n, short of E[(e^{eps-S} - 1)_+; all
 *          small] <= m(s-1) e^{s eps} M_s(-s)^n.
 * mid      at least one mid step, none big: a line for (M_s + M_m)^n - M_s^n, which decays because M_m does.
 */
#include "split.h"

#include <math.h>
#include <string.h>

typedef struct {
    double at, small, mid; /* where; logs of the Chernoff bounds of both parts over delta */
    double rate;           /* add: how fast the error of the small part grows with epsilon */
    /* log of the saddle-point estimate of delta(eps) over delta: within a factor of a few, good enough to steer by */
    double size;
    ew_saddle sp[EW_CLASSES];
} cut;

static int weigh(cut *k, const ew_job *j, ew_law *law, int split)
{
    ew_nodes nd;
    law->split = (ew_taper){k->at, split ? j->width : 0.0};
    if (!(j->m->kind == EW_KIND_ADD && split ? ew_spread_nodes(&nd, j, law, 0.08 * j->width)
                                             : ew_survey_nodes(&nd, j, law)))
        return 0;
    double variance = 0.0;
    for (int i = 0; i < nd.count; i++)
        variance += nd.w[i] * nd.loss[i] * nd.loss[i];
    const double away = j->m->kind == EW_KIND_ADD ? -j->m->n * j->m->log1mq - j->eps : j->eps;
    const double start = fmax(1.0, -j->log_delta) / (away > 0.0 ? away : sqrt(j->m->n * variance));
    if (j->m->kind == EW_KIND_ADD && split) { /* all small: S > eps but for this */
        double best = INFINITY;
        const double first = fmax(1.001, start);
        for (double s = first; s < 1e4 * first; s *= 1.6) {
            const double more = s * ew_line_eps(law, j->eps) +
                                60.0 * EW_U * s * (fabs(j->eps) - j->m->n * j->m->log1mq) + ew_log_kernel(s - 1.0),
                         e = ew_backward(j, law, &nd, EW_SMALL, s, j->m->n, best - more) + more;
            if (e < best) {
                best = e;
                k->rate = s;
            } else if (isfinite(best))
                break;
        }
        k->small = best - j->log_delta;
        const double x = j->eps + j->m->n * log1p(nd.out_gap / (1.0 - nd.out));
        k->size = x < 0.0 ? j->m->n * log1p(-nd.out) + log(-expm1(x)) - j->log_delta : -INFINITY;
    } else {
        k->small =
            ew_saddle_least(&k->sp[EW_SMALL], &nd, j->m, EW_SMALL, ew_line_eps(law, j->eps), start) - j->log_delta;
        k->size = ew_lse(j->big, k->sp[EW_SMALL].log_delta - j->log_delta);
    }
    k->mid = split ? ew_saddle_least(&k->sp[EW_MID], &nd, j->m, EW_MID, ew_line_eps(law, j->eps), start) - j->log_delta
                   : -INFINITY;
    if (split)
        k->size = ew_lse(k->size, k->sp[EW_MID].log_delta - j->log_delta);
    return 1;
}

/* Chernoff bound of a part over delta, with the quadrature error of its generating function. */
static double chernoff(const ew_job *j, const ew_law *law, int cls, double c)
{
    const double n = j->m->n;
    ew_nodes nd;
    ew_moments at;
    double hu = fmin(fmin(0.3, 0.5 * j->m->s), 0.35 * j->width);
    for (int i = 0; i < 3; i++, hu *= 0.5) {
        if (!ew_spread_nodes(&nd, j, law, hu))
            return INFINITY;
        ew_rounding r;
        ew_moments_at(&at, &nd, c);
        ew_rounding_at(&r, &nd, j->m, &at);
        const double a = at.m, power = ew_log_power(&at, n, cls);
        const int controls = !at.plain;
        double rel = 0.0;
        for (int k = EW_SMALL; k <= cls; k++) {
            double err = INFINITY;
            for (double y = fmin(1.5 * j->m->s, 0.72 * j->width); y > 0.1 * j->width && !(n * err < 1e-3 * at.b0);
                 y *= 0.75) {
                const double control = controls && k == EW_SMALL ? exp(ew_survey_control(law, c, y)) : 0.0;
                err = fmin(err, 2.0 * (exp(ew_survey(law, k, c, 0.0, y)) + control) / expm1(2.0 * EW_PI * y / nd.hu));
            }
            const double from = nd.u[0], to = nd.u[nd.count - 1];
            err += exp(ew_survey_ends(law, k, c, 0.0, 0.0, from, to, nd.hu)) +
                   (controls && k == EW_SMALL ? ew_survey_controls(law, c, from, to, nd.hu) : 0.0);
            rel += (err + (k == EW_SMALL ? r.m0 : r.b0)) / (k == EW_SMALL ? a : at.b0);
        }
        if (n * rel < 0.5)
            return power + 1e-9 * fabs(power) + 1.1 * n * rel + 1e-6 - c * ew_line_eps(law, j->eps) +
                   60.0 * EW_U * c * (fabs(j->eps) - n * j->m->log1mq) + ew_log_kernel(c) - j->log_delta;
    }
    return INFINITY;
}

/* One part: its line, or nothing but an error where it is far below the tolerance. */
static int add_part(ew_contour *ct, const ew_job *j, const ew_law *law, int cls, const ew_saddle *sp, double size)
{
    ew_nodes nd;
    ew_saddle here = *sp;
    if (size < log(j->tol) - 3.0) {
        double c = sp->c, bound = INFINITY;
        if (ew_survey_nodes(&nd, j, law)) /* the smallest tilt that will do: no bound is easier to certify */
            for (double next = c; size < log(j->tol) - 6.0 && next > 1e-3 * sp->c; next *= 0.85) {
                ew_moments_at(&here.at, &nd, next);
                size = ew_log_power(&here.at, j->m->n, cls) - next * ew_line_eps(law, j->eps) + ew_log_kernel(next) -
                       j->log_delta;
                if (size < log(j->tol) - 6.0)
                    c = next;
            }
        bound = chernoff(j, law, cls, c);
        if (bound < log(j->tol) - 2.5) {
            ct->high += exp(bound);
            ct->rate = fmax(ct->rate, c);
            return 1;
        }
    }
    if (!ew_survey_nodes(&nd, j, law))
        return 0;
    ew_moments_at(&here.at, &nd, sp->c);
    return ew_line(ct, law, &nd, cls, &here, j->limit, j->ws);
}

enum { CUTS = 11 };

/* u where the loss is about f times what decides (remove, replace: eps; add: the distance to the largest loss) */
static double place_split(const ew_job *j, double f)
{
    const ew_model *m = j->m;
    const double l = f * (m->kind == EW_KIND_ADD ? -m->n * m->log1mq - j->eps : j->eps);
    const double y = (l > 500.0 ? l : log(expm1(l))) - (m->kind == EW_KIND_REMOVE ? log(m->q) : log(m->odds));
    return m->s * (m->kind == EW_KIND_REMOVE ? ew_lse(0.0, y) : y) + m->shift;
}

/* All parts of one way to sort the steps; 0: too expensive. */
static int assemble(ew_contour *ct, const ew_job *j, ew_law *law, const cut *k, int split)
{
    const int add = j->m->kind == EW_KIND_ADD;
    law->split = (ew_taper){k->at, split ? j->width : 0.0};
    ew_contour_start(ct, j->eps, j->log_delta, j->tol, j->ws);
    ct->high = j->high;
    if (add)
        ct->left = j->margin;
    else if (!j->rare)
        ct->right = j->margin;
    /* first what is more often refused, at little cost: the line of the small steps, for replace that of the mid
     * ones */
    if (add && split) {
        ct->low += exp(k->small);
        ct->high += exp(k->small);
        ct->rate = fmax(ct->rate, k->rate);
        if (!ew_add_small(ct, j, law))
            return 0;
    }
    for (int i = 0; i < 2; i++) {
        const int cls = (j->m->kind == EW_KIND_REPLACE) == (i == 0) ? EW_MID : EW_SMALL;
        if (cls == EW_MID ? split && !add_part(ct, j, law, EW_MID, &k->sp[EW_MID], k->mid)
                          : !(add && split) && !add_part(ct, j, law, EW_SMALL, &k->sp[EW_SMALL], k->small))
            return 0;
    }
    return (add || j->rare || ew_add_big(ct, j, law) == 1) && isfinite(ct->low + ct->high);
}

/* How large a part may be, log of it over delta: rounding costs some 300 units of n M, or of n (M - 1) if that is
 * small, and the lines cancel by a little more than their size. */
static double bearable(const cut *k, const ew_job *j)
{
    const ew_moments *at = &k->sp[k->small > k->mid ? EW_SMALL : EW_MID].at;
    const double units = fmax(1.0, j->m->n * fmin(1.0, 4.0 * fabs(at->m0)));
    return fmin(22.0, fmax(3.5, log(j->tol) + 26.0 - log(units)));
}

/* delta near eps, given that it is about e^{log_delta} there.  1: done; 0: too expensive; -1 (if asked to steer): delta
 * is far from that, size tells the log of how far.  *way: the place among the cuts to try first, and the one that
 * did. */
int ew_split(ew_contour *ct, double *size, int *way, int steer, const ew_model *m, double eps, double log_delta,
             double tol, ew_scratch *ws)
{
    ew_job j = ew_job_begin(m, eps, log_delta, tol, ws);
    j.rare = eps > 200.0 && m->kind != EW_KIND_ADD;
    const int add = m->kind == EW_KIND_ADD;
    ew_law law = {.m = m};
    if (add && eps > -0.5 * m->n * m->log1mq) {
        law.edge = 1;
        law.origin = -m->log1mq;
    }
    const double rare = fmax(1.0, log(m->n) - log_delta - log(tol) + 8.0) + (add || j.rare ? 0.0 : fmax(0.0, eps));
    /* the second law's too */
    j.top = fmin(fmax(sqrt(2.0 * rare), 1.0 / m->s + sqrt(2.0 * fmax(0.5, rare + log(m->q)))) + 5.0 * j.width,
                 680.0 * m->s);
    if (!ew_place_far(&law, &j))
        return 0;
    static const double share[CUTS] = {0.0, 1.1, 0.8, 0.6, 0.42, 0.28, 0.18, 0.1, 0.04, 0.015, 0.005}; /* 0: no split */
    cut cuts[CUTS];
    double score[CUTS];
    *size = INFINITY;
    for (int tried = 0; tried < CUTS; tried++) {
        const int i = tried == 0 ? *way : tried <= *way ? tried - 1 : tried;
        cut *k = &cuts[i];
        *k = (cut){.size = INFINITY, .sp = {{.at = {.m = INFINITY}}}};
        score[i] = INFINITY;
        if (i > 0) {
            if (!add && !(eps > 0.0))
                continue;
            k->at = place_split(&j, share[i]);
            if (!(k->at < law.far.at) || !(k->at > -8.0))
                continue;
        }
        if (!weigh(k, &j, &law, i > 0))
            continue;
        /* M is about to overflow, or vanishes: count from epsilon */
        if (i == 0 && add && !(k->sp[EW_SMALL].at.m > 1e-150 && k->sp[EW_SMALL].at.m < 1e100)) {
            law.edge = 0;
            law.origin = eps / m->n;
            if (!weigh(k, &j, &law, 0))
                continue;
        }
        const int none = k->small < log(tol) - 3.0;
        score[i] = i == 0 ? k->small : add ? (none ? k->mid : INFINITY) : fmax(k->small, k->mid);
        *size = fmin(*size, score[i] < INFINITY ? k->size : INFINITY);
        if (steer && *size < -3.0)
            return -1;
        if (score[i] < bearable(k, &j) && assemble(ct, &j, &law, k, i > 0)) {
            *way = i;
            return 1;
        }
    }
    if (steer && *size > 6.0 && *size < INFINITY)
        return -1;
    for (int dear = 0; dear < 2; dear++) { /* wide, or dear, but certain */
        double left[CUTS];
        memcpy(left, score, sizeof left);
        for (int tries = 0; tries < (dear ? 2 : CUTS); tries++) {
            int best = 0;
            for (int i = 1; i < CUTS; i++)
                if (left[i] < left[best])
                    best = i;
            if (!(left[best] < 32.0))
                break;
            if ((dear || left[best] >= bearable(&cuts[best], &j)) && assemble(ct, &j, &law, &cuts[best], best > 0))
                return 1;
            left[best] = INFINITY;
        }
        if (!(j.ws->left > 6e7))
            break;
        j.limit = fmin(4e8, j.ws->left);
    }
    return 0;
}

/* A certain upper bound of epsilon, wide but always there: steps beyond u* are so rare that all of them together cost
 * half of delta, and the rest obeys Chernoff's inequality.  INFINITY: not even that. */
double ew_split_upper(const ew_model *m, double log_delta, ew_scratch *ws)
{
    ew_job j = ew_job_begin(m, 0.0, log_delta, 0.1, ws);
    j.rare = 1;
    const double rare = fmax(1.0, log(m->n) - log_delta + 1.5),
                 far = fmax(sqrt(2.0 * rare), 1.0 / m->s + sqrt(2.0 * fmax(0.0, rare + log(m->q))));
    ew_law law = {.m = m, .far = {far + 4.0 * j.width, j.width}};
    if (m->kind == EW_KIND_ADD)
        return -m->n * m->log1mq * (1.0 + 4.0 * EW_U);
    if (m->kind == EW_KIND_REPLACE)
        law.left = (ew_taper){-law.far.at, j.width};
    j.top = law.far.at + 5.0 * j.width;
    double best = INFINITY, scale = sqrt(m->n) * m->q / m->s + 1e-300;
    for (double c = 0.01 / scale; c > 1e-6; c *= 0.4) {
        const double v = (chernoff(&j, &law, EW_SMALL, c) + 0.7) / c; /* K n + kernel - log(delta/2) */
        if (isfinite(v) && v < best)
            best = v;
        else if (best < INFINITY)
            break;
    }
    return best < INFINITY ? ew_up(fmax(0.0, best) * (1.0 + 1e-9)) : best;
}
