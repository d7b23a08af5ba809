/* The HTTP/1 parser by itself: conversations as pieces with directions, and what is told of them. */
#include "check.h"
#include "http1.h"

#include <stdlib.h>

static char told[16384];

static void tell(const char *what, struct scope_slice a, struct scope_slice b)
{
    size_t at = strlen(told);
    snprintf(told + at, sizeof told - at, "%s %.*s %.*s", what, (int)a.length, a.at, (int)b.length, b.at);
}

static void add(const char *name, struct scope_slice value)
{
    size_t at = strlen(told);
    if (value.length != 0) snprintf(told + at, sizeof told - at, " %s=%.*s", name, (int)value.length, value.at);
}

static void end(const struct scope_http1_head *head, bool is_client)
{
    size_t at = strlen(told);
    if (head->content_length >= 0) at += (size_t)snprintf(told + at, sizeof told - at, " length=%lld", (long long)head->content_length);
    snprintf(told + at, sizeof told - at, " %s\n", is_client ? "client" : "server");
}

static void request(void *context, const struct scope_http1_head *head, bool is_client, uint64_t time_ns)
{
    (void)context, (void)time_ns;
    tell("req", head->method, head->target);
    add("host", head->host);
    add("agent", head->user_agent);
    add("ip", head->client_ip);
    add("x", head->x_appscope);
    end(head, is_client);
}

static void response(void *context, const struct scope_http1_head *head, const struct scope_http1_request *asked,
                     bool is_client, uint64_t time_ns)
{
    (void)context, (void)time_ns;
    char code[8];
    snprintf(code, sizeof code, "%d", head->status);
    tell("resp", scope_slice_of(code), head->reason);
    if (asked != NULL) {
        add("for", asked->method);
        add("of", asked->target);
    }
    end(head, is_client);
}

static struct scope_memory memory = {.limit = 1 << 20};
static uint64_t lost;
static const struct scope_http1_sink sink = {NULL, request, response, &memory, &lost};

struct step {
    char direction; /* '<' received, '>' sent */
    const char *head;
    uint64_t gap;
    const char *tail;
};

static enum scope_http1_verdict verdict;

static void feed(struct scope_http1 *http, char direction, const char *at, size_t length, uint64_t gap, const char *tail)
{
    /* Copies of the exact size, so that reading beyond the end is noticed. */
    char *head_copy = malloc(length + 1), *tail_copy = malloc(strlen(tail) + 1);
    memcpy(head_copy, at, length);
    memcpy(tail_copy, tail, strlen(tail));
    head_copy = realloc(head_copy, length != 0 ? length : 1);
    struct scope_http1_piece piece = {{head_copy, length}, gap, {tail_copy, strlen(tail)}, 1000};
    verdict = scope_http1_feed(http, direction == '<' ? SCOPE_HTTP1_IN : SCOPE_HTTP1_OUT, piece, &sink);
    free(head_copy);
    free(tail_copy);
}

static const char *talk(const struct step *steps, size_t count)
{
    struct scope_http1 http = {0};
    told[0] = 0;
    lost = 0;
    for (size_t i = 0; i < count; i++) {
        feed(&http, steps[i].direction, steps[i].head, strlen(steps[i].head), steps[i].gap,
             steps[i].tail != NULL ? steps[i].tail : "");
        if (verdict >= SCOPE_HTTP1_IS_NOT) break;
    }
    scope_http1_clear(&http, &memory);
    CHECK(memory.used == 0);
    return told;
}
#define TALK(...) talk((const struct step[]){__VA_ARGS__}, sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

