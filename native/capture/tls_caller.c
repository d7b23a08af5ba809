/*
 * Which TLS library a caller means. A process may have several copies of one, each with its own state, so
 * the original of a call is the one that the calling object would have reached without us: found through
 * its own dependencies, and remembered per object.
 */
#include "tls_caller.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "capture.h"

static const char *const names[SCOPE_TLS_FUNCTIONS] = {
    "SSL_read",
    "SSL_write",
    "SSL_read_ex",
    "SSL_write_ex",
    "SSL_free",
    "SSL_get_fd",
    "gnutls_record_recv",
    "gnutls_record_send",
    "gnutls_record_send2",
    "gnutls_record_recv_seq",
    "gnutls_deinit",
    "gnutls_transport_get_ptr2",
};

#define CALLERS 32
static struct scope_tls_caller callers[CALLERS];
/** Entries that are complete. */
static uint32_t caller_count;
static uint32_t adding;

struct search {
    uintptr_t address;
    struct scope_tls_caller *found;
    const char *name;
};

static int look_at_object(struct dl_phdr_info *info, size_t size, void *data) {
    struct search *search = data;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + part->p_vaddr;
        if (part->p_type != PT_LOAD || search->address - begin >= part->p_memsz) continue;
        search->found->begin = begin;
        search->found->end = begin + part->p_memsz;
        search->name = info->dlpi_name;
        return 1;
    }
    return 0;
}

/* What is remembered must not be unloaded: dlclose of the TLS library has no effect any more. */
static void keep_loaded(void *function) {
    Dl_info info;
    if (!function || !dladdr(function, &info) || !info.dli_fname || !*info.dli_fname) return;
    void *library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    if (library) dlclose(library);
}

struct library {
    const char *name;
    void *function;
};

static int look_in_library(struct dl_phdr_info *info, size_t size, void *data) {
    struct library *library = data;
    (void)size;
    if (!strstr(info->dlpi_name, *library->name == 'S' ? "libssl" : "libgnutls")) return 0;
    void *object = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
    if (!object) return 0;
    library->function = dlsym(object, library->name);
    dlclose(object);
    return library->function != NULL;
}

/* For a caller that leads nowhere: one that has jumped here, so that we took its own caller for it. */
static void *find_anywhere(const char *name) {
    struct library library = {.name = name};
    dl_iterate_phdr(look_in_library, &library);
    return library.function;
}

/* Fills an entry. Allocates, as far as the loader does; TLS functions do so too. */
static void resolve(struct scope_tls_caller *caller, uintptr_t address) {
    struct search search = {.address = address, .found = caller};
    dl_iterate_phdr(look_at_object, &search);
    uintptr_t here = (uintptr_t)&resolve;
    caller->is_ours = here - caller->begin < caller->end - caller->begin;
    if (caller->is_ours) return;
    void *object = search.name && *search.name ? dlopen(search.name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    for (int i = 0; i < SCOPE_TLS_FUNCTIONS; i++) {
        void *function = object ? dlsym(object, names[i]) : NULL;
        /* The program itself, or an object that relies on others to have loaded the library. */
        if (!function) function = dlsym(RTLD_NEXT, names[i]);
        if (!function) function = find_anywhere(names[i]);
        caller->functions[i] = function;
    }
    if (object) dlclose(object);
    keep_loaded(caller->functions[SCOPE_TLS_SSL_read]);
    keep_loaded(caller->functions[SCOPE_TLS_gnutls_record_recv]);
}

const struct scope_tls_caller *scope_tls_caller(const void *return_address, struct scope_tls_caller *room) {
    uintptr_t address = (uintptr_t)return_address;
    uint32_t count = __atomic_load_n(&caller_count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < count; i++)
        if (address - callers[i].begin < callers[i].end - callers[i].begin) return &callers[i];

    int saved = errno;
    *room = (struct scope_tls_caller){0};
    scope_capture_hide();
    resolve(room, address);
    scope_capture_show();
    errno = saved;
    uint32_t idle = 0;
    if (room->end && __atomic_compare_exchange_n(&adding, &idle, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        count = caller_count;
        if (count < CALLERS) {
            callers[count] = *room;
            __atomic_store_n(&caller_count, count + 1, __ATOMIC_RELEASE);
        }
        __atomic_store_n(&adding, 0, __ATOMIC_RELEASE);
    }
    return room;
}
