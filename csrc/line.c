/* line.c - trapezoidal inversion on the vertical line Re z = c, every error bounded.
 *
 * Formula  T_h = (h/2 pi) sum_j F(c + i j h),  F(z) = e^{n K(z) - z eps} / (z (1+z)),
 *          T_h = sum_k e^{c k x} delta(eps + k x),  x = 2 pi/h   (Poisson summation, MATH.md section 4): T_h >= delta.
 * Bound    alias k > 0   e^{n K(c+d) - (c+d) eps} m(c+d) e^{-d x}/(1 - e^{-d x}),  m(c) = c^c/(1+c)^{1+c}, any d > 0 (Chernoff)
 *          alias k < 0   the same with c - d > 0, or delta <= 1: e^{-c x}/(1 - e^{-c x})
 *          truncation    rho_T/(pi T), rho_T from decay.c; quadrature in u from strip.c; rounding counted below.
 */
#include "rooms.h"
#include "special.h"

#include <math.h>

/* P = sum over k of p e^{i t loss} - 1 - i t loss at t = j h, j = 1..J, by the recurrence
 *     E2(i(j+1)a) = e^{ia} E2(i j a) + E2(i a) + j [i a (e^{ia} - 1)],   a = h loss,
 * whose terms are all of the size of the result: relative error about j units, however small a is. */
EW_CLONES
static void advance(int count, int J, const double *restrict p, double (*restrict rot)[EW_KMAX], double *restrict re,
                    double *restrict im)
{
    double *restrict er = rot[0], *restrict ei = rot[1];
    const double *restrict wr = rot[2], *restrict wi = rot[3], *restrict ar = rot[4], *restrict ai = rot[5];
    const double *restrict br = rot[6], *restrict bi = rot[7];
    for (int j = 0; j < J; j++) {
        double sr[4] = {0}, si[4] = {0};
        const double dj = j;
        for (int k = 0; k < count; k += 4)
            for (int l = 0; l < 4; l++) {
                const double x = er[k + l], y = ei[k + l];
                const double nx = (x * wr[k + l] - y * wi[k + l]) + (ar[k + l] + dj * br[k + l]);
                const double ny = (x * wi[k + l] + y * wr[k + l]) + (ai[k + l] + dj * bi[k + l]);
                er[k + l] = nx;
                ei[k + l] = ny;
                sr[l] += p[k + l] * nx;
                si[l] += p[k + l] * ny;
            }
        re[j] = (sr[0] + sr[1]) + (sr[2] + sr[3]);
        im[j] = (si[0] + si[1]) + (si[2] + si[3]);
    }
}

static int prepare_rotation(const ew_nodes *nd, double h, double (*rot)[EW_KMAX])
{
    const int padded = (nd->count + 3) & ~3;
    for (int k = 0; k < padded; k++) {
        const double a = k < nd->count ? h * nd->loss[k] : 0.0;
        const double s = sin(0.5 * a), co = -2.0 * s * s, si = sin(a); /* e^{ia} - 1 */
        double e2[2];
        ew_cexpm1mx(e2, 0.0, a);
        rot[0][k] = 0.0;
        rot[1][k] = 0.0;
        rot[2][k] = 1.0 + co;
        rot[3][k] = si;
        rot[4][k] = e2[0];
        rot[5][k] = e2[1];
        rot[6][k] = -a * si;
        rot[7][k] = a * co;
        if (k >= nd->count)
            nd->p[k] = 0.0;
    }
    return padded;
}

static double log_chernoff_factor(double c) /* log m(c) */
{
    return -c * log1p(1.0 / c) - log1p(c);
}

static double lse(double a, double b)
{
    const double t = fmax(a, b);
    return t == -INFINITY ? t : t + log1p(exp(-fabs(a - b)));
}

/* M(z) - 1 is summed as E[g e^{z loss}] - E[g] + z E[g e^{-loss} - g], and |g e^{-loss} - g| <= q (e^{w} + e^{w'}): its errors are at
 * most so many times those of the first piece. */
