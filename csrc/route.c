/* route.c - one direction of one mechanism: which exact route gives delta and epsilon. */
#include "rooms.h"

#include <math.h>

static const double PLAIN = 4e5; /* quadrature times contour nodes of a line that is tried first: below 1 ms */

/* log of an upper bound of delta(0), the total variation of the n-fold laws: half the root of the n-fold chi^2
 * divergence (q^2 expm1(1/s^2) per step), or the probability 1 - (1-q)^n that the record is ever sampled.  replace:
 * triangle inequality. */
static double log_variation(const ew_model *m)
{
    const double chi2 = m->q * m->q * expm1(fmin(1.0 / (m->s * m->s), 700.0)), e = m->n * log1p(chi2);
    const double a = e > 700.0 ? 0.0 : 0.5 * log(expm1(e)) - log(2.0), b = log(-expm1(m->n * m->log1mq));
    return fmin(0.0, fmin(a, b) + (m->kind == EW_KIND_REPLACE ? log(2.0) : 0.0)) + 1e-9;
}

static void intersect(double out[2], const double now[2])
{
    out[0] = fmax(out[0], now[0]);
    out[1] = fmin(out[1], now[1]);
}

/* Largest loss of `add`, outward. */
static double edge_of(const ew_model *m)
{
    return m->kind == EW_KIND_ADD ? -m->n * m->log1mq * (1.0 + 4.0 * EW_U) : INFINITY;
}

static int plain_at(ew_contour *ct, const ew_model *m, double eps, double tol, ew_scratch *ws)
{
    const ew_law law = {.m = m};
    ew_nodes coarse;
    ew_saddle sp;
    ew_nodes_bind(&coarse, ws->coarse);
    if (!ew_saddle_of_eps(&sp, &law, &coarse, eps) || sp.log_delta < -720.0)
        return 0;
    ew_contour_start(ct, eps, sp.log_delta, tol, ws);
    return ew_line(ct, &law, &coarse, EW_SMALL, &sp, PLAIN, ws);
}

/* delta(eps), eps >= 0, by lines: [out[0], out[1]] becomes as narrow as can be. */
static void lines_delta(double out[2], const ew_model *m, double eps, double rtol, ew_scratch *ws)
{
    ew_contour ct;
    const double tol = fmin(fmax(rtol, 1e-13), 1e-3) / 6.0;
    double now[2];
    for (int i = 0; i < 2 && !(out[1] - out[0] <= rtol * out[1]); i++)
        if (plain_at(&ct, m, eps, tol * (i ? 0.1 : 1.0), ws)) {
            ew_contour_delta(now, &ct, eps);
            intersect(out, now);
        } else {
            break;
        }
    double guess = out[0] > 0.0 ? log(out[0]) : NAN;
    if (isnan(guess)) { /* the size of delta: more than one step gives, as a start */
        ew_model one = *m;
        double rel;
        one.n = 1.0;
        ew_closed_log_delta(&guess, &rel, &one, m->kind == EW_KIND_ADD ? eps / m->n : eps);
        guess = fmin(guess + log(m->n), log(0.5));
        if (!(guess > -690.0))
            guess = -690.0;
    }
    int way = 0;
    for (int i = 0; i < 12 && (ws->left > 0.0 || out[0] == 0.0) && !(out[1] - out[0] <= rtol * out[1]); i++) {
        double size;
        const int done = ew_split(&ct, &size, &way, i < 6, m, eps, guess,
                                  i < 6 && out[0] == 0.0 ? 1e-3 : fmax(1e-13, tol * (i > 9 ? 0.1 : 1.0)), ws);
        if (!done)
            break;
        if (done < 0) {
            guess = fmin(guess + size, 0.0);
            if (guess < -700.0)
                break;
            continue;
        }
        ew_contour_delta(now, &ct, eps);
        intersect(out, now);
        guess = out[0] > 0.0 ? log(out[0]) : fmin(guess, log(out[1])) - 4.0;
    }
}

