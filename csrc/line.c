/* line.c - trapezoidal inversion on the vertical line Re z = c, every error bounded.
 *
 * Formula  T_h = (h/2 pi) sum_j F(c + i j h),  F(z) = G(z) e^{-z eps}/(z (1+z)),
 *          G = M_small^n (every step small) or (M_small + M_mid)^n - M_small^n (at least one mid step): both are generating
 *          functions of positive measures, so  T_h = sum_k e^{c k x} delta(eps + k x),  x = 2 pi/h  (Poisson summation,
 *          MATH.md section 4), and T_h >= delta.
 * Bound    alias k > 0   G(c+d) e^{-(c+d) eps} m(c+d) e^{-d x}/(1 - e^{-d x}),  m(c) = c^c/(1+c)^{1+c}, any d > 0 (Chernoff)
 *          alias k < 0   the same with c - d > 0
 *          truncation    sup_{t >= T} |G(c+it)| e^{-c eps}/(pi T): decay.c (small), survey.c (mid)
 *          quadrature    survey.c, or for a law without tapers the closed form of MATH.md section 2
 *          rounding      counted below
 */
#include "rooms.h"
#include "special.h"

#include <math.h>

/* Is the coarse sum of phi g e^{c loss} within 2 % of the integral? */
static int trusted(const ew_model *m, double c, double hu)
{
    const double a = fmin(0.9 * EW_PI * m->s, 6.0), log_c = m->kind == EW_KIND_REMOVE ? 0.0 : -c * log(cos(0.5 * a / m->s));
    const double b = 0.3 * a, log_d = m->kind == EW_KIND_REMOVE ? 0.0 : -c * log(cos(0.5 * b / m->s));
    return fmin(0.5 * a * a + log_c - 2.0 * EW_PI * a / hu, 0.5 * b * b + log_d - 2.0 * EW_PI * b / hu) < -5.0;
}

/* log N_y of a law without tapers at Re z = c, |Im z| <= t: e^{y^2/2} C e^{t theta} M(c), C = 1 or cos(theta/2)^{-c}; or, with
 * B <= theta min(1, Y) <= theta log(1 + Y)/log 2, the same with M at a shifted exponent, from the nodes nd (weights p at c). */
static double plain_log(const ew_model *m, const ew_nodes *nd, const ew_moments *at, double c, double t, double y, double log_m)
{
    const double theta = y / m->s, C = m->kind == EW_KIND_REMOVE ? 0.0 : -c * log(cos(0.5 * theta));
    const int two = m->kind == EW_KIND_REPLACE;
    double rise = t * theta * (two ? 2.0 : 1.0);
    if (rise > 12.0 && c == at->c) {
        const double k = t * theta * 0x1.71547652b82fep+0 * 1.0000001, alpha = (m->kind == EW_KIND_ADD ? 0.0 : 1.0 + c) + k, s = m->s;
        const int e = nd->count - 1;
        const double *p = nd->p[EW_SMALL], right = nd->u[e], left = -nd->u[0], back = two ? k : 0.0;
        const int fine = alpha < 4.0 * s * s;
        const double down = right - alpha * (fine ? nd->dp[e] : 1.0) / s, up = left - back * (fine ? nd->dm[0] * two : 1.0) / s;
        if (down > 2.0 && up > 2.0 && trusted(m, c, nd->hu)) {
            double sum = 0.0;
            for (int i = 0; i <= e; i++)
                sum += p[i] * exp(k * (nd->lp[i] + (two ? nd->lm[i] : 0.0)));
            const double ends = p[e] * exp(k * (nd->lp[e] + (two ? nd->lm[e] : 0.0))) / (nd->hu * down) + p[0] * exp(k * (nd->lp[0] + (two ? nd->lm[0] : 0.0))) / (nd->hu * up);
            rise = fmin(rise, log((sum + 2.0 * ends) * 1.05 / (1.0 + at->m0)));
        }
    }
    return 0.5 * y * y + C + rise + log_m + 1e-3;
}

