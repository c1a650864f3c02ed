/* The public encoders: check the call, derive the plan, run the kernel of the level in use, name the first violation. */
#include "encode.h"

#include <stddef.h>
#include <string.h>

static const int64_t exact_in_float64 = (int64_t)1 << 53;

static bool column_is_sound(const struct cx_column *column, const void *codes,
                            const int64_t *bad_row)
{
    if (column->type < 0 || column->type >= CX_TYPE_COUNT || bad_row == NULL)
        return false;
    if (column->offset < 0 || column->length < 0 || column->offset > INT64_MAX - column->length)
        return false;
    return column->length == 0 || (column->values != NULL && codes != NULL);
}

/* The lowest and highest value of an integer type or bool. */
static void type_range(int type, __int128 *lowest, __int128 *highest)
{
    static const unsigned char bits[CX_TYPE_COUNT] = {1, 8, 16, 32, 64, 8, 16, 32, 64, 0, 0};
    const bool is_signed = type >= CX_INT8 && type <= CX_INT64;
    *lowest = is_signed ? -((__int128)1 << (bits[type] - 1)) : 0;
    *highest = ((__int128)1 << (is_signed ? bits[type] - 1 : bits[type])) - 1;
}

int cx_encode_scale(int type, const void *values, const uint8_t *validity, int64_t offset,
                    int64_t length, int64_t lo, int64_t hi, const int64_t *missing,
                    int64_t n_missing, int code_bytes, void *codes_out, int64_t *bad_row_out)
{
    const struct cx_column column = {type, values, validity, offset, length};
    if (!column_is_sound(&column, codes_out, bad_row_out))
        return CX_BAD_ARGUMENT;
    *bad_row_out = -1;
    if (lo > hi || lo < -exact_in_float64 || hi > exact_in_float64)
        return CX_BAD_ARGUMENT;
    if (n_missing < 0 || n_missing > UINT16_MAX || (n_missing > 0 && missing == NULL))
        return CX_BAD_ARGUMENT;
    const int64_t answers = hi - lo + 1;
    const int64_t codes = answers + n_missing + 1;
    if (!(code_bytes == 1 && codes <= 256) && !(code_bytes == 2 && codes <= 65536))
        return CX_BAD_ARGUMENT;

    struct cx_scale_plan plan = {
        .lo = lo,
        .hi = hi,
        .missing = missing,
        .n_missing = n_missing,
        .code_bytes = code_bytes,
        .missing_code = (uint16_t)answers,
        .null_code = (uint16_t)(answers + n_missing),
    };
    if (type != CX_FLOAT32 && type != CX_FLOAT64) {
        __int128 lowest, highest;
        type_range(type, &lowest, &highest);
        const __int128 first = lo > lowest ? lo : lowest;
        const __int128 last = hi < highest ? hi : highest;
        plan.nothing_on_scale = first > last;
        if (!plan.nothing_on_scale) {
            plan.first = (uint64_t)first;
            plan.span = (uint64_t)(last - first);
            plan.first_code = (uint16_t)(first - lo);
        }
    }
    const int64_t start = cx_kernels_in_use()->scale(&column, &plan, codes_out);
    return start < 0 ? CX_OK : cx_scale_find(&column, &plan, start, bad_row_out);
}

int cx_encode_scales(const struct cx_scale_job *jobs, int64_t n_jobs, int64_t length,
                     int64_t *bad_job_out, int64_t *bad_row_out)
{
    if (bad_job_out == NULL || n_jobs < 0 || (n_jobs > 0 && jobs == NULL))
        return CX_BAD_ARGUMENT;
    for (int64_t i = 0; i < n_jobs; ++i) {
        const struct cx_scale_job *one = jobs + i;
        const int status = cx_encode_scale(one->type, one->values, one->validity, one->offset,
                                           length, one->lo, one->hi, one->missing, one->n_missing,
                                           one->code_bytes, one->codes_out, bad_row_out);
        if (status != CX_OK) {
            *bad_job_out = i;
            return status;
        }
    }
    *bad_job_out = -1;
    return CX_OK;
}

