/* remainder.c - the mean square distance between a characteristic function and its expansion, certified from above.
 *
 * Formula  N = int |f(x) - g(x)|^2 w(x) dx,  D = f - g,  x = t/(standard deviation), w = 1/x^2 or 1/(1 + x^2/W^2).
 *          f(-x) and g(-x) are the conjugates of f(x) and g(x), so |D|^2 = D(x) D(-x) on the real axis, and that is an
 *          entire function: the trapezoidal rule converges exponentially.  (D(0) = 0: with w = 1/x^2 too.)
 * Bound    |rule - N| <= 2 [F(b) + G(b)] [F(-b) + G(b)] int |w(x + ib)| dx/(e^{2 pi b/h} - 1)  for any b > 0, < W:
 *          |f(x + ib)| <= F(b) = f(ib) = E e^{-b X}, X the standardised sum: a real moment generating function;
 *          |g(x + ib)| <= G(b) = e^{b^2/2} sum_k |a_k| max_x e^{-x^2/2} (x^2 + b^2)^{k/2};
 *          int |x + ib|^-2 dx = pi/b,  int |1 + (x + ib)^2/W^2|^-1 dx <= pi W/sqrt(1 - b^2/W^2).
 *          The rule beyond x = T: |D|^2 <= 2 |f|^2 + 2 |g|^2, with the bound of chf.c for f, and g falling for x^2 >
 *          its degree.
 */
#include "remainder.h"

#include <math.h>

double ew_series_size(const ew_series *s, double x)
{
    double sum = 0.0;
    for (int k = s->top; k > 0; k--)
        sum = (sum + fabs(s->a[k])) * x;
    return 1.0 + sum;
}

/* G(b) */
static double strip_size(const ew_series *s, double b)
{
    double sum = 0.0;
    for (int k = 0; k <= s->top; k++)
        if (s->a[k] != 0.0)
            sum += fabs(s->a[k]) * exp(k > b * b ? 0.5 * k * log(k) - 0.5 * (k - b * b) : k * log(b));
    return exp(0.5 * b * b) * sum;
}

/* g(x) = e^{-x^2/2} sum a_k (ix)^k and what rounding may do to it */
static double expansion_at(double out[2], const ew_series *s, double x)
{
    double even = 0.0, odd = 0.0, power = 1.0;
    for (int k = 0; k <= s->top; k++, power *= x) {
        const double term = (k & 2 ? -1.0 : 1.0) * s->a[k] * power;
        *(k & 1 ? &odd : &even) += term;
    }
    const double e = exp(-0.5 * x * x);
    out[0] = e * even;
    out[1] = e * odd;
    return EW_U * (20.0 + 3.0 * s->top + x * x) * e * ew_series_size(s, x);
}

static double weight_at(int weight, double x)
{
    return weight == EW_INVERSE_SQUARE ? 1.0 / (x * x) : 1.0 / (1.0 + x * x / (EW_LORENTZ_WIDTH * EW_LORENTZ_WIDTH));
}

int ew_distance_of(ew_distance *out, const ew_model *m, double c, const ew_series *s, int weight, ew_scratch *ws)
{
    const double W = EW_LORENTZ_WIDTH, h = 0.25, least = sqrt((double)s->top) + 1.0;
    ew_chf f;
    double T = 0.0, reach = 0.0;
    for (double x = fmax(7.0, least); !(T > 0.0); x *= 1.1) { /* as far as f takes to fall below 1e-16, within reason */
        if (x > reach) {
            reach = fmax(10.0, 1.4 * x);
            if (!ew_chf_init(&f, m, c, s->mean / m->n, s->sd, reach, ws) || f.count > 4000)
                return 0;
        }
        const double log_f = ew_chf_log_beyond(&f, x / s->sd);
        if ((log_f < -37.0 && x * x - 2.0 * log(ew_series_size(s, x)) > 74.0) || (x > 40.0 && log_f < -7.0))
            T = x;
        if (x > 60.0 || (x > 16.0 && log_f > -1.0))
            return 0;
    }
    const int J = (int)floor(T / h);
    out->end = J * h;
    out->beyond = exp(ew_chf_log_beyond(&f, J * h / s->sd));
    double sum = 0.0;
    for (int j = 0; j <= J; j++) {
        double a[2], b[2];
        const double x = j * h, t = x / s->sd;
        if (j == 0 && weight == EW_INVERSE_SQUARE) { /* D'(0) = i (mean of the sum - s->mean)/sd */
            const double off = (fabs(f.drift) + f.mean_err) * m->n / s->sd + 4.0 * EW_U * fabs(s->mean) / s->sd;
            sum += 0.5 * off * off;
            continue;
        }
        const double err = ew_chf_at(a, &f, t, s->mean) + expansion_at(b, s, x);
        const double size = hypot(a[0] - b[0], a[1] - b[1]) * (1.0 + 1e-12) + err;
        sum += (j ? 1.0 : 0.5) * size * size * weight_at(weight, x);
    }
    const double g = exp(-0.5 * out->end * out->end) * ew_series_size(s, out->end),
                 wide = weight == EW_INVERSE_SQUARE ? 1.0 / out->end : W * (0.5 * EW_PI - atan(out->end / W));
    const double rest = 2.0 * (out->beyond * out->beyond + g * g) * wide;
    /* the strip: best of some b */
    double strip = INFINITY;
    ew_sheet sheet = {.count = 0};
    for (double b = 1.0; b < 0.8 * W; b *= 1.25) {
        double k[3];
        const double t = b / s->sd, base = c * s->mean;
        const int whole = ew_sheet_fill(&sheet, m, fmin(-1.0, c - t), fmax(0.0, c + t), 2, ws) ||
                          ew_sheet_fill(&sheet, m, c - t, c + t, 2, ws);
        if (!whole)
            break;
        for (int i = 0; i < 3; i++)
            k[i] = m->n * ew_sheet_k(&sheet, c + (i - 1) * t) - (c + (i - 1) * t) * s->mean;
        const double slack = 0.1 + 1e-10 * (fabs(k[0]) + fabs(k[1]) + fabs(k[2]) + 3.0 * fabs(base));
        const double G = strip_size(s, b),
                     area = weight == EW_INVERSE_SQUARE ? EW_PI / b : EW_PI * W / sqrt(1.0 - b * b / (W * W));
        const double e =
            2.0 * (exp(k[0] - k[1] + slack) + G) * (exp(k[2] - k[1] + slack) + G) * area / expm1(2.0 * EW_PI * b / h);
        strip = fmin(strip, e);
    }
    out->square = (2.0 * h * sum + 2.0 * rest + strip) * (1.0 + 1e-9);
    return isfinite(out->square);
}
