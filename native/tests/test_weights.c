/*
 * Counting with weights against sums written row by row, at every SIMD level this processor has. Built with the address
 * and undefined-behaviour sanitizers (see Makefile); every buffer is allocated to the byte.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cxstream_native.h"

typedef unsigned __int128 wide;

/* Questions of one byte, then a set of 3 bits, one of two bytes and a number; the first COLUMNS are multiplied. */
enum {
    BYTES = 66,
    QUESTIONS = BYTES + 3,
    COLUMNS = 4,
    CELLS = 7,
    PAIRS = 15,
    HEIGHT = 1 + COLUMNS
};

struct data {
    cx_tally_question questions[QUESTIONS];
    int32_t bit_column[4];
    int32_t width;
    int64_t rows, largest;
    int64_t *weights;
    int32_t *group;
};

static struct data make_data(int64_t rows, int32_t levels, int32_t bits)
{
    struct data data = {.width = 1, .rows = rows, .largest = ((int64_t)1 << bits) - 1};
    data.weights = zeros((size_t)rows, 8);
    data.group = zeros((size_t)rows, 4);
    for (int64_t row = 0; row < rows; ++row) {
        const uint64_t draw = random_below(10);
        data.weights[row] = draw == 0  ? -1
                            : draw < 5 ? data.largest
                                       : (int64_t)random_below((uint64_t)data.largest + 1);
        /* The last cell has few rows. */
        data.group[row] = random_below(50) == 0 ? CELLS - 1 : (int32_t)random_below(CELLS - 1);
    }
    const int32_t most = levels;
    for (int32_t q = 0; q < QUESTIONS; ++q) {
        levels = q == 0 || q == BYTES - 1 ? most : 3; /* others are many */
        const int32_t bytes = q < BYTES + 1 ? 1 : q == BYTES + 1 ? 2 : 8;
        const int32_t n = bytes == 2 ? 300 : bytes == 8 ? 3 : q == BYTES ? 8 : levels + 2;
        uint8_t *codes = zeros((size_t)rows, (size_t)bytes);
        for (int64_t row = 0; row < rows; ++row) {
            const uint64_t code = random_below(3) == 0 && q < BYTES ? (uint64_t)levels - 1
                                                                    : random_below((uint64_t)n);
            if (bytes == 1)
                codes[row] = (uint8_t)code;
            else if (bytes == 2)
                ((uint16_t *)(void *)codes)[row] = (uint16_t)code;
            else
                ((int64_t *)(void *)codes)[row] = 7 - (int64_t)random_below(10);
        }
        data.questions[q] = (cx_tally_question){.codes = codes,
                                                .bytes = bytes,
                                                .n_codes = n,
                                                .levels = bytes == 8 ? 1 : levels,
                                                .column = q == 0 ? -1 : data.width};
        if (q == BYTES) {
            data.questions[q].n_bits = 3;
            data.questions[q].n_codes = 5;
            data.questions[q].levels = 1;
            data.questions[q].column = data.width + 2;
            /* Two options, then how many answer, then a reason for no answer; of no bit another. */
            const int32_t columns[4] = {data.width, data.width + 1, data.width + 3, data.width + 4};
            memcpy(data.bit_column, columns, sizeof columns);
            data.width += 5;
        } else if (q > 0) {
            data.width += n;
        }
    }
    /* Of a number: -1 is null, -2 the only reason; what is below is neither. */
    int64_t *numbers = (int64_t *)(uintptr_t)data.questions[QUESTIONS - 1].codes;
    for (int64_t row = 0; row < rows; ++row)
        numbers[row] = numbers[row] < -2 ? -2 : numbers[row];
    return data;
}

static void free_data(struct data *data)
{
    for (int32_t q = 0; q < QUESTIONS; ++q)
        free((void *)(uintptr_t)data->questions[q].codes);
    free(data->weights);
    free(data->group);
}

static int32_t code_at(const cx_tally_question *question, int64_t row)
{
    if (question->bytes == 1)
        return ((const uint8_t *)question->codes)[row];
    if (question->bytes == 2)
        return ((const uint16_t *)question->codes)[row];
    const int64_t value = ((const int64_t *)question->codes)[row];
    return value >= 0 ? 0 : value == -1 ? question->n_codes - 1 : (int32_t)(-1 - value);
}

struct sums {
    wide *counts, *products;
};

static void add_column(wide *counts, int32_t column, wide w, int sign)
{
    const wide parts[3] = {1, w, w * w};
    for (int power = 0; power < 3 && column >= 0; ++power)
        counts[3 * column + power] += sign > 0 ? parts[power] : -parts[power];
}

