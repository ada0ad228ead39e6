/* test_compose.c - composed runs (compose.h), in arenas that are no longer than they are said to be.
 *
 * Truth: closed forms.  Normal laws compose to one; randomised response is a binomial sum; one Laplace step.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "compose.h"

static ew_arena arena_of(size_t size)
{
    char *base = malloc(size);
    if (!base)
        exit(1);
    return (ew_arena){base, 0, size, 0};
}

static double gaussian(double mu, double eps)
{
    return 0.5 * erfc((eps / mu - 0.5 * mu) * sqrt(0.5)) - exp(eps) * 0.5 * erfc((eps / mu + 0.5 * mu) * sqrt(0.5));
}

static double gaussian_epsilon(double mu, double delta)
{
    double lo = 0.0, hi = 1e4;
    for (int i = 0; i < 200; i++) {
        const double x = 0.5 * (lo + hi);
        *(gaussian(mu, x) > delta ? &lo : &hi) = x;
    }
    return hi;
}

static double response(double e, int n, double eps)
{
    double sum = 0.0;
    for (int k = 0; k <= n; k++) {
        const double loss = (n - 2 * k) * e, log_p = lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) - k * e -
                                                    n * log1p(exp(-e));
        sum += loss > eps ? exp(log_p) * -expm1(eps - loss) : 0.0;
    }
    return sum;
}

static void holds(const char *what, int status, const double out[2], double truth, double width)
{
    check(status == EW_FOUND, what, status, EW_FOUND);
    check(out[0] <= truth * (1.0 + 1e-11), what, out[0], truth);
    check(out[1] >= truth * (1.0 - 1e-11), what, out[1], truth);
    check(out[1] - out[0] <= width * out[1], what, out[1] - out[0], 0.0);
}

/* Everything that can be asked of a run whose total loss is that of one Gaussian mechanism. */
static void normal_run(const char *what, const ew_run *run, double mu)
{
    ew_arena arena = arena_of((size_t)1 << 26);
    const double eps[] = {0.0, 0.3, 1.0, 2.5, 6.0};
    double lower[5], upper[5], out[2];
    ew_plan plan;
    int status = ew_run_delta(lower, upper, eps, 5, run, 1e-9, 1e-4, &arena);
    for (int i = 0; i < 5; i++)
        holds(what, status, (double[]){lower[i], upper[i]}, gaussian(mu, eps[i]), 1e-7);
    arena.used = 0;
    for (double delta = 0.1; delta > 1e-14; delta *= 1e-4) {
        status = ew_run_epsilon(out, &plan, run, log(delta), 1e-9, 1e-4, &arena);
        holds(what, status, out, gaussian_epsilon(mu, delta), 1e-7);
        check(plan.route == EW_LINE && plan.nodes > 0, what, plan.route, EW_LINE);
        arena.used = 0;
    }
    holds(what, ew_run_log_mgf(out, run, 3.0, &arena), out, 6.0 * mu * mu, 1e-9);
    arena.used = 0;
    check(ew_run_dominated(run, 2.0 * gaussian_epsilon(mu, 1e-5), log(1e-5), &arena) == EW_FOUND, what, 0, 1);
    arena.used = 0;
    check(ew_run_dominated(run, 0.9 * gaussian_epsilon(mu, 1e-5), log(1e-5), &arena) == EW_NOT_FOUND, what, 1, 0);
    free(arena.base);
}

static const ew_atom moved[] = {{1.0, 1.0}, {1.0, 0.0}}; /* N(1, s^2) against N(0, s^2) */

static void normals(void)
{
    const ew_layer layer = {EW_MIXTURE, 1, 1, moved, 1.0, 4.0};
    const ew_part part = {16.0, 1, &layer};
    normal_run("Gaussian", &(ew_run){.mu2 = 1.0}, 1.0);
    normal_run("normal layer", &(ew_run){.parts = 1, .part = &part}, 1.0);
    normal_run("both", &(ew_run){.mu2 = 0.44, .parts = 1, .part = &part}, 1.2);
}

