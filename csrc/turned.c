/* turned.c - M along a vertical line from nodes on a path beside the real axis: few of them serve at any height t.
 *
 * Formula  M(z) = int phi g e^{z loss} is the same on Im u = theta s (add: -theta s), 0 < theta < pi/2, where loss =
 *          l + i a with a >= 0: |e^{z loss}| = e^{c l - t a}, so that what would turn fast in u has died.
 *              M(z) - 1 = sum w [E2(z loss) + z E2(-loss)],   E2(x) = e^x - 1 - x,   w = hu phi(u +- i theta s) g.
 * Step     |sum - integral| <= (N_0 + N_2)/(e^{2 pi theta s/hu} - 1), N the integral of the modulus on the real axis
 *          and on Im u = y = 2 theta s: for every t >= 0 at most M(c) and e^{y^2/2} C M(c), C = 1 (remove) or
 *          cos(theta)^{-c}, or bounded cell by cell (survey.c) where C is large; and the control variates'.
 * Ends     what is left out is e^{(theta s)^2/2} cos(theta/2)^{-c} times what it is on the real axis, at most; or as N.
 * Rounding v = 1 + x, x = q (e^{y + i theta} - 1), |v| >= 1/2 and >= q e^y as q <= 1/2 and cos theta >= 0: x errs by
 *          12 u of q (1 + e^y), the loss by that over |v| and 6 u of itself.  replace: each of both in the same way, Y
 *          in place of x, which errs by 1/s^2 more.  `bad` = LOSS (b + |loss|), b = the least of 2 q (1 + e^y) and 4,
 *          LOSS = 2 ew_loss_units, covers it.  w errs by 60 + 8 u^2 + 4 |u| (|shift| + 2 theta s) + bad, E2(x) by what
 *          x errs times its derivative e^x - 1, |.| <= |E2(x)| + |x|, and in itself: 60 of its size where |x| <= 1
 *          (|E2(x)| >= 0.36 |x|^2), and 12 of e^{Re x} + |x| + 1 beyond.
 */
#include "rooms.h"
#include "brackets.h"
#include "special.h"

#include <math.h>

/* log of what a negative power of v gains on Im u = theta s */
static double gain(const ew_view *ln, double theta)
{
    return ln->m->kind == EW_KIND_REMOVE ? 0.0 : -ln->c * log(cos(0.5 * theta));
}

/* log of the integral of the modulus on Im u = theta s, M(c) for the real axis */
static double side(const ew_view *ln, double theta)
{
    const double y = theta * ln->m->s, gained = gain(ln, theta), plain = 0.5 * y * y + gained + ln->log_m;
    return gained > 3.0 && theta < 1.5 ? fmin(plain, ew_survey(ln->law, EW_SMALL, ln->c, 0.0, y)) : plain;
}

/* log of N_0 + N_2, |z| at most |c + i t| */
static double both_sides(const ew_view *ln, double theta, double t)
{
    const double s = ln->m->s, y = 2.0 * theta * s, z = hypot(ln->c, t);
    return ew_lse(ew_lse(ln->log_m, ew_survey_control(ln->law, z, 0.0)),
                  ew_lse(side(ln, 2.0 * theta), ew_survey_control(ln->law, z, y)));
}

double ew_turned_step(double *theta, const ew_view *ln, double t, double log_want)
{
    const ew_model *m = ln->m;
    double best = 0.0;
    if (ln->law->far.width > 0.0 || ln->law->origin != 0.0 || ln->cls != EW_SMALL || m->q > 0.5)
        return 0.0;
    for (double angle = 0.465 * EW_PI; angle * m->s > 0.02; angle *= 0.8) {
        const double h = 2.0 * EW_PI * angle * m->s / fmax(2.0, both_sides(ln, angle, t) + 0.1 - log_want);
        if (!(h > best))
            break;
        best = h;
        *theta = angle;
    }
    return best;
}

double ew_turned_quad(const ew_view *ln, double theta, double t, double hu)
{
    return exp(both_sides(ln, theta, t)) / expm1(2.0 * EW_PI * theta * ln->m->s / hu) * (1.0 + 1e-6);
}

double ew_turned_ends(const ew_view *ln, const ew_nodes *nd, double theta, double t)
{
    const double y = theta * ln->m->s, gained = gain(ln, theta), grown = exp(0.5 * y * y);
    if (gained < 3.0)
        return grown * exp(gained) * ew_ends(ln, nd, EW_SMALL, ln->c, t) * (1.0 + 1e-6);
    const double from = nd->u[0], to = nd->u[nd->count - 1];
    return exp(ew_survey_ends(ln->law, EW_SMALL, ln->c, 0.0, y, from, to, nd->hu)) +
           grown * ew_survey_controls(ln->law, hypot(ln->c, t), from, to, nd->hu) * (1.0 + 1e-6);
}

/* log|1 + x| and the argument */
static void log_of(double *l, double *a, double re, double im)
{
    *l = 0.5 * log1p(re * (2.0 + re) + im * im);
    *a = atan2(im, 1.0 + re);
}

