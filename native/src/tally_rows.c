/* Counting a small batch: row by row straight into a view's sums, without a scratch. */
#include <stddef.h>

#include "tally.h"

static int64_t digit_at(const cx_tally_axis *axis, int64_t row)
{
    if (axis->bytes == 1)
        return ((const uint8_t *)axis->digits)[row];
    if (axis->bytes == 2)
        return ((const uint16_t *)axis->digits)[row];
    return ((const int32_t *)axis->digits)[row];
}

static void count_set(const cx_tally_question *question, int64_t row, int64_t *counts)
{
    const uint32_t set = ((const uint8_t *)question->codes)[row];
    counts[question->column] += question->levels;
    for (uint32_t left = set; left != 0; left &= left - 1)
        CX_COUNT_BIT(question, __builtin_ctz(left), 1, counts);
    if (set == 0)
        CX_COUNT_BIT(question, question->n_bits, 1, counts);
}

static void add_table(const cx_tally_table *table, const cx_tally_batch *batch, int64_t row,
                      int32_t cell)
{
    const int32_t p = table->n_columns;
    int64_t x[3 * 64];
    const int32_t first = table->kind == CX_PAIRS ? p : 1;
    uint64_t answered = 0;
    for (int32_t j = 0; j < p; ++j) {
        const cx_tally_question *question = &batch->questions[table->columns[j]];
        const int64_t value = cx_answer(question, row);
        answered |= (uint64_t)(value >= 0) << j;
        x[first + j] = value >= 0 ? value : 0;
    }
    int64_t at = cell;
    if (table->kind == CX_PAIRS) {
        for (int32_t j = 0; j < p; ++j) {
            x[j] = answered >> j & 1;
            x[2 * p + j] = x[p + j] * x[p + j];
        }
    } else {
        x[0] = 1;
        if (table->kind == CX_COMPLETE && answered != ~(uint64_t)0 >> (64 - p))
            return;
        if (table->kind == CX_PATTERN) {
            if (answered == 0)
                return;
            const int64_t number = cx_find(table->patterns, (int64_t)answered);
            at = cx_find(table->rows, (int64_t)cell << 32 | number);
        }
    }
    if (table->sums != NULL) {
        int64_t *restrict sums = table->sums + at * table->n_products;
        for (int32_t k = 0; k < table->n_products; ++k)
            sums[k] += x[table->left[k]] * x[table->right[k]];
        return;
    }
    uint64_t *low = table->low + at * table->n_products;
    int64_t *high = table->high + at * table->n_products;
    for (int32_t k = 0; k < table->n_products; ++k)
        cx_add_wide(low + k, (uint64_t *)high + k, (uint64_t)x[table->left[k]],
                    (uint64_t)x[table->right[k]]);
}

static bool view_is_sound(const cx_tally_view *view, const cx_tally_batch *batch)
{
    for (int32_t a = 0; a < view->n_axes; ++a) {
        if (view->axes[a] < 0 || view->axes[a] >= batch->n_axes)
            return false;
    }
    for (int32_t t = 0; t < view->n_tables; ++t) {
        const cx_tally_table *table = &view->tables[t];
        if (table->n_columns < 1 || table->n_columns > 64)
            return false;
        for (int32_t j = 0; j < table->n_columns; ++j) {
            if (table->columns[j] < 0 || table->columns[j] >= batch->n_questions)
                return false;
        }
    }
    return true;
}

int cx_tally_add(const cx_tally_batch *batch, int64_t rows, const int64_t *words,
                 const int64_t *offsets, const cx_tally_view *views, int32_t n_views)
{
    if (rows < 0 || n_views < 0)
        return CX_BAD_ARGUMENT;
    for (int32_t v = 0; v < n_views; ++v) {
        if (!view_is_sound(&views[v], batch))
            return CX_BAD_ARGUMENT;
    }
    for (int32_t v = 0; v < n_views; ++v) {
        const cx_tally_view *view = &views[v];
        for (int64_t row = 0; row < rows; ++row) {
            int64_t key = 0;
            for (int32_t a = 0; a < view->n_axes; ++a) {
                const int32_t axis = view->axes[a];
                key += words[offsets[axis] + digit_at(&batch->axes[axis], row)] * view->weights[a];
            }
            const int32_t cell = cx_find(view->index, key);
            int64_t *counts = view->counts + (int64_t)cell * view->counts_width;
            ++counts[0];
            for (int32_t q = 0; q < batch->n_questions; ++q) {
                const cx_tally_question *question = &batch->questions[q];
                if (question->column < 0)
                    continue;
                if (question->n_bits > 0)
                    count_set(question, row, counts);
                else
                    ++counts[question->column + cx_code(question, row)];
            }
            for (int32_t t = 0; t < view->n_tables; ++t)
                add_table(&view->tables[t], batch, row, cell);
        }
    }
    return CX_OK;
}
