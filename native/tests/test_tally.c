/*
 * The counting kernels against sums written row by row from the header's words, at every SIMD level this processor has.
 * Built with the address and undefined-behaviour sanitizers (see Makefile); every buffer is allocated to the byte.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cxstream_native.h"

enum {
    QUESTIONS_MAX = 12,
    PAIRS_MAX = QUESTIONS_MAX * QUESTIONS_MAX,
    LEVELS = 5,
    CODES = 7,
    FULL_ROWS = 6001, /* all numbers are of 27 bits, so that sums pass the 63 bits of a low word */
    MODEL_MAX = 9,    /* questions that the number is multiplied by */
    WIDE_MAX = (MODEL_MAX + 2) * (MODEL_MAX + 3) / 2
};

/* Questions of 5 levels, a missing code and null: the first `columns` of them multiplied by each other. Of those the
   first `summed` are not counted. A number is multiplied by itself, and in another block by the first questions too. */
struct setting {
    int32_t questions, columns, groups;
    int64_t rows;
    bool direct, number, choice;
    int32_t options; /* of the question with several answers */
    bool sets_in_lanes;
    int32_t summed;
    bool one_axis; /* which says the whole group, where rows are counted in lanes */
};

struct data {
    cx_tally_axis axes[2];
    cx_tally_question questions[QUESTIONS_MAX + 3];
    int64_t *offsets; /* of the question with several answers */
    uint16_t *several;
    uint8_t *sets;
    int32_t set_columns[2][9];
    int32_t first_set, n_sets, options, choice_column;
    cx_tally_batch batch;
    int32_t width;
};

static struct data make_data(const struct setting *of)
{
    struct data data = {.width = 1};
    const int32_t radix = of->groups > 1 ? of->groups / 2 : 1;
    uint8_t *outer = zeros((size_t)of->rows, 1);
    uint16_t *inner = zeros((size_t)of->rows, 2);
    for (int64_t row = 0; row < of->rows; ++row) {
        outer[row] = (uint8_t)random_below(of->groups > 1 ? 2 : 1);
        inner[row] = (uint16_t)random_below((uint64_t)radix);
    }
    data.axes[0] = (cx_tally_axis){.digits = outer, .bytes = 1, .radix = of->groups > 1 ? 2 : 1};
    data.axes[1] = (cx_tally_axis){.digits = inner, .bytes = 2, .radix = radix};
    int32_t n = 0;
    for (; n < of->questions; ++n) {
        uint8_t *codes = zeros((size_t)of->rows, 1);
        for (int64_t row = 0; row < of->rows; ++row)
            codes[row] =
                (uint8_t)(random_below(10) == 0 ? LEVELS + random_below(2) : random_below(LEVELS));
        data.questions[n] = (cx_tally_question){
            .codes = codes, .bytes = 1, .n_codes = CODES, .levels = LEVELS, .column = data.width};
        if (n < of->summed)
            data.questions[n].column = -1;
        else
            data.width += CODES;
    }
    if (of->number) {
        int64_t *values = zeros((size_t)of->rows, 8);
        for (int64_t row = 0; row < of->rows; ++row)
            values[row] = random_below(10) == 0 ? -1 - (int64_t)random_below(2)
                          : of->rows % 2        ? ((int64_t)1 << random_below(28)) - 1
                                                : (int64_t)1 << random_below(46);
        data.questions[n++] = (cx_tally_question){
            .codes = values, .bytes = 8, .n_codes = 3, .levels = 1, .column = data.width};
        data.width += 3;
    }
    data.first_set = n;
    if (of->choice) {
        data.options = of->options;
        data.offsets = zeros((size_t)of->rows + 1, 8);
        for (int64_t row = 0; row < of->rows; ++row)
            data.offsets[row + 1] =
                data.offsets[row] + (int64_t)(random_below(50) == 0 ? 30 : random_below(4));
        data.several = zeros((size_t)data.offsets[of->rows], 2);
        for (int64_t place = 0; place < data.offsets[of->rows]; ++place)
            data.several[place] = (uint16_t)random_below((uint64_t)of->options + 2);
        data.n_sets = cx_tally_n_sets(of->options, 1);
        data.sets = zeros((size_t)data.n_sets * (size_t)of->rows, 1);
        cx_tally_sets(data.offsets, data.several, of->rows, of->options, 1, data.sets);
        data.choice_column = data.width;
        for (int32_t bit = 0; bit < 9 * data.n_sets; ++bit)
            data.set_columns[bit / 9][bit % 9] = -1;
        const bool null_has_bit = of->options + 1 > 8;
        for (int32_t bit = 0; bit < of->options + 2; ++bit)
            data.set_columns[null_has_bit ? bit / 8 : 0][null_has_bit ? bit % 8 : bit] =
                data.width + bit + (bit >= of->options);
        for (int32_t set = 0; set < data.n_sets; ++set) {
            int32_t bits = of->options + 1 + null_has_bit - 8 * set;
            bits = bits > 8 ? 8 : bits;
            data.questions[n++] = (cx_tally_question){
                .codes = data.sets + set * of->rows,
                .bytes = 1,
                .n_codes = bits + 1 + !null_has_bit,
                .levels = set == 0,
                .column = data.width + of->options,
                .n_bits = bits,
            };
        }
        data.width += of->options + 3;
    }
    data.batch = (cx_tally_batch){
        data.axes, data.questions, 2, n, 2 * (radix > 1 ? radix : 1),
    };
    data.batch.n_groups = data.axes[0].radix * data.axes[1].radix;
    return data;
}