static void slowly(const struct data *data, int32_t kind, const cx_weighted_block *block,
                   struct sums *sums)
{
    for (int64_t row = 0; row < data->rows; ++row) {
        if (data->weights[row] < 0)
            continue;
        const wide w = (wide)data->weights[row];
        wide *counts = sums->counts + (size_t)data->group[row] * 3 * (size_t)data->width;
        add_column(counts, 0, w, 1);
        for (int32_t q = 1; q < QUESTIONS; ++q) {
            const cx_tally_question *question = &data->questions[q];
            const int32_t code = code_at(question, row);
            if (question->n_bits == 0) {
                add_column(counts, question->column + code, w, 1);
                continue;
            }
            add_column(counts, question->column, w, 1);
            for (int32_t bit = 0; bit <= 3; ++bit) {
                if (bit < 3 ? !(code >> bit & 1) : code != 0)
                    continue;
                add_column(counts, data->bit_column[bit], w, 1);
                if (data->bit_column[bit] > question->column)
                    add_column(counts, question->column, w, -1);
            }
        }
        wide x[1 + COLUMNS] = {1};
        bool complete = true;
        for (int32_t j = 0; j < COLUMNS; ++j) {
            const int32_t code = code_at(&data->questions[block->columns[j]], row);
            complete &= code < data->questions[block->columns[j]].levels;
            x[1 + j] = code < data->questions[block->columns[j]].levels ? (wide)code : 0;
        }
        if (!complete && kind != CX_PATTERN)
            continue;
        wide *products = sums->products + (size_t)data->group[row] * (size_t)block->width;
        products[0] += 1;
        for (int32_t k = 1; k < block->n_products; ++k) {
            const bool second = k > block->n_first;
            const int32_t a = block->left[k] - (second ? HEIGHT : 0), b = block->right[k] - HEIGHT;
            products[k] += w * (second ? w : 1) * x[a] * x[b];
        }
    }
}

static void compare(const char *what, const wide *expected, const uint64_t *low,
                    const int64_t *high, size_t n)
{
    size_t k = 0;
    while (k < n && expected[k] == ((wide)(uint64_t)high[k] << 64 | low[k]))
        ++k;
    CHECK(k == n, "%s %zu differs", what, k);
}

static void check(int32_t kind, int64_t rows, int32_t levels, int32_t bits, int64_t few,
                  bool sorted)
{
    struct data data = make_data(rows, levels, bits);
    data.questions[BYTES].bit_column = data.bit_column;
    /* Columns of two words, and one beyond all words. */
    static const int32_t columns[COLUMNS] = {0, 9, 63, 65};
    int32_t left[1 + 2 * PAIRS] = {0}, right[1 + 2 * PAIRS] = {0}, n = 1;
    for (int32_t power = 0; power < 2; ++power) {
        for (int32_t i = 0; i < HEIGHT; ++i) {
            for (int32_t j = i; j < HEIGHT; ++j, ++n) {
                left[n] = power ? HEIGHT + i : i;
                right[n] = HEIGHT + j;
            }
        }
    }
    const size_t counted = CELLS * 3 * (size_t)data.width, multiplied = CELLS * (size_t)n;
    const cx_weighted_counts counts = {data.width, zeros(counted, 8), zeros(counted, 8)};
    const cx_weighted_block block = {kind,
                                     COLUMNS,
                                     columns,
                                     1,
                                     45,
                                     n,
                                     PAIRS,
                                     left,
                                     right,
                                     n,
                                     zeros(multiplied, 8),
                                     zeros(multiplied, 8)};
    struct sums sums = {zeros(counted, sizeof(wide)), zeros(multiplied, sizeof(wide))};
    int64_t *scratch = zeros(CELLS, 8), *starts = zeros(CELLS + 1, 8);
    int32_t *order = zeros((size_t)rows, 4), *found = zeros(CELLS, 4);
    uint64_t *words = zeros((size_t)rows * (size_t)cx_weigh_words(QUESTIONS), 8);
    cx_weighted_rows given = {data.questions, QUESTIONS,    0,   rows,
                              data.weights,   data.largest, few, NULL};
    int64_t n_runs = 1;
    if (sorted) {
        n_runs = cx_sort_rows(data.group, rows, CELLS, scratch, order, starts, found);
        cx_weigh_put_together(&given, words);
        given.words = words;
    } else {
        starts[1] = rows;
        memset(data.group, 0, (size_t)rows * 4);
    }
    slowly(&data, kind, &block, &sums);
    const cx_weighted_runs runs = {sorted ? order : NULL, starts, found, n_runs};
    CHECK(cx_weigh(&given, &runs, &counts, &block, 1) == CX_OK, "weigh");
    compare("count", sums.counts, counts.low, counts.high, counted);
    compare("product", sums.products, block.low, block.high, multiplied);
    free_data(&data);
    free(counts.low), free(counts.high), free(block.low), free(block.high);
    free(sums.counts), free(sums.products);
    free(scratch), free(starts), free(order), free(found), free(words);
}

