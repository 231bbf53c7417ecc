/* The floor: the cost of the runtime API and the upstream alone. It posts `ready`, fetches an event, posts a fixed
 * question, and posts the reply's bytes back, on two sockets and two buffers. It parses nothing but Content-Length.
 * Plain HTTP on 127.0.0.1: floor API_PORT UPSTREAM_PORT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 4096
#define BODY (8 << 20)

static char head[HEAD + 1];
static char body[HEAD + BODY]; /* room for a head in front, so that one write sends both */

/* A peer that has closed is no failure: the measurement is over. */
static void check(ssize_t result, const char *what)
{
    if (result < 0)
        perror(what);
    if (result <= 0)
        exit(result < 0);
}

static int open_to(const char *port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd, "socket");
    check(connect(fd, (struct sockaddr *)&to, sizeof to) + 1, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void put(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t put = write(fd, bytes, length);
        check(put, "write");
        bytes += put;
        length -= put;
    }
}

/* Reads a response. Its body ends up behind the room for a head. Returns the length of the body. */
static size_t get(int fd)
{
    size_t have = 0;
    char *end = NULL;
    while (!end) {
        ssize_t got = read(fd, head + have, HEAD - have);
        check(got, "read");
        have += got;
        head[have] = 0;
        end = strstr(head, "\r\n\r\n");
    }
    size_t length = 0;
    for (char *line = head; line < end; line = strchr(line, '\n') + 1)
        if (!strncasecmp(line, "content-length:", 15))
            length = strtoul(line + 15, NULL, 10);
    if (length > BODY)
        exit(2);
    size_t behind = have - (end + 4 - head);
    memcpy(body + HEAD, end + 4, behind);
    while (behind < length) {
        ssize_t got = read(fd, body + HEAD + behind, length - behind);
        check(got, "read");
        behind += got;
    }
    return length;
}

/* Posts the body with a head in front of it. */
static void post(int fd, const char *path, size_t length)
{
    char lines[256];
    int n = snprintf(lines, sizeof lines, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n", path, length);
    memcpy(body + HEAD - n, lines, n);
    put(fd, body + HEAD - n, n + length);
    get(fd);
}

int main(int argc, char **argv)
{
    static const char next[] = "GET /runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    static const char question[] =
        "{\"model\":\"gpt-3.5-turbo\",\"messages\":[{\"role\":\"user\",\"content\":\"What is Rust?\"}]}";
    if (argc != 3)
        return 2;
    int api = open_to(argv[1]), upstream = -1;
    body[HEAD] = ' ';
    post(api, "/runtime/init/ready", 1);
    for (;;) {
        put(api, next, sizeof next - 1);
        get(api);
        if (upstream < 0)
            upstream = open_to(argv[2]);
        char lines[512];
        int n = snprintf(lines, sizeof lines,
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk-bench\r\n"
            "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", sizeof question - 1, question);
        put(upstream, lines, n);
        post(api, "/runtime/invocation/response", get(upstream));
    }
}
