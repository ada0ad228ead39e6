/* bend.c - inversion on a contour that bends to the right, for few steps or little noise, where the characteristic function
 * hardly decays on a vertical line.
 *
 * Formula  With Y_+- as in core.h and p = 1 + z (remove, replace) or p = -z (add), all three relations are one integral
 *
 *              delta = e^{pref} (1/pi) Im int G(p)^n e^{-p gap} / (p (p-1)) dp,   G(p) = E[(1+Y_+)^p (1+Y_-)^{chi (1-p)}],
 *
 *          gap = eps - n log(1-q), -eps - n log(1-q), eps;  pref = eps, 0, eps + n log(1-q);  chi = 1 for replace only;
 *          from p0 = 1 + c (p0 = -c for add) on the real axis through the upper half plane to +infinity.
 * Why      Losses near the edge die as e^{-Re p gap}; the Gaussian part stays bounded while (Re p)^2 < 2 s^2 theta Im p.
 *          MATH.md section 4, "Where it is hard".
 * Nodes    Gauss-Legendre panels on a polygon.  F is entire but for the two poles, so a panel of half-length l with m nodes is
 *          off by at most (64/15) l sup|F| rho^{-2m}/(1 - rho^-2) (Bernstein ellipse; Trefethen, ATAP theorem 19.3, with complex l),
 *          and sup|F| over the disc that holds the ellipse follows from |G(p)| <= |G(p_0)| + |p - p_0| sup|G'|.
 * Shift    x -> x + i theta s^2 turns (1+Y)^p into e^{p (A + i B)}, A = log|1+Y e^{i theta}|, B its argument:
 *              |G'(r + i t)| <= e^{theta^2 s^2/2} int phi |lambda| e^{r A_+ + chi (1-r) A_-} e^{-t (B_+ + chi B_-)},
 *          decreasing in t >= 0 and log-convex in r: the largest value on a disc is at its lowest t, at one of the end r.
 */
#include "rooms.h"
#include "special.h"

#include <math.h>

enum { NODE_MOST = 6000, QUAD_MOST = 6000 };

/* One line Im x = theta s^2 of quadrature nodes: lambda_+- = A +- i B and the bounds of a cell to the right of each node. */
typedef struct {
    int count, chi;
    double s, theta, hu, grow;          /* grow = theta^2 s^2/2 */
    double *u, *ap, *bp, *am, *bm;      /* A, B of both branches */
    double *wr, *wi;                    /* hu phi(u + i theta s) */
} layer;

typedef struct {
    const ew_model *m;
    layer mid, lo, hi;                  /* the nodes, and the two lines of the strip bound */
    double width, n, gap, pref;         /* width = distance of lo and hi from mid in u */
    double y_end, u_end, u_start;
} bent;

static void lay(layer *l, const ew_model *m, double theta, const layer *like, double (*a)[EW_KMAX])
{
    l->s = m->s;
    l->theta = theta;
    l->grow = 0.5 * theta * theta * m->s * m->s;
    l->chi = m->kind == EW_KIND_REPLACE;
    l->ap = a[0];
    l->bp = a[1];
    l->am = a[2];
    l->bm = a[3];
    if (like != l) {
        l->count = like->count;
        l->hu = like->hu;
        l->u = like->u;
    }
    const double co = cos(theta), si = sin(theta), shift = l->chi ? 0.0 : 0.5 / m->s;
    for (int k = 0; k < l->count; k++) {
        const double y = (l->u[k] - shift) / m->s, up = m->odds * exp(y), um = m->odds * exp(-y);
        l->ap[k] = 0.5 * log1p(up * (2.0 * co + up));
        l->bp[k] = atan2(up * si, 1.0 + up * co);
        l->am[k] = l->chi ? 0.5 * log1p(um * (2.0 * co + um)) : 0.0;
        l->bm[k] = l->chi ? atan2(um * si, 1.0 + um * co) : 0.0;
    }
}

