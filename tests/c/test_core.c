/* test_core.c - the C core on its own: no Python, a workspace of exactly ew_work_size() bytes, and published values;
 * test_compose.c has the composed runs.
 *
 * Build and run with tests/c/run; it prints one line and exits 0, or one line per failure and exits 1.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "edgeworth.h"
#include "expansion.h"
#include "special.h"

static int checks, failures;

void check(int good, const char *what, double got, double wanted)
{
    checks++;
    if (!good) {
        failures++;
        printf("FAILED %s: got %.17g, wanted %.17g\n", what, got, wanted);
    }
}

void near(const char *what, double got, double wanted, double rtol)
{
    check(fabs(got - wanted) <= rtol * fabs(wanted), what, got, wanted);
}

/* lower <= upper, both within `slack` (relative) of the truth, which is itself only good to `slack`. */
static void encloses(const char *what, ew_status status, const double out[2], double truth, double slack)
{
    check(status == EW_OK, what, status, EW_OK);
    check(out[0] <= out[1], what, out[0], out[1]);
    check(out[0] <= truth + slack * fabs(truth), what, out[0], truth);
    check(out[1] >= truth - slack * fabs(truth), what, out[1], truth);
    check(out[1] - out[0] <= 1e-9 * fabs(out[1]), what, out[1] - out[0], 0);
}

