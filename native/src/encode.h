/* What the encoders share: plans, the per-level kernel table, and the row-by-row search for a violation. */
#ifndef CXSTREAM_ENCODE_H
#define CXSTREAM_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "cxstream_native.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "cxstream reads little-endian Arrow buffers in place: build it for a little-endian machine."
#endif

/* Rows handled at a time: a block's scratch (at most 10 KiB) stays in the first-level cache. A multiple of 64. */
enum { CX_BLOCK = 1024 };

#define CX_LUT_FORBIDDEN 0xFFFFu

/* An Arrow column: what to read. */
struct cx_column {
    int type;
    const void *values;
    const uint8_t *validity;
    int64_t offset;
    int64_t length;
};

/* A scale as cx_encode_scale was told, with what follows from it once per call. */
struct cx_scale_plan {
    int64_t lo, hi;
    const int64_t *missing;
    int64_t n_missing;
    int code_bytes;
    uint16_t missing_code; /* K */
    uint16_t null_code;    /* K + n_missing */
    /* For integers and bool: the part of the scale that the type can hold. */
    bool nothing_on_scale;
    uint16_t first_code; /* first - lo */
    uint64_t first;      /* its lowest value, as the type's bits */
    uint64_t span;       /* its highest value - first */
};

struct cx_lut_plan {
    const uint16_t *lut;
    int64_t length;
    uint16_t null_code;
    int code_bytes;
};

struct cx_number_plan {
    int64_t num, den; /* the step in lowest terms */
    int64_t lo, hi;
    const int64_t *missing;
    int64_t n_missing;
    int64_t value_limit; /* |v| up to here times den fits 64 bits */
};

/* A dictionary's entries; a row that has none, being null, stands at place n_places. */
struct cx_places_plan {
    int64_t n_places;
    uint8_t *used;         /* to mark, or */
    const int32_t *levels; /* to look up in, */
    int code_bytes;        /* as so many bytes */
};

/* Lists of option codes, as cx_encode_sets was told. */
struct cx_sets_plan {
    int offset_bytes;
    const void *offsets;
    const uint8_t *validity;
    int64_t rows;
    struct cx_lut_plan lut; /* of 2 bytes a code */
    int32_t levels, missing;
};

struct cx_buckets_plan {
    int unit;
    int64_t lowest, highest; /* the years allowed, in units of the values */
    int64_t per_day;
    int64_t null_bucket;
};

/*
 * One SIMD level. All but `number` and `count_bits` return the first row of the first block that holds a violation, or
 * -1 after encoding everything; `number` reports by itself, for a block that leaves its fast path need not be wrong.
 */
struct cx_kernels {
    int64_t (*scale)(const struct cx_column *column, const struct cx_scale_plan *plan, void *codes);
    int64_t (*lut)(const struct cx_column *column, const struct cx_lut_plan *plan, void *codes);
    int (*number)(const struct cx_column *column, const struct cx_number_plan *plan, int64_t *codes,
                  int64_t *bad_row);
    int64_t (*mark)(const struct cx_column *column, const struct cx_places_plan *plan);
    int64_t (*levels)(const struct cx_column *column, const struct cx_places_plan *plan,
                      void *codes);
    int64_t (*buckets)(const struct cx_column *column, const struct cx_buckets_plan *plan,
                       int64_t *buckets);
    int64_t (*time_range)(const struct cx_column *column, const struct cx_buckets_plan *plan,
                          int64_t *lowest, int64_t *highest);
    void (*number_times)(const struct cx_column *column, const struct cx_buckets_plan *plan,
                         int64_t first, int code_bytes, void *codes);
    int64_t (*sets)(const struct cx_column *items, const struct cx_sets_plan *plan, uint8_t *sets);
    int64_t (*count_bits)(const uint8_t *bitmap, int64_t n);
};

extern const struct cx_kernels cx_kernels_scalar;
#ifdef CX_BUILD_X86
extern const struct cx_kernels cx_kernels_avx2;
extern const struct cx_kernels cx_kernels_avx512;
#endif

/* The kernels of the level in use. */
const struct cx_kernels *cx_kernels_in_use(void);

/* The first violation at or after row `start`. */
int cx_scale_find(const struct cx_column *column, const struct cx_scale_plan *plan, int64_t start,
                  int64_t *bad_row);
int cx_lut_find(const struct cx_column *column, const struct cx_lut_plan *plan, int64_t start,
                int64_t *bad_row);

int cx_place_find(const struct cx_column *column, int64_t n_places, int64_t start,
                  int64_t *bad_row);
int cx_bucket_find(const struct cx_column *column, const struct cx_buckets_plan *plan,
                   int64_t start, int64_t *bad_row);

/* Rows start..start + n - 1 encoded with no limit on magnitude, up to the first violation. */
int cx_number_rows(const struct cx_column *column, const struct cx_number_plan *plan, int64_t start,
                   int64_t n, int64_t *codes, int64_t *bad_row);

#endif