/* G(p) - 1 and a bound of its rounding error */
static void value(double out[3], const layer *l, double r, double t)
{
    double re = 0.0, im = 0.0, err = 0.0;
    const double p = fabs(r) + t, rm = 1.0 - r;
    for (int k = 0; k < l->count; k++) {
        double a = r * l->ap[k] - t * l->bp[k], b = r * l->bp[k] + t * l->ap[k];
        double size = p * (l->ap[k] + l->bp[k]);
        if (l->chi) { /* (1 - p) (A_- - i B_-) */
            a += rm * l->am[k] - t * l->bm[k];
            b -= rm * l->bm[k] + t * l->am[k];
            size += (p + 1.0) * (fabs(l->am[k]) + l->bm[k]);
        }
        const double e = expm1(a), h = sin(0.5 * b), cb = 1.0 - 2.0 * h * h, sb = sin(b);
        const double x = e * cb - 2.0 * h * h, y = (1.0 + e) * sb, u = l->u[k];
        re += l->wr[k] * x - l->wi[k] * y;
        im += l->wr[k] * y + l->wi[k] * x;
        /* relative size of the node's error: its weight, then lambda (8 units and the error of y), each with its effect */
        const double w = fabs(l->wr[k]) + fabs(l->wi[k]), v = fabs(x) + fabs(y);
        const double unit = 20.0 + 3.0 * u * u + 6.0 * fabs(u) * (l->theta + 1.0) * (l->s + 1.0 / l->s);
        err += w * (v * unit + (1.0 + e) * size * (12.0 + 3.0 * fabs(u) / l->s + 2.0 / (l->s * l->s)));
    }
    out[0] = re;
    out[1] = im;
    out[2] = EW_U * (err + l->count * (fabs(re) + fabs(im)) + 2.0 * l->count * err * EW_U);
}

static double least_a(double a, double b, double theta) /* least A over a cell, from its values at the ends */
{
    return theta > 0.5 * EW_PI ? fmin(fmin(a, b), log(sin(theta))) : fmin(a, b);
}

/* Log of a bound of e^{grow} int phi |lambda|^power |1+Y_+|^r |1+Y_-|^{chi(1-r)} e^{-t (B_+ + chi B_-)} over the cells between the nodes. */
static double layer_log(const layer *l, double r, double t, int power)
{
    double sum = 0.0;
    const double rm = 1.0 - r;
    for (int k = 0; k + 1 < l->count; k++) {
        const double ul = l->u[k], ur = l->u[k + 1], near = ul * ur <= 0.0 ? 0.0 : fmin(fabs(ul), fabs(ur));
        double e = l->grow - 0.5 * near * near - t * l->bp[k], size = 1.0;
        e += r * (r >= 0.0 ? fmax(l->ap[k], l->ap[k + 1]) : least_a(l->ap[k], l->ap[k + 1], l->theta));
        if (l->chi)
            e += rm * (rm >= 0.0 ? fmax(l->am[k], l->am[k + 1]) : least_a(l->am[k], l->am[k + 1], l->theta)) - t * l->bm[k + 1];
        if (e < -745.0)
            continue;
        if (power)
            size = fmax(fabs(l->ap[k]), fabs(l->ap[k + 1])) + l->bp[k + 1] + l->chi * (fmax(fabs(l->am[k]), fabs(l->am[k + 1])) + l->bm[k]);
        sum += size * exp(e);
    }
    return log(sum * l->hu * 0x1.9884533d43651p-2 /* 1/sqrt(2 pi) */ * (1.0 + 1e-9) + 1e-290);
}

/* Log of what the nodes leave out at both ends of the line, for the integral and for the trapezoidal sum. */
static double ends_log(const bent *b, const layer *l, double r, double t, int power)
{
    const double s = l->s, ue = b->u_end, us = fabs(b->u_start), rs = fmax(r, 0.0) / s, g = log1p(exp(b->y_end) * b->m->odds);
    double up = fmax(r, 0.0) * g - t * l->bp[l->count - 1];
    if (ue - rs >= 1.0)
        up += -0.5 * ue * ue;
    else
        up += -rs * ue + 0.5 * rs * rs + 1.0;
    const double one = -0.5 * ue * ue, down = -0.5 * us * us + fmax(r, 0.0) * fabs(l->ap[0]);
    double top = fmax(up, fmax(one, down));
    if (power) /* |lambda| grows linearly: e^{x} covers it */
        top += log(4.0 + 2.0 * (ue + us + rs) / s);
    return l->grow + top + 2.0;
}

/* Sums over the two end r of a disc. */
static double over_disc(const bent *b, const layer *l, double r0, double r1, double t, int power)
{
    const double v = fmax(layer_log(l, r0, t, power), layer_log(l, r1, t, power)), e = fmax(ends_log(b, l, r0, t, power), ends_log(b, l, r1, t, power));
    return exp(v) + exp(e);
}

/* Error of the trapezoidal rule for G on a box. */
static double strip_error(const bent *b, double r0, double r1, double t)
{
    const double up = over_disc(b, &b->hi, r0, r1, t, 0) + exp(b->hi.grow), dn = over_disc(b, &b->lo, r0, r1, t, 0) + exp(b->lo.grow);
    const double ends = exp(fmax(ends_log(b, &b->mid, r0, t, 0), ends_log(b, &b->mid, r1, t, 0)));
    return ((up + dn) / expm1(2.0 * EW_PI * b->width / b->mid.hu) + 2.0 * ends) * (1.0 + 1e-6);
}