static ew_model exchanged(const ew_model *m)
{
    ew_model other;
    ew_model_init(&other,
                  m->kind == EW_KIND_REMOVE ? EW_KIND_ADD
                  : m->kind == EW_KIND_ADD  ? EW_KIND_REMOVE
                                            : m->kind,
                  m->s, m->q, m->n);
    return other;
}

int ew_route_delta(double out[2], const ew_model *m, double eps, double rtol, ew_scratch *ws)
{
    if (ew_closed_applies(m))
        return ew_closed_delta(out, m, eps);
    if (eps < 0.0) { /* delta(-e) = 1 - e^{-e} + e^{-e} (delta(e) of the laws exchanged) */
        const ew_model other = exchanged(m);
        const double factor = exp(eps), least = -expm1(eps);
        if (!ew_route_delta(out, &other, -eps, rtol, ws))
            return 0;
        out[0] = ew_down(least + factor * out[0]);
        out[1] = fmin(1.0, ew_up(least + factor * out[1]));
        return 1;
    }
    out[0] = out[1] = 0.0;
    if (eps >= edge_of(m))
        return 1; /* no loss is that large */
    out[1] = 1.0;
    lines_delta(out, m, eps, rtol, ws);
    if (eps == 0.0 && !(out[1] - out[0] <= rtol * out[1])) { /* the same from the other side */
        const ew_model other = exchanged(m);
        lines_delta(out, &other, 0.0, rtol, ws);
    }
    if (!(out[1] - out[0] <= 1e-3 * out[1])) { /* delta(0) is larger, a single step's is smaller */
        ew_model one = *m;
        double now[2];
        one.n = 1.0;
        if (ew_closed_delta(now, &one, eps))
            intersect(out, (double[2]){now[0], fmin(1.0, exp(log_variation(m)) * (1.0 + 1e-8))});
    }
    return out[0] <= out[1];
}

/* Is delta(0) < delta?  More steps hide less, so a single one may already say no. */
static int nothing_to_hide(const ew_model *m, double log_delta, ew_scratch *ws)
{
    ew_model one = *m;
    double zero[2];
    one.n = 1.0;
    if (ew_closed_delta(zero, &one, 0.0) && log(zero[0]) > log_delta + 1e-9)
        return 0;
    return ew_route_delta(zero, m, 0.0, 1e-10, ws) && log(zero[1]) < log_delta - 1e-14 * fabs(log_delta);
}

/* How much of M'' comes from the steps beyond u: where it is not little, the saddle point speaks of them and not of the
 * run. */
static double share_beyond(const ew_nodes *nd, const ew_moments *at, double u)
{
    double share = 0.0;
    for (int k = nd->count - 1; k >= 0 && nd->u[k] > u; k--)
        share += nd->p[EW_SMALL][k] * nd->loss[k] * nd->loss[k];
    for (int k = 0; k < nd->count && nd->u[k] < -u; k++)
        share += nd->p[EW_SMALL][k] * nd->loss[k] * nd->loss[k];
    return share / at->m2;
}

/* Two epsilons, one of them near the wanted one: a single jump of one step, and many small ones. */
static void first_guesses(double guess[2], const ew_model *m, double log_delta, ew_scratch *ws)
{
    ew_model one = *m;
    ew_nodes nd;
    ew_saddle sp;
    double now[2] = {0.0, 0.0};
    const double edge = edge_of(m);
    const ew_law law = m->kind == EW_KIND_ADD ? (ew_law){.m = m} : ew_capped(m, log_delta - 7.0);
    one.n = 1.0;
    ew_nodes_bind(&nd, ws->coarse);
    guess[0] =
        m->kind != EW_KIND_ADD && log_delta - log(m->n) > -740.0 && ew_closed_epsilon(now, &one, log_delta - log(m->n))
            ? now[1]
            : 0.0;
    guess[1] = ew_saddle_of_delta(&sp, &law, &nd, log_delta) ? sp.eps : 0.0;
    for (int i = 0; i < 2; i++)
        if (!(guess[i] < edge))
            guess[i] = edge * (1.0 - 1e-4);
    if (!(guess[0] > 0.0))
        guess[0] = guess[1];
}

