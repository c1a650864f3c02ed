/* Column chunks written out by hand: their codes, and that no cut or flipped byte makes a call read beyond. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cxstream_native.h"

#define CHECK(CONDITION)                                                    \
    do {                                                                    \
        if (!(CONDITION)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #CONDITION); \
            exit(1);                                                        \
        }                                                                   \
    } while (0)

enum { ROWS = 10, NULL_CODE = 9, ENTRIES = 3 };

/* A dictionary of 5, 7, 8; ten rows, the third and the last of them null: 5 7 - 8 5 7 8 8 8 -. */
static const uint8_t SCALE[] = {
    0x15, 0x04, 0x15, 0x18, 0x15, 0x18, 0x4c, 0x15, 0x06, 0x15, 0x00, 0x00, 0x00, /* dictionary page, 12 bytes */
    5,    0,    0,    0,    7,    0,    0,    0,    8,    0,    0,    0, /* its entries */
    0x15, 0x00, 0x15, 0x14, 0x15, 0x14, 0x2c, 0x15, 0x14, 0x15, 0x10, 0x15, 0x06, 0x15,
    0x06, 0x00, 0x00,                         /* data page */
    3,    0,    0,    0,    0x05, 0xfb, 0x01, /* which are there: packed bits */
    2,    0x03, 0x84,                         /* indices of two bits, cut short below */
};

static int codes(const uint8_t *chunk, int64_t size, uint8_t out[ROWS], int64_t *count)
{
    static const int32_t CODE_OF[ENTRIES] = {0, 1, 2};
    uint16_t scratch[2 * (ROWS + 8)];
    int64_t place[4];
    const int status = cx_chunk_dictionary(chunk, size, place);
    if (status != CX_OK)
        return status;
    CHECK(place[0] >= 0 && place[0] + place[1] <= size && place[3] <= size);
    return cx_chunk_codes(chunk, size, place[3], ROWS, CODE_OF, ENTRIES, NULL_CODE, 1, out, ROWS,
                          NULL, (uint8_t *)scratch, count);
}

/* The same with its indices whole: 0 1 2 0 1 2 2 2. */
static size_t whole(uint8_t *chunk)
{
    static const uint8_t INDICES[] = {2, 0x03, 0x24, 0xa9};
    size_t size = sizeof SCALE - 3;
    memcpy(chunk, SCALE, size);
    memcpy(chunk + size, INDICES, sizeof INDICES);
    chunk[28] = chunk[30] = 2 * (7 + sizeof INDICES); /* the page's sizes, in zigzag */
    return size + sizeof INDICES;
}

int main(void)
{
    static const uint8_t EXPECTED[ROWS] = {0, 1, NULL_CODE, 2, 0, 1, 2, 2, 2, NULL_CODE};
    uint8_t chunk[sizeof SCALE + 8], out[ROWS];
    int64_t count = 0;
    const size_t size = whole(chunk);
    CHECK(codes(chunk, (int64_t)size, out, &count) == CX_OK);
    CHECK(count == ROWS && memcmp(out, EXPECTED, ROWS) == 0);
    CHECK(codes(SCALE, sizeof SCALE, out, &count) != CX_OK);
    for (size_t cut = 0; cut < size; cut++) {
        /* On the heap, where the sanitizer sees a byte too many. */
        uint8_t *part = malloc(cut ? cut : 1);
        CHECK(part != NULL);
        memcpy(part, chunk, cut);
        CHECK(codes(part, (int64_t)cut, out, &count) != CX_OK);
        free(part);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        uint8_t *flipped = malloc(size);
        CHECK(flipped != NULL);
        memcpy(flipped, chunk, size);
        flipped[bit / 8] = (uint8_t)(flipped[bit / 8] ^ 1u << (bit % 8));
        (void)codes(flipped, (int64_t)size, out, &count);
        free(flipped);
    }
    printf("pages: ok\n");
    return 0;
}
