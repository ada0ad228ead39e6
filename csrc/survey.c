/* survey.c - bounds of integrals of |phi g weight e^{z loss}| over a line Im u = y, cell by cell.
 *
 * Here     Im u = y = theta s turns Y = odds e^y into Y e^{i theta}.  With A = log|1 + Y e^{i theta}|, B = arg(1 + Y e^{i theta})
 *              |phi| = e^{y^2/2} phi(Re u),   |g e^{z loss}| = (1-q)^{..} exp(alpha A_+ + beta A_- +- t (B_+ + B_-)),
 *          (alpha, beta) = (1+c, 0) remove, (-c, 0) add, (1+c, -c) replace, z = c + i t.  For 0 <= theta <= pi/2 both A and B grow with
 *          Y, and Y_+ (Y_-) grows (falls) with Re u: on a cell every factor is largest at one of its ends.
 * Use      (1) error of the trapezoidal rule (MATH.md section 2): |rule - integral| <= 2 N/(e^{2 pi y/hu} - 1), N = this bound for
 *          +t; (2) |M(c + i t')| <= this bound for -t, all t' >= t (section 4: the shifted path, decreasing in t).
 */
#include "rooms.h"

#include <math.h>

/* log of what |chi| at Im u = y may exceed chi on the real axis by, on a cell */
static double more_log(const ew_taper *t, double from, double to, double y)
{
    if (!(t->width > 0.0))
        return -INFINITY;
    return to <= t->at ? ew_lse(ew_taper_strip_log(t, from, to, y, 1), ew_taper_log(t, to, 1)) : ew_taper_strip_log(t, from, to, y, 0);
}

/* log of the largest weight on a cell, Im u = y */
static double weight_log(const ew_law *law, int weight, double from, double to, double y)
{
    const ew_taper left = {-law->left.at, law->left.width};
    if (weight == EW_WHOLE)
        return 0.0;
    if (weight == EW_BIG)
        return ew_taper_strip_log(&law->far, from, to, y, 1);
    if (weight == EW_MORE) { /* |a b c| - a0 b0 c0 of three factors, each |a| <= A, |a| - a0 <= a': at most a' B C + A b' C + A B c' */
        const double A[3] = {ew_taper_strip_log(&law->far, from, to, y, 0), ew_taper_strip_log(&law->split, from, to, y, 0), ew_taper_strip_log(&left, -to, -from, y, 0)};
        const double a[3] = {more_log(&law->far, from, to, y), more_log(&law->split, from, to, y), more_log(&left, -to, -from, y)};
        return ew_lse(a[0] + A[1] + A[2], ew_lse(A[0] + a[1] + A[2], A[0] + A[1] + a[2]));
    }
    return ew_taper_strip_log(&law->far, from, to, y, 0) + ew_taper_strip_log(&left, -to, -from, y, 0) +
           (law->split.width > 0.0 ? ew_taper_strip_log(&law->split, from, to, y, weight == EW_MID) : weight == EW_MID ? -INFINITY : 0.0);
}

typedef struct {
    const ew_law *law;
    int weight;
    double alpha, beta, t, y, co, si, base;
} view;

static double a_of(double log_y, double co) /* log|1 + Y e^{i theta}| */
{
    return log_y > 30.0 ? log_y + co * exp(-log_y) : 0.5 * log1p(exp(log_y) * (2.0 * co + exp(log_y)));
}

static double b_of(double log_y, double co, double si)
{
    const double y = exp(fmin(log_y, 600.0));
    return atan2(y * si, 1.0 + y * co);
}

/* log of the largest value on [from, to] */
static double cell(const view *v, double from, double to)
{
    const ew_model *m = v->law->m;
    const double w = weight_log(v->law, v->weight, from, to, v->y), near = from * to <= 0.0 ? 0.0 : fmin(fabs(from), fabs(to));
    if (w == -INFINITY)
        return w;
    const double lo = log(m->odds), l = lo + (from - m->shift) / m->s, r = lo + (to - m->shift) / m->s;
    double e = v->base + w - 0.5 * near * near;
    if (v->alpha != 0.0)
        e += v->alpha * a_of(v->alpha > 0.0 ? r : l, v->co);
    if (v->t != 0.0)
        e += v->t * b_of(v->t > 0.0 ? r : l, v->co, v->si);
    if (m->kind == EW_KIND_REPLACE) {
        const double far = lo - from / m->s, close = lo - to / m->s; /* log Y_- falls with u */
        if (v->beta != 0.0)
            e += v->beta * a_of(v->beta > 0.0 ? far : close, v->co);
        if (v->t != 0.0)
            e += v->t * b_of(v->t > 0.0 ? far : close, v->co, v->si);
    }
    return e;
}