/* The scale on which epsilon is searched for: its logarithm, and near the largest loss that of the distance to it; and
 * back. */
static double place(double eps, double edge)
{
    return isfinite(edge) ? log(eps / fmax(edge - eps, 1e-300)) : log(eps);
}

static double placed(double x, double edge)
{
    return isfinite(edge) ? (x > 0.0 ? edge / (1.0 + exp(-x)) : edge * (exp(x) / (1.0 + exp(x)))) : exp(x);
}

/* -d log delta/d eps near eps0, roughly */
static double slope_of(const ew_contour *ct)
{
    const double d = 1e-3 / ct->rate;
    double a[2], b[2];
    ew_contour_delta(a, ct, ct->eps0 - d);
    ew_contour_delta(b, ct, ct->eps0 + d);
    const double v = log((a[0] + a[1]) / (b[0] + b[1])) / (2.0 * d);
    return v > 0.01 * ct->rate && v < ct->rate ? v : ct->rate;
}

/* The root by ever better contours around it: split.c from a guess, by secants of log delta in log eps and bisection
 * until the root is near, then sharper. */
static void split_epsilon(double out[2], const ew_model *m, double log_delta, double rtol, const double guess[2],
                          ew_scratch *ws)
{
    const double edge = edge_of(m);
    /* f(a) > 0 > f(b), as far as known */
    double eps = guess[0], last = NAN, f_last = NAN, a = 0.0, b = edge, f_a = INFINITY, f_b = -INFINITY, slope = NAN,
           sharper = 1.0;
    int near = 0, failed = 0, way = 0;
    ew_contour ct;
    if (isfinite(out[1])) {
        a = out[0];
        b = out[1];
    }
    if (m->kind == EW_KIND_ADD) { /* delta(eps) <= 1 - e^{eps - edge}: no loss is larger; and is it nearly that? */
        double there[2];
        b = fmin(b, edge * (1.0 + 4.0 * EW_U) + log1p(-exp(log_delta)) * (1.0 - 8.0 * EW_U));
        const double below = b * (1.0 - 0.9 * rtol);
        if (b <= a || (ew_route_delta(there, m, below, 1e-2, ws) && log(there[0]) > log_delta * (1.0 - 4.0 * EW_U))) {
            out[0] = fmax(out[0], b <= a ? a : below);
            out[1] = fmin(out[1], b);
            return;
        }
        out[1] = fmin(out[1], b);
        eps = fmin(eps, 0.5 * (below + fmax(a, b - 1.0)));
    }
    for (int i = 0; i < 30 && failed < 4 && (near < 1 || ws->left > 0.0) &&
                    !(isfinite(out[1]) && out[1] - out[0] <= rtol * out[1]);
         i++) {
        double now[2], moved = NAN, f;
        const double tol = near < 1 ? 1e-3 : sharper * fmax(1e-13, fmin(1e-3, rtol * slope * eps / 8.0));
        const int done = ew_split(&ct, &f, &way, near < 1, m, eps, log_delta, tol, ws);
        if (done == 1) {
            ew_contour_delta(now, &ct, eps);
            f = now[0] + now[1] > 0.0 ? log(0.5 * (now[0] + now[1])) - log_delta : -5.0;
            if (now[0] > 0.0 && log(now[0]) > log_delta * (1.0 - 4.0 * EW_U))
                out[0] = fmax(out[0], eps);
            if (log(now[1]) < log_delta * (1.0 + 4.0 * EW_U))
                out[1] = fmin(out[1], eps);
            slope = slope_of(&ct);
            if (fabs(f) < 2.0 && ew_contour_epsilon(now, &moved, &ct, log_delta)) {
                now[0] = fmax(0.0, now[0]);
                now[1] = fmax(0.0, now[1]);
                intersect(out, now);
                if (near++ > 0) {
                    if ((ct.low + ct.high) / slope < 0.4 * (now[1] - now[0]) || sharper < 0.02)
                        break; /* rounding decides now */
                    sharper *= 0.3;
                }
                eps = fmin(out[1], fmax(out[0], moved));
                continue;
            }
        } else if (done == 0) { /* with less accuracy, or a little to the side, it may work */
            failed++;
            if (near > 0 && tol < 1e-4)
                sharper *= 100.0;
            else
                eps *= failed % 2 ? 1.0 + 0.07 * failed : 1.0 / (1.0 + 0.07 * failed);
            continue;
        }
        if (f > 0.0) { /* a side that stays is trusted half as much, so that the bracket closes from both (Illinois) */
            a = fmax(a, eps);
            f_b *= f_last > 0.0 ? 0.5 : 1.0;
            f_a = f;
        } else {
            b = fmin(b, eps);
            f_a *= f_last < 0.0 ? 0.5 : 1.0;
            f_b = f;
        }
        const double x = place(eps, edge), steep = (f - f_last) / (x - last);
        last = x;
        f_last = f;
        if (done == 1 && fabs(f) < 3.0) { /* Newton, with the slope of the contour */
            const double next = eps + f / slope;
            if (next > a && next < b) {
                eps = next;
                continue;
            }
        }
        const double lo = place(fmax(a, 1e-30), edge), hi = place(b, edge);
        if (isfinite(f_a) && isfinite(f_b))
            eps = placed(lo + (hi - lo) * fmin(0.95, fmax(0.05, f_a / (f_a - f_b))), edge);
        else if (i == 0 && guess[1] > a && guess[1] < b)
            eps = guess[1];
        else if (f > 0.0 && isfinite(b) && (b < 3.0 * a || isfinite(edge)))
            eps = placed(0.5 * (x + hi), edge);
        else if (f < 0.0 && a > 0.0 && b < 3.0 * a)
            eps = 0.5 * (a + b);
        else /* beyond all that is known: by the slope of the last two */
            eps = placed(x + copysign(fmin(2.5, steep < 0.0 ? 0.05 - 1.1 * fabs(f) / steep : 0.1 + fabs(f) / 20.0), f),
                         edge);
        if (!(eps > a && eps < b))
            eps = 0.5 * (a + fmin(b, 1e300));
    }
}