/** The same conversation, each of its calls cut at every place, and byte by byte. */
static void cut_everywhere(const struct step *steps, size_t count, const char *expected)
{
    for (size_t size = 1; size < 40; size++) {
        struct scope_http1 http = {0};
        told[0] = 0;
        for (size_t i = 0; i < count; i++) {
            size_t length = strlen(steps[i].head);
            for (size_t at = 0; at < length; at += size)
                feed(&http, steps[i].direction, steps[i].head + at, at + size < length ? size : length - at, 0, "");
        }
        scope_http1_clear(&http, &memory);
        CHECK_TEXT(told, expected);
        if (checks_failed) return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(steps[i].head);
        for (size_t cut = 1; cut < length; cut++) {
            struct scope_http1 http = {0};
            told[0] = 0;
            for (size_t j = 0; j < count; j++) {
                size_t whole = strlen(steps[j].head);
                size_t first = j == i ? cut : whole;
                feed(&http, steps[j].direction, steps[j].head, first, 0, "");
                if (first < whole) feed(&http, steps[j].direction, steps[j].head + first, whole - first, 0, "");
            }
            scope_http1_clear(&http, &memory);
            CHECK_TEXT(told, expected);
            if (checks_failed) return;
        }
    }
}
#define EVERYWHERE(expected, ...)                                                                      \
    do {                                                                                               \
        CHECK_TEXT(TALK(__VA_ARGS__), expected);                                                       \
        cut_everywhere((const struct step[]){__VA_ARGS__},                                             \
                       sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step), expected);    \
    } while (0)

#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK(length, body) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" body

static void framing(void)
{
    CASE("a client's request and its response are paired",
         EVERYWHERE("req GET /a host=h agent=me client\nresp 200 OK for=GET of=/a length=2 client\n",
                    {'>', "GET /a HTTP/1.1\r\nHost: h\r\nUser-Agent: me\r\n\r\n"}, {'<', OK("2", "hi")}));
    CASE("a server's is told as a server's",
         EVERYWHERE("req POST /p length=3 server\nresp 404 Not Found for=POST of=/p length=0 server\n",
                    {'<', "POST /p HTTP/1.0\r\nContent-Length: 3\r\n\r\nGET"},
                    {'>', "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"}));
    CASE("pipelined requests meet their own responses",
         EVERYWHERE("req GET /1 host=h server\nreq GET /2 host=h server\nreq GET /3 host=h server\n"
                    "resp 200 OK for=GET of=/1 length=1 server\nresp 200 OK for=GET of=/2 length=0 server\n"
                    "resp 200 OK for=GET of=/3 length=4 server\n",
                    {'<', GET("/1") GET("/2") GET("/3")}, {'>', OK("1", "H") OK("0", "") OK("4", "\r\n\r\n")}));
    CASE("chunked bodies end where they end, whatever is in them",
         EVERYWHERE("req GET /c host=h client\nresp 200 OK for=GET of=/c client\n"
                    "req GET /d host=h client\nresp 200 OK for=GET of=/d length=0 client\n",
                    {'>', GET("/c")},
                    {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
                          "1a;name=\"v\"\r\nabcdefghijklmnopqrstuvwxyz\r\n9\r\n\r\n0\r\n\r\nHT\r\n0\r\n\r\n"},
                    {'>', GET("/d")}, {'<', OK("0", "")}));
    CASE("trailers belong to their message",
         EVERYWHERE("req PUT /t client\nresp 200 OK for=PUT of=/t client\nreq GET /u host=h client\n",
                    {'>', "PUT /t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\nHost: no\r\n\r\n"},
                    {'<', "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0\r\nA: b\r\n\r\n"}, {'>', GET("/u")}));
    CASE("Transfer-Encoding wins over Content-Length",
         EVERYWHERE("req POST /s client\nreq GET /n host=h client\n",
                    {'>', "POST /s HTTP/1.1\r\nContent-Length: 500\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/n")}));
    CASE("interim responses are not the response",
         EVERYWHERE("req POST /e length=2 client\nresp 201 Created for=POST of=/e length=0 client\n",
                    {'>', "POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"},
                    {'<', "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n"}, {'>', "ok"},
                    {'<', "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"}));
    CASE("a body that Expect announced and the server refused is not waited for",
         CHECK_TEXT(TALK({'>', "POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n"},
                         {'<', "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"}, {'>', GET("/f")}, {'<', OK("0", "")}),
                    "req POST /e length=99 client\nresp 417 No for=POST of=/e length=0 client\n"
                    "req GET /f host=h client\nresp 200 OK for=GET of=/f length=0 client\n"));
    CASE("responses to HEAD, 204 and 304 have no body",
         EVERYWHERE("req HEAD /h host=h client\nresp 200 OK for=HEAD of=/h length=77 client\n"
                    "req GET /i host=h client\nresp 304 Not Modified for=GET of=/i length=88 client\n"
                    "req DELETE /j host=h client\nresp 204 No Content for=DELETE of=/j client\n"
                    "req GET /k host=h client\nresp 200 OK for=GET of=/k length=1 client\n",
                    {'>', "HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n"}, {'<', OK("77", "")}, {'>', GET("/i")},
                    {'<', "HTTP/1.1 304 Not Modified\r\nContent-Length: 88\r\n\r\n"},
                    {'>', "DELETE /j HTTP/1.1\r\nHost: h\r\n\r\n"}, {'<', "HTTP/1.1 204 No Content\r\n\r\n"},
                    {'>', GET("/k")}, {'<', OK("1", "x")}));
    CASE("a body without a length goes on until the connection closes",
         EVERYWHERE("req GET /l host=h client\nresp 200 OK for=GET of=/l client\n", {'>', GET("/l")},
                    {'<', "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 500 not one\r\n\r\n"}));
    CASE("an upgraded connection speaks no HTTP any more",
         EVERYWHERE("req GET /w host=h client\nresp 101 Switching Protocols for=GET of=/w client\n",
                    {'>', GET("/w")}, {'<', "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"},
                    {'>', GET("/x")}, {'<', OK("0", "")}));
    CASE("an upgrade that the server declines changes nothing",
         CHECK_TEXT(TALK({'>', "GET /w HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"}, {'<', OK("0", "")}, {'>', GET("/x")}),
                    "req GET /w client\nresp 200 OK for=GET of=/w length=0 client\nreq GET /x host=h client\n"));
    CASE("a CONNECTed connection is a tunnel, a refused one is not",
         CHECK_TEXT(TALK({'>', "CONNECT a:1 HTTP/1.1\r\n\r\n"}, {'<', "HTTP/1.1 407 Auth\r\nContent-Length: 1\r\n\r\nx"},
                         {'>', "CONNECT a:1 HTTP/1.1\r\n\r\n"}, {'<', "HTTP/1.1 200 Go\r\n\r\n"}, {'>', GET("/x")}),
                    "req CONNECT a:1 client\nresp 407 Auth for=CONNECT of=a:1 length=1 client\n"
                    "req CONNECT a:1 client\nresp 200 Go for=CONNECT of=a:1 client\n"));
}

