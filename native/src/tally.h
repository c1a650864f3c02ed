/* What the counting kernels share: blocks of rows, and the per-level kernel table. */
#ifndef CXSTREAM_TALLY_H
#define CXSTREAM_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "cxstream_native.h"

enum {
    /* Rows handled at a time: 15 vectors of 64 bytes, so that half a byte counts how often they hold something. Sums of
       two products of 11 bits over 16 x 64 rows fit 16 bits. */
    CX_TALLY_BLOCK = 960,
    CX_VECTOR_BYTES = 64,
    CX_VECTORS_MAX = 64, /* of a slot */
    CX_MOMENTS_MAX = 1 + 2 * 64 + 64 * 63 / 2,
    /* Up to so many codes of one question are compared with every level; more are counted one by one. */
    CX_COMPARED_CODES = 32
};

/* One block of rows, on its way to the sums. */
struct cx_tally_block_rows {
    int32_t rows;
    uint32_t group[CX_TALLY_BLOCK];
    uint16_t small[CX_TALLY_BLOCK]; /* the same, where there are so few groups */
    uint32_t key[CX_TALLY_BLOCK];
    uint16_t small_key[CX_TALLY_BLOCK];
    uint8_t class_of[2][CX_TALLY_BLOCK]; /* low and high bits */
};

/* A question's value: what its code or number says, -1 for no answer. */
static inline int64_t cx_answer(const cx_tally_question *question, int64_t row)
{
    if (question->bytes == 8)
        return ((const int64_t *)question->codes)[row];
    const int32_t code = question->bytes == 1 ? ((const uint8_t *)question->codes)[row]
                                              : ((const uint16_t *)question->codes)[row];
    return code < question->levels ? code : -1;
}

/* Count a bit of a set; one that is a reason for no answer leaves a row less that has any. */
#define CX_COUNT_BIT(question, bit, count, counts)           \
    do {                                                     \
        const int32_t column_ = (question)->bit_column[bit]; \
        if (column_ >= 0)                                    \
            (counts)[column_] += (count);                    \
        if (column_ > (question)->column)                    \
            (counts)[(question)->column] -= (count);         \
    } while (0)

/* Add a slot's moments to a block's row; `class_of` says what its rows answer. */
static inline void cx_add_moments(const cx_tally_block *block, uint32_t class_of, int64_t row,
                                  const int64_t *restrict moments)
{
    if (row < 0 || (class_of & block->need) != block->need)
        return;
    int64_t *restrict sums = block->sums + row * block->n_products;
    for (int32_t k = 0; k < block->n_products; ++k) {
        const int64_t keep = -(int64_t)((class_of & block->needs[k]) == block->needs[k]);
        sums[k] += moments[block->moment[k]] & keep;
    }
}

/* Add to a 128-bit sum in two halves. */
static inline void cx_add_wide(uint64_t *low, uint64_t *high, uint64_t a, uint64_t b)
{
    const unsigned __int128 product = (unsigned __int128)a * b;
    const uint64_t before = *low;
    *low = before + (uint64_t)product;
    *high += (uint64_t)(product >> 64) + (*low < before);
}

/* One SIMD level. */
struct cx_tally_kernels {
    int64_t (*count)(const cx_tally_plan *plan, const cx_tally_batch *batch, int64_t begin,
                     int64_t end, cx_tally_scratch *scratch);
    /* Slots only; see cx_tally_expand. */
    void (*expand)(const cx_tally_plan *plan, const cx_tally_batch *batch,
                   cx_tally_scratch *scratch, const uint32_t *order, int32_t from, int32_t to,
                   const int32_t *cell_of, int64_t *counts, const cx_tally_block *blocks,
                   int32_t n_blocks);
};

extern const struct cx_tally_kernels cx_tally_kernels_scalar;
#ifdef CX_BUILD_X86
extern const struct cx_tally_kernels cx_tally_kernels_avx2;
extern const struct cx_tally_kernels cx_tally_kernels_avx512;
#endif

/* The kernels of the level in use. */
const struct cx_tally_kernels *cx_tally_kernels_in_use(void);

#endif
