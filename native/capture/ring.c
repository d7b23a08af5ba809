/* The producer's side of the ring. One thread writes a slot; nothing here waits for anyone. */
#include "ring.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>

#include "real.h"

static unsigned char *ring;
static uint32_t slots;
/** Where the counters of threads without a slot go. */
static uint64_t lost_counters[SCOPE_COUNTERS];
static pthread_key_t thread_end;
static bool has_thread_end;

static struct scope_ring_header *header(void) {
    return (struct scope_ring_header *)(void *)ring;
}

static struct scope_slot *slot_at(uint32_t index) {
    return (struct scope_slot *)(void *)(ring + SCOPE_HEADER_BYTES + (size_t)index * SCOPE_SLOT_BYTES);
}

static void thread_ended(void *unused) {
    (void)unused;
    scope_ring_leave();
}

bool scope_ring_open(void *memory, size_t size, uint32_t *generation) {
    struct timespec real;
    uint64_t now = scope_now();

    if (size < SCOPE_HEADER_BYTES + SCOPE_SLOT_BYTES) return false;
    ring = memory;
    slots = (uint32_t)((size - SCOPE_HEADER_BYTES) / SCOPE_SLOT_BYTES);
    if (slots > SCOPE_SLOTS) slots = SCOPE_SLOTS;
    clock_gettime(CLOCK_REALTIME, &real);
    struct scope_ring_header *head = header();
    head->slot_count = slots;
    head->slot_data = SCOPE_SLOT_DATA;
    head->pid = (uint32_t)getpid();
    head->start_ns = now;
    head->realtime_offset_ns = (int64_t)real.tv_sec * 1000000000 + real.tv_nsec - (int64_t)now;
    head->version = SCOPE_RING_VERSION;
    memcpy(head->magic, SCOPE_RING_MAGIC, sizeof head->magic);
    if (!has_thread_end) has_thread_end = pthread_key_create(&thread_end, thread_ended) == 0;
    ++*generation;
    return true;
}

