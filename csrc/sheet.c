/* sheet.c - the law of one loss on its quadrature nodes: K and its slopes under any tilt that they serve. */
#include "kernels.h"
#include "special.h"
#include "tilt.h"

#include <math.h>

static const double BUDGET = 34.0; /* e^-34 = 2e-15, of bounds that are a hundred times too large in practice */

EW_CLONES
static void fill_one_sided(ew_sheet *sheet, const ew_plan *plan, double sign)
{
    const ew_model *m = sheet->m;
    const double s = m->s, q = m->q, rest = 1.0 - m->q, shift = m->shift, g = sign > 0.0 ? 1.0 : 0.0;
    double *loss = sheet->loss, *lw = sheet->lw;
#pragma omp simd
    for (int i = 0; i < plan->count; i++) {
        const double y = (plan->first + i) * plan->hy, u = s * y + shift, x = q * ew_k_expm1(y),
                     v = rest + q * ew_k_exp(y);
        const double near = ew_k_log1p(x > -0.5 ? x : -0.5), far = ew_k_log_of(v, v - 1.0, 0.0),
                     l = x > -0.5 ? near : far;
        loss[i] = sign * l;
        lw[i] = g * l - 0.5 * u * u;
    }
}

static void fill_replace(ew_sheet *sheet, const ew_plan *plan)
{
    const ew_model *m = sheet->m;
    for (int i = 0; i < plan->count; i++) {
        const double y = (plan->first + i) * plan->hy, u = m->s * y, up = m->odds * exp(y), um = m->odds * exp(-y),
                     far = y >= 0.0 ? um : up;
        sheet->loss[i] = copysign(log1p(2.0 * m->odds * sinh(fabs(y)) / (1.0 + far)), y);
        sheet->lw[i] = m->log1mq + log1p(up) - 0.5 * u * u;
    }
}

int ew_sheet_fill(ew_sheet *sheet, const ew_model *m, double low, double high, int order, ew_scratch *ws)
{
    ew_plan plan;
    *sheet = (ew_sheet){
        m,  0, low, high, ws->coarse[0], ws->coarse[1], ws->coarse[2], {ws->coarse[4], ws->coarse[5], ws->coarse[6]},
        0.0};
    if (!ew_plan_nodes(&plan, m, low, high, order, BUDGET, ws->coarse[3]))
        return 0;
    sheet->count = plan.count;
    if (m->kind == EW_KIND_REPLACE)
        fill_replace(sheet, &plan);
    else
        fill_one_sided(sheet, &plan, m->kind == EW_KIND_ADD ? -1.0 : 1.0);
    sheet->log_norm = 0.5 * EW_LOG_2PI - log(m->s * plan.hy);
    return 1;
}

int ew_sheet_near(const ew_model *m, double c)
{
    return fabs(c) * m->q < 3.0 * m->s;
}

int ew_sheet_cover(ew_sheet *sheet, const ew_model *m, double c, int order, ew_scratch *ws)
{
    if (sheet->count && c >= sheet->low && c <= sheet->high)
        return 1;
    const double wide = 0.2 + 0.2 * fabs(c);
    const int near = ew_sheet_near(m, c); /* K may be tiny: both laws, too */
    if (ew_sheet_fill(sheet, m, near ? fmin(-1.0, c - wide) : c - wide, near ? fmax(0.0, c + wide) : c + wide, order,
                      ws))
        return 1;
    sheet->count = 0;
    return 0;
}

/* M - 1 = E[g (E2(z loss) + z E2(-loss))] where the nodes hold both laws, terms of one sign outside (-1, 0); else log M
 * itself. */
double ew_sheet_k(const ew_sheet *sheet, double c)
{
    double m0 = 0.0, top = -INFINITY, sum = 0.0;
    for (int i = 0; i < sheet->count; i++)
        top = fmax(top, sheet->lw[i] - sheet->log_norm + c * sheet->loss[i]);
    if (sheet->low > -1.0 || sheet->high < 0.0 || top > 600.0) {
        for (int i = 0; i < sheet->count; i++)
            sum += exp(sheet->lw[i] - sheet->log_norm + c * sheet->loss[i] - top);
        return top + log(sum);
    }
    for (int i = 0; i < sheet->count; i++) {
        const double l = sheet->loss[i], x = c * l, lw = sheet->lw[i] - sheet->log_norm;
        if (fmax(fabs(x), fabs(l)) < 30.0)
            m0 += exp(lw) * (ew_expm1mx(x) + c * ew_expm1mx(-l));
        else
            m0 += exp(lw + x) - exp(lw) * (1.0 + x) + c * (exp(lw - l) - exp(lw) * (1.0 - l));
    }
    return log1p(fmax(m0, -1.0 + 1e-300));
}

/* log of the largest weight */
double ew_sheet_largest(const ew_sheet *sheet, double c)
{
    double top = -INFINITY;
    for (int i = 0; i < sheet->count; i++) {
        const double e = sheet->lw[i] + c * sheet->loss[i];
        top = e > top ? e : top;
    }
    return top;
}

EW_CLONES
void ew_sheet_slopes(double out[2], const ew_sheet *sheet, double c, double at)
{
    const double top = ew_sheet_largest(sheet, c), *lw = sheet->lw, *loss = sheet->loss;
    double s0 = 0.0, s1 = 0.0, s2 = 0.0;
#pragma omp simd reduction(+ : s0, s1, s2)
    for (int i = 0; i < sheet->count; i++) {
        const double d = loss[i] - at, p = ew_k_exp(lw[i] + c * loss[i] - top);
        s0 += p;
        s1 += p * d;
        s2 += p * d * d;
    }
    out[0] = s1 / s0;
    out[1] = fmax(0.0, s2 / s0 - out[0] * out[0]);
}
