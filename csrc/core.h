/* core.h - what the rooms of the core share: unit roundoff, outward rounding, the model, the quadrature nodes.
 *
 * Order of the rooms, lower ones know nothing of higher ones:
 *     special, kernels, round, taper -> model (nodes, tilted moments) -> survey (integrals bounded cell by cell) ->
 *     decay (tail of the characteristic function) -> saddle -> quadrature, reach, alias (what a line may miss) ->
 *     rotate, turned (sums along a line), rounding, terms, line (trapezoidal inversion), closed (closed forms) ->
 *     contour (delta and epsilon from the nodes) -> curve, bent (a contour for few steps) -> far, counted, split (which
 *     steps share a line) -> route (delta of one direction) -> search, route_epsilon (its epsilon), dominated (is it
 *     the smaller one?) -> solve (the public functions)
 */
#ifndef EW_CORE_H
#define EW_CORE_H

#include "edgeworth.h"

#define EW_U 0x1p-53                   /* unit roundoff of a double */
#define EW_VANISHES 4e-308             /* terms below it may be lost from a sum */
#define EW_LEAST 1e-280                /* generating functions down to it are what was summed */
#define EW_PI 0x1.921fb54442d18p+1     /* pi */
#define EW_LOG_2PI 0x1.d67f1c864beb5p+0 /* log(2 pi) = 1.8378770664093454836 */
/* Not near powers of two: arrays side by side must not share cache sets. */
#define EW_KMAX 32840 /* most quadrature nodes */
#define EW_JMAX 65608 /* most contour nodes */

/* One binary that uses the vector unit of the machine it meets. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#if __GNUC__ >= 12
#define EW_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define EW_CLONES __attribute__((target_clones("avx2", "default")))
#endif
#else
#define EW_CLONES
#endif

/* A body that its clones must contain, or it would be compiled for the smallest machine only. */
#if defined(__GNUC__)
#define EW_BODY static inline __attribute__((always_inline))
#else
#define EW_BODY static inline
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
    double shift;       /* u = s y + shift */
} ew_model;

/* chi(u) = erfc(2 sinh((u - at)/width))/2: 1 far below `at`, 0 far above (taper.c).  width = 0: everywhere 1. */
typedef struct {
    double at, width;
} ew_taper;

/* The steps of a run sorted by u, each with a smooth weight; a step is (taper `far` aside)
 *   small  weight chi_split              mid  weight 1 - chi_split
 *   big    weight 1 - chi_far: left out of both, counted by hand (split.c).     With no taper every step is small. */
enum { EW_SMALL, EW_MID, EW_CLASSES };
typedef struct {
    const ew_model *m;
    /* add: each step's loss counted from there, n times that for epsilon: M(c) is of the size of delta^{1/n} and
     * neither overflows nor vanishes; edge: that is the largest loss, and distances to it are exact to rounding */
    double origin;
    int edge;
    ew_taper split, far, left; /* left: replace only, mirrored; what it leaves out is an error */
} ew_law;

/* Trapezoidal nodes in u with step hu.  y = k hy is exact in floating point. */
typedef struct {
    int count;
    double hu;
    double *y, *u;
    double *lw, *w;     /* log and value of hu phi(u) g(u) */
    double *loss;       /* privacy loss */
    double *e2m;        /* exp(-loss) - 1 + loss */
    double *lp, *lm;    /* log(1+Y_+), log(1+Y_-); 0 unless replace */
    double *dp, *dm;    /* Y/(1+Y) of each */
    double *cls[EW_CLASSES]; /* log of the class weights; unused without tapers */
    double *wc[EW_CLASSES];  /* w class */
    double *p[EW_CLASSES];   /* tilted weights  w class e^{c loss} */
    int tapered, split, plain; /* plain: losses have an origin, M is summed as it is */
    double origin;             /* rounding of the losses: of so much more than they are */
    /* mass of the steps that are not small under the first law; the same minus that under the second */
    double out, out_gap;
} ew_nodes;

enum { EW_ARRAYS = 16 };

/* Tilted moments at c: m = M(c), m0 = M(c) - 1, m1 = M'(c), m2 = M''(c) of the small steps; b0, b1, b2 = M(c), M'(c),
 * M''(c) of the mid ones.  plain: m was summed, and not m0. */
typedef struct {
    double c, m, m0, m1, m2, b0, b1, b2;
    int plain;
} ew_moments;

/* Scratch of one evaluation; ew_work_size() bytes hold it. */
typedef struct {
    double coarse[EW_ARRAYS][EW_KMAX];
    double fine[EW_ARRAYS][EW_KMAX];
    double turn[8][EW_KMAX];        /* recurrences along the contour */
    double sums[4][EW_JMAX];
    double node[5][2 * EW_JMAX];    /* contour nodes */
    /* what may still be spent, in quadrature times contour nodes: 6e7 are about 50 ms */
    double left;
} ew_scratch;

/* round.c */
double ew_up(double x);             /* >= x, by a few ulps */
double ew_down(double x);           /* <= x */
double ew_trim(double x, int bits); /* x rounded to so many bits: its small multiples are exact */
double ew_lse(double a, double b);  /* log(e^a + e^b) */

/* taper.c */
ew_taper ew_taper_of_y(const ew_taper *t, const ew_model *m); /* the same step as a function of y */
void ew_taper_add(double *log_w, const ew_taper *t, const double *x, double sign, int above, int count);
/* >= log |.| on cells, |Im u| = y */
void ew_taper_strip_add(double *log_w, const ew_taper *t, double u, double d, double y, int above, int count);

/* model.c */
void ew_model_init(ew_model *m, int kind, double sigma, double q, double n);
void ew_nodes_bind(ew_nodes *nd, double (*arrays)[EW_KMAX]);
int ew_nodes_fill(ew_nodes *nd, const ew_law *law, double hu, double from, double to); /* 0: too many */
void ew_moments_at(ew_moments *out, ew_nodes *nd, double c);
double ew_mgf_less_1(const ew_nodes *nd, double c);
/* M(c+d) - M(c), d > 0, from the weights p at c */
double ew_excess(const ew_nodes *nd, const ew_moments *at, double d);

#endif
