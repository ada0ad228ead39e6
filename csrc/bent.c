/* bent.c - delta from a contour that bends away from the vertical line, for few steps: panels of Gauss's rule that grow
 * with |z|, every error bounded.
 *
 * Formula  delta(eps) = extra + (1/pi) Im int F dz over the upper half of a path from c > 0 on,
 *              F(z) = (M(z)^n e^{-z eps} - [A(z)])/(z (1+z)),
 *          where A is taken off, that of a loss that is certain, where M^n and A nearly cancel:
 *              remove  A = (1-q)^{n(1+z)} e^{-z eps}    all steps at the lower edge n log(1-q) < eps: extra = 0
 *              add     A = (1-q)^{-n z} e^{-z eps}      at the upper edge -n log(1-q) > eps: extra = 1 - e^{eps - edge}
 *              remove where eps is beyond n |log(1-q)|, replace:  A = e^{-z eps}, no loss at all: extra = 0
 *          (to the right of c the integral of A e^.. is real).
 * Path     z(t) = c + i t +- kappa (hypot(t, c) - c), to the right for remove and replace, to the left for add:
 *          e^{-z d} falls along it, d = distance of eps from the edge, and so does |M| (curve.c).  No pole is crossed:
 *          those at 0 and -1 stay to the left (remove, replace), or inside the curve.
 * Panel    N-point Gauss's rule on a chord.  F is analytic within the ellipse of foci at its ends whose semi-axes add
 *          up to rho times half its length d, |F| <= m there: its Chebyshev coefficients are at most 2 m rho^-k, the
 *          best polynomial of degree 2N-1 is within 2 m rho^{-2N}/(1 - 1/rho) of it, and integral and rule, both of
 *          weight 2 d, differ by 8 m d rho^{-2N}/(1 - 1/rho) at most.  m: at the corners of an octagon around it.
 * Tail     along the ray from the last node: M falls (ew_curve_cone), |e^{-z d}| = e^{-r d}, 1/|z (1+z)| <= 1/t^2.
 * Rounding of a node is an error of its exponent (curve.c); of M^n from that of M; of e^{-z d}: |z| times that of d.
 */
#include "bent.h"

#include <math.h>

#include "bent_rule.h"

enum { PANELS = 120 };
#define LEAST_DELTA -70.0 /* log of it; below, too much cancels */
#define MOST 3e7          /* quadrature times contour nodes, ten times */

static void path_at(double *x, double *t, const ew_bent_path *b, double at)
{
    *x = b->c + b->sign * b->kappa * at * at / (hypot(at, b->c) + b->c);
    *t = at;
}

/* Height of the last curve: far up the path it must be well above the strip */
static double highest(double s)
{
    return fmin(1.2, 2.2 / s);
}

static int set_level(ew_bent_path *b, int level)
{
    static const double height[EW_LEVELS] = {0.0, 0.25, 0.5, 1.0}, slope[EW_LEVELS] = {0.0, 0.15, 0.35, 0.7};
    const double s = b->m->s, eta = highest(s), strip = 0.5 * eta;
    const double hy = 2.0 * EW_PI * strip / (2.0 - b->reach), far = sqrt(-2.0 * b->reach) + 1.0;
    const double peak = b->m->kind == EW_KIND_ADD ? 0.0 : ew_outermost_peak(b->m, 1.0 + 2.5 * b->c, 1),
                 right = fmax(1.0 / s, peak) + far / sqrt(1.0 - slope[level] * slope[level]);
    const int kind = b->bracketed ? EW_BRACKETED : b->less ? EW_LESS : EW_WHOLE_SUM;
    b->level = level;
    if (!ew_curve_fill(&b->cu, b->m, kind, eta * height[level], slope[level], strip, fmin(hy, 0.25), -far, right,
                       b->ws))
        return 0;
    b->back = ew_curve_excess(&b->cu, -1.0, 0.0, 1.0);
    return 1;
}

