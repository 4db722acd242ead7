/* gemm_blas.h - see gemm_blas.c; used by gemm.c alone. */
#ifndef WT_TRAIN_GEMM_BLAS_H
#define WT_TRAIN_GEMM_BLAS_H

#include "train/gemm.h"

bool gemm_blas_wanted(const kernels *k);      /* and there is one */
void gemm_blas_run(const kernels *k, int threads, const gemm_call *call);

#endif
