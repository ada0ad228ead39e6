/* run_nodes.c - what the inversions of a run share: the generating function at the nodes of a vertical line, and bounds
 * of the aliases.
 *
 * Alias    T_h = sum_k e^{c k x} f(eps + k x) of any f with |f(eps)| <= G(c2) e^{-c2 eps} m(c2) (Chernoff, any c2 > 0):
 *          the terms k > 0 add up to at most G(c2) e^{-c2 eps} m(c2) e^{-d x}/(1 - e^{-d x}), d = c2 - c > 0; k < 0 the
 *          same, d = c - c2; or, as |f| <= 1, e^{-c x}/(1 - e^{-c x}).
 */
#include "compose.h"

#include <math.h>

/* log of a bound of |kernel's function of the loss| e^{-c2 loss} */
static double log_most(double c2, double w2)
{
    const double m = ew_log_kernel(c2);
    return w2 > 0.0 ? log(exp(m) + 1.0 + exp(w2 * (c2 + 1.0))) : m;
}

void ew_shifts_at(ew_shifts *s, const ew_total *to, double eps, double x, double w2)
{
    const double c = to->c, scale = to->log_delta, d = x / fmax(to->k2, 1e-200);
    *s = (ew_shifts){.count = {0, 1}};
    s->d[1][0] = c; /* delta <= 1 */
    s->v[1][0] = -scale + (w2 > 0.0 ? log(2.0 + exp(w2)) : 0.0) + 1e-9;
    double best = INFINITY;
    for (int side = 0; side < 2; side++) {
        const double most = side ? 0.8 * c : fmax(1e-3, to->c_max - c);
        double f = fmin(d, most);
        if (side && s->v[1][0] - c * x < best - 5.0) /* small beside the other side's already */
            break;
        best = INFINITY;
        /* smaller ones where the generating function explodes far ahead */
        for (int i = 0; i < EW_SHIFTS - 1; i++, f *= 0.6) {
            const double c2 = side ? c - f : c + f, v = ew_total_chernoff(to, c2) - c2 * eps + log_most(c2, w2) -
                                                        scale + 1e-9 * (1.0 + c2 * fabs(eps));
            if (isfinite(v)) {
                s->d[side][s->count[side]] = f;
                s->v[side][s->count[side]++] = v;
                if (v - f * x > best)
                    break;
                best = v - f * x;
            }
        }
    }
}

/* log of the aliases at distance x; *rate: the largest abscissa used */
double ew_alias_log(double *rate, const ew_shifts *s, double c, double x)
{
    double best[2] = {INFINITY, INFINITY};
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < s->count[side]; i++) {
            const double d = s->d[side][i], e = s->v[side][i] - d * x - log(-expm1(-d * x));
            if (e < best[side]) {
                best[side] = e;
                if (side == 0)
                    *rate = c + d;
            }
        }
    return ew_lse(best[0], best[1]);
}

/* Quadrature nodes of all parts. */
double ew_run_nodes(const ew_total *to)
{
    double sum = 0.0;
    for (int i = 0; i < to->run->parts; i++)
        sum += to->tb[i].count;
    return sum;
}

/* Relative error of G(c) e^{-c eps}/e^{scale}: of every node the same. */
double ew_run_fixed(ew_total *to, double eps)
{
    const double c = to->c;
    double fixed = 40.0 * EW_U, sizes = 0.5 * to->mu2 * c * (c + 1.0);
    for (int i = 0; i < to->run->parts; i++) {
        ew_table *tb = &to->tb[i];
        ew_table_errors(tb);
        fixed += tb->part->n * tb->real_err;
        sizes += tb->part->n * fabs(tb->log_m);
    }
    return fixed + EW_U * ((4.0 + to->run->parts) * sizes + 4.0 * (c * fabs(eps) + fabs(to->log_delta)));
}

/* The parts' product at t = 0, h, .. J h.  0: the arena is too small. */
int ew_run_powers(ew_powers *pw, const ew_total *to, double h, int J, ew_arena *arena)
{
    const int parts = to->run->parts;
    int nodes = 0;
    for (int i = 0; i < parts; i++)
        nodes = to->tb[i].count > nodes ? to->tb[i].count : nodes;
    double **all[] = {&pw->log_mod, &pw->angle, &pw->err, &pw->size};
    for (int i = 0; i < 4; i++)
        *all[i] = ew_take(arena, (size_t)J + EW_TABLE_BLOCK + 1, sizeof(double));
    ew_turns tn;
    if (!ew_turns_take(&tn, nodes, arena))
        return 0;
    for (int j = 0; j <= J; j++)
        pw->log_mod[j] = pw->angle[j] = pw->err[j] = pw->size[j] = 0.0;
    for (int i = 0; i < parts; i++) {
        const ew_table *tb = &to->tb[i];
        const double n = tb->part->n;
        ew_table_turn(&tn, tb, h);
        for (int from = 0; from <= J; from += EW_TABLE_BLOCK) {
            double l[EW_TABLE_BLOCK], a[EW_TABLE_BLOCK], e[EW_TABLE_BLOCK];
            const int count = J + 1 - from < EW_TABLE_BLOCK ? J + 1 - from : EW_TABLE_BLOCK;
            ew_table_block(l, a, e, tb, &tn, h, from, count);
            for (int j = 0; j < count; j++) {
                pw->log_mod[from + j] += n * l[j];
                pw->angle[from + j] += n * a[j];
                pw->err[from + j] += n * log1p(e[j]);
                pw->size[from + j] += n * (fabs(l[j]) + fabs(a[j]));
            }
        }
    }
    return 1;
}
