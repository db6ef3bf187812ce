/* The upstream of the bench: an MCP server with one tool, cheap enough (some 10 us of CPU per call) never to be the bottleneck.
 *
 *   echo --port 7433 [--replies NAME=FILE]... [--reply NAME] [--reply-bytes 1024] [--modern] [--seconds 900]
 *
 * One thread, one epoll, HTTP/1.1 keep-alive on 127.0.0.1. FILE holds one JSON-RPC `result` object per line (docs.py writes
 * them); calls are answered with its lines in turn. The built-in set `flat` is one plain text of --reply-bytes, always the same.
 * `POST /replies/NAME` chooses the set for the calls that follow, so that one upstream, one nginx and one gateway serve every
 * measurement of a run. It speaks 2025-11-25 and its predecessors, and refuses 2026-07-28 as a legacy server does; --modern
 * adds that revision. Two more endpoints differ from /mcp in one thing each: /mcp-stream answers calls with an event stream
 * of one event, /mcp-modern speaks 2026-07-28. It ends by itself after --seconds.
 */
#include "replies.h"
#include "scan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SETS = 8, MAX_ID = 256, HEAD_ROOM = 2048, MAX_REQUEST = 8 << 20, READ_STEP = 16384, EVENTS = 256, PIECES = 3 };

struct server {
    struct reply_set sets[MAX_SETS];
    int set_count, chosen;
    bool modern;
    char session_prefix[48];
    unsigned long sessions;
    int epoll;
};

struct conn {
    int fd;
    char *in;
    size_t in_len, in_cap;
    char head[HEAD_ROOM];
    /* The head with the start of the body, the rest of the body where it lies, and what ends a stream. */
    struct iovec out[PIECES];
    bool waits_to_write, close_after;
};

struct request {
    struct span line, head, body;
    bool modern, streams; /* what its endpoint does: speak 2026-07-28, answer calls with an event stream */
};

struct message {
    struct span id, method, params;
};

/* `rest` texts of results (see answer_result): constant, so that an answer that waits for a full socket stays valid. */
static const char LIST[] = TOOL "}}";
static const char MODERN_LIST[] = TOOL ",\"ttlMs\":60000,\"cacheScope\":\"public\"}}";
static const char DISCOVER[] =
    "\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},\"ttlMs\":60000,\"cacheScope\":\"public\","
    "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" SERVER_INFO "}}}";
static const char JSON_TYPE[] = "Content-Type: application/json\r\n";

/* ---- answers ---- */

static void answer(struct conn *c, const char *status, const char *headers, struct span start, struct span rest)
{
    int n = snprintf(c->head, HEAD_ROOM - start.len, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s%s\r\n", status,
                     start.len + rest.len, headers, c->close_after ? "Connection: close\r\n" : "");
    memcpy(c->head + n, start.at, start.len);
    c->out[0] = (struct iovec){c->head, (size_t)n + start.len};
    c->out[1] = (struct iovec){(void *)rest.at, rest.len};
    c->out[2] = (struct iovec){NULL, 0};
}

/* One event in one chunk, as servers stream an answer that nothing went before. */
static void answer_event(struct conn *c, struct span start, struct span rest)
{
    static const char event[] = "event: message\ndata: ", end[] = "\n\n\r\n0\r\n\r\n";
    int n = snprintf(c->head, HEAD_ROOM - start.len,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                     "Transfer-Encoding: chunked\r\n%s\r\n%zx\r\n%s",
                     c->close_after ? "Connection: close\r\n" : "", sizeof event - 1 + start.len + rest.len + 2, event);
    memcpy(c->head + n, start.at, start.len);
    c->out[0] = (struct iovec){c->head, (size_t)n + start.len};
    c->out[1] = (struct iovec){(void *)rest.at, rest.len};
    c->out[2] = (struct iovec){(void *)end, sizeof end - 1};
}