/* log of the least distance of a disc from the two poles, multiplied */
static double poles(double r, double t, double radius)
{
    const double a = hypot(r, t) - radius, c = hypot(r - 1.0, t) - radius;
    return a > 0.0 && c > 0.0 ? log(a) + log(c) : -INFINITY;
}

static void prepare(bent *b, const ew_model *m, const ew_saddle *sp, double p0, double log_accuracy, ew_scratch *ws)
{
    const double s = m->s, theta = fmin(1.45, 2.2 / s), shift = m->kind == EW_KIND_REPLACE ? 0.0 : 0.5 / s;
    (void)sp;
    b->m = m;
    b->n = m->n;
    b->width = 0.5 * theta * s;
    layer *l = &b->mid;
    const double budget = -log_accuracy + 0.5 * 2.25 * theta * theta * s * s;
    const double hy = ew_trim(2.0 * EW_PI * b->width / budget / s, 24), hu = hy * s;
    const double top = fmax(p0, 0.0) / s + 12.5, low = -9.7 - (m->kind == EW_KIND_REPLACE ? 0.5 / s : 0.0) + fmin(0.0, shift);
    const double from = floor((low - shift) / hu), to = ceil((top - shift) / hu);
    l->count = to - from < QUAD_MOST && top / s < 300.0 ? (int)(to - from) + 1 : 0;
    if (!l->count)
        return;
    l->hu = hu;
    l->u = ws->coarse[12];
    l->wr = ws->coarse[0];
    l->wi = ws->coarse[1];
    for (int k = 0; k < l->count; k++) {
        const double y = (from + k) * hy, u = s * y + shift, w = hu * exp(0.5 * theta * theta * s * s - 0.5 * u * u - 0.5 * EW_LOG_2PI);
        l->u[k] = u;
        l->wr[k] = w * cos(u * theta * s);
        l->wi[k] = -w * sin(u * theta * s);
    }
    lay(&b->mid, m, theta, &b->mid, ws->coarse + 2);
    lay(&b->lo, m, 0.5 * theta, &b->mid, ws->fine);
    lay(&b->hi, m, 1.5 * theta, &b->mid, ws->fine + 4);
    b->u_end = l->u[l->count - 1];
    b->u_start = l->u[0];
    b->y_end = (b->u_end - shift) / s;
}

/* Log of a bound of |F| e^{pref} on the disc around (r, t), from G at its centre. */
static double disc_log(const bent *b, double r, double t, double radius, double *centre)
{
    double g[3];
    value(g, &b->mid, r, t);
    const double low = fmax(0.0, t - radius), r0 = r - radius, r1 = r + radius;
    const double slope = over_disc(b, &b->mid, r0, r1, low, 1), err = strip_error(b, r, r, t) + g[2];
    const double at = hypot(1.0 + g[0], g[1]) + err;
    const double size = b->n * log(at + radius * slope) + b->pref, pole = poles(r, t, radius);
    *centre = b->n * log(at) + b->pref - r * b->gap;
    return pole == -INFINITY ? INFINITY : size - (b->gap >= 0.0 ? r0 : r1) * b->gap - pole;
}