static void headers(void)
{
    CASE("header names are matched whole and without case",
         EVERYWHERE("req GET / host=real agent=me ip=10.0.0.1 x=mine server\n",
                    {'<', "GET / HTTP/1.1\r\nX-Forwarded-Host: fake\r\nX-Content-Length: 9\r\nhOsT:real\r\nHost: second\r\n"
                          "Not-User-Agent: fake\r\nUSER-AGENT: \t me \t\r\nX-Forwarded-For: 10.0.0.1\r\nx-appscope: mine\r\n\r\n"}));
    CASE("equal lengths are one length, in one header or several",
         EVERYWHERE("req PUT /a length=2 server\nreq GET /b host=h server\n",
                    {'<', "PUT /a HTTP/1.1\r\nContent-Length: 2, 2\r\ncontent-length: 2\r\n\r\nok" GET("/b")}));
    CASE("bare line feeds, empty lines before a message and a reason with spaces are understood",
         EVERYWHERE("req GET /a host=h server\nreq GET /b server\nresp 200 It is fine for=GET of=/a length=0 server\n",
                    {'<', "GET /a HTTP/1.1\nHost: h\n\n\r\n\r\nGET /b HTTP/1.1\n\r\n"},
                    {'>', "HTTP/1.1 200 It is fine\nContent-Length: 0\n\n"}));
    CASE("a status without a reason, and a target with spaces, are told as they are",
         EVERYWHERE("req GET /a b server\nresp 200  for=GET of=/a b length=0 server\n", {'<', "GET /a b HTTP/1.1\r\n\r\n"},
                    {'>', "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"}));
    CASE("a folded header is the value's, and no header of its own",
         EVERYWHERE("req GET / host=a\r\n Host: b agent=c server\n",
                    {'<', "GET / HTTP/1.1\r\nHost: a\r\n Host: b\r\nUser-Agent: c\r\n\r\n"}));
}

