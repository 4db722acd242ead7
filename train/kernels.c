/* kernels.c - which kernels this processor runs. */
#include <stdlib.h>
#include <string.h>

#include "train/kernels.h"

const kernels *kernels_named(const char *name) {
    if (!strcmp(name, "portable")) return &kernels_portable;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi2");     /* f16c is older than all of these */
    if (!strcmp(name, "avx2")) return avx2 ? &kernels_avx2 : NULL;
    if (!strcmp(name, "avx512"))
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
                   ? &kernels_avx512
                   : NULL;
#endif
    return NULL;
}

const kernels *kernels_best(void) {
    const char *wanted = getenv("WT_KERNELS");
    const kernels *k = wanted && *wanted ? kernels_named(wanted) : NULL;
    if (!k) k = kernels_named("avx512");
    if (!k) k = kernels_named("avx2");
    return k ? k : &kernels_portable;
}
