/* instructions.c - the program that instructions.py counts: one call of the C core, over and over.
 *
 *   instructions epsilon CALLS SIGMA Q STEPS DELTA
 *   instructions sigma   CALLS EPSILON Q STEPS DELTA
 */
#include <stdlib.h>
#include <string.h>

#include "edgeworth.h"

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    int accounting = !strcmp(argv[1], "epsilon");
    long calls = strtol(argv[2], NULL, 10);
    double first = strtod(argv[3], NULL), q = strtod(argv[4], NULL), delta = strtod(argv[6], NULL);
    int64_t steps = strtoll(argv[5], NULL, 10);
    void *work = malloc(ew_work_size());
    ew_status status = EW_OK;
    double out[2];
    for (long i = 0; i < calls && status == EW_OK; i++)
        status = accounting ? ew_epsilon(out, first, q, steps, delta, EW_ADD_OR_REMOVE, 1e-9, work)
                            : ew_noise_multiplier(out, first, q, steps, delta, EW_ADD_OR_REMOVE, work);
    free(work);
    return status;
}
