/* curve_sums.c - the nodes of the curve, and the sums over them with their rounding errors (curve.c). */
#include "curve_points.h"
#include "brackets.h"
#include "special.h"

#include <math.h>

/* The loss at a point, and what it errs by */
static ew_pair loss_at(double *bad, const ew_curve *cu, const ew_point *p, double xi)
{
    const ew_model *m = cu->m;
    const double far = 12.0 + 2.0 * (fabs(ew_log_odds(m)) + fabs(xi)), units = 2.0 * ew_loss_units(m);
    ew_pair l = p->plus;
    if (cu->kind != EW_BRACKETED) {
        *bad = (p->log_y > 1.0 ? far : 12.0 * ew_share(p->log_y, l.re)) + 6.0 * (fabs(l.re) + fabs(l.im));
        return l;
    }
    if (m->kind == EW_KIND_REPLACE) {
        const double up = m->odds * exp(fmin(700.0, xi)), down = m->odds * exp(fmin(700.0, -xi));
        *bad = (fabs(xi) > 1.0 + fabs(ew_log_odds(m)) ? far : 0.0) +
               units * (fmin(4.0, 2.0 * up) + fmin(4.0, 2.0 * down) + fabs(l.re) + fabs(l.im) + fabs(p->minus.re) +
                        fabs(p->minus.im));
        return (ew_pair){l.re - p->minus.re, l.im - p->minus.im};
    }
    if (p->log_y > 1.0) {
        *bad = far + 6.0 * (fabs(l.re) + fabs(l.im));
        return (ew_pair){l.re + m->log1mq, l.im};
    }
    const double e = exp(xi), em = expm1(xi), h = sin(0.5 * p->im), ver = 2.0 * h * h, co = cos(p->im), si = sin(p->im),
                 re = m->q * (em * co - ver), im = m->q * e * si;
    l = (ew_pair){0.5 * log1p(re * (2.0 + re) + im * im), atan2(im, 1.0 + re)};
    *bad = m->q * ((5.0 + 9.0 * p->im * fabs(si)) * fabs(em) + 22.0 * ver + 13.0 * e * fabs(si)) / hypot(1.0 + re, im) +
           6.0 * (fabs(l.re) + fabs(l.im));
    return l;
}

void ew_curve_nodes(ew_curve *cu)
{
    cu->ready = 1;
    const ew_model *m = cu->m;
    const double s = m->s, unit = log(cu->hy * s) - 0.5 * EW_LOG_2PI;
    const int two = m->kind == EW_KIND_REPLACE;
    for (int k = 0; k < cu->count; k++) {
        const double xi = cu->from + k * cu->hy, up = ew_curve_rising(cu, xi);
        const ew_point v = ew_curve_point(cu, xi, 0.0);
        const ew_pair l = loss_at(&cu->bad[k], cu, &v, xi);
        const double R = s * xi + m->shift, I = s * v.im,
                     log_g = cu->kind != EW_BRACKETED ? 0.0
                             : two                    ? m->log1mq + v.plus.re
                                                      : l.re,
                     turn = (cu->kind != EW_BRACKETED ? 0.0
                             : two                    ? v.plus.im
                                                      : l.im) -
                            R * I,
                     log_size = unit - 0.5 * (R * R - I * I) + log_g, size = exp(log_size), co = cos(turn),
                     si = sin(turn);
        cu->l[k] = l.re;
        cu->a[k] = l.im;
        cu->wr[k] = size * (co - si * up);
        cu->wi[k] = size * (si + co * up);
        cu->size[k] = size * hypot(1.0, up);
        cu->bad_w[k] = 20.0 + 4.0 * R * R + 11.0 * I * I + 12.0 * fabs(R * I) + (fabs(R) + fabs(I)) * fabs(m->shift) +
                       fabs(unit) + (cu->kind == EW_BRACKETED ? cu->bad[k] + 2.0 * (fabs(log_g) + fabs(turn)) : 0.0);
        if (cu->kind == EW_BRACKETED) {
            double back[2];
            ew_cexpm1mx(back, -l.re, -l.im);
            const double to = hypot(back[0], back[1]), loss = hypot(l.re, l.im);
            cu->back_r[k] = back[0];
            cu->back_i[k] = back[1];
            cu->bad_back[k] = cu->bad[k] * (to + loss) + 20.0 * fmax(to, loss > 7.0 ? 1.0 + loss : 0.0);
        }
    }
}

enum { CHUNK = 10 };

static void add_to(double (*sum)[EW_PANEL], double (*part)[EW_PANEL])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < EW_PANEL; j++)
            sum[i][j] += part[i][j];
}

