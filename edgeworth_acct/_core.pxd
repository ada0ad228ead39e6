"""Mirror of csrc/edgeworth.h, csrc/expansion.h, csrc/special.h and csrc/kernels.h."""

from libc.stdint cimport int64_t


cdef extern from "edgeworth.h" nogil:
    ctypedef enum ew_status:
        EW_OK
        EW_BAD_SIGMA
        EW_BAD_Q
        EW_BAD_STEPS
        EW_BAD_DELTA
        EW_BAD_EPSILON
        EW_BAD_ADJACENCY
        EW_BAD_RTOL
        EW_PRECISION
        EW_UNREACHABLE
        EW_BAD_METHOD
        EW_BAD_ORDER
        EW_BAD_TILT
        EW_NO_ROOT
        EW_STATUS_COUNT

    ctypedef enum ew_adjacency:
        EW_ADD_OR_REMOVE
        EW_ADD
        EW_REMOVE
        EW_REPLACE_ONE

    size_t ew_work_size() noexcept

    ew_status ew_epsilon(double *out, double sigma, double q, int64_t steps, double delta,
                         ew_adjacency adjacency, double rtol, void *work) noexcept
    ew_status ew_delta(double *out, double sigma, double q, int64_t steps, double epsilon,
                       ew_adjacency adjacency, double rtol, void *work) noexcept

    ew_status ew_noise_multiplier(double *out, double epsilon, double q, int64_t steps, double delta,
                                  ew_adjacency adjacency, void *work) noexcept
    ew_status ew_max_steps(int64_t *out, double epsilon, double sigma, double q, double delta,
                           ew_adjacency adjacency, void *work) noexcept
    ew_status ew_max_sampling_rate(double *out, double epsilon, double sigma, int64_t steps, double delta,
                                   ew_adjacency adjacency, void *work) noexcept


cdef extern from "expansion.h" nogil:
    enum:
        EW_CUMULANTS_MAX
        EW_ORDER_MAX

    ctypedef enum ew_method:
        EW_EDGEWORTH
        EW_TILTED
        EW_RDP
        EW_GDP

    ew_status ew_cumulants(double *out, double sigma, double q, ew_adjacency adjacency, double tilt, int order,
                           void *work) noexcept
    ew_status ew_estimate_epsilon(double *out, double sigma, double q, int64_t steps, double delta,
                                  ew_adjacency adjacency, ew_method method, int order, void *work) noexcept
    ew_status ew_estimate_delta(double *out, double sigma, double q, int64_t steps, double epsilon,
                                ew_adjacency adjacency, ew_method method, int order, void *work) noexcept
    ew_status ew_estimate_noise_multiplier(double *out, double epsilon, double q, int64_t steps, double delta,
                                           ew_adjacency adjacency, ew_method method, int order, void *work) noexcept
    ew_status ew_expansion_epsilon(double *out, double sigma, double q, int64_t steps, double delta,
                                   ew_adjacency adjacency, ew_method method, int order, void *work) noexcept
    ew_status ew_expansion_delta(double *out, double sigma, double q, int64_t steps, double epsilon,
                                 ew_adjacency adjacency, ew_method method, int order, void *work) noexcept
    ew_status ew_renyi(double *out, double sigma, double q, double order, ew_adjacency adjacency, void *work) noexcept
    ew_status ew_gdp(double *out, double sigma, double q, int64_t steps, ew_adjacency adjacency) noexcept
    void ew_series_coefficients(double *a, const double *lam, int order) noexcept
    void ew_half_hermite(double *I, double u, int top) noexcept


cdef extern from "special.h" nogil:
    double ew_log1pmx(double x) noexcept
    double ew_expm1mx(double x) noexcept
    void ew_cexpm1mx(double *out, double re, double im) noexcept
    double ew_erfcx(double x) noexcept
    double ew_log_ndtr(double x) noexcept


cdef extern from "kernels.h" nogil:
    double ew_k_exp(double x) noexcept
    double ew_k_expm1(double x) noexcept
    double ew_k_expm1mx(double x) noexcept
    double ew_k_log1p(double x) noexcept
    double ew_k_atan2(double y, double x) noexcept
    void ew_k_sincos(double *sine, double *cosine, double x) noexcept
    double ew_k_erfcx(double x) noexcept
    double ew_k_log_ndtr(double x) noexcept


cdef extern from "compose.h" nogil:
    ctypedef struct ew_atom:
        double weight
        double at

    ctypedef struct ew_layer:
        int kind
        int p
        int q
        const ew_atom *first
        double share
        double scale

    ctypedef struct ew_part:
        double n
        int layers
        const ew_layer *layer

    ctypedef struct ew_run:
        double mu2
        int parts
        const ew_part *part
        double lattice
        double origin
        double loose

    ctypedef struct ew_arena:
        char *base
        size_t used
        size_t size
        int failed

    enum:
        EW_MIXTURE
        EW_ATOMS
        EW_LAPLACE
        EW_FOUND
        EW_NOT_FOUND
        EW_SHORT

    int ew_run_delta(double *lower, double *upper, const double *eps, int count, const ew_run *run, double rtol,
                     double smooth_rtol, ew_arena *arena) noexcept
    ctypedef struct ew_plan:
        int route
        int nodes
        int quadrature
        double tilt
        double step
        double smoothing
        double aliasing
        double truncation
        double rounding

    int ew_run_epsilon(double *out, ew_plan *plan, const ew_run *run, double log_delta, double rtol, double smooth_rtol,
                       ew_arena *arena) noexcept
    int ew_run_slopes(double *out, const ew_run *run, const double *tangent, double log_delta, double rtol,
                      double smooth_rtol, ew_arena *arena) noexcept
    int ew_run_log_mgf(double *out, const ew_run *run, double c, ew_arena *arena) noexcept
    int ew_run_dominated(const ew_run *run, double eps, double log_delta, ew_arena *arena) noexcept