int ew_bend(ew_contour *ct, const ew_model *m, const ew_saddle *sp, double tol, ew_scratch *ws)
{
    const int add = m->kind == EW_KIND_ADD;
    const double eps = sp->eps, c = sp->c, s = m->s, n = m->n, p0 = add ? -c : 1.0 + c;
    bent b;
    b.gap = add ? -eps - n * m->log1mq : m->kind == EW_KIND_REMOVE ? eps - n * m->log1mq : eps;
    b.pref = (add ? 0.0 : eps) + (m->kind == EW_KIND_REPLACE ? n * m->log1mq : 0.0);
    if (!(b.gap > 0.0))
        return 0;
    const double scale = sp->log_delta, log_tol = log(tol);
    prepare(&b, m, sp, p0, log_tol - log(n) - 12.0, ws);
    if (!b.mid.count)
        return 0;
    ct->cr = ws->node[0];
    ct->ci = ws->node[1];
    ct->zr = ws->node[2];
    ct->zi = ws->node[3];
    ct->err = ws->node[4];
    ct->eps0 = eps;
    ct->log_scale = scale;
    ct->count = 0;
    const double kappa = sqrt(0.8 * s * s * b.mid.theta), t0 = 0.5 * c + 1e-3, root0 = sqrt(t0);
    double tau = 0.0, r = p0, step = fmin(0.5 * fmax(c, 1e-3), 0.6 / sp->spread), errors = 0.0, tail = INFINITY, r_most = fabs(p0);
    for (int panels = 0; panels < NODE_MOST / EW_GAUSS;) {
        if (tau > 0.0 && r * b.gap > 3.0) { /* what is left if the path goes straight up from here */
            const double one = over_disc(&b, &b.mid, r, r, tau, 0), base = m->kind == EW_KIND_REPLACE ? exp(-m->log1mq) : 1.0;
            const double two = base + fabs(r - 0.5 * (m->kind == EW_KIND_REPLACE)) * over_disc(&b, &b.mid, r, r, tau, 1);
            tail = n * log(fmin(one, two)) + b.pref - r * b.gap - log(EW_PI * tau) - scale;
            if (tail < log_tol - 1.0)
                break;
        }
        const double next = tau + step, rn = p0 + kappa * (sqrt(next + t0) - root0);
        const double hr = 0.5 * (rn - r), ht = 0.5 * step, half = hypot(hr, ht), cr = r + hr, cti = tau + ht;
        /* the best ellipse among a few */
        double best = INFINITY, centre;
        for (double rho = 3.2; rho > 1.9; rho -= 0.9) {
            const double radius = half * 0.5 * (rho + 1.0 / rho);
            const double f = disc_log(&b, cr, cti, radius, &centre);
            const double e = f - scale + log(half * (64.0 / 15.0) / EW_PI) - 2.0 * EW_GAUSS * log(rho) - log1p(-1.0 / (rho * rho));
            best = fmin(best, e);
            if (best < log_tol - 3.5)
                break;
        }
        if (!(best < log_tol - 3.5)) {
            step *= 0.6;
            if (step < 1e-12 * (1.0 + tau))
                return 0;
            continue;
        }
        const double box = strip_error(&b, fmin(r, rn), fmax(r, rn), tau);
        errors += exp(best);
        for (int k = 0; k < EW_GAUSS; k++) {
            const double x = k < EW_GAUSS / 2 ? -ew_gauss_x[k] : ew_gauss_x[k - EW_GAUSS / 2], w = ew_gauss_w[k % (EW_GAUSS / 2)];
            const double pr = cr + x * hr, pi = cti + x * ht;
            double g[3];
            value(g, &b.mid, pr, pi);
            const double a = g[0], d = g[1], ea = fabs(a) + fabs(d), q = 2.0 * a + (a * a + d * d);
            const double mod2 = fmax(q < -0.5 ? (1.0 + a) * (1.0 + a) + d * d : 1.0 + q, 1e-300);
            const double size = 0.5 * n * (q < -0.5 ? log(mod2) : log1p(q)) - pr * b.gap + b.pref - scale;
            const double turn = n * atan2(d, 1.0 + a) - pi * b.gap;
            const double power = expm1(fmin(700.0, n * log1p((g[2] + box + 8.0 * EW_U * ea * (1.0 + ea)) / sqrt(mod2))));
            /* e^{..} dp / (pi i p (p-1)) */
            const double kr = pr * (pr - 1.0) - pi * pi, ki = pi * (2.0 * pr - 1.0), k2 = kr * kr + ki * ki;
            const double f = exp(size) * w / (EW_PI * k2), co = cos(turn), si = sin(turn);
            const double xr = co * kr + si * ki, xi = si * kr - co * ki; /* e^{i turn} conj(k) */
            const double yr = xr * hr - xi * ht, yi = xr * ht + xi * hr;
            const int j = ct->count++;
            ct->cr[j] = f * yi; /* Re(-i y) */
            ct->ci[j] = -f * yr;
            ct->zr[j] = add ? -pr : pr - 1.0;
            ct->zi[j] = add ? -pi : pi;
            ct->err[j] = 1.01 * power + 1.01 * EW_U * (1.0 + power) * (8.0 * (fabs(size) + fabs(turn) + n * fabs(d) + fabs(b.pref) + fabs(scale) + fabs(pr) * b.gap) + 8.0 * pi * b.gap + 60.0);
        }
        panels++;
        r_most = fmax(r_most, fabs(rn));
        tau = next;
        r = rn;
        step *= best < log_tol - 12.0 ? 2.0 : 1.35;
    }
    if (!(tail < log_tol - 1.0))
        return 0;
    ct->scale_err = 8.0 * EW_U;
    ct->low = ct->high = errors + exp(tail);
    ct->rate = r_most + 1.0;
    return isfinite(ct->low);
}
