/* rotate.c - sums over the quadrature nodes along a vertical line, by recurrence: one complex multiplication per node and step.
 *
 * Sums of p (e^{i t loss} - 1), or of p (e^{i t loss} - 1 - i t loss), at t = j h by
 *     E1(x + a) = e^{ia} E1(x) + E1(a),    E2(j a + a) = e^{ia} E2(j a) + E2(a) + j [i a (e^{ia} - 1)],   a = h loss,
 * whose terms are all of the size of the result, begun anew every EW_BLOCK steps: relative error about EW_BLOCK units, however small a is.
 */
#include "rooms.h"
#include "special.h"

#include <math.h>

enum { ER, EI, WR, WI, AR, AI, BR, BI, PS, PM }; /* E, e^{ia}, E(a), i a (e^{ia} - 1), weights */
EW_CLONES
static void advance(int blocks, int from, int to, double (*restrict rot)[10][4], double *restrict re, double *restrict im)
{
    for (int j = from; j < to; j++) {
        double sr[4] = {0}, si[4] = {0};
        const double dj = j;
        for (int k = 0; k < blocks; k++) {
            double (*restrict r)[4] = rot[k], nx[4], ny[4];
            for (int l = 0; l < 4; l++)
                nx[l] = (r[ER][l] * r[WR][l] - r[EI][l] * r[WI][l]) + (r[AR][l] + dj * r[BR][l]);
            for (int l = 0; l < 4; l++)
                ny[l] = (r[ER][l] * r[WI][l] + r[EI][l] * r[WR][l]) + (r[AI][l] + dj * r[BI][l]);
            for (int l = 0; l < 4; l++) {
                r[ER][l] = nx[l];
                r[EI][l] = ny[l];
            }
            for (int l = 0; l < 4; l++)
                sr[l] += r[PS][l] * nx[l];
            for (int l = 0; l < 4; l++)
                si[l] += r[PS][l] * ny[l];
        }
        re[j + 1] = (sr[0] + sr[1]) + (sr[2] + sr[3]);
        im[j + 1] = (si[0] + si[1]) + (si[2] + si[3]);
    }
}

/* The same with a second set of weights. */
EW_CLONES
static void advance_both(int blocks, int from, int to, double (*restrict rot)[10][4], double *restrict re, double *restrict im,
                         double *restrict bre, double *restrict bim)
{
    for (int j = from; j < to; j++) {
        double sr[4] = {0}, si[4] = {0}, tr[4] = {0}, ti[4] = {0};
        const double dj = j;
        for (int k = 0; k < blocks; k++) {
            double (*restrict r)[4] = rot[k], nx[4], ny[4];
            for (int l = 0; l < 4; l++)
                nx[l] = (r[ER][l] * r[WR][l] - r[EI][l] * r[WI][l]) + (r[AR][l] + dj * r[BR][l]);
            for (int l = 0; l < 4; l++)
                ny[l] = (r[ER][l] * r[WI][l] + r[EI][l] * r[WR][l]) + (r[AI][l] + dj * r[BI][l]);
            for (int l = 0; l < 4; l++) {
                r[ER][l] = nx[l];
                r[EI][l] = ny[l];
            }
            for (int l = 0; l < 4; l++)
                sr[l] += r[PS][l] * nx[l];
            for (int l = 0; l < 4; l++)
                si[l] += r[PS][l] * ny[l];
            for (int l = 0; l < 4; l++)
                tr[l] += r[PM][l] * nx[l];
            for (int l = 0; l < 4; l++)
                ti[l] += r[PM][l] * ny[l];
        }
        re[j + 1] = (sr[0] + sr[1]) + (sr[2] + sr[3]);
        im[j + 1] = (si[0] + si[1]) + (si[2] + si[3]);
        bre[j + 1] = (tr[0] + tr[1]) + (tr[2] + tr[3]);
        bim[j + 1] = (ti[0] + ti[1]) + (ti[2] + ti[3]);
    }
}

static void expm1_i(double out[2], double x)
{
    const double s = sin(0.5 * x);
    out[0] = -2.0 * s * s;
    out[1] = sin(x);
}

/* Fill the sums at t = 0, h, .. J h; second = 1: E2, 0: E1. */
void ew_rotate(ew_nodes *nd, double h, int J, int second, ew_scratch *ws)
{
    const int padded = (nd->count + 3) & ~3;
    double (*rot)[10][4] = ws->rot, one[2];
    for (int k = 0; k < padded; k++) {
        const int used = k < nd->count;
        const double a = used ? h * nd->loss[k] : 0.0;
        double (*r)[4] = rot[k / 4];
        const int l = k % 4;
        expm1_i(one, a);
        r[WR][l] = 1.0 + one[0];
        r[WI][l] = one[1];
        r[BR][l] = second ? -a * one[1] : 0.0;
        r[BI][l] = second ? a * one[0] : 0.0;
        if (second)
            ew_cexpm1mx(one, 0.0, a);
        r[AR][l] = one[0];
        r[AI][l] = one[1];
        r[ER][l] = r[EI][l] = 0.0;
        r[PS][l] = used ? nd->p[EW_SMALL][k] : 0.0;
        r[PM][l] = used && nd->split ? nd->p[EW_MID][k] : 0.0;
    }
    for (int i = 0; i < 4; i++)
        ws->sums[i][0] = 0.0;
    for (int from = 0; from < J; from += EW_BLOCK) {
        for (int k = 0; from > 0 && k < nd->count; k++) {
            if (second)
                ew_cexpm1mx(one, 0.0, from * h * nd->loss[k]);
            else
                expm1_i(one, from * h * nd->loss[k]);
            rot[k / 4][ER][k % 4] = one[0];
            rot[k / 4][EI][k % 4] = one[1];
        }
        const int to = from + EW_BLOCK < J ? from + EW_BLOCK : J;
        if (nd->split)
            advance_both(padded / 4, from, to, rot, ws->sums[0], ws->sums[1], ws->sums[2], ws->sums[3]);
        else
            advance(padded / 4, from, to, rot, ws->sums[0], ws->sums[1]);
    }
}

