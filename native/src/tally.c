/* Counting: the public calls check what they are given, and scratches become sums. */
#include "tally.h"

#include <stddef.h>
#include <string.h>

static bool plan_is_sound(const cx_tally_plan *plan)
{
    if (plan->counts_width < 1 || plan->n_plain < 0 || plan->n_lane < 0 || plan->n_summed < 0 ||
        plan->n_lane + (plan->n_summed > 0) > 64)
        return false;
    if (plan->n_columns < 0 || plan->n_columns > plan->n_lane || plan->n_pairs < 0)
        return false;
    for (int32_t w = 0; w < plan->n_wide; ++w) {
        const cx_tally_table *table = &plan->wide[w];
        if (table->n_columns < 1 || table->n_columns > 64 || table->n_numbers < 1 ||
            table->n_numbers > table->n_columns || table->n_factors < table->n_numbers ||
            table->n_factors > 1 + table->n_columns)
            return false;
    }
    if (plan->n_class_bits < 0 || plan->n_class_bits > CX_CLASS_BITS_MAX)
        return false;
    if (plan->n_class_numbers < 0 || plan->n_class_numbers > CX_CLASS_NUMBERS_MAX ||
        plan->n_columns + plan->n_class_numbers > 64)
        return false;
    if (1 + 2 * plan->n_columns + plan->n_pairs > CX_MOMENTS_MAX)
        return false;
    return plan->n_lane == 0 || (plan->n_vectors > 0 && plan->n_vectors <= CX_VECTORS_MAX &&
                                 plan->limit > 0 && plan->limit <= UINT16_MAX);
}

static bool is_number(const cx_tally_batch *batch, int32_t question)
{
    return question < batch->n_questions && batch->questions[question].bytes == 8;
}

static bool batch_is_sound(const cx_tally_plan *plan, const cx_tally_batch *batch)
{
    if (batch->n_axes < 0 || batch->n_questions < 0)
        return false;
    if (batch->n_groups < 1 || (int64_t)batch->n_groups * plan->counts_width > INT32_MAX)
        return false;
    if (((int64_t)batch->n_groups << plan->n_class_bits) > INT32_MAX)
        return false;
    for (int32_t q = 0; q < plan->n_lane; ++q) {
        if (plan->lane[q] >= batch->n_questions || batch->questions[plan->lane[q]].bytes != 1)
            return false;
    }
    for (int32_t c = 0; c < plan->n_class_numbers; ++c) {
        if (!is_number(batch, plan->class_numbers[c]))
            return false;
    }
    for (int32_t w = 0; w < plan->n_wide; ++w) {
        const cx_tally_table *table = &plan->wide[w];
        for (int32_t j = 0; j < table->n_columns; ++j) {
            if (table->columns[j] >= batch->n_questions ||
                is_number(batch, table->columns[j]) != (j >= table->n_columns - table->n_numbers))
                return false;
        }
    }
    for (int32_t q = 0; q < plan->n_plain; ++q) {
        if (plan->plain[q] >= batch->n_questions)
            return false;
    }
    for (int32_t q = 0; q < plan->n_sets; ++q) {
        if (plan->sets[q] >= batch->n_questions || batch->questions[plan->sets[q]].n_bits < 1)
            return false;
    }
    return (int64_t)batch->n_groups * plan->n_sets * 256 <= INT32_MAX;
}

int32_t cx_tally_n_sets(int32_t levels, int32_t missing)
{
    return levels + missing <= 8 ? 1 : (levels + missing + 1 + 7) / 8;
}

/* One byte a row, of rows of which most have up to eight answers, and of codes below 16. */
static void one_set(const int64_t *offsets, const uint16_t *codes, int64_t rows, int32_t levels,
                    uint8_t *sets_out)
{
    enum { ROWS = 512, MOST = 8 * ROWS };
    uint8_t bit_of[16] = {0}, bits[MOST + 8];
    for (int32_t code = 0; code < levels; ++code)
        bit_of[code] = (uint8_t)(1 << code);
    for (int64_t first = 0; first < rows; first += ROWS) {
        const int64_t end = rows - first < ROWS ? rows : first + ROWS;
        for (int64_t row = first; row < end;) {
            /* As many rows as the buffer has room for: all of them, but where lists are long. */
            const int64_t begin = offsets[row];
            int64_t stop = end;
            while (stop > row + 1 && offsets[stop] - begin > MOST)
                stop -= (stop - row) / 2;
            const int64_t count = offsets[stop] - begin;
            for (int64_t i = 0; i < count && i < MOST; ++i)
                bits[i] = bit_of[codes[begin + i] & 15];
            for (; row < stop; ++row) {
                const int64_t at = offsets[row] - begin, n = offsets[row + 1] - offsets[row];
                uint64_t set = 0;
                if (n <= 8 && at + n <= MOST) {
                    memcpy(&set, bits + at, sizeof set);
                    set &= n < 8 ? (UINT64_C(1) << (8 * n)) - 1 : UINT64_MAX;
                    set |= set >> 32;
                    set |= set >> 16;
                    set |= set >> 8;
                } else {
                    for (int64_t i = 0; i < n; ++i)
                        set |= bit_of[codes[begin + at + i] & 15];
                }
                sets_out[row] = (uint8_t)set;
            }
        }
    }
}

