/* contour.c - delta and epsilon from the nodes of a contour (line or bend), certified.
 *
 * delta(eps) decreases, so an interval of epsilon is certified by two evaluations: delta(upper) <= delta <= delta(lower).
 * Both lie within a distance e of a point where the sum was formed with its rounding error, and
 *     |e^{-z e} - 1 + z e| <= |z e|^2 e^{|e| |Re z|} / 2
 * carries it over exactly.
 */
#include "rooms.h"

#include <math.h>

typedef struct {
    double d0, d1, d2, curve, round, round1; /* value, -first and second derivative, sum |c z^2|, rounding of d0, d1 */
} sums;

static void gather(sums *s, const ew_contour *ct, double shift)
{
    *s = (sums){0};
    for (int j = 0; j < ct->count; j++) {
        const double zr = ct->zr[j], zi = ct->zi[j], e = exp(-zr * shift), x = zi * shift;
        const double co = e * cos(x), si = -e * sin(x), r = ct->cr[j] * co - ct->ci[j] * si, i = ct->cr[j] * si + ct->ci[j] * co;
        const double r1 = r * zr - i * zi, i1 = r * zi + i * zr, size = fabs(r) + fabs(i), z2 = zr * zr + zi * zi;
        s->d0 += r;
        s->d1 += r1;
        s->d2 += r1 * zr - i1 * zi;
        s->curve += size * z2;
        const double round = size * (ct->err[j] + EW_U * (6.0 * fabs(x) + 4.0 * fabs(zr * shift) + 8.0 + ct->count));
        s->round += round;
        s->round1 += round * (fabs(zr) + fabs(zi));
    }
}

/* delta(eps0 + shift) in units of e^{log_scale}, lower and upper. */
static void enclose(double out[2], const ew_contour *ct, const sums *s, double shift)
{
    const double grow = exp(ct->rate * fabs(shift)) * (1.0 + 1e-12), rel = ct->scale_err;
    out[0] = (s->d0 - s->round - ct->low * grow) * (1.0 - rel);
    out[1] = (s->d0 + s->round + ct->high * grow) * (1.0 + rel);
}

void ew_contour_delta(double out[2], const ew_contour *ct, double eps)
{
    sums s;
    double raw[2];
    gather(&s, ct, eps - ct->eps0);
    enclose(raw, ct, &s, eps - ct->eps0);
    const double f = exp(ct->log_scale);
    out[0] = fmax(0.0, ew_down(raw[0] * f * (1.0 - 2 * EW_U)));
    out[1] = fmin(1.0, ew_up(raw[1] * f * (1.0 + 2 * EW_U)));
}

/* 1: [out[0], out[1]] holds epsilon(delta), not yet floored at 0.  0: the point moved too far from eps0 (in *moved: prepare
 * the contour there and come back), or no certificate. */
int ew_contour_epsilon(double out[2], double *moved, const ew_contour *ct, double log_delta)
{
    const double target = exp(log_delta - ct->log_scale), rel = 2.0 * EW_U * (fabs(log_delta) + fabs(ct->log_scale) + 4.0);
    double shift = 0.0;
    sums s;
    for (int i = 0;; i++) {
        gather(&s, ct, shift);
        if (!(s.d0 > 0.0 && s.d1 > 0.0))
            return 0;
        /* Newton on log delta with its curvature: third order */
        const double f = log(s.d0 / target), g = s.d1 / s.d0, h = s.d2 / s.d0 - g * g;
        const double step = f / g, corrected = step * (1.0 + 0.5 * step * h / g);
        const double wanted = fmax(4.0 * EW_U * fabs(ct->eps0 + shift), 0.01 * (s.round + ct->low) / s.d1);
        if (fabs(step) <= wanted || i == 40)
            break;
        shift += fabs(corrected - step) < 0.3 * fabs(step) ? corrected : step;
        if (!(fabs(shift) * ct->rate < 3.0)) {
            *moved = ct->eps0 + shift;
            return 0;
        }
    }
    const double hi_target = target * (1.0 - rel), lo_target = target * (1.0 + rel), here = ct->eps0 + shift;
    const double least = 4.0 * EW_U * fabs(here) + 1e-300, grow = exp(ct->rate * fabs(shift)) * (1.0 + 1e-12);
    const double top = s.round + ct->high * grow, bottom = s.round + ct->low * grow, r = ct->scale_err;
    double up = fmax(0.0, ((s.d0 + top) * (1.0 + r) - hi_target) / s.d1) * 1.001 + least;
    double down = fmax(0.0, (lo_target - (s.d0 - bottom) * (1.0 - r)) / s.d1) * 1.001 + least;
    for (int i = 0, ok = 0; ok != 3; i++) { /* usually once; certifies delta(here + up) <= delta <= delta(here - down) */
        const double gu = exp(ct->rate * up), gd = exp(ct->rate * down);
        if (i == 60 || !isfinite(gu + gd))
            return 0;
        ok = 0;
        if ((s.d0 - up * (s.d1 - s.round1) + 0.51 * up * up * s.curve * gu + top * gu) * (1.0 + r) <= hi_target)
            ok |= 1;
        else
            up *= 1.3;
        if ((s.d0 + down * (s.d1 - s.round1) - 0.51 * down * down * s.curve * gd - bottom * gd) * (1.0 - r) >= lo_target)
            ok |= 2;
        else
            down *= 1.3;
    }
    *moved = here;
    out[0] = ew_down(here - down);
    out[1] = ew_up(here + up);
    return 1;
}