/* One line for all steps of a law, moved until it stands where epsilon is; `lost` is the log of what the law leaves
 * out. 1: [out[0], out[1]] is as narrow as asked. */
static int line_epsilon(double out[2], const ew_law *law, ew_nodes *coarse, ew_saddle *sp, double log_delta,
                        double lost, double rtol, double limit, ew_scratch *ws)
{
    const double edge = edge_of(law->m);
    double sharper = 1.0;
    ew_contour ct;
    for (int i = 0; i < 6; i++) {
        if (sp->eps >= edge)
            sp->eps = edge * (1.0 - 1e-6);
        const double tol = sharper * fmax(1e-14, fmin(1e-3, rtol * sp->c * fabs(sp->eps) / 2.5));
        double now[2], moved = NAN;
        ew_contour_start(&ct, sp->eps, log_delta, tol, ws);
        ct.high = exp(lost - log_delta);
        if (!ew_line(&ct, law, coarse, EW_SMALL, sp, limit, ws))
            break;
        if (ew_contour_epsilon(now, &moved, &ct, log_delta)) {
            now[0] = fmax(0.0, now[0]);
            now[1] = fmax(0.0, now[1]);
            intersect(out, now);
            if (out[1] - out[0] <= rtol * out[1] || sharper < 1e-2)
                break;
            sharper *= 0.1;
        } else if (!isfinite(moved)) {
            break;
        }
        sp->eps = moved;
        ew_moments_at(&sp->at, coarse, sp->c);
    }
    return isfinite(out[1]) && out[1] - out[0] <= rtol * out[1];
}