/* What the nodes from, .. to - 1 add. */
EW_CLONES
static void add_less(double (*sum)[EW_PANEL], const ew_curve *cu, const double *zr, const double *zt, int from, int to,
                     double count)
{
    double part[3][EW_PANEL] = {{0.0}};
    for (int k = from; k < to; k++) {
        const double l = cu->l[k], a = cu->a[k], wr = cu->wr[k], wi = cu->wi[k], w = cu->size[k],
                     bad_w = cu->bad_w[k] + count, reach = 12.0 * (fabs(l) + fabs(a)) + cu->bad[k];
#pragma omp simd
        for (int j = 0; j < EW_PANEL; j++) {
            const double x = zr[j] * l - zt[j] * a, y0 = zr[j] * a + zt[j] * l, z = fabs(zr[j]) + zt[j],
                         y = ew_k_angle(y0);
            double s2, c2;
            ew_k_sincos(&s2, &c2, 0.5 * y);
            const double em = ew_k_expm1(x), ver = 2.0 * s2 * s2, sine = 2.0 * s2 * c2, grown = em + 1.0 + 1e-26;
            const double er = em * (1.0 - ver) - ver, ei = (em + 1.0) * sine, ay = fabs(y0),
                         near = 1.5 * ay < 2.0 ? 1.5 * ay : 2.0, lost = ay > EW_ANGLES ? 4.0 / EW_U : 0.0;
            part[0][j] += wr * er - wi * ei;
            part[1][j] += wr * ei + wi * er;
            part[2][j] +=
                w * (bad_w * (fabs(er) + fabs(ei)) + grown * (reach * z + lost + 16.0 * near) + 16.0 * fabs(em)) +
                EW_VANISHES / EW_U * (grown + 1.0);
        }
    }
    add_to(sum, part);
}

EW_CLONES
static void add_whole(double (*sum)[EW_PANEL], const ew_curve *cu, const double *zr, const double *zt, int from, int to,
                      double count)
{
    double part[3][EW_PANEL] = {{0.0}};
    for (int k = from; k < to; k++) {
        const double l = cu->l[k], a = cu->a[k], wr = cu->wr[k], wi = cu->wi[k], w = cu->size[k],
                     bad_w = cu->bad_w[k] + count + 8.0, reach = 12.0 * (fabs(l) + fabs(a)) + cu->bad[k];
#pragma omp simd
        for (int j = 0; j < EW_PANEL; j++) {
            const double x = zr[j] * l - zt[j] * a, y0 = zr[j] * a + zt[j] * l, z = fabs(zr[j]) + zt[j],
                         y = ew_k_angle(y0);
            double sine, cosine;
            ew_k_sincos(&sine, &cosine, y);
            const double e = ew_k_exp(x), lost = fabs(y0) > EW_ANGLES ? 4.0 / EW_U : 0.0;
            part[0][j] += e * (wr * cosine - wi * sine);
            part[1][j] += e * (wr * sine + wi * cosine);
            part[2][j] += w * e * (bad_w + reach * z + lost) + EW_VANISHES / EW_U * (e + 1.0);
        }
    }
    add_to(sum, part);
}

EW_CLONES
static void add_bracketed(double (*sum)[EW_PANEL], const ew_curve *cu, const double *zr, const double *zt, int from,
                          int to, double count)
{
    double part[3][EW_PANEL] = {{0.0}};
    for (int k = from; k < to; k++) {
        const double l = cu->l[k], a = cu->a[k], wr = cu->wr[k], wi = cu->wi[k], w = cu->size[k], br = cu->back_r[k],
                     bi = cu->back_i[k], back = fabs(br) + fabs(bi), bad_w = cu->bad_w[k] + count,
                     reach = 12.0 * (fabs(l) + fabs(a)) + cu->bad[k], bad_back = cu->bad_back[k] + 6.0 * back;
#pragma omp simd
        for (int j = 0; j < EW_PANEL; j++) {
            const double x = zr[j] * l - zt[j] * a, y = zr[j] * a + zt[j] * l, z = fabs(zr[j]) + zt[j];
            double er, ei, grown;
            ew_k_bracket(&er, &ei, &grown, x, y);
            const double fr = er + (zr[j] * br - zt[j] * bi), fi = ei + (zr[j] * bi + zt[j] * br),
                         size = fabs(er) + fabs(ei), far = fabs(x) + fabs(y),
                         lost = fabs(y) > EW_ANGLES ? 4.0 / EW_U : 0.0;
            part[0][j] += wr * fr - wi * fi;
            part[1][j] += wr * fi + wi * fr;
            part[2][j] += w * (bad_w * (size + z * back) + reach * z * (size + far) + lost * (grown + 1e-26) +
                               (far > 1.0 ? 12.0 * (1.0 + grown + far) : 60.0 * size) + z * bad_back) +
                          EW_VANISHES / EW_U * (1.0 + size + z * back);
        }
    }
    add_to(sum, part);
}

void ew_curve_sums(double *re, double *im, double *err, const ew_curve *cu, const double *x, const double *t,
                   const int window[2])
{
    typedef void adder(double (*)[EW_PANEL], const ew_curve *, const double *, const double *, int, int, double);
    adder *const add = cu->kind == EW_BRACKETED ? add_bracketed : cu->kind == EW_LESS ? add_less : add_whole;
    double sum[3][EW_PANEL] = {{0.0}};
    const double count = 2.0 * CHUNK + (window[1] - window[0]) / (CHUNK * CHUNK) + 4.0;
    for (int from = window[0]; from < window[1];) { /* sums of sums of sums */
        double part[3][EW_PANEL] = {{0.0}};
        for (int i = 0; i < CHUNK && from < window[1]; i++, from += CHUNK)
            add(part, cu, x, t, from, from + CHUNK < window[1] ? from + CHUNK : window[1], count);
        add_to(sum, part);
    }
    for (int j = 0; j < EW_PANEL; j++) {
        re[j] = sum[0][j];
        im[j] = sum[1][j];
        err[j] = EW_U * 1.01 * sum[2][j];
    }
}
