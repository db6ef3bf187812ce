/* What the two upstreams of the bench answer with: the results of a file, the tool that they list, who they say they are. */
#ifndef DOORWARD_BENCH_REPLIES_H
#define DOORWARD_BENCH_REPLIES_H

#include "scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Texts behind the opening brace of a result, with the brace that closes the whole message. */
#define TOOL                                                                                                                   \
    "\"tools\":[{\"name\":\"echo\",\"title\":\"Echo\",\"description\":\"Returns a prepared record for a text.\","                  \
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]},"                  \
    "\"annotations\":{\"readOnlyHint\":true}}]"
#define SERVER_INFO "{\"name\":\"bench-echo\",\"version\":\"1\"}"
#define INITIALIZED(version)                                                                                                   \
    "\"protocolVersion\":\"" version "\",\"capabilities\":{\"tools\":{}},\"serverInfo\":" SERVER_INFO "}}"

/* Results without their opening brace, because the modern revision puts `resultType` right behind it. */
struct reply_set {
    char name[32];
    struct span *results;
    size_t count, next;
};

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline struct span next_result(struct reply_set *set)
{
    struct span result = set->results[set->next];
    if (++set->next == set->count)
        set->next = 0;
    return result;
}

static inline char *read_whole(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        die(path);
    char *text = malloc((size_t)st.st_size + 1);
    if (!text)
        die("malloc");
    for (*len = 0; *len < (size_t)st.st_size;) {
        ssize_t n = read(fd, text + *len, (size_t)st.st_size - *len);
        if (n <= 0)
            die(path);
        *len += (size_t)n;
    }
    close(fd);
    return text;
}

/* Each line `{...}` becomes `...}}`: its newline is overwritten by the brace that closes the message. */
static inline void read_replies(struct reply_set *set, const char *path)
{
    size_t len, lines = 0;
    char *text = read_whole(path, &len);
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    set->results = calloc(lines ? lines : 1, sizeof *set->results);
    if (!set->results)
        die("calloc");
    for (char *line = text, *end; (end = memchr(line, '\n', (size_t)(text + len - line))); line = end + 1) {
        if (*line != '{' || end[-1] != '}') {
            fprintf(stderr, "%s: line %zu is not one JSON object\n", path, set->count + 1);
            exit(2);
        }
        *end = '}';
        set->results[set->count++] = (struct span){line + 1, (size_t)(end - line)};
    }
    if (set->count == 0) {
        fprintf(stderr, "%s holds no reply\n", path);
        exit(2);
    }
}

#endif