void cx_tally_sets(const int64_t *offsets, const uint16_t *codes, int64_t rows, int32_t levels,
                   int32_t missing, uint8_t *sets_out)
{
    const bool null_has_bit = levels + missing > 8;
    if (missing == 0 && !null_has_bit) {
        one_set(offsets, codes, rows, levels, sets_out);
        return;
    }
    memset(sets_out, 0, (size_t)cx_tally_n_sets(levels, missing) * (size_t)rows);
    for (int64_t row = 0; row < rows; ++row) {
        int32_t reason = levels + missing; /* null */
        bool answered = false;
        for (int64_t place = offsets[row]; place < offsets[row + 1]; ++place) {
            const int32_t code = codes[place];
            if (code < levels) {
                sets_out[code / 8 * rows + row] |= (uint8_t)(1 << code % 8);
                answered = true;
            } else if (reason == levels + missing) {
                reason = code;
            }
        }
        if (!answered && (null_has_bit || reason < levels + missing))
            sets_out[reason / 8 * rows + row] |= (uint8_t)(1 << reason % 8);
    }
}

int cx_tally_count(const cx_tally_plan *plan, const cx_tally_batch *batch, int64_t *next,
                   int64_t end, int64_t rows_taken[2], cx_tally_scratch *scratch)
{
    enum { TAKEN = 32 * CX_TALLY_BLOCK };
    if (!plan_is_sound(plan) || !batch_is_sound(plan, batch) || rows_taken[0] < 0 ||
        rows_taken[1] < rows_taken[0] || rows_taken[1] > end)
        return -1;
    const struct cx_tally_kernels *kernels = cx_tally_kernels_in_use();
    for (;;) {
        if (rows_taken[0] == rows_taken[1]) {
            const int64_t at = __atomic_fetch_add(next, TAKEN, __ATOMIC_RELAXED);
            if (at >= end)
                return 1;
            rows_taken[0] = at;
            rows_taken[1] = end - at < TAKEN ? end : at + TAKEN;
        }
        rows_taken[0] = kernels->count(plan, batch, rows_taken[0], rows_taken[1], scratch);
        if (rows_taken[0] < rows_taken[1])
            return 0;
    }
}

int cx_tally_count_shares(const cx_tally_plan *plan, const cx_tally_share *shares, int32_t n_shares,
                          int64_t end, int32_t *begun)
{
    for (;;) {
        const int32_t i = __atomic_fetch_add(begun, 1, __ATOMIC_RELAXED);
        if (i >= n_shares)
            return CX_OK;
        const cx_tally_share *share = &shares[i];
        if (cx_tally_count(plan, share->batch, share->next, end, share->rows_taken,
                           share->scratch) < 0)
            return CX_BAD_ARGUMENT;
    }
}

/* How many rows of a group there are, by a question that every row answers in one way or another. */
static uint32_t plain_rows(const cx_tally_plan *plan, const cx_tally_batch *batch,
                           const cx_tally_scratch *scratch, uint32_t group)
{
    const uint32_t *counts = scratch->counts + (size_t)group * plan->counts_width;
    const cx_tally_table *counted = cx_counted_table(plan, batch);
    uint32_t rows = counts[0]; /* those of which nothing else says it */
    if (counted != NULL) {
        const cx_tally_question *number = cx_counted_number(batch, counted);
        const cx_wide_sums sums =
            cx_wide_sums_of(plan, batch, scratch, (int32_t)(counted - plan->wide));
        rows += (uint32_t)sums.low[group * sums.stride];
        for (int32_t code = 1; code < number->n_codes; ++code)
            rows += counts[number->column + code];
    } else if (plan->n_plain > 0) {
        const cx_tally_question *question = &batch->questions[plan->plain[0]];
        for (int32_t code = 0; code < question->n_codes; ++code)
            rows += counts[question->column + code];
    } else if (plan->n_sets > 0 && batch->n_groups > 1) {
        const uint32_t *joint = scratch->joint + (size_t)group * plan->n_sets * 256;
        for (int32_t set = 0; set < 256; ++set)
            rows += joint[set];
    }
    return rows;
}

