/*
 * cxstream native kernels: Apache Arrow buffers to integer codes, and codes to exact sums.
 *
 * Rules every function keeps:
 *   - It allocates nothing and keeps nothing: the caller owns every buffer.
 *   - It reports the first violation as a status and a row; it never prints, aborts or sets errno.
 *   - What it reads is bounded by the Arrow layout: `(offset + length)` values and
 *     `ceil((offset + length) / 8)` bytes of a bitmap, not a byte more.
 *   - A null slot's value is never looked at: it may be NaN, out of scale, or an index outside the table.
 *   - Its result is the same at every SIMD level, bit for bit.
 *
 * Common parameters of the encoders:
 *   values       the Arrow data buffer, at any alignment; may be NULL when length is 0
 *   validity     the Arrow validity bitmap (least significant bit first), or NULL when nothing is null
 *   offset       rows to skip at the front of both buffers (the Arrow array's offset)
 *   length       rows to encode
 *   bad_row_out  set to the first violating row, counted from 0 at `offset`; -1 when there is none
 * After a violation the content of the output is unspecified.
 */
#ifndef CXSTREAM_NATIVE_H
#define CXSTREAM_NATIVE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The element type of an Arrow data buffer. CX_BOOL is a bitmap; the others are little-endian arrays. */
enum cx_type {
    CX_BOOL = 0,
    CX_INT8 = 1,
    CX_INT16 = 2,
    CX_INT32 = 3,
    CX_INT64 = 4,
    CX_UINT8 = 5,
    CX_UINT16 = 6,
    CX_UINT32 = 7,
    CX_UINT64 = 8,
    CX_FLOAT32 = 9,
    CX_FLOAT64 = 10,
    CX_TYPE_COUNT = 11
};

/* What a call found. Every value but CX_OK and CX_BAD_ARGUMENT comes with a row. */
enum cx_status {
    CX_OK = 0,
    CX_OUT_OF_SCALE = 1, /* a number, label or time that the declaration does not allow */
    CX_FRACTION = 2, /* a float that is not a whole number, where only whole numbers are allowed */
    CX_NOT_FINITE = 3,  /* NaN or an infinity in a slot that is not null */
    CX_OFF_STEP = 4,    /* a number that is not a multiple of the declared step */
    CX_BAD_INDEX = 5,   /* a dictionary index outside the dictionary */
    CX_BAD_ARGUMENT = 6 /* the call itself is wrong: no code was written */
};

/* What time is cut into: hours, days, weeks from Monday, and the calendar's months, quarters and years. */
enum cx_unit {
    CX_HOUR = 0,
    CX_DAY = 1,
    CX_WEEK = 2,
    CX_MONTH = 3,
    CX_QUARTER = 4,
    CX_YEAR = 5,
    CX_UNIT_COUNT = 6
};

/* The instruction sets the kernels are built for. Elsewhere than on x86-64 only CX_SIMD_SCALAR exists. */
enum cx_simd { CX_SIMD_SCALAR = 0, CX_SIMD_AVX2 = 1, CX_SIMD_AVX512 = 2, CX_SIMD_COUNT = 3 };

/*
 * Encode answers on an integer scale lo..hi as codes of one or two bytes.
 *
 * With K = hi - lo + 1: a value v of the scale becomes v - lo; a value equal to missing[i] becomes K + i (the first
 * such i, and missing wins where it lies on the scale); a null becomes K + n_missing.
 *
 *   type        any cx_type
 *   lo, hi      the scale, lo <= hi, both within -2^53..2^53
 *   missing     n_missing declared codes; one that `type` cannot hold matches nothing
 *   code_bytes  1 when K + n_missing + 1 <= 256, else 2, which reaches to 65536
 *   codes_out   length codes of code_bytes each
 *
 * Returns CX_OK, CX_OUT_OF_SCALE, CX_FRACTION (also for a fraction beyond the scale), CX_NOT_FINITE or
 * CX_BAD_ARGUMENT.
 */
int cx_encode_scale(int type, const void *values, const uint8_t *validity, int64_t offset,
                    int64_t length, int64_t lo, int64_t hi, const int64_t *missing,
                    int64_t n_missing, int code_bytes, void *codes_out, int64_t *bad_row_out);

/* A column of answers on a scale; its fields are what cx_encode_scale takes. */
struct cx_scale_job {
    int type;
    int code_bytes;
    const void *values;
    const uint8_t *validity;
    int64_t offset;
    int64_t lo, hi;
    const int64_t *missing;
    int64_t n_missing;
    void *codes_out;
};

