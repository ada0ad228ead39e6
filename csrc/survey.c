/* survey.c - bounds of integrals of |phi g weight e^{z loss}| over a line Im u = y, cell by cell.
 *
 * Here     Im u = y = theta s turns Y = odds e^y into Y e^{i theta}.  With A = log|1 + Y e^{i theta}|, B = arg(1 + Y
 *          e^{i theta})
 *              |phi| = e^{y^2/2} phi(Re u),   |g e^{z loss}| = (1-q)^{..} exp(alpha A_+ + beta A_- +- t (B_+ + B_-)),
 *          (alpha, beta) = (1+c, 0) remove, (-c, 0) add, (1+c, -c) replace, z = c + i t.  For 0 <= theta <= pi/2 both A
 *          and B grow with Y, and Y_+ (Y_-) grows (falls) with Re u: on a cell every factor is largest at one of its
 *          ends.
 * Use      (1) error of the trapezoidal rule (MATH.md section 2): |rule - integral| <= 2 N/(e^{2 pi y/hu} - 1), N =
 *          this bound for +t; (2) |M(c + i t')| <= this bound for -t, all t' >= t (section 4: the shifted path,
 *          decreasing in t).
 */
#include "rooms.h"
#include "kernels.h"

#include <math.h>

enum { CELLS = 32 };             /* cells that are bounded together */
static const double LEAST = -1e5; /* of no account, and still a bound */

typedef struct {
    const ew_law *law;
    int weight;
    /* co, more: cosines of two angles, |1 + Y e^{i theta}| stands for their geometric mean */
    double alpha, beta, t, y, co, more, si, base;
} view;

static view look(const ew_law *law, int weight, double c, double t, double y)
{
    const ew_model *m = law->m;
    const double theta = y / m->s;
    view v = {law,
              weight,
              m->kind == EW_KIND_ADD ? -c : 1.0 + c,
              m->kind == EW_KIND_REPLACE ? -c : 0.0,
              t,
              y,
              cos(theta),
              cos(theta),
              sin(theta),
              0.0};
    v.base = (law->edge ? 0.0 : (v.alpha + v.beta) * m->log1mq - c * law->origin) + 0.5 * y * y - 0.5 * EW_LOG_2PI;
    return v;
}

/* log|1 + Y e^{i theta}|, the mean of that at two angles, and its argument, by W = min(Y, 1/Y) */
EW_BODY double modulus_log(double log_y, double co, double more)
{
    const double w = ew_k_exp(-fabs(log_y)), a = w * (2.0 * co + w), b = w * (2.0 * more + w), x = a + b + a * b;
    /* what 1 + x loses: below a unit of the sum */
    return (log_y > 0.0 ? log_y : 0.0) + 0.25 * ew_k_log_of(1.0 + x, x, 0.0);
}

EW_BODY double argument(double log_y, double co, double si)
{
    const double w = ew_k_exp(-fabs(log_y)), big = log_y > 0.0 ? 1.0 : w, one = log_y > 0.0 ? w : 1.0;
    return ew_k_atan2(big * si, one + big * co);
}

/* log of the largest |phi g e^{z loss}| on the cells [u + i d, u + (i+1) d] (d < 0: mirrored) */
EW_CLONES
static void integrand(double *e, const view *v, double u, double d)
{
    const ew_model *m = v->law->m;
    const double lo = log(m->odds), by = 1.0 / m->s, alpha = v->alpha, beta = v->beta, t = v->t, co = v->co,
                 more = v->more, si = v->si, shift = m->shift, base = v->base;
    /* a positive factor is worst where Y is largest */
    const int right_a = alpha > 0.0, right_t = t > 0.0, left_b = beta > 0.0;
#pragma omp simd
    for (int i = 0; i < CELLS; i++) {
        const double p = u + i * d, q = u + (i + 1) * d, from = p < q ? p : q, to = p < q ? q : p;
        const double af = fabs(from), at = fabs(to), near = from * to <= 0.0 ? 0.0 : af < at ? af : at;
        const double l = lo + (from - shift) * by, r = lo + (to - shift) * by;
        e[i] = (base - 0.5 * near * near) + alpha * modulus_log(right_a ? r : l, co, more) +
               t * argument(right_t ? r : l, co, si);
    }
    if (m->kind != EW_KIND_REPLACE)
        return;
#pragma omp simd
    for (int i = 0; i < CELLS; i++) { /* log Y_- falls with u */
        const double p = u + i * d, q = u + (i + 1) * d, from = p < q ? p : q, to = p < q ? q : p, far = lo - from * by,
                     close = lo - to * by;
        e[i] += beta * modulus_log(left_b ? far : close, co, more) + t * argument(right_t ? far : close, co, si);
    }
}

