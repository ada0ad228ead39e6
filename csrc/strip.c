/* strip.c - error of the trapezoidal rule in u, and of cutting it off.
 *
 * Source   MATH.md section 2: for an integrand analytic in |Im u| <= a, |trapezoid - integral| <= 2 N_a / (e^{2 pi a/hu} - 1) with
 *          N_a the largest integral of its modulus over the lines Im u = +-a.
 * Here     Im u = a = theta s turns Y = odds e^y into Y e^{i theta}.  With A = log|1 + Y e^{i theta}|, B = arg(1 + Y e^{i theta}),
 *          |phi(u + i a)| = e^{a^2/2} phi(u) and for all |Im z| <= t
 *              |g e^{z loss}| <= (1-q)^{..} exp(alpha A_+ - beta A_- + t (B_+ + B_-)),
 *          (alpha, beta) = (1+c, 0) remove, (-c, 0) add, (1+c, c) replace.  For 0 < theta < pi
 *              A <= log(1+Y),   A >= log(1+Y) + log cos(theta/2),   A >= 0 (theta <= pi/2) or log sin theta,   B <= theta min(1, Y):
 *          1 + Y e^{i theta} is (1+Y) times a convex combination of 1 and e^{i theta}; B <= theta Y/(1+Y) for Y <= 1.
 *          All bounds are monotone in u, so the integral over a cell is at most its length times values at its ends.
 */
#include "rooms.h"

#include <math.h>

static double turned(double d) /* min(1, Y) from d = Y/(1+Y) */
{
    return d >= 0.5 ? 1.0 : d / (1.0 - d);
}

/* least A on a cell whose smaller Y has d = Y/(1+Y) and l = log(1+Y); exact for theta <= pi/2, where A increases with Y */
static double inner(double d, double l, double co, double half, double floor_a)
{
    const double y = d < 1.0 ? d / (1.0 - d) : 1e300;
    return co >= 0.0 && y < 1e100 ? 0.5 * log1p(y * (2.0 * co + y)) : fmax(l + half, floor_a);
}

static double square_inf(double a, double b) /* least u^2 on [a, b] */
{
    return a * b <= 0.0 ? 0.0 : fmin(a * a, b * b);
}

/* >= log of the integral (and of the trapezoidal sum) of phi g e^{c loss} e^{extra} beyond u, where the slope of its logarithm
 * need not be negative yet: extra is constant, tt multiplies the bound min(1, Y) of the argument; cells of length 1/2 up to the point past which it is. */
static double beyond_log(const ew_model *m, double u, double c, double extra, double tt)
{
    const double s = m->s, two = m->kind == EW_KIND_REPLACE, alpha = m->kind == EW_KIND_ADD ? 0.0 : 1.0 + c;
    const double base = (m->kind == EW_KIND_REMOVE ? 1.0 + c : two ? 1.0 : -c) * m->log1mq - 0.5 * EW_LOG_2PI + extra;
    const double shift = two ? 0.0 : 0.5 / s, step = 0.5, add = m->kind == EW_KIND_ADD ? c : 0.0;
    double sum = 0.0, top = -INFINITY;
    for (int i = 0; i < 4000; i++, u += step) {
        const double y = fmin((u - shift) / s, 705.0), yr = fmin((u + step - shift) / s, 705.0);
        const double here = base - 0.5 * u * u, lm = two ? log1p(m->odds * exp(-yr)) : 0.0, dm = two ? m->odds * exp(-y) : 0.0;
        const double slope = u - (alpha + (two ? c * dm : 0.0)) / s;
        const double turn = fmin(1.0, m->odds * exp(yr));
        const int last = slope > 1.0 && tt * (1.0 - turn) < 1.0;
        double e = last ? tt : tt * turn;
        if (last)
            e += here + (alpha - add) * log1p(m->odds * exp(y)) - c * two * log1p(m->odds * exp(-y)) + log1p(1.0 / slope);
        else
            e += here + alpha * log1p(m->odds * exp(yr)) - add * log1p(m->odds * exp(y)) - c * two * lm + log(1.0 + step);
        if (u < 0.0 && !last)
            e += 0.5 * u * u; /* phi is largest at 0, not at the left end */
        if (yr >= 705.0)
            return INFINITY;
        sum = e > top ? sum * exp(top - e) + 1.0 : sum + exp(e - top);
        top = fmax(top, e);
        if (last)
            return top + log(sum) + 1e-9;
    }
    return INFINITY;
}

