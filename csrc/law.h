/* law.h - the loss laws of composed mechanisms and what the inversion needs of them.
 *
 * A run is Gaussian mechanisms (sum of squares mu^2) and parts, each n times.  A part is a probability mixture of
 * layers whose index is public, M(z) = sum share M_layer(z); M(z) = E[e^{z loss}] under the first law, for real and
 * complex z, Re z > 0:
 *   mixture  P = sum p_i N(a_i, s^2), a_i >= 0, against Q = sum q_j N(b_j, s^2), b_j <= 0: quadrature in u = x/s
 *            (mixture.c)
 *   atoms    P(loss = l_k) = p_k, P(loss = inf) = scale
 *   laplace  Laplace(0, s) against Laplace(1, s): M(z) = ((z+1) e^{z/s} + z e^{-(z+1)/s})/(2z+1)
 * Everything of one evaluation lies in the caller's arena; a function that finds it too small says so and leaves it to
 * the caller to come again with a larger one.
 */
#ifndef EW_LAW_H
#define EW_LAW_H

#include "core.h"

typedef struct {
    double weight, at; /* component: weight and centre; atom: probability and loss */
} ew_atom;

enum { EW_MIXTURE, EW_ATOMS, EW_LAPLACE };
typedef struct {
    int kind, p, q;       /* components of the first and of the second law; atoms in p */
    const ew_atom *first; /* p, then q of them */
    double share, scale;  /* probability of the layer; sigma, scale of the Laplace law, or P(loss = inf) */
} ew_layer;

typedef struct {
    double n;
    int layers;
    const ew_layer *layer;
} ew_part;

typedef struct {
    double mu2;
    int parts;
    const ew_part *part;
    double lattice, origin, loose; /* total losses are origin + lattice k, within `loose`; lattice = 0: none known */
} ew_run;

typedef struct {
    char *base;
    size_t used, size;
    int failed;
} ew_arena;

/* Nodes of one layer: M(z) = sum_k p_k e^{(z - c) loss_k}, p_k = w_k e^{c loss_k} up to a common factor. */
typedef struct {
    int begin, count, top; /* its nodes within the part's; the one with the largest u of a mixture */
    double hu, p_max, p_span, q_max, q_span;
} ew_segment;

typedef struct {
    const ew_part *part;
    ew_segment *seg;
    int count;
    double *loss, *lw, *w, *e2m, *p;   /* loss, log and value of the weight, e^{-loss} - 1 + loss, tilted weight */
    double *u, *dp, *dq, *cp, *cq;     /* mixture: abscissa, first and second derivatives of log v_P, log v_Q */
    /* sum w - 1, sum w e^{-loss} - 1: known exactly; how far the nodes' sums may be from that */
    double gap_p, gap_q, gap_err;
    double least, most;                /* of the losses */
    double c, shift, mass;             /* tilt; p = w e^{c loss - shift}; their sum */
    double log_m, k1, k2;              /* K(c), K'(c), K''(c) */
    /* error of K(c); rounding of sum p (e^{it loss} - 1) over M: min(2 r0 + t r2, t r1) */
    double real_err, r0, r1, r2;
} ew_table;

/* arena.c */
void *ew_take(ew_arena *arena, size_t count, size_t size);

/* law.c: the nodes */
enum { EW_LANES = 8 }; /* loops over nodes run over whole vectors: what fills the last one has weight 0 */
static inline size_t ew_table_whole(const ew_table *tb)
{
    return ((size_t)tb->count + EW_LANES - 1) & ~(size_t)(EW_LANES - 1);
}
int ew_table_fill(ew_table *tb, const ew_part *part, double c_max, double t, double floor, ew_arena *arena);

/* laplace.c */
static inline int ew_is_laplace(const ew_part *part)
{
    return part->layer[0].kind == EW_LAPLACE;
}
void ew_laplace_tilt(ew_table *tb, double c);
void ew_laplace_ratio(double out[2], const ew_table *tb, double t);

/* law_tilt.c: the real line */
void ew_table_tilt(ew_table *tb, double c);
double ew_table_quad(const ew_table *tb, double c, double t);
void ew_table_errors(ew_table *tb);
double ew_table_chernoff(const ew_table *tb, double c);

/* law_line.c: a vertical line */
double ew_table_far(const ew_table *tb, double T);
enum { EW_TABLE_BLOCK = 32 }; /* steps of the recurrence between fresh starts */
typedef struct {
    double *wr, *wi, *ar, *ai, *er, *ei; /* recurrence along the line */
} ew_turns;
int ew_turns_take(ew_turns *tn, int count, ew_arena *arena);
void ew_table_turn(ew_turns *tn, const ew_table *tb, double h);
void ew_table_block(double *log_mod, double *angle, double *err, const ew_table *tb, ew_turns *tn, double h, int from,
                    int count);

/* total.c: the run as a whole */
typedef struct {
    const ew_run *run;
    ew_table *tb;                /* one for each part */
    double mu2;                  /* of the Gaussian mechanisms, and of a smoothing one (smooth.c) */
    double c, log_g, k1, k2;     /* tilt; log of the generating function there, its derivatives */
    /* epsilon whose saddle is c; root of the second derivative of the exponent; estimate of delta */
    double eps, spread, log_delta;
    double c_max, t, floor;      /* what the tables serve */
} ew_total;

int ew_total_fill(ew_total *to, double c_max, double t, double floor, ew_arena *arena);
void ew_total_tilt(ew_total *to, double c);
void ew_total_smooth(ew_total *to, double mu2);
int ew_total_saddle(ew_total *to, int of_delta, double target, ew_arena *arena);
double ew_total_chernoff(const ew_total *to, double c);
double ew_total_far(const ew_total *to, double T);

/* mixture.c and mixture_far.c */
double ew_mixture_log_v(double out[2], const ew_atom *a, int count, double s, double u);
int ew_mixture_fill(ew_table *tb, int k, double hu, double c_max, double floor, int room);
double ew_mixture_loss(const ew_layer *ly, double u); /* grows with u */
double ew_mixture_step(const ew_layer *ly, ew_segment *sg, double c, double t, double floor);
double ew_mixture_quad(const ew_segment *sg, double c, double t);
double ew_mixture_ends(const ew_table *tb, int k, double c);
double ew_mixture_far(const ew_table *tb, int k, double T, double *slack);

#endif
