/* Records in, lines out: each family's events and metrics as users get them. */
#include "check.h"
#include "json_check.h"
#include "records.h"

#include <stdlib.h>

#define SECOND 1000000000u
#define MILLI 1000000u
#define OFFSET 1795223845000000000 /* the epoch second at which the monotonic clock was 0 */

static char events[1 << 20], metrics[1 << 20];
static size_t event_length, metric_length;

static void emit(void *context, enum scope_output output, const char *line, size_t length)
{
    (void)context;
    CHECK(length > 0 && line[length - 1] == '\n' && memchr(line, '\n', length) == line + length - 1);
    if (output == SCOPE_OUT_EVENT || *line == '{') CHECK(is_json(line, length - 1));
    char *to = output == SCOPE_OUT_EVENT ? events : metrics;
    size_t *at = output == SCOPE_OUT_EVENT ? &event_length : &metric_length;
    if (*at + length + 1 > sizeof events) return;
    memcpy(to + *at, line, length);
    *at += length;
    to[*at] = 0;
}

static void fresh(void)
{
    event_length = metric_length = 0;
    events[0] = metrics[0] = 0;
}

static bool stat_file(void *context, const char *path, uint32_t *mode, uint32_t *uid, uint32_t *gid)
{
    (void)context;
    *mode = 0100640, *uid = 5, *gid = 6;
    return strcmp(path, "/gone") != 0;
}

static const char *const ops[] = {"none", "open", "read", "fstat", "connect"};

static struct scope_report_settings settings(void)
{
    return (struct scope_report_settings){
        .host = "vm", .proc = "curl", .cmd = "/usr/bin/curl -s http://localhost:46731/1k.html", .username = "root", .groupname = "wheel",
        .cgroup = "0::/", .pid = 42, .uid = 1, .gid = 2, .verbosity = 4, .enhance_fs = true, .event_fs = true, .event_net = true,
        .event_http = true, .event_dns = true, .event_console = true, .event_file = true, .allow_binary = true, .metric_fs = true, .metric_net = true,
        .metric_http = true, .metric_dns = true, .metric_process = true, .metric_statsd = true, .op_names = ops, .op_count = 5,
        .stat_file = stat_file};
}

static struct scope_report *begin(const struct scope_report_settings *with)
{
    struct scope_report_settings usual = settings();
    struct scope_report *report = scope_report_new(with != NULL ? with : &usual, emit, NULL);
    scope_report_set_clock(report, OFFSET);
    fresh();
    return report;
}

static void take(struct scope_report *report, const struct scope_record *at)
{
    /* A copy of the exact size, so that reading beyond the end is noticed. */
    size_t size = at->size;
    struct scope_record *copy = malloc(size);
    memcpy(copy, at, size);
    scope_report_record(report, copy, size);
    free(copy);
}

#define HEAD(channel, sourcetype, time, source)                                                                        \
    "{\"type\":\"evt\",\"id\":\"vm-curl-s http://localhost:46731/1k.html\",\"_channel\":\"" channel                        \
    "\",\"body\":{\"sourcetype\":\"" sourcetype "\",\"_time\":" time ",\"source\":\"" source                              \
    "\",\"host\":\"vm\",\"proc\":\"curl\",\"cmd\":\"/usr/bin/curl -s http://localhost:46731/1k.html\",\"pid\":42,\"data\":{"

static void files(void)
{
    struct scope_report *report = begin(NULL);
    CASE("an opened file is told with its owner and mode", {
        take(report, open_record(77, 391516900, 5, "/etc/a\"b\xff"));
        CHECK_TEXT(events, HEAD("77", "fs", "1795223845.391516", "fs.open")
                   "\"proc\":\"curl\",\"pid\":42,\"host\":\"vm\",\"file\":\"/etc/a\\\"b\xEF\xBF\xBD\",\"proc_uid\":1,\"proc_gid\":2,"
                   "\"proc_cgroup\":\"0::/\",\"file_perms\":640,\"file_owner\":5,\"file_group\":6,\"op\":\"open\"}}}\n");
    });
    CASE("a closed file is told with what was moved and the mean time of a move", {
        fresh();
        struct scope_file_close close = {5, 0, 0, 1000, 3, 20, 1, 10, 0};
        close.op = 2;
        take(report, record(SCOPE_FILE_CLOSE, 77, SECOND, &close, sizeof close, NULL, 0, NULL, 0));
        CHECK_HAS(events, "\"file_read_bytes\":1000,\"file_read_ops\":3,\"file_write_bytes\":20,\"file_write_ops\":1,\"duration\":0.002,\"op\":\"read\"}}}\n");
        fresh();
        take(report, record(SCOPE_FILE_CLOSE, 77, SECOND, &close, sizeof close, NULL, 0, NULL, 0));
        CHECK_TEXT(events, "");
    });
    CASE("a file that cannot be asked about has no owner in its event", {
        fresh();
        take(report, open_record(78, SECOND, 5, "/gone"));
        CHECK_HAS(events, "\"fs.open\"");
        CHECK_LACKS(events, "file_perms");
    });
    CASE("the three standard streams are no files", {
        fresh();
        take(report, open_record(79, SECOND, 2, "/dev/null"));
        CHECK_TEXT(events, "");
    });
    CASE("deletions and renames are told if they succeeded", {
        fresh();
        struct scope_path_op op = {0, 1, 4};
        take(report, record(SCOPE_FILE_DELETE, 0, SECOND, &op, sizeof op, "/tmp", 4, NULL, 0));
        CHECK_HAS(events, "\"_channel\":\"none\"");
        CHECK_HAS(events, "\"source\":\"fs.delete\"");
        CHECK_HAS(events, "{\"proc\":\"curl\",\"pid\":42,\"host\":\"vm\",\"op\":\"open\",\"file\":\"/tmp\",\"unit\":\"operation\"}");
        fresh();
        op.path_length = 5;
        take(report, record(SCOPE_FILE_CHANGE, 0, SECOND, &op, sizeof op, "/a\0/b", 5, NULL, 0));
        CHECK_HAS(events, "\"fs.change\"");
        CHECK_HAS(events, "\"file\":\"/a\",\"file_to\":\"/b\"");
        fresh();
        op.error = 2;
        take(report, record(SCOPE_FILE_DELETE, 0, SECOND, &op, sizeof op, "/gone", 5, NULL, 0));
        CHECK_TEXT(events, "");
    });
    scope_report_free(report);
}