/* Everything that the bounds of one line need. */
typedef struct {
    const ew_law *law;
    const ew_model *m;
    ew_nodes *ref;        /* coarse nodes, weights at c */
    const ew_moments *at; /* there */
    int cls;
    double c, log_m;      /* log of M(c) of the small steps */
} line;

static double strip_log(const line *ln, int cls, double c, double t, double y)
{
    return ln->law->far.width > 0.0 ? ew_survey(ln->law, cls, c, t, y) : plain_log(ln->m, ln->ref, ln->at, c, t, y, ln->log_m);
}

static double widest(const line *ln)
{
    const double s = ln->m->s, w = fmin(ln->law->far.width, ln->law->split.width > 0.0 ? ln->law->split.width : ln->law->far.width);
    return ln->law->far.width > 0.0 ? fmin(1.5 * s, 0.75 * w) : fmin(0.93 * EW_PI * s, 11.0);
}

/* M - 1 is summed with the control variates E[g] - 1 = 0 and z E[g e^{-loss} - g] = 0: on Im u = y the modulus of the first is at most
 * e^{y^2/2}, of the second 2 q e^{y^2/2} |z|. */
static double control(const line *ln, double z, double y)
{
    if (ln->law->edge) /* M is summed as it is */
        return -INFINITY;
    return log1p(2.0 * z * ln->m->q) + 0.5 * y * y;
}

static double quad(const line *ln, int cls, double c, double t, double y, double hu) /* bound of the error of M, nodes without end */
{
    const double k = log(expm1(2.0 * EW_PI * y / hu));
    return 2.0 * (exp(strip_log(ln, cls, c, t, y) - k) + (cls == EW_SMALL ? exp(control(ln, hypot(c, t), y) - k) : 0.0)) * (1.0 + 1e-6);
}

/* The same on the real axis, best y; relative to M when `size` is M. */
static double real_quad(const line *ln, int cls, double c, double hu, double size)
{
    line here = *ln;
    double err = INFINITY;
    here.log_m = log(size);
    for (double y = widest(ln); y > 0.02 * fmin(1.0, ln->m->s) && !(ln->m->n * err < 1e-4 * size); y *= 0.7)
        err = fmin(err, quad(&here, cls, c, 0.0, y, hu));
    return err / size;
}

/* What the sums lose beyond the ends of the nodes, cell by cell. */
static double surveyed_ends(const line *ln, const ew_nodes *nd, int cls, double c, double z)
{
    const double from = nd->u[0], to = nd->u[nd->count - 1], lost = exp(ew_survey_ends(ln->law, cls, c, 0.0, 0.0, from, to, nd->hu));
    if (cls != EW_SMALL || ln->law->edge)
        return lost;
    return lost + (exp(ew_survey_ends(ln->law, EW_WHOLE, 0.0, 0.0, 0.0, from, to, nd->hu)) + exp(ew_survey_ends(ln->law, EW_WHOLE, -1.0, 0.0, 0.0, from, to, nd->hu))) * (1.0 + z);
}

/* The same, in closed form where the integrand is log-concave beyond or past every peak. */
static double ends(const line *ln, const ew_nodes *nd, int cls, double c, double t)
{
    const ew_model *m = ln->m;
    const int e = nd->count - 1;
    const double z = hypot(c, t), left = 1.0 + z * fmin(1.0, m->q * 1.0001);
    const double s = m->s, a = m->kind == EW_KIND_ADD ? 1.0 : 1.0 + c, b = m->kind == EW_KIND_REPLACE ? 1.0 : 0.0;
    const double up = nd->u[e] - a * (a < 4.0 * s * s ? nd->dp[e] : 1.0) / s - b * c * nd->dm[e] / s;
    const double down = -nd->u[0] - (m->kind == EW_KIND_ADD ? c * nd->dp[0] / s : b / s);
    if (ln->law->far.width > 0.0 || !(up > 0.5 && down > 0.5))
        return surveyed_ends(ln, nd, cls, c, z);
    const double le = nd->loss[e], l0 = nd->loss[0];
    const double fe = exp(nd->lw[e] + fmax(c * le, fmax(0.0, -le))) / expm1(nd->hu * up), f0 = exp(nd->lw[0] + fmax(c * l0, fmax(0.0, -l0))) / expm1(nd->hu * down);
    return 2.0 * (fe * (1.0 + z) + f0 * (b > 0.0 ? 1.0 + z : left)) * (1.0 + 1e-6);
}