static void answer_empty(struct conn *c, const char *status)
{
    answer(c, status, "", (struct span){"", 0}, (struct span){"", 0});
}

static void answer_error(struct conn *c, const char *status, struct span id, int code, const char *message)
{
    char body[MAX_ID + 512];
    int n = snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":%d,\"message\":\"%s\"}}", (int)id.len,
                     id.at, code, message);
    answer(c, status, "Content-Type: application/json\r\n", (struct span){body, (size_t)n}, (struct span){"", 0});
}

static struct span result_start(char start[MAX_ID + 128], struct span id, bool modern)
{
    int n = snprintf(start, MAX_ID + 128, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{%s", (int)id.len, id.at,
                     modern ? "\"resultType\":\"complete\"," : "");
    return (struct span){start, (size_t)n};
}

/* `rest` is what stands behind the result's opening brace, with the brace that closes the whole message. */
static void answer_result(struct conn *c, struct span id, const char *headers, bool modern, struct span rest)
{
    char start[MAX_ID + 128];
    answer(c, "200 OK", headers, result_start(start, id, modern), rest);
}

static void answer_call(struct server *s, struct conn *c, struct message *m, struct request *r)
{
    bool modern = r->modern;
    struct member name = {"name", {0}};
    if (!m->params.at || !json_members(m->params, &name, 1) || !name.value.at || !span_is(name.value, "\"echo\"")) {
        answer_error(c, modern ? "400 Bad Request" : "200 OK", m->id, -32602, "Unknown tool");
        return;
    }
    struct reply_set *set = &s->sets[s->chosen];
    char start[MAX_ID + 128];
    if (r->streams)
        answer_event(c, result_start(start, m->id, modern), next_result(set));
    else
        answer_result(c, m->id, JSON_TYPE, modern, next_result(set));
}

/* ---- legacy: initialize, then everything in a session ---- */

static void answer_initialize(struct server *s, struct conn *c, struct message *m)
{
    static const char *const known[][2] = {{"\"2025-11-25\"", INITIALIZED("2025-11-25")},
                                           {"\"2025-06-18\"", INITIALIZED("2025-06-18")},
                                           {"\"2025-03-26\"", INITIALIZED("2025-03-26")},
                                           {"\"2024-11-05\"", INITIALIZED("2024-11-05")}};
    struct member asked = {"protocolVersion", {0}};
    const char *rest = known[0][1]; /* the counter-offer to whoever asks for something else */
    if (m->params.at && json_members(m->params, &asked, 1) && asked.value.at)
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (span_is(asked.value, known[i][0]))
                rest = known[i][1];
    char headers[160];
    snprintf(headers, sizeof headers, "%sMcp-Session-Id: %s%lu\r\n", JSON_TYPE, s->session_prefix, ++s->sessions);
    answer_result(c, m->id, headers, false, (struct span){rest, strlen(rest)});
}

static bool legacy_session_is_good(struct server *s, struct conn *c, struct span head)
{
    struct span session = http_header(head, "mcp-session-id");
    if (!session.at)
        answer_error(c, "400 Bad Request", (struct span){"\"server-error\"", 14}, -32600, "Bad Request: Missing session ID");
    else if (!span_starts(session, s->session_prefix))
        answer_error(c, "404 Not Found", (struct span){"\"server-error\"", 14}, -32600, "Session not found");
    else
        return true;
    return false;
}

static void serve_legacy(struct server *s, struct conn *c, struct request *r, struct message *m)
{
    if (m->id.at && span_is(m->method, "\"initialize\"")) {
        answer_initialize(s, c, m);
        return;
    }
    if (!legacy_session_is_good(s, c, r->head))
        return;
    if (!m->id.at)
        answer_empty(c, "202 Accepted");
    else if (span_is(m->method, "\"tools/call\""))
        answer_call(s, c, m, r);
    else if (span_is(m->method, "\"tools/list\""))
        answer_result(c, m->id, JSON_TYPE, false, (struct span){LIST, sizeof LIST - 1});
    else if (span_is(m->method, "\"ping\""))
        answer_result(c, m->id, JSON_TYPE, false, (struct span){"}}", 2});
    else
        answer_error(c, "200 OK", m->id, -32601, "Method not found");
}

/* ---- modern: every request stands alone ---- */

static void serve_modern(struct server *s, struct conn *c, struct request *r, struct message *m)
{
    struct span method = {m->method.at + 1, m->method.len - 2};
    struct span named = http_header(r->head, "mcp-method");
    if (!m->id.at)
        answer_empty(c, "202 Accepted");
    else if (!named.at || named.len != method.len || memcmp(named.at, method.at, method.len) != 0)
        answer_error(c, "400 Bad Request", m->id, -32020, "Mcp-Method does not match the body");
    else if (!span_has(m->params, "\"io.modelcontextprotocol/protocolVersion\""))
        answer_error(c, "400 Bad Request", m->id, -32602, "_meta lacks the protocol version");
    else if (span_is(m->method, "\"server/discover\""))
        answer_result(c, m->id, JSON_TYPE, true, (struct span){DISCOVER, sizeof DISCOVER - 1});
    else if (span_is(m->method, "\"tools/list\""))
        answer_result(c, m->id, JSON_TYPE, true, (struct span){MODERN_LIST, sizeof MODERN_LIST - 1});
    else if (span_is(m->method, "\"tools/call\""))
        answer_call(s, c, m, r);
    else
        answer_error(c, "404 Not Found", m->id, -32601, "Method not found");
}

/* ---- one request ---- */

static void serve_message(struct server *s, struct conn *c, struct request *r)
{
    struct member wanted[3] = {{"id", {0}}, {"method", {0}}, {"params", {0}}};
    if (!json_members(r->body, wanted, 3)) {
        answer_error(c, "400 Bad Request", (struct span){"null", 4}, -32700, "Parse error");
        return;
    }
    struct message m = {wanted[0].value, wanted[1].value, wanted[2].value};
    bool id_is_good = !m.id.at || (m.id.len <= MAX_ID && (*m.id.at == '"' || *m.id.at == '-' || (*m.id.at >= '0' && *m.id.at <= '9')));
    if (!id_is_good || !m.method.at || *m.method.at != '"') {
        answer_error(c, "400 Bad Request", (struct span){"null", 4}, -32600, "Invalid request");
        return;
    }
    struct span version = http_header(r->head, "mcp-protocol-version");
    bool claims_modern = version.at && span_is(version, "2026-07-28");
    bool speaks_modern = r->modern;
    r->modern = claims_modern;
    if (claims_modern && !speaks_modern)
        answer_error(c, "400 Bad Request", (struct span){"\"server-error\"", 14}, -32600,
                     "Bad Request: Unsupported protocol version: 2026-07-28");
    else if (claims_modern)
        serve_modern(s, c, r, &m);
    else
        serve_legacy(s, c, r, &m);
}

static void choose_replies(struct server *s, struct conn *c, struct span name)
{
    for (int i = 0; i < s->set_count; i++)
        if (span_is(name, s->sets[i].name)) {
            s->chosen = i;
            answer_empty(c, "204 No Content");
            return;
        }
    answer_empty(c, "404 Not Found");
}

static void serve(struct server *s, struct conn *c, struct request *r)
{
    static const char choose[] = "POST /replies/";
    struct span connection = http_header(r->head, "connection");
    r->modern = s->modern || span_starts(r->line, "POST /mcp-modern");
    r->streams = span_starts(r->line, "POST /mcp-stream");
    c->close_after = connection.at && connection.len == 5 && strncasecmp(connection.at, "close", 5) == 0;
    if (span_starts(r->line, "POST /mcp"))
        serve_message(s, c, r);
    else if (span_starts(r->line, choose)) {
        const char *name = r->line.at + sizeof choose - 1;
        const char *blank = memchr(name, ' ', r->line.len - (sizeof choose - 1));
        choose_replies(s, c, (struct span){name, blank ? (size_t)(blank - name) : 0});
    } else if (span_starts(r->line, "DELETE /mcp"))
        answer_empty(c, "200 OK");
    else if (span_starts(r->line, "GET /mcp"))
        answer(c, "405 Method Not Allowed", "Allow: POST, DELETE\r\n", (struct span){"", 0}, (struct span){"", 0});
    else
        answer_empty(c, "404 Not Found");
}

/* ---- connections ---- */

static void drop(struct conn *c)
{
    close(c->fd);
    free(c->in);
    free(c);
}

/* True when everything has left; false when the socket is full (epoll will say when to go on) or broken. */
static bool flush(struct server *s, struct conn *c, bool *broken)
{
    while (c->out[0].iov_len + c->out[1].iov_len + c->out[2].iov_len > 0) {
        ssize_t n = writev(c->fd, c->out, PIECES);
        if (n < 0) {
            *broken = errno != EAGAIN;
            if (!*broken && !c->waits_to_write) {
                c->waits_to_write = true;
                epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = EPOLLOUT, .data.ptr = c});
            }
            return false;
        }
        for (int i = 0; i < PIECES; i++) {
            size_t step = (size_t)n < c->out[i].iov_len ? (size_t)n : c->out[i].iov_len;
            c->out[i].iov_base = (char *)c->out[i].iov_base + step;
            c->out[i].iov_len -= step;
            n -= (ssize_t)step;
        }
    }
    if (c->waits_to_write) {
        c->waits_to_write = false;
        epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
    }
    if (c->close_after)
        *broken = true;
    return true;
}

