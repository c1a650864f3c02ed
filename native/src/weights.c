/* Counting with weights: the public calls, and the way that takes rows one by one. */
#include "weights.h"

void cx_weigh_question(const struct cx_some_rows *some, const cx_tally_question *question,
                       uint64_t *low, int64_t *high)
{
    for (int64_t i = 0; i < some->n; ++i) {
        const int64_t row = cx_row(some, i), weight = some->rows->weights[row];
        if (weight < 0)
            continue;
        const struct cx_weighted_count count = {1, weight, (__int128)weight * weight};
        const int32_t code = cx_code(question, row);
        if (question->n_bits == 0) {
            cx_add_count(low, high, question->column + code, &count);
            continue;
        }
        if (question->levels)
            cx_add_count(low, high, question->column, &count);
        for (uint32_t left = (uint32_t)code; left != 0; left &= left - 1)
            cx_add_bit(question, __builtin_ctz(left), low, high, &count);
        if (code == 0)
            cx_add_bit(question, question->n_bits, low, high, &count);
    }
}

/* The rows of a block's matrix, 1 the first; false where one lacks an answer that all must have. */
static bool read_row(const cx_weighted_rows *rows, const cx_weighted_block *block, int64_t row,
                     uint64_t *x)
{
    const int32_t p = block->n_columns;
    x[0] = 1;
    for (int32_t j = 1; j <= p; ++j) {
        const int64_t value = cx_answer(&rows->questions[block->columns[j - 1]], row);
        if (value < 0 && block->kind != CX_PATTERN)
            return false;
        x[j] = value < 0 ? 0 : (uint64_t)value;
    }
    if (block->kind == CX_FOURTH) {
        uint64_t *pair = x + p + 1;
        for (int32_t j = 1; j <= p; ++j) {
            for (int32_t k = j; k <= p; ++k)
                *pair++ = x[j] * x[k];
        }
    }
    return true;
}

void cx_weigh_block(const struct cx_some_rows *some, const cx_weighted_block *block, int64_t target)
{
    uint64_t *low = block->low + target * block->width;
    int64_t *high = block->high + target * block->width;
    uint64_t x[CX_WEIGHTED_HEIGHT_MAX * (1 + CX_WEIGHTED_LIMBS_MAX)];
    const int32_t height = cx_weighted_height(block);
    const uint64_t mask = (UINT64_C(1) << block->limb_bits) - 1;
    for (int64_t i = 0; i < some->n; ++i) {
        const int64_t row = cx_row(some, i), weight = some->rows->weights[row];
        if (weight < 0 || !read_row(some->rows, block, row, x))
            continue;
        for (int32_t limb = 0; limb < block->limbs; ++limb) {
            const uint64_t part = (uint64_t)weight >> (limb * block->limb_bits) & mask;
            uint64_t *const to = x + (size_t)(limb + 1) * (size_t)height;
            for (int32_t j = 0; j < height; ++j)
                to[j] = part * x[j];
        }
        for (int32_t k = 0; k < block->n_products; ++k)
            cx_add_wide(low + k, (uint64_t *)high + k, x[block->left[k]], x[block->right[k]]);
    }
}

void cx_weigh_all(const struct cx_some_rows *some, int64_t target, const cx_weighted_counts *counts,
                  const cx_weighted_block *blocks, int32_t n_blocks)
{
    if (counts != NULL) {
        uint64_t *low = counts->low + 3 * target * counts->width;
        int64_t *high = counts->high + 3 * target * counts->width;
        for (int64_t i = 0; i < some->n; ++i) {
            const int64_t weight = some->rows->weights[cx_row(some, i)];
            const struct cx_weighted_count count = {1, weight, (__int128)weight * weight};
            if (weight >= 0)
                cx_add_count(low, high, 0, &count);
        }
        for (int32_t q = 0; q < some->rows->n_questions; ++q) {
            if (some->rows->questions[q].column >= 0)
                cx_weigh_question(some, &some->rows->questions[q], low, high);
        }
    }
    for (int32_t b = 0; b < n_blocks; ++b)
        cx_weigh_block(some, &blocks[b], target);
}

static bool block_is_sound(const cx_weighted_rows *rows, const cx_weighted_block *block)
{
    if (block->n_columns < 1 || cx_weighted_height(block) > CX_WEIGHTED_HEIGHT_MAX)
        return false;
    if (block->limbs < 1 || block->limbs > CX_WEIGHTED_LIMBS_MAX || block->limb_bits < 1 ||
        block->limb_bits > 45 || block->n_products > block->width)
        return false;
    for (int32_t j = 0; j < block->n_columns; ++j) {
        if (block->columns[j] < 0 || block->columns[j] >= rows->n_questions)
            return false;
    }
    return true;
}

int cx_weigh(const cx_weighted_rows *rows, const cx_weighted_runs *runs,
             const cx_weighted_counts *counts, const cx_weighted_block *blocks, int32_t n_blocks)
{
    if (rows->n_questions < 0 || runs->n_runs < 0 || n_blocks < 0 || rows->largest < 0 ||
        rows->largest >> 45 != 0)
        return CX_BAD_ARGUMENT;
    if (runs->order != NULL && rows->words == NULL)
        return CX_BAD_ARGUMENT;
    for (int32_t b = 0; b < n_blocks; ++b) {
        if (!block_is_sound(rows, &blocks[b]))
            return CX_BAD_ARGUMENT;
    }
    if (rows->largest >> CX_WEIGHTED_BITS == 0) {
        cx_weigh_kernels_in_use()->weigh(rows, runs, counts, blocks, n_blocks);
        return CX_OK;
    }
    for (int64_t run = 0; run < runs->n_runs; ++run) {
        const struct cx_some_rows some = cx_rows_of(rows, runs, run);
        cx_weigh_all(&some, runs->targets[run], counts, blocks, n_blocks);
    }
    return CX_OK;
}

int32_t cx_weigh_words(int32_t n_questions)
{
    return (n_questions < 8 * CX_WEIGHTED_WORDS ? n_questions + 7 : 8 * CX_WEIGHTED_WORDS) / 8;
}

void cx_weigh_put_together(const cx_weighted_rows *rows, uint64_t *words)
{
    for (int32_t w = 0; w < cx_weigh_words(rows->n_questions); ++w) {
        const int32_t left = rows->n_questions - 8 * w;
        cx_weigh_kernels_in_use()->put_together(rows->questions + 8 * w, left < 8 ? left : 8,
                                                rows->first, rows->n_rows,
                                                words + w * rows->n_rows);
    }
}
