/*
 * The encoders against a row-by-row oracle written here from the header's words, at every SIMD level this processor has.
 * Built with the address and undefined-behaviour sanitizers (see Makefile); every buffer is allocated to the byte, so
 * that reading one byte past a bitmap or writing one code too many stops the run.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cxstream_native.h"

static const char *const type_names[CX_TYPE_COUNT] = {
    "bool",   "int8",   "int16",  "int32",   "int64",   "uint8",
    "uint16", "uint32", "uint64", "float32", "float64",
};
static const int type_bytes[CX_TYPE_COUNT] = {0, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8};
static const int64_t lengths[] = {0, 1, 7, 8, 9, 63, 64, 65, 1000, 5000};
enum { LENGTHS = sizeof lengths / sizeof lengths[0], OFFSETS = 10 };

static void *exactly(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL && bytes > 0)
        abort();
    return memory;
}

/* ---- Arrow columns of the exact size ---- */

struct column {
    int type;
    int64_t offset, length;
    void *values;
    uint8_t *validity;
};

static int64_t bitmap_bytes(int64_t bits)
{
    return (bits + 7) / 8;
}

static struct column make_column(int type, int64_t offset, int64_t length, bool nullable)
{
    const int64_t total = offset + length;
    const size_t bytes = (size_t)(type == CX_BOOL ? bitmap_bytes(total) : total * type_bytes[type]);
    struct column column = {type, offset, length, exactly(bytes), NULL};
    memset(column.values, 0xA5, bytes);
    if (nullable) {
        column.validity = exactly((size_t)bitmap_bytes(total));
        for (int64_t i = 0; i < bitmap_bytes(total); ++i)
            column.validity[i] = (uint8_t)(random_below(4) == 0 ? 0xFF : random_below(256));
    }
    return column;
}

static void free_column(struct column *column)
{
    free(column->values);
    free(column->validity);
}

static bool row_is_null(const struct column *column, int64_t row)
{
    const int64_t at = column->offset + row;
    return column->validity != NULL && !(column->validity[at / 8] & (1 << (at % 8)));
}

static void make_valid(struct column *column, int64_t row)
{
    const int64_t at = column->offset + row;
    if (column->validity != NULL)
        column->validity[at / 8] = (uint8_t)(column->validity[at / 8] | (1 << (at % 8)));
}

/* Stores a whole number; the caller keeps it within the type. */
static void put(struct column *column, int64_t row, int64_t v)
{
    const int64_t at = column->offset + row;
    char *bytes = column->values;
    const float f = (float)v;
    const double d = (double)v;
    if (column->type == CX_BOOL) {
        const int bit = 1 << (at % 8);
        bytes[at / 8] = (char)(v ? bytes[at / 8] | bit : bytes[at / 8] & ~bit);
    } else if (column->type == CX_FLOAT32)
        memcpy(bytes + at * 4, &f, 4);
    else if (column->type == CX_FLOAT64)
        memcpy(bytes + at * 8, &d, 8);
    else
        memcpy(bytes + at * type_bytes[column->type], &v, (size_t)type_bytes[column->type]);
}

static void put_float(struct column *column, int64_t row, double v)
{
    const int64_t at = column->offset + row;
    const float f = (float)v;
    if (column->type == CX_FLOAT32)
        memcpy((char *)column->values + at * 4, &f, 4);
    else
        memcpy((char *)column->values + at * 8, &v, 8);
}

static bool is_float(int type)
{
    return type == CX_FLOAT32 || type == CX_FLOAT64;
}

static void lowest_and_highest(int type, int64_t *lowest, int64_t *highest)
{
    *lowest = type >= CX_INT8 && type <= CX_INT64
                  ? (int64_t)(-1LL * (1LL << (8 * type_bytes[type] - 2)) * 2)
                  : 0;
    if (type == CX_BOOL)
        *highest = 1;
    else if (type >= CX_INT8 && type <= CX_INT64)
        *highest = -(*lowest + 1);
    else if (type == CX_UINT64 || is_float(type))
        *highest = type == CX_UINT64 ? INT64_MAX : 1 << 24;
    else
        *highest = (int64_t)((1ULL << (8 * type_bytes[type])) - 1);
    if (is_float(type))
        *lowest = -(1 << 24);
}

/* ---- Scales ---- */

struct scale {
    int64_t lo, hi;
    int64_t missing[3];
    int64_t n_missing;
};

static const struct scale scales[] = {
    {0, 1, {0}, 0},
    {1, 5, {0, 6, 0}, 3},
    {0, 10, {-1, 99, 127}, 3},
    {-3, 3, {3, 9, 0}, 2},
    {0, 253, {254, 0, 0}, 1},
    {0, 254, {0}, 0},
    {0, 300, {-9, 0, 0}, 1},
    {-40000, -30000, {7, 0, 0}, 1},
    {100000, 100010, {1, INT64_MIN, INT64_MAX}, 3},
};
enum { SCALES = sizeof scales / sizeof scales[0] };

static int scale_code(const struct scale *scale, int64_t v)
{
    for (int j = 0; j < scale->n_missing; ++j) {
        if (scale->missing[j] == v)
            return (int)(scale->hi - scale->lo + 1 + j);
    }
    return v >= scale->lo && v <= scale->hi ? (int)(v - scale->lo) : -1;
}

/* A value the scale allows and the type holds; false when there is none. */
static bool allowed_value(const struct scale *scale, int type, int64_t *v)
{
    int64_t lowest, highest;
    lowest_and_highest(type, &lowest, &highest);
    for (int attempt = 0; attempt < 64; ++attempt) {
        const uint64_t answers = (uint64_t)(scale->hi - scale->lo + 1);
        const uint64_t pick = random_below(answers + 3);
        if (pick < answers)
            *v = scale->lo + (int64_t)pick;
        else if ((int64_t)(pick - answers) < scale->n_missing)
            *v = scale->missing[pick - answers];
        else
            continue;
        if (*v >= lowest && *v <= highest)
            return true;
    }
    *v = 0;
    return scale_code(scale, 0) >= 0;
}

