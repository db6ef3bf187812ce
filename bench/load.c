/* The load of the bench: an MCP client. N keep-alive connections, each with one call in flight, one thread, one epoll.
 *
 *   load --port P [--path /mcp] [--key K[,K...]] [--tool echo] [--connections 16] [--warm 1] [--seconds 3] [--arguments 1024]
 *        [--min-reply 0] [--max-calls 5000000] [--modern] [--rate R] [--table] [--refused STATUS [--malformed]] [--listen]
 *        [--addresses 1] [--tls]
 *
 * As a rule it is a closed loop: who has its answer calls again. With --rate it is an open one: R calls a second are due at
 * fixed times, whatever became of those before, and a call's time counts from when it was due. So a call that waits because
 * the target stalls is counted with its wait, and so are all that were due meanwhile (no coordinated omission).
 *
 * --table makes the argument an array of small records instead of a text. --refused calls without a session and takes that
 * status for the right answer; --malformed makes the body half a message. --listen calls nothing: each connection opens the
 * GET stream of its session and keeps it. Connections take the keys, and --addresses loopback addresses, in turn. --tls speaks
 * TLS 1.3 and believes whatever certificate it is shown.
 *
 * Every connection opens a 2025-11-25 session of its own (initialize, notifications/initialized) and then calls the tool for
 * ever; --modern sends stateless 2026-07-28 calls instead. Ids are unique, and so are arguments: nothing may answer from a
 * cache. Every reply is checked: status, id, that it is a result without `isError`, and its least size.
 *
 * Prints one JSON line when the warm-up ends and one when the measured time ends. It then ends its sessions. It always stops:
 * after its seconds, after --max-calls, or by alarm(2) when the other side hangs.
 */
#include "scan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 4096,
    PROSE_TEXTS = 1024,
    PROSE_BYTES = 64 << 20,
    MAX_ARGUMENTS = 4 << 20,
    MAX_KEYS = 16,
    READ_STEP = 65536,
    EVENTS = 256,
    SETUP_SECONDS = 20,
    EDGE = 4096,
    /* Histogram of nanoseconds: 128 steps per power of two, so a percentile is exact to 0.8 %. */
    STEP_BITS = 7,
    BUCKETS = (64 - STEP_BITS) << STEP_BITS,
};

struct settings {
    int port, connections, key_count, addresses;
    const char *path, *keys[MAX_KEYS], *tool;
    double warm, seconds, rate;
    size_t arguments, min_reply;
    uint64_t max_calls;
    long refused;
    bool modern, table, malformed, listen, tls;
};

enum stage { INITIALIZE, INITIALIZED, CALLING, OPENING, LISTENING, ENDING, ENDED };

struct conn {
    int fd;
    SSL *tls; /* NULL without --tls */
    enum stage stage;
    const char *key;
    char session[160];
    char *in, *out;
    size_t in_len, in_cap, out_len, out_sent;
    /* The reply that is arriving: its head once it is whole, how far a chunked body has been unpacked, and into what. */
    size_t head_len, chunk_at, body_len;
    long content_length;
    bool chunked;
    uint64_t id, sent_at;
};

struct client {
    struct settings set;
    SSL_CTX *tls;
    int epoll;
    struct conn *conns;
    char *prose[PROSE_TEXTS];
    uint64_t next_id, prose_at;
    int ready, ended, prose_count;
    bool measuring, stopping;
    /* Open loop: who is free, oldest first, and when the next call is due. */
    struct conn **idle;
    int idle_first, idle_count;
    uint64_t due, interval;
    uint64_t calls, errors, reply_bytes, worst;
    uint64_t histogram[BUCKETS];
    char first_error[400];
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- latencies ---- */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 1u << (STEP_BITS + 1))
        return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - STEP_BITS;
    return ((shift + 1) << STEP_BITS) + (unsigned)((ns >> shift) & ((1u << STEP_BITS) - 1));
}

