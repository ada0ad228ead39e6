/* line.c - trapezoidal inversion on the vertical line Re z = c, every error bounded.
 *
 * Formula  T_h = (h/2 pi) sum_j F(c + i j h),  F(z) = G(z) e^{-z eps}/(z (1+z)),
 *          G = M_small^n (every step small) or (M_small + M_mid)^n - M_small^n (at least one mid step): both are generating
 *          functions of positive measures, so  T_h = sum_k e^{c k x} delta(eps + k x),  x = 2 pi/h  (Poisson summation,
 *          MATH.md section 4), and T_h >= delta.
 * Bound    aliases       alias.c
 *          truncation    sup_{t >= T} |G(c+it)| e^{-c eps}/(pi T): decay.c (small), survey.c (mid)
 *          quadrature    quadrature.c
 *          rounding      rounding.c, terms.c
 */
#include "rooms.h"

#include <math.h>

/* log of sup_{t >= T} |G(c + i t)| from the nodes; sure = 1 adds the errors that a plan may ignore. */
static double far_log(const ew_view *ln, const ew_nodes *nd, const ew_moments *at, double T, int sure)
{
    const ew_model *m = ln->m;
    const double n = m->n;
    if (ln->cls == EW_MID) {
        const double most = fmin(1.5, ew_widest(ln) * 0.95 / m->s);
        double best = INFINITY;
        for (double theta = most; theta > 0.02 * most; theta *= 0.7) {
            const double e = ew_survey(ln->law, EW_MID, ln->c, -T, theta * m->s);
            if (e > best)
                break;
            best = e;
        }
        best = fmin(best, log(at->b0) + 1e-6);
        return log(n) + best + (n - 1.0) * log(at->m + exp(best)) + 1e-9 * n;
    }
    double slack;
    const double theta = ew_decay_theta(ln->law, nd, at, T), v = ew_decay_excess(ln->law, nd, at, theta, T, &slack);
    double err = 0.0;
    if (sure && ln->law->far.width > 0.0) {
        err = ew_decay_error(ln->law, nd, at, theta, T);
    } else if (sure) { /* strips |Im u| <= alpha s: decay.c */
        err = INFINITY;
        for (double alpha = fmin(0.95 * EW_PI - theta, 9.0 / m->s); alpha * m->s > 0.02 && !(n * err < 0.02 * (1.0 + v)); alpha *= 0.6) {
            const double C = m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c * log(cos(0.5 * (theta + alpha)));
            const double late = alpha < 0.4999 * EW_PI ? 0.0 : T * fmax(0.0, alpha - theta) * (m->kind == EW_KIND_REPLACE ? 1.0 : 0.5);
            err = fmin(err, 2.0 * exp(0.5 * (theta * theta + alpha * alpha) * m->s * m->s + C + late - log(expm1(2.0 * EW_PI * alpha * m->s / nd->hu))));
        }
        const double C = m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c * log(cos(0.5 * theta));
        err += ew_ends(ln, nd, EW_SMALL, ln->c, 0.0) * exp(0.5 * theta * theta * m->s * m->s + C) / (1.0 + at->m0);
    }
    const double x = v + (sure ? slack + 1.01 * err : 0.0);
    return n * (ew_log_m(at) + log1p(fmax(-1.0 + 1e-300, x)));
}

/* The distance T after which log far - log(pi T) <= wanted, not much more than needed; 0 if it costs more than the limit. */
static double reach(const ew_view *ln, double spread, double wanted, double most)
{
    const double f0 = ew_log_power(ln->at, ln->m->n, ln->cls);
    double T = (ln->cls == EW_MID ? 3.0 : 6.5) / spread, lo = 0.0, v_lo = 0.0, hi = 0.0, v_hi = 0.0; /* v_lo > 0 >= v_hi */
    for (int i = 0; i < 60; i++) {
        if (!(T < most))
            return hi;
        const double v = far_log(ln, ln->ref, ln->at, T, 0) - log(EW_PI * T) - wanted, gone = f0 - log(EW_PI * T) - wanted; /* what must decay in all */
        if (v <= 0.0) {
            hi = T;
            v_hi = v;
            if (v > -1.5 || (lo > 0.0 && hi < 1.03 * lo) || ln->cls == EW_MID || i > 8)
                return T;
        } else {
            lo = T;
            v_lo = v;
        }
        if (lo > 0.0 && hi > 0.0)
            T = lo * exp(log(hi / lo) * fmin(0.95, (v_lo + 0.5) / (v_lo - v_hi)));
        else if (v > 0.0 || gone > 0.0)
            T *= fmin(2.5, fmax(0.6, gone > fmax(v, 0.0) ? sqrt((gone + 0.5) / (gone - v)) : 2.0));
        else
            return T;
    }
    return hi;
}