static double control(const ew_model *m, double z)
{
    return 2.0 + 2.0 * z * m->q;
}

static double control_ends(const ew_model *m, const ew_nodes *nd, double z)
{
    const double y = fmax(nd->y[nd->count - 1], m->kind == EW_KIND_REPLACE ? -nd->y[0] : 0.0);
    return 2.0 + 2.0 * z * fmin(1.0, m->q * (1.0 + exp(y)));
}

/* One plan: how far to go (T), how fine in u, and what it costs. */
enum { SEGMENTS = 4 };
typedef struct {
    double T, Tm, x, a[SEGMENTS], hu, from, to;
} plan;

static int plan_decay(plan *pl, const ew_model *m, const ew_nodes *coarse, const ew_saddle *sp, double log_tol, double limit)
{
    const ew_moments *at = &sp->at;
    double T = 7.0 / sp->spread;
    for (int i = 0; i < 40; i++) {
        double slack;
        const double need = -(log_tol + log(EW_PI * T)), theta = ew_decay_theta(m, coarse, at, T);
        const double v = -m->n * log1p(fmax(-1.0 + 1e-300, ew_decay_log(m, coarse, at, theta, T, &slack)));
        if (v >= need && v <= 1.25 * need + 2.0)
            break;
        if (need <= 0.0)
            break;
        const double f = v > 0.0 ? sqrt((need + 0.5) / v) : 2.0;
        if (v >= need && (i > 8 || f > 0.97))
            break;
        T *= v >= need ? fmax(f, 0.5) : fmin(fmax(f, 1.03), 3.0);
        if (!(T * pl->x < 6.3 * limit / 16.0))
            return 0;
    }
    pl->T = 1.04 * T;
    pl->Tm = 1.1 * pl->T + 16.0 / pl->x; /* room for rounding up the number of nodes and for a second thought */
    return 1;
}

/* log |phi_c(t)|^n / |z(1+z)| relative to t = 0, on the coarse nodes: how little accuracy M needs at t. */
static double fading(const ew_model *m, const ew_nodes *coarse, const ew_saddle *sp, double t)
{
    double re = 0.0, im = 0.0, sum = 0.0;
    for (int k = 0; k < coarse->count; k++) {
        const double p = coarse->p[k], x = t * coarse->loss[k];
        re += p * cos(x);
        im += p * sin(x);
        sum += p;
    }
    const double c2 = sp->c * sp->c, d2 = (1.0 + sp->c) * (1.0 + sp->c);
    return 0.5 * m->n * log(fmax(1e-300, (re * re + im * im) / (sum * sum))) - 0.5 * log((1.0 + t * t / c2) * (1.0 + t * t / d2));
}

static const double part[SEGMENTS] = {0.2, 0.45, 0.7, 1.0};