static view look(const ew_law *law, int weight, double c, double t, double y)
{
    const ew_model *m = law->m;
    const double theta = y / m->s;
    view v = {law, weight, m->kind == EW_KIND_ADD ? -c : 1.0 + c, m->kind == EW_KIND_REPLACE ? -c : 0.0, t, y, cos(theta), sin(theta), 0.0};
    v.base = (law->edge ? 0.0 : v.alpha + v.beta) * m->log1mq + 0.5 * y * y - 0.5 * EW_LOG_2PI;
    return v;
}

/* How fast the logarithm of the bound can still grow with |u|, the tapers apart. */
static double growth(const view *v)
{
    return (fmax(0.0, v->alpha) + fmax(0.0, v->beta) + fmax(0.0, v->t) + 1.0) / v->law->m->s;
}

/* 1: beyond u (sign = +1: to the right) the bound falls at least like e^{-|u|}. */
static int falling(const view *v, double u, int sign)
{
    const ew_taper *t = sign > 0 ? &v->law->far : &v->law->left;
    if (sign > 0 && ((v->weight == EW_MID && u < v->law->split.at) || (v->weight == EW_BIG && u < v->law->far.at)))
        return 0; /* that weight still rises */
    if (sign * u > growth(v) + 1.0)
        return 1;
    if (sign < 0 && v->law->m->kind != EW_KIND_REPLACE)
        return u < -1.0; /* every factor but phi is largest at the right end or tends to its limit from below */
    if (!(t->width > 0.0) || v->weight == EW_WHOLE || v->weight == EW_BIG)
        return 0;
    const double a = sign * (u - t->at) / t->width;
    return a > 1.0 && (a > 30.0 || 2.0 * cos(2.0 * v->y / t->width) * sinh(2.0 * a) / t->width > growth(v) + 1.0);
}

/* log sum over the cells outside [from, to] of  (largest value) (stretch cell length + more) */
static double add_up(const view *v, double from, double to, double stretch, double more)
{
    const ew_law *law = v->law;
    double d = fmin(0.2, 0.25 * law->m->s), sum = 0.0, top = -INFINITY;
    if (law->far.width > 0.0)
        d = fmin(d, 0.2 * law->far.width);
    for (int sign = 1; sign >= -1; sign -= 2) {
        double u = sign > 0 ? to : from;
        for (int i = 0;; i++) {
            const double next = u + sign * d, least = -1e5; /* of no account, and still a bound */
            const double e = fmax(least, (sign > 0 ? cell(v, u, next) : cell(v, next, u)) + log(stretch * d + more));
            if (e == INFINITY || isnan(e) || i > 40000)
                return INFINITY;
            if (e > top) {
                sum = sum * exp(top - e) + 1.0;
                top = e;
            } else if (e > top - 700.0) {
                sum += exp(e - top);
            }
            u = next;
            if (falling(v, u, sign) && (e < top - 45.0 || e == least)) {
                sum += exp(e - top + log((1.0 + more) / d) + 1.0);
                break;
            }
        }
    }
    return top + log(sum) + 1e-9;
}

double ew_survey(const ew_law *law, int weight, double c, double t, double y)
{
    const view v = look(law, weight, c, t, y);
    return add_up(&v, 0.0, 0.0, 1.0, 0.0);
}

/* What integral and trapezoidal sum together lose outside [from, to]. */
double ew_survey_ends(const ew_law *law, int weight, double c, double t, double y, double from, double to, double hu)
{
    const view v = look(law, weight, c, t, y);
    return add_up(&v, from, to, 2.0, hu);
}