/*
 * Encode several columns of as many rows, as cx_encode_scale does each.
 *
 *   bad_job_out  set to the first column with a violation, or whose job is wrong; -1 when there is none
 *
 * Returns what cx_encode_scale returns of that column; those after it were not looked at.
 */
int cx_encode_scales(const struct cx_scale_job *jobs, int64_t n_jobs, int64_t length,
                     int64_t *bad_job_out, int64_t *bad_row_out);

/*
 * Encode dictionary indices by a table: index i becomes lut[i], a null becomes null_code.
 *
 *   index_type  any integer cx_type
 *   lut         lut_length codes, at most 2^31 - 1; 0xFFFF marks a label that is not allowed
 *   null_code   0..255 when code_bytes is 1, else 0..65535
 *   code_bytes  1 (every allowed entry of lut <= 255) or 2
 *   codes_out   length codes of code_bytes each
 *
 * Returns CX_OK, CX_OUT_OF_SCALE (the entry is 0xFFFF), CX_BAD_INDEX (negative, or >= lut_length) or CX_BAD_ARGUMENT.
 */
int cx_encode_lut(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                  int64_t length, const uint16_t *lut, int64_t lut_length, int64_t null_code,
                  int code_bytes, void *codes_out, int64_t *bad_row_out);

/*
 * Encode numbers with a declared step (step_num / step_den, e.g. 1 / 100) as a count of steps from the low end.
 *
 * A value v is k = v * step_den / step_num steps. An integer v must give a whole k. A float is taken as
 * q = v * step_den / step_num in float64, k = rint(q), and must satisfy |q - k| <= max(1e-9, |q| * 2^-50); for a
 * float32 column |q| * 2^-23, because 12.34 as a float32 is already 2e-7 away from 12.34.
 * Then: k == missing_steps[i] becomes -2 - i (the first such i); else lo_steps <= k <= hi_steps becomes k - lo_steps;
 * a null becomes -1.
 *
 *   type                any cx_type but CX_BOOL
 *   step_num, step_den  1..2^53
 *   lo_steps, hi_steps  the range in steps, lo_steps <= hi_steps and hi_steps - lo_steps <= INT64_MAX
 *   codes_out           length codes
 *
 * Returns CX_OK, CX_OUT_OF_SCALE, CX_OFF_STEP, CX_NOT_FINITE or CX_BAD_ARGUMENT.
 */
int cx_encode_number(int type, const void *values, const uint8_t *validity, int64_t offset,
                     int64_t length, int64_t step_num, int64_t step_den, int64_t lo_steps,
                     int64_t hi_steps, const int64_t *missing_steps, int64_t n_missing,
                     int64_t *codes_out, int64_t *bad_row_out);

/*
 * Mark the dictionary entries that some row has: used_out[i] becomes 1 for each index i, 0 for all others.
 *
 *   index_type  any integer cx_type
 *   n_places    entries of the dictionary, at most 2^31 - 2
 *   used_out    n_places + 1 bytes; the last one is 1 when a row is null
 *
 * Returns CX_OK, CX_BAD_INDEX (negative, or >= n_places) or CX_BAD_ARGUMENT.
 */
int cx_mark_places(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                   int64_t length, int64_t n_places, uint8_t *used_out, int64_t *bad_row_out);

/*
 * Encode dictionary indices by a table of levels: index i becomes levels[i], a null becomes levels[n_places].
 *
 *   index_type  any integer cx_type
 *   levels      n_places + 1 codes of at most code_bytes bytes each, n_places at most 2^31 - 2
 *   code_bytes  1, 2 or 4
 *   codes_out   length codes
 *
 * Returns CX_OK, CX_BAD_INDEX (negative, or >= n_places) or CX_BAD_ARGUMENT.
 */
int cx_encode_levels(int index_type, const void *indices, const uint8_t *validity, int64_t offset,
                     int64_t length, const int32_t *levels, int64_t n_places, int code_bytes,
                     void *codes_out, int64_t *bad_row_out);

/*
 * Encode instants as the buckets of `unit` since the one that holds 1970-01-01; bucket 0 of CX_WEEK is the week from
 * 1969-12-29. Instants between two ticks of a bucket belong to the earlier one, before 1970 too.
 *
 *   type         CX_INT32 or CX_INT64
 *   per_day      how many units of the values make a day: 1 for days; otherwise a multiple of 24, at most 86400 * 10^9
 *   unit         one of enum cx_unit
 *   null_bucket  what a null becomes
 *   buckets_out  length buckets
 *
 * Returns CX_OK, CX_OUT_OF_SCALE (not within the years 1100 to 2899) or CX_BAD_ARGUMENT.
 */
