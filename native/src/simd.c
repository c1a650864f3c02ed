/* Which build of the kernels runs: one choice at load time, atomic so that a test may change it under threads. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "pages.h"
#include "tally.h"
#include "weights.h"

static const char *const names[CX_SIMD_COUNT] = {"scalar", "avx2", "avx512"};

static const struct cx_kernels *const builds[CX_SIMD_COUNT] = {
    &cx_kernels_scalar,
#ifdef CX_BUILD_X86
    &cx_kernels_avx2,
    &cx_kernels_avx512,
#endif
};

static const struct cx_tally_kernels *const tally_builds[CX_SIMD_COUNT] = {
    &cx_tally_kernels_scalar,
#ifdef CX_BUILD_X86
    &cx_tally_kernels_avx2,
    &cx_tally_kernels_avx512,
#endif
};

static cx_chunk_codes_build *const pages_builds[CX_SIMD_COUNT] = {
    cx_chunk_codes_scalar,
#ifdef CX_BUILD_X86
    cx_chunk_codes_avx2,
    cx_chunk_codes_avx512,
#endif
};

static const struct cx_weigh_kernels *const weigh_builds[CX_SIMD_COUNT] = {
    &cx_weigh_kernels_scalar,
#ifdef CX_BUILD_X86
    &cx_weigh_kernels_avx2,
    &cx_weigh_kernels_avx512,
#endif
};

static atomic_int level_in_use = CX_SIMD_SCALAR;

const struct cx_kernels *cx_kernels_in_use(void)
{
    return builds[atomic_load_explicit(&level_in_use, memory_order_relaxed)];
}

const struct cx_tally_kernels *cx_tally_kernels_in_use(void)
{
    return tally_builds[atomic_load_explicit(&level_in_use, memory_order_relaxed)];
}

cx_chunk_codes_build *cx_chunk_codes_in_use(void)
{
    return pages_builds[atomic_load_explicit(&level_in_use, memory_order_relaxed)];
}

const struct cx_weigh_kernels *cx_weigh_kernels_in_use(void)
{
    return weigh_builds[atomic_load_explicit(&level_in_use, memory_order_relaxed)];
}

int cx_simd_level(void)
{
    return atomic_load(&level_in_use);
}

int cx_simd_supported(int level)
{
    if (level == CX_SIMD_SCALAR)
        return 1;
#ifdef CX_BUILD_X86
    __builtin_cpu_init();
    if (level == CX_SIMD_AVX2)
        return __builtin_cpu_supports("avx2") != 0;
    if (level == CX_SIMD_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
    return 0;
}

int cx_simd_set(int level)
{
    if (!cx_simd_supported(level))
        return CX_BAD_ARGUMENT;
    atomic_store(&level_in_use, level);
    return CX_OK;
}

const char *cx_simd_name(int level)
{
    return level >= 0 && level < CX_SIMD_COUNT ? names[level] : NULL;
}

__attribute__((constructor)) static void choose_level(void)
{
    int level = CX_SIMD_COUNT - 1;
    while (cx_simd_set(level) != CX_OK)
        --level;
    const char *wanted = getenv("CXSTREAM_SIMD");
    for (level = 0; wanted != NULL && level < CX_SIMD_COUNT; ++level) {
        if (strcmp(wanted, names[level]) == 0)
            cx_simd_set(level);
    }
}

const char *cx_compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