static void gaps(void)
{
    CASE("a body of which only the ends are known is counted by its length",
         CHECK_TEXT(TALK({'<', GET("/big") GET("/next")}, {'>', OK("100000", "first"), 99990, "last!"}, {'>', OK("1", "x")}),
                    "req GET /big host=h server\nreq GET /next host=h server\n"
                    "resp 200 OK for=GET of=/big length=100000 server\nresp 200 OK for=GET of=/next length=1 server\n"));
    CASE("a body that sendfile moves is a gap alone",
         CHECK_TEXT(TALK({'<', GET("/f")}, {'>', OK("70000", "")}, {'>', "", 65536}, {'>', "", 4464}, {'<', GET("/g")}, {'>', OK("0", "")}),
                    "req GET /f host=h server\nresp 200 OK for=GET of=/f length=70000 server\n"
                    "req GET /g host=h server\nresp 200 OK for=GET of=/g length=0 server\n"));
    CASE("a message may begin behind a gap that ends a body",
         CHECK_TEXT(TALK({'<', GET("/f") GET("/g")}, {'>', OK("10", "a"), 7, "zz" OK("0", "")}),
                    "req GET /f host=h server\nreq GET /g host=h server\n"
                    "resp 200 OK for=GET of=/f length=10 server\nresp 200 OK for=GET of=/g length=0 server\n"));
    CASE("a gap within one chunk is followed",
         CHECK_TEXT(TALK({'>', GET("/f")}, {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\nabc", 32760, "wxyz!\r\n0\r\n\r\n"},
                         {'>', GET("/g")}, {'<', OK("0", "")}),
                    "req GET /f host=h client\nresp 200 OK for=GET of=/f client\n"
                    "req GET /g host=h client\nresp 200 OK for=GET of=/g length=0 client\n"));
    CHECK(lost == 0);
    CASE("after a gap over chunks the tail tells the end",
         CHECK_TEXT(TALK({'>', GET("/f") GET("/g")}, {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc", 5000, "tail\r\n0\r\nT: 1\r\n\r\n" OK("0", "")}),
                    "req GET /f host=h client\nreq GET /g host=h client\nresp 200 OK for=GET of=/f client\n"
                    "resp 200 OK for=GET of=/g length=0 client\n"));
    CASE("after a gap over chunks a last chunk of its own call is enough",
         CHECK_TEXT(TALK({'>', GET("/f")}, {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc", 5000, "tail"}, {'<', "0\r\n\r\n"},
                         {'<', OK("0", "")}),
                    "req GET /f host=h client\nresp 200 OK for=GET of=/f client\nresp 200 OK length=0 client\n"));
    CASE("if the end of chunks was hidden the next call that begins with a message is one",
         CHECK_TEXT(TALK({'>', GET("/f")}, {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc", 5000, "tail"},
                         {'>', GET("/g")}, {'<', OK("0", "")}),
                    "req GET /f host=h client\nresp 200 OK for=GET of=/f client\nreq GET /g host=h client\n"
                    "resp 200 OK for=GET of=/g length=0 client\n"));
    CASE("a head with a hidden middle is told by what is known of it",
         CHECK_TEXT(TALK({'<', "GET /cookies HTTP/1.1\r\nHost: h\r\nCookie: aaaaaa", 9000, "aaaa\r\n\r\n"}, {'>', OK("0", "")}, {'<', GET("/n")},
                         {'>', OK("0", "")}),
                    "req GET /cookies host=h server\nresp 200 OK for=GET of=/cookies length=0 server\n"
                    "req GET /n host=h server\nresp 200 OK for=GET of=/n length=0 server\n"));
    CASE("a head whose end is hidden too does not swallow the next message",
         CHECK_TEXT(TALK({'<', "GET /cookies HTTP/1.1\r\nHost: h\r\nCookie: aaaaaa", 9000}, {'>', OK("0", "")}, {'<', GET("/n")}, {'>', OK("0", "")}),
                    "req GET /cookies host=h server\nresp 200 OK for=GET of=/cookies length=0 server\n"
                    "req GET /n host=h server\nresp 200 OK for=GET of=/n length=0 server\n"));
    CASE("responses that a gap has hidden do not shift the later ones",
         CHECK_TEXT(TALK({'<', GET("/1")}, {'>', OK("1", ""), 500}, {'<', GET("/2")}, {'<', GET("/3")}, {'>', OK("0", "")}),
                    "req GET /1 host=h server\nresp 200 OK for=GET of=/1 length=1 server\nreq GET /2 host=h server\n"
                    "req GET /3 host=h server\nresp 200 OK for=GET of=/3 length=0 server\n"));
    CASE("after a loss a message is found behind a head too, but not within text",
         CHECK_TEXT(TALK({'<', GET("/1")}, {'<', GET("/2"), 5000, "Host: h\r\n\r\n" GET("/9")}, {'<', "x", 70, "say:\r\nGET /no HTTP/1.1\r\n"}),
                    "req GET /1 host=h server\nreq GET /2 host=h server\nreq GET /9 host=h server\n"));
    CASE("when requests of a pipeline are lost, responses are told without one rather than with a wrong one",
         CHECK_TEXT(TALK({'<', GET("/1") GET("/2"), 500, GET("/9")}, {'<', GET("/10")}, {'>', OK("0", "") OK("0", "") OK("0", "") OK("0", "")}),
                    "req GET /1 host=h server\nreq GET /2 host=h server\nreq GET /10 host=h server\n"
                    "resp 200 OK for=GET of=/1 length=0 server\nresp 200 OK for=GET of=/2 length=0 server\n"
                    "resp 200 OK length=0 server\nresp 200 OK length=0 server\n"));
    CASE("what comes between a loss and the next message is not told", {
        struct scope_http1 http = {0};
        told[0] = 0;
        feed(&http, '<', GET("/1"), strlen(GET("/1")), 0, "");
        scope_http1_gap(&http, &memory);
        feed(&http, '>', "rest of a body\r\n", 16, 0, "");
        feed(&http, '>', OK("0", ""), strlen(OK("0", "")), 0, "");
        feed(&http, '<', "more\r\n", 6, 0, "");
        feed(&http, '<', GET("/2"), strlen(GET("/2")), 0, "");
        scope_http1_clear(&http, &memory);
        CHECK_TEXT(told, "req GET /1 host=h server\nresp 200 OK for=GET of=/1 length=0 server\nreq GET /2 host=h server\n");
    });
}

static void hostile(void)
{
    CASE("what is no HTTP is known by its first line", {
        const char *const others[] = {"SSH-2.0-OpenSSH_9.2\r\n", "*1\r\n$4\r\nPING\r\n", "\x16\x03\x01\x02", "SET a b\r\n",
                                      "DESCRIBE rtsp://h/ RTSP/1.0\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
                                      "GET  HTTP/1.1\r\n\r\n", "get", "\r\nGET / HTTP/1.1\r\n\r\n", " GET / HTTP/1.1\r\n\r\n",
                                      "HTTP/1.x 200 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "A", "GET /"};
        enum scope_http1_verdict verdicts[] = {SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_IS_NOT,
                                               SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_IS_NOT,
                                               SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_UNDECIDED, SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_IS_NOT,
                                               SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_UNDECIDED, SCOPE_HTTP1_UNDECIDED};
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
            TALK({'>', others[i]});
            if (verdict != verdicts[i]) printf("# %s\n", others[i]);
            CHECK(verdict == verdicts[i]);
            CHECK_TEXT(told, "");
        }
    });
    CASE("an HTTP/2 preface is known, in pieces too", {
        TALK({'>', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"});
        CHECK(verdict == SCOPE_HTTP1_IS_HTTP2);
        TALK({'>', "PRI * HT"}, {'>', "TP/2.0\r\n\r\nSM"});
        CHECK(verdict == SCOPE_HTTP1_IS_HTTP2);
    });
    CASE("lengths that contradict each other, overflow or are no numbers end the trust in the framing", {
        const char *const bad[] = {"1\r\nContent-Length: 2", "-1", "+1", "1e3", "99999999999999999999", "1,2", "1 2", ""};
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            char text[256];
            snprintf(text, sizeof text, "POST /b HTTP/1.1\r\nContent-Length: %s\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n", bad[i]);
            CHECK_LACKS(TALK({'<', text}), "hidden");
            CHECK(lost == 1);
        }
    });
    CASE("chunk sizes that are no numbers or too large end the trust too", {
        const char *const bad[] = {"x\r\n", "\r\n", "-1\r\n", "fffffffffffffffff\r\n", "0x5\r\n", "5\r\nhelloX", " 5\r\n"};
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            char text[256];
            snprintf(text, sizeof text, "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s", bad[i]);
            TALK({'<', text});
            CHECK(lost == 1);
        }
    });
    CASE("a head is kept up to 64 KiB, told by its beginning, and the connection followed on", {
        static char huge[70000], more[1000];
        memset(huge, 'a', sizeof huge - 1);
        memcpy(huge, "GET /huge HTTP/1.1\r\nHost: h\r\nCookie: ", 37);
        memset(more, 'b', sizeof more - 1);
        CHECK_HAS(TALK({'<', huge}, {'<', more}, {'<', GET("/after")}), "req GET /after host=h server\n");
        CHECK(lost >= 1);
        huge[60000] = 0;
        CHECK_TEXT(TALK({'<', huge}, {'<', huge + 37}, {'<', GET("/after")}),
                   "req GET /huge host=h server\nreq GET /after host=h server\n");
    });
    CASE("more waiting requests than are kept still keep the pairs right", {
        struct scope_http1 http = {0};
        told[0] = 0;
        for (int i = 0; i < 1500; i++) {
            told[0] = 0;
            feed(&http, '<', GET("/many"), strlen(GET("/many")), 0, "");
        }
        told[0] = 0;
        feed(&http, '<', GET("/last"), strlen(GET("/last")), 0, "");
        for (int i = 0; i < 1501; i++) {
            told[0] = 0;
            feed(&http, '>', OK("0", ""), strlen(OK("0", "")), 0, "");
            if (i == 0 || i == 1023) CHECK_TEXT(told, "resp 200 OK for=GET of=/many length=0 server\n");
            if (i == 1024 || i == 1500) CHECK_TEXT(told, "resp 200 OK length=0 server\n");
        }
        feed(&http, '<', GET("/new"), strlen(GET("/new")), 0, "");
        told[0] = 0;
        feed(&http, '>', OK("0", ""), strlen(OK("0", "")), 0, "");
        CHECK_TEXT(told, "resp 200 OK for=GET of=/new length=0 server\n");
        scope_http1_clear(&http, &memory);
        CHECK(memory.used == 0);
    });
    CASE("without memory messages are lost, not the program", {
        memory.limit = 0;
        TALK({'<', "GET /half HTT"}, {'<', "P/1.1\r\n\r\n"}, {'<', GET("/x")}, {'>', OK("0", "")});
        memory.limit = 1 << 20;
    });
    CASE("a connection joined in its middle is followed from its first response",
         CHECK_TEXT(TALK({'<', OK("2", "ok")}, {'>', GET("/a")}, {'<', OK("0", "")}),
                    "resp 200 OK length=2 client\nreq GET /a host=h client\nresp 200 OK for=GET of=/a length=0 client\n"));
}

int main(void)
{
    framing();
    headers();
    gaps();
    hostile();
    return tell_end();
}
