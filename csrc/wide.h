/* wide.h - floating-point numbers of up to EW_WIDE_LIMBS * 32 bits, for the few sums that cancel more than a double
 * holds.
 *
 * Value    sign * 0.d[0] d[1] .. * 2^exp, digits of 32 bits, the top bit of d[0] set; sign = 0 is zero.  `limbs` digits
 *          are kept by every operation of a computation.  Exponents are 64 bits: nothing overflows.
 * Error    each operation is within 2^(5 - 32 limbs) of its result, relative; ew_wide_exp and ew_wide_log within
 *          2^(12 - 32 limbs) for arguments and values below 2^20 (log: absolute where the value is below 1).
 */
#ifndef EW_WIDE_H
#define EW_WIDE_H

#include <stdint.h>

enum { EW_WIDE_LIMBS = 48 };

typedef struct {
    int sign;
    int64_t exp;
    uint32_t d[EW_WIDE_LIMBS];
} ew_wide;

void ew_wide_set(ew_wide *r, double x, int limbs);
double ew_wide_get(const ew_wide *a); /* nearest double but for a few ulps; 0 or inf beyond its range */
void ew_wide_add(ew_wide *r, const ew_wide *a, const ew_wide *b, int limbs);
void ew_wide_sub(ew_wide *r, const ew_wide *a, const ew_wide *b, int limbs);
void ew_wide_mul(ew_wide *r, const ew_wide *a, const ew_wide *b, int limbs);
void ew_wide_scale(ew_wide *r, const ew_wide *a, uint32_t k, int limbs);  /* a k */
void ew_wide_reduce(ew_wide *r, const ew_wide *a, uint32_t k, int limbs); /* a/k */
void ew_wide_inv(ew_wide *r, const ew_wide *a, int limbs);                /* 1/a, a != 0 */
void ew_wide_exp(ew_wide *r, const ew_wide *a, int limbs);
void ew_wide_log(ew_wide *r, const ew_wide *a, int limbs); /* a > 0 */

#endif