static void free_data(struct data *data)
{
    free((void *)data->axes[0].digits);
    free((void *)data->axes[1].digits);
    for (int32_t q = 0; q < data->first_set; ++q)
        free((void *)data->questions[q].codes);
    free(data->offsets);
    free(data->several);
    free(data->sets);
}

/* ---- A plan: a class bit for every column, vectors of counters, then of products ---- */

struct layout {
    int32_t plain[QUESTIONS_MAX + 1], sets[2], lane[QUESTIONS_MAX + 2], hist_at[QUESTIONS_MAX + 2];
    int32_t square_at[QUESTIONS_MAX];
    int32_t left[PAIRS_MAX], right[PAIRS_MAX], at[PAIRS_MAX];
    uint64_t bits[QUESTIONS_MAX + 1];
    cx_tally_vector vectors[40];
    /* Blocks with the number: as rows are counted, and as sums are kept, where it is the first column. */
    cx_tally_table wide[2], kept[2];
    int32_t wide_columns[2][1 + MODEL_MAX], kept_columns[2][1 + MODEL_MAX];
    int32_t wide_left[2][WIDE_MAX], wide_right[2][WIDE_MAX], word[2][WIDE_MAX], moment[WIDE_MAX];
    int32_t number;
    bool shared; /* whether what the second one needs besides comes from lanes */
    cx_tally_plan plan;
};

static cx_tally_vector *new_vector(struct layout *layout, int32_t left, int32_t right)
{
    cx_tally_vector *vector = &layout->vectors[layout->plan.n_vectors++];
    memset(vector->left, 255, 64);
    memset(vector->right, 255, 64);
    memset(vector->mask, 255, 64);
    memset(vector->level, 255, 64);
    vector->left_group = left;
    vector->right_group = right;
    vector->counts = vector->multiplies = 0;
    return vector;
}

/* The lanes of a product; `used` of the last vector are taken. */
static int32_t place_product(struct layout *layout, int32_t left, int32_t right, int32_t *used)
{
    cx_tally_vector *vector = &layout->vectors[layout->plan.n_vectors - 1];
    if (vector->left_group != left / 8 || vector->right_group != right / 8 || *used + 2 > 64) {
        vector = new_vector(layout, left / 8, right / 8);
        *used = 0;
    }
    vector->multiplies = 1;
    vector->left[*used] = (uint8_t)(left % 8);
    vector->right[*used] = (uint8_t)(right % 8);
    *used += 2;
    return 64 * (layout->plan.n_vectors - 1) + *used - 2;
}