/* log of what |chi| at Im u = y may exceed chi on the real axis by, on the cells: at most |chi|, and |1 - chi| on both
 * lines, of which the bound (taper.c) grows with y */
static void more_log(double *e, const ew_taper *t, double u, double d, double y)
{
    double above[CELLS] = {0.0}, below[CELLS] = {0.0};
    ew_taper_strip_add(above, t, u, d, y, 1, CELLS);
    ew_taper_strip_add(below, t, u, d, y, 0, CELLS);
    for (int i = 0; i < CELLS; i++)
        e[i] = u + (d > 0.0 ? i + 1 : i) * d <= t->at ? above[i] + 0x1.62e42fefa39efp-1 : below[i]; /* log 2 */
}

/* log of the largest weight on the cells, Im u = y, added */
static void add_weights(double *e, const view *v, double u, double d)
{
    const ew_law *law = v->law;
    const ew_taper left = {-law->left.at, law->left.width};
    if (v->weight == EW_WHOLE)
        return;
    if (v->weight == EW_BIG) {
        ew_taper_strip_add(e, &law->far, u, d, v->y, 1, CELLS);
    } else if (v->weight == EW_MORE) {
        /* |a b c| - a0 b0 c0 of three factors, each |a| <= A, |a| - a0 <= a': at most a' B C + A b' C + A B c' */
        double A[3][CELLS] = {{0.0}}, a[3][CELLS], sum[CELLS];
        const ew_taper *t[3] = {&law->far, &law->split, &left};
        for (int k = 0; k < 3; k++)
            if (t[k]->width > 0.0) {
                const double sign = k == 2 ? -1.0 : 1.0;
                ew_taper_strip_add(A[k], t[k], sign * u, sign * d, v->y, 0, CELLS);
                more_log(a[k], t[k], sign * u, sign * d, v->y);
            }
        for (int i = 0; i < CELLS; i++)
            sum[i] = LEAST;
        for (int k = 0; k < 3; k++)
            for (int i = 0; t[k]->width > 0.0 && i < CELLS; i++)
                sum[i] = ew_lse(sum[i], a[k][i] + A[(k + 1) % 3][i] + A[(k + 2) % 3][i]);
        for (int i = 0; i < CELLS; i++)
            e[i] += sum[i];
    } else {
        ew_taper_strip_add(e, &law->far, u, d, v->y, 0, CELLS);
        ew_taper_strip_add(e, &left, -u, -d, v->y, 0, CELLS);
        if (v->weight == EW_MID || law->split.width > 0.0)
            ew_taper_strip_add(e, &law->split, u, d, v->y, v->weight == EW_MID, CELLS);
    }
}

/* How fast the logarithm of the bound can still grow with |u|, the tapers apart. */
static double growth(const view *v)
{
    return (fmax(0.0, v->alpha) + fmax(0.0, v->beta) + fmax(0.0, v->t) + 1.0) / v->law->m->s;
}

/* 1: beyond u (sign = +1: to the right) the bound falls at least like e^{-|u|}, a factor e apart.  Where Y falls to 0,
 * a negative power of |1 + Y e^{i theta}|, or e^{-|t| arg}, holds the bound down and gives way: by less than a factor e
 * in all, or more slowly than phi falls (their logarithms change by at most min(Y, 1)/s for each unit of u). */
static int falling(const view *v, double u, int sign)
{
    const ew_model *m = v->law->m;
    const ew_taper *t = sign > 0 ? &v->law->far : &v->law->left;
    const int two = m->kind == EW_KIND_REPLACE;
    if (sign > 0 && ((v->weight == EW_MID && u < v->law->split.at) || (v->weight == EW_BIG && u < v->law->far.at)))
        return 0; /* that weight still rises */
    if (sign < 0 || two) {
        const double power = fmax(0.0, -(sign < 0 ? v->alpha : v->beta)) + fmax(0.0, -v->t),
                     y = m->odds * exp(fmin(700.0, -sign * (u - m->shift) / m->s));
        if (power * y > 0.9 && !(sign * u > 1.0 + power * fmin(y, 1.0) / m->s))
            return 0;
    }
    if (sign * u > growth(v) + 1.0)
        return 1;
    if (sign < 0 && !two)
        return u < -1.0; /* the other factors are largest at the right end */
    if (!(t->width > 0.0) || v->weight == EW_WHOLE || v->weight == EW_BIG)
        return 0;
    const double a = sign * (u - t->at) / t->width;
    return a > 1.0 && (a > 30.0 || 2.0 * cos(2.0 * v->y / t->width) * sinh(2.0 * a) / t->width > growth(v) + 1.0);
}

