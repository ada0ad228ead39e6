# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, embedsignature=True
"""The binding of csrc/: convert, release the GIL, call, hand back the status.  No arithmetic.

Every accounting function comes twice.  The scalar one returns (status, result...).  The array one takes equally long
1-D arrays, fills its outputs and returns (status, index): EW_OK and the length, or the first failure and where it is.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

STATUS = {
    "EW_OK": EW_OK,
    "EW_BAD_SIGMA": EW_BAD_SIGMA,
    "EW_BAD_Q": EW_BAD_Q,
    "EW_BAD_STEPS": EW_BAD_STEPS,
    "EW_BAD_DELTA": EW_BAD_DELTA,
    "EW_BAD_EPSILON": EW_BAD_EPSILON,
    "EW_BAD_ADJACENCY": EW_BAD_ADJACENCY,
    "EW_BAD_RTOL": EW_BAD_RTOL,
    "EW_PRECISION": EW_PRECISION,
    "EW_UNREACHABLE": EW_UNREACHABLE,
    "EW_BAD_METHOD": EW_BAD_METHOD,
    "EW_BAD_ORDER": EW_BAD_ORDER,
    "EW_BAD_TILT": EW_BAD_TILT,
    "EW_NO_ROOT": EW_NO_ROOT,
}
STATUS_COUNT = EW_STATUS_COUNT

ADJACENCY = {
    "add_or_remove": EW_ADD_OR_REMOVE,
    "add": EW_ADD,
    "remove": EW_REMOVE,
    "replace_one": EW_REPLACE_ONE,
}

METHOD = {
    "edgeworth": EW_EDGEWORTH,
    "tilted_edgeworth": EW_TILTED,
    "rdp": EW_RDP,
    "gdp": EW_GDP,
}
CUMULANTS_MAX = EW_CUMULANTS_MAX
ORDER_MAX = EW_ORDER_MAX


# Workspaces.  One call owns one; the pool keeps at most POOL_LIMIT of them for the next calls.  Every touch of the
# pool is a single list operation, atomic under the GIL and, without one, under the list's own lock.

cdef Py_ssize_t POOL_LIMIT = 16
cdef list pool = []


cdef class Workspace:
    cdef void *memory

    def __cinit__(self):
        self.memory = malloc(ew_work_size())
        if self.memory is NULL:
            raise MemoryError("no memory for a workspace")

    def __dealloc__(self):
        free(self.memory)


cdef Workspace borrow():
    try:
        return <Workspace> pool.pop()
    except IndexError:
        return Workspace()


cdef int give_back(Workspace workspace) except -1:
    if len(pool) < POOL_LIMIT:
        pool.append(workspace)
    return 0


# Intervals: epsilon of delta, delta of epsilon.

ctypedef ew_status (*interval_function)(double *, double, double, int64_t, double, ew_adjacency, double,
                                        void *) noexcept nogil


cdef tuple interval(interval_function function, double sigma, double q, int64_t steps, double x, ew_adjacency adjacency,
                    double rtol):
    cdef double[2] out
    cdef ew_status status
    cdef Workspace workspace = borrow()
    with nogil:
        status = function(out, sigma, q, steps, x, adjacency, rtol, workspace.memory)
    give_back(workspace)
    return status, out[0], out[1]


cdef tuple interval_array(interval_function function, double[::1] lower, double[::1] upper, const double[:] sigma,
                          const double[:] q, const int64_t[:] steps, const double[:] x, ew_adjacency adjacency,
                          double rtol):
    cdef double[2] out
    cdef ew_status status = EW_OK
    cdef Py_ssize_t i, size = lower.shape[0]
    cdef Workspace workspace = borrow()
    with nogil:
        for i in range(size):
            status = function(out, sigma[i], q[i], steps[i], x[i], adjacency, rtol, workspace.memory)
            if status != EW_OK:
                size = i
                break
            lower[i], upper[i] = out[0], out[1]
    give_back(workspace)
    return status, size


def epsilon(double sigma, double q, int64_t steps, double delta, int adjacency, double rtol):
    return interval(ew_epsilon, sigma, q, steps, delta, <ew_adjacency> adjacency, rtol)


def delta(double sigma, double q, int64_t steps, double epsilon, int adjacency, double rtol):
    return interval(ew_delta, sigma, q, steps, epsilon, <ew_adjacency> adjacency, rtol)


def epsilon_array(lower, upper, sigma, q, steps, delta, int adjacency, double rtol):
    return interval_array(ew_epsilon, lower, upper, sigma, q, steps, delta, <ew_adjacency> adjacency, rtol)


def delta_array(lower, upper, sigma, q, steps, epsilon, int adjacency, double rtol):
    return interval_array(ew_delta, lower, upper, sigma, q, steps, epsilon, <ew_adjacency> adjacency, rtol)


# Calibration to a real number: the noise multiplier (a = epsilon, b = q), the sampling rate (a = epsilon, b = sigma).

ctypedef ew_status (*real_function)(double *, double, double, int64_t, double, ew_adjacency, void *) noexcept nogil


cdef tuple real(real_function function, double a, double b, int64_t steps, double delta, ew_adjacency adjacency):
    cdef double out
    cdef ew_status status
    cdef Workspace workspace = borrow()
    with nogil:
        status = function(&out, a, b, steps, delta, adjacency, workspace.memory)
    give_back(workspace)
    return status, out


cdef tuple real_array(real_function function, double[::1] result, const double[:] a, const double[:] b,
                      const int64_t[:] steps, const double[:] delta, ew_adjacency adjacency):
    cdef ew_status status = EW_OK
    cdef Py_ssize_t i, size = result.shape[0]
    cdef Workspace workspace = borrow()
    with nogil:
        for i in range(size):
            status = function(&result[i], a[i], b[i], steps[i], delta[i], adjacency, workspace.memory)
            if status != EW_OK:
                size = i
                break
    give_back(workspace)
    return status, size


def noise_multiplier(double epsilon, double q, int64_t steps, double delta, int adjacency):
    return real(ew_noise_multiplier, epsilon, q, steps, delta, <ew_adjacency> adjacency)


def max_sampling_rate(double epsilon, double sigma, int64_t steps, double delta, int adjacency):
    return real(ew_max_sampling_rate, epsilon, sigma, steps, delta, <ew_adjacency> adjacency)


def noise_multiplier_array(result, epsilon, q, steps, delta, int adjacency):
    return real_array(ew_noise_multiplier, result, epsilon, q, steps, delta, <ew_adjacency> adjacency)


def max_sampling_rate_array(result, epsilon, sigma, steps, delta, int adjacency):
    return real_array(ew_max_sampling_rate, result, epsilon, sigma, steps, delta, <ew_adjacency> adjacency)


# Calibration to a count.

def max_steps(double epsilon, double sigma, double q, double delta, int adjacency):
    cdef int64_t out
    cdef ew_status status
    cdef Workspace workspace = borrow()
    with nogil:
        status = ew_max_steps(&out, epsilon, sigma, q, delta, <ew_adjacency> adjacency, workspace.memory)
    give_back(workspace)
    return status, out


def max_steps_array(int64_t[::1] result, const double[:] epsilon, const double[:] sigma, const double[:] q,
                    const double[:] delta, int adjacency):
    cdef ew_status status = EW_OK
    cdef Py_ssize_t i, size = result.shape[0]
    cdef Workspace workspace = borrow()
    with nogil:
        for i in range(size):
            status = ew_max_steps(&result[i], epsilon[i], sigma[i], q[i], delta[i], <ew_adjacency> adjacency,
                                  workspace.memory)
            if status != EW_OK:
                size = i
                break
    give_back(workspace)
    return status, size


# Composed runs.  An arena is memory that a composition may fill; one that proves too small is replaced by a larger one.

ROUTE = ("bounded", "once", "lattice", "line", "smoothed line")  # names of ew_plan.route
KIND = {"mixture": EW_MIXTURE, "atoms": EW_ATOMS, "laplace": EW_LAPLACE}

cdef size_t SMALLEST_ARENA = 1 << 26
cdef size_t LARGEST_ARENA = <size_t> 1 << 32
cdef list arenas = []


cdef class Arena:
    cdef ew_arena memory

    def __cinit__(self):
        self.memory = ew_arena(NULL, 0, 0, 0)
        self.grow(SMALLEST_ARENA)

    def __dealloc__(self):
        free(self.memory.base)

    cdef int grow(self, size_t size) except -1:
        free(self.memory.base)
        self.memory = ew_arena(<char *> malloc(size), 0, size, 0)
        if self.memory.base is NULL:
            raise MemoryError("no memory for a composition")
        return 0

    cdef int again(self, int status) except -1:
        """Whether to come again, with a larger arena."""
        self.memory.used = 0
        self.memory.failed = 0
        if status != EW_SHORT or self.memory.size >= LARGEST_ARENA:
            return 0
        self.grow(4 * self.memory.size)
        return 1


cdef Arena borrow_arena():
    try:
        return <Arena> arenas.pop()
    except IndexError:
        return Arena()


cdef int give_back_arena(Arena arena) except -1:
    if len(arenas) < 2 and arena.memory.size == SMALLEST_ARENA:
        arenas.append(arena)
    return 0


cdef class Composition:
    """One direction of a run: mu2, the sum of squares of its Gaussian mechanisms, and lists of its parts (n, layers),
    their layers (kind, p, q, share, scale) and their atoms (weight, at), each in the order of the one before; lattice
    and origin, where all total losses are within `loose` of origin + lattice k (else lattice = 0).
    """
    cdef ew_run run
    cdef ew_part *parts
    cdef ew_layer *layers
    cdef ew_atom *atoms

    def __cinit__(self, double mu2, list parts, list layers, list atoms, double lattice, double origin, double loose):
        cdef Py_ssize_t i, layer = 0, atom = 0
        cdef int kind, p, q, within
        cdef double a, b
        self.parts = <ew_part *> malloc((len(parts) + 1) * sizeof(ew_part))
        self.layers = <ew_layer *> malloc((len(layers) + 1) * sizeof(ew_layer))
        self.atoms = <ew_atom *> malloc((len(atoms) + 1) * sizeof(ew_atom))
        if self.parts is NULL or self.layers is NULL or self.atoms is NULL:
            raise MemoryError("no memory for a composition")
        for i, (a, b) in enumerate(atoms):
            self.atoms[i] = ew_atom(a, b)
        for i, (kind, p, q, a, b) in enumerate(layers):
            self.layers[i] = ew_layer(kind, p, q, self.atoms + atom, a, b)
            atom += p + q
        for i, (a, within) in enumerate(parts):
            self.parts[i] = ew_part(a, within, self.layers + layer)
            layer += within
        self.run = ew_run(mu2, <int> len(parts), self.parts, lattice, origin, loose)

    def __dealloc__(self):
        free(self.parts)
        free(self.layers)
        free(self.atoms)

    def exchanged(self):
        """The same with the two laws of each pair exchanged (and mirrored); None where a layer is no mixture."""
        cdef int i, j, k
        cdef const ew_layer *layer
        parts, layers, atoms = [], [], []
        for i in range(self.run.parts):
            parts.append((self.parts[i].n, self.parts[i].layers))
            for k in range(self.parts[i].layers):
                layer = &self.parts[i].layer[k]
                if layer.kind != EW_MIXTURE:
                    return None
                layers.append((EW_MIXTURE, layer.q, layer.p, layer.share, layer.scale))
                for j in range(layer.p, layer.p + layer.q):
                    atoms.append((layer.first[j].weight, 0.0 - layer.first[j].at))
                for j in range(layer.p):
                    atoms.append((layer.first[j].weight, 0.0 - layer.first[j].at))
        return Composition(self.run.mu2, parts, layers, atoms, 0.0, 0.0, 0.0)

    def delta(self, double[::1] lower, double[::1] upper, const double[::1] epsilon, double rtol, double smooth_rtol):
        cdef int status, count = <int> epsilon.shape[0]
        cdef Arena arena = borrow_arena()
        while True:
            with nogil:
                status = ew_run_delta(&lower[0], &upper[0], &epsilon[0], count, &self.run, rtol, smooth_rtol,
                                      &arena.memory)
            if not arena.again(status):
                break
        give_back_arena(arena)
        return status == EW_FOUND

    def epsilon(self, double log_delta, double rtol, double smooth_rtol):
        """(found, lower, upper, how: the fields of ew_plan)."""
        cdef int status
        cdef double[2] out
        cdef ew_plan plan
        cdef Arena arena = borrow_arena()
        while True:
            with nogil:
                status = ew_run_epsilon(out, &plan, &self.run, log_delta, rtol, smooth_rtol, &arena.memory)
            if not arena.again(status):
                break
        give_back_arena(arena)
        return status == EW_FOUND, out[0], out[1], plan

    def slopes(self, double[::1] out, const double[::1] tangent, double log_delta, double rtol, double smooth_rtol):
        cdef int status
        cdef Arena arena = borrow_arena()
        while True:
            with nogil:
                status = ew_run_slopes(&out[0], &self.run, &tangent[0], log_delta, rtol, smooth_rtol, &arena.memory)
            if not arena.again(status):
                break
        give_back_arena(arena)
        return status == EW_FOUND

    def log_mgf(self, double c):
        cdef int status
        cdef double[2] out
        cdef Arena arena = borrow_arena()
        while True:
            with nogil:
                status = ew_run_log_mgf(out, &self.run, c, &arena.memory)
            if not arena.again(status):
                break
        give_back_arena(arena)
        return status == EW_FOUND, out[0], out[1]

    def dominated(self, double epsilon, double log_delta):
        cdef int status
        cdef Arena arena = borrow_arena()
        while True:
            with nogil:
                status = ew_run_dominated(&self.run, epsilon, log_delta, &arena.memory)
            if not arena.again(status):
                break
        give_back_arena(arena)
        return status == EW_FOUND


# Estimates: epsilon (a, b, x = sigma, q, delta), delta (sigma, q, epsilon), the noise multiplier (epsilon, q, delta).

ctypedef ew_status (*estimate_function)(double *, double, double, int64_t, double, ew_adjacency, ew_method, int,
                                        void *) noexcept nogil


cdef tuple estimate(estimate_function function, double a, double b, int64_t steps, double x, int adjacency, int method,
                    int order):
    cdef double out
    cdef ew_status status
    cdef Workspace workspace = borrow()
    with nogil:
        status = function(&out, a, b, steps, x, <ew_adjacency> adjacency, <ew_method> method, order, workspace.memory)
    give_back(workspace)
    return status, out


cdef tuple estimate_array(estimate_function function, double[::1] result, const double[:] a, const double[:] b,
                          const int64_t[:] steps, const double[:] x, int adjacency, int method, int order):
    cdef ew_status status = EW_OK
    cdef Py_ssize_t i, size = result.shape[0]
    cdef Workspace workspace = borrow()
    with nogil:
        for i in range(size):
            status = function(&result[i], a[i], b[i], steps[i], x[i], <ew_adjacency> adjacency, <ew_method> method,
                              order, workspace.memory)
            if status != EW_OK:
                size = i
                break
    give_back(workspace)
    return status, size


def estimate_epsilon(double sigma, double q, int64_t steps, double delta, int adjacency, int method, int order):
    return estimate(ew_estimate_epsilon, sigma, q, steps, delta, adjacency, method, order)


def estimate_delta(double sigma, double q, int64_t steps, double epsilon, int adjacency, int method, int order):
    return estimate(ew_estimate_delta, sigma, q, steps, epsilon, adjacency, method, order)


def estimate_noise_multiplier(double epsilon, double q, int64_t steps, double delta, int adjacency, int method,
                              int order):
    return estimate(ew_estimate_noise_multiplier, epsilon, q, steps, delta, adjacency, method, order)


def estimate_epsilon_array(result, sigma, q, steps, delta, int adjacency, int method, int order):
    return estimate_array(ew_estimate_epsilon, result, sigma, q, steps, delta, adjacency, method, order)


def estimate_delta_array(result, sigma, q, steps, epsilon, int adjacency, int method, int order):
    return estimate_array(ew_estimate_delta, result, sigma, q, steps, epsilon, adjacency, method, order)


def estimate_noise_multiplier_array(result, epsilon, q, steps, delta, int adjacency, int method, int order):
    return estimate_array(ew_estimate_noise_multiplier, result, epsilon, q, steps, delta, adjacency, method, order)


def cumulants(double[::1] result, double sigma, double q, int adjacency, double tilt):
    cdef ew_status status
    cdef int order = <int> result.shape[0]
    cdef Workspace workspace = borrow()
    with nogil:
        status = ew_cumulants(&result[0], sigma, q, <ew_adjacency> adjacency, tilt, order, workspace.memory)
    give_back(workspace)
    return status


def renyi(double sigma, double q, double order, int adjacency):
    cdef double out
    cdef ew_status status
    cdef Workspace workspace = borrow()
    with nogil:
        status = ew_renyi(&out, sigma, q, order, <ew_adjacency> adjacency, workspace.memory)
    give_back(workspace)
    return status, out


def gdp(double sigma, double q, int64_t steps, int adjacency):
    cdef double out
    cdef ew_status status = ew_gdp(&out, sigma, q, steps, <ew_adjacency> adjacency)
    return status, out


# Intervals by an expansion and a bound of its error.

cdef tuple expansion(estimate_function function, double sigma, double q, int64_t steps, double x, int adjacency,
                     int method, int order):
    cdef double[2] out
    cdef ew_status status
    cdef Workspace workspace = borrow()
    with nogil:
        status = function(out, sigma, q, steps, x, <ew_adjacency> adjacency, <ew_method> method, order,
                          workspace.memory)
    give_back(workspace)
    return status, out[0], out[1]


cdef tuple expansion_array(estimate_function function, double[::1] lower, double[::1] upper, const double[:] sigma,
                           const double[:] q, const int64_t[:] steps, const double[:] x, int adjacency, int method,
                           int order):
    cdef double[2] out
    cdef ew_status status = EW_OK
    cdef Py_ssize_t i, size = lower.shape[0]
    cdef Workspace workspace = borrow()
    with nogil:
        for i in range(size):
            status = function(out, sigma[i], q[i], steps[i], x[i], <ew_adjacency> adjacency, <ew_method> method,
                              order, workspace.memory)
            if status != EW_OK:
                size = i
                break
            lower[i] = out[0]
            upper[i] = out[1]
    give_back(workspace)
    return status, size


def expansion_epsilon(double sigma, double q, int64_t steps, double delta, int adjacency, int method, int order):
    return expansion(ew_expansion_epsilon, sigma, q, steps, delta, adjacency, method, order)


def expansion_delta(double sigma, double q, int64_t steps, double epsilon, int adjacency, int method, int order):
    return expansion(ew_expansion_delta, sigma, q, steps, epsilon, adjacency, method, order)


def expansion_epsilon_array(lower, upper, sigma, q, steps, delta, int adjacency, int method, int order):
    return expansion_array(ew_expansion_epsilon, lower, upper, sigma, q, steps, delta, adjacency, method, order)


def expansion_delta_array(lower, upper, sigma, q, steps, epsilon, int adjacency, int method, int order):
    return expansion_array(ew_expansion_delta, lower, upper, sigma, q, steps, epsilon, adjacency, method, order)


# Parts of the expansions and special functions, for tests.

def series_coefficients(double[::1] a, const double[::1] lam, int order):
    ew_series_coefficients(&a[0], &lam[0], order)


def half_hermite(double[::1] values, double u):
    ew_half_hermite(&values[0], u, <int> values.shape[0] - 1)


def log1pmx(double x):
    return ew_log1pmx(x)


def expm1mx(double x):
    return ew_expm1mx(x)


def cexpm1mx(double complex z):
    cdef double[2] out
    ew_cexpm1mx(out, z.real, z.imag)
    return complex(out[0], out[1])


def erfcx(double x):
    return ew_erfcx(x)


def log_ndtr(double x):
    return ew_log_ndtr(x)


# Kernels, for tests: element by element over equally long 1-D arrays.

ctypedef double (*kernel)(double) noexcept nogil


cdef int map_kernel(double[::1] out, kernel function, const double[::1] x) except -1:
    cdef Py_ssize_t i
    for i in range(x.shape[0]):
        out[i] = function(x[i])
    return 0


def k_exp(double[::1] out, const double[::1] x):
    map_kernel(out, ew_k_exp, x)


def k_expm1(double[::1] out, const double[::1] x):
    map_kernel(out, ew_k_expm1, x)


def k_expm1mx(double[::1] out, const double[::1] x):
    map_kernel(out, ew_k_expm1mx, x)


def k_log1p(double[::1] out, const double[::1] x):
    map_kernel(out, ew_k_log1p, x)


def k_erfcx(double[::1] out, const double[::1] x):
    map_kernel(out, ew_k_erfcx, x)


def k_log_ndtr(double[::1] out, const double[::1] x):
    map_kernel(out, ew_k_log_ndtr, x)


def k_atan2(double[::1] out, const double[::1] y, const double[::1] x):
    cdef Py_ssize_t i
    for i in range(x.shape[0]):
        out[i] = ew_k_atan2(y[i], x[i])


def k_sincos(double[::1] sine, double[::1] cosine, const double[::1] x):
    cdef Py_ssize_t i
    for i in range(x.shape[0]):
        ew_k_sincos(&sine[i], &cosine[i], x[i])
