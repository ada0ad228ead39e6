/* contour.c - delta and epsilon from the nodes of a contour (line), certified.
 *
 * delta(eps) decreases, so an interval of epsilon is certified by two evaluations: delta(upper) <= delta <=
 * delta(lower). Both lie within a distance e of a point where the sum was formed with its rounding error, and
 *     |e^{-z e} - 1 + z e| <= |z e|^2 e^{|e| |Re z|} / 2
 * carries it over exactly.
 */
#include "rooms.h"
#include "kernels.h"

#include <math.h>

typedef struct {
    double d0, d1, d2, curve, round, round1; /* value, -first and second derivative, sum |c z^2|, rounding of d0, d1 */
} sums;

/* The sums over the nodes j with Re z = z[from]: [from, to). */
EW_BODY void add_nodes(sums *s, const ew_contour *ct, double shift, int from, int to, int far)
{
    const double zr = ct->zr[from], e = exp(-zr * shift), unit = EW_U * (4.0 * fabs(zr * shift) + 8.0 + ct->count),
                 spin = 6.0 * EW_U * fabs(shift), step = fabs(zr);
    const double *cr = ct->cr, *ci = ct->ci, *zi = ct->zi, *err = ct->err;
    double d0 = 0.0, d1 = 0.0, d2 = 0.0, curve = 0.0, round = 0.0, round1 = 0.0;
#pragma omp simd reduction(+ : d0, d1, d2, curve, round, round1)
    for (int j = from; j < to; j++) {
        const double t = zi[j];
        double sine, cosine;
        if (far) {
            sine = sin(t * shift);
            cosine = cos(t * shift);
        } else {
            ew_k_sincos(&sine, &cosine, t * shift);
        }
        const double r = e * (cr[j] * cosine + ci[j] * sine), i = e * (ci[j] * cosine - cr[j] * sine),
                     r1 = r * zr - i * t, i1 = r * t + i * zr;
        const double size = fabs(r) + fabs(i), rounded = e * err[j] + size * (unit + spin * t);
        d0 += r;
        d1 += r1;
        d2 += r1 * zr - i1 * t;
        curve += size * (zr * zr + t * t);
        round += rounded;
        round1 += rounded * (step + t);
    }
    s->d0 += d0;
    s->d1 += d1;
    s->d2 += d2;
    s->curve += curve;
    s->round += round;
    s->round1 += round1;
}

EW_CLONES
static void gather(sums *s, const ew_contour *ct, double shift)
{
    const double e0 = ct->moving != 0.0 ? ct->moving * exp(shift) : 0.0,
                 rise = ct->moving != 0.0 ? ct->moving * expm1(shift) : 0.0;
    *s = (sums){ct->fixed - rise, e0, -e0, fabs(e0), 0.0, 0.0};
    s->round = EW_U * (8.0 + ct->count) * (fabs(s->d0) + fabs(rise));
    s->round1 = EW_U * (8.0 + ct->count) * fabs(e0);
    for (int from = 0, to; from < ct->count; from = to) { /* line by line */
        for (to = from; to < ct->count && ct->zr[to] == ct->zr[from]; to++)
            ;
        if (ct->zi[to - 1] * fabs(shift) > 0x1p19) /* t >= 0 grows along a line */
            add_nodes(s, ct, shift, from, to, 1);
        else
            add_nodes(s, ct, shift, from, to, 0);
    }
}

