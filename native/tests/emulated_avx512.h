/*
 * AVX-512 by SIMDe (https://github.com/simd-everywhere/simde; Debian: libsimde-dev), so that its kernels are tested on a
 * processor that has none: slowly, with the same results. Included before a kernel's source, which is compiled with
 * -mavx2. What SIMDe 0.7 lacks follows.
 */
#ifndef CXSTREAM_EMULATED_AVX512_H
#define CXSTREAM_EMULATED_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512VL__ 1
#define __AVX512DQ__ 1
/* No function is compiled for a processor with more. */
#define target(features)

/* A bit for each lane that a condition holds for. */
#define EMULATED_MASK(LANES, CONDITION)     \
    uint64_t mask = 0;                      \
    for (int i = 0; i < (LANES); ++i)       \
        mask |= (uint64_t)(CONDITION) << i; \
    return mask

static inline uint64_t emulated_testn_epi8_mask(__m512i a, __m512i b)
{
    EMULATED_MASK(64, ((__v64qu)(a & b))[i] == 0);
}

static inline uint64_t emulated_movepi8_mask(__m512i a)
{
    EMULATED_MASK(64, ((__v64qu)a)[i] > INT8_MAX);
}

static inline uint64_t emulated_movepi64_mask(__m512i a)
{
    EMULATED_MASK(8, a[i] < 0);
}

/* Every lane of 64 bits by itself. */
#define EMULATED_LANES(VALUE)   \
    __m512i lanes;              \
    for (int i = 0; i < 8; ++i) \
        lanes[i] = (VALUE);     \
    return lanes

static inline __m512i emulated_mask_set1_epi64(__m512i a, __mmask8 mask, long long value)
{
    EMULATED_LANES(mask >> i & 1 ? value : a[i]);
}

static inline __m512i emulated_broadcast_i32x4(__m128i a)
{
    EMULATED_LANES(a[i & 1]);
}

static inline __m512i emulated_cvtepu8_epi64(__m128i a)
{
    EMULATED_LANES(((__v16qu)a)[i]);
}

static inline __m512i emulated_cvtepi32_epi64(__m256i a)
{
    EMULATED_LANES(((__v8si)a)[i]);
}

static inline __m512i emulated_popcnt_epi64(__m512i a)
{
    EMULATED_LANES(__builtin_popcountll((unsigned long long)a[i]));
}

static inline __m512i emulated_i64gather_epi64(__m512i at, const void *from, int scale)
{
    __m512i found;
    for (int i = 0; i < 8; ++i) {
        long long word;
        memcpy(&word, (const char *)from + at[i] * scale, sizeof word);
        found[i] = word;
    }
    return found;
}

static inline __m512i emulated_mullo_epi64(__m512i a, __m512i b)
{
    return (__m512i)((__v8du)a * (__v8du)b);
}

static inline long long emulated_reduce_add_epi64(__m512i a)
{
    return (long long)(((__v8du)a)[0] + ((__v8du)a)[1] + ((__v8du)a)[2] + ((__v8du)a)[3] +
                       ((__v8du)a)[4] + ((__v8du)a)[5] + ((__v8du)a)[6] + ((__v8du)a)[7]);
}

static inline long long emulated_reduce_or_epi64(__m512i a)
{
    return a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7];
}

static inline __m128i emulated_cvtepi64_epi8(__m512i a)
{
    __v16qu bytes = {0};
    for (int i = 0; i < 8; ++i)
        bytes[i] = (uint8_t)a[i];
    return (__m128i)bytes;
}

static inline __m512i emulated_maskz_loadu_epi8(uint64_t mask, const void *from)
{
    __v64qu bytes;
    for (int i = 0; i < 64; ++i)
        bytes[i] = mask >> i & 1 ? ((const uint8_t *)from)[i] : 0;
    return (__m512i)bytes;
}

static inline __m512i emulated_ternarylogic_epi64(__m512i a, __m512i b, __m512i c, int table)
{
    __m512i found = a ^ a;
    for (int k = 0; k < 8; ++k) {
        if (table >> k & 1)
            found |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
    }
    return found;
}

#undef _mm512_ternarylogic_epi64
#define _mm512_ternarylogic_epi64 emulated_ternarylogic_epi64
#define _mm512_testn_epi8_mask emulated_testn_epi8_mask
#define _mm512_movepi8_mask emulated_movepi8_mask
#define _mm512_movepi64_mask emulated_movepi64_mask
#define _mm512_reduce_add_epi64 emulated_reduce_add_epi64
#define _mm512_reduce_or_epi64 emulated_reduce_or_epi64
#define _mm512_broadcast_i32x4 emulated_broadcast_i32x4
#define _mm512_mask_set1_epi64 emulated_mask_set1_epi64
#define _mm512_mullo_epi64 emulated_mullo_epi64
#define _mm512_cvtepu8_epi64 emulated_cvtepu8_epi64
#define _mm512_cvtepi32_epi64 emulated_cvtepi32_epi64
#define _mm512_cvtepi64_epi8 emulated_cvtepi64_epi8
#define _mm512_i64gather_epi64 emulated_i64gather_epi64
#define _mm512_maskz_loadu_epi8 emulated_maskz_loadu_epi8
#define _mm512_popcnt_epi64 emulated_popcnt_epi64

#endif