/* The middle of a bucket, in milliseconds. */
static double bucket_ms(unsigned bucket)
{
    if (bucket < 1u << (STEP_BITS + 1))
        return bucket / 1e6;
    unsigned shift = (bucket >> STEP_BITS) - 1;
    uint64_t low = (uint64_t)((1u << STEP_BITS) + (bucket & ((1u << STEP_BITS) - 1))) << shift;
    return ((double)low + (double)(1ull << shift) / 2) / 1e6;
}

static double percentile_ms(struct client *k, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)k->calls), seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += k->histogram[i];
        if (seen > wanted)
            return bucket_ms(i);
    }
    return (double)k->worst / 1e6;
}

/* ---- requests ---- */

/* A few hundred words would do for a person; a scanner should not meet the same kilobyte twice in a row. */
static size_t append_words(char *at, size_t room, uint32_t *seed)
{
    static const char *const words[] = {"please",  "check",   "whether", "the",   "customer", "received", "order",  "from",
                                        "our",     "northern", "depot",  "and",   "compare",  "it",       "with",   "last",
                                        "quarter", "report",  "because", "two",   "figures",  "differ",   "in",     "every",
                                        "summary", "that",    "was",     "shown", "to",       "regional", "teams,", "then"};
    *seed = *seed * 1664525u + 1013904223u;
    return (size_t)snprintf(at, room, "%s ", words[*seed >> 27]);
}

/* A record of a table: numbers, names and texts as tools exchange them, some 100 bytes each. */
static size_t append_row(char *at, size_t room, uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (size_t)snprintf(at, room, "{\"id\":%u,\"name\":\"parcel %u\",\"price\":%u.25,\"open\":%s,\"tags\":[\"depot\",\"north\"],\"owner\":null},",
                            *seed >> 4, *seed >> 16, *seed >> 20, *seed & 4096 ? "true" : "false");
}

static void write_prose(struct client *k)
{
    uint32_t seed = 2026;
    size_t room = k->set.arguments + 256;
    k->prose_count = PROSE_BYTES / room < PROSE_TEXTS ? (int)(PROSE_BYTES / room) : PROSE_TEXTS;
    for (int i = 0; i < k->prose_count; i++) {
        char *text = k->prose[i] = malloc(room);
        if (!text)
            die("malloc");
        size_t len = 0;
        while (len < k->set.arguments)
            len += (k->set.table ? append_row : append_words)(text + len, room - len, &seed);
        text[k->set.table ? len - 1 : k->set.arguments] = 0;
    }
}

static void send_request(struct client *k, struct conn *c, const char *verb, const char *method, const char *body, size_t len)
{
    char *p = c->out;
    p += sprintf(p,
                 "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                 "Accept: application/json, text/event-stream\r\nUser-Agent: doorward-bench/1\r\nAuthorization: Bearer %s\r\n",
                 verb, k->set.path, k->set.port, c->key);
    if (k->set.modern)
        p += sprintf(p, "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: %s\r\nMcp-Name: %s\r\n", method, k->set.tool);
    else if (c->stage != INITIALIZE && *c->session)
        p += sprintf(p, "MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: %s\r\n", c->session);
    p += sprintf(p, "Content-Length: %zu\r\n\r\n", len);
    memcpy(p, body, len);
    c->out_len = (size_t)(p - c->out) + len;
    c->out_sent = c->head_len = c->in_len = 0;
    c->sent_at = now_ns();
}