/* sum of e^{e[i] - top}, top the largest e[i] */
EW_CLONES
static double block_sum(double *top, const double *e)
{
    double most = LEAST, sum = 0.0, lost = 0.0; /* lost: infinite, or not a number */
    for (int i = 0; i < CELLS; i++) {
        most = e[i] > most ? e[i] : most;
        lost += e[i] < INFINITY ? 0.0 : 1.0;
    }
    const double shift = lost > 0.0 ? INFINITY : most;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < CELLS; i++)
        sum += ew_k_exp((e[i] > LEAST ? e[i] : LEAST) - shift);
    *top = shift;
    return sum;
}

/* Cells as long as 0.2 between u and u + CELLS cells: does Y still, or already, say next to nothing there? */
static int dull(const view *v, double u, double step)
{
    const ew_model *m = v->law->m;
    const double end = u + CELLS * step, up = fmax(u, end), down = m->kind == EW_KIND_REPLACE ? fmin(u, end) : up;
    const double y = (up - m->shift) / m->s, z = -(down - m->shift) / m->s, power = fabs(v->alpha) + fabs(v->t);
    return power * m->odds * exp(fmin(700.0, y)) < 0.3 &&
           (m->kind != EW_KIND_REPLACE || (fabs(v->beta) + fabs(v->t)) * m->odds * exp(fmin(700.0, z)) < 0.3);
}

/* log sum over the cells outside [from, to] of  (largest value) (stretch cell length + more) */
static double add_up(const view *v, double from, double to, double stretch, double more)
{
    const ew_law *law = v->law;
    const double tapers = law->far.width > 0.0 ? 0.2 * law->far.width : INFINITY,
                 close = fmin(fmin(0.2, 0.25 * law->m->s), tapers);
    double sum = 0.0, top = LEAST;
    for (int sign = 1; sign >= -1; sign -= 2) {
        double u = sign > 0 ? to : from, e[CELLS];
        for (int i = 0;; i++) {
            const double d = dull(v, u, sign * 0.2) ? 0.2 : close, step = sign * d;
            double here;
            integrand(e, v, u, step);
            add_weights(e, v, u, step);
            const double s = block_sum(&here, e) * (stretch * d + more);
            if (!(here < INFINITY) || i > 200)
                return INFINITY;
            sum = here > top ? sum * exp(top - here) + s : sum + s * exp(here - top);
            top = fmax(top, here);
            u += CELLS * step;
            const double last = e[CELLS - 1];
            /* a falling rest: at most 1/d + 1 times its first cell */
            if (falling(v, u, sign) && (last < top - 10.0 || last <= LEAST)) {
                sum += exp(fmax(last, LEAST) - top + log(1.0 / d + 1.0) + 1.0) * (stretch * d + more);
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

/* The integrand of decay.c on Im u = alpha s, small steps; theta + alpha <= pi/2. */
double ew_survey_turned(const ew_law *law, double c, double theta, double alpha)
{
    const double s = law->m->s;
    view v = look(law, EW_SMALL, c, 0.0, alpha * s);
    v.base += 0.5 * theta * theta * s * s;
    v.co = cos(theta + alpha);
    v.more = cos(theta - alpha);
    return add_up(&v, 0.0, 0.0, 1.0, 0.0);
}

/* What integral and trapezoidal sum together lose outside [from, to]. */
double ew_survey_ends(const ew_law *law, int weight, double c, double t, double y, double from, double to, double hu)
{
    const view v = look(law, weight, c, t, y);
    return add_up(&v, from, to, 2.0, hu);
}

/* M - 1 is summed with the control variates E[g] - 1 = 0 and z E[g e^{-loss} - g] = 0: on Im u = y the modulus of the
 * first is at most e^{y^2/2}, of the second 2 q e^{y^2/2} |z|. */
double ew_survey_control(const ew_law *law, double z, double y)
{
    if (law->origin != 0.0) /* M is summed as it is */
        return -INFINITY;
    return log1p(2.0 * z * law->m->q) + 0.5 * y * y;
}

/* What their sums lose outside [from, to], at |z|. */
double ew_survey_controls(const ew_law *law, double z, double from, double to, double hu)
{
    return (1.0 + z) * (exp(ew_survey_ends(law, EW_WHOLE, 0.0, 0.0, 0.0, from, to, hu)) +
                        exp(ew_survey_ends(law, EW_WHOLE, -1.0, 0.0, 0.0, from, to, hu)));
}