static void slopes(void)
{
    const ew_layer layer = {EW_MIXTURE, 1, 1, moved, 1.0, 4.0};
    const ew_part part = {16.0, 1, &layer};
    const ew_run run = {.mu2 = 0.44, .parts = 1, .part = &part};
    const double tangent[2] = {0.0, 0.0}, d = 1e-5, mu = 1.2, h = 1e-5;
    const double by_mu = (gaussian_epsilon(mu + h, d) - gaussian_epsilon(mu - h, d)) / (2.0 * h);
    const double by_delta = (gaussian_epsilon(mu, d * (1 + h)) - gaussian_epsilon(mu, d * (1 - h))) / (2.0 * h * d);
    ew_arena arena = arena_of((size_t)1 << 26);
    double out[5];
    check(ew_run_slopes(out, &run, tangent, log(d), 1e-9, 1e-4, &arena) == EW_FOUND, "slopes", 0, 1);
    near("d eps/d delta", out[0], by_delta, 1e-6);
    near("d eps/d mu^2", out[1], by_mu / (2.0 * mu), 1e-6);
    near("d eps/d n", out[2], by_mu / (2.0 * mu) / 16.0, 1e-6);
    near("d eps/d sigma", out[3], by_mu / mu * -16.0 / 64.0, 1e-6);
    check(out[4] == 0.0, "d eps along no direction", out[4], 0.0);
    free(arena.base);
}

/* The rooms behind the line: the generating function of 16 normal layers is e^{z (z + 1)/2}. */
static void rooms(void)
{
    const ew_layer layer = {EW_MIXTURE, 1, 1, moved, 1.0, 4.0};
    const ew_part part = {16.0, 1, &layer};
    const ew_run run = {.parts = 1, .part = &part};
    const double c = 4.0, eps = 4.0, h = 0.2;
    ew_arena arena = arena_of((size_t)1 << 26);
    ew_total to = {.run = &run};
    ew_shifts shifts;
    ew_powers powers;
    ew_contour ct[2];
    double rate = 0.0, out[2];

    to.tb = ew_take(&arena, 2, sizeof(ew_table));
    check(ew_total_fill(&to, 8.0, 12.0, 40.0, &arena), "fill", 0, 1);
    ew_total_tilt(&to, c);
    near("log G(c)", to.log_g, 0.5 * c * (c + 1.0), 1e-12);
    near("its slope", to.k1, c + 0.5, 1e-11);
    near("its curvature", to.k2, 1.0, 1e-9);
    check(ew_total_chernoff(&to, 6.0) >= 21.0, "Chernoff's bound", ew_total_chernoff(&to, 6.0), 21.0);
    near("Chernoff's bound", ew_total_chernoff(&to, 6.0), 21.0, 1e-9);
    check(ew_total_far(&to, 3.0) >= -4.5 && ew_total_far(&to, 3.0) < -3.0, "decay", ew_total_far(&to, 3.0), -4.5);
    check(ew_run_nodes(&to) > 10.0, "nodes", ew_run_nodes(&to), 10.0);
    check(ew_run_fixed(&to, eps) > 0.0 && ew_run_fixed(&to, eps) < 1e-9, "rounding", ew_run_fixed(&to, eps), 0.0);
    check(ew_run_powers(&powers, &to, h, 50, &arena), "powers", 0, 1);
    for (int j = 0; j <= 50; j++) {
        const double t = j * h, turn = remainder(powers.angle[j] - t * (c + 0.5), 2.0 * EW_PI);
        check(fabs(powers.log_mod[j] + 0.5 * t * t) <= powers.err[j] + 1e-11, "modulus",
              powers.log_mod[j], -0.5 * t * t);
        check(fabs(turn) <= powers.err[j] + 1e-11, "angle", turn, 0.0);
    }
    to.log_delta = log(gaussian(1.0, eps));
    ew_shifts_at(&shifts, &to, eps, 20.0, 0.0);
    check(shifts.count[0] > 0 && shifts.count[1] > 0, "shifts", shifts.count[0], 1.0);
    check(ew_alias_log(&rate, &shifts, c, 40.0) < ew_alias_log(&rate, &shifts, c, 20.0), "aliases fall", 0, 1);
    ew_total_smooth(&to, 0.5);
    near("smoothed log G(c)", to.log_g, 0.75 * c * (c + 1.0), 1e-12);

    arena.used = 0;
    to = (ew_total){.run = &run};
    to.tb = ew_take(&arena, 2, sizeof(ew_table));
    check(ew_total_saddle(&to, 0, eps, &arena), "saddle", 0, 1);
    check(fabs(to.eps - eps) < 0.1, "saddle of epsilon", to.eps, eps);
    const int status = ew_run_line(ct, &to, eps, 0.0, 1e-10, 65536.0, &arena);
    ew_contour_delta(out, &ct[0], eps);
    holds("line", status, out, gaussian(1.0, eps), 1e-8);
    free(arena.base);
}

