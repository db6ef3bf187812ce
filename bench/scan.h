/* What the echo upstream and the load client both need: find a header in an HTTP head, find a member of a JSON object.
 *
 * Nothing is copied and nothing is unescaped; every answer is a span of the caller's buffer. That is enough here, because
 * both ends of the bench are ours: no key that is looked for contains an escape.
 */
#ifndef DOORWARD_BENCH_SCAN_H
#define DOORWARD_BENCH_SCAN_H

#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *at;
    size_t len;
};

static inline bool span_is(struct span s, const char *text)
{
    size_t len = strlen(text);
    return s.len == len && memcmp(s.at, text, len) == 0;
}

static inline bool span_has(struct span s, const char *text)
{
    return s.at && memmem(s.at, s.len, text, strlen(text)) != NULL;
}

static inline bool span_starts(struct span s, const char *text)
{
    size_t len = strlen(text);
    return s.len >= len && memcmp(s.at, text, len) == 0;
}

/* ---- HTTP ---- */

/* Length of the head with its empty line, or 0 while that line has not arrived. */
static inline size_t http_head_length(const char *buffer, size_t len)
{
    const char *end = memmem(buffer, len, "\r\n\r\n", 4);
    return end ? (size_t)(end - buffer) + 4 : 0;
}

/* The value of a header without surrounding blanks; `.at` is NULL when the head has none. */
static inline struct span http_header(struct span head, const char *name)
{
    size_t name_len = strlen(name);
    const char *end = head.at + head.len;
    const char *line = memchr(head.at, '\n', head.len);
    while (line && ++line < end) {
        const char *line_end = memchr(line, '\r', (size_t)(end - line));
        if (!line_end)
            break;
        if ((size_t)(line_end - line) > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            while (value < line_end && (*value == ' ' || *value == '\t'))
                value++;
            while (line_end > value && (line_end[-1] == ' ' || line_end[-1] == '\t'))
                line_end--;
            return (struct span){value, (size_t)(line_end - value)};
        }
        line = memchr(line_end, '\n', (size_t)(end - line_end));
    }
    return (struct span){NULL, 0};
}

/* A decimal header value, or `missing` when the header is absent or no number. */
static inline long http_number(struct span value, long missing)
{
    if (!value.at || value.len == 0 || value.len > 18)
        return missing;
    long number = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return missing;
        number = number * 10 + (value.at[i] - '0');
    }
    return number;
}

/* ---- JSON ---- */

static inline const char *json_blank(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* From an opening quote to just behind its closing one, or NULL. A quote closes when an even run of backslashes precedes it. */
static inline const char *json_string_end(const char *p, const char *end)
{
    const char *open = p;
    while ((p = memchr(p + 1, '"', (size_t)(end - p - 1)))) {
        const char *back = p;
        while (back - 1 > open && back[-1] == '\\')
            back--;
        if ((p - back) % 2 == 0)
            return p + 1;
    }
    return NULL;
}

/* From the first byte of any value to just behind it, or NULL. Nesting is counted, never recursed into. */
static inline const char *json_value_end(const char *p, const char *end)
{
    int depth = 0;
    while (p < end) {
        char c = *p;
        if (c == '"') {
            p = json_string_end(p, end);
            if (!p || depth == 0)
                return p;
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return p; /* a bare number or word ended by its container */
            if (--depth == 0)
                return p + 1;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            return p;
        }
        p++;
    }
    return depth == 0 ? p : NULL;
}

struct member {
    const char *name;
    struct span value; /* raw JSON, a string with its quotes; `.at` is NULL when the object has no such member */
};

/* One pass over the members of one object, its own level only: an `id` inside `params` is never taken for the request's.
 * False when the text is not an object. */
static inline bool json_members(struct span object, struct member *wanted, int count)
{
    for (int i = 0; i < count; i++)
        wanted[i].value = (struct span){NULL, 0};
    const char *end = object.at + object.len;
    const char *p = json_blank(object.at, end);
    if (p >= end || *p != '{')
        return false;
    p = json_blank(p + 1, end);
    while (p < end && *p == '"') {
        const char *key_end = json_string_end(p, end);
        if (!key_end)
            return false;
        struct span key = {p + 1, (size_t)(key_end - p) - 2};
        p = json_blank(key_end, end);
        if (p >= end || *p != ':')
            return false;
        p = json_blank(p + 1, end);
        const char *value_end = json_value_end(p, end);
        if (!value_end || value_end == p)
            return false;
        for (int i = 0; i < count; i++)
            if (span_is(key, wanted[i].name))
                wanted[i].value = (struct span){p, (size_t)(value_end - p)};
        p = json_blank(value_end, end);
        if (p < end && *p == ',')
            p = json_blank(p + 1, end);
    }
    return p < end && *p == '}';
}

#endif
