/* What the counting kernels share: blocks of rows, and the per-level kernel table. */
#ifndef CXSTREAM_TALLY_H
#define CXSTREAM_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cxstream_native.h"

enum {
    /* Rows handled at a time: 15 vectors of 64 bytes, so that half a byte counts how often they hold something. Sums of
       two products of 11 bits over 16 x 64 rows fit 16 bits. */
    CX_TALLY_BLOCK = 960,
    CX_VECTOR_BYTES = 64,
    CX_VECTORS_MAX = 64, /* of a slot */
    CX_CLASS_BITS_MAX = 12,
    CX_CLASS_NUMBERS_MAX = 8,
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
    uint8_t class_of[2][CX_TALLY_BLOCK];                 /* low and high bits */
    uint8_t lacks[CX_CLASS_NUMBERS_MAX][CX_TALLY_BLOCK]; /* 1 where a number is not answered */
};

/* The code that a row counts as. */
static inline int32_t cx_code(const cx_tally_question *question, int64_t row)
{
    if (question->bytes == 8) {
        const int64_t value = ((const int64_t *)question->codes)[row];
        if (value >= 0)
            return 0;
        return value == -1 ? question->n_codes - 1 : (int32_t)(-1 - value);
    }
    return question->bytes == 1 ? ((const uint8_t *)question->codes)[row]
                                : ((const uint16_t *)question->codes)[row];
}

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
    if (block->sums == NULL) {
        uint64_t *restrict low = block->low + row * block->n_products;
        int64_t *restrict high = block->high + row * block->n_products;
        for (int32_t k = 0; k < block->n_products; ++k) {
            const uint64_t moment = block->moment[k] < 0 ? 0 : (uint64_t)moments[block->moment[k]];
            low[k] += moment;
            high[k] += low[k] < moment;
        }
        return;
    }
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

/*
 * While rows are counted, a wide sum is a low word of 63 bits and a high one above: whether an addition passes them, its
 * top bit says, and rows need no more than low words as long as none does.
 */
static inline void cx_add_long(uint64_t *low, uint64_t *high, uint64_t a, uint64_t b)
{
    const unsigned __int128 sum = (unsigned __int128)a * b + *low;
    *low = (uint64_t)sum & INT64_MAX;
    *high += (uint64_t)(sum >> 63);
}

/*
 * A group's sums of a table, whole vectors: each factor, one of the last of [1, columns], times all of these, in steps;
 * of a number alone n, its sum and that of its squares.
 */
enum { CX_WIDE_VALUES_MAX = 72, CX_ALONE_WORDS = 4 };

/* Words that take so many, in whole steps. */
static inline size_t cx_in_steps(size_t words)
{
    return (words + CX_WIDE_STEP - 1) / CX_WIDE_STEP * CX_WIDE_STEP;
}

/* The words of one factor. */
static inline int32_t cx_factor_words(const cx_tally_table *table)
{
    return (int32_t)cx_in_steps((size_t)table->n_columns + 1);
}

/* Where a table's words are: low ones, high ones, `stride` of each from group to group. */
typedef struct cx_wide_sums {
    uint64_t *low, *high;
    size_t stride;
} cx_wide_sums;

static inline cx_wide_sums cx_wide_sums_of(const cx_tally_plan *plan, const cx_tally_batch *batch,
                                           const cx_tally_scratch *scratch, int32_t table)
{
    size_t before = 0;
    for (int32_t w = 0; w < table; ++w)
        before +=
            cx_in_steps((size_t)cx_tally_wide_words(&plan->wide[w]) * (size_t)batch->n_groups);
    return (cx_wide_sums){scratch->wide_low + before, scratch->wide_high + before,
                          (size_t)cx_tally_wide_words(&plan->wide[table])};
}

/* The number whose answers a table of it alone counts; NULL where that is no such table. */
static inline const cx_tally_question *cx_counted_number(const cx_tally_batch *batch,
                                                         const cx_tally_table *table)
{
    const cx_tally_question *number = &batch->questions[table->columns[0]];
    return table->n_columns == 1 && number->column >= 0 ? number : NULL;
}

/* The table of a number that is counted with its sums; NULL for none. */
static inline const cx_tally_table *cx_counted_table(const cx_tally_plan *plan,
                                                     const cx_tally_batch *batch)
{
    for (int32_t w = 0; w < plan->n_wide; ++w) {
        if (cx_counted_number(batch, &plan->wide[w]) != NULL)
            return &plan->wide[w];
    }
    return NULL;
}