static void binomials(void)
{
    enum { N = 60 };
    const double e = 0.5, infinity = 1e-4, low = exp(-e) / (1.0 + exp(-e));
    ew_arena arena = arena_of((size_t)1 << 26);
    for (int lossy = 0; lossy < 2; lossy++) {
        const double rest = lossy ? 1.0 - infinity : 1.0, lost = lossy ? -expm1(N * log1p(-infinity)) : 0.0;
        const ew_atom atoms[] = {{rest * low, -e}, {rest * (1.0 - low), e}};
        const ew_layer layer = {EW_ATOMS, 2, 0, atoms, 1.0, lossy ? infinity : 0.0};
        const ew_part part = {N, 1, &layer};
        const ew_run run = {.parts = 1, .part = &part, .lattice = 2.0 * e, .origin = -N * e, .loose = 1e-13};
        double eps[] = {0.0, 1.3, 5.0, 20.2, 29.6, 31.0}, lower[6], upper[6], out[2], target[2];
        ew_plan plan;
        int status = ew_run_delta(lower, upper, eps, 6, &run, 1e-9, 1e-4, &arena);
        for (int i = 0; i < 6; i++)
            holds("randomised response", status, (double[]){lower[i], upper[i]},
                  lost + (1.0 - lost) * response(e, N, eps[i]), 1e-9);
        arena.used = 0;
        status = ew_run_epsilon(out, &plan, &run, log(0.02), 1e-9, 1e-4, &arena);
        check(plan.route == EW_LATTICE, "route", plan.route, EW_LATTICE);
        check(out[1] - out[0] <= 1e-9 * out[1], "epsilon is narrow", out[1] - out[0], 0.0);
        holds("its epsilon", status, (double[]){lost + (1.0 - lost) * response(e, N, out[1]),
                                                lost + (1.0 - lost) * response(e, N, out[0])}, 0.02, 1e-7);
        arena.used = 0;
        if (!lossy)
            near("largest loss", ew_run_most(&run), N * e, 1e-12);
        if (lossy) {
            status = ew_run_epsilon(out, &plan, &run, log(0.5 * lost), 1e-9, 1e-4, &arena);
            check(status == EW_FOUND && out[0] == INFINITY,
                  "more is lost than allowed", out[0], INFINITY);
            arena.used = 0;
            check(ew_run_dominated(&run, 31.0, log(0.5), &arena) == EW_NOT_FOUND, "infinite losses", 0, 0);
            arena.used = 0;
            continue;
        }
        status = ew_lattice_delta(out, &run, 5.0, 1e-9, &arena);
        holds("lattice", status, out, response(e, N, 5.0), 1e-9);
        arena.used = 0;
        target[0] = target[1] = log(1e-6);
        out[0] = 0.0; /* the interval is made narrower */
        out[1] = INFINITY;
        status = ew_lattice_epsilon(out, &plan, &run, target, 1e-9, &arena);
        holds("epsilon on the lattice", status, (double[]){response(e, N, out[1]), response(e, N, out[0])}, 1e-6, 1e-7);
        arena.used = 0;
        double none[5];
        status = ew_run_slopes(none, &run, lower, log(1e-3), 1e-9, 1e-4, &arena);
        check(status == EW_NOT_FOUND, "no slope on a lattice", status, EW_NOT_FOUND);
        arena.used = 0;
        check(ew_run_log_mgf(out, &run, 2.0, &arena) == EW_FOUND, "moment", 0, 1);
        near("moment", out[1], N * log((exp(3.0 * e) + exp(-2.0 * e)) / (1.0 + exp(e))), 1e-12);
        arena.used = 0;
    }
    /* what is left beside so many infinite losses rounds to nothing */
    const ew_atom sure[] = {{1e-20, 0.3}};
    const ew_layer layer = {EW_ATOMS, 1, 0, sure, 1.0, 1.0};
    const ew_part part = {1.0, 1, &layer};
    const ew_run run = {.parts = 1, .part = &part};
    double out[2];
    ew_plan plan;
    check(ew_run_epsilon(out, &plan, &run, log(0.9), 1e-9, 1e-4, &arena) == EW_FOUND && out[0] == INFINITY,
          "infinite losses only", out[0], INFINITY);
    free(arena.base);
}

