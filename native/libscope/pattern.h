/*
 * Regular expressions of users (PCRE2), with the usual ones answered without a regular expression. A
 * match may be asked for on a thread of the program: it takes no lock and never touches its heap.
 */
#ifndef SCOPE_PATTERN_H
#define SCOPE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct scope_pattern {
    enum { SCOPE_MATCH_ALL, SCOPE_MATCH_LOG_PATH, SCOPE_MATCH_NO_H, SCOPE_MATCH_CODE, SCOPE_MATCH_NOTHING } kind;
    void *code;
};

/** False: the text is no pattern, `why` says in what; it then matches nothing. `why` has room for 160 bytes. */
bool scope_pattern_compile(struct scope_pattern *, const char *text, char *why);
/** Gives up, with false, on subjects that would take very long. */
bool scope_pattern_matches(const struct scope_pattern *, const char *subject, size_t length);
void scope_pattern_free(struct scope_pattern *);

#endif
