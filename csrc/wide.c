/* wide.c - see wide.h.  Schoolbook digits: at the sizes used here (6 to 48 digits) nothing cleverer is faster. */
#include "wide.h"

#include <math.h>
#include <string.h>

/* Shift the digits so that the top bit is set; `extra` is the digit above d[0]. */
static void normalise(ew_wide *r, uint32_t extra, int limbs)
{
    if (extra) {
        memmove(r->d + 1, r->d, sizeof r->d[0] * (size_t)(limbs - 1));
        r->d[0] = extra;
        r->exp += 32;
    }
    int k = 0;
    while (k < limbs && r->d[k] == 0)
        k++;
    if (k == limbs) {
        r->sign = 0;
        return;
    }
    if (k) {
        memmove(r->d, r->d + k, sizeof r->d[0] * (size_t)(limbs - k));
        memset(r->d + limbs - k, 0, sizeof r->d[0] * (size_t)k);
        r->exp -= 32 * k;
    }
    int s = 0;
    while (!(r->d[0] << s & 0x80000000u))
        s++;
    if (s) {
        for (int i = 0; i < limbs; i++)
            r->d[i] = r->d[i] << s | (i + 1 < limbs ? r->d[i + 1] >> (32 - s) : 0);
        r->exp -= s;
    }
}

void ew_wide_set(ew_wide *r, double x, int limbs)
{
    int e;
    double f = frexp(fabs(x), &e);
    memset(r->d, 0, sizeof r->d[0] * (size_t)limbs);
    r->sign = x > 0.0 ? 1 : x < 0.0 ? -1 : 0;
    r->exp = e;
    for (int i = 0; i < 3 && i < limbs; i++) {
        f = ldexp(f, 32);
        r->d[i] = (uint32_t)f;
        f -= r->d[i];
    }
}

double ew_wide_get(const ew_wide *a)
{
    const double f = ((double)a->d[2] * 0x1p-32 + (double)a->d[1]) * 0x1p-64 + (double)a->d[0] * 0x1p-32;
    return a->sign * ldexp(f, a->exp > 4000 ? 4000 : a->exp < -4000 ? -4000 : (int)a->exp);
}

/* |a| against |b| */
static int compare(const ew_wide *a, const ew_wide *b, int limbs)
{
    if (a->exp != b->exp)
        return a->exp > b->exp ? 1 : -1;
    for (int i = 0; i < limbs; i++)
        if (a->d[i] != b->d[i])
            return a->d[i] > b->d[i] ? 1 : -1;
    return 0;
}

/* digit i of b shifted right by `shift` bits */
static uint32_t shifted(const ew_wide *b, int i, int64_t shift, int limbs)
{
    const int64_t k = i - shift / 32;
    const int s = (int)(shift % 32);
    const uint32_t hi = k >= 1 && k - 1 < limbs ? b->d[k - 1] : 0, lo = k >= 0 && k < limbs ? b->d[k] : 0;
    return s ? hi << (32 - s) | lo >> s : lo;
}

void ew_wide_add(ew_wide *r, const ew_wide *a, const ew_wide *b, int limbs)
{
    if (!a->sign || !b->sign) {
        const ew_wide *x = a->sign ? a : b;
        if (x != r)
            *r = *x;
        return;
    }
    const int order = compare(a, b, limbs);
    if (order < 0) {
        const ew_wide *x = a;
        a = b;
        b = x;
    }
    const int64_t gap = a->exp - b->exp, shift = gap > 32 * limbs ? 32 * (int64_t)limbs : gap;
    ew_wide out = {.sign = a->sign, .exp = a->exp};
    if (a->sign == b->sign) {
        uint64_t carry = 0;
        for (int i = limbs - 1; i >= 0; i--) {
            carry += (uint64_t)a->d[i] + shifted(b, i, shift, limbs);
            out.d[i] = (uint32_t)carry;
            carry >>= 32;
        }
        normalise(&out, (uint32_t)carry, limbs);
    } else if (order == 0) {
        out.sign = 0;
    } else {
        int64_t carry = 0;
        for (int i = limbs - 1; i >= 0; i--) {
            carry += (int64_t)a->d[i] - shifted(b, i, shift, limbs);
            out.d[i] = (uint32_t)(uint64_t)carry;
            carry = carry < 0 ? -1 : 0;
        }
        normalise(&out, 0, limbs);
    }
    *r = out;
}

void ew_wide_sub(ew_wide *r, const ew_wide *a, const ew_wide *b, int limbs)
{
    ew_wide minus = *b;
    minus.sign = -b->sign;
    ew_wide_add(r, a, &minus, limbs);
}