/* log of sup_{t >= T} |G(c + i t)| from the nodes; sure = 1 adds the errors that a plan may ignore. */
static double far_log(const line *ln, const ew_nodes *nd, const ew_moments *at, double T, int sure)
{
    const ew_model *m = ln->m;
    const double n = m->n;
    if (ln->cls == EW_MID) {
        const double most = fmin(1.5, widest(ln) * 0.95 / m->s);
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
    } else if (sure) { /* |v_theta| on Im u = alpha s: decay.c */
        err = INFINITY;
        for (double alpha = fmin(0.95 * EW_PI - theta, 9.0 / m->s); alpha * m->s > 0.02 && !(n * err < 0.02 * (1.0 + v)); alpha *= 0.6) {
            const double C = m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c * log(cos(0.5 * (theta + alpha)));
            err = fmin(err, 2.0 * exp(0.5 * (theta * theta + alpha * alpha) * m->s * m->s + C - log(expm1(2.0 * EW_PI * alpha * m->s / nd->hu))));
        }
        const double C = m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c * log(cos(0.5 * theta));
        err += ends(ln, nd, EW_SMALL, ln->c, 0.0) * exp(0.5 * theta * theta * m->s * m->s + C) / (1.0 + at->m0);
    }
    const double x = v + (sure ? slack + 1.01 * err : 0.0);
    return n * (ew_log_m(at) + log1p(fmax(-1.0 + 1e-300, x)));
}