int cx_encode_buckets(int type, const void *values, const uint8_t *validity, int64_t offset,
                      int64_t length, int64_t per_day, int unit, int64_t null_bucket,
                      int64_t *buckets_out, int64_t *bad_row_out);

/*
 * The lowest and highest of some instants, of type, per_day and range as in cx_encode_buckets; lowest > highest where
 * all are null.
 *
 * Returns CX_OK, CX_OUT_OF_SCALE or CX_BAD_ARGUMENT.
 */
int cx_time_range(int type, const void *values, const uint8_t *validity, int64_t offset,
                  int64_t length, int64_t per_day, int64_t *lowest_out, int64_t *highest_out,
                  int64_t *bad_row_out);

/*
 * Number the buckets of instants that cx_time_range takes: 1 for bucket `first`, the lowest there is, and 0 for a null.
 *
 *   code_bytes  1, 2 or 4: room for all numbers there are
 *   codes_out   length codes
 *
 * Returns CX_OK or CX_BAD_ARGUMENT.
 */
int cx_number_times(int type, const void *values, const uint8_t *validity, int64_t offset,
                    int64_t length, int64_t per_day, int unit, int64_t first, int code_bytes,
                    void *codes_out);

/* ---- Whole batches: from the bytes of an Arrow IPC message to codes, by one call ---- */

/* How the column of a schema's field lies in a record batch: its values, or lists of them. */
enum cx_layout { CX_VALUES = 0, CX_LIST32 = 1, CX_LIST64 = 2 };

/* A field, and where its column was found. */
struct cx_field {
    int layout;
    int type; /* a cx_type: of the values, of the indices where there is a dictionary, of the items of lists */
    const void *values;
    const uint8_t *validity;
    /* Of lists: rows + 1 offsets of items, all within what there is of them, and validity of the lists. */
    const void *offsets;
    const uint8_t *list_validity;
};

/*
 * The metadata of a record batch message that is known to be well formed. Another one is, too, if it differs in numbers
 * only: its rows, the length of its body, and the nodes and buffers of its columns. `same` are the ranges of bytes that
 * hold none of those, n_same pairs of begin and end.
 */
struct cx_frame {
    const uint8_t *metadata;
    int64_t size;
    const int64_t *same;
    int64_t n_same;
    int64_t rows_at, body_length_at, nodes_at, buffers_at;
    int64_t n_nodes, n_buffers;
};

/* What becomes of a field, with the parameters of the function that does it and the bytes of a code. */
enum cx_job_kind {
    CX_JOB_SCALE = 0,  /* cx_encode_scale */
    CX_JOB_LUT = 1,    /* cx_encode_lut */
    CX_JOB_NUMBER = 2, /* cx_encode_number */
    CX_JOB_LEVELS = 3, /* cx_mark_places, and cx_encode_levels */
    CX_JOB_TIMES = 4,  /* cx_number_times; code_bytes is for the largest number that may occur */
    CX_JOB_SETS = 5    /* cx_encode_sets */
};

struct cx_job {
    int kind;
    int field;
    int code_bytes;
    int unit;
    int64_t lo, hi;
    const int64_t *missing;
    int64_t n_missing;
    int64_t step_num, step_den;
    int64_t per_day;
    const uint16_t *lut;
    int64_t lut_length, null_code;
    int64_t options; /* of a set */
    /* Of levels: the level of every entry of the dictionary, 0 for none; then room for as many, and one more, each. */
    const int32_t *level_of;
    int64_t n_places;
    int32_t *number_of, *table;
    uint8_t *used;
    /* Found. Of levels: how many a row has, numbered in order; number_of[level] is 0 for one that no row has. Of times:
     * the first and the last bucket, and the bytes that a code has. */
    int64_t n_found, first, last;
};

/* The bytes of a job's codes of so many rows: they lie one job after the other. */
int64_t cx_job_bytes(const struct cx_job *job, int64_t rows);

/*
 * Read a record batch in place, check all that makes it valid, and encode it.
 *
 *   message   an encapsulated IPC message, and nothing else but an end-of-stream marker
 *   rows      at least 1: what it must have
 *   fields    of the schema, in order
 *   out       room for cx_job_bytes of all jobs
 *
 * Returns CX_OK, or something else where anything at all is not as expected: it may be valid even so, and which value
 * of which column is wrong is for other functions to say.
 */
int cx_encode_batch(const uint8_t *message, int64_t size, int64_t rows,
                    const struct cx_frame *frame, struct cx_field *fields, int64_t n_fields,
                    struct cx_job *jobs, int64_t n_jobs, uint8_t *out);

