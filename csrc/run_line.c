/* run_line.c - trapezoidal inversion of a whole run on the vertical line Re z = c, smoothed or not, every error
 * bounded.
 *
 * Formula  T_h = (h/2 pi) sum_j G(z) e^{-z eps} k(z), z = c + i j h, G the run's generating function, k(z) = 1/(z
 *          (1+z)). T_h = sum_k e^{c k x} delta(eps + k x), x = 2 pi/h (Poisson summation, MATH.md section 4): T_h >=
 *          delta.
 * Smooth   Where |G| is not known to fall (atoms, few steps) the run is composed with one more Gaussian mechanism, mu =
 *          w, in front of the same nodes.  With U ~ N(-w^2/2, w^2), E[e^U] = 1, its delta at x = e^eps is E[delta(x
 *          e^U)], and delta is convex in x:
 *              upper   E[delta(x e^U)] >= delta(x)                                               (Jensen), kernel k
 *              lower   E[delta(y) + (x - y) delta'(y)] <= delta(x), y = x e^U                     (tangents lie below)
 *          The second has the kernel k(z) - (e^{w^2 (z+1)} - 1)/(z+1): its tangent term is (y - x) Q(S > log y), Q the
 *          second law, whose transform is (kappa(z) - kappa(z+1))/(z+1), kappa(z) = E[e^{-zU}] = e^{w^2 z(z+1)/2}.
 *          Both are w^2 x^2 delta''/2 away.
 * Bound    alias k > 0   G(c+d) e^{-(c+d) eps} m(c+d) e^{-d x}/(1 - e^{-d x}) (Chernoff), k < 0 the same with c - d, or
 *          delta <= 1; for the tangents
 *                        m grows by E[1 + e^{-U}] e^{..} = 1 + e^{w^2 (c2+1)}
 *          truncation    sup_{t >= T} |G(c+it)| e^{-c eps}/(pi T); for the tangents also int_T^inf e^{-mu^2 t^2/2}/t dt
 *                        <= e^{-mu^2 T^2/2}/(mu^2 T^2)
 *          quadrature, rounding: law_tilt.c, law_line.c, mixture.c
 */
#include "compose.h"

#include <math.h>

/* quadrature times contour nodes, per contour node allowed: with 65536 about 0.05 s */
static const double EFFORT = 600.0;

/* log of what the sum leaves out beyond T */
static double tail_log(const ew_total *to, double eps, double T, double w2)
{
    const double top = to->log_g - to->c * eps - to->log_delta;
    double tail = top + ew_total_far(to, T) - log(EW_PI * T);
    if (w2 > 0.0)
        tail =
            ew_lse(tail, top - 0.5 * to->mu2 * T * T + log1p(exp(w2 * (to->c + 1.0))) - log(EW_PI * to->mu2 * T * T));
    return tail + 1e-9 * (1.0 + fabs(top));
}

/* Tables for what is wanted, at the tilt and with the scale there are. */
static int refill(ew_total *to, double c_max, double t, double floor, ew_arena *arena)
{
    const double c = to->c, scale = to->log_delta;
    if (!ew_total_fill(to, c_max, t, floor, arena))
        return 0;
    ew_total_tilt(to, c);
    to->log_delta = scale;
    return 1;
}

/* Where the tail is below e^{wanted}, and its log there; 0: not before `most`, or at too high a cost.  Tables are made
 * anew where T leaves what they serve. */
static double reach(double *tail, ew_total *to, double eps, double w2, double wanted, double most, double start,
                    ew_arena *arena, size_t mark)
{
    double T = fmin(start, 0.9 * most);
    for (int i = 0; i < 60; i++) {
        if (!(T <= most) || !(ew_run_nodes(to) * T < EFFORT * most))
            return 0.0;
        if (T > to->t) {
            arena->used = mark;
            if (!refill(to, to->c_max, 1.5 * T, to->floor, arena))
                return 0.0;
        }
        *tail = tail_log(to, eps, T, w2);
        const double v = *tail - wanted;
        if (v <= 0.0)
            return T;
        const double all = to->log_g - to->c * eps - to->log_delta - wanted - log(EW_PI * T);
        T *= all > v ? fmin(2.0, fmax(1.03, 1.02 * sqrt(all / (all - v)))) : 2.0;
    }
    return 0.0;
}

static void kernel(double out[2], double *size, double c, double t, double w2)
{
    const double kr = c * (1.0 + c) - t * t, ki = t * (1.0 + 2.0 * c), k2 = kr * kr + ki * ki;
    out[0] = kr / k2;
    out[1] = -ki / k2;
    *size = 1.0 / sqrt(k2);
    if (w2 > 0.0) {
        const double a = w2 * (c + 1.0), b = w2 * t, s = sin(0.5 * b), e = exp(a), er = expm1(a) - 2.0 * e * s * s,
                     ei = e * sin(b);
        const double n = (c + 1.0) * (c + 1.0) + t * t, xr = (er * (c + 1.0) + ei * t) / n,
                     xi = (ei * (c + 1.0) - er * t) / n;
        out[0] -= xr;
        out[1] -= xi;
        *size += (hypot(er, ei) + EW_U * t * w2 * e) / sqrt(n);
    }
}