static int expect_scale(const struct column *column, const struct scale *scale, int code_bytes,
                        int64_t *bad_row, void *codes)
{
    const int64_t *missing = scale->n_missing ? scale->missing : NULL;
    *bad_row = -7;
    return cx_encode_scale(column->type, column->values, column->validity, column->offset,
                           column->length, scale->lo, scale->hi, missing, scale->n_missing,
                           code_bytes, codes, bad_row);
}

static void test_scale_column(int type, int64_t offset, int64_t length, bool nullable,
                              const struct scale *scale, int code_bytes)
{
    struct column column = make_column(type, offset, length, nullable);
    int *expected = exactly((size_t)length * sizeof *expected);
    bool encodable = true;
    for (int64_t row = 0; row < length; ++row) {
        int64_t v = 0;
        if (row_is_null(&column, row)) {
            expected[row] = (int)(scale->hi - scale->lo + 1 + scale->n_missing);
            if (is_float(type))
                put_float(&column, row, random_below(2) ? (double)NAN : 1e300);
            continue;
        }
        encodable &= allowed_value(scale, type, &v);
        put(&column, row, v);
        expected[row] = scale_code(scale, v);
    }
    void *codes = exactly((size_t)(length * code_bytes));
    int64_t bad_row;
    if (encodable) {
        const int status = expect_scale(&column, scale, code_bytes, &bad_row, codes);
        CHECK(status == CX_OK && bad_row == -1, "status %d at row %lld", status,
              (long long)bad_row);
        for (int64_t row = 0; row < length; ++row) {
            const int code = code_bytes == 1 ? ((uint8_t *)codes)[row] : ((uint16_t *)codes)[row];
            CHECK(code == expected[row], "row %lld: %d, not %d", (long long)row, code,
                  expected[row]);
        }
    }
    /* One violation at the first row, the last and between, then more behind it: the first is named. */
    int64_t lowest, highest;
    lowest_and_highest(type, &lowest, &highest);
    for (int place = 0; encodable && length > 0 && place < 4; ++place) {
        const int64_t row = place == 0   ? 0
                            : place == 1 ? length - 1
                                         : (int64_t)random_below((uint64_t)length);
        int64_t v = place % 2 ? lowest : highest;
        int want = CX_OUT_OF_SCALE;
        if (scale_code(scale, v) >= 0)
            v = scale->hi + 100 <= highest ? scale->hi + 100 : scale->lo - 100;
        struct column saved = column;
        const int64_t total = offset + length;
        const size_t bytes =
            (size_t)(type == CX_BOOL ? bitmap_bytes(total) : total * type_bytes[type]);
        column.values = memcpy(exactly(bytes), saved.values, bytes);
        if (saved.validity != NULL)
            column.validity = memcpy(exactly((size_t)bitmap_bytes(total)), saved.validity,
                                     (size_t)bitmap_bytes(total));
        bool placed = true;
        for (int64_t i = row; i < length; i += 1 + (int64_t)random_below(200)) {
            make_valid(&column, i);
            if (is_float(type)) {
                static const int kinds[4] = {CX_NOT_FINITE, CX_FRACTION, CX_NOT_FINITE,
                                             CX_OUT_OF_SCALE};
                const double values[4] = {(double)NAN, (double)scale->lo + 0.5, (double)-INFINITY,
                                          -1e30};
                want = kinds[place];
                put_float(&column, i, values[i == row ? place : 3]);
            } else if (type == CX_BOOL) {
                placed = scale_code(scale, 0) < 0 || scale_code(scale, 1) < 0;
                put(&column, i, scale_code(scale, 0) < 0 ? 0 : 1);
            } else if (v < lowest || v > highest || scale_code(scale, v) >= 0)
                placed = false;
            else if (type == CX_UINT64 && place == 2)
                put(&column, i, -1); /* 2^64 - 1 */
            else
                put(&column, i, v);
        }
        if (placed) {
            const int status = expect_scale(&column, scale, code_bytes, &bad_row, codes);
            CHECK(status == want && bad_row == row, "status %d at row %lld, not %d at %lld", status,
                  (long long)bad_row, want, (long long)row);
        }
        free_column(&column);
        column = saved;
    }
    free(codes);
    free(expected);
    free_column(&column);
}

static void test_scales(const char *level)
{
    for (int type = 0; type < CX_TYPE_COUNT; ++type)
        for (int64_t offset = 0; offset < OFFSETS; ++offset)
            for (int l = 0; l < LENGTHS; ++l)
                for (int s = 0; s < SCALES; ++s) {
                    const struct scale *scale = &scales[s];
                    const bool wide = scale->hi - scale->lo + 2 + scale->n_missing > 256;
                    for (int nullable = 0; nullable < 2; ++nullable) {
                        snprintf(where, sizeof where, "scale %d %s %s offset %d length %d null %d",
                                 s, level, type_names[type], (int)offset, (int)lengths[l],
                                 nullable);
                        test_scale_column(type, offset, lengths[l], nullable, scale, wide ? 2 : 1);
                    }
                    if (!wide && offset == 3)
                        test_scale_column(type, offset, lengths[l], true, scale, 2);
                }
}

/* ---- Dictionary indices ---- */