/* The nodes of one panel, quad: error of M between the nodes of the curve and beyond them */
static int add_panel(ew_bent_path *b, double mx, double mt, double hx, double ht, double quad, const int window[2])
{
    const ew_model *m = b->m;
    ew_contour *ct = b->ct;
    const double n = m->n, pi1 = 1.0 / EW_PI;
    double x[EW_PANEL], t[EW_PANEL], zx[EW_PANEL], re[EW_PANEL], im[EW_PANEL], err[EW_PANEL];
    if (ct->count + EW_PANEL > 2 * EW_JMAX)
        return 0;
    for (int j = 0; j < EW_PANEL; j++) {
        const double g = j < EW_PANEL / 2 ? -gauss_node[j] : gauss_node[EW_PANEL - 1 - j];
        x[j] = mx + g * hx;
        t[j] = mt + g * ht;
        zx[j] = ew_bent_tilt(b, x[j]);
    }
    ew_curve_sums(re, im, err, &b->cu, zx, t, window);
    for (int j = 0; j < EW_PANEL; j++) {
        const double w = gauss_weight[j < EW_PANEL / 2 ? j : EW_PANEL - 1 - j] * pi1;
        const double mi = m->kind == EW_KIND_ADD ? -im[j] : im[j], mr = re[j] + (b->less ? 1.0 : 0.0),
                     x2 = re[j] * (2.0 + re[j]) + mi * mi, mod = hypot(mr, mi), e_m = err[j] + quad;
        const double lr = n * (b->less && x2 > -0.5 ? 0.5 * log1p(x2) : log(mod)), li = n * atan2(mi, mr);
        /* G = M^n - 1 or M^n */
        const double half = sin(0.5 * li), ver = 2.0 * half * half, size = exp(lr), up = expm1(lr);
        const double gr = b->less ? up * (1.0 - ver) - ver : size * cos(li), gi = size * sin(li), g = hypot(gr, gi);
        const double grown = e_m < 0.5 * mod ? expm1(-n * log1p(-e_m / mod)) : expm1(n * log1p(e_m / mod)) + 2.0;
        const double e_g =
            size * (grown + EW_U * 12.0 * (fabs(lr) + fabs(li))) + EW_U * 16.0 * (g + (b->less ? 0.0 : size));
        /* e^{-z d} over z (1+z), and i/i: the imaginary part is wanted */
        const double er = b->before - b->sign * x[j] * b->d, ei = -b->sign * t[j] * b->d, e = exp(er), co = cos(ei),
                     si = sin(ei);
        const double kr = x[j] * (1.0 + x[j]) - t[j] * t[j], ki = t[j] * (1.0 + 2.0 * x[j]), k2 = kr * kr + ki * ki;
        const double vr = gr * co - gi * si, vi = gr * si + gi * co, by = w * e / k2;
        const double fr = by * (vr * kr + vi * ki), fi = by * (vi * kr - vr * ki); /* G e/(z (1+z)) */
        const double dr = fr * hx - fi * ht, di = fr * ht + fi * hx;               /* dz */
        const double z = hypot(x[j], t[j]),
                     rel = EW_U * (60.0 + 2.0 * (fabs(er) + fabs(b->before) + 4.0 * fabs(ei)) + 12.0 * z * b->d) +
                           z * b->rounding_d;
        const int k = ct->count + j;
        ct->cr[k] = di;
        ct->ci[k] = -dr;
        ct->zr[k] = x[j];
        ct->zi[k] = t[j];
        ct->err[k] = 1.01 * (e_g + g * rel) * w * e * hypot(hx, ht) / sqrt(k2);
    }
    ct->count += EW_PANEL;
    return 1;
}

/* log of M(c)^n, out of brackets without the edge */
static double log_power(const ew_bent_path *b, ew_nodes *nd, double c)
{
    const ew_model *m = b->m;
    ew_moments at;
    ew_moments_at(&at, nd, c);
    return m->n * (log1p(at.m0) - (b->bracketed                ? 0.0
                                   : m->kind == EW_KIND_REMOVE ? (1.0 + c) * m->log1mq
                                                               : -c * m->log1mq));
}

/* Where to start: at the largest tilt where |F z| is not much above delta, else where it is least. */
static double start(const ew_bent_path *b, double top, ew_nodes *nd)
{
    const double floor = b->bracketed ? 1.0 : 0.3; /* bracketed: F has no pole */
    double best = INFINITY, c = top;
    for (int i = 0; b->m->kind != EW_KIND_ADD && i < 40 && (i == 0 || top * pow(0.8, i) > floor); i++) {
        const double at = top * pow(0.8, i), l = log_power(b, nd, at),
                     v = (l < 30.0 ? log(expm1(l)) : l) - at * b->d - log1p(at) - b->log_delta;
        if (v < best) {
            best = v;
            c = at;
        }
        if (v < 3.0 || v > best + 3.0)
            break;
    }
    return c;
}

/* How large the terms of M are on a panel, and M beside the curve if that is too much */
static double badness(const ew_bent_path *b, double at, double len)
{
    double most = -INFINITY;
    for (int i = 0; i < 2; i++) {
        double x, t;
        path_at(&x, &t, b, at + i * len);
        const double beside = fmax(ew_bent_log_m(b, &b->cu.above, x, t), ew_bent_log_m(b, &b->cu.below, x, t));
        most = fmax(most, log(ew_curve_size(&b->cu, ew_bent_exponent(b, x), t)) + fmax(0.0, fmin(1e9, beside - 8.0)));
    }
    return most;
}