static size_t call_body(struct client *k, struct conn *c, char *body, size_t room)
{
    static const char envelope[] =
        ",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientInfo\":"
        "{\"name\":\"doorward-bench\",\"version\":\"1\"},\"io.modelcontextprotocol/clientCapabilities\":{}}";
    const char *prose = k->prose[k->prose_at++ % (uint64_t)k->prose_count];
    if (k->set.malformed)
        return (size_t)snprintf(body, room, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"tools/call\",\"params\":{\"text\":\"%s",
                                (unsigned long long)c->id, prose);
    if (k->set.table)
        return (size_t)snprintf(body, room,
                                "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
                                "\"arguments\":{\"text\":\"%llu\",\"rows\":[%s]}%s}}",
                                (unsigned long long)c->id, k->set.tool, (unsigned long long)c->id, prose,
                                k->set.modern ? envelope : "");
    char stamp[24];
    int stamp_len = snprintf(stamp, sizeof stamp, "%010llu ", (unsigned long long)c->id);
    size_t skip = k->set.arguments > (size_t)stamp_len ? (size_t)stamp_len : 0;
    return (size_t)snprintf(body, room,
                            "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
                            "\"arguments\":{\"text\":\"%s%s\"}%s}}",
                            (unsigned long long)c->id, k->set.tool, stamp, prose + skip, k->set.modern ? envelope : "");
}

/* Writes the next request of this connection's conversation into its buffer. */
static void next_request(struct client *k, struct conn *c)
{
    static const char hello[] =
        "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\","
        "\"capabilities\":{},\"clientInfo\":{\"name\":\"doorward-bench\",\"version\":\"1\"}}}";
    static const char hello_done[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
    static char body[MAX_ARGUMENTS + 2048];
    size_t len;
    c->id = ++k->next_id;
    switch (c->stage) {
    case INITIALIZE:
        len = (size_t)snprintf(body, sizeof body, hello, (unsigned long long)c->id);
        send_request(k, c, "POST", "initialize", body, len);
        break;
    case INITIALIZED: send_request(k, c, "POST", "", hello_done, sizeof hello_done - 1); break;
    case CALLING:
        len = call_body(k, c, body, sizeof body);
        send_request(k, c, "POST", "tools/call", body, len);
        break;
    case OPENING: send_request(k, c, "GET", "", "", 0); break;
    default: send_request(k, c, "DELETE", "", "", 0);
    }
}

/* ---- replies ---- */

/* Unpacks chunks that are whole, in place, behind the head. True when the last one has come. */
static bool unpack_chunks(struct conn *c)
{
    for (;;) {
        char *at = c->in + c->chunk_at, *end = c->in + c->in_len;
        char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!line_end)
            return false;
        size_t size = strtoul(at, NULL, 16);
        char *data = line_end + 2;
        if ((size_t)(end - data) < size + 2)
            return false;
        if (size == 0)
            return true;
        memmove(c->in + c->head_len + c->body_len, data, size);
        c->body_len += size;
        c->chunk_at = (size_t)(data - c->in) + size + 2;
    }
}

/* True when the whole reply lies in the buffer; its body then is `body_len` bytes behind the head. */
static bool reply_is_whole(struct conn *c)
{
    if (c->head_len == 0) {
        c->head_len = http_head_length(c->in, c->in_len);
        if (c->head_len == 0)
            return false;
        struct span head = {c->in, c->head_len};
        c->chunked = span_has(http_header(head, "transfer-encoding"), "chunked");
        c->content_length = http_number(http_header(head, "content-length"), 0);
        c->chunk_at = c->head_len;
        c->body_len = 0;
    }
    if (c->chunked)
        return unpack_chunks(c);
    c->body_len = (size_t)c->content_length;
    return c->in_len >= c->head_len + c->body_len;
}

/* The message in an event stream: the data of its last event that has any. */
static struct span last_event(struct span body)
{
    struct span found = {body.at, 0};
    const char *line = body.at, *end = body.at + body.len;
    while (line < end) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        if (!line_end)
            line_end = end;
        if (line_end - line > 6 && memcmp(line, "data:", 5) == 0)
            found = (struct span){line + 5, (size_t)(line_end - line) - 5};
        line = line_end + 1;
    }
    return found;
}

/* Looks for a text at either end of a message only: a client that reads 64 KB closely would be the bottleneck itself. */
static bool at_an_edge(struct span message, const char *text)
{
    if (message.len <= 2 * EDGE)
        return span_has(message, text);
    return span_has((struct span){message.at, EDGE}, text) || span_has((struct span){message.at + message.len - EDGE, EDGE}, text);
}