/* One node: the loss and E2(-loss), the size and the angle of its weight; in units of EW_U what the loss, the weight
 * and E2(-loss) err by. */
typedef struct {
    double l, a, back[2], w, angle, bad, bad_w, bad_back;
} node;

static node turn_node(const ew_nodes *nd, const ew_model *m, double theta, int k)
{
    const double y = nd->y[k], u = nd->u[k], s = m->s, co = cos(theta), si = sin(theta), h = sin(0.5 * theta),
                 units = 2.0 * ew_loss_units(m);
    node v = {.angle = m->kind == EW_KIND_ADD ? u * theta * s : -u * theta * s};
    double log_g = 0.0, l, a, b;
    if (m->kind == EW_KIND_REPLACE) {
        const double up = m->odds * exp(y), down = m->odds * exp(-y);
        double lm, am;
        log_of(&l, &a, up * co, up * si);
        log_of(&lm, &am, down * co, down * si);
        b = fmin(4.0, 2.0 * up) + fmin(4.0, 2.0 * down);
        log_g = m->log1mq + l;
        v.angle += a;
        v.bad = units * (b + fabs(l) + a + fabs(lm) + am);
        v.l = l - lm;
        v.a = a + am;
    } else {
        const double e = m->q * exp(y), re = m->q * (expm1(y) * co - 2.0 * h * h);
        log_of(&l, &a, re, e * si);
        b = fmin(4.0, 2.0 * (m->q + e));
        v.bad = units * (b + fabs(l) + a);
        v.l = m->kind == EW_KIND_ADD ? -l : l;
        v.a = a;
        if (m->kind == EW_KIND_REMOVE) {
            log_g = l;
            v.angle += a;
        }
    }
    const double y2 = theta * s;
    v.w = nd->hu * exp(log_g - 0.5 * (u * u + EW_LOG_2PI) + 0.5 * y2 * y2);
    v.bad_w = 60.0 + 8.0 * u * u + 4.0 * fabs(u) * (fabs(m->shift) + 2.0 * y2) + 4.0 * (y2 * y2 + fabs(log_g)) + v.bad;
    ew_cexpm1mx(v.back, -v.l, -v.a);
    const double size = hypot(v.back[0], v.back[1]), loss = hypot(v.l, v.a);
    v.bad_back = v.bad * (size + loss) + 20.0 * fmax(size, loss > 7.0 ? 1.0 + loss : 0.0);
    return v;
}

/* The terms of one node at t = h, 2 h, .. */
EW_CLONES
static void add_node(const node *v, double wr, double wi, double c, double units, double h, int J, double *re,
                     double *im, double *err)
{
    const double l = v->l, a = v->a, br = v->back[0], bi = v->back[1], back = fabs(br) + fabs(bi), w = v->w,
                 bad = v->bad, bad_back = v->bad_back;
#pragma omp simd
    for (int j = 1; j <= J; j++) {
        const double t = j * h, x = c * l - t * a, y = t * l + c * a, z = c + t; /* z >= |c + i t| */
        double er, ei, grown;
        ew_k_bracket(&er, &ei, &grown, x, y);
        const double size = fabs(er) + fabs(ei), far = fabs(x) + fabs(y),
                     moved = bad * z + 6.0 * (fabs(c * l) + fabs(t * a) + fabs(y));
        const double fr = er + (c * br - t * bi), fi = ei + (c * bi + t * br);
        re[j] += wr * fr - wi * fi;
        im[j] += wr * fi + wi * fr;
        err[j] += w * (units * (size + z * back) + moved * (size + far) +
                       (far > 1.0 ? 12.0 * (1.0 + grown + far) : 60.0 * size) + z * bad_back);
    }
}

int ew_turned(const ew_nodes *nd, const ew_model *m, double theta, const ew_moments *at, double h, int J,
              ew_scratch *ws)
{
    const double c = at->c;
    double *re = ws->sums[0], *im = ws->sums[1], *err = ws->sums[2];
    for (int j = 0; j <= J; j++)
        re[j] = im[j] = err[j] = 0.0;
    for (int k = 0; k < nd->count; k++) {
        const node v = turn_node(nd, m, theta, k);
        if (!(fmax(c * v.l, fabs(v.l)) < 690.0) || !(c * v.a + J * h * fabs(v.l) < 0x1p19))
            return 0;
        if (v.w > 1e-280)
            add_node(&v, v.w * cos(v.angle), v.w * sin(v.angle), c, v.bad_w + 1.5 * nd->count + 8.0, h, J, re, im, err);
        else if (!(c * v.l < 50.0)) /* such a weight may be denormal, and its term matter */
            return 0;
        else
            for (int j = 1; j <= J; j++)
                err[j] += 1e-200;
    }
    for (int j = 1; j <= J; j++) {
        re[j] -= at->m0;
        err[j] = fmax(err[j - 1], EW_U * 1.01 * err[j] + 4.0 * EW_U * (fabs(re[j]) + fabs(at->m0))); /* grows */
    }
    return isfinite(err[J]);
}