static void test_lut_column(int type, int64_t offset, int64_t length, bool nullable,
                            int64_t lut_length, int code_bytes)
{
    struct column column = make_column(type, offset, length, nullable);
    uint16_t *lut = exactly((size_t)lut_length * sizeof *lut);
    for (int64_t i = 0; i < lut_length; ++i)
        lut[i] = (uint16_t)(code_bytes == 1 ? random_below(255) : random_below(0xFFFF));
    if (lut_length > 0)
        lut[lut_length - 1] = 0xFFFF;
    int64_t lowest, highest;
    lowest_and_highest(type, &lowest, &highest);
    const int64_t reach = lut_length - 1 <= highest ? lut_length - 1 : highest;
    int64_t first_valid = -1;
    for (int64_t row = 0; row < length; ++row) {
        if (row_is_null(&column, row))
            continue; /* the filler 0xA5A5... stays: an index outside the table */
        first_valid = first_valid < 0 ? row : first_valid;
        put(&column, row, reach > 0 ? (int64_t)random_below((uint64_t)reach) : 0);
    }
    void *codes = exactly((size_t)(length * code_bytes));
    int64_t bad_row = -7;
    int status = cx_encode_lut(type, column.values, column.validity, offset, length, lut,
                               lut_length, 254, code_bytes, codes, &bad_row);
    if (reach > 0 || first_valid < 0) {
        CHECK(status == CX_OK && bad_row == -1, "status %d at row %lld", status,
              (long long)bad_row);
        for (int64_t row = 0; row < length; ++row) {
            int64_t index = 0;
            memcpy(&index, (char *)column.values + (offset + row) * type_bytes[type],
                   (size_t)type_bytes[type]);
            const int want = row_is_null(&column, row) ? 254 : lut[index];
            const int code = code_bytes == 1 ? ((uint8_t *)codes)[row] : ((uint16_t *)codes)[row];
            CHECK(code == want, "row %lld: %d, not %d", (long long)row, code, want);
        }
    } else {
        const int want = lut_length == 0 ? CX_BAD_INDEX : CX_OUT_OF_SCALE;
        CHECK(status == want && bad_row == first_valid, "status %d at row %lld", status,
              (long long)bad_row);
    }
    /* Each violation at the first row, the last and the middle, with another one behind it. */
    const int64_t spoilt[3] = {lut_length - 1, lut_length, -1};
    static const int kinds[3] = {CX_OUT_OF_SCALE, CX_BAD_INDEX, CX_BAD_INDEX};
    for (int kind = 0; reach > 0 && length > 0 && kind < 3; ++kind) {
        if (spoilt[kind] < lowest || spoilt[kind] > highest)
            continue;
        const int64_t rows[3] = {length - 1, length / 2, 0};
        for (int place = 0; place < 3; ++place) {
            make_valid(&column, rows[place]);
            put(&column, rows[place], spoilt[kind]);
            status = cx_encode_lut(type, column.values, column.validity, offset, length, lut,
                                   lut_length, 254, code_bytes, codes, &bad_row);
            CHECK(status == kinds[kind] && bad_row == rows[place],
                  "status %d at row %lld, not %d at %lld", status, (long long)bad_row, kinds[kind],
                  (long long)rows[place]);
        }
        for (int place = 0; place < 3; ++place)
            put(&column, rows[place], 0);
    }
    free(codes);
    free(lut);
    free_column(&column);
}

static void test_luts(const char *level)
{
    static const int64_t lut_lengths[] = {0, 1, 2, 11, 100, 256, 70000};
    for (int type = CX_INT8; type <= CX_UINT64; ++type)
        for (int64_t offset = 0; offset < OFFSETS; ++offset)
            for (int l = 0; l < LENGTHS; ++l)
                for (int t = 0; t < 7; ++t)
                    for (int variant = 0; variant < 4; ++variant) {
                        if (lut_lengths[t] > 256 && offset % 4 != 1)
                            continue;
                        snprintf(where, sizeof where, "lut %d %s %s offset %d length %d variant %d",
                                 (int)lut_lengths[t], level, type_names[type], (int)offset,
                                 (int)lengths[l], variant);
                        test_lut_column(type, offset, lengths[l], variant & 1, lut_lengths[t],
                                        1 + (variant >> 1));
                    }
}

/* ---- Numbers ---- */

struct number {
    int64_t num, den, lo, hi;
    int64_t missing[2];
    int64_t n_missing;
};