/* A block of the number and so many questions; where their products come from lanes, their moments. */
static void add_wide_block(struct layout *layout, int32_t number, int32_t questions, bool shared)
{
    cx_tally_plan *plan = &layout->plan;
    const int32_t w = plan->n_wide++, values = 2 + questions;
    const int32_t factors = shared ? 1 : values, step = (values + 7) / 8 * 8;
    int32_t n = 0;
    for (int32_t q = 0; q < questions; ++q)
        layout->wide_columns[w][q] = layout->kept_columns[w][1 + q] = q;
    layout->wide_columns[w][questions] = layout->kept_columns[w][0] = number;
    for (int32_t left = 0; left < values; ++left) {
        for (int32_t right = left; right < values; ++right, ++n) {
            layout->wide_left[w][n] = left;
            layout->wide_right[w][n] = right;
            /* Values are 1, questions, the number; rows of the block 1, the number, questions. */
            const int32_t a = left == 1 ? values - 1 : left - (left > 1);
            const int32_t b = right == 1 ? values - 1 : right - (right > 1);
            const int32_t factor = (a > b ? a : b) - (values - factors), value = a > b ? b : a;
            layout->word[w][n] = questions == 0 ? n : factor < 0 ? -1 : factor * step + value;
            if (!shared || factor >= 0) {
                layout->moment[n] = -1;
                continue;
            }
            const int32_t p = plan->n_columns;
            layout->moment[n] = b == 0 ? 0 : a == 0 ? b : a == b ? p + b : 0;
            for (int32_t k = 0; a > 0 && a < b && k < plan->n_pairs; ++k) {
                if (layout->left[k] == a - 1 && layout->right[k] == b - 1)
                    layout->moment[n] = 1 + 2 * p + k;
            }
        }
    }
    layout->wide[w] = (cx_tally_table){
        .n_columns = 1 + questions,
        .columns = layout->wide_columns[w],
        .n_products = n,
        .n_numbers = 1,
        .n_factors = factors,
        .word = layout->word[w],
    };
    layout->kept[w] = (cx_tally_table){
        .n_columns = 1 + questions,
        .columns = layout->kept_columns[w],
        .n_products = n,
        .left = layout->wide_left[w],
        .right = layout->wide_right[w],
    };
}

static void lay_out(struct layout *layout, const struct setting *of, const struct data *data)
{
    memset(layout, 0, sizeof *layout);
    cx_tally_plan *plan = &layout->plan;
    cx_tally_vector *vector = NULL;
    int32_t used = 0;
    const int32_t one = of->questions + (of->sets_in_lanes ? data->n_sets : 0);
    plan->n_summed = of->summed;
    if (of->summed > 0) { /* rows are counted, or 1 by 1 is added up */
        vector = new_vector(layout, 0, 0);
        used = 2;
        if (one < 8)
            vector->left[0] = vector->right[0] = (uint8_t)one, vector->multiplies = 1;
        else
            vector->mask[0] = vector->level[0] = 0, vector->counts = 2;
    }
    for (int32_t q = 0; of->columns > 0 && q < of->questions; ++q) {
        if (q < of->summed) {
            layout->lane[plan->n_lane++] = q;
            continue;
        }
        if (vector == NULL || vector->left_group != q / 8 || used + CODES - 1 > 64) {
            vector = new_vector(layout, q / 8, q / 8);
            used = 0;
            if (plan->n_vectors == 1 &&
                of->summed == 0) /* a lane that counts rows, and one for nothing */
                vector->mask[0] = vector->level[0] = 0, used = 2;
        }
        vector->counts = (used + CODES) & ~1;
        layout->lane[plan->n_lane++] = q;
        layout->hist_at[q] = 64 * (plan->n_vectors - 1) + used;
        for (int32_t code = 0; code + 1 < CODES; ++code, ++used) {
            vector->left[used] = (uint8_t)(q % 8);
            vector->level[used] = (uint8_t)code;
        }
    }
    for (int32_t set = data->first_set; set < data->batch.n_questions; ++set) {
        if (!of->sets_in_lanes) {
            layout->sets[plan->n_sets++] = set;
            continue;
        }
        const int32_t q = plan->n_lane, bits = data->questions[set].n_bits;
        if (vector->left_group != q / 8 || used + 10 > 64) {
            vector = new_vector(layout, q / 8, q / 8);
            used = 0;
        }
        layout->lane[plan->n_lane++] = set;
        layout->hist_at[q] = 64 * (plan->n_vectors - 1) + used;
        for (int32_t bit = 0; bit < data->questions[set].n_codes - 1; ++bit, ++used) {
            vector->left[used] = (uint8_t)(q % 8);
            vector->mask[used] = bit < bits ? (uint8_t)(1 << bit) : 255;
            vector->level[used] = bit < bits ? (uint8_t)(1 << bit) : 0;
        }
        used += used % 2;
        vector->counts = used;
    }
    /* One column: its squares are no pair, and the products' vector is the counters'. */
    const bool shared =
        of->summed == 0 && plan->n_vectors == 1 && used + of->columns * (of->columns - 1) <= 64;
    for (int32_t a = 0; a < of->columns; ++a) {
        for (int32_t b = a + 1; b < of->columns; ++b) {
            layout->left[plan->n_pairs] = a;
            layout->right[plan->n_pairs] = b;
            ++plan->n_pairs;
        }
    }
    /* Pairs of the same groups of 8 questions share vectors. */
    for (int32_t groups = 0; groups < 3; ++groups) {
        bool begun = shared;
        for (int32_t k = 0; k < plan->n_pairs; ++k) {
            const int32_t a = layout->left[k], b = layout->right[k];
            if (a / 8 + b / 8 != groups)
                continue;
            if (!begun || used + 2 > 64) {
                vector = new_vector(layout, a / 8, b / 8);
                used = 0;
                begun = true;
            }
            vector->multiplies = 1;
            vector->left[used] = (uint8_t)(a % 8);
            vector->right[used] = (uint8_t)(b % 8);
            layout->at[k] = 64 * (plan->n_vectors - 1) + used;
            used += 2;
        }
    }
    for (int32_t q = 0; q < of->summed; ++q) {
        used += used % 2;
        layout->hist_at[q] = place_product(layout, q, one, &used);
        layout->square_at[q] = place_product(layout, q, q, &used);
    }
    for (int32_t q = of->columns > 0 ? of->questions : 0; q < data->first_set; ++q)
        layout->plain[plan->n_plain++] = q;
    for (int32_t c = 0; c < of->columns; ++c)
        layout->bits[c] = (uint64_t)1 << c;
    plan->counts_width = data->width;
    plan->plain = layout->plain;
    plan->sets = layout->sets;
    plan->n_columns = of->columns;
    plan->lane = layout->lane;
    plan->hist_at = layout->hist_at;
    plan->square_at = layout->square_at;
    plan->pair_left = layout->left;
    plan->pair_right = layout->right;
    plan->pair_at = layout->at;
    plan->vectors = layout->vectors;
    plan->limit = 255;
    plan->rows_max = INT32_MAX;
    plan->n_class_bits = of->columns;
    plan->class_columns = layout->bits;
    if (of->number) {
        const int32_t questions = of->questions < MODEL_MAX ? of->questions : MODEL_MAX;
        layout->number = of->questions;
        plan->wide = layout->wide;
        add_wide_block(layout, of->questions, 0, false);
        layout->shared = of->columns > 0 && of->columns >= questions;
        if (questions > 0)
            add_wide_block(layout, of->questions, questions, layout->shared);
        if (layout->shared) {
            plan->n_class_numbers = 1;
            plan->class_numbers = &layout->number;
            layout->bits[plan->n_class_bits++] =
                (uint64_t)1 << plan->n_columns | (((uint64_t)1 << questions) - 1);
        }
        /* It is counted with its sums. */
        plan->n_plain -= plan->n_plain > 0 && layout->plain[plan->n_plain - 1] == of->questions;
    }
}

