/* A fast origin for the bench: one process, one epoll, as many listeners as ports are given. It answers

     GET  /           100 octets            POST /          the same, after the body
     GET  /big?N      N MiB of a pattern    GET  /stream?N  N events, one every PERIOD ms (see --period)

   keeps connections, and closes when it is asked to. Usage: origin PERIOD ADDRESS PORT... */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MOST 65536
#define PATTERN (1 << 20)
#define DATE "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: origin\r\n" /* an origin with a clock says so (RFC 9110) */

struct link {
    int fd, close, streaming;
    long events, bulk, skip; /* events still to send; octets still to send; octets of a body still to come */
    size_t filled;
    struct link *next, **before; /* among those that stream in the same slot */
    char in[16384];
};

static int poller, period;
static struct link *links[MOST], **slots;
static char pattern[PATTERN], small[512], event[512];
static size_t small_size, event_size;

static void leave(struct link *l) {
    if (!l->streaming) return;
    if ((*l->before = l->next)) l->next->before = l->before;
    l->streaming = 0;
}

static void end(struct link *l) {
    leave(l);
    links[l->fd] = NULL;
    close(l->fd);
    free(l);
}

static void watch(struct link *l, int writing) {
    struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.fd = l->fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, l->fd, &e);
}

static int say(struct link *l, const char *data, size_t size) {
    ssize_t sent = send(l->fd, data, size, MSG_NOSIGNAL);
    return sent == (ssize_t)size ? 0 : -1; /* only bulk may meet a full socket */
}

static int more(struct link *l) {
    while (l->bulk > 0) {
        size_t at = (size_t)l->bulk % PATTERN, left = at ? at : PATTERN;
        ssize_t sent = send(l->fd, pattern + PATTERN - left, left, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) return -1;
            watch(l, 1);
            return 0;
        }
        l->bulk -= sent;
    }
    watch(l, 0);
    return l->close ? -1 : 0;
}

static int stream(struct link *l, long events) {
    static const char head[] = "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    if (say(l, head, sizeof head - 1)) return -1;
    struct link **slot = &slots[rand() % period];
    l->events = events;
    l->streaming = 1;
    if ((l->next = *slot)) l->next->before = &l->next;
    *(l->before = slot) = l;
    return 0;
}

static int answer(struct link *l) {
    char head[256], *target = strchr(l->in, ' ');
    if (!target) return -1;
    if (!strncmp(target, " /big?", 6)) {
        l->bulk = atol(target + 6) * PATTERN;
        int size = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n" DATE "Content-Length: %ld\r\n\r\n", l->bulk);
        return say(l, head, (size_t)size) ? -1 : more(l);
    }
    if (!strncmp(target, " /stream?", 9)) return stream(l, atol(target + 9));
    if (say(l, small, small_size)) return -1;
    return l->close ? -1 : 0;
}

static int feed(struct link *l) {
    if (l->skip) { /* a body is read and forgotten; its request is answered at its end */
        size_t gone = (size_t)l->skip < l->filled ? (size_t)l->skip : l->filled;
        memmove(l->in, l->in + gone, l->filled - gone);
        l->filled -= gone;
        if ((l->skip -= (long)gone)) return 0;
        if (l->events) return stream(l, l->events);
        return say(l, small, small_size) || l->close ? -1 : 0;
    }
    l->in[l->filled] = 0;
    char *stop = strstr(l->in, "\r\n\r\n");
    if (!stop) return l->filled > sizeof l->in - 2 ? -1 : 0;
    size_t size = (size_t)(stop - l->in) + 4;
    stop[2] = 0;
    char *length = strcasestr(l->in, "\r\ncontent-length:"), *how = strcasestr(l->in, "\r\nconnection:");
    l->close = how && !strncasecmp(how + 13, " close", 6);
    long body = length ? atol(length + 17) : 0;
    long here = (long)(l->filled - size);
    char *wanted = strstr(l->in, " /stream?");
    if (body > here) l->skip = body - here;
    l->events = l->skip && wanted ? atol(wanted + 9) : 0;
    int failed = l->skip ? 0 : answer(l);
    size_t used = size + (size_t)(body < here ? body : here);
    memmove(l->in, l->in + used, l->filled - used);
    l->filled -= used;
    return failed;
}

static void ready(struct link *l, unsigned events) {
    if (events & EPOLLOUT && more(l)) {
        end(l);
        return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t got = recv(l->fd, l->in + l->filled, sizeof l->in - 1 - l->filled, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        end(l);
        return;
    }
    l->filled += (size_t)got;
    if (feed(l)) end(l);
}

static void admit(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MOST) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct link *l = links[fd] = calloc(1, sizeof *l);
        l->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

static void tick(int clock) {
    static long now;
    unsigned long ticks = 0;
    if (read(clock, &ticks, sizeof ticks) < 0) return;
    if (ticks > (unsigned long)period) ticks = (unsigned long)period;
    while (ticks--) {
        struct link *l = slots[now++ % period], *next;
        for (; l; l = next) {
            next = l->next;
            int failed = say(l, event, event_size);
            if (!failed && --l->events == 0) {
                leave(l);
                failed = say(l, "0\r\n\r\n", 5);
            }
            if (failed) end(l);
        }
    }
}

static int listen_at(const char *address, int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    inet_pton(AF_INET, address, &at.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (at.sin_addr.s_addr == INADDR_ANY) setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2); /* never outside */
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) {
        perror("origin");
        exit(1);
    }
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    return fd;
}

int main(int count, char **given) {
    if (count < 4) return 2;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(0);
    period = atoi(given[1]) > 0 ? atoi(given[1]) : 1;
    slots = calloc((size_t)period, sizeof *slots);
    for (int i = 0; i < PATTERN; i++) pattern[i] = (char)((i * 2654435761u) >> 24);
    char body[101] = {0}, token[181] = {0};
    memset(body, 'x', 100);
    memset(token, 't', 180);
    small_size = (size_t)sprintf(small, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 100\r\n\r\n%s", body);
    event_size = (size_t)sprintf(event, "%x\r\ndata: %s\n\n\r\n", 188, token);
    int listeners[16], known = 0;
    for (int i = 3; i < count && known < 16; i++) listeners[known++] = listen_at(given[2], atoi(given[i]));
    int clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(clock, 0, &every, NULL);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = clock}, found[512];
    epoll_ctl(poller, EPOLL_CTL_ADD, clock, &e);
    for (;;) {
        int ready_now = epoll_wait(poller, found, 512, -1);
        for (int i = 0; i < ready_now; i++) {
            int fd = found[i].data.fd, own = fd == clock;
            if (own) tick(clock);
            for (int j = 0; j < known && !own; j++)
                if ((own = fd == listeners[j])) admit(fd);
            if (!own && links[fd]) ready(links[fd], found[i].events);
        }
    }
}
