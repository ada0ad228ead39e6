/* counted.c - the parts of delta that need no line: paths with a big step, and for `add` paths of small steps only
 * (split.c). */
#include "split.h"
#include "kernels.h"

#include <math.h>

/* Nodes that give masses of the steps under both laws, the second times e^lift, to e^{target}; returns the bound of
 * their errors, NaN: too many nodes. */
static double mass_nodes(ew_nodes *nd, const ew_job *j, const ew_law *law, int weight, double target, double lift)
{
    const ew_model *m = j->m;
    const double y = fmin(1.4 * m->s, 0.7 * j->width);
    const double n_y =
        ew_lse(ew_survey(law, weight, 0.0, 0.0, y), ew_survey(law, weight, -1.0, 0.0, y) + lift) + log(2.0);
    double from = -10.5 - 1.0 / m->s, to = j->top, lost = INFINITY;
    ew_nodes_bind(nd, j->ws->fine);
    const double hu = fmin(0.5, 2.0 * EW_PI * y / fmax(1.0, n_y - target + 1.0));
    for (int i = 0; i < 10; i++, to += 1.5, from -= 1.5) {
        if (!ew_nodes_fill(nd, law, hu, from, to))
            return NAN;
        lost = exp(ew_survey_ends(law, weight, 0.0, 0.0, 0.0, nd->u[0], nd->u[nd->count - 1], nd->hu)) +
               exp(ew_survey_ends(law, weight, -1.0, 0.0, 0.0, nd->u[0], nd->u[nd->count - 1], nd->hu) + lift);
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
    const double err = mass_nodes(&nd, j, law, EW_BIG, log(j->tol) + j->log_delta - log(n) - 3.0, j->eps);
    if (!isfinite(err) || !isfinite(scale))
        return isfinite(err) ? -1 : 0;
    double *x = nd.p[EW_MID], *chi = nd.p[EW_SMALL];
    for (int k = 0; k < nd.count; k++)
        x[k] = nd.w[k] * exp(-nd.loss[k]);
    const double b = ew_above(chi, &law->far, nd.u, x, nd.count);
    for (int k = 0; k < nd.count; k++)
        x[k] = -nd.w[k] * expm1(-nd.loss[k]);
    const double d = ew_above(chi, &law->far, nd.u, x, nd.count);
    const double none = exp(n * log1p(-b)), second = -expm1(n * log1p(-b)),
                 more = -none * expm1(n * log1p(-d / (1.0 - b)));
    const double moving = second > 0.0 ? exp(j->eps + log(second)) : 0.0,
                 fixed = more - (j->eps < 600.0 ? expm1(j->eps) * second : moving);
    ct->fixed += fixed * scale;
    ct->moving += moving * scale;
    ct->rate = fmax(ct->rate, 1.0);
    const double e = (n * err * 2.2 + (1e-13 + 4.0 * EW_U * fabs(j->eps)) * (fabs(more) + fabs(more - fixed))) * scale;
    ct->low += e;
    ct->high += e;
    return 1;
}

/* Paths of small steps only (add). */
int ew_add_small(ew_contour *ct, const ew_job *j, const ew_law *law)
{
    const ew_model *m = j->m;
    const double n = m->n;
    ew_nodes nd;
    const double err = mass_nodes(&nd, j, law, EW_WHOLE, log(j->tol) + j->log_delta - log(n) - 3.0, 0.0);
    if (!isfinite(err))
        return 0;
    const double a = n * log1p(-nd.out), step = n * log1p(nd.out_gap / (1.0 - nd.out)), x = j->eps + step;
    const double fixed = -exp(a - j->log_delta) * expm1(x), moving = exp(a + x - j->log_delta);
    ct->fixed += fixed;
    ct->moving += moving;
    ct->rate = fmax(ct->rate, 1.0);
    const double e =
        n * err * 3.0 * exp(-j->log_delta) +
        EW_U * (exp(a - j->log_delta) * 16.0 * (fabs(j->eps) + fabs(step)) + 100.0 * fabs(fixed) * (1.0 + n * nd.out));
    ct->low += e;
    ct->high += e;
    return 1;
}