static bool has_id(struct span message, uint64_t id)
{
    char text[40];
    int len = snprintf(text, sizeof text, "\"id\":%llu,", (unsigned long long)id);
    if (at_an_edge(message, text))
        return true;
    text[len - 1] = '}';
    return at_an_edge(message, text);
}

static bool call_is_good(struct client *k, struct conn *c, long status, struct span message)
{
    if (k->set.refused)
        return status == k->set.refused;
    return status == 200 && message.len >= k->set.min_reply && has_id(message, c->id) && at_an_edge(message, "\"result\":{") &&
           !at_an_edge(message, "\"isError\":true");
}

static void note_error(struct client *k, struct conn *c)
{
    k->errors++;
    if (*k->first_error)
        return;
    /* A JSON string by hand: quotes and backslashes become apostrophes, control characters blanks. */
    size_t len = c->in_len < sizeof k->first_error - 1 ? c->in_len : sizeof k->first_error - 1;
    for (size_t i = 0; i < len; i++) {
        char ch = c->in[i];
        k->first_error[i] = ch == '"' || ch == '\\' ? '\'' : ch < ' ' || ch > '~' ? ' ' : ch;
    }
}

static void count_call(struct client *k, struct conn *c, long status, struct span message)
{
    if (!call_is_good(k, c, status, message))
        note_error(k, c);
    if (!k->measuring)
        return;
    uint64_t took = now_ns() - c->sent_at;
    k->calls++;
    k->reply_bytes += message.len;
    k->histogram[bucket_of(took)]++;
    if (took > k->worst)
        k->worst = took;
}

static void fail(struct client *k, struct conn *c, const char *what)
{
    note_error(k, c);
    fprintf(stderr, "load: %s: %s\n", what, k->first_error);
    exit(1);
}

static void take_session(struct client *k, struct conn *c, long status)
{
    struct span id = http_header((struct span){c->in, c->head_len}, "mcp-session-id");
    if (status != 200 || !id.at || id.len >= sizeof c->session)
        fail(k, c, "initialize");
    memcpy(c->session, id.at, id.len);
    c->session[id.len] = 0;
}

/* After the last call: a session is ended politely; where there is none the connection just closes. */
static void end_session(struct client *k, struct conn *c)
{
    c->stage = *c->session ? ENDING : ENDED;
    k->ended += c->stage == ENDED;
}

/* Moves the conversation on by one reply. */
static void take_reply(struct client *k, struct conn *c)
{
    struct span message = {c->in + c->head_len, c->body_len};
    long status = c->in_len > 12 ? strtol(c->in + 9, NULL, 10) : 0;
    if (span_starts(http_header((struct span){c->in, c->head_len}, "content-type"), "text/event-stream"))
        message = last_event(message);
    switch (c->stage) {
    case INITIALIZE:
        take_session(k, c, status);
        c->stage = INITIALIZED;
        return;
    case INITIALIZED:
        if (status != 202)
            fail(k, c, "notifications/initialized");
        c->stage = k->set.listen ? OPENING : CALLING;
        k->ready += !k->set.listen;
        return;
    case CALLING:
        count_call(k, c, status, message);
        if (k->stopping)
            end_session(k, c);
        return;
    default:
        c->stage = ENDED;
        k->ended++;
    }
}

/* ---- connections ---- */