static void say(struct scope_report *report, enum scope_data_source source, uint64_t time_ns, const char *text)
{
    take(report, data_record(88, time_ns, source, false, text, strlen(text), 0, NULL, 0));
}

static void connections(void)
{
    struct scope_report *report = begin(NULL);
    CASE("a connection is told when it opens and when it closes, with its true duration", {
        take(report, connection_record(88, SECOND, SOCK_STREAM, false, "127.0.0.1", 52850, "127.0.0.1", 46731));
        CHECK_TEXT(events, HEAD("88", "net", "1795223846.000000", "net.open")
                   "\"net_transport\":\"IP.TCP\",\"net_peer_ip\":\"127.0.0.1\",\"net_peer_port\":46731,\"net_host_ip\":\"127.0.0.1\",\"net_host_port\":52850}}}\n");
        fresh();
        struct scope_net_close close = {{9, SOCK_STREAM, 0, ip_address("127.0.0.1", 52850), ip_address("::1", 80)}, 1263, 2, 86, 1, SECOND, 1, {0}};
        take(report, record(SCOPE_NET_CLOSE, 88, SECOND + 412345, &close, sizeof close, NULL, 0, NULL, 0));
        CHECK_HAS(events, "\"net_peer_ip\":\"::1\",\"net_peer_port\":80,\"net_host_ip\":\"127.0.0.1\",\"net_host_port\":52850,\"net_protocol\":\"http\","
                          "\"duration\":0.412,\"net_bytes_sent\":86,\"net_bytes_recv\":1263,\"net_close_reason\":\"remote\"}}}\n");
    });
    CASE("sockets of a local kind are told by their inodes, datagram sockets are not told", {
        fresh();
        struct scope_net_open open = {9, SOCK_STREAM, 1, {.family = AF_UNIX, .inode = 11}, {.family = AF_UNIX, .inode = 22}};
        take(report, record(SCOPE_NET_OPEN, 89, SECOND, &open, sizeof open, NULL, 0, NULL, 0));
        CHECK_HAS(events, "{\"net_transport\":\"Unix.TCP\",\"unix_peer_inode\":22,\"unix_local_inode\":11}");
        fresh();
        take(report, connection_record(90, SECOND, SOCK_DGRAM, false, "127.0.0.1", 1, "127.0.0.1", 2));
        CHECK_TEXT(events, "");
    });
    scope_report_free(report);
}

