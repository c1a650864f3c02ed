/*
 * cxstream native kernels: Apache Arrow buffers to integer codes.
 *
 * Rules every function keeps:
 *   - It allocates nothing and keeps nothing: the caller owns every buffer.
 *   - It reports the first violation as a status and a row; it never prints, aborts or sets errno.
 *   - What it reads is bounded by the Arrow layout: `(offset + length)` values and
 *     `ceil((offset + length) / 8)` bytes of a bitmap, not a byte more.
 *   - A null slot's value is never looked at: it may be NaN, out of scale, or an index outside the table.
 *   - Its result is the same at every SIMD level, bit for bit.
 *
 * Common parameters:
 *   values       the Arrow data buffer, at any alignment; may be NULL when length is 0
 *   validity     the Arrow validity bitmap (least significant bit first), or NULL when nothing is null
 *   offset       rows to skip at the front of both buffers (the Arrow array's offset)
 *   length       rows to encode
 *   bad_row_out  set to the first violating row, counted from 0 at `offset`; -1 when there is none
 * After a violation the content of the output is unspecified.
 */
#ifndef CXSTREAM_NATIVE_H
#define CXSTREAM_NATIVE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The element type of an Arrow data buffer. CX_BOOL is a bitmap; the others are little-endian arrays. */
enum cx_type {
    CX_BOOL = 0,
    CX_INT8 = 1,
    CX_INT16 = 2,
    CX_INT32 = 3,
    CX_INT64 = 4,
    CX_UINT8 = 5,
    CX_UINT16 = 6,
    CX_UINT32 = 7,
    CX_UINT64 = 8,
    CX_FLOAT32 = 9,
    CX_FLOAT64 = 10,
    CX_TYPE_COUNT = 11
};

/* What a call found. Every value but CX_OK and CX_BAD_ARGUMENT comes with a row. */
enum cx_status {
    CX_OK = 0,
    CX_OUT_OF_SCALE = 1, /* a number, label or time that the declaration does not allow */
    CX_FRACTION = 2, /* a float that is not a whole number, where only whole numbers are allowed */
    CX_NOT_FINITE = 3,  /* NaN or an infinity in a slot that is not null */
    CX_OFF_STEP = 4,    /* a number that is not a multiple of the declared step */
    CX_BAD_INDEX = 5,   /* a dictionary index outside the dictionary */
    CX_BAD_ARGUMENT = 6 /* the call itself is wrong: no code was written */
};

/* What time is cut into: hours, days, weeks from Monday, and the calendar's months, quarters and years. */
enum cx_unit {
    CX_HOUR = 0,
    CX_DAY = 1,
    CX_WEEK = 2,
    CX_MONTH = 3,
    CX_QUARTER = 4,
    CX_YEAR = 5,
    CX_UNIT_COUNT = 6
};

/* The instruction sets the kernels are built for. Elsewhere than on x86-64 only CX_SIMD_SCALAR exists. */
enum cx_simd { CX_SIMD_SCALAR = 0, CX_SIMD_AVX2 = 1, CX_SIMD_AVX512 = 2, CX_SIMD_COUNT = 3 };

/*
 * Encode answers on an integer scale lo..hi as codes of one or two bytes.
 *
 * With K = hi - lo + 1: a value v of the scale becomes v - lo; a value equal to missing[i] becomes K + i (the first
 * such i, and missing wins where it lies on the scale); a null becomes K + n_missing.
 *
 *   type        any cx_type
 *   lo, hi      the scale, lo <= hi, both within -2^53..2^53
 *   missing     n_missing declared codes; one that `type` cannot hold matches nothing
 *   code_bytes  1 when K + n_missing + 1 <= 256, else 2, which reaches to 65536
 *   codes_out   length codes of code_bytes each
 *
 * Returns CX_OK, CX_OUT_OF_SCALE, CX_FRACTION (also for a fraction beyond the scale), CX_NOT_FINITE or
 * CX_BAD_ARGUMENT.
 */
int cx_encode_scale(int type, const void *values, const uint8_t *validity, int64_t offset,
                    int64_t length, int64_t lo, int64_t hi, const int64_t *missing,
                    int64_t n_missing, int code_bytes, void *codes_out, int64_t *bad_row_out);

/*
 * Encode dictionary indices by a table: index i becomes lut[i], a null becomes null_code.
 *
 *   index_type  any integer cx_type
 *   lut         lut_length codes, at most 2^31 - 1; 0xFFFF marks a label that is not allowed
 *   null_code   0..255 when code_bytes is 1, else 0..65535
 *   code_bytes  1 (every allowed entry of lut <= 255) or 2
 *   codes_out   length codes of code_bytes each
 *
 * Returns CX_OK, CX_OUT_OF_SCALE (the entry is 0xFFFF), CX_BAD_INDEX (negative, or >= lut_length) or CX_BAD_ARGUMENT.
 */
