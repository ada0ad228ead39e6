/* The nodes beside the real axis (turned.c) against long double sums on it. */
#include <complex.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "rooms.h"

/* M(z) - 1 of one step, by so many nodes that only the rounding of long doubles is left */
static long double complex mgf_less_1(const ew_model *m, long double complex z, long double step)
{
    const long double s = m->s, q = m->q;
    long double complex sum = 0.0L;
    const long double reach = (1.0L + 2.0L * creall(z)) / s + 14.0L;
    const long k0 = (long)floorl(-reach / step), k1 = (long)ceill(reach / step);
    for (long k = k0; k <= k1; k++) {
        const long double u = (long double)k * step, density = step * expl(-0.5L * u * u) / sqrtl(2.0L * acosl(-1.0L));
        long double loss, log_g;
        if (m->kind == EW_KIND_REPLACE) {
            const long double up = log1pl(q * expm1l(u / s - 0.5L / (s * s))),
                              down = log1pl(q * expm1l(-u / s - 0.5L / (s * s)));
            loss = up - down;
            log_g = up;
        } else {
            const long double l = log1pl(q * expm1l((u - 0.5L / s) / s));
            loss = m->kind == EW_KIND_ADD ? -l : l;
            log_g = m->kind == EW_KIND_ADD ? 0.0L : l;
        }
        const long double complex x = z * loss;
        const long double complex e =
            cabsl(x) < 1e-3L ? x * x * (0.5L + x * (1.0L / 6 + x * (1.0L / 24 + x / 120.0L))) : cexpl(x) - 1.0L - x;
        const long double back = fabsl(loss) < 1e-3L
                                     ? loss * loss * (0.5L - loss * (1.0L / 6 - loss * (1.0L / 24 - loss / 120.0L)))
                                     : expm1l(-loss) + loss;
        sum += density * expl(log_g) * (e + z * back);
    }
    return sum;
}

void turned(void)
{
    static const double sigma[] = {0.15, 0.4, 1.0, 2.5}, q[] = {1e-9, 1e-4, 0.02, 0.5}, tilt[] = {0.3, 4.0};
    ew_scratch *ws = malloc(sizeof *ws);
    int made = 0;
    for (int kind = EW_KIND_REMOVE; ws && kind <= EW_KIND_REPLACE; kind++)
        for (int i = 0; i < 32; i++) {
            ew_model m;
            ew_nodes nd;
            ew_moments at;
            ew_model_init(&m, kind, sigma[i % 4], q[i / 4 % 4], 1000.0);
            const ew_law law = {.m = &m};
            const double c = tilt[i / 16], h = 7.0, theta = fmin(1.2, 2.0 / m.s);
            const int J = 5;
            const double reach = (1.0 + 2.0 * c) / m.s + 12.0;
            ew_nodes_bind(&nd, ws->fine);
            if (!ew_nodes_fill(&nd, &law, 0.05 * m.s, -reach, reach))
                continue;
            ew_moments_at(&at, &nd, c);
            if (!(at.m < 1e30) || !ew_turned(&nd, &m, theta, &at, h, J, ws))
                continue;
            made++;
            for (int j = 1; j <= J; j += 4) {
                const long double complex wanted = mgf_less_1(&m, c + I * (long double)(j * h), 0.005L * m.s);
                const double off = (double)hypotl((long double)(at.m0 + ws->sums[0][j]) - creall(wanted),
                                                  (long double)ws->sums[1][j] - cimagl(wanted)),
                             allowed = ws->sums[2][j] + 1e-15 * (fabs(at.m0) + fabs(ws->sums[0][j]));
                check(off <= allowed, "M beside the real axis", off, allowed);
                const double size = (double)cabsl(wanted) + at.m0 + m.q * m.q * h * h * J * J;
                check(ws->sums[2][j] <= 1e-9 * size, "and its rounding", ws->sums[2][j], 1e-9 * size);
            }
        }
    free(ws);
    check(made > 60, "settings within range", made, 60);
}