static int contour_take(ew_contour *ct, double eps, double log_scale, double tol, int count, ew_arena *arena)
{
    *ct = (ew_contour){.eps0 = eps,
                       .log_scale = log_scale,
                       .tol = tol,
                       .scale_err = 8.0 * EW_U + 2.0 * EW_U * fabs(log_scale),
                       .left = INFINITY,
                       .right = INFINITY};
    double **all[] = {&ct->cr, &ct->ci, &ct->zr, &ct->zi, &ct->err};
    for (int i = 0; i < 5; i++)
        *all[i] = ew_take(arena, (size_t)count, sizeof(double));
    return !arena->failed;
}

/* ct[0]: delta near eps, smoothed if w2 > 0; then ct[1]: its lower bound.  `to` has the tilt and an estimate of
 * delta. */
int ew_run_line(ew_contour ct[2], ew_total *to, double eps, double w2, double tol, double most, ew_arena *arena)
{
    const size_t mark = arena->used;
    const int parts = to->run->parts;
    ew_total_smooth(to, to->run->mu2 + w2);
    const double c = to->c, scale = to->log_delta, log_tol = log(tol) - 1.0, spread = to->spread;
    const double f0 = to->log_g - c * eps - scale, v = fmax(to->k2, 1e-300);
    double x = spread * sqrt(2.0 * (2.5 + fmax(0.0, f0 - log(c) - log1p(c) - log(spread) - 1.0) - log_tol));
    const double wanted = fmax(1.0, f0 - log_tol), T0 = 1.05 * sqrt(2.0 * wanted / v), floor = 2.0 + wanted;
    if (!(f0 < 700.0) || !(T0 * x < 6.28 * most))
        return EW_NOT_FOUND;
    if (!refill(to, c + fmin(x / v, fmax(0.5, c)), 1.1 * T0, floor, arena))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    double tail = 0.0; /* falls with the height: as it is at T, it covers what follows the last node */
    const double T = reach(&tail, to, eps, w2, log_tol, 6.28 * most / x, T0, arena, mark);
    if (!(T > 0.0))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    const double fixed = ew_run_fixed(to, eps);
    if (!(fixed < 0.5))
        return EW_NOT_FOUND;
    ew_shifts sh;
    double rate = c, low = INFINITY;
    ew_shifts_at(&sh, to, eps, x, w2);
    for (int i = 0; i < 60 && !(low <= log_tol); i++) {
        low = ew_alias_log(&rate, &sh, c, x);
        if (low > log_tol)
            x *= i < 6 ? 1.06 : i < 20 ? 1.15 : 1.5;
        if (i == 12)
            ew_shifts_at(&sh, to, eps, x, w2);
        if (!(T * x < 6.28 * most))
            return EW_NOT_FOUND;
    }
    if (!(low <= log_tol))
        return EW_NOT_FOUND;
    const double h = ew_trim(2.0 * EW_PI / x * (1.0 - 1e-7), 30);
    const int J = (int)ceil(T / h);
    if (!(ew_run_nodes(to) * J < EFFORT * most))
        return EW_NOT_FOUND;

    ew_powers pw;
    if (!ew_run_powers(&pw, to, h, J, arena) || !contour_take(&ct[0], eps, scale, tol, J + 1, arena) ||
        (w2 > 0.0 && !contour_take(&ct[1], eps, scale, tol, J + 1, arena)))
        return EW_SHORT;
    for (int k = 0; k < (w2 > 0.0 ? 2 : 1); k++) {
        for (int j = 0; j <= J; j++) {
            const double t = j * h, size = exp(to->log_g - c * eps - scale + pw.log_mod[j] - 0.5 * to->mu2 * t * t);
            const double turn = pw.angle[j] + to->mu2 * (c + 0.5) * t - t * eps, co = cos(turn), si = sin(turn),
                         g = j ? h / EW_PI : 0.5 * h / EW_PI;
            const double rel =
                expm1(fmin(700.0, pw.err[j])) + fixed +
                EW_U * (60.0 + (4.0 + parts) * pw.size[j] + 4.0 * t * (fabs(eps) + to->mu2 * (1.0 + c + t)));
            double kn[2], k_size;
            kernel(kn, &k_size, c, t, k ? w2 : 0.0);
            ct[k].cr[j] = g * size * (kn[0] * co - kn[1] * si);
            ct[k].ci[j] = g * size * (kn[0] * si + kn[1] * co);
            ct[k].zr[j] = c;
            ct[k].zi[j] = t;
            ct[k].err[j] = 1.01 * g * size * rel * k_size;
        }
        ct[k].count = J + 1;
        ct[k].low = exp(low) + exp(tail);
        ct[k].high = (k ? exp(low) : 0.0) + exp(tail);
        ct[k].rate = rate;
    }
    return isfinite(ct[0].low) ? EW_FOUND : EW_NOT_FOUND;
}