/* The distance T after which log far - log(pi T) <= wanted, not much more than needed; 0 if it costs more than the limit. */
static double reach(const line *ln, double spread, double wanted, double most)
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
static double step(double *a, const line *ln, int cls, double T, double log_want, double fade)
{
    const double n = ln->m->n, any = -5.0 - log(n), f0 = ew_log_power(ln->at, ln->m->n, ln->cls);
    /* how far the integrand has faded where the last stretch begins; before that, as the square of t at least */
    const double gone_last = cls == EW_SMALL && ln->cls == EW_SMALL ? fmin(fade, fmax(0.0, f0 - far_log(ln, ln->ref, ln->at, part[EW_SEGMENTS - 2] * T, 0))) : 0.0;
    double hu = INFINITY;
    for (int i = 0; i < EW_SEGMENTS; i++) {
        const double share = i ? part[i - 1] / part[EW_SEGMENTS - 2] : 0.0, gone = gone_last * share * share;
        /* n e |M|^{n-1}, and e below |M| */
        const double target = fmax(log_want, fmin(any - gone / n, log_want + gone * (n - 1.0) / n));
        double best = 0.0, y = i ? fmin(widest(ln), 1.4 * a[i - 1]) : widest(ln); /* the best strip narrows as t grows */
        for (int j = 0; j < 20; j++, y *= 0.7) {
            const double strip = strip_log(ln, cls, ln->c, part[i] * T, y), budget = 1.4 + (cls == EW_SMALL ? ew_lse(strip, control(ln, hypot(ln->c, part[i] * T), y)) : strip) - target;
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

/* log of G(c2) e^{-c2 eps} m(c2)/delta at a few c2 on both sides of c: Chernoff bounds for the aliases, whatever their distance x. */
enum { SHIFTS = 10 };
typedef struct {
    int up, down;
    double d[2][SHIFTS], v[2][SHIFTS];
} chernoffs;

static double chernoff(const line *ln, ew_nodes *nd, const ew_moments *at, double c2, double eps, double scale)
{
    const double n = ln->m->n;
    double log_g;
    if (nd->tapered) {
        ew_moments there;
        ew_moments_at(&there, nd, c2);
        log_g = ew_log_power(&there, n, ln->cls);
    } else if (c2 < ln->c) { /* anew: M may be far smaller there than at c */
        log_g = n * log1p(ew_mgf_less_1(nd, c2));
    } else {
        const double more = at->m0 + ew_excess(nd, at, c2 - ln->c);
        log_g = n * ends(ln, nd, EW_SMALL, c2, 0.0) < 0.1 * (1.0 + more) ? n * log1p(more) : INFINITY;
    }
    return log_g + 1e-9 * (fabs(log_g) + c2 * fabs(eps) + 1.0) - c2 * eps + ew_log_kernel(c2) - scale;
}

static void shifts(chernoffs *s, const line *ln, ew_nodes *nd, const ew_moments *at, double x, double x2, double eps, double scale)
{
    s->up = s->down = 0;
    double d = fmin(x / x2, fmax(1e3, 1e3 * ln->c)); /* far ahead G may explode: then smaller ones */
    double best = INFINITY;
    for (int i = 0; i < SHIFTS; i++, d *= 0.45) {
        const double v = chernoff(ln, nd, at, ln->c + d, eps, scale);
        if (isfinite(v)) {
            s->d[0][s->up] = d;
            s->v[0][s->up++] = v;
            if (!nd->tapered && v - d * x > best)
                break;
            best = fmin(best, v - d * x);
        }
    }
    for (double f = 0.75; f < (nd->tapered ? 0.999 : 0.8); f = 1.0 - 0.35 * (1.0 - f)) {
        s->d[1][s->down] = f * ln->c;
        s->v[1][s->down++] = chernoff(ln, nd, at, (1.0 - f) * ln->c, eps, scale);
    }
}

/* log of the aliases at distance x, x, .. on both sides; *rate: the abscissa used above */
static double alias(double *rate, const chernoffs *s, double c, double x)
{
    double best[2] = {INFINITY, INFINITY};
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < (side ? s->down : s->up); i++) {
            const double d = s->d[side][i], e = s->v[side][i] - d * x - log(-expm1(-d * x));
            if (e < best[side]) {
                best[side] = e;
                if (side == 0)
                    *rate = c + d;
            }
        }
    return ew_lse(best[0], best[1]);
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
    line ln = {law, m, ref, &sp->at, cls, c, ew_log_m(&sp->at) + 0.1};
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
        lost = ends(&ln, &fine, EW_SMALL, c, Tm);
        if (cls == EW_MID)
            lost_b = ends(&ln, &fine, EW_MID, c, Tm);
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
        quad_s[i] = quad(&ln, EW_SMALL, c, part[i] * Tm, a[i], fine.hu) + lost;
        if (cls == EW_MID)
            quad_b[i] = quad(&ln, EW_MID, c, part[i] * Tm, b[i], fine.hu) + lost_b;
    }
    double rate = c, low = INFINITY;
    const double x2 = sp->spread * sp->spread;
    chernoffs far;
    shifts(&far, &ln, &fine, &at, x, x2, eps, scale);
    double short_of = 0.0; /* an x that does not do */
    for (int i = 0; i < 200; i++) {
        low = alias(&rate, &far, c, x);
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
        double e = real_quad(&ln, EW_SMALL, rate, fine.hu, top) + ends(&ln, &fine, EW_SMALL, rate, 0.0) / top + real_quad(&ln, EW_SMALL, c, fine.hu, m_c) + lost / m_c;
        if (cls == EW_MID)
            e += real_quad(&ln, EW_MID, rate, fine.hu, there.b0) + ends(&ln, &fine, EW_MID, rate, 0.0) / there.b0 + (quad_b[0] + lost_b) / at.b0;
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

    /* rounding of the weights, as it enters M, M', M'' */
    double w0 = 0.0, w1 = 0.0, w2 = 0.0, bad0 = 0.0, bad1 = 0.0, b0 = 0.0;
    for (int k = 0; k < fine.count; k++) {
        const double u = fabs(fine.u[k]), l = fabs(fine.loss[k]), p = fine.p[EW_SMALL][k], x1 = c * l;
        const double w = fine.tapered ? fine.wc[EW_SMALL][k] : fine.w[k];
        const double unit = 24.0 + 5.0 * u * u + 8.0 * (1.0 + c) * l + (fine.tapered ? 40.0 * (1.0 + fabs(fmax(-745.0, fine.cls[EW_SMALL][k]))) : 0.0);
        w0 += unit * p;
        w1 += unit * p * l;
        w2 += unit * p * l * l;
        bad0 += unit * (law->edge || x1 > 30.0 || !(w > 0.0) ? p : w * (x1 * x1 * (1.0 + p / w) + c * fine.e2m[k]));
        bad1 += unit * (law->edge ? p * l : l * fabs(p - w) + w * fine.e2m[k]);
        if (cls == EW_MID)
            b0 += (unit + 40.0 * (1.0 + fabs(fmax(-745.0, fine.cls[EW_MID][k])))) * fine.p[EW_MID][k];
    }
    if (fine.tapered && !law->edge) {
        bad0 += 100.0 * (fine.out + c * fabs(fine.out_gap));
        bad1 += 100.0 * fabs(fine.out_gap);
    }
    const double count = 0.25 * fine.count + 5.0 * EW_BLOCK + 20.0;
    const double r0 = EW_U * (w0 + count * m_c), r1 = EW_U * (w1 + count * w1 / 24.0), r2 = EW_U * (w2 + count * at.m2);
    const double e0 = EW_U * (bad0 + fine.count * (law->edge ? at.m : fabs(at.m0))), em = EW_U * (bad1 + fine.count * fabs(at.m1));
    const double tt = J * h, by1 = 2.0 * r0, by2 = fmin(0.05 * tt * tt * r2, 0.3 * tt * r1 + 2.0 * r0) + 0.3 * tt * em;
    const int second = by2 < by1 && !(n * by1 <= 0.2 * ct->tol * m_c);
    ew_rotate(&fine, h, J, second, ws);

    ew_line_terms terms = {.cls = cls, .bracketed = second, .J = J, .n = n, .c = c, .eps = eps, .h = h, .at = &at, .r0 = r0, .r1 = r1, .r2 = r2, .em = em,
                           .top = n * ew_log_m(&at) - c * eps - scale, .less = -c * eps - scale, .b_round = EW_U * (b0 + count * at.b0), .b_more = EW_U * count,
                           .fixed_err = n * 1.01 * (e0 + quad_s[0]) / m_c + 4.0 * EW_U * (n * fabs(ew_log_m(&at)) + c * (fabs(eps) + (law->edge ? fabs(ct->eps0) - n * m->log1mq : 0.0)) + fabs(scale)) + 40.0 * EW_U,
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

/* log of a certain upper bound of delta(eps) from the coarse nodes of a law without tapers, INFINITY where they are too coarse. */
double ew_chernoff(const ew_law *law, ew_nodes *nd, const ew_saddle *sp)
{
    const ew_model *m = law->m;
    const double m_c = 1.0 + sp->at.m0;
    const line ln = {law, m, nd, &sp->at, EW_SMALL, sp->c, log(m_c)};
    const double err = 1.2 * m_c * real_quad(&ln, EW_SMALL, sp->c, nd->hu, 1.2 * m_c);
    if (!(err < 0.1 * m_c)) /* M <= 1.2 (1 + m0) is what the bound takes for granted */
        return INFINITY;
    const double k = m->n * log1p(sp->at.m0 * (1.0 + 1e-10) + 1.01 * (err + ends(&ln, nd, EW_SMALL, sp->c, 0.0)));
    return k + 1e-12 * fabs(k) - sp->c * sp->eps * (1.0 - 4.0 * EW_U * copysign(1.0, sp->eps)) + ew_log_kernel(sp->c) + 1e-11;
}
