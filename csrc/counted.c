/* counted.c - the parts of delta that need no line: paths with a big step, and for `add` paths of small steps only
 * (split.c).
 *
 * Rounding: weights, classes and losses by rounding.c, a sum of `count` terms by as many units.
 */
#include "split.h"
#include "kernels.h"

#include <math.h>

/* Both laws' integrals of a weight on Im u = y, in logarithms, and what their sums lose beyond the ends; the second
 * law's times e^lift. */
static double both_laws(const ew_law *law, int weight, double y, double lift)
{
    return ew_lse(ew_survey(law, weight, 0.0, 0.0, y), ew_survey(law, weight, -1.0, 0.0, y) + lift);
}

static double both_ends(const ew_law *law, int weight, const ew_nodes *nd, double lift)
{
    const double from = nd->u[0], to = nd->u[nd->count - 1];
    return exp(ew_survey_ends(law, weight, 0.0, 0.0, 0.0, from, to, nd->hu)) +
           exp(ew_survey_ends(law, weight, -1.0, 0.0, 0.0, from, to, nd->hu) + lift);
}

/* What a sum may lose of a term e^{log_term}: nothing, or near the least normal double and below it all there is. */
static double vanished(double log_term)
{
    return log_term > -706.0 ? 0.0 : exp(fmax(log_term, -744.4)) * (1.0 + 1e-9);
}

/* Nodes that give masses of the steps under both laws, the second times e^lift, to e^{target}; returns the bound of
 * their errors without the terms that vanish, NaN: too many nodes. */
static double mass_nodes(ew_nodes *nd, const ew_job *j, const ew_law *law, int weight, double target, double lift)
{
    const ew_model *m = j->m;
    const double y = fmin(1.4 * m->s, 0.7 * j->width), n_y = both_laws(law, weight, y, lift) + log(2.0);
    double from = -10.5 - 1.0 / m->s, to = j->top, lost = INFINITY;
    ew_nodes_bind(nd, j->ws->fine);
    const double hu = fmin(0.5, 2.0 * EW_PI * y / fmax(1.0, n_y - target + 1.0));
    for (int i = 0; i < 10; i++, to += 1.5, from -= 1.5) {
        if (!ew_nodes_fill(nd, law, hu, from, to))
            return NAN;
        lost = both_ends(law, weight, nd, lift);
        if (log(lost) < target)
            break;
    }
    return lost + exp(n_y) / expm1(2.0 * EW_PI * y / nd->hu);
}

/* Paths with a big step (remove, replace). */
int ew_add_big(ew_contour *ct, const ew_job *j, const ew_law *law)
{
    const ew_model *m = j->m;
    const double n = m->n, scale = exp(-j->log_delta);
    ew_nodes nd;
    double err = mass_nodes(&nd, j, law, EW_BIG, log(j->tol) + j->log_delta - log(n) - 3.0, j->eps);
    if (!isfinite(err) || !isfinite(scale))
        return isfinite(err) ? -1 : 0;
    const ew_taper far = ew_taper_of_y(&law->far, m);
    const double loss_u = ew_loss_units(m);
    double *chi = nd.p[EW_SMALL], lifted = 0.0, d = 0.0, b_units = 0.0, d_units = 0.0; /* lifted = e^eps b */
    for (int k = 0; k < nd.count; k++)
        chi[k] = 0.0;
    ew_taper_add(chi, &far, nd.y, 1.0, 1, nd.count);
    for (int k = 0; k < nd.count; k++) {
        const double l = nd.loss[k], w = nd.w[k] * exp(chi[k]),
                     unit = ew_node_units(&nd, m, k) + ew_class_units(chi[k]) + loss_u * (1.0 + fabs(l)) +
                            nd.count + 8.0 + j->eps, at_eps = w * exp(j->eps - l);
        lifted += at_eps;
        d -= w * expm1(-l);
        b_units += unit * at_eps;
        d_units += unit * w * fabs(expm1(-l));
        err += vanished(nd.lw[k] + chi[k]) + vanished(nd.lw[k] + chi[k] + j->eps - l);
    }
    const double b = lifted * exp(-j->eps), log_none = n * log1p(-b), none = exp(log_none), second = -expm1(log_none),
                 more = -none * expm1(n * log1p(-d / (1.0 - b)));
    const double moving = lifted * (b > 1e-200 ? second / b : n), fixed = more + moving * expm1(-j->eps);
    ct->fixed += fixed * scale;
    ct->moving += moving * scale;
    ct->rate = fmax(ct->rate, 1.0);
    const double e = (n * err * 2.2 + n * none / (1.0 - b) * EW_U * (d_units + b_units) +
                      EW_U * (20.0 + 4.0 * fabs(log_none) + 4.0 * fabs(j->eps)) * (fabs(more) + fabs(more - fixed))) *
                     scale;
    ct->low += e;
    ct->high += e;
    return 1;
}