static bool used_is_sound(const cx_tally_plan *plan, const cx_tally_batch *batch,
                          const cx_tally_used *used)
{
    return plan_is_sound(plan) && batch_is_sound(plan, batch) && used->n_scratches > 0 &&
           used->groups == batch->n_groups && used->n_class_bits == plan->n_class_bits;
}

static int64_t count_used(const cx_tally_used *used, uint32_t word)
{
    struct cx_used_classes classes = cx_used_classes(used, word);
    int64_t count = 0;
    for (uint32_t class_of; cx_next_class(&classes, &class_of);)
        count += __builtin_popcountll(cx_used_by_any(used, class_of, word));
    return count;
}

/* The groups of a word that have rows. */
static uint64_t used_groups(const cx_tally_used *used, uint32_t word)
{
    struct cx_used_classes classes = cx_used_classes(used, word);
    uint64_t groups = 0;
    for (uint32_t class_of; cx_next_class(&classes, &class_of);)
        groups |= cx_used_by_any(used, class_of, word);
    return groups;
}

static void use(const cx_tally_used *used, int32_t scratch, uint32_t group, uint32_t class_of)
{
    const uint32_t word = group / CX_USED_GROUPS;
    uint32_t n;
    *cx_used_word(used, scratch, class_of, word) |= UINT64_C(1) << group % CX_USED_GROUPS;
    cx_class_bits(used, word, &n)[class_of / 64] |= UINT64_C(1) << class_of % 64;
}

int cx_tally_find_used(const cx_tally_plan *plan, const cx_tally_batch *batch, cx_tally_used *used,
                       const int32_t *cell_of, int32_t *new_groups, int32_t *n_new_groups)
{
    if (!used_is_sound(plan, batch, used))
        return CX_BAD_ARGUMENT;
    const uint32_t groups = (uint32_t)used->groups;
    for (int32_t s = 0; s < used->n_scratches; ++s) {
        const cx_tally_scratch *scratch = used->scratches[s];
        /* Places divided by groups, by a multiplication: exact for 32 bits. */
        const uint64_t inverse = groups > 1 ? UINT64_MAX / groups + 1 : 0;
        for (uint32_t i = 0; i < scratch->n_slots; ++i) {
            const uint32_t place = scratch->place_of[i];
            const uint32_t class_of =
                groups > 1 ? (uint32_t)((unsigned __int128)inverse * place >> 64) : place;
            use(used, s, place - class_of * groups, class_of);
        }
        if (scratch->dense)
            use(used, s, 0, cx_last_class(used));
        for (uint32_t group = 0; plan->n_lane == 0 && group < groups; ++group) {
            if (plain_rows(plan, batch, scratch, group) > 0)
                use(used, s, group, 0);
        }
    }
    used->count = 0;
    *n_new_groups = 0;
    for (uint32_t word = 0; word < cx_used_words(used); ++word) {
        used->count += count_used(used, word);
        for (uint64_t left = used_groups(used, word); left != 0; left &= left - 1) {
            const uint32_t group = CX_USED_GROUPS * word + (uint32_t)__builtin_ctzll(left);
            if (cell_of[group] < 0)
                new_groups[(*n_new_groups)++] = (int32_t)group;
        }
    }
    return CX_OK;
}

/* A class that groups of a word use, and where their targets stand. */
struct used_class {
    uint64_t groups;
    int64_t target;
    uint32_t class_of;
};

