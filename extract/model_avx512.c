/* model_avx512.c - model_lanes.h with these instructions. */
#if defined(__AVX512F__)
#define LANES_RUN run
#include "extract/model_lanes.h"

void (*model_lanes_avx512(void))(const model_trees *, uint32_t, uint32_t, const float *, float *) { return run; }
#else
#include <stddef.h>

void *model_lanes_avx512(void) { return NULL; }
#endif