/* ---- What there is to find ---- */

struct sums {
    int64_t *counts;  /* cells x width */
    int64_t *moments; /* cells x (1 + 2 p + pairs): of rows that answer all columns */
    uint64_t *low[2]; /* of blocks with the number: cells x products */
    int64_t *high[2];
};

static struct sums make_sums(const struct layout *layout, int32_t cells)
{
    const size_t moments = (size_t)(1 + 2 * layout->plan.n_columns + layout->plan.n_pairs);
    struct sums sums = {
        .counts = zeros((size_t)cells * (size_t)layout->plan.counts_width, 8),
        .moments = zeros((size_t)cells * moments, 8),
    };
    for (int32_t w = 0; w < 2; ++w) {
        sums.low[w] = zeros((size_t)cells * (size_t)layout->kept[w].n_products, 8);
        sums.high[w] = zeros((size_t)cells * (size_t)layout->kept[w].n_products, 8);
    }
    return sums;
}

/* Copy a cell's sums. */
static void copy_cell(const struct layout *layout, const struct sums *from, size_t its,
                      struct sums *to, size_t cell)
{
    const size_t width = (size_t)layout->plan.counts_width;
    const size_t moments = (size_t)(1 + 2 * layout->plan.n_columns + layout->plan.n_pairs);
    memcpy(to->counts + cell * width, from->counts + its * width, width * 8);
    memcpy(to->moments + cell * moments, from->moments + its * moments, moments * 8);
    for (int32_t w = 0; w < 2; ++w) {
        const size_t n = (size_t)layout->kept[w].n_products;
        memcpy(to->low[w] + cell * n, from->low[w] + its * n, n * 8);
        memcpy(to->high[w] + cell * n, from->high[w] + its * n, n * 8);
    }
}

static void free_sums(struct sums *sums)
{
    free(sums->counts);
    free(sums->moments);
    for (int32_t w = 0; w < 2; ++w) {
        free(sums->low[w]);
        free(sums->high[w]);
    }
}

static int32_t group_of(const struct data *data, int64_t row)
{
    const int32_t inner = ((const uint16_t *)data->axes[1].digits)[row];
    return ((const uint8_t *)data->axes[0].digits)[row] * data->axes[1].radix + inner;
}

