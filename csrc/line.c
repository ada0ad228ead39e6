/* line.c - trapezoidal inversion on the vertical line Re z = c, every error bounded.
 *
 * Formula  T_h = (h/2 pi) sum_j F(c + i j h),  F(z) = G(z) e^{-z eps}/(z (1+z)),
 *          G = M_small^n (every step small) or (M_small + M_mid)^n - M_small^n (at least one mid step): both are
 *          generating functions of positive measures, so  T_h = sum_k e^{c k x} delta(eps + k x),  x = 2 pi/h  (Poisson
 *          summation, MATH.md section 4), and T_h >= delta.
 * Bound    aliases       alias.c
 *          truncation    sup_{t >= T} |G(c+it)| e^{-c eps}/(pi T): decay.c (small), survey.c (mid)
 *          quadrature    quadrature.c, turned.c
 *          rounding      rounding.c, terms.c
 */
#include "rooms.h"

#include <math.h>

double ew_line_eps(const ew_law *law, double eps)
{
    return eps - law->m->n * law->origin;
}

void ew_contour_start(ew_contour *ct, double eps, double log_scale, double tol, ew_scratch *ws)
{
    *ct = (ew_contour){.count = 0,
                       .eps0 = eps,
                       .log_scale = log_scale,
                       .tol = tol,
                       .left = INFINITY,
                       .right = INFINITY,
                       .scale_err = 8.0 * EW_U + 2.0 * EW_U * fabs(log_scale),
                       .cr = ws->node[0],
                       .ci = ws->node[1],
                       .zr = ws->node[2],
                       .zi = ws->node[3],
                       .err = ws->node[4]};
}