/*
 * Encode lists of option codes as the sets that cx_tally_sets makes of them.
 *
 *   item_type, items, items_validity  an integer cx_type: the lists' items
 *   offsets                           rows + 1, of 4 or 8 bytes: none is below the one before, none outside of the items
 *   validity                          of the lists; what a null one spans does not count
 *   lut, lut_length                   as in cx_encode_lut; codes as in cx_tally_sets
 *   levels, missing                   how many options and missing codes there are
 *   sets_out                          cx_tally_n_sets(levels, missing) x rows bytes
 *
 * Returns CX_OK, CX_OUT_OF_SCALE (also for an item of a null list, and for a list of more than 4096) or CX_BAD_ARGUMENT.
 */
int cx_encode_sets(int item_type, const void *items, const uint8_t *items_validity,
                   int offset_bytes, const void *offsets, const uint8_t *validity, int64_t rows,
                   const uint16_t *lut, int64_t lut_length, int32_t levels, int32_t missing,
                   uint8_t *sets_out);

/*
 * Turn the answers of a question with several into sets: a bit for every option that a row has, and where it has none
 * for the first missing code that it has. A null has no bit where 8 bits hold the others, else the next one.
 *
 *   offsets          rows + 1: row r has the codes from offsets[r] to offsets[r + 1]
 *   codes            options, then missing codes, then null
 *   levels, missing  how many options and missing codes there are
 *   sets_out         n_sets x rows bytes, bit b of a row in byte b / 8; n_sets is cx_tally_n_sets(levels, missing)
 */
void cx_tally_sets(const int64_t *offsets, const uint16_t *codes, int64_t rows, int32_t levels,
                   int32_t missing, uint8_t *sets_out);

/* The bytes of a set. */
int32_t cx_tally_n_sets(int32_t levels, int32_t missing);

/* ---- Counting: codes to sums ----
 *
 * One view of a batch is counted in two steps. cx_tally_count reads rows and adds them to a scratch, which one thread
 * has for itself; cx_tally_expand turns what scratches hold into 64-bit sums, and leaves them as they were.
 *
 * A row belongs to a group (its levels, a mixed-radix number) and to a class: which of the columns that are multiplied
 * it answers. For every group and class that occurs, a slot keeps lanes: 8-bit counters of every code but the last of
 * each question, and 16-bit sums of products of codes of two questions. Everything a block keeps (n, sums, squares,
 * products) is a linear function of them. A question that is only multiplied has no counters but sums and squares.
 * Before lanes may overflow they are added to wide lanes of 32 bits. Products with a number are wide sums by group.
 */

/* Where a row's group comes from: one digit. */
typedef struct cx_tally_axis {
    const void *digits;   /* one a row */
    int32_t bytes;        /* 1, 2 or 4 */
    int32_t radix;        /* every digit is below it, once it is turned into that of the view */
    const int32_t *words; /* by a row's digit, the view's; NULL where `shift` says it all */
    int32_t shift;        /* what every digit but 0 is short of the view's */
} cx_tally_axis;

/* A question with one answer; or a part of one with several, as sets of up to 8 bits. */
typedef struct cx_tally_question {
    const void *codes; /* one a row */
    int32_t
        bytes; /* 1, 2; or 8: a number, code 0 from 0 up, the last one for -1, -1 - v otherwise */
    int32_t n_codes; /* every code is below it; the last is null */
    int32_t levels;  /* codes below it are answers; of sets: 1 for the first part, else 0 */
    int32_t
        column; /* of counts, where code 0 is counted, -1: nowhere; of sets: responses with any answer */
    int32_t n_bits; /* of sets; 0 for one answer */
    const int32_t *
        bit_column; /* of sets: of each bit (above `column`: a reason for no answer), then of no bit; -1: nowhere */
} cx_tally_question;

typedef struct cx_tally_batch {
    const cx_tally_axis *axes;
    const cx_tally_question *questions;
    int32_t n_axes, n_questions;
    int32_t n_groups; /* the product of the radixes */
} cx_tally_batch;

/* 64 lanes of a slot. Rows come in groups of 8 questions, a byte each; where there are sums, a 1 follows the last. */
typedef struct cx_tally_vector {
    uint8_t left[64]; /* which byte of the left group comes to each lane; 255 for none (0) */
    uint8_t
        right[64]; /* by which byte of the right group it is multiplied (16 bits); 255 for none */
    uint8_t mask[64];  /* which bits of it are compared, */
    uint8_t level[64]; /* and with what, to count it; 255 for nothing */
    int32_t left_group, right_group;
    int32_t counts;     /* so many lanes, an even number, are counters; the others are sums */
    int32_t multiplies; /* whether there are any */
} cx_tally_vector;

