/* search.c - epsilon by ever better contours around it (split.c). */
#include "rooms.h"

#include <math.h>

/* Two epsilons, one of them near the wanted one: a single jump of one step, and many small ones. */
void ew_first_guesses(double guess[2], const ew_model *m, double log_delta, ew_scratch *ws)
{
    ew_model one = *m;
    ew_nodes nd;
    ew_saddle sp;
    double now[2] = {0.0, 0.0};
    const double edge = ew_largest_loss(m);
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
    if (ct->flat > 0.0) { /* its rate is a bound for |z| far out */
        const double v = ew_contour_slope(ct);
        return v > 0.0 ? v : 1.0 / ct->right;
    }
    const double d = 1e-3 / ct->rate;
    double a[2], b[2];
    ew_contour_delta(a, ct, ct->eps0 - d);
    ew_contour_delta(b, ct, ct->eps0 + d);
    const double v = log((a[0] + a[1]) / (b[0] + b[1])) / (2.0 * d);
    return v > 0.01 * ct->rate && v < ct->rate ? v : ct->rate;
}

/* The root by ever better contours around it: split.c from a guess, by secants of log delta in log eps and bisection
 * until the root is near, then sharper. */
void ew_search_epsilon(double out[2], const ew_model *m, double log_delta, double rtol, const double guess[2],
                          ew_scratch *ws)
{
    const double edge = ew_largest_loss(m);
    /* f(a) > 0 > f(b), as far as known */
    double eps = guess[0], last = NAN, f_last = NAN, a = 0.0, b = edge, f_a = INFINITY, f_b = -INFINITY, slope = NAN,
           sharper = 1.0;
    int near = 0, failed = 0;
    const int sure = 2.0 * log(m->n * m->q) < log_delta; /* of the guess: two samples are rarer than delta */
    ew_ways ways = {0};
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
        const int done = ew_contour_at(&ct, &f, &ways, near < 1, m, eps, log_delta, tol,
                                       i == 0 && sure ? fmax(1e-13, 0.1 * rtol) : tol, ws);
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
                ew_intersect(out, now);
                if (near++ > 0 || (i == 0 && sure && ct.flat > 0.0)) { /* it was as sharp as asked */
                    if ((ct.low + ct.high + 2.0 * ct.flat) / slope < 0.4 * (now[1] - now[0]) || sharper < 0.02) {
                        if (ways.straight) /* rounding decides now */
                            break;
                        ways.straight = 1;
                    } else {
                        sharper *= 0.3;
                    }
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
