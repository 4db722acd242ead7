/* kernels_portable.c - the kernels in plain C, for any processor. */
#define MR 4
#define NV 16
#define KERNELS kernels_portable
#define KERNELS_NAME "portable"
#include "train/kernels_body.h"