static const double part[EW_SEGMENTS] = {0.2, 0.45, 0.7, 1.0};

/* Step in u.  The accuracy wanted of M fades as the integrand does, and n-th powers need some of it everywhere. */
static double step(double *a, const ew_view *ln, int cls, double T, double log_want, double fade)
{
    const double n = ln->m->n, any = -5.0 - log(n), f0 = ew_log_power(ln->at, ln->m->n, ln->cls);
    /* how far the integrand has faded where the last stretch begins; before that, as the square of t at least */
    const double gone_last = cls == EW_SMALL && ln->cls == EW_SMALL ? fmin(fade, fmax(0.0, f0 - far_log(ln, ln->ref, ln->at, part[EW_SEGMENTS - 2] * T, 0))) : 0.0;
    double hu = INFINITY;
    for (int i = 0; i < EW_SEGMENTS; i++) {
        const double share = i ? part[i - 1] / part[EW_SEGMENTS - 2] : 0.0, gone = gone_last * share * share;
        /* n e |M|^{n-1}, and e below |M| */
        const double target = fmax(log_want, fmin(any - gone / n, log_want + gone * (n - 1.0) / n));
        double best = 0.0, y = i ? fmin(ew_widest(ln), 1.4 * a[i - 1]) : ew_widest(ln); /* the best strip narrows as t grows */
        for (int j = 0; j < 20; j++, y *= 0.7) {
            const double strip = ew_strip_log(ln, cls, ln->c, part[i] * T, y), budget = 1.4 + (cls == EW_SMALL ? ew_lse(strip, ew_control(ln, hypot(ln->c, part[i] * T), y)) : strip) - target;
            const double h = 2.0 * EW_PI * y / fmax(budget, 2.0);
            if (h > best) {
                best = h;
                a[i] = y;
            } else if (best > 0.0) {
                break;
            }
        }
        if (!(best > 0.0))
            return 0.0;
        hu = fmin(hu, best);
    }
    return hu;
}

double ew_line_eps(const ew_law *law, double eps)
{
    return law->edge ? eps + law->m->n * law->m->log1mq : eps;
}

void ew_contour_start(ew_contour *ct, double eps, double log_scale, double tol, ew_scratch *ws)
{
    *ct = (ew_contour){.count = 0, .eps0 = eps, .log_scale = log_scale, .tol = tol, .left = INFINITY, .right = INFINITY, .scale_err = 8.0 * EW_U + 2.0 * EW_U * fabs(log_scale),
                       .cr = ws->node[0], .ci = ws->node[1], .zr = ws->node[2], .zi = ws->node[3], .err = ws->node[4]};
}