/* The place of a key, the next one where it is new. */
static inline int32_t cx_find(cx_tally_index *index, int64_t key)
{
    const uint64_t mask = ((uint64_t)1 << index->bits) - 1;
    /* 2^64 / golden ratio, as in kernels/cells.py: both fill the same tables. */
    uint64_t slot = ((uint64_t)key * UINT64_C(11400714819323198485)) >> (64 - index->bits);
    while (index->slot_cells[slot] >= 0 && index->slot_keys[slot] != key)
        slot = (slot + 1) & mask;
    if (index->slot_cells[slot] < 0) {
        index->slot_keys[slot] = key;
        index->slot_cells[slot] = index->count;
        index->keys[index->count++] = key;
    }
    return index->slot_cells[slot];
}

/* Groups that are added to the sums together: their slots of one class lie side by side, and so do their bits. */
#define CX_USED_GROUPS 64

static inline uint32_t cx_used_words(const cx_tally_used *used)
{
    return ((uint32_t)used->groups + CX_USED_GROUPS - 1) / CX_USED_GROUPS;
}

static inline uint32_t cx_last_class(const cx_tally_used *used)
{
    return (1u << used->n_class_bits) - 1;
}

static inline uint64_t *cx_used_word(const cx_tally_used *used, int32_t scratch, uint32_t class_of,
                                     uint32_t word)
{
    const size_t row = ((size_t)scratch << used->n_class_bits) + class_of;
    return used->bits + row * cx_used_words(used) + word;
}

/* The bits of a word's classes. */
static inline uint64_t *cx_class_bits(const cx_tally_used *used, uint32_t word, uint32_t *n)
{
    *n = used->n_class_bits > 6 ? 1u << (used->n_class_bits - 6) : 1;
    return used->classes + (size_t)word * *n;
}

/* Goes through the classes that any group of a word uses. */
struct cx_used_classes {
    const uint64_t *next, *end;
    uint64_t left;
    uint32_t base;
};

static inline struct cx_used_classes cx_used_classes(const cx_tally_used *used, uint32_t word)
{
    uint32_t n;
    const uint64_t *first = cx_class_bits(used, word, &n);
    return (struct cx_used_classes){first + 1, first + n, *first, 0};
}

static inline bool cx_next_class(struct cx_used_classes *classes, uint32_t *class_of)
{
    while (classes->left == 0) {
        if (classes->next == classes->end)
            return false;
        classes->left = *classes->next++;
        classes->base += 64;
    }
    *class_of = classes->base + (uint32_t)__builtin_ctzll(classes->left);
    classes->left &= classes->left - 1;
    return true;
}

static inline uint64_t cx_used_by_any(const cx_tally_used *used, uint32_t class_of, uint32_t word)
{
    uint64_t bits = 0;
    for (int32_t s = 0; s < used->n_scratches; ++s)
        bits |= *cx_used_word(used, s, class_of, word);
    return bits;
}

/* Whether a scratch has a slot there: the last class of a dense one stands in its moments. */
static inline bool cx_has_slot(const cx_tally_used *used, int32_t scratch, uint32_t group,
                               uint32_t class_of)
{
    const uint64_t bits = *cx_used_word(used, scratch, class_of, group / CX_USED_GROUPS);
    return (bits >> group % CX_USED_GROUPS & 1) &&
           !(used->scratches[scratch]->dense && class_of == cx_last_class(used));
}

/* One SIMD level. */
struct cx_tally_kernels {
    int64_t (*count)(const cx_tally_plan *plan, const cx_tally_batch *batch, int64_t begin,
                     int64_t end, cx_tally_scratch *scratch);
    /* Slots only, of scratches first..last - 1 and of the groups of one word that `mask` has; `target` is that of the
       first of the whole word. */
    void (*expand)(const cx_tally_plan *plan, const cx_tally_batch *batch,
                   const cx_tally_used *used, int32_t first, int32_t last, uint32_t word,
                   uint64_t mask, int64_t target, const int32_t *cell_of, int64_t *counts,
                   const cx_tally_block *blocks, int32_t n_blocks);
};

extern const struct cx_tally_kernels cx_tally_kernels_scalar;
#ifdef CX_BUILD_X86
extern const struct cx_tally_kernels cx_tally_kernels_avx2;
extern const struct cx_tally_kernels cx_tally_kernels_avx512;
#endif

/* The kernels of the level in use. */
const struct cx_tally_kernels *cx_tally_kernels_in_use(void);

#endif
