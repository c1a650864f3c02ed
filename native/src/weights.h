/* What counting with weights shares: one kind of chunk for every SIMD level, and the way that takes any weight. */
#ifndef CXSTREAM_WEIGHTS_H
#define CXSTREAM_WEIGHTS_H

#include "tally.h"

enum {
    CX_WEIGHTED_HEIGHT_MAX = 91, /* rows of a block's own matrix: pairs of 1 and 12 columns */
    CX_WEIGHTED_LIMBS_MAX = 9,   /* of 5 bits or more, of a weight of 45 */
    /* Rows are taken so many at a time, of weights of so many bits: their squares add up within 63. */
    CX_WEIGHTED_ROWS = 512,
    CX_WEIGHTED_BITS = 27,
    CX_WEIGHTED_WORDS = 8, /* of 8 questions each: of a row's codes, side by side */
};

/* Rows in a block's own matrix. */
static inline int32_t cx_weighted_height(const cx_weighted_block *block)
{
    const int32_t p = block->n_columns;
    return block->kind == CX_FOURTH ? (p + 1) * (p + 2) / 2 : p + 1;
}

/* n, and the sums of weights and of their squares. */
struct cx_weighted_count {
    int64_t n;
    __int128 first, second;
};

/* High words are read where there is something to add only: most sums never get there. */
static inline void cx_add_128(uint64_t *low, int64_t *high, __int128 more)
{
    const uint64_t sum = *low + (uint64_t)more;
    const int64_t above = (int64_t)(more >> 64) + (sum < *low);
    *low = sum;
    if (__builtin_expect(above != 0, 0))
        *high += above;
}

/* Where a column of counts keeps its three sums. */
static inline void cx_add_count(uint64_t *low, int64_t *high, int32_t column,
                                const struct cx_weighted_count *count)
{
    cx_add_128(low + 3 * column, high + 3 * column, count->n);
    cx_add_128(low + 3 * column + 1, high + 3 * column + 1, count->first);
    cx_add_128(low + 3 * column + 2, high + 3 * column + 2, count->second);
}

/* Count a bit of a set, as CX_COUNT_BIT does. */
static inline void cx_add_bit(const cx_tally_question *question, int32_t bit, uint64_t *low,
                              int64_t *high, const struct cx_weighted_count *count)
{
    const int32_t column = question->bit_column[bit];
    if (column >= 0)
        cx_add_count(low, high, column, count);
    if (column > question->column) {
        const struct cx_weighted_count less = {-count->n, -count->first, -count->second};
        cx_add_count(low, high, question->column, &less);
    }
}

/* Rows of a run. */
struct cx_some_rows {
    const cx_weighted_rows *rows;
    const int32_t *order; /* NULL: from `begin` on */
    int64_t begin, n;
};

static inline struct cx_some_rows cx_rows_of(const cx_weighted_rows *rows,
                                             const cx_weighted_runs *runs, int64_t run)
{
    return (struct cx_some_rows){rows, runs->order, runs->starts[run],
                                 runs->starts[run + 1] - runs->starts[run]};
}

static inline int64_t cx_row(const struct cx_some_rows *some, int64_t i)
{
    return some->rows->first +
           (some->order == NULL ? some->begin + i : some->order[some->begin + i]);
}

/* Rows one by one, of any weight: a question's, a block's, all. */
void cx_weigh_question(const struct cx_some_rows *some, const cx_tally_question *question,
                       uint64_t *low, int64_t *high);
void cx_weigh_block(const struct cx_some_rows *some, const cx_weighted_block *block,
                    int64_t target);
void cx_weigh_all(const struct cx_some_rows *some, int64_t target, const cx_weighted_counts *counts,
                  const cx_weighted_block *blocks, int32_t n_blocks);

/* One SIMD level; `weigh` is for weights of up to CX_WEIGHTED_BITS. */
struct cx_weigh_kernels {
    /* Put the codes of up to 8 questions together: one word a row. */
    void (*put_together)(const cx_tally_question *questions, int32_t n_questions, int64_t begin,
                         int64_t n, uint64_t *words);
    void (*weigh)(const cx_weighted_rows *rows, const cx_weighted_runs *runs,
                  const cx_weighted_counts *counts, const cx_weighted_block *blocks,
                  int32_t n_blocks);
};

extern const struct cx_weigh_kernels cx_weigh_kernels_scalar;
#ifdef CX_BUILD_X86
extern const struct cx_weigh_kernels cx_weigh_kernels_avx2;
extern const struct cx_weigh_kernels cx_weigh_kernels_avx512;
#endif

/* The kernels of the level in use. */
const struct cx_weigh_kernels *cx_weigh_kernels_in_use(void);

#endif
