/* Rows in order: of their groups, and of their answer patterns, which of a block's columns they answer. */
#include <string.h>

#include "tally.h"

enum { ROWS = 1024, TABLE_BITS = 12 };

/* A bit for each of up to 8 columns, from `first` on, that a row answers. */
static void answered_byte(const cx_tally_question *questions, const int32_t *columns, int32_t n,
                          int64_t begin, int32_t rows, uint8_t *restrict byte)
{
    memset(byte, 0, ROWS);
    for (int32_t j = 0; j < n; ++j) {
        const cx_tally_question *question = &questions[columns[j]];
        const uint8_t bit = (uint8_t)(1 << j);
        if (question->bytes == 1) {
            const uint8_t *restrict code = (const uint8_t *)question->codes + begin;
            const uint8_t last = (uint8_t)(question->levels - 1);
            for (int32_t i = 0; i < rows; ++i)
                byte[i] |= code[i] <= last ? bit : 0;
        } else {
            for (int32_t i = 0; i < rows; ++i)
                byte[i] |= cx_answer(question, begin + i) >= 0 ? bit : 0;
        }
    }
}

int cx_number_patterns(const cx_tally_question *questions, const int32_t *columns,
                       int32_t n_columns, int64_t begin, int64_t end, cx_tally_index *patterns,
                       int32_t *numbers)
{
    if (n_columns < 1 || n_columns > 63 || begin < 0)
        return CX_BAD_ARGUMENT;
    int32_t table[1 << TABLE_BITS];
    if (n_columns <= TABLE_BITS)
        memset(table, 255, sizeof *table << n_columns);
    for (int64_t at = begin; at < end; at += ROWS) {
        const int32_t rows = end - at < ROWS ? (int32_t)(end - at) : ROWS;
        uint64_t bits[ROWS] = {0};
        for (int32_t first = 0; first < n_columns; first += 8) {
            uint8_t byte[ROWS];
            const int32_t n = n_columns - first < 8 ? n_columns - first : 8;
            answered_byte(questions, columns + first, n, at, rows, byte);
            for (int32_t i = 0; i < rows; ++i)
                bits[i] |= (uint64_t)byte[i] << first;
        }
        for (int32_t i = 0; i < rows; ++i) {
            int32_t number = n_columns <= TABLE_BITS ? table[bits[i]] : -1;
            if (number < 0 && bits[i] != 0) {
                number = cx_find(patterns, (int64_t)bits[i]);
                if (n_columns <= TABLE_BITS)
                    table[bits[i]] = number;
            }
            numbers[at + i] = number;
        }
    }
    return CX_OK;
}

int64_t cx_split_runs(const int32_t *numbers, int32_t n_patterns, const int32_t *order,
                      const int64_t *starts, const int32_t *cells, int64_t n_runs, int64_t *scratch,
                      int32_t *order_out, int64_t *starts_out, int64_t *keys_out)
{
    /* By parity of the place, and number + 1: so a row seldom waits for what the one before it has stored. */
    int64_t *const of[2] = {scratch, scratch + n_patterns + 1};
    int64_t runs = 0;
    starts_out[0] = 0;
    for (int64_t run = 0; run < n_runs; ++run) {
        const int64_t first = runs;
        for (int64_t at = starts[run]; at < starts[run + 1]; ++at) {
            const int32_t number = numbers[order == NULL ? at : order[at]] + 1;
            if (of[at & 1][number]++ == 0 && of[~at & 1][number] == 0 && number > 0)
                keys_out[runs++] = (int64_t)cells[run] << 32 | (number - 1);
        }
        /* Counts become where the next row of each goes; rows without an answer go nowhere, behind all. */
        int64_t next = starts_out[first];
        for (int64_t one = first; one < runs; ++one) {
            const int64_t number = (keys_out[one] & INT32_MAX) + 1;
            const int64_t even = of[0][number], odd = of[1][number];
            of[0][number] = next;
            of[1][number] = next + even;
            next += even + odd;
            starts_out[one + 1] = next;
        }
        of[1][0] = next + of[0][0];
        of[0][0] = next;
        for (int64_t at = starts[run]; at < starts[run + 1]; ++at) {
            const int32_t row = order == NULL ? (int32_t)at : order[at];
            order_out[of[at & 1][numbers[row] + 1]++] = row;
        }
        for (int64_t one = first; one < runs; ++one) {
            const int64_t number = (keys_out[one] & INT32_MAX) + 1;
            of[0][number] = of[1][number] = 0;
        }
        of[0][0] = of[1][0] = 0;
    }
    return runs;
}

int64_t cx_sort_rows(const int32_t *group, int64_t rows, int64_t n_groups, int64_t *scratch,
                     int32_t *order, int64_t *starts, int32_t *found)
{
    for (int64_t row = 0; row < rows; ++row)
        ++scratch[group[row]];
    /* Counts become where the next row of each group goes. */
    int64_t n_found = 0, place = 0;
    for (int64_t one = 0; one < n_groups; ++one) {
        const int64_t of_it = scratch[one];
        scratch[one] = place;
        if (of_it == 0)
            continue;
        starts[n_found] = place;
        found[n_found++] = (int32_t)one;
        place += of_it;
    }
    starts[n_found] = place;
    for (int64_t row = 0; row < rows; ++row)
        order[scratch[group[row]]++] = (int32_t)row;
    return n_found;
}