static void http(void)
{
    struct scope_report *report = begin(NULL);
    CASE("a client's request and response are told, with the connection they went over", {
        take(report, connection_record(88, SECOND, SOCK_STREAM, false, "127.0.0.1", 52850, "127.0.0.1", 46731));
        fresh();
        say(report, SCOPE_NETWORK_OUT, SECOND, "GET /1k.html?q HTTP/1.1\r\nHost: localhost:46731\r\nUser-Agent: curl/7.88.1\r\n\r\n");
        CHECK_TEXT(events, HEAD("88", "net", "1795223846.000000", "net.app") "\"proc\":\"curl\",\"pid\":42,\"fd\":9,\"host\":\"vm\",\"protocol\":\"HTTP\"}}}\n"
                   HEAD("88", "http", "1795223846.000000", "http.req")
                   "\"http_method\":\"GET\",\"http_target\":\"/1k.html?q\",\"http_flavor\":\"1.1\",\"http_scheme\":\"http\",\"http_host\":\"localhost:46731\","
                   "\"http_user_agent\":\"curl/7.88.1\",\"net_transport\":\"IP.TCP\",\"net_peer_ip\":\"127.0.0.1\",\"net_peer_port\":46731,"
                   "\"net_host_ip\":\"127.0.0.1\",\"net_host_port\":52850}}}\n");
        fresh();
        say(report, SCOPE_NETWORK_IN, SECOND + 1500000, "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n");
        CHECK_TEXT(events, HEAD("88", "http", "1795223846.001500", "http.resp")
                   "\"http_method\":\"GET\",\"http_target\":\"/1k.html?q\",\"http_scheme\":\"http\",\"http_flavor\":\"1.1\",\"http_status_code\":200,"
                   "\"http_status_text\":\"OK\",\"http_client_duration\":1.5,\"http_host\":\"localhost:46731\",\"http_user_agent\":\"curl/7.88.1\","
                   "\"http_response_content_length\":1024,\"net_transport\":\"IP.TCP\",\"net_peer_ip\":\"127.0.0.1\",\"net_peer_port\":46731,"
                   "\"net_host_ip\":\"127.0.0.1\",\"net_host_port\":52850}}}\n");
    });
    CASE("the plaintext of TLS is https, and the ciphertext beside it is not looked at", {
        fresh();
        take(report, data_record(91, SECOND, SCOPE_NETWORK_OUT, false, "\x16\x03\x01", 3, 500, NULL, 0));
        take(report, data_record(91, SECOND, SCOPE_TLS_IN, false, "PUT /x HTTP/1.0\r\nContent-Length: 0\r\nX-Forwarded-For: 10.1.1.1\r\nX-Appscope: t\r\n\r\n", 80, 0, NULL, 0));
        take(report, data_record(91, SECOND, SCOPE_NETWORK_OUT, false, "GET / HTTP/1.1\r\n\r\n", 18, 500, NULL, 0));
        take(report, data_record(91, SECOND + 2 * MILLI, SCOPE_TLS_OUT, false, "HTTP/1.1 500 Sorry\r\n\r\n", 22, 0, NULL, 0));
        CHECK_HAS(events, "\"http_flavor\":\"1.0\",\"http_scheme\":\"https\",\"http_client_ip\":\"10.1.1.1\",\"x-appscope\":\"t\",\"http_request_content_length\":0}");
        CHECK_HAS(events, "\"http_status_code\":500,\"http_status_text\":\"Sorry\",\"http_server_duration\":2,");
        CHECK_LACKS(events, "\"GET\"");
    });
    CASE("targets' metrics are means and sums, without the query, and start anew with each period", {
        uint64_t counters[SCOPE_COUNTERS] = {0};
        fresh();
        scope_report_period(report, counters, NULL, 10 * (uint64_t)SECOND, 10 * (uint64_t)SECOND);
        CHECK_TEXT(metrics, "http.req:1|c|#http_target:/1k.html,http_status_code:200,proc:curl,pid:42,host:vm,unit:request,summary:true\n"
                            "http.duration.client:1.50|ms|#http_target:/1k.html,proc:curl,pid:42,host:vm,unit:millisecond,summary:true\n"
                            "http.resp.content_length:1024|c|#http_target:/1k.html,proc:curl,pid:42,host:vm,unit:byte,summary:true\n"
                            "http.req:1|c|#http_target:/x,http_status_code:500,proc:curl,pid:42,host:vm,unit:request,summary:true\n"
                            "http.duration.server:2|ms|#http_target:/x,proc:curl,pid:42,host:vm,unit:millisecond,summary:true\n");
        fresh();
        scope_report_period(report, counters, NULL, 20 * (uint64_t)SECOND, 10 * (uint64_t)SECOND);
        CHECK_TEXT(metrics, "");
    });
    CASE("targets beyond the bound are summed under one name", {
        uint64_t counters[SCOPE_COUNTERS] = {0};
        take(report, data_record(88, SECOND, SCOPE_NETWORK_IN, false, NULL, 0, 1024, NULL, 0)); /* the body that was announced */
        for (int i = 0; i < 1500; i++) {
            char text[64];
            snprintf(text, sizeof text, "GET /%d HTTP/1.1\r\n\r\n", i);
            say(report, SCOPE_NETWORK_OUT, SECOND, text);
            say(report, SCOPE_NETWORK_IN, SECOND, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        for (int i = 100; i < 200; i++) {
            char text[64];
            snprintf(text, sizeof text, "HTTP/1.1 %d OK\r\nContent-Length: 0\r\n\r\n", i + 150);
            say(report, SCOPE_NETWORK_OUT, SECOND, "GET /codes HTTP/1.1\r\n\r\n");
            say(report, SCOPE_NETWORK_IN, SECOND, text);
        }
        fresh();
        scope_report_period(report, counters, NULL, 30 * (uint64_t)SECOND, 10 * (uint64_t)SECOND);
        CHECK_HAS(metrics, "http.req:476|c|#http_target:(others),http_status_code:200,");
    });
    scope_report_free(report);
}

static void dns(void)
{
    struct scope_report *report = begin(NULL);
    CASE("lookups are told with their duration and error", {
        struct scope_dns lookup = {0, 0, 4, 0};
        take(report, record(SCOPE_DNS_REQUEST, 60, SECOND, &lookup, sizeof lookup, "a.eu", 4, NULL, 0));
        lookup.duration_ns = 3250000;
        lookup.error = -2;
        take(report, record(SCOPE_DNS_RESPONSE, 60, SECOND, &lookup, sizeof lookup, "a.eu", 4, NULL, 0));
        CHECK_HAS(events, "\"source\":\"dns.req\"");
        CHECK_HAS(events, "{\"domain\":\"a.eu\"}}}\n");
        CHECK_HAS(events, "{\"domain\":\"a.eu\",\"duration\":3.25,\"error\":\"EAI_NONAME\"}}}\n");
    });
    static const char question[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x02" "eu\x00\x00\x1c\x00\x01";
    static const char answer[] = "\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x01" "a\x02" "eu\x00\x00\x1c\x00\x01"
                                 "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x07"
                                 "\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
    CASE("packets are told with type, result, addresses and the time between them", {
        take(report, connection_record(61, SECOND, SOCK_DGRAM, false, "10.0.0.2", 5000, "10.0.0.1", 53));
        fresh();
        take(report, data_record(61, SECOND, SCOPE_NETWORK_OUT, true, question, sizeof question - 1, 0, NULL, 0));
        CHECK_HAS(events, "{\"domain\":\"a.eu\",\"query_type\":\"AAAA\"}}}\n");
        take(report, data_record(61, SECOND + 2 * MILLI, SCOPE_NETWORK_IN, true, answer, sizeof answer - 1, 0, NULL, 0));
        CHECK_HAS(events, "{\"domain\":\"a.eu\",\"duration\":2,\"addrs\":[\"10.0.0.7\",\"2001:db8::1\"],\"query_type\":\"AAAA\",\"rcode\":\"NOERROR\"}}}\n");
    });
    CASE("DNS over TCP is told, its two-byte length apart or not", {
        char whole[128], length[2] = {0, sizeof answer - 1};
        take(report, connection_record(62, SECOND, SOCK_STREAM, false, "10.0.0.2", 5000, "10.0.0.1", 53));
        whole[0] = 0, whole[1] = sizeof question - 1;
        memcpy(whole + 2, question, sizeof question - 1);
        fresh();
        take(report, data_record(62, SECOND, SCOPE_NETWORK_OUT, false, whole, sizeof question + 1, 0, NULL, 0));
        CHECK_HAS(events, "{\"domain\":\"a.eu\",\"query_type\":\"AAAA\"}}}\n");
        take(report, data_record(62, SECOND, SCOPE_NETWORK_IN, false, length, 2, 0, NULL, 0));
        take(report, data_record(62, SECOND + 5 * MILLI, SCOPE_NETWORK_IN, false, answer, sizeof answer - 1, 0, NULL, 0));
        CHECK_HAS(events, "\"duration\":5,\"addrs\":[\"10.0.0.7\"");
    });
    CASE("a connection to an address that an answer held has the name as its peer's", {
        fresh();
        take(report, connection_record(63, SECOND, SOCK_STREAM, false, "10.0.0.2", 5001, "10.0.0.7", 8080));
        CHECK_HAS(events, "\"net_peer_name\":\"a.eu\"");
    });
    scope_report_free(report);
}

static void texts(void)
{
    struct scope_report *report = begin(NULL);
    CASE("writes to the console are gathered until two seconds have passed", {
        take(report, text_record(SCOPE_CONSOLE, 1, SECOND, 1, "hel", 3, 3));
        take(report, text_record(SCOPE_CONSOLE, 1, 2 * (uint64_t)SECOND, 1, "lo\n", 3, 3));
        scope_report_idle(report, 3 * (uint64_t)SECOND - 1);
        CHECK_TEXT(events, "");
        scope_report_idle(report, 3 * (uint64_t)SECOND);
        CHECK_TEXT(events, HEAD("1", "console", "1795223846.000000", "stdout") "\"message\":\"hello\\n\"}}}\n");
    });
    CASE("bytes that are no text are written as valid JSON", {
        fresh();
        take(report, text_record(SCOPE_CONSOLE, 2, SECOND, 2, "\0\x80\xff\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\x7f\xc3\xa9", 15, 15));
        scope_report_flush(report, SECOND);
        CHECK_HAS(events, "\"source\":\"stderr\"");
        CHECK_HAS(events, "\"message\":\"\\u0000\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x7f\xc3\xa9\"");
    });
    CASE("a message is at most 32 KiB and no character is cut by that", {
        static char large[20000];
        memset(large, 'a', sizeof large);
        large[sizeof large - 1] = '\xc3';
        fresh();
        take(report, text_record(SCOPE_CONSOLE, 3, SECOND, 1, large, sizeof large, sizeof large));
        large[0] = '\xa9';
        large[sizeof large - 1] = 'b';
        take(report, text_record(SCOPE_CONSOLE, 3, SECOND, 1, large, sizeof large, sizeof large + 5));
        scope_report_flush(report, SECOND);
        CHECK_LACKS(events, "\xEF\xBF\xBD");
        CHECK_HAS(events, "{\"message\":\"\xc3\xa9" "aaa");
        CHECK_HAS(events, "\",\"missing_bytes\":5}");
    });
    CASE("a log's text has its path as source and goes out when the file is closed", {
        struct scope_file_close close = {.fd = 7};
        take(report, open_record(4, SECOND, 7, "/var/log/a.log"));
        take(report, text_record(SCOPE_LOG_TEXT, 4, SECOND, 7, "line\n", 5, 5));
        fresh();
        take(report, record(SCOPE_FILE_CLOSE, 4, SECOND, &close, sizeof close, NULL, 0, NULL, 0));
        CHECK_HAS(events, "\"sourcetype\":\"file\",\"_time\":1795223846.000000,\"source\":\"/var/log/a.log\"");
        CHECK_HAS(events, "{\"message\":\"line\\n\"}");
    });
    CASE("a write of which nothing was kept is only counted", {
        fresh();
        take(report, text_record(SCOPE_CONSOLE, 5, SECOND, 1, NULL, 0, 0));
        take(report, text_record(SCOPE_CONSOLE, 5, SECOND, 1, NULL, 0, 7));
        take(report, text_record(SCOPE_CONSOLE, 5, SECOND, 1, "x", 1, 1));
        scope_report_flush(report, SECOND);
        CHECK_HAS(events, "{\"message\":\"x\",\"missing_bytes\":7}");
    });
    scope_report_free(report);
    struct scope_report_settings strict = settings();
    strict.allow_binary = false;
    report = begin(&strict);
    CASE("binary on the console is told once, until there is text again; UTF-8 is text", {
        take(report, text_record(SCOPE_CONSOLE, 1, SECOND, 1, "\x01\x02", 2, 2));
        take(report, text_record(SCOPE_CONSOLE, 1, SECOND, 1, "\xff", 1, 1));
        take(report, text_record(SCOPE_CONSOLE, 1, SECOND, 1, "gr\xc3\xbc\xc3\x9f\x1b[0m", 10, 10));
        scope_report_flush(report, SECOND);
        CHECK_HAS(events, "{\"message\":\"-- binary data ignored --\"}}}\n{");
        CHECK_HAS(events, "{\"message\":\"gr\xc3\xbc\xc3\x9f\\u001b[0m\"}");
        CHECK(strstr(strstr(events, "ignored") + 1, "ignored") == NULL);
    });
    scope_report_free(report);
}

static void periods(void)
{
    struct scope_report *report = begin(NULL);
    uint64_t counters[SCOPE_COUNTERS] = {0};
    struct scope_process_sample sample = {114878, 46384, 9000, 2, 7, -1};
    CASE("a period's metrics are differences of counters, levels of gauges, means of times", {
        counters[SCOPE_COUNT_FS_READ_BYTES] = 199290;
        counters[SCOPE_COUNT_FS_READ_OPS] = 390;
        counters[SCOPE_COUNT_FS_NS] = 390 * 1234;
        counters[SCOPE_COUNT_FS_OPEN] = 2;
        counters[SCOPE_COUNT_FS_ERROR_STAT] = 1;
        counters[SCOPE_COUNT_NET_RX_BYTES + SCOPE_NET_UNIX_TCP] = 1263;
        counters[SCOPE_COUNT_NET_CLOSE] = 2;
        counters[SCOPE_COUNT_NET_LIFE_NS] = 3 * MILLI;
        counters[SCOPE_COUNT_OPEN_TCP] = 4;
        counters[SCOPE_COUNT_NET_ERROR_DNS] = 1;
        scope_report_period(report, counters, &sample, 2 * (uint64_t)SECOND, 2 * (uint64_t)SECOND);
        CHECK_TEXT(metrics,
                   "proc.cpu:114878|c|#proc:curl,pid:42,host:vm,unit:microsecond\nproc.cpu_perc:5.74|g|#proc:curl,pid:42,host:vm,unit:percent\n"
                   "proc.mem:46384|g|#proc:curl,pid:42,host:vm,unit:kibibyte\nproc.rss:9000|g|#proc:curl,pid:42,host:vm,unit:kibibyte\n"
                   "proc.thread:2|g|#proc:curl,pid:42,host:vm,unit:thread\nproc.fd:7|g|#proc:curl,pid:42,host:vm,unit:file\n"
                   "fs.read:199290|c|#proc:curl,pid:42,host:vm,unit:byte,summary:true\nfs.open:2|c|#proc:curl,pid:42,host:vm,unit:operation,summary:true\n"
                   "fs.error:1|c|#proc:curl,pid:42,host:vm,class:stat,unit:operation,summary:true\n"
                   "fs.duration:1.23|h|#proc:curl,pid:42,host:vm,unit:microsecond,summary:true\n"
                   "net.error:1|c|#proc:curl,pid:42,host:vm,class:dns,unit:operation,summary:true\n"
                   "net.rx:1263|c|#proc:curl,pid:42,host:vm,unit:byte,class:unix_tcp,summary:true\n"
                   "net.tcp:4|g|#proc:curl,pid:42,host:vm,unit:connection,summary:true\n"
                   "net.close:2|c|#proc:curl,pid:42,host:vm,unit:connection,summary:true\n"
                   "net.duration:1.50|ms|#proc:curl,pid:42,host:vm,unit:millisecond,summary:true\n");
    });
    CASE("nothing new is nothing told, but for a gauge that falls to zero, once", {
        counters[SCOPE_COUNT_OPEN_TCP] = 0;
        fresh();
        scope_report_period(report, counters, NULL, 4 * (uint64_t)SECOND, 2 * (uint64_t)SECOND);
        CHECK_TEXT(metrics, "net.tcp:0|g|#proc:curl,pid:42,host:vm,unit:connection,summary:true\n");
        fresh();
        scope_report_period(report, counters, NULL, 6 * (uint64_t)SECOND, 2 * (uint64_t)SECOND);
        CHECK_TEXT(metrics, "");
    });
    scope_report_free(report);

    struct scope_report_settings with = settings();
    static const char *const tags[] = {"env=pro,d", "host=mine", "broken", NULL};
    with.tags = tags;
    with.metrics_as_json = true;
    with.event_metric = true;
    report = begin(&with);
    CASE("metrics as JSON hold every field, the user's tags first; a tag wins over a field of its name", {
        counters[SCOPE_COUNT_FS_ERROR_STAT] = 0;
        memset(counters, 0, sizeof counters);
        counters[SCOPE_COUNT_FS_WRITE_BYTES] = 5;
        counters[SCOPE_COUNT_FS_WRITE_OPS] = 2;
        scope_report_period(report, counters, NULL, 2 * (uint64_t)SECOND, 2 * (uint64_t)SECOND);
        CHECK_TEXT(metrics, "{\"type\":\"metric\",\"body\":{\"_metric\":\"fs.write\",\"_metric_type\":\"counter\",\"_value\":5,\"env\":\"pro,d\",\"host\":\"mine\","
                            "\"proc\":\"curl\",\"pid\":42,\"unit\":\"byte\",\"numops\":2,\"summary\":\"true\",\"_time\":1795223847.000000}}\n");
        CHECK_HAS(events, "\"sourcetype\":\"metric\",\"_time\":1795223847.000000,\"source\":\"fs.write\",\"host\":\"vm\",\"proc\":\"curl\",\"cmd\":\"/usr/bin/curl -s http://localhost:46731/1k.html\","
                          "\"pid\":42,\"env\":\"pro,d\",\"data\":{\"_metric\":\"fs.write\",\"_metric_type\":\"counter\",\"_value\":5,\"env\":");
    });
    CASE("the start of the process is a metric", {
        struct scope_process process = {42, 1, 0, 6};
        fresh();
        take(report, record(SCOPE_PROCESS_START, 0, SECOND, &process, sizeof process, "a b,c|", 6, NULL, 0));
        CHECK_HAS(metrics, "\"_metric\":\"proc.start\",\"_metric_type\":\"counter\",\"_value\":1,");
        CHECK_HAS(metrics, "\"gid\":2,\"groupname\":\"wheel\",\"uid\":1,\"username\":\"root\",\"args\":\"a b,c|\",\"unit\":\"process\"");
    });
    scope_report_free(report);

    with = settings();
    with.verbosity = 7;
    with.statsd_prefix = "pre.";
    with.statsd_max_length = 120;
    report = begin(&with);
    CASE("with verbosity operations are told one by one and are not in the summary again", {
        struct scope_process process = {42, 1, 0, 6};
        memset(counters, 0, sizeof counters);
        take(report, open_record(5, SECOND, 5, "/a|b,c\n"));
        CHECK_TEXT(metrics, "pre.fs.open:1|c|#proc:curl,pid:42,host:vm,fd:5,op:open,file:/a_b_c_,unit:operation\n");
        struct scope_path_op error = {13, 3, 2};
        fresh();
        take(report, record(SCOPE_FILE_ERROR, 0, SECOND, &error, sizeof error, "/x", 2, NULL, 0));
        CHECK_TEXT(metrics, "pre.fs.error:1|c|#proc:curl,pid:42,host:vm,class:stat,op:fstat,file:/x,unit:operation\n");
        fresh();
        counters[SCOPE_COUNT_FS_OPEN] = 3;
        counters[SCOPE_COUNT_FS_ERROR_STAT] = 1;
        scope_report_period(report, counters, NULL, 2 * (uint64_t)SECOND, 2 * (uint64_t)SECOND);
        CHECK_TEXT(metrics, "pre.fs.open:2|c|#proc:curl,pid:42,host:vm,unit:operation,summary:true\n");
        fresh();
        take(report, record(SCOPE_PROCESS_START, 0, SECOND, &process, sizeof process, "a b,\xc3|", 6, NULL, 0));
        CHECK_HAS(metrics, "args:a%20b%2C%C3%7C");
    });
    CASE("tags that do not fit into a line are left out, the others stay", {
        fresh();
        take(report, open_record(6, SECOND, 5, "/a/very/long/path/that/does/not/fit/into/the/line/of/a/hundred/and/twenty/bytes/at/all"));
        CHECK_TEXT(metrics, "pre.fs.open:1|c|#proc:curl,pid:42,host:vm,fd:5,op:open,unit:operation\n");
    });
    scope_report_free(report);
}

static void statsd(void)
{
    struct scope_report *report = begin(NULL);
    take(report, connection_record(70, SECOND, SOCK_DGRAM, false, "127.0.0.1", 5000, "127.0.0.1", 8125));
    CASE("the program's own StatsD passes with our fields: several lines, types, rates, tags", {
        static const char text[] = "hits:1|c\npage.views:2:3|c|@0.5|#a:b,urgent\r\ntemp:-4.50|g\ntemp:+3|g\ntime:007.5|ms|@0.1\nsize:.5|h|#proc:mine\nwho:al,ice|s\nd:1e3|d\n"
                                   "_e{2,2}:ab|cd\nbad\nbad:x|c\nbad:1|q\nbad:1|c|@0\n";
        fresh();
        take(report, data_record(70, SECOND, SCOPE_NETWORK_OUT, true, text, sizeof text - 1, 0, NULL, 0));
        CHECK_TEXT(metrics, "hits:1|c|#proc:curl,pid:42,host:vm\npage.views:4|c|#a:b,urgent,proc:curl,pid:42,host:vm\npage.views:6|c|#a:b,urgent,proc:curl,pid:42,host:vm\n"
                            "temp:-4.50|g|#proc:curl,pid:42,host:vm\ntemp:+3|g|#proc:curl,pid:42,host:vm\ntime:7.5|ms|@0.1|#proc:curl,pid:42,host:vm\n"
                            "size:0.5|h|#proc:mine,pid:42,host:vm\nwho:al,ice|s|#proc:curl,pid:42,host:vm\nd:1e3|d|#proc:curl,pid:42,host:vm\n");
    });
    scope_report_free(report);
    struct scope_report_settings with = settings();
    with.metrics_as_json = true;
    report = begin(&with);
    take(report, connection_record(70, SECOND, SOCK_DGRAM, false, "127.0.0.1", 5000, "127.0.0.1", 8125));
    CASE("and as JSON its numbers are JSON's", {
        static const char text[] = "a:+05.|g\nb:-.5|ms|@.25\nc:0|c|@1\ns:x\"y|s\nn:-0|g";
        fresh();
        take(report, data_record(70, SECOND, SCOPE_NETWORK_OUT, true, text, sizeof text - 1, 0, NULL, 0));
        CHECK_HAS(metrics, "\"_metric\":\"a\",\"_metric_type\":\"gauge\",\"_value\":5,\"_relative\":true,");
        CHECK_HAS(metrics, "\"_metric\":\"b\",\"_metric_type\":\"timer\",\"_value\":-0.5,\"_rate\":0.25,");
        CHECK_HAS(metrics, "\"_metric\":\"c\",\"_metric_type\":\"counter\",\"_value\":0,\"proc\"");
        CHECK_HAS(metrics, "\"_metric\":\"s\",\"_metric_type\":\"set\",\"_value\":\"x\\\"y\",");
        CHECK_HAS(metrics, "\"_value\":-0,\"_relative\":true");
    });
    scope_report_free(report);
}

static bool wants(void *context, const char *sourcetype, const char *source, const char *field, const char *value)
{
    (void)context;
    if (strcmp(sourcetype, "http") != 0) return true;
    if (field == NULL && value == NULL) return strcmp(source, "http.req") == 0;
    if (field != NULL) return strncmp(field, "http_", 5) == 0 || strcmp(field, "X-Id") == 0;
    return strcmp(value, "POST") == 0;
}

static bool wants_header(void *context, const char *line)
{
    (void)context;
    return strncmp(line, "X-", 2) == 0;
}

static void filters(void)
{
    struct scope_report_settings with = settings();
    with.wants = wants;
    with.wants_header = wants_header;
    with.event_net = false;
    struct scope_report *report = begin(&with);
    CASE("watch filters choose events by name and value, and fields by name; headers are added on demand", {
        say(report, SCOPE_NETWORK_IN, SECOND, "GET / HTTP/1.1\r\n\r\nPOST /p HTTP/1.1\r\nX-Id: 7\r\nX-Other: 8\r\n\r\n");
        say(report, SCOPE_NETWORK_OUT, SECOND, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        CHECK_TEXT(events, HEAD("88", "http", "1795223846.000000", "http.req")
                   "\"http_method\":\"POST\",\"http_target\":\"/p\",\"http_flavor\":\"1.1\",\"http_scheme\":\"http\",\"X-Id\":\"7\"}}}\n");
    });
    scope_report_free(report);
    with.unfiltered[SCOPE_ABOUT_HTTP] = SCOPE_ANY;
    report = begin(&with);
    CASE("a source type without filters is not asked about", {
        say(report, SCOPE_NETWORK_IN, SECOND, "GET / HTTP/1.1\r\n\r\n");
        CHECK_HAS(events, "\"GET\"");
    });
    scope_report_free(report);
}

static unsigned lines(const char *text)
{
    unsigned count = 0;
    for (; *text != 0; text++) count += *text == '\n';
    return count;
}

static void limits(void)
{
    struct scope_report_settings with = settings();
    with.max_events_per_second = 3;
    struct scope_report *report = begin(&with);
    CASE("no more events pass in a second than the limit says, and the next second tells how many did not", {
        for (int i = 0; i < 10; i++) take(report, open_record(100 + (uint64_t)i, SECOND, 5, "/a"));
        CHECK(lines(events) == 3);
        CHECK(scope_report_losses(report).limited_events == 7);
        fresh();
        take(report, text_record(SCOPE_CONSOLE, 1, SECOND, 1, "free\n", 5, 5));
        scope_report_idle(report, 2 * (uint64_t)SECOND);
        CHECK_TEXT(events, "{\"type\":\"evt\",\"id\":\"vm-curl-s http://localhost:46731/1k.html\",\"_channel\":\"none\",\"body\":{\"sourcetype\":\"fs\","
                           "\"_time\":1795223847.000000,\"source\":\"notice\",\"host\":\"vm\",\"proc\":\"curl\",\"cmd\":\"/usr/bin/curl -s http://localhost:46731/1k.html\",\"pid\":42,"
                           "\"data\":\"Truncated metrics. Your rate exceeded 3 metrics per second. Dropped: 7.\"}}\n");
        fresh();
        take(report, open_record(200, 2 * (uint64_t)SECOND, 5, "/a"));
        CHECK(lines(events) == 1);
    });
    CASE("lost records are told once, as a notice and a metric", {
        fresh();
        scope_report_dropped(report, 12, SECOND);
        scope_report_dropped(report, 12, SECOND);
        scope_report_dropped(report, 13, SECOND);
        CHECK(lines(events) == 2);
        CHECK_TEXT(metrics, "scope.dropped:12|c|#proc:curl,pid:42,host:vm,unit:record\nscope.dropped:1|c|#proc:curl,pid:42,host:vm,unit:record\n");
    });
    scope_report_free(report);
    with = settings();
    with.memory_limit = 100000;
    report = begin(&with);
    CASE("old channels give way when memory is short, and their text goes out", {
        take(report, text_record(SCOPE_CONSOLE, 1, SECOND, 1, "early\n", 6, 6));
        for (uint64_t i = 0; i < 5000; i++) take(report, open_record(1000 + i, SECOND, 5, "/some/path/of/some/length"));
        CHECK(scope_report_losses(report).forgotten_channels > 1000);
        CHECK_HAS(events, "early");
    });
    CASE("records that are missing from a thread's sequence do not mix up requests and responses", {
        say(report, SCOPE_NETWORK_IN, SECOND, "GET /1 HTTP/1.1\r\n\r\n");
        record_sequence += 5;
        say(report, SCOPE_NETWORK_IN, SECOND, "GET /2 HTTP/1.1\r\n\r\n");
        fresh();
        say(report, SCOPE_NETWORK_OUT, SECOND, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        CHECK_HAS(events, "\"http_target\":\"/2\"");
    });
    CASE("records that are not whole are counted and nothing else", {
        uint64_t before = scope_report_losses(report).bad_records;
        struct scope_record *header = (struct scope_record *)record_space;
        open_record(1, SECOND, 5, "/a");
        scope_report_record(report, header, 8);
        scope_report_record(report, header, header->size - 8);
        header->size = 16;
        scope_report_record(report, header, 64);
        open_record(1, SECOND, 5, "/a");
        header->kind = 9999;
        scope_report_record(report, header, header->size);
        header->kind = SCOPE_FILE_OPEN;
        ((struct scope_file_open *)(header + 1))->path_length = 5000;
        scope_report_record(report, header, header->size);
        data_record(1, SECOND, SCOPE_NETWORK_IN, false, "abc", 3, 0, NULL, 0);
        ((struct scope_data *)(header + 1))->head_length = 0xFFFFFFFF;
        scope_report_record(report, header, header->size);
        CHECK(scope_report_losses(report).bad_records == before + 6);
    });
    scope_report_free(report);
}

int main(void)
{
    files();
    connections();
    http();
    dns();
    texts();
    periods();
    statsd();
    filters();
    limits();
    return tell_end();
}
