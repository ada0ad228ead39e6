/* partitions.c - coefficients of the Edgeworth expansion from the integer partitions, and its two sums.
 *
 * Formula  density of the standardised sum, lam_k its cumulants:  phi(x) sum_k a_k He_k(x),  a_0 = 1 and for each
 *          nu = 1 .. order and each partition  nu = k_1 + 2 k_2 + .. + nu k_nu  into m = k_1 + .. + k_nu parts
 *              a_{nu + 2m} += prod_j (lam_{j+2}/(j+2)!)^{k_j} / k_j!
 *          The distribution function has -phi He_{k-1} in place of phi He_k.
 * Source   V. V. Petrov, "Sums of Independent Random Variables", 1975, chapter VI, section 1.
 */
#include "tilt.h"

#include <math.h>

/* Partitions of `left` into parts <= largest, each times what has been multiplied so far. */
static void extend(double *a, const double *part_term, int left, int largest, int index, double value)
{
    if (left == 0) {
        a[index] += value;
        return;
    }
    for (int part = left < largest ? left : largest; part >= 1; part--) {
        double v = value;
        for (int k = 1; k * part <= left; k++) {
            v *= part_term[part] / k;
            extend(a, part_term, left - k * part, part - 1, index + k * (part + 2), v);
        }
    }
}

void ew_series_coefficients(double *a, const double *lam, int order)
{
    double term[EW_ORDER_MAX + 1], factorial = 2.0;
    for (int j = 1; j <= order; j++) {
        factorial *= j + 2;
        term[j] = lam[j + 2] / factorial;
    }
    for (int k = 0; k <= 3 * order; k++)
        a[k] = 0.0;
    a[0] = 1.0;
    for (int nu = 1; nu <= order; nu++)
        extend(a, term, nu, nu, 0, 1.0);
}

void ew_series_init(ew_series *s, const double *kappa, double n, int order)
{
    double lam[EW_CUMULANTS_MAX + 1];
    s->mean = n * kappa[1];
    s->sd = sqrt(n * kappa[2]);
    s->top = 3 * order;
    for (int k = 3; k <= order + 2; k++)
        lam[k] = n * kappa[k] / pow(s->sd, k);
    ew_series_coefficients(s->a, lam, order);
}