int cx_encode_lut(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                  int64_t length, const uint16_t *lut, int64_t lut_length, int64_t null_code,
                  int code_bytes, void *codes_out, int64_t *bad_row_out);

/*
 * Encode numbers with a declared step (step_num / step_den, e.g. 1 / 100) as a count of steps from the low end.
 *
 * A value v is k = v * step_den / step_num steps. An integer v must give a whole k. A float is taken as
 * q = v * step_den / step_num in float64, k = rint(q), and must satisfy |q - k| <= max(1e-9, |q| * 2^-50); for a
 * float32 column |q| * 2^-23, because 12.34 as a float32 is already 2e-7 away from 12.34.
 * Then: k == missing_steps[i] becomes -2 - i (the first such i); else lo_steps <= k <= hi_steps becomes k - lo_steps;
 * a null becomes -1.
 *
 *   type                any cx_type but CX_BOOL
 *   step_num, step_den  1..2^53
 *   lo_steps, hi_steps  the range in steps, lo_steps <= hi_steps and hi_steps - lo_steps <= INT64_MAX
 *   codes_out           length codes
 *
 * Returns CX_OK, CX_OUT_OF_SCALE, CX_OFF_STEP, CX_NOT_FINITE or CX_BAD_ARGUMENT.
 */
int cx_encode_number(int type, const void *values, const uint8_t *validity, int64_t offset,
                     int64_t length, int64_t step_num, int64_t step_den, int64_t lo_steps,
                     int64_t hi_steps, const int64_t *missing_steps, int64_t n_missing,
                     int64_t *codes_out, int64_t *bad_row_out);

/*
 * Mark the dictionary entries that some row has: used_out[i] becomes 1 for each index i, 0 for all others.
 *
 *   index_type  any integer cx_type
 *   n_places    entries of the dictionary, at most 2^31 - 2
 *   used_out    n_places + 1 bytes; the last one is 1 when a row is null
 *
 * Returns CX_OK, CX_BAD_INDEX (negative, or >= n_places) or CX_BAD_ARGUMENT.
 */
int cx_mark_places(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                   int64_t length, int64_t n_places, uint8_t *used_out, int64_t *bad_row_out);

/*
 * Encode dictionary indices by a table of levels: index i becomes levels[i], a null becomes levels[n_places].
 *
 *   index_type  any integer cx_type
 *   levels      n_places + 1 codes, n_places at most 2^31 - 2
 *   codes_out   length codes
 *
 * Returns CX_OK, CX_BAD_INDEX (negative, or >= n_places) or CX_BAD_ARGUMENT.
 */
int cx_encode_levels(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                     int64_t length, const int32_t *levels, int64_t n_places, int32_t *codes_out,
                     int64_t *bad_row_out);

/*
 * Encode instants as the buckets of `unit` since the one that holds 1970-01-01; bucket 0 of CX_WEEK is the week from
 * 1969-12-29. Instants between two ticks of a bucket belong to the earlier one, before 1970 too.
 *
 *   type         CX_INT32 or CX_INT64
 *   per_day      how many units of the values make a day: 1 for days; otherwise a multiple of 24, at most 86400 * 10^9
 *   unit         one of enum cx_unit
 *   null_bucket  what a null becomes
 *   buckets_out  length buckets
 *
 * Returns CX_OK, CX_OUT_OF_SCALE (not within the years 1100 to 2899) or CX_BAD_ARGUMENT.
 */
int cx_encode_buckets(int type, const void *values, const uint8_t *validity, int64_t offset,
                      int64_t length, int64_t per_day, int unit, int64_t null_bucket,
                      int64_t *buckets_out, int64_t *bad_row_out);

/*
 * The level in use, one of enum cx_simd. Chosen once when the library is loaded: the highest this processor supports,
 * or what CXSTREAM_SIMD=scalar|avx2|avx512 names if that is supported here.
 */
int cx_simd_level(void);

/* 1 when this build and this processor can run `level`, else 0. */
int cx_simd_supported(int level);

/*
 * Use `level` from the next call on; for tests and benchmarks. Returns CX_OK, or CX_BAD_ARGUMENT when it is not
 * supported here. Calls running at the same time finish at the level they began with.
 */
int cx_simd_set(int level);

/* The name of a level ("scalar", "avx2", "avx512"), or NULL when there is no such level. A static string. */
const char *cx_simd_name(int level);

/* The compiler that built the kernels, e.g. "gcc 12.2.0". A static string. */
const char *cx_compiler(void);

#ifdef __cplusplus
}
#endif

#endif
