/* The upstream of the bench that is spoken to over stdin and stdout: an MCP server with one tool, as echo.c is over HTTP.
 *
 *   pipe --replies FILE
 *
 * One message a line, 2025-11-25 and its predecessors. Everything that one read brings is answered by one write, as a server
 * with a buffered output does when its input runs dry. It ends with its stdin.
 */
#include "replies.h"

#include <signal.h>

enum { READ_STEP = 65536, MAX_ID = 256, ENVELOPE = MAX_ID + 256 };

struct text {
    char *at;
    size_t len, cap;
};

static void need(struct text *t, size_t more)
{
    if (t->cap - t->len >= more)
        return;
    t->cap = t->cap * 2 + more;
    t->at = realloc(t->at, t->cap);
    if (!t->at)
        die("realloc");
}

static void put_result(struct text *out, struct span id, struct span rest)
{
    need(out, ENVELOPE + rest.len);
    out->len += (size_t)sprintf(out->at + out->len, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{", (int)id.len, id.at);
    memcpy(out->at + out->len, rest.at, rest.len);
    out->len += rest.len;
    out->at[out->len++] = '\n';
}

static void put_error(struct text *out, struct span id, int code, const char *message)
{
    need(out, ENVELOPE + strlen(message));
    out->len += (size_t)sprintf(out->at + out->len, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":%d,\"message\":\"%s\"}}\n",
                                (int)id.len, id.at, code, message);
}

static void answer(struct text *out, struct reply_set *set, struct span line)
{
    static const char hello[] = INITIALIZED("2025-11-25"), list[] = TOOL "}}";
    struct member m[3] = {{"id", {0}}, {"method", {0}}, {"params", {0}}};
    if (!json_members(line, m, 3) || !m[1].value.at || m[0].value.len > MAX_ID) {
        put_error(out, (struct span){"null", 4}, -32600, "Invalid request");
        return;
    }
    struct span id = m[0].value, method = m[1].value;
    if (!id.at)
        return;
    if (span_is(method, "\"tools/call\""))
        put_result(out, id, next_result(set));
    else if (span_is(method, "\"initialize\""))
        put_result(out, id, (struct span){hello, sizeof hello - 1});
    else if (span_is(method, "\"tools/list\""))
        put_result(out, id, (struct span){list, sizeof list - 1});
    else if (span_is(method, "\"ping\""))
        put_result(out, id, (struct span){"}}", 2});
    else
        put_error(out, id, -32601, "Method not found");
}

/* Answers every whole line and keeps the rest. */
static void answer_lines(struct text *in, struct text *out, struct reply_set *set)
{
    char *line = in->at, *limit = in->at + in->len;
    for (char *end; (end = memchr(line, '\n', (size_t)(limit - line))); line = end + 1)
        if (end > line)
            answer(out, set, (struct span){line, (size_t)(end - line)});
    in->len = (size_t)(limit - line);
    memmove(in->at, line, in->len);
}

static bool write_all(struct text *out)
{
    for (size_t sent = 0; sent < out->len;) {
        ssize_t n = write(STDOUT_FILENO, out->at + sent, out->len - sent);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    out->len = 0;
    return true;
}

int main(int argc, char **argv)
{
    static struct reply_set set;
    static struct text in, out;
    if (argc != 3 || strcmp(argv[1], "--replies") != 0) {
        fprintf(stderr, "pipe: wants --replies FILE\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    read_replies(&set, argv[2]);
    for (;;) {
        need(&in, READ_STEP);
        ssize_t n = read(STDIN_FILENO, in.at + in.len, in.cap - in.len);
        if (n <= 0)
            return n < 0;
        in.len += (size_t)n;
        answer_lines(&in, &out, &set);
        if (!write_all(&out))
            return 1;
    }
}