static const struct number numbers[] = {
    {1, 1, 0, 100, {-1, 0}, 1},         {1, 100, -5000, 12000, {-100, 99900}, 2},
    {5, 1, -20, 20, {25, 0}, 1},        {2, 100, 0, 6000, {0}, 0},
    {5, 2, -40, 40, {-2, 50}, 2},       {1, 1, -(1LL << 50), 1LL << 50, {0}, 0},
    {1, 1000000, 0, 1LL << 52, {0}, 0},
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static int encode_number(const struct column *column, const struct number *number, int64_t *codes,
                         int64_t *bad_row)
{
    *bad_row = -7;
    return cx_encode_number(column->type, column->values, column->validity, column->offset,
                            column->length, number->num, number->den, number->lo, number->hi,
                            number->n_missing ? number->missing : NULL, number->n_missing, codes,
                            bad_row);
}

static void test_number_column(int type, int64_t offset, int64_t length, bool nullable,
                               const struct number *number)
{
    struct column column = make_column(type, offset, length, nullable);
    int64_t *expected = exactly((size_t)length * sizeof *expected);
    int64_t *codes = exactly((size_t)length * sizeof *codes);
    int64_t lowest, highest;
    lowest_and_highest(type, &lowest, &highest);
    bool encodable = true;
    for (int64_t row = 0; row < length; ++row) {
        if (row_is_null(&column, row)) {
            expected[row] = -1;
            if (is_float(type))
                put_float(&column, row, (double)NAN);
            continue;
        }
        bool found = false;
        for (int attempt = 0; attempt < 200 && !found; ++attempt) {
            int64_t k = number->lo + (int64_t)random_below((uint64_t)(number->hi - number->lo) + 1);
            const bool small = random_below(2) == 0;
            if (small && number->lo <= 0)
                k = (int64_t)random_below(100) < number->hi ? (int64_t)random_below(10) : k;
            if (random_below(5) == 0 && number->n_missing > 0)
                k = number->missing[random_below((uint64_t)number->n_missing)];
            if (is_float(type)) {
                if (k > 1 << 20 || k < -(1 << 20))
                    k %= 1 << 20;
                put_float(&column, row, (double)k * (double)number->num / (double)number->den);
                found = true;
            } else {
                if (k * number->num % number->den != 0)
                    continue;
                const int64_t v = k * number->num / number->den;
                found = v >= lowest && v <= highest;
                if (found)
                    put(&column, row, v);
            }
            expected[row] = k - number->lo;
            for (int64_t j = number->n_missing - 1; j >= 0; --j) {
                if (number->missing[j] == k)
                    expected[row] = -2 - j;
            }
            found = found && (expected[row] < 0 || (k >= number->lo && k <= number->hi));
        }
        encodable &= found;
    }
    int64_t bad_row;
    if (encodable) {
        const int status = encode_number(&column, number, codes, &bad_row);
        CHECK(status == CX_OK && bad_row == -1, "status %d at row %lld", status,
              (long long)bad_row);
        for (int64_t row = 0; row < length; ++row)
            CHECK(codes[row] == expected[row], "row %lld: %lld, not %lld", (long long)row,
                  (long long)codes[row], (long long)expected[row]);
    }
    static const int kinds[3] = {CX_NOT_FINITE, CX_OFF_STEP, CX_OUT_OF_SCALE};
    for (int kind = 0; encodable && length > 0 && kind < 3; ++kind) {
        /* From the last row to the first, so that each is the first violation when it is put. */
        const int64_t row = kind == 0 ? length - 1 : kind == 1 ? length / 2 : 0;
        if (!is_float(type))
            break;
        const double off_step = 0.4 * (double)number->num / (double)number->den;
        const double values[3] = {(double)INFINITY, off_step, 1e30};
        make_valid(&column, row);
        put_float(&column, row, values[kind]);
        const int status = encode_number(&column, number, codes, &bad_row);
        CHECK(status == kinds[kind] && bad_row == row, "status %d at row %lld, not %d at %lld",
              status, (long long)bad_row, kinds[kind], (long long)row);
    }
    /* The farthest integers, whose products need more than 64 bits: 2^64 - 1 and -2^63. */
    if (type_bytes[type] == 8 && !is_float(type) && encodable && length > 0) {
        const bool divisible =
            number->num == 1 || number->num == 2 || (number->num == 5 && type == CX_UINT64);
        const int want = divisible ? CX_OUT_OF_SCALE : CX_OFF_STEP;
        make_valid(&column, length - 1);
        put(&column, length - 1, type == CX_UINT64 ? -1 : INT64_MIN);
        const int status = encode_number(&column, number, codes, &bad_row);
        CHECK(status == want && bad_row == length - 1, "status %d at row %lld, not %d at %lld",
              status, (long long)bad_row, want, (long long)length - 1);
    }
    if (!is_float(type) && encodable && length > 0 && number->num == 5) {
        make_valid(&column, 0);
        put(&column, 0, 7);
        const int status = encode_number(&column, number, codes, &bad_row);
        CHECK(status == CX_OFF_STEP && bad_row == 0, "status %d at row %lld", status,
              (long long)bad_row);
    }
    free(codes);
    free(expected);
    free_column(&column);
}

static void test_numbers(const char *level)
{
    for (int type = CX_INT8; type < CX_TYPE_COUNT; ++type)
        for (int64_t offset = 0; offset < OFFSETS; ++offset)
            for (int l = 0; l < LENGTHS; ++l)
                for (int k = 0; k < NUMBERS; ++k)
                    for (int nullable = 0; nullable < 2; ++nullable) {
                        snprintf(where, sizeof where, "number %d %s %s offset %d length %d null %d",
                                 k, level, type_names[type], (int)offset, (int)lengths[l],
                                 nullable);
                        test_number_column(type, offset, lengths[l], nullable, &numbers[k]);
                    }
}

/* ---- Particular cases ---- */

static void test_edges(const char *level)
{
    snprintf(where, sizeof where, "edges %s", level);
    uint8_t codes[4];
    int64_t steps[4];
    int64_t bad_row;
    const double fractions[2] = {-5.0, 1e-20}; /* 1e-20 - (-5) rounds to 5 */
    CHECK(cx_encode_scale(CX_FLOAT64, fractions, NULL, 0, 2, -5, 5, NULL, 0, 1, codes, &bad_row) ==
                  CX_FRACTION &&
              bad_row == 1,
          "row %lld", (long long)bad_row);
    const double zero[1] = {-0.0};
    CHECK(cx_encode_scale(CX_FLOAT64, zero, NULL, 0, 1, 0, 5, NULL, 0, 1, codes, &bad_row) ==
                  CX_OK &&
              codes[0] == 0,
          "minus zero");
    /* A NaN declared nowhere is refused even where a missing code exists that no float32 holds. */
    const float nan_value[1] = {NAN};
    const int64_t unheld[1] = {(1LL << 24) + 1};
    CHECK(cx_encode_scale(CX_FLOAT32, nan_value, NULL, 0, 1, 0, 5, unheld, 1, 1, codes, &bad_row) ==
              CX_NOT_FINITE,
          "NaN");
    const float near[1] = {16777216.0f};
    CHECK(cx_encode_scale(CX_FLOAT32, near, NULL, 0, 1, 0, 5, unheld, 1, 1, codes, &bad_row) ==
              CX_OUT_OF_SCALE,
          "2^24 is not 2^24 + 1");
    /* Several columns: the first wrong one is named, and those before it are encoded. */
    const int8_t narrow[2] = {1, 3};
    const int64_t wide[2] = {9, 2};
    uint8_t second[2];
    int64_t bad_job;
    struct cx_scale_job jobs[3] = {
        {.type = CX_INT8, .code_bytes = 1, .values = narrow, .lo = 1, .hi = 5, .codes_out = codes},
        {.type = CX_INT64, .code_bytes = 1, .values = wide, .lo = 0, .hi = 9, .codes_out = second},
        {.type = CX_INT8, .code_bytes = 1, .values = narrow, .lo = 2, .hi = 5, .codes_out = codes},
    };
    CHECK(cx_encode_scales(jobs, 2, 2, &bad_job, &bad_row) == CX_OK && bad_job == -1 &&
              codes[0] == 0 && codes[1] == 2 && second[0] == 9 && second[1] == 2,
          "two columns");
    CHECK(cx_encode_scales(jobs, 3, 2, &bad_job, &bad_row) == CX_OUT_OF_SCALE && bad_job == 2 &&
              bad_row == 0,
          "the third column");
    CHECK(cx_encode_scales(NULL, 0, 2, &bad_job, &bad_row) == CX_OK && bad_job == -1, "none");
    CHECK(cx_encode_scales(NULL, 1, 2, &bad_job, &bad_row) == CX_BAD_ARGUMENT, "no jobs");
    CHECK(cx_encode_scales(jobs, 2, 2, NULL, &bad_row) == CX_BAD_ARGUMENT, "no place");
    /* Large steps leave the fast path and are still exact. */
    const double large[2] = {0x1p52, -0x1p61};
    CHECK(cx_encode_number(CX_FLOAT64, large, NULL, 0, 2, 1, 1, -(1LL << 61), 1LL << 61, NULL, 0,
                           steps, &bad_row) == CX_OK &&
              steps[0] == (1LL << 61) + (1LL << 52) && steps[1] == 0,
          "large steps");
    const double odd[1] = {0x1p52 + 1};
    CHECK(cx_encode_number(CX_FLOAT64, odd, NULL, 0, 1, 1, 1, 0, 1LL << 53, NULL, 0, steps,
                           &bad_row) == CX_OK &&
              steps[0] == (1LL << 52) + 1,
          "an odd number of steps beyond 2^51");
    const double huge[1] = {1e300};
    CHECK(cx_encode_number(CX_FLOAT64, huge, NULL, 0, 1, 1, 1, 0, INT64_MAX, NULL, 0, steps,
                           &bad_row) == CX_OUT_OF_SCALE &&
              cx_encode_scale(CX_FLOAT64, huge, NULL, 0, 1, 0, 5, NULL, 0, 1, codes, &bad_row) ==
                  CX_OUT_OF_SCALE,
          "1e300");
    const int64_t extremes[2] = {INT64_MIN, -1};
    CHECK(cx_encode_number(CX_INT64, extremes, NULL, 0, 2, 1, 1, INT64_MIN, -1, NULL, 0, steps,
                           &bad_row) == CX_OK &&
              steps[0] == 0 && steps[1] == INT64_MAX,
          "whole range");
    CHECK(cx_encode_number(CX_INT64, extremes, NULL, 0, 2, 1, 100, INT64_MIN, -1, NULL, 0, steps,
                           &bad_row) == CX_OUT_OF_SCALE &&
              bad_row == 0,
          "a product beyond 64 bits");
    const double tenth[3] = {0.1, 0.30000000000000004, 0.3};
    CHECK(cx_encode_number(CX_FLOAT64, tenth, NULL, 0, 3, 1, 10, 0, 9, NULL, 0, steps, &bad_row) ==
                  CX_OK &&
              steps[0] == 1 && steps[1] == 3 && steps[2] == 3,
          "tenths");
    const float cents[1] = {12.34f};
    CHECK(cx_encode_number(CX_FLOAT32, cents, NULL, 0, 1, 1, 100, 0, 2000, NULL, 0, steps,
                           &bad_row) == CX_OK &&
              steps[0] == 1234,
          "float32 cents");
    /* Any alignment. */
    char unaligned[33];
    const double answers[4] = {1, 2, 3, 4};
    memcpy(unaligned + 1, answers, sizeof answers);
    CHECK(cx_encode_scale(CX_FLOAT64, unaligned + 1, NULL, 0, 4, 1, 5, NULL, 0, 1, codes,
                          &bad_row) == CX_OK &&
              codes[3] == 3,
          "unaligned");
}

/* ---- Dictionary entries ---- */

static void test_places_column(int type, int64_t offset, int64_t length, bool nullable,
                               int64_t n_places)
{
    struct column column = make_column(type, offset, length, nullable);
    int64_t lowest, highest;
    lowest_and_highest(type, &lowest, &highest);
    const int64_t reach = n_places - 1 <= highest ? n_places - 1 : highest;
    int32_t *levels = exactly((size_t)(n_places + 1) * sizeof *levels);
    for (int64_t i = 0; i <= n_places; ++i)
        levels[i] = (int32_t)random_below(1u << 31);
    uint8_t *used = exactly((size_t)n_places + 1);
    uint8_t *expected = exactly((size_t)n_places + 1);
    int64_t *index = exactly((size_t)length * sizeof *index);
    memset(expected, 0, (size_t)n_places + 1);
    for (int64_t row = 0; row < length; ++row) {
        if (n_places == 0 && !row_is_null(&column, row)) {
            const int64_t at = offset + row;
            if (column.validity == NULL)
                goto done; /* no index is right */
            column.validity[at / 8] = (uint8_t)(column.validity[at / 8] & ~(1 << (at % 8)));
        }
        index[row] = n_places;
        if (!row_is_null(&column, row)) {
            /* Half of the entries are in no row. */
            index[row] = (int64_t)random_below((uint64_t)reach / 2 + 1);
            put(&column, row, index[row]);
        }
        expected[index[row]] = 1;
    }
    int32_t *codes = exactly((size_t)length * sizeof *codes);
    int64_t bad_row = -7;
    int status = cx_mark_places(type, column.values, column.validity, offset, length, n_places,
                                used, &bad_row);
    CHECK(status == CX_OK && bad_row == -1, "mark: status %d at row %lld", status,
          (long long)bad_row);
    CHECK(memcmp(used, expected, (size_t)n_places + 1) == 0, "used");
    for (int bytes = 1; bytes <= 4; bytes *= 2) {
        bad_row = -7;
        status = cx_encode_levels(type, column.values, column.validity, offset, length, levels,
                                  n_places, bytes, codes, &bad_row);
        CHECK(status == CX_OK && bad_row == -1, "status %d at row %lld", status,
              (long long)bad_row);
        for (int64_t row = 0; row < length; ++row) {
            uint32_t code = 0;
            memcpy(&code, (const char *)codes + row * bytes, (size_t)bytes);
            const uint32_t level = (uint32_t)levels[index[row]] & (0xFFFFFFFFu >> (32 - 8 * bytes));
            CHECK(code == level, "row %lld: %u, not %u", (long long)row, code, level);
        }
    }
    for (int place = 0; length > 0 && place < 4; ++place) {
        const int64_t row = place == 0 ? length - 1 : (int64_t)random_below((uint64_t)length);
        const int64_t wrong = place % 2 && n_places <= highest ? n_places : -1;
        if (wrong < lowest && type != CX_UINT64)
            continue;
        const int64_t at = offset + row;
        const uint8_t kept = column.validity == NULL ? 0 : column.validity[at / 8];
        make_valid(&column, row);
        put(&column, row, wrong);
        status = cx_mark_places(type, column.values, column.validity, offset, length, n_places,
                                used, &bad_row);
        CHECK(status == CX_BAD_INDEX && bad_row == row, "mark: status %d at row %lld", status,
              (long long)bad_row);
        status = cx_encode_levels(type, column.values, column.validity, offset, length, levels,
                                  n_places, 4, codes, &bad_row);
        CHECK(status == CX_BAD_INDEX && bad_row == row, "status %d at row %lld", status,
              (long long)bad_row);
        if (index[row] < n_places)
            put(&column, row, index[row]);
        if (column.validity != NULL)
            column.validity[at / 8] = kept;
    }
    free(codes);
done:
    free(index);
    free(expected);
    free(used);
    free(levels);
    free_column(&column);
}

static void test_places(const char *level)
{
    static const int64_t dictionaries[] = {0, 1, 2, 127, 128, 300, 70000};
    for (int type = CX_INT8; type <= CX_UINT64; ++type)
        for (int64_t offset = 0; offset < OFFSETS; ++offset)
            for (int l = 0; l < LENGTHS; ++l)
                for (size_t d = 0; d < sizeof dictionaries / sizeof dictionaries[0]; ++d) {
                    snprintf(where, sizeof where, "places %d %s %s offset %d length %d",
                             (int)dictionaries[d], level, type_names[type], (int)offset,
                             (int)lengths[l]);
                    test_places_column(type, offset, lengths[l], false, dictionaries[d]);
                    test_places_column(type, offset, lengths[l], true, dictionaries[d]);
                }
}

/* ---- Time ---- */

enum { FIRST_DAY = -317761, END_DAY = 339676 }; /* 1100-01-01, 2900-01-01 */
static int16_t year_of[END_DAY - FIRST_DAY];
static int8_t month_of[END_DAY - FIRST_DAY];

/* Day after day from 1100-01-01. */
static void make_calendar(void)
{
    static const int month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 1100, month = 0, left = 31;
    for (int day = 0; day < END_DAY - FIRST_DAY; ++day) {
        year_of[day] = (int16_t)year;
        month_of[day] = (int8_t)month;
        if (--left > 0)
            continue;
        if (++month == 12) {
            month = 0;
            ++year;
        }
        const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        left = month_days[month] + (month == 1 && leap);
    }
    snprintf(where, sizeof where, "calendar");
    CHECK(year == 2900 && month == 0 && year_of[-FIRST_DAY] == 1970 && month_of[-FIRST_DAY] == 0,
          "%d-%d", year, month);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t bucket_of(int64_t value, int64_t per_day, int unit)
{
    if (unit == CX_HOUR)
        return per_day == 1 ? 24 * value : floor_divide(value, per_day / 24);
    const int64_t day = floor_divide(value, per_day);
    if (unit == CX_DAY)
        return day;
    if (unit == CX_WEEK)
        return floor_divide(day + 3, 7);
    const int64_t months = 12 * (year_of[day - FIRST_DAY] - 1970) + month_of[day - FIRST_DAY];
    return floor_divide(months, unit == CX_MONTH ? 1 : unit == CX_QUARTER ? 3 : 12);
}

/* The range of instants, and their numbers, beside buckets that are right; -5 is a null. */
static void check_numbers(const struct column *column, int type, int64_t offset, int64_t length,
                          int64_t per_day, int unit, const int64_t *buckets)
{
    int64_t first = 1, last = 0, ends[2], found[2], bad_row = -7;
    bool any = false;
    for (int64_t row = 0; row < length; ++row) {
        if (row_is_null(column, row))
            continue;
        first = any && first < buckets[row] ? first : buckets[row];
        last = any && last > buckets[row] ? last : buckets[row];
        any = true;
    }
    CHECK(cx_time_range(type, column->values, column->validity, offset, length, per_day, ends,
                        ends + 1, &bad_row) == CX_OK &&
              bad_row == -1 && any == (ends[0] <= ends[1]),
          "range of row %lld", (long long)bad_row);
    if (any) {
        CHECK(cx_encode_buckets(CX_INT64, ends, NULL, 0, 2, per_day, unit, 0, found, &bad_row) ==
                      CX_OK &&
                  found[0] == first && found[1] == last,
              "range %lld to %lld, not %lld to %lld", (long long)found[0], (long long)found[1],
              (long long)first, (long long)last);
    }
    for (int bytes = 1; bytes <= 4; bytes *= 2) {
        uint8_t *codes = exactly((size_t)(length * bytes));
        CHECK(cx_number_times(type, column->values, column->validity, offset, length, per_day, unit,
                              first, bytes, codes) == CX_OK,
              "%d bytes", bytes);
        for (int64_t row = 0; row < length; ++row) {
            uint32_t code = 0, number = (uint32_t)(buckets[row] - first + 1);
            memcpy(&code, codes + row * bytes, (size_t)bytes);
            number &= 0xFFFFFFFFu >> (32 - 8 * bytes);
            CHECK(code == (row_is_null(column, row) ? 0 : number), "%d bytes, row %lld", bytes,
                  (long long)row);
        }
        free(codes);
    }
}

static void test_bucket_column(int type, int64_t offset, int64_t length, bool nullable,
                               int64_t per_day, int unit)
{
    const int64_t top = type == CX_INT32 ? INT32_MAX : INT64_MAX;
    const int64_t first = -top - 1 < FIRST_DAY * (__int128)per_day ? FIRST_DAY * per_day : -top - 1;
    const int64_t last = top < END_DAY * (__int128)per_day ? top : END_DAY * per_day - 1;
    struct column column = make_column(type, offset, length, nullable);
    int64_t *expected = exactly((size_t)length * sizeof *expected);
    for (int64_t row = 0; row < length; ++row) {
        expected[row] = -5;
        int64_t v = random_below(2) ? INT64_MIN : INT64_MAX;
        if (!row_is_null(&column, row)) {
            const uint64_t span = (uint64_t)last - (uint64_t)first;
            v = (int64_t)((uint64_t)first +
                          (span + 1 ? random_below(span + 1) : random_below(~0ULL)));
            switch (random_below(6)) {
            case 0: /* around a tick */
            {
                const __int128 tick = (__int128)floor_divide(v, per_day) * per_day;
                const __int128 near = tick + (int64_t)random_below(3) - 1;
                v = near < first ? first : near > last ? last : (int64_t)near;
                break;
            }
            case 1:
                v = first;
                break;
            case 2:
                v = last;
                break;
            case 3:
                v = (int64_t)random_below(3) - 1;
                break;
            }
            expected[row] = bucket_of(v, per_day, unit);
        }
        put(&column, row, v);
    }
    int64_t *buckets = exactly((size_t)length * sizeof *buckets);
    int64_t bad_row = -7;
    int status = cx_encode_buckets(type, column.values, column.validity, offset, length, per_day,
                                   unit, -5, buckets, &bad_row);
    CHECK(status == CX_OK && bad_row == -1, "status %d at row %lld", status, (long long)bad_row);
    for (int64_t row = 0; row < length; ++row)
        CHECK(buckets[row] == expected[row], "row %lld: %lld, not %lld", (long long)row,
              (long long)buckets[row], (long long)expected[row]);
    check_numbers(&column, type, offset, length, per_day, unit, buckets);
    for (int place = 0; length > 0 && place < 2; ++place) {
        const int64_t row = (int64_t)random_below((uint64_t)length);
        if (place == 0 ? last == top : first == -top - 1)
            continue;
        for (int64_t i = row; i < length; i += 1 + (int64_t)random_below(200)) {
            make_valid(&column, i);
            put(&column, i, place == 0 ? last + 1 : first - 1);
        }
        status = cx_encode_buckets(type, column.values, column.validity, offset, length, per_day,
                                   unit, -5, buckets, &bad_row);
        CHECK(status == CX_OUT_OF_SCALE && bad_row == row, "status %d at row %lld, not %lld",
              status, (long long)bad_row, (long long)row);
        int64_t low, high;
        status = cx_time_range(type, column.values, column.validity, offset, length, per_day, &low,
                               &high, &bad_row);
        CHECK(status == CX_OUT_OF_SCALE && bad_row == row, "range: status %d at row %lld", status,
              (long long)bad_row);
        put(&column, row, 0);
        break;
    }
    free(buckets);
    free(expected);
    free_column(&column);
}

static void test_buckets(const char *level)
{
    static const int64_t scales_of_time[] = {1, 24, 86400, 86400000, 86400000000, 86400000000000};
    for (int unit = 0; unit < CX_UNIT_COUNT; ++unit) {
        for (size_t s = 0; s < sizeof scales_of_time / sizeof scales_of_time[0]; ++s)
            for (int64_t offset = 0; offset < OFFSETS; ++offset)
                for (int l = 0; l < LENGTHS; ++l)
                    for (int type = CX_INT32; type <= CX_INT64; ++type) {
                        snprintf(where, sizeof where,
                                 "buckets %d %s %s per day %lld offset %d length %d", unit, level,
                                 type_names[type], (long long)scales_of_time[s], (int)offset,
                                 (int)lengths[l]);
                        test_bucket_column(type, offset, lengths[l], false, scales_of_time[s],
                                           unit);
                        test_bucket_column(type, offset, lengths[l], true, scales_of_time[s], unit);
                    }
        /* Every day there is. */
        snprintf(where, sizeof where, "every day, unit %d %s", unit, level);
        static int32_t days[END_DAY - FIRST_DAY];
        static int64_t buckets[END_DAY - FIRST_DAY];
        int64_t bad_row;
        for (int day = FIRST_DAY; day < END_DAY; ++day)
            days[day - FIRST_DAY] = day;
        CHECK(cx_encode_buckets(CX_INT32, days, NULL, 0, END_DAY - FIRST_DAY, 1, unit, -5, buckets,
                                &bad_row) == CX_OK,
              "row %lld", (long long)bad_row);
        for (int day = FIRST_DAY; day < END_DAY; ++day)
            CHECK(buckets[day - FIRST_DAY] == bucket_of(day, 1, unit), "day %d: %lld", day,
                  (long long)buckets[day - FIRST_DAY]);
    }
}

static void test_arguments(void)
{
    snprintf(where, sizeof where, "arguments");
    uint8_t codes[4] = {0};
    int64_t steps[4], bad_row;
    const uint8_t bytes[4] = {0};
    const int64_t missing[1] = {9};
    const uint16_t lut[2] = {1, 300};
#define REFUSED(call) CHECK((call) == CX_BAD_ARGUMENT, "%s", #call)
    REFUSED(cx_encode_scale(-1, bytes, NULL, 0, 1, 0, 1, NULL, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_TYPE_COUNT, bytes, NULL, 0, 1, 0, 1, NULL, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, NULL, NULL, 0, 1, 0, 1, NULL, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, 0, 1, NULL, 0, 1, NULL, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, 0, 1, NULL, 0, 1, codes, NULL));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, -1, 1, 0, 1, NULL, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, -1, 0, 1, NULL, 0, 1, codes, &bad_row));
    REFUSED(
        cx_encode_scale(CX_UINT8, bytes, NULL, INT64_MAX, 1, 0, 1, NULL, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, 1, 0, NULL, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, 0, 255, NULL, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, 0, 254, missing, 1, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, 0, 65535, NULL, 0, 2, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, INT64_MIN, INT64_MAX, NULL, 0, 2, codes,
                            &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, 0, 1, NULL, 1, 1, codes, &bad_row));
    REFUSED(cx_encode_scale(CX_UINT8, bytes, NULL, 0, 1, 0, 1, NULL, 0, 4, codes, &bad_row));
    REFUSED(cx_encode_lut(CX_BOOL, bytes, NULL, 0, 1, lut, 2, 0, 2, codes, &bad_row));
    REFUSED(cx_encode_lut(CX_FLOAT32, bytes, NULL, 0, 1, lut, 2, 0, 2, codes, &bad_row));
    REFUSED(cx_encode_lut(CX_UINT8, bytes, NULL, 0, 1, lut, 2, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_lut(CX_UINT8, bytes, NULL, 0, 1, lut, 1, 256, 1, codes, &bad_row));
    REFUSED(cx_encode_lut(CX_UINT8, bytes, NULL, 0, 1, NULL, 1, 0, 1, codes, &bad_row));
    REFUSED(cx_encode_number(CX_BOOL, bytes, NULL, 0, 1, 1, 1, 0, 1, NULL, 0, steps, &bad_row));
    REFUSED(cx_encode_number(CX_UINT8, bytes, NULL, 0, 1, 0, 1, 0, 1, NULL, 0, steps, &bad_row));
    REFUSED(cx_encode_number(CX_UINT8, bytes, NULL, 0, 1, 1, -1, 0, 1, NULL, 0, steps, &bad_row));
    REFUSED(cx_encode_number(CX_UINT8, bytes, NULL, 0, 1, 1, 1, 1, 0, NULL, 0, steps, &bad_row));
    REFUSED(cx_encode_number(CX_UINT8, bytes, NULL, 0, 1, 1, 1, INT64_MIN, 0, NULL, 0, steps,
                             &bad_row));
    const int32_t levels[2] = {1, 0};
    uint8_t used[2];
    int32_t level_codes[1];
    REFUSED(cx_mark_places(CX_BOOL, bytes, NULL, 0, 1, 1, used, &bad_row));
    REFUSED(cx_mark_places(CX_FLOAT64, bytes, NULL, 0, 1, 1, used, &bad_row));
    REFUSED(cx_mark_places(CX_UINT8, bytes, NULL, 0, 1, -1, used, &bad_row));
    REFUSED(cx_mark_places(CX_UINT8, bytes, NULL, 0, 1, INT32_MAX, used, &bad_row));
    REFUSED(cx_mark_places(CX_UINT8, bytes, NULL, 0, 0, 1, NULL, &bad_row));
    REFUSED(cx_mark_places(CX_UINT8, bytes, NULL, 0, 1, 1, used, NULL));
    REFUSED(cx_encode_levels(CX_BOOL, bytes, NULL, 0, 1, levels, 1, 4, level_codes, &bad_row));
    REFUSED(cx_encode_levels(CX_UINT8, bytes, NULL, 0, 1, NULL, 1, 4, level_codes, &bad_row));
    REFUSED(cx_encode_levels(CX_UINT8, bytes, NULL, 0, 1, levels, -1, 4, level_codes, &bad_row));
    REFUSED(cx_encode_levels(CX_UINT8, bytes, NULL, 0, 1, levels, 1, 4, NULL, &bad_row));
    REFUSED(cx_encode_levels(CX_UINT8, bytes, NULL, 0, 1, levels, 1, 8, level_codes, &bad_row));
    const int64_t stamps[1] = {0};
    REFUSED(cx_encode_buckets(CX_UINT32, stamps, NULL, 0, 1, 1, CX_DAY, 0, steps, &bad_row));
    REFUSED(cx_encode_buckets(CX_INT64, stamps, NULL, 0, 1, 0, CX_DAY, 0, steps, &bad_row));
    REFUSED(cx_encode_buckets(CX_INT64, stamps, NULL, 0, 1, 25, CX_DAY, 0, steps, &bad_row));
    REFUSED(cx_encode_buckets(CX_INT64, stamps, NULL, 0, 1, 2 * 86400000000000, CX_DAY, 0, steps,
                              &bad_row));
    REFUSED(cx_encode_buckets(CX_INT64, stamps, NULL, 0, 1, 1, -1, 0, steps, &bad_row));
    REFUSED(cx_encode_buckets(CX_INT64, stamps, NULL, 0, 1, 1, CX_UNIT_COUNT, 0, steps, &bad_row));
    REFUSED(cx_time_range(CX_UINT32, stamps, NULL, 0, 1, 1, steps, steps + 1, &bad_row));
    REFUSED(cx_time_range(CX_INT64, stamps, NULL, 0, 1, 25, steps, steps + 1, &bad_row));
    REFUSED(cx_time_range(CX_INT64, stamps, NULL, 0, 1, 1, steps, NULL, &bad_row));
    REFUSED(cx_time_range(CX_INT64, stamps, NULL, 0, 0, 1, NULL, steps, &bad_row));
    REFUSED(cx_number_times(CX_FLOAT64, stamps, NULL, 0, 1, 1, CX_DAY, 0, 4, steps));
    REFUSED(cx_number_times(CX_INT64, stamps, NULL, 0, 1, 1, CX_DAY, 0, 8, steps));
    REFUSED(cx_number_times(CX_INT64, stamps, NULL, 0, 1, 1, CX_UNIT_COUNT, 0, 4, steps));
    REFUSED(cx_number_times(CX_INT64, stamps, NULL, 0, 1, 1, CX_DAY, 0, 4, NULL));
    CHECK(cx_simd_set(CX_SIMD_COUNT) == CX_BAD_ARGUMENT && cx_simd_set(-1) == CX_BAD_ARGUMENT,
          "level");
    CHECK(cx_simd_name(-1) == NULL && cx_simd_name(CX_SIMD_COUNT) == NULL, "name");
    CHECK(strlen(cx_compiler()) > 4, "compiler");
}

int main(void)
{
    const char *wanted = getenv("CXSTREAM_SIMD");
    snprintf(where, sizeof where, "start");
    for (int level = 0; wanted != NULL && level < CX_SIMD_COUNT; ++level) {
        if (strcmp(wanted, cx_simd_name(level)) == 0 && cx_simd_supported(level))
            CHECK(cx_simd_level() == level, "CXSTREAM_SIMD=%s gave %s", wanted,
                  cx_simd_name(cx_simd_level()));
    }
    test_arguments();
    make_calendar();
    for (int level = 0; level < CX_SIMD_COUNT; ++level) {
        if (cx_simd_set(level) != CX_OK) {
            printf("%s: not on this processor\n", cx_simd_name(level));
            continue;
        }
        const long before = checks;
        test_edges(cx_simd_name(level));
        test_scales(cx_simd_name(level));
        test_luts(cx_simd_name(level));
        test_numbers(cx_simd_name(level));
        test_places(cx_simd_name(level));
        test_buckets(cx_simd_name(level));
        printf("%s: %ld checks\n", cx_simd_name(level), checks - before);
    }
    if (failures == 0)
        printf("native: all %ld checks hold (%s)\n", checks, cx_compiler());
    return failures != 0;
}