static void once(void)
{
    const ew_layer layer = {.kind = EW_LAPLACE, .share = 1.0, .scale = 0.5};
    const ew_part part = {1.0, 1, &layer};
    const ew_run run = {.parts = 1, .part = &part};
    ew_part twice = part;
    twice.n = 2.0;
    double out[2];
    check(ew_once_applies(&run), "one Laplace step", 0, 1);
    check(!ew_once_applies(&(ew_run){.parts = 1, .part = &twice}), "two", 1, 0);
    near("largest loss", ew_run_most(&run), 2.0, 1e-14);
    check(ew_run_most(&(ew_run){.mu2 = 1.0}) == INFINITY, "largest loss of a Gaussian", 0, INFINITY);
    for (double eps = 0.0; eps < 2.0; eps += 0.3) {
        ew_once_delta(out, &run, eps);
        holds("Laplace", EW_FOUND, out, -expm1(0.5 * (eps - 2.0)), 1e-12);
        const double target[2] = {log(-expm1(0.5 * (eps - 2.0))), log(-expm1(0.5 * (eps - 2.0)))};
        out[0] = 0.0;
        out[1] = INFINITY;
        ew_once_epsilon(out, &run, target);
        check(out[0] <= eps + 1e-13 && eps - 1e-13 <= out[1] && out[1] - out[0] < 1e-11, "its epsilon", out[1], eps);
    }
}

