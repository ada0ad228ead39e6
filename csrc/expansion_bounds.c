/* expansion_bounds.c - the public intervals of the expansions: the direction(s) of the relation. */
#include "remainder.h"

#include <math.h>

static void one(double out[2], const ew_model *m, double x, int of_delta, ew_method method, int order, ew_scratch *ws)
{
    if (method == EW_TILTED) {
        if (of_delta)
            ew_tilted_bounds_epsilon(out, m, x, order, ws);
        else
            ew_tilted_bounds_delta(out, m, x, order, ws);
        return;
    }
    ew_eeai e = {.first = INFINITY, .second = INFINITY};
    const int good = ew_eeai_init(&e, m, order, ws);
    out[0] = 0.0;
    out[1] = INFINITY;
    if (!of_delta)
        ew_eeai_delta(out, &e, x);
    else if (good)
        ew_eeai_epsilon(out, &e, x);
}

/* q = 1: both expansions are exact, and so is the closed form. */
static ew_status directed(double out[2], double sigma, double q, int64_t steps, double x, int of_delta,
                          ew_adjacency adjacency, ew_method method, int order, ew_scratch *ws)
{
    if (q == 1.0)
        return of_delta ? ew_epsilon(out, sigma, q, steps, x, adjacency, 1e-9, ws)
                        : ew_delta(out, sigma, q, steps, x, adjacency, 1e-9, ws);
    for (int way = 0; way <= (adjacency == EW_ADD_OR_REMOVE); way++) {
        ew_model m;
        double b[2];
        ew_model_init(&m,
                      adjacency == EW_REPLACE_ONE  ? EW_KIND_REPLACE
                      : way || adjacency == EW_ADD ? EW_KIND_ADD
                                                   : EW_KIND_REMOVE,
                      sigma, q, (double)steps);
        one(b, &m, x, of_delta, method, order, ws);
        out[0] = way ? fmax(out[0], b[0]) : b[0];
        out[1] = way ? fmax(out[1], b[1]) : b[1];
    }
    return EW_OK;
}

static ew_status checked(double out[2], double sigma, double q, int64_t steps, double x, int of_delta,
                         ew_adjacency adjacency, ew_method method, int order, void *work)
{
    ew_status s = ew_estimate_check(sigma, q, steps, x, of_delta, (int)adjacency, (int)method, order);
    if (s == EW_OK && method > EW_TILTED)
        s = EW_BAD_METHOD;
    if (s == EW_OK)
        s = directed(out, sigma, q, steps, x, of_delta, adjacency, method, order, work);
    if (s != EW_OK)
        out[0] = out[1] = NAN;
    return s;
}

ew_status ew_expansion_epsilon(double out[2], double sigma, double q, int64_t steps, double delta,
                               ew_adjacency adjacency, ew_method method, int order, void *work)
{
    return checked(out, sigma, q, steps, delta, 1, adjacency, method, order, work);
}

ew_status ew_expansion_delta(double out[2], double sigma, double q, int64_t steps, double epsilon,
                             ew_adjacency adjacency, ew_method method, int order, void *work)
{
    return checked(out, sigma, q, steps, epsilon, 0, adjacency, method, order, work);
}