int ew_line(ew_contour *ct, const ew_law *law, ew_nodes *ref, int cls, const ew_saddle *sp, double limit, ew_scratch *ws)
{
    const ew_model *m = law->m;
    const double n = m->n, c = sp->c, eps = ew_line_eps(law, ct->eps0), scale = ct->log_scale, log_tol = log(ct->tol) - 1.0;
    ew_view ln = {law, m, ref, &sp->at, cls, c, ew_log_m(&sp->at) + 0.1};
    const double f0 = ew_log_power(&sp->at, n, cls) - c * eps - scale; /* G(c) e^{-c eps}/delta */
    double x = sp->spread * sqrt(2.0 * (2.5 + fmax(0.0, f0 - log(c) - log1p(c) - log(sp->spread) - 1.0) - log_tol));
    const double T0 = reach(&ln, sp->spread, log_tol + scale + c * eps, fmin(EW_JMAX * 6.0 / x, limit / 16.0 * 6.3 / x));
    if (!(T0 > 0.0))
        return 0;
    double T = 1.03 * T0, a[EW_SEGMENTS], b[EW_SEGMENTS];
    const double Tm = 1.15 * T + 14.0 / x;
    /* wanted errors of M_small and M_mid: each times dG/dM, within the tolerance */
    const double M = sp->at.m + (cls == EW_MID ? sp->at.b0 : 0.0), base = log_tol - 1.5 - log(n) - ew_log_kernel(c) + log(M);
    const double want_s = base - f0, want_b = cls == EW_MID ? base - (n * log(M) - c * eps - scale) : 0.0, fade = fmax(0.0, f0 - log_tol);
    double hu = step(a, &ln, EW_SMALL, Tm, want_s, fade);
    if (cls == EW_MID)
        hu = fmin(hu, step(b, &ln, EW_MID, Tm, want_b, fade));
    if (!(hu > 0.0))
        return 0;
    /* range of the nodes */
    ew_nodes fine;
    ew_nodes_bind(&fine, ws->fine);
    double from = ref->u[0], to = ref->u[ref->count - 1], lost = INFINITY, lost_b = 0.0;
    if (!((to - from) / hu * (T * x / (2.0 * EW_PI)) < limit) || T * x / 6.2 > EW_JMAX - 8)
        return 0;
    const double z = hypot(c, Tm), log_floor = want_s - 2.0 - log1p(z * fmin(1.0, 2.0 * m->q));
    if (!(law->far.width > 0.0)) { /* where the integrand meets the floor, by its slope at the coarse nodes */
        int i0 = 0, i1 = ref->count - 1;
        double e0 = 0.0, e1 = 0.0;
        for (; i0 < i1; i0++)
            if ((e0 = ref->lw[i0] + fmax(c * ref->loss[i0], fmax(0.0, -ref->loss[i0])) - log_floor) > 0.0)
                break;
        for (; i1 > i0; i1--)
            if ((e1 = ref->lw[i1] + fmax(c * ref->loss[i1], fmax(0.0, -ref->loss[i1])) - log_floor) > 0.0)
                break;
        const double rate = m->kind == EW_KIND_ADD ? 1.0 : m->kind == EW_KIND_REMOVE ? 1.0 + c : 1.0 + 2.0 * c;
        const double up = ref->u[i1] - rate * ref->dp[i1] / m->s;
        const double down = -ref->u[i0] - (m->kind == EW_KIND_ADD ? c * ref->dp[i0] / m->s : m->kind == EW_KIND_REPLACE ? ref->dm[i0] / m->s : 0.0);
        to = ref->u[i1] + (i1 + 1 < ref->count ? ref->hu : -up + sqrt(up * up + 2.0 * fmax(e1, 0.0)));
        from = ref->u[i0] - (i0 > 0 ? ref->hu : -down + sqrt(down * down + 2.0 * fmax(e0, 0.0)));
    }
    for (int i = 0;; i++) {
        if (!ew_nodes_fill(&fine, law, hu, from, to))
            return 0;
        lost = ew_ends(&ln, &fine, EW_SMALL, c, Tm);
        if (cls == EW_MID)
            lost_b = ew_ends(&ln, &fine, EW_MID, c, Tm);
        if (log(lost) <= want_s + 1.0 && (cls == EW_SMALL || log(lost_b) <= want_b + 1.0))
            break;
        if (i == 16 || (i == 3 && !isfinite(lost + lost_b)))
            return 0;
        to += 0.7;
        from -= 0.7;
    }
    if (!((double)fine.count * (T * x / (2.0 * EW_PI)) < limit))
        return 0;
    ew_moments at;
    ew_moments_at(&at, &fine, c);
    const double m_c = at.m;
    ln.log_m = log(m_c);
    double quad_s[EW_SEGMENTS], quad_b[EW_SEGMENTS] = {0}; /* error of the two M(c + it), |t| <= part[i] Tm */
    for (int i = 0; i < EW_SEGMENTS; i++) {
        quad_s[i] = ew_quad(&ln, EW_SMALL, c, part[i] * Tm, a[i], fine.hu) + lost;
        if (cls == EW_MID)
            quad_b[i] = ew_quad(&ln, EW_MID, c, part[i] * Tm, b[i], fine.hu) + lost_b;
    }
    double rate = c, low = INFINITY;
    const double x2 = sp->spread * sp->spread;
    ew_chernoffs far;
    ew_chernoffs_at(&far, &ln, &fine, &at, x, x2, eps, scale);
    double short_of = 0.0; /* an x that does not do */
    for (int i = 0; i < 200; i++) {
        low = ew_alias_bound(&rate, &far, c, x);
        if (low <= log_tol && (low > log_tol - 1.0 || !(short_of > 0.0) || x < 1.02 * short_of || i > 100))
            break;
        if (low <= log_tol) {
            x = 0.5 * (short_of + x);
            continue;
        }
        short_of = x;
        x *= i < 6 ? 1.04 : i < 20 ? 1.1 : 1.4;
        if (!(x * T / 6.2 < EW_JMAX - 8) || !((double)fine.count * (T * x / (2.0 * EW_PI)) < limit))
            return 0;
    }
    if (!(low <= log_tol))
        return 0;
    { /* the quadrature error of the aliases: relative to M it is largest at the largest abscissa */
        ew_moments there = at;
        double top = 1.0 + at.m0 + (fine.tapered ? 0.0 : ew_excess(&fine, &at, rate - c));
        if (fine.tapered) {
            ew_moments_at(&there, &fine, rate);
            top = there.m;
            ew_moments_at(&at, &fine, c);
        }
        double e = ew_real_quad(&ln, EW_SMALL, rate, fine.hu, top) + ew_ends(&ln, &fine, EW_SMALL, rate, 0.0) / top + ew_real_quad(&ln, EW_SMALL, c, fine.hu, m_c) + lost / m_c;
        if (cls == EW_MID)
            e += ew_real_quad(&ln, EW_MID, rate, fine.hu, there.b0) + ew_ends(&ln, &fine, EW_MID, rate, 0.0) / there.b0 + (quad_b[0] + lost_b) / at.b0;
        if (!(n * e < 0.5))
            return 0;
        low += 0.1 + 2.0 * n * e;
    }
    const double h = ew_trim(2.0 * EW_PI / x * (1.0 - 1e-7), 30); /* a smaller step than planned: larger x */
    int J = (int)ceil(T / h);
    double tail = INFINITY;
    for (int i = 0; i < 6; i++) {
        const double t = J * h;
        if (t > Tm || J > EW_JMAX - 8)
            break;
        tail = far_log(&ln, &fine, &at, t, 1) - log(EW_PI * t) - c * eps - scale;
        if (tail <= log_tol + 0.5)
            break;
        J = (int)(J * 1.03) + 1;
    }
    if (!(tail <= log_tol + 3.0) || J > EW_JMAX - 8 || ct->count + J + 1 > 2 * EW_JMAX)
        return 0;

    ew_rounding r;
    ew_rounding_at(&r, &fine, m, &at);
    const double tt = J * h, by1 = 2.0 * r.r0 + 0.3 * tt * r.turn, by2 = fmin(0.05 * tt * tt * r.r2, 0.3 * tt * r.r1 + 2.0 * r.r0) + 0.3 * tt * r.m1;
    const int second = by2 < by1 && !(n * by1 <= 0.2 * ct->tol * m_c);
    ew_rotate(&fine, h, J, second, ws);

    ew_line_terms terms = {.cls = cls, .bracketed = second, .J = J, .n = n, .c = c, .eps = eps, .h = h, .at = &at, .round = &r,
                           .top = n * ew_log_m(&at) - c * eps - scale, .less = -c * eps - scale,
                           .fixed_err = 4.0 * EW_U * (n * fabs(ew_log_m(&at)) + c * (fabs(eps) + (law->edge ? fabs(ct->eps0) - n * m->log1mq : 0.0)) + fabs(scale)) + 40.0 * EW_U,
                           .quad_0 = quad_s[0], .quad_b0 = quad_b[0]};
    for (int i = 0; i < EW_SEGMENTS; i++) {
        terms.until[i] = part[i] * Tm;
        terms.quad_s[i] = quad_s[i];
        terms.quad_b[i] = quad_b[i];
    }
    ew_add_terms(ct, &terms, ws);
    ct->low += exp(low) + exp(tail);
    ct->high += exp(tail);
    ct->rate = fmax(ct->rate, rate);
    return isfinite(ct->low);
}