int ew_route_epsilon(double out[2], const ew_model *m, double log_delta, double rtol, ew_scratch *ws)
{
    if (ew_closed_applies(m))
        return ew_closed_epsilon(out, m, log_delta);
    out[0] = out[1] = 0.0;
    if (log_delta >= log_variation(m))
        return 1;
    out[1] = INFINITY;
    const ew_law law = {.m = m};
    ew_nodes coarse;
    ew_saddle sp;
    ew_nodes_bind(&coarse, ws->coarse);
    int seen = ew_saddle_of_delta(&sp, &law, &coarse, log_delta), asked = 0;
    if (seen && sp.eps * sp.c < 0.02) { /* is delta(0) <= delta? */
        if (nothing_to_hide(m, log_delta, ws)) {
            out[1] = 0.0;
            return 1;
        }
        asked = 1;
        ew_nodes_bind(&coarse, ws->coarse);
        seen = ew_saddle_of_delta(&sp, &law, &coarse, log_delta);
    }
    const double lost = log_delta + log(1e-4 * rtol);
    const int one_sided = m->kind == EW_KIND_ADD,
              lost_in_tail = !one_sided && !(seen && share_beyond(&coarse, &sp.at, ew_rare_from(m, lost)) < 1e-3);
    if (seen && !lost_in_tail && line_epsilon(out, &law, &coarse, &sp, log_delta, -INFINITY, rtol, PLAIN, ws))
        return 1;
    if (!one_sided && !isfinite(out[1])) { /* the far tail of a step, too rare to matter, stands in the way */
        const ew_law cut = ew_capped(m, lost);
        ew_saddle there;
        ew_nodes_bind(&coarse, ws->coarse);
        if (ew_saddle_of_delta(&there, &cut, &coarse, log_delta) &&
            line_epsilon(out, &cut, &coarse, &there, log_delta, lost, rtol, PLAIN, ws))
            return 1;
    }
    if (seen && m->n >= 1e4 && !isfinite(out[1])) {
        ew_nodes_bind(&coarse, ws->coarse);
        if (ew_saddle_of_delta(&sp, &law, &coarse, log_delta) &&
            line_epsilon(out, &law, &coarse, &sp, log_delta, -INFINITY, rtol, 50.0 * PLAIN, ws))
            return 1;
    }
    if (seen && !asked && !(out[0] > 0.0) && nothing_to_hide(m, log_delta, ws)) {
        out[0] = out[1] = 0.0;
        return 1;
    }
    double guess[2] = {0.5 * (out[0] + out[1]), 0.0};
    if (!isfinite(out[1]))
        first_guesses(guess, m, log_delta, ws);
    split_epsilon(out, m, log_delta, rtol, guess, ws);
    if (!(isfinite(out[1]) && out[1] - out[0] <= 1e-6 * out[1])) { /* a single step is a lower bound */
        ew_model one = *m;
        double now[2];
        one.n = 1.0;
        if (ew_closed_epsilon(now, &one, log_delta))
            out[0] = fmax(out[0], now[0]);
        out[1] = fmin(out[1], ew_split_upper(m, log_delta, ws));
    }
    /* next to 0: as far down as delta can be told from delta(0) */
    for (int i = 0; i < 8 && out[0] == 0.0 && out[1] > 0.0 && isfinite(out[1]); i++) {
        double there[2];
        if (!ew_route_delta(there, m, 0.03 * out[1], rtol, ws) ||
            !(log(there[1]) < log_delta - 4.0 * EW_U * fabs(log_delta)))
            break;
        out[1] *= 0.03;
    }
    return isfinite(out[1]) && out[0] <= out[1];
}
