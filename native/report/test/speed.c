/* What a record costs: nanoseconds of CPU time in report and encoder for each family. */
#include <stdio.h>
#include <time.h>

#include "records.h"

static uint64_t bytes_out, lines_out;

static void emit(void *context, enum scope_output output, const char *line, size_t length)
{
    (void)context, (void)output, (void)line;
    bytes_out += length;
    lines_out++;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct scope_report *begin(bool events)
{
    static const char *const ops[] = {"none", "open64"};
    struct scope_report_settings settings = {
        .host = "web-17", .proc = "nginx", .cmd = "nginx: worker process", .cgroup = "0::/system.slice/nginx.service", .pid = 2818, .verbosity = 4,
        .event_fs = events, .event_net = events, .event_http = events, .event_dns = events, .event_console = events, .event_file = events,
        .metric_fs = true, .metric_net = true, .metric_http = true, .metric_dns = true, .metric_process = true, .metric_statsd = true,
        .op_names = ops, .op_count = 2};
    struct scope_report *report = scope_report_new(&settings, emit, NULL);
    scope_report_set_clock(report, 1795223845000000000);
    return report;
}

static void http(struct scope_report *report, uint64_t i)
{
    static const char request[] = "GET /1k.html HTTP/1.1\r\nHost: 127.0.0.1:45003\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=b; c=d\r\n\r\n";
    static const char response[] = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 01:17:03 GMT\r\nContent-Type: text/html\r\nContent-Length: 1024\r\nLast-Modified: Sat, 21 Nov 2026 01:17:00 GMT\r\nConnection: keep-alive\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\n";
    uint64_t channel = 1000 + i % 100;
    scope_report_record(report, data_record(channel, i * 1000, SCOPE_NETWORK_IN, false, request, sizeof request - 1, 0, NULL, 0), SCOPE_RECORD_MAX);
    scope_report_record(report, data_record(channel, i * 1000 + 500, SCOPE_NETWORK_OUT, false, response, sizeof response - 1, 1024, NULL, 0), SCOPE_RECORD_MAX);
}

static void files(struct scope_report *report, uint64_t i)
{
    struct scope_file_close close = {11, 1, 0, 1024, 1, 0, 0, 800, 0};
    scope_report_record(report, open_record(5000 + i, i * 1000, 11, "/usr/share/nginx/html/1k.html"), SCOPE_RECORD_MAX);
    scope_report_record(report, record(SCOPE_FILE_CLOSE, 5000 + i, i * 1000 + 500, &close, sizeof close, NULL, 0, NULL, 0), SCOPE_RECORD_MAX);
}

static void text(struct scope_report *report, uint64_t i)
{
    static const char line[] = "127.0.0.1 - - [21/Nov/2026:01:17:03 +0000] \"GET /1k.html HTTP/1.1\" 200 1024 \"-\" \"-\"\n";
    scope_report_record(report, text_record(SCOPE_CONSOLE, 1, i * 1000, 1, line, sizeof line - 1, sizeof line - 1), SCOPE_RECORD_MAX);
    scope_report_record(report, text_record(SCOPE_CONSOLE, 1, i * 1000, 1, line, sizeof line - 1, sizeof line - 1), SCOPE_RECORD_MAX);
}

static void statsd(struct scope_report *report, uint64_t i)
{
    static const char line[] = "page.views:1|c|#env:prod,region:eu\ntime:320|ms|@0.1";
    scope_report_record(report, data_record(7, i * 1000, SCOPE_NETWORK_OUT, true, line, sizeof line - 1, 0, NULL, 0), SCOPE_RECORD_MAX);
    scope_report_record(report, data_record(7, i * 1000, SCOPE_NETWORK_OUT, true, line, sizeof line - 1, 0, NULL, 0), SCOPE_RECORD_MAX);
}

static void body(struct scope_report *report, uint64_t i)
{
    /* One endless download: 16 KiB a call, of which capture keeps 512 bytes. */
    static char bytes[256] = "HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n";
    if (i == 0) scope_report_record(report, data_record(8, 1, SCOPE_NETWORK_IN, false, bytes, strlen(bytes), 0, NULL, 0), SCOPE_RECORD_MAX);
    scope_report_record(report, data_record(8, i, SCOPE_NETWORK_IN, false, bytes, 256, 15872, bytes, 256), SCOPE_RECORD_MAX);
    scope_report_record(report, data_record(8, i, SCOPE_NETWORK_IN, false, bytes, 256, 15872, bytes, 256), SCOPE_RECORD_MAX);
}

static void measure(const char *name, bool events, void (*two_records)(struct scope_report *, uint64_t))
{
    struct scope_report *report = begin(events);
    const uint64_t rounds = 500000;
    bytes_out = lines_out = 0;
    /* The pipeline's own building of records is part of it: some 20 ns. */
    double from = seconds();
    for (uint64_t i = 0; i < rounds; i++) two_records(report, i);
    double took = seconds() - from;
    printf("%-32s %6.0f ns a record  %9.0f lines/CPU s  %5.0f bytes a line\n", name, took * 1e9 / 2 / (double)rounds, (double)lines_out / took,
           lines_out != 0 ? (double)bytes_out / (double)lines_out : 0);
    scope_report_free(report);
}

int main(void)
{
    measure("HTTP request, response: events", true, http);
    measure("HTTP request, response: metrics", false, http);
    measure("HTTP body", true, body);
    measure("file open, close: events", true, files);
    measure("console text", true, text);
    measure("captured StatsD", true, statsd);
    return 0;
}