/* What read(2) would return, and errno EAGAIN, of a call to OpenSSL. */
static ssize_t as_system_call(struct conn *c, int n)
{
    if (n > 0)
        return n;
    int error = SSL_get_error(c->tls, n);
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t send_some(struct conn *c, const char *data, size_t len)
{
    return c->tls ? as_system_call(c, SSL_write(c->tls, data, (int)len)) : send(c->fd, data, len, MSG_NOSIGNAL);
}

/* As much as is there: OpenSSL gives one record at a time, and what it holds back wakes nobody. */
static ssize_t receive_some(struct conn *c, char *into, size_t room)
{
    if (!c->tls)
        return recv(c->fd, into, room, 0);
    ssize_t all = 0, n;
    while ((size_t)all < room && (n = as_system_call(c, SSL_read(c->tls, into + all, (int)(room - (size_t)all)))) > 0)
        all += n;
    return all ? all : n;
}

static void send_pending(struct client *k, struct conn *c)
{
    while (c->out_sent < c->out_len) {
        ssize_t n = send_some(c, c->out + c->out_sent, c->out_len - c->out_sent);
        if (n < 0 && errno == EAGAIN) {
            epoll_ctl(k->epoll, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.ptr = c});
            return;
        }
        if (n < 0)
            fail(k, c, "send");
        c->out_sent += (size_t)n;
    }
}

/* Hands calls that are due to connections that are free, each with the time at which it was due. */
static void dispatch(struct client *k)
{
    uint64_t now = now_ns();
    while (k->idle_count && k->due <= now) {
        struct conn *c = k->idle[k->idle_first];
        k->idle_first = (k->idle_first + 1) % k->set.connections;
        k->idle_count--;
        next_request(k, c);
        c->sent_at = k->due;
        k->due += k->interval;
        send_pending(k, c);
    }
}

static void go_on(struct client *k, struct conn *c)
{
    if (c->stage == ENDED) {
        close(c->fd);
    } else if (c->stage == CALLING && k->interval) {
        k->idle[(k->idle_first + k->idle_count++) % k->set.connections] = c;
        dispatch(k);
    } else {
        next_request(k, c);
        send_pending(k, c);
    }
}

/* The head of a stream has come, or what stands in it: nothing of it is waited for. */
static void hear(struct client *k, struct conn *c)
{
    if (c->stage == OPENING && !http_head_length(c->in, c->in_len))
        return;
    if (c->stage == OPENING && (c->in_len < 12 || memcmp(c->in + 9, "200", 3) != 0))
        fail(k, c, "GET");
    k->ready += c->stage == OPENING;
    c->stage = LISTENING;
    c->in_len = 0;
}

static void receive(struct client *k, struct conn *c)
{
    if (c->in_cap - c->in_len < READ_STEP) {
        c->in_cap = c->in_cap * 2 + READ_STEP * 2;
        c->in = realloc(c->in, c->in_cap);
        if (!c->in)
            die("realloc");
    }
    ssize_t n = receive_some(c, c->in + c->in_len, c->in_cap - c->in_len);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        fail(k, c, "the connection was closed");
    c->in_len += (size_t)n;
    if (c->stage == OPENING || c->stage == LISTENING) {
        hear(k, c);
        return;
    }
    if (!reply_is_whole(c))
        return;
    take_reply(k, c);
    go_on(k, c);
}

static void on_event(struct client *k, struct epoll_event *event)
{
    struct conn *c = event->data.ptr;
    if (event->events & EPOLLOUT) {
        epoll_ctl(k->epoll, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
        send_pending(k, c);
    }
    if (event->events & ~(uint32_t)EPOLLOUT)
        receive(k, c);
}

/* Serves events until the deadline, or earlier when `*counter` reaches `enough`. */
static void turn_until(struct client *k, uint64_t deadline, const int *counter, int enough)
{
    struct epoll_event events[EVENTS];
    while (*counter < enough && k->calls < k->set.max_calls) {
        uint64_t now = now_ns();
        if (now >= deadline)
            return;
        uint64_t until = k->idle_count && k->due < deadline ? k->due : deadline;
        uint64_t wait = until > now ? until - now : 0;
        struct timespec limit = {(time_t)(wait / 1000000000), (long)(wait % 1000000000)};
        int n = epoll_pwait2(k->epoll, events, EVENTS, &limit, NULL);
        for (int i = 0; i < n; i++)
            on_event(k, &events[i]);
        if (k->interval)
            dispatch(k);
    }
}

/* Connection number i comes from 127.0.0.1 or one of its neighbours: peers have limits of their own. */
static void bind_source(struct client *k, struct conn *c, int number)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + (unsigned)(number % k->set.addresses))}};
    if (k->set.addresses > 1 && bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0)
        die("bind");
}

