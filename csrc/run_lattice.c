/* run_lattice.c - exact inversion where all total losses lie on a lattice: one period of the line, no truncation.
 *
 * Formula  With S in origin + D Z and s the first lattice point > eps,
 *              delta(eps) = P(S >= s) - e^eps Q(S >= s) = (D/2 pi) int_period G(z) e^{-z s} [1/(1 - e^{-zD}) -
 *              e^{eps-s}/(1 - e^{-(z+1)D})] dt.
 *          N nodes of the trapezoidal rule give sum_k e^{c k x} delta(eps + k x), x = N D: the alias bounds of
 *          run_nodes.c, no other error but rounding.  N does not depend on the number of steps.
 * Rounding The losses lie on the lattice only within `loose` in total: at height t that is a relative error t loose of
 * G, and as losses it
 *          moves delta(eps) to somewhere between delta(eps + loose) and delta(eps - loose).
 */
#include "compose.h"

#include <math.h>

enum { MOST = 1 << 20 };

typedef struct {
    int count;
    double eps0, c, h, scale, D, origin;
    double *gr, *gi, *err;     /* G(z) e^{-z eps0} e^{-scale} h D/(2 pi) and so on, both halves of the period */
    double alias, rate, fixed;
} period;

static int prepare(period *pd, ew_total *to, double eps, double tol, ew_arena *arena)
{
    const ew_run *run = to->run;
    const double c = to->c, D = run->lattice, scale = to->log_delta;
    if (!ew_total_fill(to, 2.0 * c + 1.0, 0.0, 40.0, arena))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    ew_total_tilt(to, c);
    to->log_delta = scale;
    ew_shifts sh;
    double rate = c, low = INFINITY, x = D * ceil(8.0 * to->spread / D);
    for (int i = 0; i < 80 && !(low <= log(tol)); i++) {
        if (i % 8 == 0)
            ew_shifts_at(&sh, to, eps, x, 0.0);
        low = ew_alias_log(&rate, &sh, c, x);
        if (low > log(tol))
            x = D * ceil(1.15 * x / D);
    }
    if (!(low <= log(tol)) || !(x / D < MOST))
        return EW_NOT_FOUND;
    const int N = (int)nearbyint(x / D), J = N / 2;
    const double h = 2.0 * EW_PI / (N * D);
    ew_powers pw;
    *pd = (period){.count = J + 1,
                   .eps0 = eps,
                   .c = c,
                   .h = h,
                   .scale = scale,
                   .D = D,
                   .origin = run->origin,
                   .alias = exp(low),
                   .rate = rate};
    pd->fixed = ew_run_fixed(to, eps) + EW_U * 60.0;
    double **all[] = {&pd->gr, &pd->gi, &pd->err};
    for (int i = 0; i < 3; i++)
        *all[i] = ew_take(arena, (size_t)J + 1, sizeof(double));
    if (arena->failed || !ew_run_powers(&pw, to, h, J, arena))
        return EW_SHORT;
    for (int j = 0; j <= J; j++) {
        const double t = j * h, twice = j == 0 || 2 * j == N ? 1.0 : 2.0;
        const double size = twice / N * exp(to->log_g - c * eps - scale + pw.log_mod[j]), turn = pw.angle[j] - t * eps;
        pd->gr[j] = size * cos(turn);
        pd->gi[j] = size * sin(turn);
        pd->err[j] = expm1(fmin(700.0, pw.err[j])) + pd->fixed +
                     EW_U * ((4.0 + run->parts) * pw.size[j] + 8.0 * t * fabs(eps)) + t * run->loose;
    }
    return EW_FOUND;
}

/* 1/(1 - e^{-(a + i b)}) */
static void geometric(double out[2], double a, double b)
{
    const double e = exp(-a), s = sin(0.5 * b), re = -expm1(-a) + 2.0 * e * s * s, im = e * sin(b),
                 n = re * re + im * im;
    out[0] = re / n;
    out[1] = -im / n;
}

/* delta(eps) over e^scale, lower and upper. */
static void evaluate(double out[2], const period *pd, double eps)
{
    const double D = pd->D, s = pd->origin + D * (floor((eps - pd->origin) / D) + 1.0), w = exp(fmin(0.0, eps - s)),
                 shift = s - pd->eps0;
    double sum = 0.0, err = 0.0, total = 0.0;
    for (int j = 0; j < pd->count; j++) {
        const double t = j * pd->h;
        double a[2], b[2];
        geometric(a, pd->c * D, t * D);
        geometric(b, (pd->c + 1.0) * D, t * D);
        const double kr = a[0] - w * b[0], ki = a[1] - w * b[1], size = hypot(a[0], a[1]) + w * hypot(b[0], b[1]);
        const double e = exp(-pd->c * shift), turn = -t * shift, co = e * cos(turn), si = e * sin(turn);
        const double gr = pd->gr[j] * co - pd->gi[j] * si, gi = pd->gr[j] * si + pd->gi[j] * co,
                     g = e * hypot(pd->gr[j], pd->gi[j]);
        sum += gr * kr - gi * ki;
        total += g * size;
        /* the kernel itself: its angles t D and turn t shift, and the cancellation between its terms */
        err += g * (hypot(kr, ki) * pd->err[j] +
                    size * EW_U * (40.0 + 8.0 * t * (D + fabs(shift)) + 4.0 * pd->c * fabs(shift)));
    }
    err += EW_U * (pd->count + 8.0) * total;
    const double alias = pd->alias * exp(pd->rate * fabs(eps - pd->eps0));
    out[0] = sum - err - alias;
    out[1] = sum + err;
}