/* A hash table from keys to 0, 1, 2 ...: open addressing, linear probing, Fibonacci hashing. */
typedef struct cx_tally_index {
    int64_t *slot_keys;
    int32_t *slot_cells; /* -1 where a slot is free */
    int64_t *keys;       /* by what they are mapped to; room for half the slots */
    int32_t bits;        /* 2^bits slots */
    int32_t count;       /* of keys; there is room for one more for every row */
} cx_tally_index;

/* Words that are added to at a time, where values of a row are multiplied by one of them. */
enum { CX_WIDE_STEP = 8 };

enum cx_tally_kind { CX_COMPLETE = 0, CX_PATTERN = 1, CX_PAIRS = 2, CX_FOURTH = 3 };

/* One block of one view; every array has room for one more row for every row of the batch. */
typedef struct cx_tally_table {
    int32_t kind;           /* one of enum cx_tally_kind; CX_COMPLETE where wide */
    int32_t n_columns;      /* at most 64 */
    const int32_t *columns; /* by place in the batch */
    int32_t n_products;
    const int32_t *left,
        *right;    /* rows of the matrix: 1 and values; or answered, values, squares */
    int64_t *sums; /* rows of n_products; NULL where wide */
    uint64_t *low; /* wide: rows of 128-bit sums */
    int64_t *high;
    cx_tally_index *patterns, *rows; /* patterns: bits -> number, cell << 32 | number -> row */
    /* Of a plan's wide block: */
    int32_t n_numbers;   /* its last columns are numbers, the others have codes */
    int32_t n_factors;   /* the last of [1, columns] are multiplied by all of these */
    const int32_t *word; /* of each product, factor by factor in whole steps; -1: from lanes */
} cx_tally_table;

/* Words of 64 bits, twice, that a group's sums of a plan's wide block take while they are counted. */
int32_t cx_tally_wide_words(const cx_tally_table *table);

/* What is counted how; the same for every batch and view. */
typedef struct cx_tally_plan {
    int32_t counts_width;
    int32_t n_plain; /* questions counted one by one, by place in the batch */
    const int32_t *plain;
    int32_t n_sets; /* the same of sets */
    const int32_t *sets;
    int32_t n_lane;    /* questions in lanes, those that are multiplied first; codes of one byte */
    int32_t n_columns; /* how many of them are multiplied */
    const int32_t *lane;
    int32_t n_summed; /* how many of these are not counted: their sums are lanes too */
    const int32_t
        *hist_at; /* of each, the byte of its code 0 among a slot's lanes; or of its sum */
    const int32_t *square_at; /* of those: of the sum of its squares */
    int32_t n_pairs;
    const int32_t *pair_left, *pair_right; /* products: columns, in the order of the left ones */
    const int32_t *pair_at;                /* and bytes among a slot's lanes */
    int32_t n_vectors;
    const cx_tally_vector
        *vectors; /* the first lane counts every row: mask 0, level 0, or 1 by 1 */
    int32_t
        limit; /* rows that a slot's lanes can hold; above 255 the first two count them, 1 by 1 */
    int64_t rows_max; /* rows that wide lanes can hold */
    int32_t n_class_bits;
    /* Of each bit, the columns that are to be answered, a bit each, and behind these some numbers. */
    const uint64_t *class_columns;
    int32_t n_class_numbers;
    const int32_t *class_numbers;
    int32_t n_wide;
    const cx_tally_table
        *wide; /* blocks of complete cases with 128-bit sums; columns, sizes, words */
} cx_tally_plan;

/* What one thread counts into. All zero at first, and again once it is expanded. */
typedef struct cx_tally_scratch {
    uint32_t *counts; /* n_groups x counts_width */
    uint32_t *joint; /* n_groups x n_sets x 256; a single group's, and some of few, are in counts */
    uint32_t *slot_of;   /* (class, group): slot + 1 */
    uint32_t *place_of;  /* slots in order of first use: class * n_groups + group */
    uint8_t *lanes;      /* slots x n_vectors x 64, at most 2^32; the first one counts rows */
    uint32_t *wide_of;   /* slots: wide + 1 */
    uint32_t *wide;      /* wide lanes, one of each byte: n_vectors x 64 */
    uint64_t *wide_low;  /* by wide block, n_groups x cx_tally_wide_words, in whole steps: */
    uint64_t *wide_high; /* a sum's 63 low bits, and what is above */
    int64_t *
        moments; /* of a single group: 1 + 2 n_columns + n_pairs, over rows that answer all columns */
    uint16_t *products;          /* as many x 32: parts of them while rows are counted */
    int64_t rows;                /* counted so far */
    uint32_t n_slots, slots_max; /* slots in use */
    uint32_t n_wide, wide_max;
    int32_t direct; /* whether a slot lies at its place, not in order of first use */
    int32_t dense;  /* whether counts holds all questions, and moments what it says */
} cx_tally_scratch;