static int plan_nodes(plan *pl, const ew_model *m, const ew_nodes *coarse, const ew_saddle *sp, double log_tol)
{
    const double s = m->s, amax = fmin(0.93 * EW_PI * s, 11.0), log_z = log(control(m, sp->c + pl->T)) - sp->at.k0;
    const double log_any = -5.0 - log(m->n); /* n-th powers need at least this everywhere */
    pl->hu = INFINITY;
    for (int i = 0; i < SEGMENTS; i++) {
        const double spare = i ? fading(m, coarse, sp, part[i - 1] * pl->Tm) : 0.0;
        double best = 0.0, a = amax;
        for (int j = 0; j < 40; j++, a *= 0.8) {
            const double budget = 0.7 + ew_strip_log(m, coarse, a / s, sp->c, part[i] * pl->Tm) + log_z - fmin(log_tol - spare * (1.0 - 1.0 / m->n), log_any + spare / m->n);
            const double hu = 2.0 * EW_PI * a / fmax(budget, 2.0);
            if (hu > best) {
                best = hu;
                pl->a[i] = a;
            } else if (best > 0.0) {
                break;
            }
        }
        if (!(best > 0.0))
            return 0;
        pl->hu = fmin(pl->hu, best);
    }
    /* range: where the integrand is above the tolerance, extrapolated past the coarse ends by its own slope */
    const double floor_log = log_tol - log_z - 1.0;
    int i0 = 0, i1 = coarse->count - 1;
    double e0 = 0.0, e1 = 0.0;
    for (; i0 < i1; i0++) {
        const double l = coarse->loss[i0];
        e0 = coarse->lw[i0] + fmax(sp->c * l, fmax(0.0, -l)) - floor_log;
        if (e0 > 0.0)
            break;
    }
    for (; i1 > i0; i1--) {
        const double l = coarse->loss[i1];
        e1 = coarse->lw[i1] + fmax(sp->c * l, fmax(0.0, -l)) - floor_log;
        if (e1 > 0.0)
            break;
    }
    const double rate = m->kind == EW_KIND_ADD ? 1.0 : m->kind == EW_KIND_REMOVE ? 1.0 + sp->c : 1.0 + 2.0 * sp->c;
    const double up = coarse->u[i1] - rate * coarse->dp[i1] / s;
    const double down = -coarse->u[i0] - (m->kind == EW_KIND_ADD ? sp->c * coarse->dp[i0] / s : m->kind == EW_KIND_REPLACE ? coarse->dm[i0] / s : 0.0);
    pl->to = coarse->u[i1] + (i1 + 1 < coarse->count ? coarse->hu : -up + sqrt(up * up + 2.0 * fmax(e1, 0.0)));
    pl->from = coarse->u[i0] - (i0 > 0 ? coarse->hu : -down + sqrt(down * down + 2.0 * fmax(e0, 0.0)));
    return 1;
}

/* Log of the quadrature error of g e^{z loss}, Re z = c, |Im z| <= t, by whichever rule the nodes are. */
static double grid_log(const ew_model *m, const ew_nodes *coarse, const ew_nodes *fine, double a, double c, double t)
{
    if (fine->panel > 0.0)
        return fmax(ew_panels_log(m, fine, c, t), ew_panels_log(m, fine, 0.0, 0.0) - m->log1mq) + 1.0;
    return ew_strip_log(m, coarse, a / m->s, c, t) + 0.7 - log(expm1(2.0 * EW_PI * a / fine->hu));
}

/* Panels on [from, cut], short enough for an error of M below the tolerance at |Im z| = Tm. */
static int fill_panels(ew_nodes *nd, const ew_model *m, const plan *pl, double cut, double c, double log_want)
{
    double longest = fmin(1.5, 1.4 * m->s);
    for (int i = 0; i < 12; i++, longest *= 0.8) {
        if (!((cut - pl->from) / longest * EW_GAUSS < EW_KMAX - 8))
            return 0;
        ew_nodes_panels(nd, m, pl->from, cut, longest);
        if (ew_panels_log(m, nd, c, pl->Tm) < log_want)
            return 1;
    }
    return 0;
}

static int fill(ew_nodes *nd, const ew_model *m, const plan *pl)
{
    const double shift = m->kind == EW_KIND_REPLACE ? 0.0 : 0.5 / m->s;
    nd->hu = pl->hu;
    const double hu = ew_trim(pl->hu / m->s, 24) * m->s;
    nd->hu = hu;
    const double from = floor((pl->from - shift) / hu), to = ceil((pl->to - shift) / hu);
    nd->count = 0;
    if (!(to - from < EW_KMAX - 8))
        return 0;
    ew_nodes_append(nd, m, (long)from, (int)(to - from) + 1);
    return 1;
}