int cx_encode_lut(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                  int64_t length, const uint16_t *lut, int64_t lut_length, int64_t null_code,
                  int code_bytes, void *codes_out, int64_t *bad_row_out)
{
    const struct cx_column column = {index_type, indices, validity, offset, length};
    if (!column_is_sound(&column, codes_out, bad_row_out))
        return CX_BAD_ARGUMENT;
    *bad_row_out = -1;
    if (index_type < CX_INT8 || index_type > CX_UINT64)
        return CX_BAD_ARGUMENT;
    if (lut_length < 0 || lut_length > INT32_MAX || (lut_length > 0 && lut == NULL))
        return CX_BAD_ARGUMENT;
    if (code_bytes != 1 && code_bytes != 2)
        return CX_BAD_ARGUMENT;
    const int64_t highest_code = code_bytes == 1 ? UINT8_MAX : UINT16_MAX;
    if (null_code < 0 || null_code > highest_code)
        return CX_BAD_ARGUMENT;
    bool too_large = false;
    for (int64_t i = 0; i < lut_length; ++i)
        too_large |= (lut[i] > highest_code) & (lut[i] != CX_LUT_FORBIDDEN);
    if (too_large)
        return CX_BAD_ARGUMENT;

    const struct cx_lut_plan plan = {lut, lut_length, (uint16_t)null_code, code_bytes};
    const int64_t start = cx_kernels_in_use()->lut(&column, &plan, codes_out);
    return start < 0 ? CX_OK : cx_lut_find(&column, &plan, start, bad_row_out);
}

int cx_encode_sets(int item_type, const void *items, const uint8_t *items_validity,
                   int offset_bytes, const void *offsets, const uint8_t *validity, int64_t rows,
                   const uint16_t *lut, int64_t lut_length, int32_t levels, int32_t missing,
                   uint8_t *sets_out)
{
    if (item_type < CX_INT8 || item_type > CX_UINT64 || rows < 0 || offsets == NULL ||
        sets_out == NULL || (offset_bytes != 4 && offset_bytes != 8))
        return CX_BAD_ARGUMENT;
    if (levels < 1 || missing < 0 || levels + missing >= (int32_t)CX_LUT_FORBIDDEN)
        return CX_BAD_ARGUMENT;
    if (lut_length < 1 || lut_length > INT32_MAX || lut == NULL)
        return CX_BAD_ARGUMENT;
    for (int64_t i = 0; i < lut_length; ++i) {
        if (lut[i] > levels + missing && lut[i] != CX_LUT_FORBIDDEN)
            return CX_BAD_ARGUMENT;
    }
    const struct cx_column column = {item_type, items, items_validity, 0, 0};
    const struct cx_sets_plan plan = {
        .offset_bytes = offset_bytes,
        .offsets = offsets,
        .validity = validity,
        .rows = rows,
        .lut = {lut, lut_length, (uint16_t)(levels + missing), 2},
        .levels = levels,
        .missing = missing,
    };
    return cx_kernels_in_use()->sets(&column, &plan, sets_out) < 0 ? CX_OK : CX_OUT_OF_SCALE;
}

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int cx_encode_number(int type, const void *values, const uint8_t *validity, int64_t offset,
                     int64_t length, int64_t step_num, int64_t step_den, int64_t lo_steps,
                     int64_t hi_steps, const int64_t *missing_steps, int64_t n_missing,
                     int64_t *codes_out, int64_t *bad_row_out)
{
    const struct cx_column column = {type, values, validity, offset, length};
    if (!column_is_sound(&column, codes_out, bad_row_out))
        return CX_BAD_ARGUMENT;
    *bad_row_out = -1;
    if (type == CX_BOOL || step_num < 1 || step_den < 1)
        return CX_BAD_ARGUMENT;
    if (step_num > exact_in_float64 || step_den > exact_in_float64)
        return CX_BAD_ARGUMENT;
    if (lo_steps > hi_steps || (__int128)hi_steps - lo_steps > INT64_MAX)
        return CX_BAD_ARGUMENT;
    if (n_missing < 0 || (n_missing > 0 && missing_steps == NULL))
        return CX_BAD_ARGUMENT;

    const int64_t divisor = greatest_common_divisor(step_num, step_den);
    const struct cx_number_plan plan = {
        .num = step_num / divisor,
        .den = step_den / divisor,
        .lo = lo_steps,
        .hi = hi_steps,
        .missing = missing_steps,
        .n_missing = n_missing,
        .value_limit = INT64_MAX / (step_den / divisor),
    };
    return cx_kernels_in_use()->number(&column, &plan, codes_out, bad_row_out);
}

static bool places_are_sound(const struct cx_column *column, int64_t n_places, const void *table)
{
    if (column->type < CX_INT8 || column->type > CX_UINT64)
        return false;
    return n_places >= 0 && n_places < INT32_MAX && table != NULL;
}

int cx_mark_places(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                   int64_t length, int64_t n_places, uint8_t *used_out, int64_t *bad_row_out)
{
    const struct cx_column column = {index_type, indices, validity, offset, length};
    if (!column_is_sound(&column, used_out, bad_row_out))
        return CX_BAD_ARGUMENT;
    *bad_row_out = -1;
    if (!places_are_sound(&column, n_places, used_out))
        return CX_BAD_ARGUMENT;
    memset(used_out, 0, (size_t)n_places + 1);
    const struct cx_places_plan plan = {n_places, used_out, NULL, 0};
    const int64_t start = cx_kernels_in_use()->mark(&column, &plan);
    return start < 0 ? CX_OK : cx_place_find(&column, n_places, start, bad_row_out);
}