/* What a block keeps of a slot: products, each one of a slot's moments. */
typedef struct cx_tally_block {
    int64_t *sums; /* rows of n_products; NULL where wide */
    uint64_t *low; /* wide: rows of 128-bit sums */
    int64_t *high;
    const int32_t
        *targets; /* of what is used, in order: rows, -1 for none; NULL: those of their cells */
    int64_t
        new_from; /* rows of `targets` from there on hold anything, and are cleared first; they are numbered
                              in the order of groups */
    /* Of each product: 0 n, then sums, squares of columns, then pairs; -1: one with a number. */
    const int32_t *moment;
    const uint32_t *needs; /* bits of the class without which nothing is added; not where wide */
    uint32_t need;         /* the same of all */
    int32_t n_products;
} cx_tally_block;

/* One view and its sums. */
typedef struct cx_tally_view {
    int32_t n_axes;
    const int32_t *axes;    /* by place in the batch */
    const int64_t *weights; /* of each, in a key */
    cx_tally_index *index;  /* key -> cell */
    int64_t *counts;        /* rows of counts_width */
    int32_t counts_width;
    int32_t n_tables;
    const cx_tally_table *tables;
} cx_tally_view;

/*
 * Count rows into a scratch until none is left. Threads that do so side by side, each with a scratch and rows_taken of
 * its own, take some rows at a time: one that is slower counts fewer.
 *
 *   next        shared: the first row that nobody has taken
 *   end         behind the last row
 *   rows_taken  begin and end of what this thread has taken and not counted; {0, 0} at first
 *
 * Returns 1 at the end, 0 where the scratch may not hold another block of rows and is to be expanded first (never of an
 * empty one that has 1024 slots and wide lanes or more), or -1 where the call is wrong.
 */
int cx_tally_count(const cx_tally_plan *plan, const cx_tally_batch *batch, int64_t *next,
                   int64_t end, int64_t rows_taken[2], cx_tally_scratch *scratch);

/* What one thread counts of one view: see cx_tally_count. */
typedef struct cx_tally_share {
    const cx_tally_batch *batch;
    int64_t *next;
    int64_t *rows_taken;
    cx_tally_scratch *scratch;
} cx_tally_share;

/*
 * Count shares of one batch, each until it ends or its scratch is full, until nobody has one left to begin.
 *
 *   begun  shared by the threads that do so side by side: how many shares were begun, 0 at first
 *
 * Returns CX_OK or CX_BAD_ARGUMENT.
 */
int cx_tally_count_shares(const cx_tally_plan *plan, const cx_tally_share *shares, int32_t n_shares,
                          int64_t end, int32_t *begun);

/* What several scratches of one view use. */
typedef struct cx_tally_used {
    cx_tally_scratch *const *scratches;
    int32_t n_scratches;
    int32_t groups, n_class_bits; /* as in the batch and the plan */
    uint64_t
        *bits; /* by scratch and class, a bit for every group, in words of 64; all zero at first */
    uint64_t
        *classes;  /* by word of groups, a bit for every class that any scratch uses; the same */
    int64_t count; /* out: groups and classes that any scratch uses */
} cx_tally_used;

/*
 * Find out what scratches use: of a group without lanes class 0, of a dense scratch the last class too.
 *
 *   cell_of     by group: -1 where it has no cell yet
 *   new_groups  out: those of them that have rows, in order
 *
 * Returns CX_OK or CX_BAD_ARGUMENT.
 */
int cx_tally_find_used(const cx_tally_plan *plan, const cx_tally_batch *batch, cx_tally_used *used,
                       const int32_t *cell_of, int32_t *new_groups, int32_t *n_new_groups);

/*
 * Find a block's row of sums for every group and class that is used; all of these groups have a cell.
 *
 *   pattern_of  by class: the block's columns that it answers, a bit each; 0 where nothing is kept
 *   number_of   by class: the pattern's number, -1 where nobody has asked yet
 *   patterns    pattern -> number; has room for one more for every class
 *   rows        cell << 32 | number -> row; has room for one more for every group and class used
 *   targets     out: as many rows, -1 for none
 */