int ew_line(ew_contour *ct, const ew_model *m, const ew_nodes *coarse, const ew_saddle *sp, double tol, double limit,
            ew_scratch *ws)
{
    const double n = m->n, c = sp->c, S = sp->spread, eps = sp->eps;
    /* sizes relative to e^{n K(c) - c eps}: the answer is about d0 */
    const double log_d0 = sp->log_delta - (n * sp->at.k0 - c * eps), log_tol = log(tol);
    const double flat = -log(c) - log1p(c) - log(S) - 0.5 * EW_LOG_2PI; /* log_d0 at a good saddle point */
    plan pl = {0};
    pl.x = S * sqrt(2.0 * (1.5 - log_tol + fmax(0.0, flat - log_d0)));
    if (!plan_decay(&pl, m, coarse, sp, log_d0 + log_tol - 1.0, limit))
        return 0;
    const double log_quad = log_tol - log(n) - 4.0 - fmax(0.0, flat - log_d0); /* wanted error of M */
    if (sp->cut > 0.0) {
        pl.from = -sqrt(2.0 * (5.0 - log_quad + log(control(m, c + pl.T)))) - 1.0 / m->s;
        pl.to = sp->cut;
        pl.hu = 0.1;
    } else if (!plan_nodes(&pl, m, coarse, sp, log_quad)) {
        return 0;
    }
    if (!((pl.to - pl.from) / pl.hu * (pl.T * pl.x / (2.0 * EW_PI)) < limit) || !(pl.T * pl.x / 6.2 < EW_JMAX - 2))
        return 0;
    ew_nodes fine;
    ew_nodes_bind(&fine, ws->fine);
    ew_moments at;
    double ends = 0.0;
    for (int i = 0;; i++) {
        if (!(sp->cut > 0.0 ? fill_panels(&fine, m, &pl, sp->cut, c, log_quad - log(control(m, c + pl.T))) : fill(&fine, m, &pl)))
            return 0;
        ends = ew_ends_log(m, &fine, c);
        if (ends <= log_quad - log(control_ends(m, &fine, c + pl.T)) + 2.0)
            break;
        if (i == 12)
            return 0;
        pl.to += 0.7;
        pl.from -= 0.5;
    }
    ew_moments_at(&at, &fine, c);
    const double m_c = 1.0 + at.m0;
    /* error of M(c + it), relative to M(c), for |t| <= part[i] Tm */
    double quad[SEGMENTS];
    for (int i = 0; i < SEGMENTS; i++)
        quad[i] = ((exp(grid_log(m, coarse, &fine, pl.a[i], c, part[i] * pl.Tm)) * control(m, c + pl.Tm) + exp(ends) * control_ends(m, &fine, c + pl.Tm)) / m_c + sp->lost * exp(sp->log_delta) / n * (2.0 + 2.0 * (c + pl.Tm))) * (1.0 + 1e-6);

    /* aliases */
    double low = INFINITY;
    const double pref = n * log1p(at.m0) - c * eps;
    double d = fmin(pl.x / (S * S), fmax(1e3, 1e3 * c)), rate = c;
    double log_high = INFINITY, log_low = INFINITY, dm = fmin(d, 0.8 * c), best = INFINITY, trial = d;
    for (int i = 0; i < 12; i++, trial *= 0.6) { /* far ahead K may explode: then a smaller d */
        const double ex = ew_excess(&fine, &at, trial);
        const double err = (exp(grid_log(m, coarse, &fine, pl.a[0], c + trial, 0.0)) * control(m, c + trial) + exp(ew_ends_log(m, &fine, c + trial)) * control_ends(m, &fine, c + trial) + quad[0]) / (m_c + ex);
        const double v = n * log1p(ex / m_c) * (1.0 + 1e-9) - trial * eps + log_chernoff_factor(c + trial) + n * 1.01 * err + 1e-9 * fabs(trial * eps);
        if (n * err < 0.5 && v - trial * pl.x < best) {
            best = v - trial * pl.x;
            log_high = v;
            d = trial;
        }
        if (best <= log_d0 + log_tol || (isfinite(best) && v - trial * pl.x > best))
            break;
    }
    {
        const double ex = ew_excess(&fine, &at, -dm);
        const double err = (exp(grid_log(m, coarse, &fine, pl.a[0], c - dm, 0.0)) * control(m, c) + exp(ends) * control_ends(m, &fine, c) + quad[0]) / (m_c + ex);
        log_low = n * log1p(ex / m_c) * (1.0 - 1e-9) + dm * eps + log_chernoff_factor(c - dm) + n * 1.01 * err + 1e-9 * fabs(dm * eps);
    }
    for (int i = 0; i < 40; i++) {
        const double hi = log_high - d * pl.x - log(-expm1(-d * pl.x));
        const double lo = fmin(log_low - dm * pl.x - log(-expm1(-dm * pl.x)), -c * pl.x - pref * (1.0 - 1e-12 * copysign(1.0, pref)) - log(-expm1(-c * pl.x)));
        low = lse(hi, lo);
        if (low <= log_d0 + log_tol)
            break;
        pl.x *= i < 4 ? 1.06 : 1.2;
        if (i == 39 || !(pl.x * pl.T / 6.2 < EW_JMAX - 2))
            return 0;
    }
    rate = c + d;
    const double h = ew_trim(2.0 * EW_PI / pl.x * (1.0 - 1e-7), 30); /* a smaller step than planned: larger x */
    int J = (int)ceil(pl.T / h);

    /* truncation, checked on the fine nodes */
    double tail = INFINITY;
    for (int i = 0; i < 3; i++) {
        const double T = J * h;
        if (T > pl.Tm || J > EW_JMAX - 2)
            break;
        double slack;
        const double theta = ew_decay_theta(m, &fine, &at, T), v = ew_decay_log(m, &fine, &at, theta, T, &slack);
        /* on Im u = +-alpha s the integrand of decay.c is at most e^{(theta^2 + alpha^2) s^2/2} |v|^.. e^{(T/2)(alpha - theta) arg} */
        double err = INFINITY, alpha = fmin(0.93 * EW_PI - theta, 9.0 / m->s);
        for (int k = 0; k < 8 && !(n * err < 0.02 * (1.0 + v)) && !(fine.panel > 0.0); k++, alpha *= 0.6) {
            const double all = theta + alpha, strip = ew_strip_log(m, coarse, all, c, fmax(0.0, 0.5 * T * (alpha - theta) / all));
            err = fmin(err, 2.0 * exp(strip - theta * alpha * m->s * m->s - log(expm1(2.0 * EW_PI * alpha * m->s / fine.hu))));
        }
        /* |v_theta|^{-c} instead of v^{-c}: largest at the ends, because |1 + Y e^{i theta}| grows with Y (theta <= pi/2) */
        const int last = fine.count - 1;
        const double *d = m->kind == EW_KIND_ADD ? fine.dp : fine.dm, ver = 2.0 * sin(0.5 * theta) * sin(0.5 * theta);
        const double turned = m->kind == EW_KIND_REMOVE ? 0.0 : -0.5 * c * log1p(-2.0 * ver * fmax(d[0] * (1.0 - d[0]), d[last] * (1.0 - d[last])));
        const double grow = 0.5 * theta * theta * m->s * m->s;
        if (fine.panel > 0.0) { /* the same on the ellipses; the segment that joins the shifted line to the cut */
            const double e = 0.5 * EW_PI, y_far = m->odds * exp(-fine.from / m->s);
            const double more = m->kind == EW_KIND_REPLACE ? c * y_far * (theta * e + 0.5 * theta * theta) : 0.0;
            const double rise = 0.006 * fine.panel * ((1.0 + c) * fine.dp[last] + (m->kind == EW_KIND_REPLACE ? c * fine.dm[last] : 0.0)) / m->s;
            err = exp(ew_panels_log(m, &fine, c, 0.5 * T) + grow + more + 1.0);
            err += theta * m->s * exp(grow + turned + rise + fine.lw[last] + c * fine.loss[last]) / (0.5 * fine.panel * ew_gauss_w[EW_GAUSS / 2 - 1]);
        }
        err += exp(ends + grow + turned);
        tail = n * log1p(fmax(-1.0 + 1e-300, v + slack + 1.01 * err / m_c)) - log(EW_PI * T);
        if (tail <= log_d0 + log_tol + 0.5)
            break;
        J = (int)(J * 1.05) + 1;
    }
    if (!(tail <= log_d0 + log_tol + 3.0) || J > EW_JMAX - 2)
        return 0;

    /* the nodes */
    const int padded = prepare_rotation(&fine, h, ws->rot);
    double *re = ws->node[0], *im = ws->node[1];
    advance(padded, J, fine.p, ws->rot, re + 1, im + 1);
    re[0] = im[0] = 0.0;
    double bad0 = 0.0, bad1 = 0.0, bad2 = 0.0; /* rounding of each node, weighted as it enters m0, m1, m2 */
    for (int k = 0; k < fine.count; k++) {
        const double u = fabs(fine.u[k]), l = fabs(fine.loss[k]);
        const double unit = 80.0 + 6.0 * u * u + 8.0 * u / m->s + 10.0 * (1.0 + c) * l;
        bad0 += unit * (c * l > 30.0 ? fine.p[k] : fine.w[k] * ((c * l) * (c * l) * (1.0 + fine.p[k] / fine.w[k]) + c * fine.e2m[k]));
        bad1 += unit * (l * fabs(fine.p[k] - fine.w[k]) + fine.w[k] * fine.e2m[k]);
        bad2 += unit * fine.p[k] * l * l;
    }
    const double e0 = EW_U * (bad0 + fine.count * at.m0) / m_c, e1 = EW_U * (bad1 + fine.count * at.m1) / m_c;
    const double e2 = 0.5 * EW_U * (bad2 + (2.0 * J + 60.0 + fine.count) * at.m2) / m_c;
    ct->count = J + 1;
    ct->eps0 = eps;
    ct->log_scale = pref;
    ct->scale_err = n * e0 + n * 1.01 * quad[0] + 4.0 * EW_U * (fabs(pref) + c * fabs(eps) + n * fabs(log1p(at.m0))) + 40.0 * EW_U;
    ct->cr = ws->node[2];
    ct->ci = ws->node[3];
    ct->zr = ws->node[4];
    ct->zi = ws->node[5];
    ct->err = ws->node[6];
    ct->rate = rate;
    for (int j = 0, seg = 0; j <= J; j++) {
        while (seg < SEGMENTS - 1 && j * h > part[seg] * pl.Tm)
            seg++;
        const double t = j * h, a = re[j] / m_c, b = (im[j] + t * at.m1) / m_c, ea = fabs(a) + fabs(b);
        const double q = 2.0 * a + (a * a + b * b), mod2 = fmax(q < -0.5 ? (1.0 + a) * (1.0 + a) + b * b : 1.0 + q, 1e-300);
        const double size = 0.5 * n * (q < -0.5 ? log(mod2) : log1p(q)), turn = n * atan2(b, 1.0 + a) - t * eps;
        const double g = exp(size) * (j ? h / EW_PI : h / (2.0 * EW_PI));
        const double kr = c * (1.0 + c) - t * t, ki = t * (1.0 + 2.0 * c), k2 = kr * kr + ki * ki;
        const double co = cos(turn), si = sin(turn);
        ct->cr[j] = g * (co * kr + si * ki) / k2;
        ct->ci[j] = g * (si * kr - co * ki) / k2;
        ct->zr[j] = c;
        ct->zi[j] = t;
        /* relative error of M(c+it)/M(c), hence of its n-th power, and of the rest */
        const double eM = (t * e1 + t * t * e2 + quad[0] + quad[seg] + 8.0 * EW_U * ea * (1.0 + ea)) / sqrt(mod2);
        const double power = expm1(fmin(700.0, n * log1p(eM)));
        ct->err[j] = 1.01 * power + 1.01 * EW_U * (1.0 + power) * (8.0 * (fabs(size) + fabs(turn) + n * fabs(b)) + 4.0 * t * fabs(eps) + 40.0);
    }
    ct->low = exp(low) + exp(tail);
    ct->high = exp(tail) + sp->lost * exp(sp->log_delta - pref);
    return isfinite(ct->low);
}