int cx_encode_levels(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                     int64_t length, const int32_t *levels, int64_t n_places, int code_bytes,
                     void *codes_out, int64_t *bad_row_out)
{
    const struct cx_column column = {index_type, indices, validity, offset, length};
    if (!column_is_sound(&column, codes_out, bad_row_out))
        return CX_BAD_ARGUMENT;
    *bad_row_out = -1;
    if (!places_are_sound(&column, n_places, levels))
        return CX_BAD_ARGUMENT;
    if (code_bytes != 1 && code_bytes != 2 && code_bytes != 4)
        return CX_BAD_ARGUMENT;
    const struct cx_places_plan plan = {n_places, NULL, levels, code_bytes};
    const int64_t start = cx_kernels_in_use()->levels(&column, &plan, codes_out);
    return start < 0 ? CX_OK : cx_place_find(&column, n_places, start, bad_row_out);
}

/* What follows from a column of instants; CX_BAD_ARGUMENT for a type, unit or resolution that is not known. */
static int buckets_plan(const struct cx_column *column, int64_t per_day, int unit,
                        struct cx_buckets_plan *plan)
{
    /* 1100-01-01 and 2900-01-01. */
    static const int64_t first_day = -317761, end_day = 339676;
    static const int64_t nanoseconds = 86400 * (int64_t)1000000000;
    if ((column->type != CX_INT32 && column->type != CX_INT64) || unit < 0 || unit >= CX_UNIT_COUNT)
        return CX_BAD_ARGUMENT;
    if (per_day != 1 && (per_day < 24 || per_day % 24 != 0 || per_day > nanoseconds))
        return CX_BAD_ARGUMENT;
    const __int128 lowest = (__int128)first_day * per_day;
    const __int128 highest = (__int128)end_day * per_day - 1;
    *plan = (struct cx_buckets_plan){
        .unit = unit,
        .lowest = lowest < INT64_MIN ? INT64_MIN : (int64_t)lowest,
        .highest = highest > INT64_MAX ? INT64_MAX : (int64_t)highest,
        .per_day = per_day,
    };
    return CX_OK;
}

int cx_encode_buckets(int type, const void *values, const uint8_t *validity, int64_t offset,
                      int64_t length, int64_t per_day, int unit, int64_t null_bucket,
                      int64_t *buckets_out, int64_t *bad_row_out)
{
    const struct cx_column column = {type, values, validity, offset, length};
    struct cx_buckets_plan plan;
    if (!column_is_sound(&column, buckets_out, bad_row_out))
        return CX_BAD_ARGUMENT;
    *bad_row_out = -1;
    if (buckets_plan(&column, per_day, unit, &plan) != CX_OK)
        return CX_BAD_ARGUMENT;
    plan.null_bucket = null_bucket;
    const int64_t start = cx_kernels_in_use()->buckets(&column, &plan, buckets_out);
    return start < 0 ? CX_OK : cx_bucket_find(&column, &plan, start, bad_row_out);
}

int cx_time_range(int type, const void *values, const uint8_t *validity, int64_t offset,
                  int64_t length, int64_t per_day, int64_t *lowest_out, int64_t *highest_out,
                  int64_t *bad_row_out)
{
    const struct cx_column column = {type, values, validity, offset, length};
    struct cx_buckets_plan plan;
    if (!column_is_sound(&column, lowest_out, bad_row_out) || highest_out == NULL)
        return CX_BAD_ARGUMENT;
    *bad_row_out = -1;
    if (lowest_out == NULL || buckets_plan(&column, per_day, CX_DAY, &plan) != CX_OK)
        return CX_BAD_ARGUMENT;
    const int64_t start = cx_kernels_in_use()->time_range(&column, &plan, lowest_out, highest_out);
    return start < 0 ? CX_OK : cx_bucket_find(&column, &plan, start, bad_row_out);
}

int cx_number_times(int type, const void *values, const uint8_t *validity, int64_t offset,
                    int64_t length, int64_t per_day, int unit, int64_t first, int code_bytes,
                    void *codes_out)
{
    const struct cx_column column = {type, values, validity, offset, length};
    struct cx_buckets_plan plan;
    if (!column_is_sound(&column, codes_out, &first))
        return CX_BAD_ARGUMENT;
    if (buckets_plan(&column, per_day, unit, &plan) != CX_OK)
        return CX_BAD_ARGUMENT;
    if (code_bytes != 1 && code_bytes != 2 && code_bytes != 4)
        return CX_BAD_ARGUMENT;
    cx_kernels_in_use()->number_times(&column, &plan, first, code_bytes, codes_out);
    return CX_OK;
}
