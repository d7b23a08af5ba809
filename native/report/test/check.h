/* A small frame for tests: each case is a sentence, told in TAP; a failed check tells what it saw. */
#ifndef SCOPE_TEST_CHECK_H
#define SCOPE_TEST_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int cases_told, checks_failed, checks_failed_ever;

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            printf("# %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);              \
            checks_failed++;                                                              \
        }                                                                                 \
    } while (0)

static inline void check_texts(const char *file, int line, const char *seen, const char *expected)
{
    if (strcmp(seen, expected) == 0) return;
    printf("# %s:%d: seen:\n# | %s\n# expected:\n# | %s\n", file, line, seen, expected);
    checks_failed++;
}
#define CHECK_TEXT(seen, expected) check_texts(__FILE__, __LINE__, (seen), (expected))

static inline void check_contains(const char *file, int line, const char *seen, const char *part, bool wanted)
{
    if ((strstr(seen, part) != NULL) == wanted) return;
    printf("# %s:%d: %s:\n# | %s\n# in:\n# | %s\n", file, line, wanted ? "missing" : "unwanted", part, seen);
    checks_failed++;
}
#define CHECK_HAS(seen, part) check_contains(__FILE__, __LINE__, (seen), (part), true)
#define CHECK_LACKS(seen, part) check_contains(__FILE__, __LINE__, (seen), (part), false)

static inline void tell_case(const char *title)
{
    printf("%sok %d - %s\n", checks_failed != 0 ? "not " : "", ++cases_told, title);
    checks_failed_ever += checks_failed;
    checks_failed = 0;
}
#define CASE(title, ...)                  \
    do {                                  \
        __VA_ARGS__;                      \
        tell_case(title);                 \
    } while (0)

static inline int tell_end(void)
{
    printf("1..%d\n", cases_told);
    return checks_failed_ever != 0;
}

#endif