void cx_tally_find_rows(const cx_tally_used *used, const int32_t *cell_of,
                        const int64_t *pattern_of, int32_t *number_of, cx_tally_index *patterns,
                        cx_tally_index *rows, int32_t *targets)
{
    struct used_class classes[1 << CX_CLASS_BITS_MAX];
    int64_t target = 0;
    for (uint32_t word = 0; word < cx_used_words(used); ++word) {
        int32_t n = 0;
        struct cx_used_classes its = cx_used_classes(used, word);
        for (uint32_t class_of; cx_next_class(&its, &class_of);) {
            const uint64_t groups = cx_used_by_any(used, class_of, word);
            if (pattern_of[class_of] != 0 && number_of[class_of] < 0)
                number_of[class_of] = cx_find(patterns, pattern_of[class_of]);
            classes[n++] = (struct used_class){groups, target, class_of};
            target += __builtin_popcountll(groups);
        }
        /* Group by group, so that its rows lie side by side for whoever reads them. */
        for (uint64_t left = used_groups(used, word); left != 0; left &= left - 1) {
            const uint64_t bit = left & -left;
            const int64_t cell = cell_of[CX_USED_GROUPS * word + (uint32_t)__builtin_ctzll(left)];
            for (int32_t i = 0; i < n; ++i) {
                if (!(classes[i].groups & bit))
                    continue;
                const uint32_t class_of = classes[i].class_of;
                targets[classes[i].target++] =
                    pattern_of[class_of] == 0 ? -1
                                              : cx_find(rows, cell << 32 | number_of[class_of]);
            }
        }
    }
}

int32_t cx_tally_wide_words(const cx_tally_table *table)
{
    return table->n_columns == 1 ? CX_ALONE_WORDS : table->n_factors * cx_factor_words(table);
}

static void expand_wide(const cx_tally_plan *plan, const cx_tally_batch *batch,
                        cx_tally_scratch *scratch, uint32_t group, int64_t cell,
                        int64_t *restrict counts, const cx_tally_table *wide)
{
    for (int32_t w = 0; w < plan->n_wide; ++w) {
        const cx_tally_table *table = &plan->wide[w];
        const cx_tally_question *number = cx_counted_number(batch, table);
        const cx_wide_sums sums = cx_wide_sums_of(plan, batch, scratch, w);
        uint64_t *restrict given = sums.low + group * sums.stride;
        uint64_t *restrict above = sums.high + group * sums.stride;
        uint64_t *restrict low = wide[w].low + cell * table->n_products;
        int64_t *restrict high = wide[w].high + cell * table->n_products;
        if (number != NULL)
            counts[number->column] += (int64_t)given[0];
        for (int32_t k = 0; k < table->n_products; ++k) {
            const int32_t word = table->word[k];
            if (word < 0)
                continue;
            const uint64_t below = given[word] + (above[word] << 63);
            low[k] += below;
            high[k] += (int64_t)((above[word] >> 1) + (low[k] < below));
        }
        memset(given, 0, sums.stride * sizeof *given);
        memset(above, 0, sums.stride * sizeof *above);
    }
}

static void expand_joint(const cx_tally_plan *plan, const cx_tally_batch *batch,
                         cx_tally_scratch *scratch, int32_t group, int64_t *restrict counts)
{
    uint32_t *joint = scratch->joint + (size_t)group * plan->n_sets * 256;
    for (int32_t q = 0; q < plan->n_sets; ++q, joint += 256) {
        const cx_tally_question *question = &batch->questions[plan->sets[q]];
        uint32_t rows = 0;
        for (int32_t set = 0; set < 256; ++set)
            rows += joint[set];
        if (rows == 0)
            continue;
        if (question->levels)
            counts[question->column] += rows;
        for (int32_t bit = 0; bit < question->n_bits; ++bit) {
            uint32_t count = 0;
            for (int32_t set = 0; set < 256; ++set)
                count += joint[set] & -(uint32_t)(set >> bit & 1);
            CX_COUNT_BIT(question, bit, (int64_t)count, counts);
        }
        CX_COUNT_BIT(question, question->n_bits, (int64_t)joint[0], counts);
        memset(joint, 0, 256 * sizeof *joint);
    }
}

/* What a scratch of a single group holds of the rows that answer every column. */
static void expand_dense(const cx_tally_plan *plan, cx_tally_scratch *scratch, int32_t cell,
                         int64_t target, const cx_tally_block *blocks, int32_t n_blocks)
{
    for (int32_t b = 0; b < n_blocks; ++b)
        cx_add_moments(&blocks[b], (1u << plan->n_class_bits) - 1,
                       blocks[b].targets == NULL ? cell : blocks[b].targets[target],
                       scratch->moments);
    memset(scratch->moments, 0,
           (size_t)(1 + 2 * plan->n_columns + plan->n_pairs) * sizeof *scratch->moments);
}