void ew_wide_mul(ew_wide *r, const ew_wide *a, const ew_wide *b, int limbs)
{
    uint32_t w[EW_WIDE_LIMBS + 2] = {
        0}; /* w[k + 1] collects d[i] d[j], i + j = k; two digits below the kept ones at most */
    if (!a->sign || !b->sign) {
        r->sign = 0;
        return;
    }
    for (int i = limbs - 1; i >= 0; i--) {
        uint64_t carry = 0;
        const uint64_t x = a->d[i];
        for (int j = limbs - i < limbs ? limbs - i : limbs - 1; j >= 0; j--) {
            carry += x * b->d[j] + w[i + j + 1];
            w[i + j + 1] = (uint32_t)carry;
            carry >>= 32;
        }
        w[i] = (uint32_t)carry;
    }
    r->sign = a->sign * b->sign;
    r->exp = a->exp + b->exp;
    memcpy(r->d, w, sizeof r->d[0] * (size_t)limbs);
    normalise(r, 0, limbs);
}

void ew_wide_scale(ew_wide *r, const ew_wide *a, uint32_t k, int limbs)
{
    uint64_t carry = 0;
    if (r != a)
        *r = *a;
    if (!k)
        r->sign = 0;
    if (!r->sign)
        return;
    for (int i = limbs - 1; i >= 0; i--) {
        carry += (uint64_t)k * r->d[i];
        r->d[i] = (uint32_t)carry;
        carry >>= 32;
    }
    normalise(r, (uint32_t)carry, limbs);
}

void ew_wide_reduce(ew_wide *r, const ew_wide *a, uint32_t k, int limbs)
{
    uint64_t rest = 0;
    if (r != a)
        *r = *a;
    if (!r->sign)
        return;
    for (int i = 0; i < limbs; i++) {
        rest = rest << 32 | r->d[i];
        r->d[i] = (uint32_t)(rest / k);
        rest %= k;
    }
    normalise(r, 0, limbs);
}

void ew_wide_inv(ew_wide *r, const ew_wide *a, int limbs)
{
    ew_wide x, t, f = *a;
    f.exp = 0; /* |f| in [1/2, 1) */
    ew_wide_set(&x, 1.0 / ew_wide_get(&f), limbs);
    for (int good = 50; good < 32 * limbs; good *= 2) { /* x += x (1 - f x) */
        ew_wide one;
        ew_wide_set(&one, 1.0, limbs);
        ew_wide_mul(&t, &f, &x, limbs);
        ew_wide_sub(&t, &one, &t, limbs);
        ew_wide_mul(&t, &t, &x, limbs);
        ew_wide_add(&x, &x, &t, limbs);
    }
    x.exp -= a->exp;
    *r = x;
}

void ew_wide_exp(ew_wide *r, const ew_wide *a, int limbs)
{
    ew_wide x = *a, sum, term, one;
    ew_wide_set(&one, 1.0, limbs);
    /* a/2^j below 2^-root, root^2 about the number of bits: then Taylor and j squarings */
    int root = 4;
    while (root * root < 16 * limbs)
        root++;
    int j = x.sign && x.exp + root > 0 ? (int)x.exp + root : 0;
    x.exp -= j;
    const int work = limbs + (j + 31) / 32 > EW_WIDE_LIMBS ? EW_WIDE_LIMBS : limbs + (j + 31) / 32;
    for (int i = limbs; i < work; i++)
        x.d[i] = one.d[i] = 0;
    sum = one;
    term = one;
    for (uint32_t k = 1; term.sign && term.exp > -32 * work; k++) {
        ew_wide_mul(&term, &term, &x, work);
        ew_wide_reduce(&term, &term, k, work);
        ew_wide_add(&sum, &sum, &term, work);
    }
    while (j-- > 0)
        ew_wide_mul(&sum, &sum, &sum, work);
    *r = sum;
}

void ew_wide_log(ew_wide *r, const ew_wide *a, int limbs)
{
    /* guess x by doubles; a e^-x = 1 + t, |t| about 2^-50; log(1 + t) = 2 atanh(t/(2 + t)) */
    ew_wide x, t, w, f = *a, one, sum;
    f.exp = 0;
    ew_wide_set(&one, 1.0, limbs);
    ew_wide_set(&x, -(log(ew_wide_get(&f)) + (double)a->exp * 0x1.62e42fefa39efp-1), limbs);
    ew_wide_exp(&t, &x, limbs);
    ew_wide_mul(&t, &t, a, limbs);
    ew_wide_sub(&t, &t, &one, limbs);
    ew_wide_set(&w, 2.0, limbs);
    ew_wide_add(&w, &w, &t, limbs);
    ew_wide_inv(&w, &w, limbs);
    ew_wide_mul(&t, &t, &w, limbs);
    ew_wide_mul(&w, &t, &t, limbs);
    ew_wide_sub(&sum, &t, &x, limbs);
    ew_wide_add(&sum, &sum, &t, limbs);
    for (uint32_t k = 3; t.sign && t.exp > -32 * limbs - 32; k += 2) {
        ew_wide u;
        ew_wide_mul(&t, &t, &w, limbs);
        ew_wide_reduce(&u, &t, k, limbs);
        ew_wide_scale(&u, &u, 2, limbs);
        ew_wide_add(&sum, &sum, &u, limbs);
    }
    *r = sum;
}
