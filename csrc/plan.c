/* plan.c - which trapezoidal nodes the moments of the loss need.
 *
 * The integrand of the k-th moment is phi(u) v_+^a v_-^b (loss - mean)^k, (a, b) = (1+c, 0) remove, (-c, 0) add, (1+c,
 * -c) replace.  It is analytic for |Im u| < pi s, so the rule of step hu errs by at most 2 N_y/(e^{2 pi y/hu} - 1), N_y
 * its integral along Im u = y (MATH.md section 2).  With theta = y/s, relative to the k-th absolute moment,
 *     N_y <= e^{y^2/2} cos(theta/2)^{-(a_- + b_-)} (1 + e y^2/k)^{k/2} 8^{k theta/pi}
 * where the first power is that of a Gaussian loss, E(u^2 + y^2)^{k/2} against E|u|^k, and the second covers the
 * logarithm near its branch point: |log|v|| and arg v move by at most |log cos(theta/2)| and theta there.
 */
#include "tilt.h"

#include <math.h>

double ew_plan_log_v(const ew_model *m, double y)
{
    const double x = m->q * expm1(fmin(y, 690.0));
    return x > -0.5 ? log1p(x) : log((1.0 - m->q) + m->q * exp(y));
}

static double step(const ew_model *m, double c, int order, double budget)
{
    static const double part[] = {0.25, 0.4, 0.6, 0.75, 0.85, 0.93};
    const double a = m->kind == EW_KIND_ADD ? -c : 1.0 + c, b = m->kind == EW_KIND_REPLACE ? -c : 0.0;
    const double minus = fmax(0.0, -a) + fmax(0.0, -b), k = order > 1 ? order : 1;
    double best = 0.0;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        const double y = part[i] * fmin(EW_PI * m->s, 12.0), theta = y / m->s;
        const double rise = 0.5 * y * y - (minus > 0.0 ? minus * log(cos(0.5 * theta)) : 0.0) +
                            0.5 * k * log1p(0x1.5bf0a8b145769p+1 /* e */ * y * y / k) +
                            k * theta * (0x1.0a2b23f3bab73p+1 /* log 8 */ / EW_PI);
        best = fmax(best, 2.0 * EW_PI * y / (budget + rise));
    }
    return best;
}

/* The nodes that count: hull of where the integrands of moments 0 and `order` are within e^-budget of their largest. */
static int hull(double *from, double *to, const ew_model *m, double c, int order, double budget, double *scratch)
{
    const double s = m->s, d = 1.2, reach = sqrt(2.0 * budget) + 2.0 + sqrt((double)order);
    const int two = m->kind == EW_KIND_REPLACE;
    const double a = m->kind == EW_KIND_ADD ? -c : 1.0 + c, b = two ? -c : 0.0;
    const double right = (fmax(0.0, a) + (two ? fabs(b) : 0.0) + order) / s + reach;
    const double left =
        (two ? fabs(a) + fabs(b) + order : fmax(0.0, -a) * fmin(1.0, m->odds * exp(fmin(700.0, -m->shift / s)))) / s +
        reach;
    if (!(left + right < 0.4 * EW_KMAX))
        return 0;
    const int count = (int)((left + right) / d) + 1;
    double top[2] = {-INFINITY, -INFINITY}, *level = scratch, *more = scratch + EW_KMAX / 2;
    for (int i = 0; i < count; i++) {
        const double u = -left + i * d, y = (u - m->shift) / s;
        double v, w = 0.0, l;
        if (two) {
            v = m->log1mq + log1p(m->odds * exp(fmin(y, 690.0)));
            w = m->log1mq + log1p(m->odds * exp(fmin(-y, 690.0)));
            l = v - w;
        } else {
            l = v = ew_plan_log_v(m, y);
        }
        level[i] = -0.5 * u * u + a * v + b * w;
        more[i] = level[i] + order * log(fabs(l) + 1e-300);
        top[0] = fmax(top[0], level[i]);
        top[1] = fmax(top[1], more[i]);
    }
    int i0 = 0, i1 = count - 1;
    while (i0 < i1 && level[i0] < top[0] - budget && more[i0] < top[1] - budget)
        i0++;
    while (i1 > i0 && level[i1] < top[0] - budget && more[i1] < top[1] - budget)
        i1--;
    *from = fmin(*from, -left + (i0 - 1) * d);
    *to = fmax(*to, -left + (i1 + 1) * d);
    return 1;
}

int ew_plan_nodes(ew_plan *plan, const ew_model *m, double low, double high, int order, double budget, double *scratch)
{
    double from = INFINITY, to = -INFINITY;
    if (!hull(&from, &to, m, low, order, budget, scratch) ||
        (high > low && !hull(&from, &to, m, high, order, budget, scratch)))
        return 0;
    const double hu = fmin(step(m, low, order, budget), step(m, high, order, budget));
    const double hy = ew_trim(hu / m->s, 24), i0 = floor((from - m->shift) / (m->s * hy)),
                 i1 = ceil((to - m->shift) / (m->s * hy));
    if (!(i1 - i0 < EW_KMAX - 8) || !(fmax(fabs(i0), fabs(i1)) * hy < 690.0))
        return 0;
    *plan = (ew_plan){hy, (int)i0, (int)(i1 - i0) + 1};
    return 1;
}