/* What is counted of a group besides its slots. */
static void expand_group(const cx_tally_plan *plan, const cx_tally_batch *batch,
                         cx_tally_scratch *scratch, uint32_t group, int32_t cell, int64_t *counts,
                         const cx_tally_table *wide)
{
    const int32_t width = plan->counts_width;
    uint32_t *restrict given = scratch->counts + (size_t)group * (uint32_t)width;
    int64_t *restrict out = counts + (int64_t)cell * width;
    if (scratch->dense)
        out[0] += scratch->rows;
    else if (plan->n_lane == 0)
        given[0] = plain_rows(plan, batch, scratch, group);
    if (batch->n_groups > 1)
        expand_joint(plan, batch, scratch, group, out);
    for (int32_t column = 0; column < width; ++column)
        out[column] += given[column];
    memset(given, 0, (size_t)width * sizeof *given);
    expand_wide(plan, batch, scratch, group, cell, out, wide);
}

/* Behind the scratches, from one on, whose rows a slot's numbers hold together. */
static int32_t held_together(const cx_tally_plan *plan, const cx_tally_used *used, int32_t first)
{
    int64_t rows = used->scratches[first]->rows;
    int32_t last = first + 1;
    while (last < used->n_scratches && rows + used->scratches[last]->rows <= plan->rows_max)
        rows += used->scratches[last++]->rows;
    return last;
}

/* Clear a block's new rows of some groups of a word: nobody has any of them in between. */
static void clear_new(const cx_tally_used *used, uint32_t word, uint64_t mask, int64_t target,
                      const cx_tally_block *block)
{
    int64_t low = INT64_MAX, high = -1;
    struct cx_used_classes classes = cx_used_classes(used, word);
    for (uint32_t class_of; cx_next_class(&classes, &class_of);) {
        const uint64_t any = cx_used_by_any(used, class_of, word);
        int64_t at = target + __builtin_popcountll(any & ((mask & -mask) - 1));
        const int64_t end = at + __builtin_popcountll(any & mask);
        for (; at < end; ++at) {
            const int64_t row = block->targets[at];
            if (row < block->new_from)
                continue;
            low = row < low ? row : low;
            high = row > high ? row : high;
        }
        target += __builtin_popcountll(any);
    }
    if (high >= 0)
        memset(block->sums + low * block->n_products, 0,
               (size_t)(high + 1 - low) * (size_t)block->n_products * sizeof *block->sums);
}

int cx_tally_expand(const cx_tally_plan *plan, const cx_tally_batch *batch,
                    const cx_tally_used *used, int32_t *next, const int32_t *cell_of,
                    int64_t *counts, const cx_tally_block *blocks, int32_t n_blocks,
                    const cx_tally_table *wide)
{
    enum { TAKEN = 16, PARTS = CX_USED_GROUPS / TAKEN }; /* of a word's groups */
    if (!used_is_sound(plan, batch, used))
        return CX_BAD_ARGUMENT;
    int64_t target = 0;
    for (uint32_t done = 0;;) {
        const uint32_t part = (uint32_t)__atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
        const uint32_t word = part / PARTS;
        if (word >= cx_used_words(used))
            return CX_OK;
        while (done < word)
            target += count_used(used, done++);
        const uint64_t mask = ((UINT64_C(1) << TAKEN) - 1) << part % PARTS * TAKEN;
        const uint64_t groups = used_groups(used, word) & mask;
        if (groups == 0)
            continue;
        for (int32_t b = 0; b < n_blocks; ++b) {
            if (blocks[b].targets != NULL)
                clear_new(used, word, mask, target, &blocks[b]);
        }
        for (int32_t first = 0; plan->n_lane > 0 && first < used->n_scratches;) {
            const int32_t last = held_together(plan, used, first);
            cx_tally_kernels_in_use()->expand(plan, batch, used, first, last, word, mask, target,
                                              cell_of, counts, blocks, n_blocks);
            first = last;
        }
        for (int32_t s = 0; s < used->n_scratches; ++s) {
            cx_tally_scratch *scratch = used->scratches[s];
            for (uint64_t left = groups; left != 0; left &= left - 1) {
                const uint32_t group = CX_USED_GROUPS * word + (uint32_t)__builtin_ctzll(left);
                expand_group(plan, batch, scratch, group, cell_of[group], counts, wide);
            }
            if (scratch->dense)
                expand_dense(plan, scratch, cell_of[0], used->count - 1, blocks, n_blocks);
        }
    }
}