void cx_tally_find_rows(const cx_tally_used *used, const int32_t *cell_of,
                        const int64_t *pattern_of, int32_t *number_of, cx_tally_index *patterns,
                        cx_tally_index *rows, int32_t *targets);

/*
 * Add what scratches hold to the sums, and clear it there, until no group is left. Threads that do so side by side take
 * some groups at a time each; whoever is last sets rows, n_slots, n_wide and dense to 0.
 *
 *   next     shared: the first group that nobody has taken
 *   cell_of  by group, its row of `counts` and of every block without targets; -1 where it is not used
 *   counts   rows of counts_width
 *   wide     the plan's wide blocks with this view's sums
 */
int cx_tally_expand(const cx_tally_plan *plan, const cx_tally_batch *batch,
                    const cx_tally_used *used, int32_t *next, const int32_t *cell_of,
                    int64_t *counts, const cx_tally_block *blocks, int32_t n_blocks,
                    const cx_tally_table *wide);

/*
 * Add a small batch to views, row by row.
 *
 *   words, offsets  axis a's digit d stands for words[offsets[a] + d] in a key
 *
 * Returns CX_OK or CX_BAD_ARGUMENT.
 */
int cx_tally_add(const cx_tally_batch *batch, int64_t rows, const int64_t *words,
                 const int64_t *offsets, const cx_tally_view *views, int32_t n_views);

/* ---- Rows in order ---- */

/*
 * Number the answer patterns of rows begin..end - 1: which of up to 63 columns each answers, column j is bit j.
 *
 *   patterns  pattern -> number; has room for one more for every row, or every pattern there is
 *   numbers   out: by row, -1 where none is answered
 *
 * Returns CX_OK or CX_BAD_ARGUMENT.
 */
int cx_number_patterns(const cx_tally_question *questions, const int32_t *columns,
                       int32_t n_columns, int64_t begin, int64_t end, cx_tally_index *patterns,
                       int32_t *numbers);

/*
 * Sort the rows of every cell by their pattern; rows of none are left out.
 *
 *   numbers                 by row, below n_patterns
 *   order, starts, cells    rows order[starts[i]] to order[starts[i + 1] - 1] belong to cells[i]; order may be NULL where
 *                           they stand as they are numbered
 *   scratch                 2 * (n_patterns + 1) zeros, before and after
 *   order_out, starts_out   the rows, and where each run of one cell and pattern begins, and the last one ends; room for
 *                           as many rows, and one more run
 *   keys_out                of each run, cell << 32 | number
 *
 * Returns how many runs there are.
 */
int64_t cx_split_runs(const int32_t *numbers, int32_t n_patterns, const int32_t *order,
                      const int64_t *starts, const int32_t *cells, int64_t n_runs, int64_t *scratch,
                      int32_t *order_out, int64_t *starts_out, int64_t *keys_out);

/*
 * Put rows in order of their groups.
 *
 *   group    by row, below n_groups
 *   scratch  n_groups zeros, before; anything after
 *   order    out: rows, as cx_split_runs takes them
 *   starts, found  out: where each group that has rows begins, and which it is; n_groups + 1 and n_groups
 *
 * Returns how many groups have rows.
 */
int64_t cx_sort_rows(const int32_t *group, int64_t rows, int64_t n_groups, int64_t *scratch,
                     int32_t *order, int64_t *starts, int32_t *found);

/* ---- Counting with weights ----
 *
 * A count is n, the sum of the weights and that of their squares; products are multiplied with weights and with their
 * squares. All sums have 128 bits. Rows are numbered from `first` on: so many that what is read of them stays in cache.
 */

typedef struct cx_weighted_rows {
    const cx_tally_question *questions; /* codes of numbers (8 bytes) below 256 */
    int32_t n_questions;
    int64_t first, n_rows;
    const int64_t *weights; /* of all rows, in steps; below 0 for none: such a row is left out */
    int64_t largest;        /* no weight is above; below 2^45 */
    int64_t few;            /* runs of fewer rows are multiplied one row after the other */
    /* Of each of these rows, the codes of up to 8 questions of one byte, side by side; then those of the next 8, 64
       questions in all: a row is one place in memory. */
    const uint64_t *words;
} cx_weighted_rows;

/* Runs of rows, each of one target: a cell, or a cell and an answer pattern. */
typedef struct cx_weighted_runs {
    const int32_t *
        order; /* run by run; NULL where rows stand as they are numbered. Otherwise there are words */
    const int64_t *starts; /* of each run, and where the last one ends */
    const int32_t *targets;
    int64_t n_runs;
} cx_weighted_runs;