static struct sums slowly(const struct setting *of, const struct data *data,
                          const struct layout *layout)
{
    const cx_tally_plan *plan = &layout->plan;
    struct sums out = make_sums(layout, data->batch.n_groups);
    for (int64_t row = 0; row < of->rows; ++row) {
        const int32_t group = group_of(data, row);
        int64_t *counts = out.counts + (int64_t)group * data->width;
        ++counts[0];
        bool all = of->columns > 0;
        uint8_t x[QUESTIONS_MAX];
        for (int32_t q = 0; q < of->questions; ++q) {
            x[q] = ((const uint8_t *)data->questions[q].codes)[row];
            if (q >= of->summed)
                ++counts[data->questions[q].column + x[q]];
            all &= q >= of->columns || x[q] < LEVELS;
        }
        if (of->number) {
            const cx_tally_question *number = &data->questions[of->questions];
            const int64_t value = ((const int64_t *)number->codes)[row];
            ++counts[number->column + (value >= 0 ? 0 : value == -1 ? 2 : 1)];
            for (int32_t w = 0; w < plan->n_wide; ++w) {
                const cx_tally_table *table = &layout->kept[w];
                uint64_t values[2 + MODEL_MAX] = {1, (uint64_t)value};
                bool complete = value >= 0;
                for (int32_t j = 1; j < table->n_columns; ++j) {
                    values[1 + j] = x[table->columns[j]];
                    complete &= x[table->columns[j]] < LEVELS;
                }
                for (int32_t k = 0; complete && k < table->n_products; ++k) {
                    uint64_t *low = out.low[w] + (int64_t)group * table->n_products + k;
                    int64_t *high = out.high[w] + (int64_t)group * table->n_products + k;
                    const unsigned __int128 sum =
                        ((unsigned __int128)(uint64_t)*high << 64 | *low) +
                        (unsigned __int128)values[table->left[k]] * values[table->right[k]];
                    *low = (uint64_t)sum;
                    *high = (int64_t)(uint64_t)(sum >> 64);
                }
            }
        }
        if (of->choice) {
            bool named[32] = {false}, any = false;
            int32_t reason = of->options + 1;
            for (int64_t k = data->offsets[row]; k < data->offsets[row + 1]; ++k) {
                if (data->several[k] < of->options)
                    any = named[data->several[k]] = true;
                else if (reason > of->options)
                    reason = data->several[k];
            }
            for (int32_t option = 0; option < of->options; ++option)
                counts[data->choice_column + option] += named[option];
            ++counts[data->choice_column + (any ? of->options : 1 + reason)];
        }
        if (!all)
            continue;
        int64_t *moments = out.moments + (int64_t)group * (1 + 2 * plan->n_columns + plan->n_pairs);
        ++*moments++;
        for (int32_t c = 0; c < of->columns; ++c)
            *moments++ += x[c];
        for (int32_t c = 0; c < of->columns; ++c)
            *moments++ += x[c] * x[c];
        for (int32_t a = 0; a < of->columns; ++a) {
            for (int32_t b = a + 1; b < of->columns; ++b)
                *moments++ += x[a] * x[b];
        }
    }
    return out;
}

/* ---- Counting in lanes ---- */

static cx_tally_scratch make_scratch(const struct setting *of, const struct data *data,
                                     const struct layout *layout)
{
    const uint32_t places = (uint32_t)data->batch.n_groups << layout->plan.n_class_bits;
    const uint32_t slots = of->direct ? places : 1024;
    const size_t lanes = (size_t)layout->plan.n_vectors * 64;
    const uint32_t wide = 1024 + 8; /* so few that rows are counted in rounds */
    size_t words = 0;               /* each block's in whole steps */
    for (int32_t w = 0; w < layout->plan.n_wide; ++w)
        words +=
            ((size_t)data->batch.n_groups * (size_t)cx_tally_wide_words(&layout->plan.wide[w]) +
             CX_WIDE_STEP - 1) /
            CX_WIDE_STEP * CX_WIDE_STEP;
    cx_tally_scratch scratch = {
        .counts = zeros((size_t)data->batch.n_groups * (size_t)data->width, 4),
        .joint = zeros((size_t)data->batch.n_groups * (size_t)layout->plan.n_sets * 256, 4),
        .slot_of = zeros(places, 4),
        .place_of = zeros(slots, 4),
        .lanes = zeros(slots * lanes, 1),
        .wide_of = zeros(slots, 4),
        .wide = zeros(wide * lanes, 4),
        .wide_low = zeros(words, 8),
        .wide_high = zeros(words, 8),
        .moments = zeros((size_t)(1 + 2 * of->columns + layout->plan.n_pairs), 8),
        .products = zeros((size_t)(1 + 2 * of->columns + layout->plan.n_pairs), 64),
        .slots_max = slots,
        .wide_max = wide,
        .direct = of->direct,
    };
    return scratch;
}