/* Truth: the same definition in ball arithmetic; `good` = relative error of the decimals given here. */
static void epsilons(void *work)
{
    static const struct {
        double sigma, q;
        int64_t steps;
        double delta;
        ew_adjacency adjacency;
        double epsilon, good;
    } rows[] = {
        {0.7865, 2000.0 / 67349, 660, 1e-5, EW_REMOVE, 8.289117905743401, 1e-15},
        {0.7865, 2000.0 / 67349, 660, 1e-5, EW_ADD, 5.090519828964408, 1e-15},
        {0.7865, 2000.0 / 67349, 660, 1e-5, EW_ADD_OR_REMOVE, 8.289117905743401, 1e-15},
        {0.573, 2000.0 / 392702, 3920, 1e-6, EW_REMOVE, 9.599782574427990, 1e-15},
        {1.0, 0.01, 10000, 1e-5, EW_REMOVE, 6.187712389971539, 1e-15},
        {2.0, 0.05, 1000, 1e-8, EW_ADD, 4.484954468266298, 1e-15},
        {1.0, 1e-4, 100000000, 1e-5, EW_REMOVE, 6.008991469866591, 1e-15},
        {2.0, 1e-7, INT64_C(1000000000000), 1e-6, EW_REMOVE, 0.2025636565773927, 1e-15},
        {1.0, 0.05, 2, 1e-5, EW_REMOVE, 1.182936080143896, 1e-15},
        {1.0, 0.3, 6, 1e-8, EW_ADD, 1.881207357544206, 1e-15},
        {0.3, 0.01, 1000, 1e-5, EW_REMOVE, 69.81571071, 1e-9},
        {1.0, 0.01, 1000, 1e-12, EW_REMOVE, 3.914298156, 1e-9},
        {1.0, 0.01, 1000, 1e-14, EW_REMOVE, 4.543701988, 1e-9},
        {1.0, 1e-5, 100000, 1e-8, EW_REMOVE, 0.0178438224, 1e-8},
        {0.8, 0.05, 20000, 1e-6, EW_REMOVE, 140.64233709, 1e-9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double out[2];
        char what[80];
        snprintf(what, sizeof what, "epsilon, row %d", (int)i);
        encloses(what,
                 ew_epsilon(out, rows[i].sigma, rows[i].q, rows[i].steps, rows[i].delta, rows[i].adjacency, 1e-9, work),
                 out, rows[i].epsilon, rows[i].good);
    }
}

/* Truth: closed forms, one step. */
static void deltas(void *work)
{
    static const struct {
        double sigma, q, epsilon;
        ew_adjacency adjacency;
        double delta, good;
    } rows[] = {
        {1.0, 1.0, -2.0, EW_REMOVE, 0.86749642, 1e-8},
        {1.0, 1.0, 0.0, EW_ADD, 0.38292492, 1e-8},
        {1.0, 1.0, 1.0, EW_ADD_OR_REMOVE, 0.12693674, 3e-8},
        {1.0, 0.8, 1.0, EW_ADD, 0.0231362104090899, 1e-14},
        {1.0, 0.8, 1.0, EW_REMOVE, 0.0816951786585355, 1e-14},
        {2.0, 0.8, 1.0, EW_REPLACE_ONE, 0.05808665654484252, 1e-14},
        {2.0, 0.3, 2.0, EW_REPLACE_ONE, 2.4770380148941894e-9, 1e-14},
        {1.0, 0.3, 2.0, EW_REMOVE, 0.0003341102928869332, 1e-14},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double out[2];
        char what[80];
        snprintf(what, sizeof what, "delta, row %d", (int)i);
        encloses(what, ew_delta(out, rows[i].sigma, rows[i].q, 1, rows[i].epsilon, rows[i].adjacency, 1e-9, work), out,
                 rows[i].delta, rows[i].good);
    }
    double out[2];
    check(ew_delta(out, 1.0, 0.5, 10, 6.94, EW_ADD, 1e-9, work) == EW_OK && out[0] == 0 && out[1] == 0,
          "delta beyond the largest loss of `add` (10 log 2)", out[1], 0);
    check(ew_epsilon(out, 100.0, 1e-6, 1, 0.5, EW_REMOVE, 1e-9, work) == EW_OK && out[0] == 0 && out[1] == 0,
          "epsilon where delta(0) is smaller", out[1], 0);
}

static void calibrations(void *work)
{
    const double q = 2000.0 / 67349;
    double sigma, rate, out[2];
    int64_t steps;

    check(ew_noise_multiplier(&sigma, 8, q, 660, 1e-5, EW_ADD_OR_REMOVE, work) == EW_OK, "sigma, status", 1, 0);
    near("sigma of SST-2 at epsilon 8", sigma, 0.798198, 1e-6);
    check(ew_epsilon(out, sigma, q, 660, 1e-5, EW_ADD_OR_REMOVE, 1e-9, work) == EW_OK && out[1] <= 8,
          "sigma is safe", out[1], 8);
    check(ew_epsilon(out, sigma * (1 - 1e-8), q, 660, 1e-5, EW_ADD_OR_REMOVE, 1e-9, work) == EW_OK && out[1] > 8,
          "sigma is the smallest", out[1], 8);

    check(ew_max_steps(&steps, 8, sigma, q, 1e-5, EW_ADD_OR_REMOVE, work) == EW_OK && steps == 660, "steps",
          (double)steps, 660);

    check(ew_max_sampling_rate(&rate, 8, sigma, 660, 1e-5, EW_ADD_OR_REMOVE, work) == EW_OK, "rate, status", 1, 0);
    near("rate of SST-2 at epsilon 8", rate, q, 1e-8);
    check(ew_epsilon(out, sigma, rate, 660, 1e-5, EW_ADD_OR_REMOVE, 1e-9, work) == EW_OK && out[1] <= 8,
          "rate is safe", out[1], 8);
}

/* Each failure: its status, and NaN (or -1) in every output. */
static void interval_fails(ew_status got, ew_status wanted, const double out[2])
{
    check(got == wanted, "status", got, wanted);
    check(isnan(out[0]) && isnan(out[1]), "NaN after a failure", out[0], (double)NAN);
}

static void errors(void *work)
{
    static const struct {
        double sigma, q;
        int64_t steps;
        double x;
        int adjacency;
        double rtol;
        ew_status of_epsilon, of_delta;
    } rows[] = {
        {-1, 0.1, 9, 0.1, EW_ADD, 1e-9, EW_BAD_SIGMA, EW_BAD_SIGMA},
        {0, 0.1, 9, 0.1, EW_ADD, 1e-9, EW_BAD_SIGMA, EW_BAD_SIGMA},
        {NAN, 0.1, 9, 0.1, EW_ADD, 1e-9, EW_BAD_SIGMA, EW_BAD_SIGMA},
        {INFINITY, 0.1, 9, 0.1, EW_ADD, 1e-9, EW_BAD_SIGMA, EW_BAD_SIGMA},
        {1, 0, 9, 0.1, EW_ADD, 1e-9, EW_BAD_Q, EW_BAD_Q},
        {1, 1.5, 9, 0.1, EW_ADD, 1e-9, EW_BAD_Q, EW_BAD_Q},
        {1, NAN, 9, 0.1, EW_ADD, 1e-9, EW_BAD_Q, EW_BAD_Q},
        {1, 0.1, 0, 0.1, EW_ADD, 1e-9, EW_BAD_STEPS, EW_BAD_STEPS},
        {1, 0.1, INT64_MIN, 0.1, EW_ADD, 1e-9, EW_BAD_STEPS, EW_BAD_STEPS},
        {1, 0.1, 9, NAN, EW_ADD, 1e-9, EW_BAD_DELTA, EW_BAD_EPSILON},
        {1, 0.1, 9, INFINITY, EW_ADD, 1e-9, EW_BAD_DELTA, EW_BAD_EPSILON},
        {1, 0.1, 9, 0.1, 4, 1e-9, EW_BAD_ADJACENCY, EW_BAD_ADJACENCY},
        {1, 0.1, 9, 0.1, EW_ADD, 0, EW_BAD_RTOL, EW_BAD_RTOL},
        {1, 0.1, 9, 0.1, EW_ADD, NAN, EW_BAD_RTOL, EW_BAD_RTOL},
        {1e-3, 0.1, 9, 0.1, EW_REMOVE, 1e-9, EW_PRECISION, EW_PRECISION},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double out[2] = {7, 7};
        interval_fails(ew_epsilon(out, rows[i].sigma, rows[i].q, rows[i].steps, rows[i].x,
                                  (ew_adjacency)rows[i].adjacency, rows[i].rtol, work),
                       rows[i].of_epsilon, out);
        out[0] = out[1] = 7;
        interval_fails(ew_delta(out, rows[i].sigma, rows[i].q, rows[i].steps, rows[i].x,
                                (ew_adjacency)rows[i].adjacency, rows[i].rtol, work),
                       rows[i].of_delta, out);
    }

    double out[2] = {7, 7}, value = 7;
    int64_t steps = 7;
    interval_fails(ew_epsilon(out, 1, 0.1, 9, 1, EW_ADD, 1e-9, work), EW_BAD_DELTA, out);
    interval_fails(ew_epsilon(out, 1, 0.1, 9, 0, EW_ADD, 1e-9, work), EW_BAD_DELTA, out);

    check(ew_noise_multiplier(&value, -1, 0.1, 9, 1e-5, EW_ADD, work) == EW_BAD_EPSILON && isnan(value),
          "sigma of a negative epsilon", value, (double)NAN);
    check(ew_noise_multiplier(&value, 1e-9, 1, INT64_C(1000000000000), 1e-5, EW_REMOVE, work) == EW_UNREACHABLE &&
              isnan(value),
          "sigma out of reach", value, (double)NAN);
    check(ew_max_sampling_rate(&value, 1e-3, 0.1, 1000, 1e-300, EW_REMOVE, work) == EW_UNREACHABLE && isnan(value),
          "rate out of reach", value, (double)NAN);
    check(ew_max_steps(&steps, 0.01, 0.2, 0.5, 1e-5, EW_REMOVE, work) == EW_UNREACHABLE && steps == -1,
          "steps out of reach", (double)steps, -1);
    check(ew_max_steps(&steps, NAN, 0.2, 0.5, 1e-5, EW_REMOVE, work) == EW_BAD_EPSILON && steps == -1,
          "steps of no epsilon", (double)steps, -1);
}

/* The workspace carries nothing from call to call, whatever it held. */
static void workspace(void *work)
{
    double first[2], second[2];
    for (int fill = 0; fill < 256; fill += 85) {
        memset(work, fill, ew_work_size());
        ew_status status = ew_epsilon(second, 0.7865, 0.03, 660, 1e-5, EW_ADD_OR_REMOVE, 1e-9, work);
        check(status == EW_OK, "status with a filled workspace", status, EW_OK);
        if (fill == 0)
            memcpy(first, second, sizeof first);
        check(memcmp(first, second, sizeof first) == 0, "result with a filled workspace", second[1], first[1]);
    }
}

/* Truth: 60 digits. */
static void special(void)
{
    const double tight = 16 * 0x1p-53;
    near("log1pmx(-0.9)", ew_log1pmx(-0.9), -1.4025850929940458839, tight);
    near("log1pmx(-1e-3)", ew_log1pmx(-1e-3), -5.0033358353350016382e-7, tight);
    near("log1pmx(1e-8)", ew_log1pmx(1e-8), -4.9999999666666671259e-17, tight);
    near("log1pmx(5)", ew_log1pmx(5), -3.2082405307719449992, tight);
    near("expm1mx(-30)", ew_expm1mx(-30), 29.000000000000093576, tight);
    near("expm1mx(-1e-3)", ew_expm1mx(-1e-3), 4.9983337499166807616e-7, tight);
    near("expm1mx(1e-8)", ew_expm1mx(1e-8), 5.0000000166666669176e-17, tight);
    near("expm1mx(5)", ew_expm1mx(5), 142.41315910257660342, tight);
    near("erfcx(-5)", ew_erfcx(-5), 144009798674.66104041, tight);
    near("erfcx(0.5)", ew_erfcx(0.5), 0.61569034419292587487, tight);
    near("erfcx(1e5)", ew_erfcx(1e5), 5.6418958351954680777e-6, tight);
    near("log_ndtr(-100)", ew_log_ndtr(-100), -5005.5242086942050886, tight);
    near("log_ndtr(0)", ew_log_ndtr(0), -0.69314718055994530942, tight);
    near("log_ndtr(10)", ew_log_ndtr(10), -7.619853024160526066e-24, tight);

    double out[2];
    ew_cexpm1mx(out, 1e-8, 1e-8);
    near("cexpm1mx(1e-8 (1 + i))", hypot(out[0], out[1]), 1.0000000033333333752e-16, 2 * tight);
    ew_cexpm1mx(out, 0.5, 3.0);
    near("re cexpm1mx(0.5 + 3i)", out[0], -3.1322216869786787289, 2 * tight);
    near("im cexpm1mx(0.5 + 3i)", out[1], -2.7673324409903233878, 2 * tight);
}

/* Truth: published values of the estimate; the certified interval; closed form for a normal loss. */
static void expansions(void *work)
{
    const double q = 2000.0 / 67349, published[] = {7.9928989025, 8.3702442526, 8.6294495690};
    double out[EW_CUMULANTS_MAX], x;
    for (int order = 1; order <= 3; order++) {
        check(ew_estimate_epsilon(&x, 0.7865, q, 660, 1e-5, EW_REMOVE, EW_EDGEWORTH, order, work) == EW_OK, "AEA", 0, 0);
        near("Edgeworth estimate of SST-2", x, published[order - 1], 1e-9);
    }
    for (int method = EW_EDGEWORTH; method <= EW_TILTED; method++) {
        check(ew_expansion_epsilon(out, 0.7865, q, 660, 1e-5, EW_REMOVE, (ew_method)method, 4, work) == EW_OK, "bounds", 0, 0);
        check(out[0] <= 8.289117905743401 && 8.289117905743401 <= out[1], "expansion holds the truth", out[0], out[1]);
    }
    check(ew_cumulants(out, 2.0, 1.0, EW_REMOVE, 1.5, 3, work) == EW_OK && out[0] == 0.5 && out[1] == 0.25 && out[2] == 0.0,
          "cumulants of a normal loss", out[0], 0.5);
    check(ew_cumulants(out, 1e3, 1e-3, EW_ADD, 0.3, 20, work) == EW_OK, "cumulants in wide numbers", 0, 0);
    near("kappa_20 at sigma 1000", out[19], 2.5487552e-151, 1e-7);
    check(ew_cumulants(out, 1.0, 0.1, EW_REMOVE, 2e6, 2, work) == EW_BAD_TILT && isnan(out[0]), "tilt refused", out[0], 0);
    check(ew_cumulants(out, 1.0, 0.1, EW_REMOVE, 0.0, 33, work) == EW_BAD_ORDER, "order refused", 0, 0);
    check(ew_estimate_delta(&x, 1.0, 0.1, 9, 1.0, EW_ADD, (ew_method)7, 1, work) == EW_BAD_METHOD && isnan(x), "method refused", x, 0);
    check(ew_estimate_delta(&x, 0.6, 1e-3, 100, 0.0, EW_REMOVE, EW_EDGEWORTH, 1, work) == EW_NO_ROOT && isnan(x), "no probability", x, 0);
}

int main(void)
{
    void *work = malloc(ew_work_size());
    if (!work)
        return 1;
    epsilons(work);
    deltas(work);
    calibrations(work);
    expansions(work);
    errors(work);
    workspace(work);
    special();
    composition();
    turned();
    bent();
    free(work);
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