int ew_bent(ew_contour *ct, const ew_model *m, double eps, double log_delta, double tol, ew_scratch *ws)
{
    const ew_law law = {.m = m};
    const double edge = fabs(m->n * m->log1mq), s = m->s;
    ew_nodes nd;
    ew_saddle sp;
    ew_bent_path b = {.m = m,
                      .ct = ct,
                      .log_delta = log_delta,
                      .sign = m->kind == EW_KIND_ADD ? -1.0 : 1.0,
                      .want = log(tol) - 4.0,
                      .ws = ws};
    b.bracketed = m->kind == EW_KIND_REPLACE || (m->kind == EW_KIND_REMOVE && eps > edge);
    b.d = m->kind == EW_KIND_ADD ? edge - eps : b.bracketed ? eps : eps + edge;
    b.room = 0.125 * b.d;
    b.rounding_d = EW_U * (b.bracketed ? 0.0 : 4.0 * edge + 2.0 * eps);
    if (!(b.d > 1e5 * b.rounding_d && eps > 0.0) || s > 12.0 || m->q > 0.5 || log_delta < LEAST_DELTA)
        return 0;
    ew_nodes_bind(&nd, ws->coarse);
    if (!ew_saddle_of_eps(&sp, &law, &nd, eps))
        return 0;
    b.c = start(&b, sp.c, &nd);
    const double log_g = log_power(&b, &nd, b.c);
    b.less = log_g > -0.7;
    if (m->n > 20.0 && fabs(log_g) > 1.5) /* F rises too steeply to the right of c */
        return 0;
    b.before = (m->kind == EW_KIND_REMOVE && !b.bracketed ? m->n * m->log1mq : 0.0) - log_delta;
    b.kappa = 0.6 * tan(0.5 * highest(s));
    b.reach = fmin(-30.0, log(tol) - 5.0 - b.before + b.sign * b.c * b.d + log(b.c) - log(m->n) -
                              (1.0 - 1.0 / m->n) * fmin(0.0, log_g));
    ew_contour_start(ct, eps, log_delta, tol, ws);
    if (!set_level(&b, 0))
        return 0;
    double at = 0.0, len = 0.7 * b.c, error = 0.0, rate = 1.0, spent = 0.0;
    for (int i = 0; i < PANELS; i++) {
        double x0, t0, x1, t1, mx, mt, hx, ht, size1, e, r = 0.0; /* ends, middle and half of the chord */
        path_at(&x0, &t0, &b, at);
        for (int k = 0; b.level < EW_LEVELS - 1 && k < EW_LEVELS; k++) { /* does the next curve serve better? */
            const double now = badness(&b, at, len), eta = b.cu.eta;
            if (!set_level(&b, b.level + 1))
                return 0;
            if (!(badness(&b, at, len) < now + 0.4 + 0.5 * s * s * (b.cu.eta * b.cu.eta - eta * eta))) {
                if (!set_level(&b, b.level - 1))
                    return 0;
                break;
            }
        }
        const double size0 = ew_bent_size(&b, x0, t0);
        for (int k = 0;; k++) {
            path_at(&x1, &t1, &b, at + len);
            mx = 0.5 * (x0 + x1);
            mt = 0.5 * (t0 + t1);
            hx = 0.5 * (x1 - x0);
            ht = 0.5 * (t1 - t0);
            size1 = ew_bent_size(&b, x1, t1);
            e = ew_bent_panel_error(&r, &b, mx, mt, hx, ht, fmax(size0, size1));
            if (e < b.want)
                break;
            len *= 0.8;
            if (k == 10 || !(len > 1e-9 * b.c))
                return 0;
        }
        int window[2];
        const double xs[2] = {ew_bent_tilt(&b, x0), ew_bent_tilt(&b, x1)}, ts[2] = {t0, t1},
                     quad = ew_curve_error(window, &b.cu, xs, ts, b.reach - 7.0);
        if (!(quad < 1e-3) || !add_panel(&b, mx, mt, hx, ht, quad, window))
            return 0;
        spent += 10.0 * EW_PANEL * (window[1] - window[0]);
        ws->left -= 10.0 * EW_PANEL * (window[1] - window[0]);
        /* too long a way to where e^{-z d} has fallen? */
        if (spent > MOST ||
            (i >= 8 && i + log(60.0 / (b.kappa * b.d * hypot(x1, t1))) / log1p(len / hypot(x1, t1)) > PANELS))
            return 0;
        /* and where chords, which are rounded, meet */
        error += (exp(e) + 2.0 * EW_U * (hypot(x0, t0) * exp(size0) + hypot(x1, t1) * exp(size1))) / EW_PI;
        rate = fmax(rate, r);
        at += len;
        len *= 1.5;
        const double last = ew_bent_tail(&b, x1, t1);
        if (last < b.want + 1.0) {
            if (!ew_curve_cone(&b.cu, b.kappa))
                return 0;
            ct->flat = error + exp(last);
            ct->rate = rate;
            ct->left = ct->right = b.room;
            if (m->kind == EW_KIND_ADD && b.less) {
                const double by = exp(-log_delta);
                ct->fixed = -expm1(-b.d) * by;
                ct->moving = exp(-b.d) * by;
                ct->flat += by * (b.rounding_d + 16.0 * EW_U * b.d);
            }
            return isfinite(ct->flat);
        }
    }
    return 0;
}
