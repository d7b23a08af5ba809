/* The watch filters of the configuration as the report asks for them. */
#ifndef SCOPE_WATCH_H
#define SCOPE_WATCH_H

#include "../report/report.h"
#include "settings.h"

/** Compiles all patterns; complaints go to the log. Once, before the hooks are armed. */
void scope_watch_compile(const struct scope_configuration *);
bool scope_watch_file(const char *path);
/** "stdout" or "stderr". */
bool scope_watch_stream(const char *name);
/** Sets the filters and switches of the report. */
void scope_watch_fill(struct scope_report_settings *, const struct scope_configuration *);

#endif