double ew_strip_log(const ew_model *m, const ew_nodes *nd, double theta, double c, double t)
{
    const double co = cos(theta), half = log(cos(0.5 * theta)), floor_a = theta <= 0.5 * EW_PI ? 0.0 : log(sin(theta));
    const double alpha = m->kind == EW_KIND_ADD ? -c : 1.0 + c, tt = t * theta;
    const int two = m->kind == EW_KIND_REPLACE;
    const double base = (m->kind == EW_KIND_REMOVE ? 1.0 + c : two ? 1.0 : -c) * m->log1mq - 0.5 * EW_LOG_2PI;
    const double a = theta * m->s, growth = 0.5 * a * a;
    double sum = 0.0, top = -INFINITY;
    for (int i = -1; i < nd->count; i++) {
        const int l = i < 0 ? 0 : i, r = i + 1 < nd->count ? i + 1 : i;
        double e = base;
        if (i < 0 || r == i)
            e -= 0.5 * nd->u[l] * nd->u[l];
        else
            e -= 0.5 * square_inf(nd->u[l], nd->u[r]);
        e += alpha > 0.0 ? alpha * nd->lp[r] : alpha * inner(nd->dp[l], nd->lp[l], co, half, floor_a);
        if (two)
            e -= c * inner(nd->dm[r], nd->lm[r], co, half, floor_a);
        e += tt * (turned(nd->dp[r]) + (two ? turned(nd->dm[l]) : 0.0));
        if (i < 0 && two)
            e += tt * (1.0 - turned(nd->dm[0]));
        if (i < 0) /* everything below the first node; slope of the bound there at most -|u| + c d/s + t theta d/s */
            e += log(1.0 / (nd->hu * fmax(1e-3, -nd->u[0] - (m->kind == EW_KIND_ADD ? c : 0.0) * nd->dp[0] / m->s)));
        else if (r == i) /* above the last */
            e = beyond_log(m, nd->u[i], c, (two ? tt * turned(nd->dm[i]) : 0.0) - (m->kind == EW_KIND_REMOVE ? 0.0 : c * half), tt) - log(nd->hu);
        if (e > top) {
            sum = sum * exp(top - e) + 1.0;
            top = e;
        } else if (e > top - 60.0) {
            sum += exp(e - top);
        } else {
            sum += 0x1p-86;
        }
    }
    return growth + top + log(sum * nd->hu);
}

/* Hard cut: log of a bound of the error of Gauss-Legendre panels for g e^{z loss}, |Im z| <= t, on [from, to] (gauss.c).  The
 * ellipse around a panel of length l lies within l (rho + 1/rho)/4 of its middle and |Im u| <= l (rho - 1/rho)/4. */
static double panels_log(const ew_model *m, const ew_nodes *nd, double c, double t, double rho)
{
    const double s = m->s, l = nd->panel, wide = 0.25 * l * (rho + 1.0 / rho), theta = 0.25 * l * (rho - 1.0 / rho) / s, tt = t * theta;
    const double alpha = m->kind == EW_KIND_ADD ? -c : 1.0 + c;
    const int two = m->kind == EW_KIND_REPLACE, panels = nd->count / EW_GAUSS;
    const double shift = two ? 0.0 : 0.5 / s, co = cos(theta), half = log(cos(0.5 * theta));
    const double base = (m->kind == EW_KIND_REMOVE ? 1.0 + c : two ? 1.0 : -c) * m->log1mq - 0.5 * EW_LOG_2PI + 0.5 * theta * theta * s * s;
    double sum = 0.0, top = -INFINITY;
    if (theta > 0.5 * EW_PI)
        return INFINITY;
    for (int p = 0; p < panels; p++) {
        const double mid = nd->from + (p + 0.5) * l, a = mid - wide, b = mid + wide;
        const double ya = m->odds * exp((a - shift) / s), yb = m->odds * exp((b - shift) / s);
        double e = base - 0.5 * square_inf(a, b) + (alpha > 0.0 ? alpha * log1p(yb) : alpha * inner(ya / (1.0 + ya), log1p(ya), co, half, 0.0));
        e += tt * fmin(1.0, yb);
        if (two) {
            const double na = m->odds * exp(-a / s), nb = m->odds * exp(-b / s);
            e += tt * fmin(1.0, na) - c * inner(nb / (1.0 + nb), log1p(nb), co, half, 0.0);
        }
        sum = e > top ? sum * exp(top - e) + 1.0 : sum + exp(e - top);
        top = fmax(top, e);
    }
    return top + log(sum * 0.5 * l * (64.0 / 15.0) / (1.0 - 1.0 / (rho * rho))) - 32.0 * log(rho);
}

double ew_panels_log(const ew_model *m, const ew_nodes *nd, double c, double t)
{
    double best = INFINITY;
    for (double rho = 3.0; rho < 20.0; rho *= 1.5)
        best = fmin(best, panels_log(m, nd, c, t, rho));
    return best;
}

/* Log of what the sum over g e^{z loss}, (1+|z|) g and |z| g e^{-loss} loses beyond the two ends, divided by 2 + 2|z|.
 * Each of the three decays at least geometrically from its value at the end node: the slopes of log g e^{x loss} are
 * monotone or bounded by (1+c)/s. */
double ew_ends_log(const ew_model *m, const ew_nodes *nd, double c)
{
    const int e = nd->count - 1;
    const double s = m->s;
    const double slope_up = nd->u[e] - (m->kind == EW_KIND_ADD ? 1.0 : 1.0 + c + (m->kind == EW_KIND_REPLACE ? c * nd->dm[e] : 0.0)) / s;
    const double down = -nd->u[0] - (m->kind == EW_KIND_ADD ? c * nd->dp[0] / s : m->kind == EW_KIND_REPLACE ? 1.0 / s : 0.0);
    if (!(down > 0.0))
        return INFINITY;
    const double le = nd->loss[e], l0 = nd->loss[0];
    double fe;
    if (nd->panel > 0.0)
        fe = -INFINITY; /* the law itself ends there */
    else if (slope_up > 0.0)
        fe = nd->lw[e] + fmax(c * le, fmax(0.0, -le)) - log(expm1(nd->hu * slope_up));
    else if (m->kind == EW_KIND_ADD || nd->y[e] < 0.0)
        return INFINITY;
    else
        fe = beyond_log(m, nd->u[e], c, 0.0, 0.0);
    const double f0 = nd->lw[0] + fmax(c * l0, fmax(0.0, -l0)) 
                      - (nd->panel > 0.0 ? log(0.5 * nd->panel * ew_gauss_w[EW_GAUSS / 2 - 1] * down) : log(expm1(nd->hu * down))) + 1e-3;
    return fmax(fe, f0) + log1p(exp(-fabs(fe - f0)));
}