static void free_scratch(cx_tally_scratch *scratch)
{
    free(scratch->counts);
    free(scratch->joint);
    free(scratch->slot_of);
    free(scratch->place_of);
    free(scratch->lanes);
    free(scratch->wide_of);
    free(scratch->wide);
    free(scratch->wide_low);
    free(scratch->wide_high);
    free(scratch->moments);
    free(scratch->products);
}

static void compare(const struct data *data, const struct layout *layout, const struct sums *got,
                    const struct sums *expected)
{
    const int64_t width = data->width, groups = data->batch.n_groups;
    const int64_t moments = 1 + 2 * layout->plan.n_columns + layout->plan.n_pairs;
    for (int64_t i = 0; i < groups * width; ++i)
        CHECK(got->counts[i] == expected->counts[i], "count %lld of cell %lld is %lld, not %lld",
              (long long)(i % width), (long long)(i / width), (long long)got->counts[i],
              (long long)expected->counts[i]);
    for (int64_t i = 0; i < groups * moments; ++i)
        CHECK(got->moments[i] == expected->moments[i], "moment %lld of cell %lld is %lld, not %lld",
              (long long)(i % moments), (long long)(i / moments), (long long)got->moments[i],
              (long long)expected->moments[i]);
    for (int32_t w = 0; w < layout->plan.n_wide; ++w) {
        const int64_t n = layout->kept[w].n_products;
        for (int64_t i = 0; i < groups * n; ++i)
            CHECK(got->low[w][i] == expected->low[w][i] && got->high[w][i] == expected->high[w][i],
                  "sum %lld of wide block %d, cell %lld", (long long)(i % n), w,
                  (long long)(i / n));
    }
}

