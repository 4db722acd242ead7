/* kernels_avx2.c - the kernels for AVX2 and FMA: 6 x 16 tiles, 12 of 16 registers hold sums. */
#if defined(__x86_64__)
#define MR 6
#define NV 2
#define KERNELS kernels_avx2
#define KERNELS_NAME "avx2"
#include "train/kernels_body.h"
#endif