void scope_ring_claim(uint32_t generation) {
    struct scope_thread *thread = &scope_thread;

    thread->slot_generation = generation;
    thread->slot = NULL;
    thread->counters = lost_counters;
    for (uint32_t index = 0; index < slots; index++) {
        struct scope_slot *slot = slot_at(index);
        uint32_t free = SCOPE_SLOT_FREE;
        if (__atomic_load_n(&slot->state, __ATOMIC_RELAXED) != free) continue;
        if (!__atomic_compare_exchange_n(&slot->state, &free, SCOPE_SLOT_USED, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) continue;
        int saved = errno;
        slot->tid = scope_sandboxed ? 0 : (uint32_t)real_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
        /* Keys below 32 need no allocation, which would not be safe here: this may be a signal handler. */
        if (has_thread_end && thread_end < 32) pthread_setspecific(thread_end, slot);
        errno = saved;
        thread->slot = slot;
        thread->counters = slot->counters;
        thread->data = (unsigned char *)slot + SCOPE_SLOT_HEADER;
        thread->head = slot->head;
        thread->tail = __atomic_load_n(&slot->tail, __ATOMIC_ACQUIRE);
        return;
    }
}

void scope_ring_leave(void) {
    struct scope_thread *thread = &scope_thread;
    struct scope_slot *slot = thread->slot;

    if (!slot || thread->slot_generation != __atomic_load_n(&scope_armed.generation, __ATOMIC_RELAXED)) return;
    thread->slot = NULL;
    thread->counters = lost_counters;
    /* Whoever records again after this, such as a destructor that runs later, claims a slot again. */
    thread->generation = UINT32_MAX;
    thread->slot_generation = 0;
    __atomic_store_n(&slot->state, SCOPE_SLOT_ENDED, __ATOMIC_RELEASE);
}

static void wake(struct scope_ring_header *head) {
    if (scope_sandboxed || !__atomic_exchange_n(&head->sleeping, 0, __ATOMIC_ACQ_REL)) return;
    const struct scope_lifecycle *lifecycle = scope_lifecycle;
    int saved = errno;
    if (lifecycle && lifecycle->woken) {
        scope_capture_hide();
        lifecycle->woken();
        scope_capture_show();
    } else {
        real_syscall(SYS_futex, (long)&head->sleeping, FUTEX_WAKE, 1, 0, 0, 0);
    }
    errno = saved;
}

static void *dropped(struct scope_thread *thread) {
    if (thread->slot) {
        __atomic_store_n(&thread->slot->dropped_records, thread->slot->dropped_records + 1, __ATOMIC_RELAXED);
        thread->slot->sequence++;
        wake(header());
    } else {
        __atomic_fetch_add(&header()->dropped_without_slot, 1, __ATOMIC_RELAXED);
        thread->generation = UINT32_MAX; /* perhaps a slot is free the next time */
        thread->slot_generation = 0;
    }
    return NULL;
}

void *scope_record_begin(uint16_t kind, uint64_t channel, uint64_t time_ns, size_t body) {
    struct scope_thread *thread = &scope_thread;
    size_t exact = sizeof(struct scope_record) + body;
    size_t size = (exact + 7) & ~(size_t)7;

    if (SCOPE_UNLIKELY(thread->busy || !thread->slot || size > SCOPE_RECORD_MAX)) return dropped(thread);
    thread->busy = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);

    size_t at = thread->head & (SCOPE_SLOT_DATA - 1);
    size_t to_end = SCOPE_SLOT_DATA - at;
    size_t needed = size <= to_end ? size : to_end + size;
    if (SCOPE_UNLIKELY(thread->head + needed - thread->tail > SCOPE_SLOT_DATA)) {
        thread->tail = __atomic_load_n(&thread->slot->tail, __ATOMIC_ACQUIRE);
        /* The consumer may be someone else's process: a place that cannot be is as good as a full ring. */
        if (thread->head - thread->tail > SCOPE_SLOT_DATA || thread->head + needed - thread->tail > SCOPE_SLOT_DATA) {
            thread->busy = 0;
            return dropped(thread);
        }
    }
    if (SCOPE_UNLIKELY(size > to_end)) {
        struct scope_record *pad = (struct scope_record *)(void *)(thread->data + at);
        pad->size = (uint32_t)to_end; /* at least 8 bytes are left: all sizes are multiples of 8 */
        pad->kind = SCOPE_PAD;
        pad->padding = 0;
        thread->head += to_end;
        at = 0;
    }
    struct scope_record *record = (struct scope_record *)(void *)(thread->data + at);
    record->size = (uint32_t)size;
    record->kind = kind;
    record->padding = (uint16_t)(size - exact);
    record->time_ns = time_ns;
    record->channel = channel;
    record->tid = thread->slot->tid;
    record->sequence = (uint32_t)thread->slot->sequence++;
    if (size != exact) memset((unsigned char *)record + exact, 0, size - exact);
    thread->head += size;
    return record + 1;
}

/** More than half full, also after asking how far the consumer is? */
static bool crowded(struct scope_thread *thread) {
    thread->tail = __atomic_load_n(&thread->slot->tail, __ATOMIC_ACQUIRE);
    return thread->head - thread->tail > SCOPE_SLOT_DATA / 2;
}

void scope_record_end(void) {
    struct scope_thread *thread = &scope_thread;
    struct scope_ring_header *head = header();

    /* Sequentially consistent: the consumer says that it sleeps and then looks at all heads once more. */
    __atomic_store_n(&thread->slot->head, thread->head, __ATOMIC_SEQ_CST);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread->busy = 0;
    uint32_t sleeping = __atomic_load_n(&head->sleeping, __ATOMIC_RELAXED);
    if (SCOPE_UNLIKELY(sleeping == SCOPE_SLEEPS) || (SCOPE_UNLIKELY(thread->head - thread->tail > SCOPE_SLOT_DATA / 2) && sleeping && crowded(thread)))
        wake(head);
}

void scope_record_give_up(void) {
    struct scope_thread *thread = &scope_thread;
    if (thread->slot) {
        thread->head = thread->slot->head;
        __atomic_store_n(&thread->slot->dropped_records, thread->slot->dropped_records + 1, __ATOMIC_RELAXED);
    }
    thread->busy = 0;
}
