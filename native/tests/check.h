/* What native tests share: checks that are counted, numbers that look random, memory to the byte. */
#ifndef CXSTREAM_CHECK_H
#define CXSTREAM_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static long checks;
static int failures;
static char where[256];

#define CHECK(condition, ...)                                          \
    do {                                                               \
        ++checks;                                                      \
        if (!(condition)) {                                            \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, where); \
            fprintf(stderr, __VA_ARGS__);                              \
            fputc('\n', stderr);                                       \
            if (++failures >= 20)                                      \
                exit(1);                                               \
        }                                                              \
    } while (0)

static uint64_t random_state = 0x9E3779B97F4A7C15ULL;

static inline uint64_t random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

static inline void *zeros(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL)
        abort();
    return memory;
}

#endif
