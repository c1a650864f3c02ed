/* The encoders one row at a time: written to be plainly right, run only on a block that the fast path flagged. */
#include <math.h>
#include <string.h>

#include "encode.h"

/* One value: a whole number of any type, or a float. */
struct value {
    bool is_float;
    __int128 whole;
    double real;
};

static bool is_null(const struct cx_column *column, int64_t row)
{
    const int64_t bit = column->offset + row;
    return column->validity != NULL && ((column->validity[bit >> 3] >> (bit & 7)) & 1) == 0;
}

#define CX_READ(TAG, TYPE, FIELD)                                            \
    case TAG: {                                                              \
        TYPE stored;                                                         \
        memcpy(&stored, bytes + at * (int64_t)sizeof stored, sizeof stored); \
        value.FIELD = stored;                                                \
        break;                                                               \
    }

static struct value read_value(const struct cx_column *column, int64_t row)
{
    const int64_t at = column->offset + row;
    const uint8_t *bytes = column->values;
    const bool is_float = column->type == CX_FLOAT32 || column->type == CX_FLOAT64;
    struct value value = {is_float, 0, 0.0};
    switch (column->type) {
    case CX_BOOL:
        value.whole = (bytes[at >> 3] >> (at & 7)) & 1;
        break;
        CX_READ(CX_INT8, int8_t, whole)
        CX_READ(CX_INT16, int16_t, whole)
        CX_READ(CX_INT32, int32_t, whole)
        CX_READ(CX_INT64, int64_t, whole)
        CX_READ(CX_UINT8, uint8_t, whole)
        CX_READ(CX_UINT16, uint16_t, whole)
        CX_READ(CX_UINT32, uint32_t, whole)
        CX_READ(CX_UINT64, uint64_t, whole)
        CX_READ(CX_FLOAT32, float, real)
        CX_READ(CX_FLOAT64, double, real)
    default:
        break;
    }
    return value;
}

/* CX_OK and value->whole set when the value is a whole number that an __int128 holds. */
static int make_whole(struct value *value)
{
    if (!value->is_float)
        return CX_OK;
    if (!isfinite(value->real))
        return CX_NOT_FINITE;
    if (rint(value->real) != value->real)
        return CX_FRACTION;
    if (fabs(value->real) >= 0x1p100)
        return CX_OUT_OF_SCALE;
    value->whole = (__int128)value->real;
    return CX_OK;
}

/* The first j with missing[j] == whole, or n_missing. */
static int64_t declared_missing(const int64_t *missing, int64_t n_missing, __int128 whole)
{
    int64_t j = 0;
    while (j < n_missing && missing[j] != whole)
        ++j;
    return j;
}

int cx_scale_find(const struct cx_column *column, const struct cx_scale_plan *plan, int64_t start,
                  int64_t *bad_row)
{
    for (int64_t row = start; row < column->length; ++row) {
        if (is_null(column, row))
            continue;
        struct value value = read_value(column, row);
        int status = make_whole(&value);
        if (status == CX_OK && (value.whole < plan->lo || value.whole > plan->hi) &&
            declared_missing(plan->missing, plan->n_missing, value.whole) == plan->n_missing)
            status = CX_OUT_OF_SCALE;
        if (status != CX_OK) {
            *bad_row = row;
            return status;
        }
    }
    return CX_OK;
}

int cx_lut_find(const struct cx_column *column, const struct cx_lut_plan *plan, int64_t start,
                int64_t *bad_row)
{
    for (int64_t row = start; row < column->length; ++row) {
        if (is_null(column, row))
            continue;
        const __int128 index = read_value(column, row).whole;
        int status = CX_OK;
        if (index < 0 || index >= plan->length)
            status = CX_BAD_INDEX;
        else if (plan->lut[index] == CX_LUT_FORBIDDEN)
            status = CX_OUT_OF_SCALE;
        if (status != CX_OK) {
            *bad_row = row;
            return status;
        }
    }
    return CX_OK;
}

int cx_place_find(const struct cx_column *column, int64_t n_places, int64_t start, int64_t *bad_row)
{
    for (int64_t row = start; row < column->length; ++row) {
        if (is_null(column, row))
            continue;
        const __int128 index = read_value(column, row).whole;
        if (index < 0 || index >= n_places) {
            *bad_row = row;
            return CX_BAD_INDEX;
        }
    }
    return CX_OK;
}

int cx_bucket_find(const struct cx_column *column, const struct cx_buckets_plan *plan,
                   int64_t start, int64_t *bad_row)
{
    for (int64_t row = start; row < column->length; ++row) {
        if (is_null(column, row))
            continue;
        const __int128 value = read_value(column, row).whole;
        if (value < plan->lowest || value > plan->highest) {
            *bad_row = row;
            return CX_OUT_OF_SCALE;
        }
    }
    return CX_OK;
}

/* How many steps a value is; the step is in lowest terms. */
static int count_steps(const struct cx_column *column, const struct cx_number_plan *plan,
                       int64_t row, __int128 *steps)
{
    const struct value value = read_value(column, row);
    if (!value.is_float) {
        *steps = value.whole / plan->num * plan->den;
        return value.whole % plan->num == 0 ? CX_OK : CX_OFF_STEP;
    }
    if (!isfinite(value.real))
        return CX_NOT_FINITE;
    const double q = value.real * (double)plan->den / (double)plan->num;
    /* No range in 64-bit steps reaches so far, and the product may have overflowed to infinity. */
    if (fabs(q) >= 0x1p100)
        return CX_OUT_OF_SCALE;
    const double precision = column->type == CX_FLOAT32 ? 0x1p-23 : 0x1p-50;
    *steps = (__int128)rint(q);
    return fabs(q - rint(q)) <= fmax(1e-9, fabs(q) * precision) ? CX_OK : CX_OFF_STEP;
}

int cx_number_rows(const struct cx_column *column, const struct cx_number_plan *plan, int64_t start,
                   int64_t n, int64_t *codes, int64_t *bad_row)
{
    for (int64_t row = start; row < start + n; ++row) {
        if (is_null(column, row)) {
            codes[row] = -1;
            continue;
        }
        __int128 steps;
        int status = count_steps(column, plan, row, &steps);
        if (status == CX_OK) {
            const int64_t j = declared_missing(plan->missing, plan->n_missing, steps);
            if (j < plan->n_missing)
                codes[row] = -2 - j;
            else if (steps >= plan->lo && steps <= plan->hi)
                codes[row] = (int64_t)(steps - plan->lo);
            else
                status = CX_OUT_OF_SCALE;
        }
        if (status != CX_OK) {
            *bad_row = row;
            return status;
        }
    }
    return CX_OK;
}