static void shake_hands(struct client *k, struct conn *c)
{
    c->tls = SSL_new(k->tls);
    if (!c->tls || SSL_set_fd(c->tls, c->fd) != 1 || SSL_connect(c->tls) != 1) {
        fprintf(stderr, "load: no TLS handshake\n");
        exit(1);
    }
}

static void open_connection(struct client *k, struct conn *c, int number)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)k->set.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    bind_source(k, c, number);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (k->set.tls)
        shake_hands(k, c);
    /* Connecting may wait, everything after it may not. */
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl");
    c->key = k->set.keys[number % k->set.key_count];
    c->out = malloc(k->set.arguments + 4096 + strlen(c->key) + strlen(k->set.path));
    if (!c->out)
        die("malloc");
    bool alone = k->set.modern || k->set.refused;
    c->stage = alone ? CALLING : INITIALIZE;
    k->ready += alone;
    epoll_ctl(k->epoll, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
    go_on(k, c);
}

/* ---- the run ---- */

/* Calls that were due and that no connection was free for: their times are missing in the percentiles. */
static uint64_t behind(struct client *k)
{
    uint64_t now = now_ns();
    return k->interval && k->due < now ? (now - k->due) / k->interval : 0;
}

static void report(struct client *k, double seconds)
{
    printf("{\"phase\":\"done\",\"seconds\":%.6f,\"calls\":%llu,\"errors\":%llu,\"calls_per_s\":%.1f,\"p50_ms\":%.5f,"
           "\"p99_ms\":%.5f,\"max_ms\":%.5f,\"reply_bytes\":%.1f,\"behind\":%llu,\"first_error\":\"%s\"}\n",
           seconds, (unsigned long long)k->calls, (unsigned long long)k->errors, (double)k->calls / seconds,
           percentile_ms(k, 0.50), percentile_ms(k, 0.99), (double)k->worst / 1e6,
           k->calls ? (double)k->reply_bytes / (double)k->calls : 0, (unsigned long long)behind(k), k->first_error);
    fflush(stdout);
}

/* No free connection may keep the run from its end. */
static void stop_idle(struct client *k)
{
    while (k->idle_count) {
        struct conn *c = k->idle[k->idle_first];
        k->idle_first = (k->idle_first + 1) % k->set.connections;
        k->idle_count--;
        end_session(k, c);
        go_on(k, c);
    }
}

static void run(struct client *k)
{
    int never = 0;
    k->due = UINT64_MAX;
    for (int i = 0; i < k->set.connections; i++) {
        open_connection(k, &k->conns[i], i);
        if (i % EVENTS == EVENTS - 1)
            turn_until(k, now_ns() + 20000000u, &never, 1);
    }
    turn_until(k, now_ns() + (uint64_t)SETUP_SECONDS * 1000000000u, &k->ready, k->set.connections);
    if (k->ready < k->set.connections) {
        fprintf(stderr, "load: only %d of %d connections got ready\n", k->ready, k->set.connections);
        exit(1);
    }
    k->due = now_ns();
    turn_until(k, now_ns() + (uint64_t)(k->set.warm * 1e9), &never, 1);
    printf("{\"phase\":\"warm\"}\n");
    fflush(stdout);
    k->measuring = true;
    uint64_t start = now_ns();
    turn_until(k, start + (uint64_t)(k->set.seconds * 1e9), &never, 1);
    double seconds = (double)(now_ns() - start) / 1e9;
    k->measuring = false;
    report(k, seconds);
    /* Sessions are ended only now and politely, so that the next run does not pay for what this one left behind. */
    k->set.max_calls = UINT64_MAX;
    k->stopping = true;
    if (k->set.listen)
        return;
    stop_idle(k);
    turn_until(k, now_ns() + 2000000000u, &k->ended, k->set.connections);
}

