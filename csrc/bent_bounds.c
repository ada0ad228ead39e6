/* bent_bounds.c - |M| and |F| on the bent contour and around it, from above; the errors of a panel and of the tail
 * (bent.c). */
#include "bent.h"

#include <math.h>

/* The exponent of e^A at z = x + i t, |t| */
double ew_bent_exponent(const ew_bent_path *b, double x)
{
    return b->m->kind == EW_KIND_ADD ? -x : 1.0 + x;
}

double ew_bent_tilt(const ew_bent_path *b, double x)
{
    return b->bracketed ? x : ew_bent_exponent(b, x);
}

/* log of the factor of E[e^A] in what is raised to the n-th power */
static double log_factor(const ew_bent_path *b, double x)
{
    return !b->bracketed ? 0.0 : b->m->kind == EW_KIND_REMOVE ? (1.0 + x) * b->m->log1mq : b->m->log1mq;
}

double ew_bent_log_m(const ew_bent_path *b, const ew_path *p, double x, double t)
{
    return ew_path_log(0, &b->cu, p, ew_bent_exponent(b, x), fabs(t), -40.0) + log_factor(b, x);
}

/* log of a bound of |M - 1| at z = x + i t, convex for z within `far` */
static double excess(const ew_bent_path *b, double x, double t, double far)
{
    const double e = ew_curve_excess(&b->cu, ew_bent_tilt(b, x), fabs(t), b->bracketed ? far : 1.0 + far);
    return b->bracketed ? ew_lse(e, log(far) + b->back) : e;
}

/* log of |M^n - 1|, or of |M^n| where nothing is taken off: from log|M| and from log|M - 1| */
static double power_size(const ew_bent_path *b, double m, double e)
{
    const double n = b->m->n, x = n * exp(e);
    return b->less ? fmin(ew_lse(fmax(n * m, 0.0), 0.0), x < 600.0 ? log(expm1(x)) : INFINITY) : fmin(n * m, x);
}

/* log of the largest |F| in the ellipse */
static double largest(const ew_bent_path *b, double mx, double mt, double hx, double ht, double rho)
{
    const double A = 0.5 * (rho + 1.0 / rho), B = 0.5 * (rho - 1.0 / rho), half2 = hx * hx + ht * ht;
    double corner[8][2], left = INFINITY, right = -INFINITY, bottom = INFINITY, top = -INFINITY;
    const double cut = 0.41421356237309515; /* an octagon around the ellipse */
    for (int i = 0; i < 8; i++) {
        const double p = (i & 1 ? A : -A) * (i & 4 ? cut : 1.0), r = (i & 2 ? B : -B) * (i & 4 ? 1.0 : cut),
                     x = mx + p * hx - r * ht, t = mt + p * ht + r * hx;
        corner[i][0] = x;
        corner[i][1] = t;
        left = fmin(left, x);
        right = fmax(right, x);
        bottom = fmin(bottom, t);
        top = fmax(top, t);
    }
    int corners = 8;
    if (!(bottom > 0.0)) { /* below the real axis |M| is what it is at the conjugate: the box of both */
        corners = 4;
        for (int i = 0; i < 4; i++) {
            corner[i][0] = i & 1 ? left : right;
            corner[i][1] = i & 2 ? fmax(top, -bottom) : 0.0;
        }
    }
    const double far = hypot(fmax(fabs(left), fabs(right)), fmax(fabs(top), fabs(bottom)));
    double m = -INFINITY, e = -INFINITY;
    for (int i = 0; i < corners; i++) {
        m = fmax(m, ew_bent_log_m(b, &b->cu.on, corner[i][0], corner[i][1]));
        e = fmax(e, excess(b, corner[i][0], corner[i][1], far));
    }
    const double least = b->sign > 0.0 ? left : -right;
    double pole[2];
    for (int i = 0; i < 2; i++) { /* distance of -i from the rectangle */
        const double px = -i - mx, pt = -mt, along = fabs(px * hx + pt * ht) / half2,
                     across = fabs(pt * hx - px * ht) / half2, out = hypot(fmax(0.0, along - A), fmax(0.0, across - B));
        pole[i] = log(out) + 0.5 * log(half2);
    }
    return b->before - least * b->d + power_size(b, m, e) - pole[0] - pole[1];
}

double ew_bent_panel_error(double *rate, const ew_bent_path *b, double mx, double mt, double hx, double ht, double size)
{
    static const double wider[4] = {1.1, 1.3, 1.6, 2.2};
    const double weight = log(8.0 * hypot(hx, ht)), allowed = b->want - fabs(mx) * b->room,
                 least = exp(fmax(0.05, (size + weight - allowed + 1.0) / (2.0 * EW_PANEL)));
    double best = INFINITY;
    for (int i = 0; i < 4 && !(best < b->want); i++) {
        const double rho = least * wider[i], r = fabs(mx) + 0.5 * (rho + 1.0 / rho) * (fabs(hx) + fabs(ht)),
                     e = largest(b, mx, mt, hx, ht, rho) + weight - 2.0 * EW_PANEL * log(rho) - log1p(-1.0 / rho) +
                         r * b->room;
        if (e > best + 5.0)
            break;
        if (e < best) {
            best = e;
            *rate = r;
        }
    }
    return best;
}

/* log|F| at most at z = x + i t */
double ew_bent_size(const ew_bent_path *b, double x, double t)
{
    const double r2 = x * x + t * t, s2 = (1.0 + x) * (1.0 + x) + t * t,
                 g = power_size(b, ew_bent_log_m(b, &b->cu.on, x, t), excess(b, x, t, sqrt(r2)));
    return b->before - b->sign * x * b->d + g - 0.5 * log(r2 * s2);
}

/* log of what the ray from z = x + i t on gives at most; INFINITY where the path does not go there yet.  M falls along
 * it; or |M^n - 1| <= n |z| P e^{n |z| P}, P = int |L| max(1, |e^{w L}|) at its start: what is left of d must be > 0.
 */
double ew_bent_tail(const ew_bent_path *b, double x, double t)
{
    const double r = b->sign * x, n = b->m->n, steep = sqrt(1.0 + 1.0 / (b->kappa * b->kappa)), d = b->d - b->room;
    if (b->level < EW_LEVELS - 1 || !(r > 0.0))
        return INFINITY;
    const double m = n * ew_bent_log_m(b, &b->cu.on, x, t), g = b->less ? ew_lse(fmax(m, 0.0), 0.0) : m,
                 log_t = b->before + log(steep / EW_PI) - 2.0 * log(t), whole = g - r * d - log(d);
    if (whole + log_t < b->want + 1.0)
        return whole + log_t;
    const double zeta = ew_bent_tilt(b, x), far = hypot(x, t) + (b->bracketed ? 0.0 : 1.0),
                 first = n * ew_curve_first(&b->cu, zeta, t), left = d - first * steep;
    const double size = (b->less ? log(first * far) : 0.0) + first * (far - r * steep) - r * left;
    return fmin(whole, left > 0.0 ? size - log(left) : INFINITY) + log_t;
}