static void check_lanes(const struct setting *of, const struct data *data, struct layout *layout,
                        const struct sums *expected)
{
    const int32_t groups = data->batch.n_groups;
    cx_tally_batch batch = data->batch;
    uint8_t *digits = zeros((size_t)of->rows, 1);
    const cx_tally_axis axis = {.digits = digits, .bytes = 1, .radix = groups};
    for (int64_t row = 0; row < of->rows && of->one_axis; ++row)
        digits[row] = (uint8_t)group_of(data, row);
    if (of->one_axis) {
        batch.axes = &axis;
        batch.n_axes = 1;
    }
    const int32_t n_moments = 1 + 2 * layout->plan.n_columns + layout->plan.n_pairs;
    struct sums got = make_sums(layout, groups);
    int32_t *cell_of = zeros((size_t)groups, 4), *moment = zeros((size_t)n_moments, 4);
    uint32_t *needs = zeros((size_t)n_moments, 4);
    int32_t *new_groups = zeros((size_t)groups, 4);
    const size_t words = (size_t)((groups + 63) / 64) << layout->plan.n_class_bits;
    uint64_t *bits = zeros(2 * words, 8), *classes = zeros(words, 8);
    for (int32_t k = 0; k < n_moments; ++k)
        moment[k] = k;
    const cx_tally_block blocks[2] = {
        {
            .sums = got.moments,
            .moment = moment,
            .needs = needs,
            .need = (1u << of->columns) - 1,
            .n_products = n_moments,
        },
        {
            .low = got.low[1],
            .high = got.high[1],
            .moment = layout->moment,
            .need = 1u << of->columns,
            .n_products = layout->kept[1].n_products,
        },
    };
    const cx_tally_table wide[2] = {{.low = got.low[0], .high = got.high[0]},
                                    {.low = got.low[1], .high = got.high[1]}};
    /* Two scratches, by turns, are settled together: as threads that have one each do. */
    cx_tally_scratch scratches[2] = {make_scratch(of, data, layout),
                                     make_scratch(of, data, layout)};
    cx_tally_scratch *const both[2] = {&scratches[0], &scratches[1]};
    int64_t next = 0, taken[2] = {0, 0}, at = 0;
    const cx_tally_share shares[2] = {{&batch, &next, taken, both[0]},
                                      {&batch, &next, taken, both[1]}};
    bool together = of->rows % 2;
    do {
        const int64_t before = at;
        int ended = 0;
        if (together) {
            int32_t begun = 0;
            CHECK(cx_tally_count_shares(&layout->plan, shares, 2, of->rows, &begun) == CX_OK,
                  "shares");
            CHECK(begun == 3, "%d shares", begun);
            ended = taken[0] == of->rows;
        }
        for (int s = 0; s < 2 && ended == 0 && !together; ++s)
            ended = cx_tally_count(&layout->plan, &batch, &next, of->rows, taken, both[s]);
        together = !together;
        at = taken[0];
        CHECK(at > before || of->rows == 0, "stopped at row %lld", (long long)at);
        CHECK(ended == (at == of->rows), "%d at row %lld", ended, (long long)at);
        if (ended < 0)
            break;
        for (int32_t group = 0; group < groups; ++group)
            cell_of[group] = -1;
        memset(bits, 0, 16 * words);
        memset(classes, 0, 8 * words);
        cx_tally_used used = {
            .scratches = both,
            .n_scratches = 2,
            .groups = groups,
            .n_class_bits = layout->plan.n_class_bits,
            .bits = bits,
            .classes = classes,
        };
        int32_t n_new_groups = 0;
        CHECK(cx_tally_find_used(&layout->plan, &batch, &used, cell_of, new_groups,
                                 &n_new_groups) == CX_OK,
              "used");
        /* Cells stand the other way round. */
        for (int32_t i = 0; i < n_new_groups; ++i)
            cell_of[new_groups[i]] = groups - 1 - new_groups[i];
        for (int64_t row = before; row < at; ++row)
            CHECK(cell_of[group_of(data, row)] >= 0, "row %lld is in no group", (long long)row);
        int32_t next_groups = 0;
        CHECK(cx_tally_expand(&layout->plan, &batch, &used, &next_groups, cell_of, got.counts,
                              blocks, (of->columns > 0) + layout->shared, wide) == CX_OK,
              "expand");
        for (int s = 0; s < 2; ++s)
            scratches[s].rows = scratches[s].n_wide = scratches[s].dense = scratches[s].n_slots = 0;
    } while (at < of->rows);
    for (int s = 0; s < 2; ++s)
        free_scratch(&scratches[s]);
    struct sums turned = make_sums(layout, groups);
    for (int32_t group = 0; group < groups; ++group) {
        copy_cell(layout, &got, (size_t)(groups - 1 - group), &turned, (size_t)group);
    }
    compare(data, layout, &turned, expected);
    free_sums(&turned);
    free_sums(&got);
    free(digits);
    free(cell_of);
    free(moment);
    free(needs);
    free(new_groups);
    free(bits);
    free(classes);
}

/* ---- Row by row ---- */

static void check_rows(const struct setting *of, const struct data *data,
                       const struct layout *layout, const struct sums *expected)
{
    const int32_t groups = data->batch.n_groups, p = of->columns;
    const int32_t bits = 14;
    cx_tally_index index = {
        .slot_keys = zeros(1u << bits, 8),
        .slot_cells = zeros(1u << bits, 4),
        .keys = zeros(1u << (bits - 1), 8),
        .bits = bits,
    };
    memset(index.slot_cells, 255, (size_t)4 << bits);
    const int32_t n_moments = 1 + 2 * p + layout->plan.n_pairs;
    struct sums got = make_sums(layout, groups), turned = make_sums(layout, groups);
    int32_t columns[QUESTIONS_MAX],
        left[1 + 2 * QUESTIONS_MAX + PAIRS_MAX] = {0},
                                     right[1 + 2 * QUESTIONS_MAX + PAIRS_MAX] = {0};
    for (int32_t c = 0; c < p; ++c) {
        columns[c] = c;
        right[1 + c] = left[1 + p + c] = right[1 + p + c] = 1 + c;
    }
    for (int32_t k = 0; k < layout->plan.n_pairs; ++k) {
        left[1 + 2 * p + k] = 1 + layout->left[k];
        right[1 + 2 * p + k] = 1 + layout->right[k];
    }
    cx_tally_table tables[3];
    int32_t n_tables = 0;
    if (p > 0)
        tables[n_tables++] = (cx_tally_table){
            .kind = CX_COMPLETE,
            .n_columns = p,
            .columns = columns,
            .n_products = n_moments,
            .left = left,
            .right = right,
            .sums = got.moments,
        };
    for (int32_t w = 0; w < layout->plan.n_wide; ++w) {
        tables[n_tables] = layout->kept[w];
        tables[n_tables].low = got.low[w];
        tables[n_tables++].high = got.high[w];
    }
    const int32_t axes[2] = {0, 1};
    const int64_t weights[2] = {100000, 1}, offsets[3] = {0, 2, 2 + data->axes[1].radix};
    int64_t *words = zeros((size_t)offsets[2], 8);
    for (int64_t word = 0; word < offsets[2]; ++word)
        words[word] = word < 2 ? word - 1 : word - 2;
    const cx_tally_view view = {2,          axes,        weights,  &index,
                                got.counts, data->width, n_tables, tables};
    CHECK(cx_tally_add(&data->batch, of->rows, words, offsets, &view, 1) == CX_OK, "add");
    for (int32_t cell = 0; cell < index.count; ++cell) {
        const int64_t key = index.keys[cell] + 100000;
        const size_t group = (size_t)(key / 100000 * data->axes[1].radix + key % 100000);
        copy_cell(layout, &got, (size_t)cell, &turned, group);
    }
    compare(data, layout, &turned, expected);
    free_sums(&got);
    free_sums(&turned);
    free(words);
    free(index.slot_keys);
    free(index.slot_cells);
    free(index.keys);
}