int ew_line(ew_contour *ct, const ew_law *law, ew_nodes *ref, int cls, const ew_saddle *sp, double limit,
            ew_scratch *ws)
{
    const ew_model *m = law->m;
    const double n = m->n, c = sp->c, eps = ew_line_eps(law, ct->eps0), scale = ct->log_scale,
                 log_tol = log(ct->tol) - 1.0;
    ew_view ln = {law, m, ref, &sp->at, cls, c, ew_log_m(&sp->at) + 0.1};
    const double f0 = ew_log_power(&sp->at, n, cls) - c * eps - scale; /* G(c) e^{-c eps}/delta */
    double x = sp->spread * sqrt(2.0 * (2.5 + fmax(0.0, f0 - log(c) - log1p(c) - log(sp->spread) - 1.0) - log_tol));
    ew_reached at_T0;
    ws->left -= law->far.width > 0.0 ? 3e5 : 0.0; /* surveys */
    if (!ew_reach(&at_T0, &ln, sp->spread, log_tol + scale + c * eps, fmin(EW_JMAX * 6.0 / x, limit / 16.0 * 6.3 / x)))
        return 0;
    const double T0 = at_T0.T;
    const int sure = at_T0.far - log(EW_PI * T0) - c * eps - scale <= log_tol + 0.5;
    double T = sure ? T0 : 1.03 * T0, a[EW_SEGMENTS], b[EW_SEGMENTS];
    const double Tm = 1.15 * T + 14.0 / x;
    /* wanted errors of M_small and M_mid: each times dG/dM, within the tolerance */
    const double M = sp->at.m + (cls == EW_MID ? sp->at.b0 : 0.0),
                 base = log_tol - 1.5 - log(n) - ew_log_kernel(c) + log(M);
    const double want_s = base - f0, want_b = cls == EW_MID ? base - (n * log(M) - c * eps - scale) : 0.0,
                 fade = fmax(0.0, f0 - log_tol);
    /* faded by so much where the last stretch begins */
    const double gone = cls == EW_SMALL ? fmax(0.0, fade - log(EW_PI * T0)) *
                                              pow(ew_stretch[EW_SEGMENTS - 2] * Tm / T0, at_T0.power) * 0.97
                                        : 0.0;
    double hu = ew_step(a, &ln, EW_SMALL, Tm, want_s, fmin(fade, gone));
    if (cls == EW_MID)
        hu = fmin(hu, ew_step(b, &ln, EW_MID, Tm, want_b, 0.0));
    /* nodes beside the real axis cost several times as much, and need not be finer for larger t */
    double theta = 0.0;
    const double dear = 8.0, hu_turned = hu < 0.1 * fmin(m->s, 1.0) ? ew_turned_step(&theta, &ln, Tm, want_s) : 0.0;
    const int turned = hu_turned > dear * hu;
    const double each = turned ? dear : 1.0;
    if (turned)
        hu = hu_turned;
    if (!(hu > 0.0))
        return 0;
    /* the coarse nodes may already tell how far apart the aliases must be */
    const double x2 = sp->spread * sp->spread;
    ew_aliases alias;
    const int planned = ew_alias(&alias, &ln, ref, &sp->at, x, x2, eps, scale, log_tol) && alias.x < 4.0 * x;
    if (ref->tapered) {
        ew_moments again;
        ew_moments_at(&again, ref, c);
    }
    if (planned)
        x = alias.x;
    /* range of the nodes */
    ew_nodes fine;
    ew_nodes_bind(&fine, ws->fine);
    double from = ref->u[0], to = ref->u[ref->count - 1], lost = INFINITY, lost_b = 0.0;
    const double z = hypot(c, Tm), log_floor = want_s - 2.0 - log1p(z * fmin(1.0, 2.0 * m->q));
    { /* where the integrand meets the floor, by its slope at the coarse nodes; or where the taper has taken all */
        int i0 = 0, i1 = ref->count - 1;
        double e0 = 0.0, e1 = 0.0;
        for (; i0 < i1; i0++)
            if ((e0 = ref->lw[i0] + fmax(c * ref->loss[i0], fmax(0.0, -ref->loss[i0])) - log_floor) > 0.0)
                break;
        for (; i1 > i0; i1--)
            if ((e1 = ref->lw[i1] + fmax(c * ref->loss[i1], fmax(0.0, -ref->loss[i1])) - log_floor) > 0.0)
                break;
        const double rate = m->kind == EW_KIND_ADD ? 1.0 : m->kind == EW_KIND_REMOVE ? 1.0 + c : 1.0 + 2.0 * c;
        const double up = ref->u[i1] - rate * ref->dp[i1] / m->s,
                     back = m->kind == EW_KIND_REPLACE ? ref->dm[i0] / m->s : 0.0;
        const double down = -ref->u[i0] - (m->kind == EW_KIND_ADD ? c * ref->dp[i0] / m->s : back);
        /* the control variates know no taper */
        const double rest = fmax(0.0, law->origin != 0.0 ? 0.0 : log1p(z) - want_s + 2.0);
        if (law->far.width > 0.0)
            to = fmax(law->far.at + 2.0 * law->far.width,
                      fmax(sqrt(2.0 * rest), 1.0 / m->s + sqrt(2.0 * fmax(0.0, rest + log(m->q)))));
        else
            to = ref->u[i1] + (i1 + 1 < ref->count ? ref->hu : -up + sqrt(up * up + 2.0 * fmax(e1, 0.0)));
        if (law->origin == 0.0)
            from = ref->u[i0] - (i0 > 0 ? ref->hu : -down + sqrt(down * down + 2.0 * fmax(e0, 0.0)));
    }
    if (!(each * (to - from) / hu * (T * x / (2.0 * EW_PI)) < limit) || T * x / 6.2 > EW_JMAX - 8)
        return 0;
    for (int i = 0;; i++) {
        if (!ew_nodes_fill(&fine, law, hu, from, to))
            return 0;
        lost = turned ? ew_turned_ends(&ln, &fine, theta, Tm) : ew_ends(&ln, &fine, EW_SMALL, c, Tm);
        if (cls == EW_MID)
            lost_b = ew_ends(&ln, &fine, EW_MID, c, Tm);
        if (log(lost) <= want_s + 1.0 && (cls == EW_SMALL || log(lost_b) <= want_b + 1.0))
            break;
        if (i == 10 || (i == 3 && !isfinite(lost + lost_b)))
            return 0;
        to += 0.7 + 0.2 * i;
        from -= 0.7 + 0.2 * i;
    }
    if (!(each * fine.count * (T * x / (2.0 * EW_PI)) < limit))
        return 0;
    ew_moments at;
    ew_moments_at(&at, &fine, c);
    { /* no bound of a sum over nodes is better than what vanishes from it */
        const double lost_terms = EW_KMAX * EW_VANISHES,
                     least = cls == EW_MID ? fmin(at.m, at.b0) : at.m;
        if (!(least > EW_LEAST && log(n * lost_terms / least) + fmax(0.0, f0) < log_tol - 3.0))
            return 0;
    }
    const double m_c = at.m;
    ln.log_m = log(m_c);
    double quad_s[EW_SEGMENTS], quad_b[EW_SEGMENTS] = {0}; /* error of the two M(c + it), |t| <= ew_stretch[i] Tm */
    for (int i = 0; i < EW_SEGMENTS; i++) {
        quad_s[i] = lost + (turned ? ew_turned_quad(&ln, theta, Tm, fine.hu)
                                   : ew_quad(&ln, EW_SMALL, c, ew_stretch[i] * Tm, a[i], fine.hu));
        if (cls == EW_MID)
            quad_b[i] = ew_quad(&ln, EW_MID, c, ew_stretch[i] * Tm, b[i], fine.hu) + lost_b;
    }
    const double real_quad = turned ? m_c * ew_real_quad(&ln, EW_SMALL, c, fine.hu, m_c) +
                                          ew_ends(&ln, &fine, EW_SMALL, c, 0.0)
                                    : 0.0; /* of M(c) itself */
    if (!planned && !ew_alias(&alias, &ln, &fine, &at, x, x2, eps, scale, log_tol))
        return 0;
    if (fine.tapered)
        ew_moments_at(&at, &fine, c);
    x = alias.x;
    if (!(x * T / 6.2 < EW_JMAX - 8) || !(each * fine.count * (T * x / (2.0 * EW_PI)) < limit))
        return 0;
    /* how far the integrals that a bound of the tail of the mid steps takes from sums may be above them (the small
     * steps' has an error of its own) */
    double coarse = 0.0, close = 0.0;
    if (cls == EW_MID) {
        coarse = n * (fmax(0.0, log((at.m + quad_s[0]) / sp->at.m)) + fmax(0.0, log((at.b0 + quad_b[0]) / sp->at.b0)));
        close = n * (quad_s[0] / at.m + quad_b[0] / at.b0);
    }
    const double h = ew_trim(2.0 * EW_PI / x * (1.0 - 1e-7), 30); /* a smaller step than planned: larger x */
    int J = (int)ceil(T / h);
    double tail = at_T0.far + coarse - log(EW_PI * J * h) - c * eps - scale;
    for (int i = 0; i < 6 && !(tail <= log_tol + 0.5); i++) {
        const double t = J * h;
        if (t > Tm || J > EW_JMAX - 8)
            break;
        tail = ew_far(&ln, &fine, &at, t) + close - log(EW_PI * t) - c * eps - scale;
        if (!(tail <= log_tol + 0.5))
            J = (int)(J * 1.03) + 1;
    }
    if (!(tail <= log_tol + 3.0 && J * h <= Tm) || J > EW_JMAX - 8 || ct->count + J + 1 > 2 * EW_JMAX)
        return 0;

    ew_rounding r;
    ew_rounding_at(&r, &fine, m, &at);
    const double by1 = 2.0 * r.r0 + 0.3 * J * h * r.turn;
    /* the moduli of the terms over their sum, for a normal law 1 */
    const double cancels = 0.4 * exp(f0 - log(c) - log1p(c) - log(sp->spread));
    if (!turned && fine.origin == 0.0 && !(n * by1 * fmax(1.0, cancels) <= 0.2 * ct->tol * m_c)) {
        ew_rounding brackets = r;
        ew_rounding_bracketed(&brackets, &fine, m, &at, J * h, ws->turn[0]);
        if (1.4 * brackets.e[2] + 0.3 * J * h * brackets.m1 < by1)
            r = brackets;
    }
    ws->left -= each * fine.count * (J + 1.0) * (r.bracketed ? 2.0 : 1.0) * (fine.split ? 2.0 : 1.0);
    if (!turned)
        ew_rotate(&fine, h, J, r.bracketed, ws);
    else if (!ew_turned(&fine, m, theta, &at, h, J, ws))
        return 0;

    /* what eps is the difference of */
    const double moved = law->origin != 0.0 ? fabs(ct->eps0) + n * law->origin : 0.0;
    ew_line_terms terms = {.cls = cls,
                           .J = J,
                           .turned = turned,
                           .n = n,
                           .c = c,
                           .eps = eps,
                           .h = h,
                           .at = &at,
                           .round = &r,
                           .top = n * ew_log_m(&at) - c * eps - scale,
                           .fixed_err = 4.0 * EW_U * (n * fabs(ew_log_m(&at)) + c * (fabs(eps) + moved) + fabs(scale)) +
                                        40.0 * EW_U,
                           .quad_0 = turned ? real_quad : quad_s[0],
                           .quad_b0 = quad_b[0]};
    for (int i = 0; i < EW_SEGMENTS; i++) {
        terms.until[i] = ew_stretch[i] * Tm;
        terms.quad_s[i] = quad_s[i];
        terms.quad_b[i] = quad_b[i];
    }
    ew_add_terms(ct, &terms, ws);
    /* their generating functions are sums as well, with errors of that size */
    const double rounded = 2.0 * n * (r.m0 / at.m + (cls == EW_MID ? r.b0 / at.b0 : 0.0));
    ct->low += exp(alias.low + rounded) + exp(tail + rounded);
    ct->high += exp(tail + rounded);
    ct->rate = fmax(ct->rate, alias.rate);
    return isfinite(ct->low);
}