/* delta(eps0 + shift) in units of e^{log_scale}, lower and upper. */
static void enclose(double out[2], const ew_contour *ct, const sums *s, double shift)
{
    const double grow = exp(ct->rate * fabs(shift)) * (1.0 + 1e-12), rel = ct->scale_err;
    out[0] = (s->d0 - s->round - ct->low * grow - ct->flat) * (1.0 - rel);
    out[1] = (s->d0 + s->round + ct->high * grow + ct->flat) * (1.0 + rel);
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

double ew_contour_slope(const ew_contour *ct)
{
    sums s;
    gather(&s, ct, 0.0);
    return s.d0 > 2.0 * s.round && s.d1 > 0.0 ? s.d1 / s.d0 : NAN;
}

/* 1: [out[0], out[1]] holds epsilon(delta), not yet floored at 0.  0: the point moved too far from eps0 (in *moved:
 * prepare the contour there and come back), or no certificate. */
int ew_contour_epsilon(double out[2], double *moved, const ew_contour *ct, double log_delta)
{
    const double target = exp(log_delta - ct->log_scale),
                 rel = 2.0 * EW_U * (fabs(log_delta) + fabs(ct->log_scale) + 4.0);
    double shift = 0.0, lo = -INFINITY, hi = INFINITY;
    sums s;
    for (int i = 0;; i++) { /* Newton on log delta with its curvature (third order), kept inside a bracket */
        gather(&s, ct, shift);
        const double f = s.d0 > 2.0 * s.round ? log(s.d0 / target) : s.round < target ? -INFINITY : NAN;
        const double g = s.d1 / s.d0, h = s.d2 / s.d0 - g * g, step = f / g;
        if (isnan(f))
            return 0;
        const double missed = s.round + ct->low + ct->flat,
                     wanted = fmax(4.0 * EW_U * fabs(ct->eps0 + shift), 0.01 * missed / fabs(s.d1));
        if ((isfinite(f) && (fabs(step) <= wanted || 0.5 * step * step * s.curve <= 0.01 * missed)) ||
            i == 60)
            break;
        if (f > 0.0)
            lo = shift;
        else
            hi = shift;
        double next = shift + step * (1.0 + 0.5 * step * h / g);
        if (!(isfinite(f) && g > 0.0 && fabs(step * h / g) < 0.6))
            next = shift + step;
        if (!(g > 0.0 && next > lo && next < hi))
            next = isfinite(lo + hi) ? 0.5 * (lo + hi) : f > 0.0 ? shift + 1.0 / ct->rate : shift - 1.0 / ct->rate;
        if (!(hi - lo > 4.0 * EW_U * fabs(ct->eps0 + shift)))
            break;
        /* as far from eps0 as the error terms, which grow, allow */
        const double able = fmax(1.0, log(fmax(1.0, 3.0 * ct->tol * target / (ct->low + 1e-300)))) / ct->rate;
        const double most = fmin(able, 0.99 * (next > 0.0 ? ct->right : ct->left));
        if (fabs(next) > most) {
            if (fabs(shift) < 0.99 * most && fabs(next) > most && (next > 0.0 ? !(hi < most) : !(lo > -most))) {
                next = copysign(most, next);
                if (next != shift) {
                    shift = next;
                    gather(&s, ct, shift);
                    const double ff = s.d0 > 2.0 * s.round ? s.d0 - target : s.round < target ? -1.0 : 0.0;
                    if ((next > 0.0 && ff < 0.0) || (next < 0.0 && ff > 0.0))
                        continue; /* the root lies inside */
                }
            }
            *moved = ct->eps0 + next;
            return 0;
        }
        shift = next;
    }
    const double hi_target = target * (1.0 - rel), lo_target = target * (1.0 + rel), here = ct->eps0 + shift;
    const double least = 4.0 * EW_U * fabs(here) + 1e-300, grow = exp(ct->rate * fabs(shift)) * (1.0 + 1e-12);
    const double top = s.round + ct->high * grow + ct->flat, bottom = s.round + ct->low * grow + ct->flat,
                 r = ct->scale_err;
    /* outward from where the tangent meets the target, on either side of `here`: delta(here + up) <= delta <=
     * delta(here - down) */
    double up = ((s.d0 + top) * (1.0 + r) - hi_target) / s.d1, down = (lo_target - (s.d0 - bottom) * (1.0 - r)) / s.d1;
    up += 0.001 * fabs(up + down) + least;
    down += 0.001 * fabs(up + down) + least;
    int ok = 0;
    for (int i = 0; i < 6 && ok != 3; i++) { /* usually once */
        const double gu = exp(ct->rate * fabs(up)), gd = exp(ct->rate * fabs(down)), width = fabs(up + down);
        ok = 0;
        if ((s.d0 - up * s.d1 + fabs(up) * s.round1 + 0.51 * up * up * s.curve * gu + top * gu) * (1.0 + r) <=
            hi_target)
            ok |= 1;
        else
            up += 0.2 * width + least;
        if ((s.d0 + down * s.d1 - fabs(down) * s.round1 - 0.51 * down * down * s.curve * gd - bottom * gd) *
                (1.0 - r) >=
            lo_target)
            ok |= 2;
        else
            down += 0.2 * width + least;
    }
    for (int i = 0; i < 60 && ok != 3; i++) { /* the same by forming the sums there */
        double enc[2];
        if (!(ok & 1)) {
            gather(&s, ct, shift + up);
            enclose(enc, ct, &s, shift + up);
            if (enc[1] <= hi_target)
                ok |= 1;
            else
                up += 0.5 * fabs(up + down);
        }
        if (!(ok & 2)) {
            gather(&s, ct, shift - down);
            enclose(enc, ct, &s, shift - down);
            if (enc[0] >= lo_target)
                ok |= 2;
            else
                down += 0.5 * fabs(up + down);
        }
    }
    *moved = here;
    if (ok != 3 || shift + up > ct->right || down - shift > ct->left)
        return 0;
    out[0] = ew_down(here - down);
    out[1] = ew_up(here + up);
    return 1;
}
