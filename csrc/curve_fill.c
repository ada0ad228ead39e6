/* curve_fill.c - a curve with all that belongs to it, and the error of its sums against the integral (curve.c). */
#include "curve_points.h"

#include <math.h>

enum { CELLS = EW_KMAX / 4 }; /* beyond, it takes too long */

static void bind(ew_path *p, double (*rows)[CELLS])
{
    *p = (ew_path){.g = rows[0],
                   .l = rows[1],
                   .a = rows[2],
                   .k0 = rows[3],
                   .k1 = rows[4],
                   .ur = rows[5],
                   .ui = rows[6],
                   .log_y = rows[7],
                   .lm = rows[8],
                   .am = rows[9],
                   .lr = rows[10],
                   .la = rows[11],
                   .gg = rows[12],
                   .ll = rows[13]};
}

static void fixed_exponents(const ew_curve *cu, ew_path *p)
{
    p->zero = exp(ew_path_log(&p->zero_ends, cu, p, 0.0, 0.0, -INFINITY));
    p->one = exp(ew_path_log(&p->one_ends, cu, p, 1.0, 0.0, -INFINITY));
}

int ew_curve_fill(ew_curve *cu, const ew_model *m, int kind, double eta, double slope, double strip, double hy,
                  double left, double right, ew_scratch *ws)
{
    const double odds = ew_log_odds(m), step = ew_trim(hy, 24), coarse = fmin(0.2, 0.25 / m->s),
                 to = fmax((right - m->shift) / m->s, 3.2 - odds),
                 from = m->kind == EW_KIND_REPLACE ? -to : fmin((left - m->shift) / m->s, -odds - 2.4);
    if (!((to - from + coarse) / step < CELLS - 4 && (to - from) / coarse < CELLS - 4))
        return 0;
    const int cells = (int)ceil((to - from) / coarse); /* the nodes reach as far as they do */
    double (*rows)[EW_KMAX] = ws->fine;
    *cu = (ew_curve){.m = m,
                     .eta = eta,
                     .slope = slope,
                     .strip = strip,
                     .coarse = coarse,
                     .cells = cells + 1,
                     .first = from,
                     .hy = step,
                     .count = (int)(ceil((from + cells * coarse) / step) - floor(from / step)) + 2,
                     .from = floor(from / step) * step,
                     .kind = kind,
                     .wr = rows[0],
                     .wi = rows[1],
                     .size = rows[2],
                     .l = rows[3],
                     .a = rows[4],
                     .back_r = rows[5],
                     .back_i = rows[6],
                     .bad_w = rows[7],
                     .bad = rows[8],
                     .bad_back = rows[9],
                     .scratch = rows[10]};
    double (*paths)[CELLS] = (double (*)[CELLS])ws->coarse;
    bind(&cu->on, paths);
    bind(&cu->above, paths + 14);
    bind(&cu->below, paths + 28);
    if (!ew_path_fill(&cu->on, cu, 0.0) || !ew_path_fill(&cu->above, cu, strip) ||
        !ew_path_fill(&cu->below, cu, -strip))
        return 0;
    fixed_exponents(cu, &cu->on);
    fixed_exponents(cu, &cu->above);
    fixed_exponents(cu, &cu->below);
    return isfinite(cu->on.one + cu->above.one + cu->below.one + cu->on.zero + cu->above.zero + cu->below.zero);
}

double ew_curve_error(int window[2], ew_curve *cu, const double x[2], const double t[2], double floor)
{
    if (!cu->ready)
        ew_curve_nodes(cu);
    /* of the paths: by zeta */
    const double up = cu->kind == EW_BRACKETED ? 1.0 : 0.0,
                 factor = cu->m->kind == EW_KIND_REPLACE ? exp(cu->m->log1mq) : 1.0;
    double most = 0.0;
    for (int i = 0; i < 2; i++) {
        double ends, between = 0.0;
        const double z = cu->kind == EW_BRACKETED ? hypot(x[i], t[i]) : 0.0, zeta = x[i] + up,
                     g = cu->kind == EW_BRACKETED && cu->m->kind == EW_KIND_REMOVE ? exp(zeta * cu->m->log1mq) : factor;
        const ew_path *path[2] = {&cu->above, &cu->below};
        ew_path_log(&ends, cu, &cu->on, zeta, t[i], floor);
        for (int k = 0; k < 2; k++)
            between += g * exp(ew_path_log(0, cu, path[k], zeta, t[i], -40.0)) + path[k]->one * up * (1.0 + z) +
                       path[k]->zero * (cu->kind == EW_BRACKETED ? z : 1.0);
        most =
            fmax(most, between / expm1(2.0 * EW_PI * cu->strip / cu->hy) + g * ends + cu->on.one_ends * up * (1.0 + z) +
                           cu->on.zero_ends * (cu->kind == EW_BRACKETED ? z : 1.0));
    }
    /* |w (E2(z loss) + z E2(-loss))| <= w (1 + |z| (2 + |e^{-loss}|) + |e^{z loss}|), |w (e^A - 1)| <= w (1 + |e^A|) */
    double lost = 0.0;
    const double far = 1.0 + (cu->kind == EW_BRACKETED ? hypot(fmax(fabs(x[0]), fabs(x[1])), fmax(t[0], t[1])) : 0.0),
                 least = exp(floor);
    int at[2] = {0, cu->count - 1};
    for (int side = 0; side < 2; side++)
        for (; at[0] <= at[1]; at[side] += side ? -1 : 1) {
            const int k = at[side];
            const double f = fmax(x[0] * cu->l[k] - t[0] * cu->a[k], x[1] * cu->l[k] - t[1] * cu->a[k]),
                         v = cu->size[k] * (exp(fmin(700.0, f)) + far * (2.0 + exp(fmin(700.0, -cu->l[k]))));
            if (!(v < least))
                break;
            lost += v;
        }
    window[0] = at[0];
    window[1] = at[1] + 1;
    return most + lost * (1.0 + 1e-9);
}
