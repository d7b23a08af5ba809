/* The table of descriptors and the pool of channels behind it. */
#include "fds.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "real.h"
#include "socket.h"

#define CHANNELS_A_BLOCK 256u
#define BLOCKS 4096u

/* The first of each is there from the start: most programs need no more, and they cost nothing untouched. */
static struct scope_channel *first_page[SCOPE_FDS_A_PAGE];
static struct scope_channel first_block[CHANNELS_A_BLOCK];

struct scope_channel **scope_fd_pages[SCOPE_FDS / SCOPE_FDS_A_PAGE] = {first_page};
static struct scope_channel *blocks[BLOCKS] = {first_block};
struct scope_channel scope_other = {.kind = SCOPE_OTHER, .references = 1};

/** Channels handed out so far, not counting those that came back. */
static uint32_t channels;
/** Number of the first free channel plus one, and above it a count that makes each state of the list different. */
static uint64_t free_list;
static uint64_t last_id;

static const char never_single = 0;
const char *scope_single_threaded = &never_single;

static void *memory(size_t size) {
    int saved = errno;
    if (scope_sandboxed) return NULL;
    void *result = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = saved;
    return result == MAP_FAILED ? NULL : result;
}

/* Puts new memory into `place` unless another thread was faster. */
static void *provide(void **place, size_t size) {
    void *there = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (there) return there;
    void *fresh = memory(size);
    if (!fresh) return NULL;
    if (__atomic_compare_exchange_n(place, &there, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return fresh;
    munmap(fresh, size);
    return there;
}

static struct scope_channel *channel_at(uint32_t number) {
    struct scope_channel *block = __atomic_load_n(&blocks[number / CHANNELS_A_BLOCK], __ATOMIC_ACQUIRE);
    return block + number % CHANNELS_A_BLOCK;
}

/* The number of a channel that is nobody's plus one, or 0. */
static uint32_t take(void) {
    uint64_t head = __atomic_load_n(&free_list, __ATOMIC_ACQUIRE);
    while ((uint32_t)head) {
        struct scope_channel *channel = channel_at((uint32_t)head - 1);
        uint64_t rest = ((head >> 32) + 1) << 32 | __atomic_load_n(&channel->next_free, __ATOMIC_RELAXED);
        if (__atomic_compare_exchange_n(&free_list, &head, rest, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return (uint32_t)(head);
    }
    uint32_t number = __atomic_fetch_add(&channels, 1, __ATOMIC_RELAXED);
    if (number >= CHANNELS_A_BLOCK * BLOCKS) {
        __atomic_store_n(&channels, CHANNELS_A_BLOCK * BLOCKS, __ATOMIC_RELAXED);
        return 0;
    }
    return provide((void **)(void *)&blocks[number / CHANNELS_A_BLOCK], sizeof first_block) ? number + 1 : 0;
}

static uint64_t new_id(uint64_t now) {
    uint64_t last = __atomic_load_n(&last_id, __ATOMIC_RELAXED), id;
    do id = now > last ? now : last + 1;
    while (!__atomic_compare_exchange_n(&last_id, &last, id, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return id;
}

struct scope_channel *scope_channel_new(enum scope_channel_kind kind) {
    uint32_t number = take();
    if (!number) return &scope_other;
    struct scope_channel *channel = channel_at(number - 1);
    memset(channel, 0, sizeof *channel);
    channel->number = number;
    channel->kind = (uint8_t)kind;
    channel->references = 1;
    channel->opened_ns = scope_now();
    channel->id = new_id(channel->opened_ns);
    return channel;
}

struct scope_channel *scope_channel_put(int fd, struct scope_channel *channel) {
    if ((unsigned)fd >= SCOPE_FDS) return channel;
    struct scope_channel **page = provide((void **)(void *)&scope_fd_pages[(unsigned)fd / SCOPE_FDS_A_PAGE], sizeof first_page);
    if (!page) return channel;
    return __atomic_exchange_n(&page[(unsigned)fd % SCOPE_FDS_A_PAGE], channel, __ATOMIC_ACQ_REL);
}

struct scope_channel *scope_channel_share(struct scope_channel *channel) {
    if (channel != &scope_other) __atomic_fetch_add(&channel->references, 1, __ATOMIC_RELAXED);
    return channel;
}

bool scope_channel_leave(struct scope_channel *channel) {
    return channel && channel != &scope_other && __atomic_sub_fetch(&channel->references, 1, __ATOMIC_ACQ_REL) == 0;
}

void scope_channel_free(struct scope_channel *channel) {
    uint64_t head = __atomic_load_n(&free_list, __ATOMIC_ACQUIRE), next;
    do {
        __atomic_store_n(&channel->next_free, (uint32_t)head, __ATOMIC_RELAXED);
        next = ((head >> 32) + 1) << 32 | channel->number;
    } while (!__atomic_compare_exchange_n(&free_list, &head, next, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
}

static bool is_file(int fd) {
    struct stat64 found;
    return real_fstat64(fd, &found) == 0 && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode) || S_ISBLK(found.st_mode));
}

static bool is_open(int fd) {
    return real_fcntl(fd, 1 /* F_GETFD */, NULL) >= 0;
}

struct scope_channel *scope_channel_adopt(int fd) {
    int saved = errno;
    struct scope_channel *channel = &scope_other;

    /* Not remembered if it is not open: it may be the next thing to be opened. */
    if (fd < 0 || (unsigned)fd >= SCOPE_FDS || scope_sandboxed || !is_open(fd)) goto done;
    if (scope_wants.is_own_descriptor && scope_wants.is_own_descriptor(fd)) goto done;
    channel = scope_socket_adopt(fd);
    /* Who starts programs may connect them by sockets as well as by pipes; a peer elsewhere is a peer. */
    if (channel && channel->family == AF_UNIX && fd <= 2) {
        scope_channel_free(channel);
        channel = NULL;
    }
    if (channel) {
        channel->inherited = true;
    } else if (fd == 1 || fd == 2) {
        channel = scope_channel_new(SCOPE_STANDARD);
        channel->stream = (uint8_t)fd;
        channel->watched = fd == 1 ? scope_wants.console_out : scope_wants.console_err;
        channel->inherited = true;
    } else if (fd != 0 && is_file(fd)) {
        channel = scope_channel_new(SCOPE_PLAIN_FILE);
        channel->inherited = true;
    } else {
        channel = &scope_other;
    }
    scope_channel_put(fd, channel);
done:
    errno = saved;
    return channel;
}

void scope_channels_start(void) {
    const char *single = dlsym(RTLD_DEFAULT, "__libc_single_threaded");
    if (single) scope_single_threaded = single;
    for (int fd = 0; fd < 16; fd++)
        if (!scope_channel_find(fd)) scope_channel_adopt(fd);
}
