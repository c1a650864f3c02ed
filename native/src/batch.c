/* A record batch in place: its message checked against one that is known to be well formed, its columns found, checked and encoded. */
#include <stddef.h>
#include <string.h>

#include "encode.h"

/* Of an encapsulated message: before its metadata, and as the end of a stream. */
enum { PREFIX_BYTES = 8, END_BYTES = 8 };
static const uint8_t end_of_stream[END_BYTES] = {0xFF, 0xFF, 0xFF, 0xFF};

static int64_t read_int64(const uint8_t *bytes)
{
    int64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* A record batch's metadata and body. */
struct batch {
    const uint8_t *nodes, *buffers, *body;
    int64_t body_length, n_nodes, n_buffers;
};

/* Find a record batch of so many rows; false where it is not like the one that is known. */
static bool open_batch(const uint8_t *message, int64_t size, int64_t rows,
                       const struct cx_frame *frame, struct batch *batch)
{
    static const uint8_t continuation[4] = {0xFF, 0xFF, 0xFF, 0xFF};
    const int64_t begin = PREFIX_BYTES + frame->size;
    if (size < begin || memcmp(message, continuation, sizeof continuation) != 0)
        return false;
    int32_t metadata_size;
    memcpy(&metadata_size, message + sizeof continuation, sizeof metadata_size);
    if (metadata_size != frame->size)
        return false;
    const uint8_t *metadata = message + PREFIX_BYTES;
    for (int64_t i = 0; i < frame->n_same; ++i) {
        const int64_t first = frame->same[2 * i], end = frame->same[2 * i + 1];
        if (memcmp(metadata + first, frame->metadata + first, (size_t)(end - first)) != 0)
            return false;
    }
    const int64_t length = read_int64(metadata + frame->body_length_at);
    if (read_int64(metadata + frame->rows_at) != rows || length < 0 || length > size - begin)
        return false;
    const int64_t rest = size - begin - length;
    if (rest != 0 &&
        (rest != END_BYTES || memcmp(message + begin + length, end_of_stream, END_BYTES) != 0))
        return false;
    *batch = (struct batch){
        metadata + frame->nodes_at,
        metadata + frame->buffers_at,
        message + begin,
        length,
        frame->n_nodes,
        frame->n_buffers,
    };
    return true;
}

/* What is read of the columns, one after the other. */
struct cursor {
    const struct batch *batch;
    int64_t node, buffer;
    bool sound;
};

/* The next buffer, of at least so many bytes; NULL where it is too short or not in the body. */
static const uint8_t *next_buffer(struct cursor *cursor, int64_t bytes)
{
    const struct batch *batch = cursor->batch;
    if (cursor->buffer >= batch->n_buffers) {
        cursor->sound = false;
        return NULL;
    }
    const uint8_t *entry = batch->buffers + 16 * cursor->buffer++;
    const int64_t offset = read_int64(entry), length = read_int64(entry + 8);
    const bool inside = offset >= 0 && offset % 8 == 0 && offset <= batch->body_length &&
                        length >= bytes && length <= batch->body_length - offset;
    cursor->sound &= inside;
    return inside ? batch->body + offset : NULL;
}

/* The next array: its length and validity. A node must say truly how many nulls there are. */
static int64_t next_array(struct cursor *cursor, const uint8_t **validity)
{
    const struct batch *batch = cursor->batch;
    *validity = NULL;
    if (cursor->node >= batch->n_nodes) {
        cursor->sound = false;
        return 0;
    }
    const uint8_t *entry = batch->nodes + 16 * cursor->node++;
    const int64_t length = read_int64(entry), nulls = read_int64(entry + 8);
    if (length < 0 || length > batch->body_length * 8 || nulls < 0 || nulls > length) {
        cursor->sound = false;
        return 0;
    }
    const uint8_t *bitmap = next_buffer(cursor, nulls == 0 ? 0 : (length + 7) / 8);
    if (nulls > 0 && bitmap != NULL) {
        cursor->sound &= cx_kernels_in_use()->count_bits(bitmap, length) == length - nulls;
        *validity = bitmap;
    }
    return length;
}

static const uint8_t *next_values(struct cursor *cursor, int type, int64_t length)
{
    static const unsigned char bytes[CX_TYPE_COUNT] = {0, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8};
    return next_buffer(cursor, type == CX_BOOL ? (length + 7) / 8 : length * bytes[type]);
}

/* Whether offsets never fall, and stay within so many items. */
#define CX_OFFSETS(NAME, OFFSET)                                                \
    static bool NAME(const uint8_t *bytes, int64_t rows, int64_t items)         \
    {                                                                           \
        OFFSET before, at;                                                      \
        memcpy(&before, bytes, sizeof before);                                  \
        if (before < 0)                                                         \
            return false;                                                       \
        bool falls = false;                                                     \
        for (int64_t row = 1; row <= rows; ++row) {                             \
            memcpy(&at, bytes + row * (int64_t)sizeof at, sizeof at);           \
            memcpy(&before, bytes + (row - 1) * (int64_t)sizeof at, sizeof at); \
            falls |= at < before;                                               \
        }                                                                       \
        return !falls && (int64_t)at <= items;                                  \
    }
CX_OFFSETS(offsets_32_are_sound, int32_t)
CX_OFFSETS(offsets_64_are_sound, int64_t)

static bool find_columns(const struct batch *batch, int64_t rows, struct cx_field *fields,
                         int64_t n_fields)
{
    struct cursor cursor = {batch, 0, 0, true};
    for (int64_t i = 0; i < n_fields && cursor.sound; ++i) {
        struct cx_field *field = fields + i;
        int64_t length = next_array(&cursor, &field->validity);
        cursor.sound &= length == rows;
        if (!cursor.sound)
            return false;
        if (field->layout != CX_VALUES) {
            const bool wide = field->layout == CX_LIST64;
            const uint8_t *offsets = next_buffer(&cursor, (rows + 1) * (wide ? 8 : 4));
            field->offsets = offsets;
            field->list_validity = field->validity;
            length = next_array(&cursor, &field->validity);
            if (!cursor.sound || !(wide ? offsets_64_are_sound(offsets, rows, length)
                                        : offsets_32_are_sound(offsets, rows, length)))
                return false;
        }
        field->values = next_values(&cursor, field->type, length);
    }
    return cursor.sound && cursor.node == batch->n_nodes && cursor.buffer == batch->n_buffers;
}

int64_t cx_job_bytes(const struct cx_job *job, int64_t rows)
{
    int64_t bytes = job->code_bytes;
    if (job->kind == CX_JOB_NUMBER)
        bytes = (int64_t)sizeof(int64_t);
    if (job->kind == CX_JOB_SETS)
        bytes = cx_tally_n_sets((int32_t)job->options, (int32_t)job->n_missing);
    return (bytes * rows + 63) / 64 * 64;
}

/* Number the levels that a row has, and tell every entry of the dictionary its number. */
static void number_levels(struct cx_job *job)
{
    /* No more levels than entries. */
    for (int64_t level = 0; level <= job->n_places; ++level)
        job->number_of[level] = 0;
    for (int64_t place = 0; place < job->n_places; ++place)
        job->number_of[job->level_of[place]] |= job->used[place];
    job->number_of[0] = 0;
    job->n_found = 0;
    for (int64_t level = 1; level <= job->n_places; ++level) {
        if (job->number_of[level])
            job->number_of[level] = (int32_t)++job->n_found;
    }
    for (int64_t place = 0; place < job->n_places; ++place)
        job->table[place] = job->used[place] ? job->number_of[job->level_of[place]] : 0;
    job->table[job->n_places] = 0;
}

static int encode_levels(const struct cx_field *field, int64_t rows, struct cx_job *job,
                         uint8_t *out)
{
    int64_t bad_row;
    const int status = cx_mark_places(field->type, field->values, field->validity, 0, rows,
                                      job->n_places, job->used, &bad_row);
    if (status != CX_OK)
        return status;
    number_levels(job);
    /* Entries that no row has need no code of their own: so the table is in order, and no look-up is needed. */
    return cx_encode_levels(field->type, field->values, field->validity, 0, rows, job->table,
                            job->n_places, job->code_bytes, out, &bad_row);
}

static int encode_times(const struct cx_field *field, int64_t rows, struct cx_job *job,
                        uint8_t *out)
{
    int64_t ends[2], buckets[2], bad_row;
    int status = cx_time_range(field->type, field->values, field->validity, 0, rows, job->per_day,
                               ends, ends + 1, &bad_row);
    if (status != CX_OK)
        return status;
    job->first = 1;
    job->last = 0;
    if (ends[0] <= ends[1]) {
        status = cx_encode_buckets(CX_INT64, ends, NULL, 0, 2, job->per_day, job->unit, 0, buckets,
                                   &bad_row);
        if (status != CX_OK)
            return status;
        job->first = buckets[0];
        job->last = buckets[1];
    }
    const int64_t numbers = job->last - job->first + 1;
    if (numbers > rows + 1000) /* far apart: most would stand for nothing */
        return CX_OUT_OF_SCALE;
    job->n_found = numbers < 256 ? 1 : numbers < 65536 ? 2 : 4;
    return cx_number_times(field->type, field->values, field->validity, 0, rows, job->per_day,
                           job->unit, job->first, (int)job->n_found, out);
}

static int encode_job(const struct cx_field *field, int64_t rows, struct cx_job *job, uint8_t *out)
{
    int64_t bad_row;
    switch (job->kind) {
    case CX_JOB_SCALE:
        return cx_encode_scale(field->type, field->values, field->validity, 0, rows, job->lo,
                               job->hi, job->missing, job->n_missing, job->code_bytes, out,
                               &bad_row);
    case CX_JOB_LUT:
        return cx_encode_lut(field->type, field->values, field->validity, 0, rows, job->lut,
                             job->lut_length, job->null_code, job->code_bytes, out, &bad_row);
    case CX_JOB_NUMBER:
        return cx_encode_number(field->type, field->values, field->validity, 0, rows, job->step_num,
                                job->step_den, job->lo, job->hi, job->missing, job->n_missing,
                                (int64_t *)(void *)out, &bad_row);
    case CX_JOB_LEVELS:
        return encode_levels(field, rows, job, out);
    case CX_JOB_TIMES:
        return encode_times(field, rows, job, out);
    case CX_JOB_SETS:
        return cx_encode_sets(field->type, field->values, field->validity,
                              field->layout == CX_LIST64 ? 8 : 4, field->offsets,
                              field->list_validity, rows, job->lut, job->lut_length,
                              (int32_t)job->options, (int32_t)job->n_missing, out);
    default:
        return CX_BAD_ARGUMENT;
    }
}

int cx_encode_batch(const uint8_t *message, int64_t size, int64_t rows,
                    const struct cx_frame *frame, struct cx_field *fields, int64_t n_fields,
                    struct cx_job *jobs, int64_t n_jobs, uint8_t *out)
{
    struct batch batch;
    if (rows < 1 || !open_batch(message, size, rows, frame, &batch) ||
        !find_columns(&batch, rows, fields, n_fields))
        return CX_BAD_ARGUMENT;
    for (int64_t i = 0; i < n_jobs; ++i) {
        const int status = encode_job(fields + jobs[i].field, rows, jobs + i, out);
        if (status != CX_OK)
            return status;
        out += cx_job_bytes(jobs + i, rows);
    }
    return CX_OK;
}
