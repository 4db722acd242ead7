/* simd.h - one vector of floats, as wide as the instructions this file is compiled for: 16 (AVX-512),
 * 8 (AVX2 + FMA) or 1 (portable C, where loops of one are plain loops). kernels_body.h is written in
 * these words and compiled once for each width. Tails use load_n/store_n with 0 < n <= W. */
#ifndef WT_TRAIN_SIMD_H
#define WT_TRAIN_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define W 16
typedef __m512 vec;
static inline vec v_set(float x) { return _mm512_set1_ps(x); }
static inline vec v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vec x) { _mm512_storeu_ps(p, x); }
static inline __mmask16 v_mask(size_t n) { return (__mmask16)(0xffffu >> (16 - n)); }
static inline vec v_load_n(const float *p, size_t n) { return _mm512_maskz_loadu_ps(v_mask(n), p); }
static inline void v_store_n(float *p, vec x, size_t n) { _mm512_mask_storeu_ps(p, v_mask(n), x); }
static inline vec v_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec v_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec v_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec v_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec v_sqrt(vec a) { return _mm512_sqrt_ps(a); }
static inline vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
static inline vec v_min(vec a, vec b) { return _mm512_min_ps(a, b); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
static inline float v_sum(vec a) { return _mm512_reduce_add_ps(a); }
static inline float v_hmax(vec a) { return _mm512_reduce_max_ps(a); }
static inline vec v_round(vec a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_scale2(vec x, vec n) { return _mm512_scalef_ps(x, n); } /* x * 2^n */
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define W 8
typedef __m256 vec;
static inline vec v_set(float x) { return _mm256_set1_ps(x); }
static inline vec v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vec x) { _mm256_storeu_ps(p, x); }
static inline __m256i v_mask(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec v_load_n(const float *p, size_t n) { return _mm256_maskload_ps(p, v_mask(n)); }
static inline void v_store_n(float *p, vec x, size_t n) { _mm256_maskstore_ps(p, v_mask(n), x); }
static inline vec v_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec v_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec v_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec v_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec v_sqrt(vec a) { return _mm256_sqrt_ps(a); }
static inline vec v_max(vec a, vec b) { return _mm256_max_ps(a, b); }
static inline vec v_min(vec a, vec b) { return _mm256_min_ps(a, b); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec v_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
static inline float v_sum(vec a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
static inline float v_hmax(vec a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
static inline vec v_round(vec a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_scale2(vec x, vec n) {
    __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(e, 23)));
}
#else
#define W 1
typedef float vec;
static inline vec v_set(float x) { return x; }
static inline vec v_load(const float *p) { return *p; }
static inline void v_store(float *p, vec x) { *p = x; }
static inline vec v_load_n(const float *p, size_t n) { return n ? *p : 0; }
static inline void v_store_n(float *p, vec x, size_t n) {
    if (n) *p = x;
}
static inline vec v_add(vec a, vec b) { return a + b; }
static inline vec v_sub(vec a, vec b) { return a - b; }
static inline vec v_mul(vec a, vec b) { return a * b; }
static inline vec v_div(vec a, vec b) { return a / b; }
static inline vec v_sqrt(vec a) { return sqrtf(a); }
static inline vec v_max(vec a, vec b) { return a > b ? a : b; }
static inline vec v_min(vec a, vec b) { return a < b ? a : b; }
static inline vec v_fma(vec a, vec b, vec c) { return a * b + c; }
static inline vec v_fnma(vec a, vec b, vec c) { return c - a * b; }
static inline float v_sum(vec a) { return a; }
static inline float v_hmax(vec a) { return a; }
/* Nearest integer for |a| < 2^22, by the rounding of an addition. */
static inline vec v_round(vec a) {
    float shifted = a + 12582912.f;
    return shifted - 12582912.f;
}
static inline vec v_scale2(vec x, vec n) {
    uint32_t bits = (uint32_t)((int)n + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return x * power;
}
#endif

/* exp(x): relative error below 2e-7 (tests/unit/train_pass.c measures it against libm's double
 * over the whole range); below -87.3 the result stays at 1.2e-38, above 88.3 at 2.2e38. Range
 * reduction by ln 2 in two parts, polynomial of degree 7 by Cephes' coefficients (Moshier). */
static inline vec v_exp(vec x) {
    x = v_min(v_set(88.3f), v_max(v_set(-87.3f), x)); /* this order lets NaN through */
    vec n = v_round(v_mul(x, v_set(1.44269504088896341f)));
    vec r = v_fnma(n, v_set(0.693359375f), x);
    r = v_fnma(n, v_set(-2.12194440e-4f), r);
    vec p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), v_add(r, v_set(1)));
    return v_scale2(p, n);
}

#endif