static double up(const period *pd, double x)
{
    return ew_up(x * exp(pd->scale) * (1.0 + EW_U * (4.0 + 2.0 * fabs(pd->scale))));
}

static double down(const period *pd, double x)
{
    return ew_down(x * exp(pd->scale) * (1.0 - EW_U * (4.0 + 2.0 * fabs(pd->scale))));
}

static int start(ew_total *to, const ew_run *run, ew_arena *arena)
{
    *to = (ew_total){.run = run, .mu2 = 0.0};
    to->tb = ew_take(arena, (size_t)run->parts + 1, sizeof(ew_table));
    return !arena->failed;
}

/* Room around eps for the rounding of the losses, of eps and of lattice points. */
static double room(const ew_run *run, double eps)
{
    return run->loose + 8.0 * EW_U * (fabs(eps) + fabs(run->origin) + run->lattice);
}

int ew_lattice_delta(double out[2], const ew_run *run, double eps, double rtol, ew_arena *arena)
{
    ew_total to;
    period pd;
    double raw[2];
    if (!start(&to, run, arena))
        return EW_SHORT;
    const double at = fmin(eps, ew_run_most(run) - 0.5 * run->lattice); /* beyond, delta is a line in e^eps */
    if (!ew_total_saddle(&to, 0, at, arena))
        return arena->failed ? EW_SHORT : EW_NOT_FOUND;
    to.log_delta = fmin(0.0, to.log_delta + to.c * (to.eps - at));
    const int found =
        to.log_delta > -700.0 ? prepare(&pd, &to, at, at < eps ? 1e-18 : fmax(1e-15, 0.1 * rtol), arena) : EW_NOT_FOUND;
    if (found != EW_FOUND)
        return found;
    evaluate(raw, &pd, eps + room(run, eps));
    out[0] = fmax(0.0, down(&pd, raw[0]));
    evaluate(raw, &pd, eps - room(run, eps));
    out[1] = fmin(1.0, up(&pd, raw[1]));
    return EW_FOUND;
}

static int meets(const period *pd, int above, double eps, const double log_target[2])
{
    double raw[2];
    evaluate(raw, pd, eps);
    if (above)
        return log(fmax(up(pd, raw[1]), 1e-320)) <= log_target[0] - EW_U * 4.0 * fabs(log_target[0]);
    return log(fmax(down(pd, raw[0]), 1e-320)) >= log_target[1] + EW_U * 4.0 * fabs(log_target[1]);
}

/* Least eps known to have delta <= target (above), or largest known to have delta >= target; NAN: none within reach.
 * Outward steps, then bisection. */
static double end(const period *pd, int above, double eps, double step, const double log_target[2])
{
    const double way = above ? 1.0 : -1.0;
    double good = eps, bad = eps;
    if (meets(pd, above, eps, log_target)) {
        do {
            bad = good - way * step;
            if (meets(pd, above, bad, log_target))
                good = bad;
            step *= 2.0;
        } while (good == bad && fabs(bad - eps) < 1e3 * step);
    } else {
        int found = 0;
        for (int i = 0; i < 12 && !found; i++, step *= 2.0) {
            good = bad + way * step;
            found = meets(pd, above, good, log_target);
            bad = found ? bad : good;
        }
        if (!found)
            return NAN;
    }
    for (int i = 0; i < 100 && fabs(good - bad) > 4.0 * EW_U * fmax(fabs(good), 1e-300); i++) {
        const double middle = 0.5 * (good + bad);
        if (meets(pd, above, middle, log_target))
            good = middle;
        else
            bad = middle;
    }
    return good;
}

int ew_lattice_epsilon(double out[2], ew_plan *plan, const ew_run *run, const double log_target[2], double rtol,
                       ew_arena *arena)
{
    ew_total to;
    if (!start(&to, run, arena))
        return EW_SHORT;
    const size_t mark = arena->used;
    const double cap = ew_run_most(run) - 0.5 * run->lattice; /* beyond, delta is a line in e^eps: any tilt gives it */
    double eps = NAN;
    for (int round = 0; round < 3 && !(out[1] < INFINITY && out[1] - out[0] <= rtol * out[1]); round++) {
        period pd;
        arena->used = mark;
        const int seen = ew_total_saddle(&to, 1, log_target[0], arena), last = !(seen && to.eps < cap);
        if (arena->failed)
            return EW_SHORT;
        if (last && !ew_total_saddle(&to, 0, cap, arena))
            return arena->failed ? EW_SHORT : EW_NOT_FOUND;
        if (round == 0)
            eps = last ? cap : to.eps;
        if (!last)
            to.log_delta = log_target[0];
        const double step = 0.25 / to.c;
        const int found = prepare(&pd, &to, eps, last ? 1e-18 : fmax(1e-15, 1e-2 * fmin(1.0, rtol * to.c)), arena);
        if (found != EW_FOUND)
            return found;
        const double high = end(&pd, 1, eps, step, log_target), low = end(&pd, 0, eps, step, log_target);
        *plan = (ew_plan){.route = EW_LATTICE,
                          .nodes = pd.count,
                          .quadrature = (int)ew_run_nodes(&to),
                          .tilt = pd.c,
                          .step = pd.h,
                          .aliasing = pd.alias,
                          .rounding = pd.fixed};
        if (isfinite(high))
            out[1] = fmin(out[1], fmax(0.0, high + room(run, high)));
        if (isfinite(low))
            out[0] = fmax(out[0], low - room(run, low));
        if (!isfinite(high) || !isfinite(low))
            break;
        eps = 0.5 * (low + high);
    }
    return EW_FOUND;
}
