/* kernels_avx512.c - the kernels for AVX-512: 14 x 32 tiles, 28 of 32 registers hold sums. */
#if defined(__x86_64__)
#define MR 14
#define NV 2
#define KERNELS kernels_avx512
#define KERNELS_NAME "avx512"
#include "train/kernels_body.h"
#endif