/* Length of the first whole request in the buffer, 0 when there is none yet, -1 when it cannot be one of ours. */
static long take_request(struct conn *c, struct request *r)
{
    size_t head_len = http_head_length(c->in, c->in_len);
    if (head_len == 0)
        return c->in_len > 65536 ? -1 : 0;
    r->head = (struct span){c->in, head_len};
    r->line = (struct span){c->in, (size_t)((char *)memchr(c->in, '\r', head_len) - c->in)};
    if (http_header(r->head, "transfer-encoding").at)
        return -1; /* no client of the bench sends chunks */
    long length = http_number(http_header(r->head, "content-length"), 0);
    if (length > MAX_REQUEST)
        return -1;
    r->body = (struct span){c->in + head_len, (size_t)length};
    return c->in_len >= head_len + (size_t)length ? (long)head_len + length : 0;
}

/* Serves what has arrived, one request at a time; stops when an answer could not be written whole. True when the peer is done. */
static bool serve_buffered(struct server *s, struct conn *c)
{
    struct request r;
    bool broken = false;
    long used;
    while ((used = take_request(c, &r)) > 0) {
        serve(s, c, &r);
        c->in_len -= (size_t)used;
        memmove(c->in, c->in + used, c->in_len);
        if (!flush(s, c, &broken) || broken)
            return broken;
    }
    return used < 0;
}