/* Words of codes that a row of so many questions has. */
int32_t cx_weigh_words(int32_t n_questions);

/* Fill the words of rows. */
void cx_weigh_put_together(const cx_weighted_rows *rows, uint64_t *words);

/* Columns of `questions`, and column 0 for all rows: three sums each. */
typedef struct cx_weighted_counts {
    int32_t width; /* columns */
    uint64_t *low; /* rows of 3 * width sums */
    int64_t *high;
} cx_weighted_counts;

/*
 * Products of the rows of a matrix: the block's own ([1, x_1 .. x_p], 0 for no answer; of CX_FOURTH all products of two
 * of these), then the same times each limb of the weight, the lowest first.
 */
typedef struct cx_weighted_block {
    int32_t kind; /* CX_COMPLETE, CX_PATTERN or CX_FOURTH */
    int32_t n_columns;
    const int32_t *columns; /* by place among the questions */
    int32_t limbs;          /* that a weight is cut in, times a value below 2^45 each */
    int32_t limb_bits;
    int32_t
        n_products; /* 1 by 1; `n_first` products with one limb, then, of CX_FOURTH other ones, with two; and so on
                           for every limb above */
    int32_t n_first;
    const int32_t *left, *right;
    int32_t width; /* sums of a row: n_products at least */
    uint64_t *low;
    int64_t *high;
} cx_weighted_block;

/*
 * Count rows and multiply their answers, with their weights.
 *
 *   counts  NULL where nothing is counted
 *
 * Returns CX_OK or CX_BAD_ARGUMENT.
 */
int cx_weigh(const cx_weighted_rows *rows, const cx_weighted_runs *runs,
             const cx_weighted_counts *counts, const cx_weighted_block *blocks, int32_t n_blocks);

/*
 * The level in use, one of enum cx_simd. Chosen once when the library is loaded: the highest this processor supports,
 * or what CXSTREAM_SIMD=scalar|avx2|avx512 names if that is supported here.
 */
int cx_simd_level(void);

/* 1 when this build and this processor can run `level`, else 0. */
int cx_simd_supported(int level);

/*
 * Use `level` from the next call on; for tests and benchmarks. Returns CX_OK, or CX_BAD_ARGUMENT when it is not
 * supported here. Calls running at the same time finish at the level they began with.
 */
int cx_simd_set(int level);

/* The name of a level ("scalar", "avx2", "avx512"), or NULL when there is no such level. A static string. */
const char *cx_simd_name(int level);

/* The compiler that built the kernels, e.g. "gcc 12.2.0". A static string. */
const char *cx_compiler(void);

/* ---- pages of a Parquet file ---------------------------------------------------------------------------------------
 * The history is written so that answers and levels lie in their column chunks as dictionary indices, uncompressed, in
 * data pages of the first version. Both functions read such a chunk only and return CX_BAD_ARGUMENT for any other, be it
 * compressed, of other encodings or damaged; they read no byte beyond `size`.
 */

enum { CX_PAGE_SPARE = 16 };

/*
 * Find the dictionary of a column chunk.
 *   place_out  set to where its entries begin in the chunk, their bytes, how many they are, and where data pages begin
 */
int cx_chunk_dictionary(const uint8_t *chunk, int64_t size, int64_t place_out[4]);

/*
 * Codes of the values of a column chunk.
 *   pages_at     where data pages begin
 *   values       levels in the chunk: a row without a list is one, too
 *   code_of      the code of every entry of the dictionary
 *   null_code    the code of a null
 *   code_bytes   1, 2 or 4: codes are written as uint8_t, uint16_t or int32_t
 *   codes_out    room for `values` codes, aligned to code_bytes
 *   rows         rows of the chunk
 *   offsets_out  NULL for a column that is optional; for an optional list of optional elements room for rows + 1:
 *                row r has the codes from offsets_out[r] to offsets_out[r + 1]
 *   scratch      room for 4 * (values + CX_PAGE_SPARE) bytes, aligned to 2
 *   count_out    set to how many codes were written
 * CX_BAD_INDEX where an index lies outside the dictionary.
 */
int cx_chunk_codes(const uint8_t *chunk, int64_t size, int64_t pages_at, int64_t values,
                   const int32_t *code_of, int64_t entries, int32_t null_code, int code_bytes,
                   void *codes_out, int64_t rows, int64_t *offsets_out, uint8_t *scratch,
                   int64_t *count_out);

#ifdef __cplusplus
}
#endif

#endif
