// Makes the nth write or sync to a file under CX_FAULT_PATH fail, in a process that loads this before libc.
//
// cx_fault() says which; calls before it, and to other files, go through.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int at = 0;
static int code = 0;
static int syncs = 0;
static char path[4096];
static atomic_int calls;

// Called by the test, in the child: fail call number n (from 1) with an errno; 0 counts only.
void cx_fault(const char *under, int of_syncs, int n, int error)
{
    strncpy(path, under, sizeof path - 1);
    syncs = of_syncs;
    at = n;
    code = error;
    atomic_store(&calls, 0);
}

int cx_fault_calls(void)
{
    return atomic_load(&calls);
}

static int fails(int fd, int is_sync)
{
    char link[64], name[4096];
    if (!path[0] || is_sync != syncs)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name - 1);
    if (n < 0)
        return 0;
    name[n] = 0;
    if (strncmp(name, path, strlen(path)) != 0)
        return 0;
    if (atomic_fetch_add(&calls, 1) + 1 != at)
        return 0;
    errno = code;
    return 1;
}

#define REAL(name)                 \
    static __typeof__(&name) real; \
    if (!real)                     \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write);
    return fails(fd, 0) ? -1 : real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    REAL(pwrite);
    return fails(fd, 0) ? -1 : real(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    REAL(pwrite64);
    return fails(fd, 0) ? -1 : real(fd, data, size, offset);
}
ssize_t writev(int fd, const struct iovec *data, int count)
{
    REAL(writev);
    return fails(fd, 0) ? -1 : real(fd, data, count);
}
ssize_t pwritev(int fd, const struct iovec *data, int count, off_t offset)
{
    REAL(pwritev);
    return fails(fd, 0) ? -1 : real(fd, data, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *data, int count, off64_t offset)
{
    REAL(pwritev64);
    return fails(fd, 0) ? -1 : real(fd, data, count, offset);
}
int fsync(int fd)
{
    REAL(fsync);
    return fails(fd, 1) ? -1 : real(fd);
}
int fdatasync(int fd)
{
    REAL(fdatasync);
    return fails(fd, 1) ? -1 : real(fd);
}