/* Below the largest loss: atoms are exact there, densities bounded; no loss beyond it, whatever the delta. */
static void most(void)
{
    enum { N = 7 };
    const double e = 0.5, low = exp(-e) / (1.0 + exp(-e)), top = N * e;
    const ew_atom atoms[] = {{low, -e}, {1.0 - low, e}}, sampled[] = {{1.0, 0.0}, {0.9, 0.0}, {0.1, -1.0}};
    const ew_layer layers[] = {{EW_ATOMS, 2, 0, atoms, 1.0, 0.0}, {EW_MIXTURE, 1, 2, sampled, 1.0, 0.3},
                               {.kind = EW_LAPLACE, .share = 1.0, .scale = 0.25}};
    const ew_part parts[] = {{N, 1, &layers[0]}, {1.0, 1, &layers[1]}, {1.0, 1, &layers[2]}};
    ew_arena arena = arena_of((size_t)1 << 26);
    ew_near near_top;
    const ew_run response_run = {.parts = 1, .part = &parts[0]};
    ew_most_near(&near_top, &response_run);
    for (double eps = top - 0.99; eps < top; eps += 0.2) { /* only the largest total is above it */
        const double exact = response(e, N, eps), got = ew_most_delta(&near_top, eps),
                     at = ew_most_epsilon(&near_top, log(exact));
        check(got <= exact && got >= exact * (1.0 - 1e-9), "delta below the largest loss", got, exact);
        check(at <= eps && at >= eps - 1e-9, "epsilon below the largest loss", at, eps);
    }
    check(ew_most_delta(&near_top, top) == 0.0, "at the largest loss", ew_most_delta(&near_top, top), 0.0);
    for (int i = 1; i < 3; i++) {
        const ew_run run = {.parts = 1, .part = &parts[i]};
        const double largest = ew_run_most(&run);
        double exact[2];
        ew_most_near(&near_top, &run);
        for (double f = 0.5; f < 1.0; f += 0.1) {
            ew_once_delta(exact, &run, f * largest);
            const double got = ew_most_delta(&near_top, f * largest),
                         at = ew_most_epsilon(&near_top, log(exact[1]));
            check(got <= exact[1] && got >= 0.5 * exact[0], "density below the largest loss", got, exact[1]);
            check(at <= f * largest, "its epsilon", at, f * largest);
        }
        arena.used = 0;
        check(ew_run_dominated(&run, largest, -700.0, &arena) == EW_FOUND, "beyond the largest loss", 0, 1);
        arena.used = 0;
        check(ew_run_dominated(&run, 0.5 * largest, -700.0, &arena) == EW_NOT_FOUND, "not beyond it", 1, 0);
    }
    free(arena.base);
}

/* Too small an arena is said to be, whatever its size, and the one that does gives the same. */
static void arenas(void)
{
    const ew_atom sampled[] = {{0.9, 0.0}, {0.1, 1.0}, {1.0, 0.0}};
    const ew_layer layer = {EW_MIXTURE, 2, 1, sampled, 1.0, 1.5};
    const ew_part part = {300.0, 1, &layer};
    const ew_run run = {.mu2 = 0.1, .parts = 1, .part = &part};
    const double tangent[] = {-1.0, 1.0, 0.0}, eps[] = {0.5, 2.0, 4.0};
    double wanted[18], got[18];
    ew_arena full = arena_of((size_t)1 << 27);
    for (size_t size = (size_t)1 << 27; size > 16; size = size / 7 * 3) {
        ew_arena arena = size == (size_t)1 << 27 ? full : arena_of(size);
        double *at = size == (size_t)1 << 27 ? wanted : got;
        ew_plan plan;
        for (int what = 0; what < 5; what++) {
            int status = EW_SHORT, first = 0, count = 2;
            arena.used = 0;
            arena.failed = 0;
            if (what == 0)
                status = ew_run_epsilon(at, &plan, &run, log(1e-6), 1e-9, 1e-4, &arena);
            else if (what == 1)
                status = ew_run_delta(at + (first = 2), at + 5, eps, 3, &run, 1e-9, 1e-4, &arena), count = 6;
            else if (what == 2)
                status = ew_run_log_mgf(at + (first = 8), &run, 2.0, &arena);
            else if (what == 3)
                status = ew_run_slopes(at + (first = 10), &run, tangent, log(1e-6), 1e-9, 1e-4, &arena), count = 5;
            else
                status = ew_run_dominated(&run, 50.0, log(1e-6), &arena), count = 0;
            check(status == EW_FOUND || (at == got && status == EW_SHORT), "status", status, EW_FOUND);
            for (int i = first; at == got && status == EW_FOUND && i < first + count; i++)
                near("result in a smaller arena", got[i], wanted[i], 1e-9);
        }
        if (at == got)
            free(arena.base);
    }
    free(full.base);
}

void composition(void)
{
    normals();
    slopes();
    rooms();
    binomials();
    once();
    most();
    arenas();
}