static bool read_more(struct server *s, struct conn *c)
{
    if (c->in_cap - c->in_len < READ_STEP) {
        c->in_cap = c->in_cap * 2 + READ_STEP;
        c->in = realloc(c->in, c->in_cap);
        if (!c->in)
            die("realloc");
    }
    ssize_t n = read(c->fd, c->in + c->in_len, c->in_cap - c->in_len);
    if (n <= 0)
        return !(n < 0 && errno == EAGAIN);
    c->in_len += (size_t)n;
    return serve_buffered(s, c);
}

static bool write_more(struct server *s, struct conn *c)
{
    bool broken = false;
    if (!flush(s, c, &broken) || broken)
        return broken;
    return serve_buffered(s, c);
}

static void accept_all(struct server *s, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct conn *c = calloc(1, sizeof *c);
        if (!c)
            die("calloc");
        c->fd = fd;
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
    }
}

static void run(struct server *s, int listener)
{
    struct epoll_event events[EVENTS];
    epoll_ctl(s->epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.ptr = NULL});
    for (;;) {
        int n = epoll_wait(s->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (!c)
                accept_all(s, listener);
            else if (c->waits_to_write ? write_more(s, c) : read_more(s, c))
                drop(c);
        }
    }
}

/* ---- start ---- */