/* Rows of cells sorted by the pattern of what they answer, against what each answers. */
static void check_patterns(int64_t rows, int32_t n_columns)
{
    struct data data = make_data(rows, 3, 4);
    int32_t columns[QUESTIONS];
    for (int32_t j = 0; j < n_columns; ++j)
        columns[j] = j + QUESTIONS - n_columns == BYTES ? 0 : j + QUESTIONS - n_columns;
    const int64_t most =
        n_columns < 20 && (int64_t)1 << n_columns < rows ? (int64_t)1 << n_columns : rows;
    int32_t slot_bits = 1;
    while ((int64_t)1 << slot_bits < 2 * most + 2)
        ++slot_bits;
    cx_tally_index index = {zeros((size_t)1 << slot_bits, 8), zeros((size_t)1 << slot_bits, 4),
                            zeros((size_t)most, 8), slot_bits, 0};
    memset(index.slot_cells, 255, ((size_t)1 << slot_bits) * 4);
    int32_t *numbers = zeros((size_t)rows, 4);
    CHECK(cx_number_patterns(data.questions, columns, n_columns, 0, rows / 2, &index, numbers) ==
              CX_OK,
          "number");
    CHECK(cx_number_patterns(data.questions, columns, n_columns, rows / 2, rows, &index, numbers) ==
              CX_OK,
          "number");
    for (int64_t row = 0; row < rows; ++row) {
        uint64_t bits = 0;
        for (int32_t j = 0; j < n_columns; ++j) {
            const cx_tally_question *question = &data.questions[columns[j]];
            const bool answered = question->bytes == 8
                                      ? ((const int64_t *)question->codes)[row] >= 0
                                      : code_at(question, row) < question->levels;
            bits |= (uint64_t)answered << j;
        }
        CHECK(bits == 0 ? numbers[row] == -1
                        : numbers[row] >= 0 && numbers[row] < index.count &&
                              (uint64_t)index.keys[numbers[row]] == bits,
              "pattern of row %lld", (long long)row);
    }
    int64_t *scratch = zeros(CELLS, 8), *starts = zeros(CELLS + 1, 8);
    int32_t *order = zeros((size_t)rows, 4), *found = zeros(CELLS, 4);
    const int64_t n = cx_sort_rows(data.group, rows, CELLS, scratch, order, starts, found);
    int64_t *zero = zeros(2 * ((size_t)index.count + 1), 8), *keys = zeros((size_t)rows, 8);
    int64_t *split_starts = zeros((size_t)rows + 1, 8);
    int32_t *split = zeros((size_t)rows, 4);
    const int64_t runs = cx_split_runs(numbers, index.count, order, starts, found, n, zero, split,
                                       split_starts, keys);
    int64_t left = 0;
    for (int64_t row = 0; row < rows; ++row)
        left += numbers[row] >= 0;
    CHECK(split_starts[runs] == left, "rows of any pattern");
    uint8_t *seen = zeros((size_t)rows, 1);
    for (int64_t run = 0; run < runs; ++run) {
        CHECK(split_starts[run] < split_starts[run + 1], "an empty run");
        for (int64_t at = split_starts[run]; at < split_starts[run + 1]; ++at) {
            CHECK(!seen[split[at]]++, "a row twice");
            CHECK(keys[run] == ((int64_t)data.group[split[at]] << 32 | numbers[split[at]]), "key");
        }
    }
    for (int64_t k = 0; k < 2 * (index.count + 1); ++k)
        CHECK(zero[k] == 0, "scratch is zero again");
    free(scratch), free(starts), free(order), free(found), free(zero), free(keys);
    free(split_starts), free(split), free(seen), free(numbers);
    free(index.slot_keys), free(index.slot_cells), free(index.keys);
    free_data(&data);
}

int main(void)
{
    static const int64_t rows[] = {0, 1, 31, 32, 33, 600, 3000};
    static const int32_t levels[] = {5, 11, 182, 183}, bits[] = {0, 1, 10, 16, 27, 28, 45};
    static const int64_t few[] = {0, 20, INT64_MAX};
    for (int level = 0; level < CX_SIMD_COUNT; ++level) {
        if (cx_simd_set(level) != CX_OK)
            continue;
        for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r) {
            for (size_t k = 0; k < 4 * 7 * 3 * 2 * 2; ++k) {
                const size_t l = k % 4, b = k / 4 % 7, f = k / 28 % 3;
                const int32_t kind = k / 84 % 2 ? CX_PATTERN : CX_COMPLETE;
                snprintf(where, sizeof where,
                         "%s, %lld rows, %d levels, %d bits, few %lld, kind %d",
                         cx_simd_name(level), (long long)rows[r], levels[l], bits[b],
                         (long long)few[f], kind);
                check(kind, rows[r], levels[l], bits[b], few[f], k / 168);
            }
            for (int32_t n_columns = 1; n_columns <= 63; n_columns += n_columns < 14 ? 1 : 7) {
                snprintf(where, sizeof where, "%s, %lld rows, patterns of %d columns",
                         cx_simd_name(level), (long long)rows[r], n_columns);
                check_patterns(rows[r], n_columns);
            }
        }
    }
    printf("%ld checks, %d failures\n", checks, failures);
    return failures > 0;
}
