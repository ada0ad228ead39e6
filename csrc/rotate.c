/* rotate.c - sums over the quadrature nodes along a vertical line, by recurrence: one complex multiplication per node
 * and step.
 *
 * Plain      sums of p e^{i t loss},                       e^{i(x + a)} = e^{ia} e^{ix},       a = h loss, t = j h
 * Bracketed  sums of p E2(i t loss), E2(z) = e^z - 1 - z:  E2(i(x + a)) = e^{ia} E2(ix) + E2(ia) + j [i a (e^{ia} -
 *            1)],   x = j a
 * All terms are of the size of the result, so the second keeps relative accuracy however small t loss is.  Both begin
 * anew with exact values every EW_BLOCK steps: a step adds about 4.4 units (complex product 2.3, e^{ia} 2.1).
 */
#include "rooms.h"
#include "kernels.h"

#include <math.h>

enum { LANES = 8 };                              /* nodes that are advanced together, in registers */
enum { RE, IM, WR, WI, AR, AI, BR, BI, TURN }; /* state, e^{ia}, what a bracketed step adds: (AR, AI) + j (BR, BI) */

typedef struct {
    double *of[TURN];
} turn;


/* cos x - 1 and sin x - x */
static inline void versed(double *re, double *im, double x)
{
    double s, c, half_s, half_c;
    ew_k_sincos(&s, &c, x);
    ew_k_sincos(&half_s, &half_c, 0.5 * x);
    const double z = x * x, z2 = z * z, z4 = z2 * z2; /* |x| <= 1: Taylor */
    const double near =
        x * z *
        (((-1.0 / 6 + z * (1.0 / 120)) + z2 * (-1.0 / 5040 + z * (1.0 / 362880))) +
         z4 * ((-1.0 / 39916800 + z * (1.0 / 6227020800)) + z2 * (-1.0 / 1307674368000 + z * (1.0 / 355687428096000))));
    *re = -2.0 * half_s * half_s;
    *im = z <= 1.0 ? near : s - x;
}

/* Angles beyond the domain of ew_k_sincos: the same with the library. */
static void versed_far(double *re, double *im, double x)
{
    const double s = sin(0.5 * x);
    *re = -2.0 * s * s;
    *im = sin(x) - x;
}

/* state = p e^{i t loss} or p E2(i t loss) */
EW_CLONES
static void begin_block(const ew_nodes *nd, const double *p, double t, int bracketed, turn *v, double most)
{
    double *re = v->of[RE], *im = v->of[IM];
    const double *loss = nd->loss;
    if (t * most > 0x1p19) {
        for (int i = 0; i < nd->count; i++) {
            const double x = t * loss[i];
            versed_far(&re[i], &im[i], x);
            re[i] = p[i] * (bracketed ? re[i] : cos(x));
            im[i] = p[i] * (bracketed ? im[i] : sin(x));
        }
    } else if (bracketed) {
#pragma omp simd
        for (int i = 0; i < nd->count; i++) {
            double a, b;
            versed(&a, &b, t * loss[i]);
            re[i] = p[i] * a;
            im[i] = p[i] * b;
        }
    } else {
#pragma omp simd
        for (int i = 0; i < nd->count; i++) {
            double a, b;
            ew_k_sincos(&a, &b, t * loss[i]);
            re[i] = p[i] * b;
            im[i] = p[i] * a;
        }
    }
}

/* e^{ia} and what a step adds */
EW_CLONES
static void begin(const ew_nodes *nd, const double *p, double h, int bracketed, turn *v, double most)
{
    const double *loss = nd->loss;
    if (h * most > 0x1p19) {
        for (int i = 0; i < nd->count; i++) {
            v->of[WR][i] = cos(h * loss[i]);
            v->of[WI][i] = sin(h * loss[i]);
        }
    } else {
#pragma omp simd
        for (int i = 0; i < nd->count; i++)
            ew_k_sincos(&v->of[WI][i], &v->of[WR][i], h * loss[i]);
    }
    if (!bracketed)
        return;
    begin_block(nd, p, h, 1, v, most);
#pragma omp simd
    for (int i = 0; i < nd->count; i++) {
        const double a = h * loss[i], s = p[i] * a;
        double b, c;
        ew_k_sincos(&b, &c, 0.5 * a);
        v->of[AR][i] = v->of[RE][i];
        v->of[AI][i] = v->of[IM][i];
        v->of[BR][i] = -s * v->of[WI][i];
        v->of[BI][i] = -2.0 * s * b * b;
    }
}