static struct reply_set *new_set(struct server *s, const char *name, size_t name_len)
{
    if (s->set_count == MAX_SETS || name_len >= sizeof s->sets[0].name) {
        fprintf(stderr, "echo: too many reply sets, or a name too long\n");
        exit(2);
    }
    struct reply_set *set = &s->sets[s->set_count++];
    memcpy(set->name, name, name_len);
    return set;
}

static void add_flat(struct server *s, size_t bytes)
{
    static const char start[] = "\"content\":[{\"type\":\"text\",\"text\":\"", end[] = "\"}],\"isError\":false}}";
    static const char prose[] = "The delivery left the northern warehouse on time and the receiving team has confirmed it. ";
    struct reply_set *set = new_set(s, "flat", 4);
    char *text = malloc(sizeof start + bytes + sizeof end);
    set->results = malloc(sizeof *set->results);
    if (!text || !set->results)
        die("malloc");
    memcpy(text, start, sizeof start - 1);
    for (size_t i = 0; i < bytes; i++)
        text[sizeof start - 1 + i] = prose[i % (sizeof prose - 1)];
    memcpy(text + sizeof start - 1 + bytes, end, sizeof end - 1);
    set->results[0] = (struct span){text, sizeof start - 1 + bytes + sizeof end - 1};
    set->count = 1;
}

static void add_file(struct server *s, const char *argument)
{
    const char *equals = strchr(argument, '=');
    if (!equals) {
        fprintf(stderr, "echo: --replies wants NAME=FILE\n");
        exit(2);
    }
    read_replies(new_set(s, argument, (size_t)(equals - argument)), equals + 1);
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0)
        die("listen");
    return fd;
}

static int parse(struct server *s, int argc, char **argv)
{
    static const struct option options[] = {{"port", 1, 0, 'p'},        {"replies", 1, 0, 'f'}, {"reply", 1, 0, 'r'},
                                            {"reply-bytes", 1, 0, 'b'}, {"modern", 0, 0, 'm'},  {"seconds", 1, 0, 's'},
                                            {0, 0, 0, 0}};
    const char *chosen = "flat";
    int port = 7433, seconds = 900, option;
    size_t bytes = 1024;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'f': add_file(s, optarg); break;
        case 'r': chosen = optarg; break;
        case 'b': bytes = strtoul(optarg, NULL, 10); break;
        case 'm': s->modern = true; break;
        case 's': seconds = atoi(optarg); break;
        default: exit(2);
        }
    }
    add_flat(s, bytes);
    for (s->chosen = 0; s->chosen < s->set_count && strcmp(s->sets[s->chosen].name, chosen) != 0;)
        s->chosen++;
    if (s->chosen == s->set_count) {
        fprintf(stderr, "echo: no reply set is called %s\n", chosen);
        exit(2);
    }
    alarm((unsigned)seconds);
    return port;
}

int main(int argc, char **argv)
{
    static struct server s;
    signal(SIGPIPE, SIG_IGN);
    int port = parse(&s, argc, argv);
    /* A session of an earlier process must be unknown to this one, as it would be to a real server that restarted. */
    snprintf(s.session_prefix, sizeof s.session_prefix, "echo-%lx-%x-", (unsigned long)time(NULL), (unsigned)getpid());
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on(port);
    printf("{\"listening\":%d}\n", port);
    fflush(stdout);
    run(&s, listener);
}
