/* core.h - what the rooms of the core share: unit roundoff, outward rounding, the model, the quadrature nodes.
 *
 * Order of the rooms, lower ones know nothing of higher ones:
 *     special, round -> model (nodes, tilted moments) -> strip (quadrature error) -> decay (tail of the characteristic
 *     function) -> saddle -> line, bend, closed (three exact routes to delta) -> route -> solve (the public functions)
 */
#ifndef EW_CORE_H
#define EW_CORE_H

#include "edgeworth.h"

#define EW_U 0x1p-53               /* unit roundoff of a double */
#define EW_PI 0x1.921fb54442d18p+1 /* pi */
#define EW_LOG_2PI 0x1.d67f1c864beb5p+0 /* log(2 pi) = 1.8378770664093454836 */
#define EW_KMAX 32768               /* most quadrature nodes */
#define EW_JMAX 65536              /* most contour nodes */

/* Restrict-qualified pointers let the compiler vectorise; the clones let one binary use the machine it meets. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define EW_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define EW_CLONES
#endif

enum { EW_KIND_REMOVE, EW_KIND_ADD, EW_KIND_REPLACE };

/* One direction of one mechanism, n times.  Loss and first-law density with respect to the base law u ~ N(0,1):
 *   remove   g = v,    loss = log v           v   = 1 - q + q e^y,            y = (x - 1/2)/s^2,  x = s u
 *   add      g = 1,    loss = -log v
 *   replace  g = v_+,  loss = log v_+ - log v_-,  v_+- = 1 - q + q e^{+-y - 1/(2 s^2)},  y = x/s^2
 */
typedef struct {
    int kind;
    double s, q, n;
    double log1mq;      /* log(1-q) */
    double odds;        /* q/(1-q), times e^{-1/(2 s^2)} for replace: Y = odds e^y, v = (1-q)(1+Y) */
} ew_model;

/* Trapezoidal nodes in u with step hu.  y = k hy is exact in floating point. */
typedef struct {
    int count;
    double hu;
    double from, panel; /* Gauss-Legendre panels instead (panel > 0): [from, from + panel], ... up to the hard cut `to` */
    double to;
    double *y, *u;
    double *lw, *w;     /* log and value of hu phi(u) g(u) */
    double *loss;       /* privacy loss */
    double *e2m;        /* exp(-loss) - 1 + loss */
    double *lp, *lm;    /* log(1+Y_+), log(1+Y_-); lm unused unless replace */
    double *dp, *dm;    /* Y/(1+Y) of each */
    double *p;          /* tilted weights w e^{c loss} */
} ew_nodes;

/* Tilted moments at c: m0 = M(c) - 1, m1 = M'(c), m2 = M''(c) and K, K', K''. */
typedef struct {
    double c, m0, m1, m2, k0, k1, k2;
} ew_moments;

/* Scratch of one evaluation; ew_work_size() bytes hold it. */
typedef struct {
    double coarse[13][EW_KMAX];
    double fine[13][EW_KMAX];
    double rot[9][EW_KMAX];         /* recurrences along the contour, per quadrature node */
    double node[8][EW_JMAX];        /* contour nodes */
} ew_scratch;

/* round.c */
double ew_up(double x);             /* >= x, by a few ulps */
double ew_down(double x);           /* <= x */
double ew_trim(double x, int bits); /* x rounded to so many bits: its small multiples are exact */

/* gauss.c: the positive half of the 16-point Gauss-Legendre rule on [-1, 1] */
enum { EW_GAUSS = 16 };
extern const double ew_gauss_x[EW_GAUSS / 2], ew_gauss_w[EW_GAUSS / 2];

/* model.c */
void ew_model_init(ew_model *m, int kind, double sigma, double q, double n);
void ew_nodes_bind(ew_nodes *nd, double (*arrays)[EW_KMAX]);
void ew_nodes_append(ew_nodes *nd, const ew_model *m, long first, int count); /* grid indices first.. ; hu must be set */
void ew_nodes_panels(ew_nodes *nd, const ew_model *m, double from, double to, double longest);
void ew_moments_at(ew_moments *out, ew_nodes *nd, double c);
double ew_excess(const ew_nodes *nd, const ew_moments *at, double d);         /* M(c+d) - M(c), from the weights p at c */

#endif