int main(void)
{
    static const int64_t rows[] = {0, 1, 63, 64, 65, 1000, 1025, 6000, FULL_ROWS};
    static const struct setting settings[] = {
        {3, 3, 1, 0, true, false, false, 0, false, 0, false},
        {3, 3, 8, 0, true, true, false, 0, false, 0, false},
        {3, 2, 8, 0, false, false, true, 4, false, 0, false},
        {3, 2, 8, 0, false, false, true, 7, true, 0, false},
        {7, 6, 1, 0, false, true, true, 4, false, 0, false},
        {7, 6, 1, 0, false, true, true, 13, true, 0, false},
        {7, 6, 60, 0, false, true, false, 0, false, 0, false},
        {12, 10, 4, 0, true, false, false, 0, false, 0, false},
        {12, 10, 4, 0, false, true, true, 10, true, 0, false},
        {2, 0, 1, 0, false, true, true, 7, false, 0, false},
        {2, 0, 100, 0, false, true, true, 8, false, 0, false},
        {0, 0, 4, 0, false, false, true, 4, false, 0, false},
        {0, 0, 4, 0, false, false, true, 12, false, 0, false},
        {0, 0, 1, 0, false, false, true, 4, false, 0, false},
        {1, 1, 2, 0, true, false, false, 0, false, 0, false},
        {2, 0, 6000, 0, false, false, false, 0, false, 0, false},
        {2, 0, 70000, 0, false, true, false, 0, false, 0, false},
        {0, 0, 4, 0, false, true, false, 0, false, 0, false},
        {0, 0, 1, 0, false, true, true, 4, false, 0, false},
        {1, 1, 1, 0, true, true, false, 0, false, 0, false},
        {9, 9, 2, 0, true, true, false, 0, false, 9, false},
        {6, 6, 1, 0, false, false, false, 0, false, 6, false},
        {6, 6, 60, 0, false, false, false, 0, false, 6, false},
        {4, 3, 8, 0, true, false, true, 3, true, 2, false},
        {8, 8, 8, 0, true, false, false, 0, false, 8, false},
        {9, 9, 20, 0, false, true, true, 4, true, 7, false},
        {0, 0, 8, 0, false, false, true, 4, false, 0, true},
        {0, 0, 24, 0, false, false, true, 7, false, 0, true},
        {0, 0, 26, 0, false, false, true, 7, false, 0, true},
        {1, 0, 8, 0, false, false, false, 0, false, 0, true},
    };
    static struct layout layout;
    for (int level = 0; level < CX_SIMD_COUNT; ++level) {
        if (cx_simd_set(level) != CX_OK)
            continue;
        for (size_t s = 0; s < sizeof settings / sizeof *settings; ++s) {
            for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r) {
                struct setting of = settings[s];
                of.rows = rows[r];
                snprintf(where, sizeof where, "%s, setting %zu, %lld rows", cx_simd_name(level), s,
                         (long long)of.rows);
                struct data data = make_data(&of);
                data.batch.axes = data.axes;
                data.batch.questions = data.questions;
                for (int32_t set = 0; set < data.n_sets; ++set)
                    data.questions[data.first_set + set].bit_column = data.set_columns[set];
                lay_out(&layout, &of, &data);
                struct sums expected = slowly(&of, &data, &layout);
                check_lanes(&of, &data, &layout, &expected);
                check_rows(&of, &data, &layout, &expected);
                free_sums(&expected);
                free_data(&data);
            }
        }
    }
    printf("%ld checks, %d failures\n", checks, failures);
    return failures > 0;
}