/* log of the mass p of the small steps under the first law, and the log of its ratio to the second law's, the edge of
 * one step apart; with their errors. */
typedef struct {
    double log_p, p_err, ratio, ratio_err;
} masses;

/* From the sums themselves: with Y = odds e^y, the second law's mass is (1 - q) times the sum of p (1 + Y). */
static masses counted(const ew_nodes *nd, const ew_model *m)
{
    double p = 0.0, y = 0.0, p_units = 0.0, y_units = 0.0;
    for (int k = 0; k < nd->count; k++) {
        const double w = nd->wc[EW_SMALL][k], more = expm1(nd->lp[k]),
                     unit = ew_node_units(nd, m, k) + ew_class_units(nd->cls[EW_SMALL][k]) + nd->count;
        p += w;
        y += w * more;
        p_units += unit * w;
        y_units += (unit + ew_loss_units(m) * (1.0 + nd->lp[k])) * w * more;
    }
    const double r = y / p, e = EW_U * p_units / p;
    return (masses){log(p), e + 4.0 * EW_U * fabs(log(p)), log1p(r), EW_U * y_units / p + (e + 8.0 * EW_U) * r};
}

/* Paths of small steps only (add): P^n - e^eps Q^n, P and Q the masses of a small step. */
int ew_add_small(ew_contour *ct, const ew_job *j, const ew_law *law)
{
    const ew_model *m = j->m;
    const double n = m->n;
    ew_nodes nd;
    /* an error of Q is worth 1/(1-q) of one of P at most: e^eps Q^n <= P^n, P <= Q/(1-q) */
    double err = mass_nodes(&nd, j, law, EW_SMALL, log(j->tol) + j->log_delta - log(n) - 3.0,
                            law->edge ? 0.0 : -m->log1mq - law->origin);
    if (!isfinite(err))
        return 0;
    for (int k = 0; k < nd.count; k++) {
        const double log_term = nd.lw[k] + nd.cls[EW_SMALL][k];
        err += vanished(log_term) + vanished(log_term + log(expm1(nd.lp[k]) + 1e-300));
    }
    const masses s = counted(&nd, m);
    const double a = n * s.log_p, gap = j->eps + n * m->log1mq, x = gap + n * s.ratio;
    const double fixed = -exp(a - j->log_delta) * expm1(x), moving = exp(a + x - j->log_delta);
    ct->fixed += fixed;
    ct->moving += moving;
    ct->rate = fmax(ct->rate, 1.0);
    const double e = n * err * 3.0 * exp(-j->log_delta) +
                     moving * (n * s.ratio_err + EW_U * (4.0 * (fabs(j->eps) - n * m->log1mq) + 4.0 * fabs(x))) +
                     fabs(fixed) * (n * s.p_err + EW_U * (20.0 + 4.0 * fabs(a) + 4.0 * fabs(j->log_delta)));
    ct->low += e;
    ct->high += e;
    return 1;
}