static void take_keys(struct settings *set, char *list)
{
    set->key_count = 0;
    for (char *key = strtok(list, ","); key && set->key_count < MAX_KEYS; key = strtok(NULL, ","))
        set->keys[set->key_count++] = key;
    if (set->key_count == 0) {
        fprintf(stderr, "load: --key wants a key\n");
        exit(2);
    }
}

static void parse(struct settings *set, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, 0, 'p'},    {"path", 1, 0, 'u'},      {"key", 1, 0, 'k'},       {"tool", 1, 0, 't'},
        {"warm", 1, 0, 'w'},    {"seconds", 1, 0, 's'},   {"arguments", 1, 0, 'a'}, {"connections", 1, 0, 'c'},
        {"modern", 0, 0, 'm'},  {"min-reply", 1, 0, 'r'}, {"max-calls", 1, 0, 'n'}, {"rate", 1, 0, 'R'},
        {"table", 0, 0, 'T'},   {"refused", 1, 0, 'x'},   {"malformed", 0, 0, 'X'}, {"listen", 0, 0, 'l'},
        {"addresses", 1, 0, 'A'}, {"tls", 0, 0, 'S'}, {0, 0, 0, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p': set->port = atoi(optarg); break;
        case 'u': set->path = optarg; break;
        case 'k': take_keys(set, optarg); break;
        case 't': set->tool = optarg; break;
        case 'c': set->connections = atoi(optarg); break;
        case 'w': set->warm = atof(optarg); break;
        case 's': set->seconds = atof(optarg); break;
        case 'a': set->arguments = strtoul(optarg, NULL, 10); break;
        case 'r': set->min_reply = strtoul(optarg, NULL, 10); break;
        case 'n': set->max_calls = strtoull(optarg, NULL, 10); break;
        case 'm': set->modern = true; break;
        case 'R': set->rate = atof(optarg); break;
        case 'T': set->table = true; break;
        case 'x': set->refused = atol(optarg); break;
        case 'X': set->malformed = true; break;
        case 'l': set->listen = true; break;
        case 'A': set->addresses = atoi(optarg); break;
        case 'S': set->tls = true; break;
        default: exit(2);
        }
    }
    if (!set->port || set->connections < 1 || set->connections > MAX_CONNECTIONS || set->arguments > MAX_ARGUMENTS ||
        set->addresses < 1 || set->rate < 0) {
        fprintf(stderr, "load: wants --port, 1 to %d --connections and at most 4 MB of --arguments\n", MAX_CONNECTIONS);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct client k = {.set = {.path = "/mcp",
                                      .keys = {"none"},
                                      .key_count = 1,
                                      .addresses = 1,
                                      .tool = "echo",
                                      .connections = 16,
                                      .warm = 1,
                                      .seconds = 3,
                                      .arguments = 1024,
                                      .max_calls = 5000000}};
    parse(&k.set, argc, argv);
    alarm((unsigned)(k.set.warm + k.set.seconds) + SETUP_SECONDS + 10);
    k.tls = k.set.tls ? SSL_CTX_new(TLS_client_method()) : NULL;
    if (k.tls)
        SSL_CTX_set_mode(k.tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (k.set.tls && (!k.tls || SSL_CTX_set_min_proto_version(k.tls, TLS1_3_VERSION) != 1))
        die("SSL_CTX_new");
    signal(SIGPIPE, SIG_IGN);
    k.epoll = epoll_create1(EPOLL_CLOEXEC);
    k.conns = calloc((size_t)k.set.connections, sizeof *k.conns);
    k.idle = calloc((size_t)k.set.connections, sizeof *k.idle);
    k.interval = k.set.rate > 0 ? (uint64_t)(1e9 / k.set.rate) : 0;
    if (!k.conns || !k.idle)
        die("calloc");
    write_prose(&k);
    run(&k);
    return k.errors ? 1 : 0;
}
