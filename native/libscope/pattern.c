/*
 * Regular expressions by PCRE2, as AppScope's users write them. Memory comes from mmap, since a match
 * may be asked for in a signal handler that interrupted malloc.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/** Work that a match may do and memory that it may take before it is given up. */
#define MATCH_LIMIT 100000u
#define HEAP_LIMIT_KIB 4096u
/** Matches that can go on at once with memory that is there already. */
#define SPARE 8

static void *take(PCRE2_SIZE size, void *unused) {
    (void)unused;
    size_t *block = mmap(NULL, size + 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    block[0] = size + 16;
    return block + 2;
}

static void give(void *memory, void *unused) {
    (void)unused;
    if (memory)
        munmap((size_t *)memory - 2, ((size_t *)memory - 2)[0]);
}

struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *limits;
};
static _Atomic(struct matcher *) spare[SPARE];

static struct matcher *matcher_take(void) {
    for (int i = 0; i < SPARE; i++) {
        struct matcher *found = atomic_exchange(&spare[i], NULL);
        if (found)
            return found;
    }
    pcre2_general_context *memory = pcre2_general_context_create(take, give, NULL);
    struct matcher *made = memory ? take(sizeof *made, NULL) : NULL;
    if (made) {
        made->data = pcre2_match_data_create(1, memory);
        made->limits = pcre2_match_context_create(memory);
        if (made->limits) {
            pcre2_set_match_limit(made->limits, MATCH_LIMIT);
            pcre2_set_heap_limit(made->limits, HEAP_LIMIT_KIB);
        }
    }
    pcre2_general_context_free(memory);
    if (made && made->data && made->limits)
        return made;
    if (made) {
        pcre2_match_data_free(made->data);
        pcre2_match_context_free(made->limits);
        give(made, NULL);
    }
    return NULL;
}

static void matcher_give(struct matcher *matcher) {
    for (int i = 0; i < SPARE; i++) {
        struct matcher *none = NULL;
        if (atomic_compare_exchange_strong(&spare[i], &none, matcher))
            return;
    }
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->limits);
    give(matcher, NULL);
}

bool scope_pattern_compile(struct scope_pattern *pattern, const char *text, char *why) {
    *pattern = (struct scope_pattern){SCOPE_MATCH_CODE, NULL};
    if (strcmp(text, ".*") == 0 || !*text)
        pattern->kind = SCOPE_MATCH_ALL;
    else if (strcmp(text, "(\\/logs?\\/)|(\\.log$)|(\\.log[.\\d])") == 0)
        pattern->kind = SCOPE_MATCH_LOG_PATH;
    else if (strcmp(text, "^[^h]+") == 0)
        pattern->kind = SCOPE_MATCH_NO_H;
    if (pattern->kind != SCOPE_MATCH_CODE)
        return true;
    int error;
    PCRE2_SIZE offset;
    pcre2_general_context *memory = pcre2_general_context_create(take, give, NULL);
    pcre2_compile_context *context = memory ? pcre2_compile_context_create(memory) : NULL;
    if (context)
        pattern->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, &error, &offset, context);
    if (!pattern->code) {
        pattern->kind = SCOPE_MATCH_NOTHING;
        char said[120] = "no memory";
        if (context)
            pcre2_get_error_message(error, (PCRE2_UCHAR *)said, sizeof said);
        snprintf(why, 160, "%s at character %zu", said, context ? (size_t)offset + 1 : 0);
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(memory);
    return pattern->code != NULL;
}

/** Below a directory log or logs, or named like a log: x.log, x.log.1, x.log2. */
static bool is_log_path(const char *path, size_t length) {
    for (size_t i = 0; i + 4 <= length; i++) {
        if (path[i] == '/' && memcmp(path + i, "/log", 4) == 0) {
            size_t end = i + 4 + (i + 4 < length && path[i + 4] == 's');
            if (end < length && path[end] == '/')
                return true;
        }
        if (path[i] == '.' && memcmp(path + i, ".log", 4) == 0 &&
            (i + 4 == length || path[i + 4] == '.' || (path[i + 4] >= '0' && path[i + 4] <= '9')))
            return true;
    }
    return false;
}

bool scope_pattern_matches(const struct scope_pattern *pattern, const char *subject, size_t length) {
    switch (pattern->kind) {
    case SCOPE_MATCH_ALL:
        return true;
    case SCOPE_MATCH_LOG_PATH:
        return is_log_path(subject, length);
    case SCOPE_MATCH_NO_H:
        return length > 0 && subject[0] != 'h';
    case SCOPE_MATCH_NOTHING:
        return false;
    case SCOPE_MATCH_CODE:
        break;
    }
    struct matcher *matcher = matcher_take();
    if (!matcher)
        return false;
    int result = pcre2_match(pattern->code, (PCRE2_SPTR)subject, length, 0, 0, matcher->data, matcher->limits);
    matcher_give(matcher);
    return result >= 0;
}

void scope_pattern_free(struct scope_pattern *pattern) {
    pcre2_code_free(pattern->code);
    *pattern = (struct scope_pattern){SCOPE_MATCH_NOTHING, NULL};
}
