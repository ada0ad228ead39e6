/* arena.c - memory of one evaluation, from the caller's arena. */
#include "law.h"

void *ew_take(ew_arena *arena, size_t count, size_t size)
{
    const size_t bytes = (count * size + 63) & ~(size_t)63;
    if (arena->failed || bytes > arena->size - arena->used) {
        arena->failed = 1;
        return NULL;
    }
    void *out = arena->base + arena->used;
    arena->used += bytes;
    return out;
}
