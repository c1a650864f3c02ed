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

typedef union {
    __m512i vector;
    uint8_t bytes[64];
    int8_t signed_bytes[64];
    uint64_t words[8];
    int64_t signed_words[8];
} emulated;

static inline uint64_t emulated_testn_epi8_mask(__m512i a, __m512i b)
{
    const emulated x = {a}, y = {b};
    uint64_t mask = 0;
    for (int i = 0; i < 64; ++i)
        mask |= (uint64_t)((x.bytes[i] & y.bytes[i]) == 0) << i;
    return mask;
}

static inline uint64_t emulated_movepi8_mask(__m512i a)
{
    const emulated x = {a};
    uint64_t mask = 0;
    for (int i = 0; i < 64; ++i)
        mask |= (uint64_t)(x.signed_bytes[i] < 0) << i;
    return mask;
}

static inline __mmask8 emulated_movepi64_mask(__m512i a)
{
    const emulated x = {a};
    unsigned mask = 0;
    for (int i = 0; i < 8; ++i)
        mask |= (unsigned)(x.signed_words[i] < 0) << i;
    return (__mmask8)mask;
}

static inline int64_t emulated_reduce_add_epi64(__m512i a)
{
    const emulated x = {a};
    uint64_t sum = 0;
    for (int i = 0; i < 8; ++i)
        sum += x.words[i];
    return (int64_t)sum;
}

static inline int64_t emulated_reduce_or_epi64(__m512i a)
{
    const emulated x = {a};
    uint64_t any = 0;
    for (int i = 0; i < 8; ++i)
        any |= x.words[i];
    return (int64_t)any;
}

static inline __m512i emulated_broadcast_i32x4(__m128i a)
{
    emulated x;
    for (int i = 0; i < 4; ++i)
        memcpy(x.bytes + 16 * i, &a, sizeof a);
    return x.vector;
}

static inline __m512i emulated_mask_set1_epi64(__m512i a, __mmask8 mask, long long value)
{
    emulated x = {a};
    for (int i = 0; i < 8; ++i)
        x.signed_words[i] = mask >> i & 1 ? value : x.signed_words[i];
    return x.vector;
}

static inline __m512i emulated_mullo_epi64(__m512i a, __m512i b)
{
    emulated x = {a};
    const emulated y = {b};
    for (int i = 0; i < 8; ++i)
        x.words[i] *= y.words[i];
    return x.vector;
}

static inline __m512i emulated_cvtepu8_epi64(__m128i a)
{
    uint8_t from[16];
    emulated x;
    memcpy(from, &a, sizeof a);
    for (int i = 0; i < 8; ++i)
        x.words[i] = from[i];
    return x.vector;
}

static inline __m512i emulated_cvtepi32_epi64(__m256i a)
{
    int32_t from[8];
    emulated x;
    memcpy(from, &a, sizeof a);
    for (int i = 0; i < 8; ++i)
        x.signed_words[i] = from[i];
    return x.vector;
}

static inline __m128i emulated_cvtepi64_epi8(__m512i a)
{
    const emulated x = {a};
    uint8_t bytes[16] = {0};
    for (int i = 0; i < 8; ++i)
        bytes[i] = (uint8_t)x.words[i];
    __m128i found;
    memcpy(&found, bytes, sizeof found);
    return found;
}

static inline __m512i emulated_i64gather_epi64(__m512i at, const void *from, int scale)
{
    emulated x = {at};
    for (int i = 0; i < 8; ++i)
        memcpy(&x.words[i], (const char *)from + x.signed_words[i] * scale, sizeof x.words[i]);
    return x.vector;
}

static inline __m512i emulated_maskz_loadu_epi8(uint64_t mask, const void *from)
{
    emulated x;
    for (int i = 0; i < 64; ++i)
        x.bytes[i] = mask >> i & 1 ? ((const uint8_t *)from)[i] : 0;
    return x.vector;
}

static inline __m512i emulated_popcnt_epi64(__m512i a)
{
    emulated x = {a};
    for (int i = 0; i < 8; ++i)
        x.words[i] = (uint64_t)__builtin_popcountll(x.words[i]);
    return x.vector;
}

static inline __m512i emulated_ternarylogic_epi64(__m512i a, __m512i b, __m512i c, int table)
{
    emulated x = {a};
    const emulated y = {b}, z = {c};
    for (int i = 0; i < 8; ++i) {
        uint64_t found = 0;
        for (int k = 0; k < 8; ++k) {
            const uint64_t of_a = k & 4 ? x.words[i] : ~x.words[i];
            const uint64_t of_b = k & 2 ? y.words[i] : ~y.words[i];
            const uint64_t of_c = k & 1 ? z.words[i] : ~z.words[i];
            found |= table >> k & 1 ? of_a & of_b & of_c : 0;
        }
        x.words[i] = found;
    }
    return x.vector;
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