/* Indices without sign, here and below: where signed ones may wrap (-fwrapv), compilers make no vector code of them. */
EW_CLONES
static void advance_plain(int from, int to, int steps, const turn *v, double (*restrict re)[LANES],
                          double (*restrict im)[LANES])
{
    for (size_t k = (size_t)from; k < (size_t)to; k += 2 * LANES) {
        double x[2 * LANES], y[2 * LANES], wr[2 * LANES], wi[2 * LANES];
        for (size_t l = 0; l < 2 * LANES; l++) {
            x[l] = v->of[RE][k + l];
            y[l] = v->of[IM][k + l];
            wr[l] = v->of[WR][k + l];
            wi[l] = v->of[WI][k + l];
        }
        for (size_t j = 0; j < (size_t)steps; j++) {
            double nx[2 * LANES], ny[2 * LANES];
            for (size_t l = 0; l < LANES; l++) {
                re[j][l] += x[l] + x[l + LANES];
                im[j][l] += y[l] + y[l + LANES];
            }
            for (size_t l = 0; l < 2 * LANES; l++) {
                nx[l] = x[l] * wr[l] - y[l] * wi[l];
                ny[l] = x[l] * wi[l] + y[l] * wr[l];
            }
            for (size_t l = 0; l < 2 * LANES; l++) {
                x[l] = nx[l];
                y[l] = ny[l];
            }
        }
    }
}

EW_CLONES
static void advance_bracketed(int from, int to, int first, int steps, const turn *v, double (*restrict re)[LANES],
                              double (*restrict im)[LANES])
{
    for (size_t k = (size_t)from; k < (size_t)to; k += LANES) {
        double x[LANES], y[LANES];
        for (size_t l = 0; l < LANES; l++) {
            x[l] = v->of[RE][k + l];
            y[l] = v->of[IM][k + l];
        }
        for (size_t j = 0; j < (size_t)steps; j++) {
            const double dj = first + (double)j;
            double nx[LANES], ny[LANES];
            for (size_t l = 0; l < LANES; l++) {
                const double wr = v->of[WR][k + l], wi = v->of[WI][k + l];
                re[j][l] += x[l];
                im[j][l] += y[l];
                nx[l] = (x[l] * wr - y[l] * wi) + (v->of[AR][k + l] + dj * v->of[BR][k + l]);
                ny[l] = (x[l] * wi + y[l] * wr) + (v->of[AI][k + l] + dj * v->of[BI][k + l]);
            }
            for (size_t l = 0; l < LANES; l++) {
                x[l] = nx[l];
                y[l] = ny[l];
            }
        }
    }
}

/* re, im += what the nodes from .. to - 1 add */
static void chunk(int from, int to, int first, int steps, int bracketed, const turn *v, double *re, double *im)
{
    _Alignas(64) double sr[EW_BLOCK][LANES] = {{0.0}}, si[EW_BLOCK][LANES] = {{0.0}};
    if (bracketed)
        advance_bracketed(from, to, first, steps, v, sr, si);
    else
        advance_plain(from, to, steps, v, sr, si);
    for (int j = 0; j < steps; j++) {
        const double *x = sr[j], *y = si[j];
        re[j] += ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
        im[j] += ((y[0] + y[1]) + (y[2] + y[3])) + ((y[4] + y[5]) + (y[6] + y[7]));
    }
}

/* re, im = the sums over one class at t = 0, h, .. J h, less their value at 0 (plain) */
static void rotate(const ew_nodes *nd, int cls, double h, int J, int bracketed, ew_scratch *ws, double *re, double *im)
{
    turn v;
    for (int i = 0; i < TURN; i++)
        v.of[i] = ws->turn[i];
    const int padded = (nd->count + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);
    const double most = fmax(fabs(nd->loss[0]), fabs(nd->loss[nd->count - 1])); /* the loss is monotone in u */
    for (int i = 0; i < TURN; i++)
        for (int k = nd->count; k < padded; k++)
            v.of[i][k] = 0.0;
    begin(nd, nd->p[cls], h, bracketed, &v, most);
    for (int from = 0; from <= J; from += EW_BLOCK) {
        const int steps = J + 1 - from < EW_BLOCK ? J + 1 - from : EW_BLOCK;
        begin_block(nd, nd->p[cls], from * h, bracketed, &v, most);
        for (int j = 0; j < steps; j++)
            re[from + j] = im[from + j] = 0.0;
        for (int k = 0; k < padded; k += EW_CHUNK)
            chunk(k, k + EW_CHUNK < padded ? k + EW_CHUNK : padded, from, steps, bracketed, &v, re + from, im + from);
    }
    const double base = re[0];
    for (int j = 0; j <= J; j++)
        re[j] -= base;
}

void ew_rotate(const ew_nodes *nd, double h, int J, int bracketed, ew_scratch *ws)
{
    rotate(nd, EW_SMALL, h, J, bracketed, ws, ws->sums[0], ws->sums[1]);
    if (nd->split)
        rotate(nd, EW_MID, h, J, bracketed, ws, ws->sums[2], ws->sums[3]);
}
