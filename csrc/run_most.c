/* run_most.c - runs of bounded loss near their largest one, without a transform.
 *
 * Above    S <= most = sum n top always: delta(eps) <= 1 - e^{eps - most}, exactly 0 from there on.
 * Below    every step within y of its top has a probability of at least Pi = prod P(loss >= top - y)^n, and S >= most -
 *          N y then, N steps in all: delta(eps) >= Pi (1 - e^{eps - most + N y}), hence epsilon(delta) >= most - N y +
 *          log(1 - delta/Pi).  Any y > 0 will do; atoms at the top want a small one, densities one that leaves some.
 * Mixture  P at 0 alone: the loss grows with u, so it is >= top - y beyond any u where it is.
 */
#include "compose.h"
#include "special.h"

#include <math.h>

/* log v_P - log v_Q with P at 0 alone and a part of Q there: at most -log of that part's weight */
static double mixture_most(const ew_layer *ly)
{
    double weight = 0.0;
    for (int i = 0; i < ly->p; i++)
        if (ly->first[i].at > 0.0)
            return INFINITY;
    for (int i = ly->p; i < ly->p + ly->q; i++)
        weight += ly->first[i].at == 0.0 ? ly->first[i].weight : 0.0;
    return weight > 0.0 ? -log(weight) : INFINITY;
}

static double part_most(const ew_part *part)
{
    double top = -INFINITY;
    for (int j = 0; j < part->layers; j++) {
        const ew_layer *ly = &part->layer[j];
        if (ly->kind == EW_MIXTURE)
            top = fmax(top, mixture_most(ly));
        if (ly->kind == EW_LAPLACE)
            top = fmax(top, 1.0 / ly->scale);
        for (int k = 0; ly->kind == EW_ATOMS && k < ly->p; k++)
            top = fmax(top, ly->first[k].at);
    }
    return top;
}

/* The sum, and how far rounding may have taken it. */
static double sum_most(double *room, const ew_run *run)
{
    double most = 0.0, size = 0.0;
    for (int i = 0; i < run->parts; i++) {
        const double top = part_most(&run->part[i]);
        most += run->part[i].n * top;
        size += run->part[i].n * (2.0 + fabs(top));
    }
    *room = EW_U * (run->parts + 8.0) * size;
    return most;
}

/* An upper bound of the total loss; INFINITY if there is none. */
double ew_run_most(const ew_run *run)
{
    double room;
    return run->mu2 > 0.0 ? INFINITY : sum_most(&room, run) + room;
}

/* A lower bound of P(loss >= top - y), y above the rounding of losses near the top. */
static double near_top(const ew_layer *ly, double top, double y)
{
    if (ly->kind == EW_LAPLACE) /* all x <= 0 */
        return 1.0 / ly->scale >= top - y ? 0.5 : 0.0;
    if (ly->kind == EW_ATOMS) {
        double p = 0.0;
        for (int k = 0; k < ly->p; k++)
            p += ly->first[k].at >= top - y ? ly->first[k].weight : 0.0;
        return p * (1.0 - EW_U * (ly->p + 4.0));
    }
    const double wanted = top - y + 1e-14 * (1.0 + fabs(top));
    double a = -37.0, b = 37.0; /* the loss at b is large enough */
    if (!(mixture_most(ly) < INFINITY) || !(ew_mixture_loss(ly, b) >= wanted))
        return 0.0;
    for (int i = 0; i < 50; i++) {
        const double u = 0.5 * (a + b);
        if (ew_mixture_loss(ly, u) >= wanted)
            b = u;
        else
            a = u;
    }
    const double l = ew_log_ndtr(-b);
    return exp(l) * (1.0 - EW_U * (24.0 + 10.0 * fabs(l) + 4.0 * fabs(b)));
}

void ew_most_near(ew_near *near, const ew_run *run)
{
    double room;
    near->most = sum_most(&room, run) - room;
    for (int k = 0; k < EW_NEARS; k++) {
        const double f = pow(0.1, k + 1);
        double log_pi = 0.0, size = 0.0, fall = 0.0;
        for (int i = 0; i < run->parts; i++) {
            const ew_part *part = &run->part[i];
            const double top = part_most(part), y = fmax(f * fabs(top), 1e-13 * (1.0 + fabs(top)));
            double p = 0.0;
            for (int j = 0; j < part->layers; j++)
                p += part->layer[j].share * near_top(&part->layer[j], top, y);
            const double log_p = log(fmin(1.0, p));
            log_pi += part->n * log_p;
            size += part->n * (8.0 + part->layers + 2.0 * fabs(log_p));
            fall += part->n * y;
        }
        near->log_pi[k] = log_pi - EW_U * (size + run->parts * fabs(log_pi));
        near->fall[k] = fall * (1.0 + EW_U * (run->parts + 4.0));
    }
}

double ew_most_delta(const ew_near *near, double eps)
{
    double best = 0.0;
    for (int k = 0; k < EW_NEARS; k++) {
        const double x = near->most - near->fall[k] - eps, room = 4.0 * EW_U * (fabs(near->most) + fabs(eps));
        if (x > room)
            best = fmax(best, exp(near->log_pi[k]) * -expm1(room - x) * (1.0 - 1e-12));
    }
    return best;
}

double ew_most_epsilon(const ew_near *near, double log_delta)
{
    double best = 0.0;
    for (int k = 0; k < EW_NEARS; k++) {
        const double share = exp(log_delta - near->log_pi[k]) * (1.0 + 1e-12);
        if (share < 1.0)
            best = fmax(best, near->most - near->fall[k] + log1p(-share) - 8.0 * EW_U * (1.0 + fabs(near->most)));
    }
    return best;
}
