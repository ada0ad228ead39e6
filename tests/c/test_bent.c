/* The curve beside the real axis (curve.c) against long double sums on it; the rule of the panels (bent_rule.h). */
#include <complex.h>
#include <math.h>
#include <stdlib.h>

#include "bent_rule.h"
#include "check.h"
#include "curve.h"

enum { POINTS = 4 };

/* E[e^A] or M(z) of one step as the curve sums it, less 1 but for EW_WHOLE_SUM */
static long double complex wanted_at(const ew_model *m, int kind, long double complex z, long double step)
{
    const long double s = m->s, q = m->q, edge = log1pl(-q), shift = (long double)m->shift;
    long double complex sum = 0.0L;
    const long double reach = (2.0L + 2.0L * cabsl(z)) / s + 14.0L;
    for (long k = (long)floorl(-reach / step); k <= (long)ceill(reach / step); k++) {
        const long double u = (long double)k * step, density = step * expl(-0.5L * u * u) / sqrtl(2.0L * acosl(-1.0L));
        long double complex a; /* exponent */
        long double log_g = 0.0L;
        if (m->kind == EW_KIND_REPLACE) {
            const long double up = log1pl(q * expm1l(u / s - 0.5L / (s * s))),
                              down = log1pl(q * expm1l(-u / s - 0.5L / (s * s)));
            a = z * (up - down);
            log_g = up;
        } else {
            const long double l = log1pl(q * expm1l((u - shift) / s));
            a = kind == EW_BRACKETED ? z * l : z * (l - edge);
            log_g = kind == EW_BRACKETED ? l : 0.0L;
        }
        const long double complex less =
            cabsl(a) < 1e-4L ? a * (1.0L + a * (0.5L + a * (1.0L / 6 + a / 24.0L))) : cexpl(a) - 1.0L;
        sum += density * expl(log_g) * (kind == EW_WHOLE_SUM ? cexpl(a) : less);
    }
    return sum;
}

static void sums(void)
{
    static const double sigma[] = {0.2, 0.5, 1.0, 2.5}, q[] = {1e-9, 1e-4, 0.02, 0.4},
                        height[] = {0.0, 0.25, 0.5, 1.0}, slope[] = {0.0, 0.15, 0.35, 0.7};
    ew_scratch *ws = malloc(sizeof *ws);
    int made = 0;
    for (int i = 0; ws && i < 4 * 4 * 4 * 4; i++) {
        static const int kinds[] = {EW_LESS, EW_WHOLE_SUM, EW_BRACKETED, EW_BRACKETED};
        const int kind = kinds[i / 64];
        ew_model m;
        ew_curve cu;
        ew_model_init(&m, i / 64 == 3 ? EW_KIND_REPLACE : EW_KIND_REMOVE, sigma[i % 4], q[i / 4 % 4], 1.0);
        const double eta = fmin(1.2, 2.2 / m.s), strip = 0.5 * eta, /* on the real axis terms of e^{(x/s)^2/2} cancel */
                     x[2] = {1.5 * m.s, 2.5 * m.s}, t[2] = {2.0 * m.s, 6.0 * m.s};
        if (!ew_curve_fill(&cu, &m, kind, eta * height[i / 16 % 4], slope[i / 16 % 4], strip, strip / 7.0, -12.0,
                           12.0 + 4.0 / m.s, ws))
            continue;
        int window[2];
        const double between = ew_curve_error(window, &cu, x, t, -80.0), far = hypot(x[1], t[1]);
        double zx[EW_PANEL], zt[EW_PANEL], re[EW_PANEL], im[EW_PANEL], err[EW_PANEL];
        for (int j = 0; j < EW_PANEL; j++) {
            zx[j] = x[0] + (x[1] - x[0]) * (j % POINTS) / (POINTS - 1.0);
            zt[j] = t[0] + (t[1] - t[0]) * (j % POINTS) / (POINTS - 1.0);
        }
        ew_curve_sums(re, im, err, &cu, zx, zt, window);
        made += between < 1e-9;
        for (int j = 0; j < POINTS; j++) {
            const long double complex wanted = wanted_at(&m, kind, zx[j] + I * (long double)zt[j], 0.01L * m.s);
            const double off = (double)cabsl(re[j] + I * (long double)im[j] - wanted), size = (double)cabsl(wanted);
            check(off <= err[j] + between + 1e-17 * size, "sum along the curve", off, err[j] + between);
            if (kind == EW_WHOLE_SUM) {
                const double most = ew_path_log(0, &cu, &cu.on, zx[j], zt[j], -40.0);
                check(log(size) <= most, "bound of the sum", log(size), most);
            } else {
                const double most = exp(ew_curve_excess(&cu, zx[j], zt[j], far)) +
                                    (kind == EW_BRACKETED ? far * exp(ew_curve_excess(&cu, -1.0, 0.0, 1.0)) : 0.0);
                check(size <= most, "bound of the sum less 1", size, most);
                check(size <= far * ew_curve_first(&cu, zx[j], zt[j]), "and to first order", size, most);
            }
        }
    }
    free(ws);
    check(made > 200, "curves whose sums are exact enough", made, 200);
}

void bent(void)
{
    for (int k = 0; k < 64; k += 2) { /* exact for polynomials of degree 63 */
        double sum = 0.0;
        for (int j = 0; j < 16; j++)
            sum += 2.0 * gauss_weight[j] * pow(gauss_node[j], k);
        near("Gauss's rule", sum, 2.0 / (k + 1), 4e-15);
    }
    sums();
}
