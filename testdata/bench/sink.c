/* sink: a small, fast HTTP/1.1 server for loopback, the other end of every measurement of `make bench-peers`.
 *
 * One thread, one epoll set. It answers every request with the same bytes (or, with --journey, plays a form and its
 * submission), and notes when each request arrived, as the kernel saw it: SO_TIMESTAMPNS stamps a segment when the
 * loopback device hands it over, on the sender's own processor, so the stamp does not depend on when this process woke
 * up. Requests that came in one read share the stamp of its last segment; a request split over several reads carries the
 * stamp of the read that completed it.
 *
 * Stdout: "port N" once it listens, and one line of JSON at the end. With --record FILE, the end also writes
 * little-endian int64 triples (sequence or -1, arrival, answer), nanoseconds of CLOCK_REALTIME, in order of reading;
 * the answer's time is taken right before its write. It ends on SIGTERM, on SIGINT and when stdin closes.
 *
 * Bounds: a request larger than 64 kB (head and body) is answered 413 and its connection closed; chunked bodies 411.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST_REQUEST = 64 << 10, READ_BUFFER = 256 << 10, EVENTS = 512 };

struct options {
  int port, journey;
  size_t body;
  int64_t stall_at, stall_for, hold; /* ns; stall_at counts from the first request */
  size_t records;
  const char *record_file;
};

struct connection {
  uint32_t generation; /* counts the connections that had this descriptor: held answers must not reach the next one */
  uint32_t rest_length, out_length;
  char *rest, *out; /* an unfinished request; an answer the socket would not take yet */
  uint8_t open, closing, writing;
};

struct record {
  int64_t sequence, arrival, answer;
};

struct held { /* an answer that waits for --hold to pass; the queue is in order of due */
  int64_t due;
  int fd;
  uint32_t generation;
  size_t record;
  int64_t token;
  uint8_t kind;
};

enum kind { FIXED, FORM, SUBMITTED, REFUSED, BAD, TOO_LARGE, NO_LENGTH, KINDS };

struct request {
  size_t length; /* of head and body */
  int64_t sequence, token;
  int close;
  enum kind kind;
};

static struct options options = {.body = 13, .records = 8 << 20};
static struct connection *connections;
static int limit_of_descriptors, epoll, listener;
static struct record *records;
static size_t recorded, answered, unrecorded, bad, refused, opened, open_now, most_open;
static struct held *held;
static size_t held_first, held_count, held_size, most_held;
static int64_t first_arrival, stalled_from, stalled_to;
static char read_buffer[READ_BUFFER + 1];
static char *answers[KINDS];
static size_t answer_lengths[KINDS];
static int64_t tokens_given;
static int timed; /* whether the clock matters to the loop at all */
static volatile sig_atomic_t ending;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void end(int signal) {
  (void)signal;
  ending = 1;
}

/* ---- what is answered ---- */

static void make_answer(enum kind kind, const char *status, size_t body) {
  char *a = malloc(256 + body);
  int head = sprintf(a, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", status, body);
  memset(a + head, 'a', body);
  answers[kind] = a;
  answer_lengths[kind] = head + body;
}

static void make_answers(void) {
  make_answer(FIXED, "200 OK", options.body);
  make_answer(REFUSED, "422 Unprocessable Content", 0);
  make_answer(BAD, "400 Bad Request", 0);
  make_answer(TOO_LARGE, "413 Content Too Large", 0);
  make_answer(NO_LENGTH, "411 Length Required", 0);
}

/* A token is its number and a mix of it, so that a submission proves that it read the form, and the sink need not
 * remember whom it gave what. The mix is the finaliser of MurmurHash3 (A. Appleby, 2011). */
static uint32_t mix(uint32_t x) {
  x ^= x >> 16, x *= 0x85ebca6b, x ^= x >> 13, x *= 0xc2b2ae35;
  return x ^ x >> 16;
}

static int token_is_ours(const char *body, size_t length) {
  char *at = memmem(body, length, "token", 5);
  if (!at) return 0;
  char *stop = (char *)body + length;
  for (at += 5; at < stop && strchr("\"': =", *at); at++) {
  }
  if (stop - at < 17 || at[8] != '-') return 0;
  char text[18];
  memcpy(text, at, 17), text[17] = 0;
  char *end_of_number;
  unsigned long number = strtoul(text, &end_of_number, 16), proof = strtoul(text + 9, NULL, 16);
  return end_of_number == text + 8 && proof == mix((uint32_t)number);
}

/* write_answer puts the answer into buffer, which has room for 512 bytes and options.body, and says how long it is. */
static size_t write_answer(char *buffer, enum kind kind, int64_t token) {
  if (kind == FORM) {
    char body[128];
    int n = sprintf(body, "{\"token\":\"%08x-%08x\",\"csrf\":\"c%07x\",\"fields\":[\"name\",\"reason\"]}", (uint32_t)token,
                    mix((uint32_t)token), (uint32_t)token & 0xfffffff);
    return sprintf(buffer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);
  }
  if (kind == SUBMITTED) {
    char body[64];
    int n = sprintf(body, "{\"id\":\"A-%09lld\",\"state\":\"received\"}", (long long)token);
    return sprintf(buffer, "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);
  }
  memcpy(buffer, answers[kind], answer_lengths[kind]);
  return answer_lengths[kind];
}

/* ---- what is asked ---- */

static int64_t number_at(const char *p, const char *stop) {
  int64_t n = 0;
  const char *from = p;
  for (; p < stop && *p >= '0' && *p <= '9' && p - from < 18; p++) n = n * 10 + (*p - '0');
  return p == from ? -1 : n;
}

static int is_named(const char *line, const char *stop, const char *name, size_t length, const char **value) {
  if ((size_t)(stop - line) <= length || line[length] != ':' || strncasecmp(line, name, length) != 0) return 0;
  const char *v = line + length + 1;
  while (v < stop && (*v == ' ' || *v == '\t')) v++;
  *value = v;
  return 1;
}
#define NAMED(name) is_named(line, stop, name, sizeof name - 1, &value)

static void read_request_line(const char *line, const char *stop, struct request *r) {
  const char *path = memchr(line, ' ', stop - line);
  const char *path_end = path ? memchr(path + 1, ' ', stop - path - 1) : NULL;
  if (!path_end || stop - path_end < 9 || memcmp(path_end + 1, "HTTP/1.", 7) != 0) {
    r->kind = BAD;
    return;
  }
  path++;
  r->close = path_end[8] == '0';
  const char *segment = path_end;
  while (segment > path && segment[-1] != '/') segment--;
  r->sequence = number_at(segment, path_end);
  if (!options.journey) return;
  if (path_end - path >= 5 && memcmp(path, "/form", 5) == 0) r->kind = FORM;
  if (path_end - path >= 7 && memcmp(path, "/submit", 7) == 0) r->kind = SUBMITTED;
}

/* read_request looks at the bytes of one connection: 1 a request is complete, 0 more bytes are needed. */
static int read_request(const char *bytes, size_t have, struct request *r) {
  const char *head_end = memmem(bytes, have, "\r\n\r\n", 4);
  *r = (struct request){.sequence = -1};
  if (!head_end) {
    if (have <= LARGEST_REQUEST) return 0;
    r->kind = TOO_LARGE, r->close = 1, r->length = have;
    return 1;
  }
  size_t body = 0;
  const char *line = bytes, *value;
  for (int first = 1; line < head_end + 2; first = 0) {
    const char *stop = memchr(line, '\r', head_end + 2 - line);
    if (!stop) stop = head_end;
    if (first) {
      read_request_line(line, stop, r);
    } else if ((*line | 32) == 'c') {
      if (NAMED("content-length")) body = (size_t)number_at(value, stop);
      if (NAMED("connection")) r->close = stop - value >= 5 && strncasecmp(value, "close", 5) == 0;
    } else if ((*line | 32) == 'i') {
      if (NAMED("idempotency-key")) r->sequence = number_at(value, stop);
    } else if ((*line | 32) == 't') {
      if (NAMED("transfer-encoding")) r->kind = NO_LENGTH;
    }
    line = stop + 2;
  }
  size_t head = head_end + 4 - bytes;
  if (body > LARGEST_REQUEST) r->kind = TOO_LARGE; /* a length that is no number is SIZE_MAX here */
  r->length = head + body;
  if (r->kind == BAD || r->kind == TOO_LARGE || r->kind == NO_LENGTH) {
    r->close = 1, r->length = have;
    return 1;
  }
  if (have < r->length) return 0;
  if (r->kind == SUBMITTED && !token_is_ours(bytes + head, body)) r->kind = REFUSED;
  return 1;
}

/* ---- connections ---- */

static void watch(int fd, int operation, uint32_t events) {
  struct epoll_event e = {.events = events, .data.fd = fd};
  if (epoll_ctl(epoll, operation, fd, &e) < 0) die("epoll_ctl");
}

static void close_connection(int fd) {
  struct connection *c = &connections[fd];
  free(c->rest), free(c->out);
  *c = (struct connection){.generation = c->generation + 1};
  close(fd);
  open_now--;
}

static void accept_all(void) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return; /* nobody there, or no descriptor free: the backlog keeps them */
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[fd].open = 1;
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    opened++;
    if (++open_now > most_open) most_open = open_now;
  }
}

/* send_bytes writes, keeps what the socket does not take, and closes where that was asked for. 0: the connection is gone. */
static int send_bytes(int fd, const char *bytes, size_t length) {
  struct connection *c = &connections[fd];
  size_t sent = 0;
  if (c->out_length == 0 && length > 0) {
    ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) {
      close_connection(fd);
      return 0;
    }
    sent = n < 0 ? 0 : (size_t)n;
  }
  if (sent < length) {
    c->out = realloc(c->out, c->out_length + length - sent);
    memcpy(c->out + c->out_length, bytes + sent, length - sent);
    c->out_length += length - sent;
    if (!c->writing) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    c->writing = 1;
  } else if (c->closing) {
    close_connection(fd);
    return 0;
  }
  return 1;
}

static void send_rest(int fd) {
  struct connection *c = &connections[fd];
  char *bytes = c->out;
  size_t length = c->out_length;
  c->out = NULL, c->out_length = 0, c->writing = 0;
  watch(fd, EPOLL_CTL_MOD, EPOLLIN);
  send_bytes(fd, bytes, length);
  free(bytes);
}

/* ---- the record ---- */

static size_t note(int64_t sequence, int64_t arrival, int64_t answer) {
  if (!first_arrival) first_arrival = arrival;
  answered++;
  if (!records) return 0;
  if (recorded == options.records) {
    unrecorded++;
    return recorded - 1;
  }
  records[recorded] = (struct record){sequence, arrival, answer};
  return recorded++;
}

static void hold(int fd, size_t record, int64_t arrival, const struct request *r, int64_t token) {
  if (held_count == held_size) {
    size_t size = held_size ? 2 * held_size : 4096;
    struct held *grown = malloc(size * sizeof *grown);
    for (size_t i = 0; i < held_count; i++) grown[i] = held[(held_first + i) % held_size];
    free(held);
    held = grown, held_size = size, held_first = 0;
  }
  held[(held_first + held_count++) % held_size] = (struct held){.due = arrival + options.hold,
                                                                 .fd = fd,
                                                                 .generation = connections[fd].generation,
                                                                 .record = record,
                                                                 .token = token,
                                                                 .kind = r->kind};
  if (held_count > most_held) most_held = held_count;
}

static void release_held(int64_t t) {
  char answer[512 + LARGEST_REQUEST];
  while (held_count > 0 && held[held_first].due <= t) {
    struct held h = held[held_first];
    held_first = (held_first + 1) % held_size, held_count--;
    if (connections[h.fd].generation != h.generation || !connections[h.fd].open) continue;
    if (records) records[h.record].answer = t;
    send_bytes(h.fd, answer, write_answer(answer, h.kind, h.token));
  }
}

/* ---- reading ---- */

static ssize_t receive(int fd, char *into, size_t room, int64_t *stamp) {
  if (!options.record_file) { /* nobody will read the stamp */
    *stamp = timed ? now() : 1;
    return recv(fd, into, room, MSG_DONTWAIT);
  }
  char control[128];
  struct iovec vector = {into, room};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
  *stamp = 0;
  if (n <= 0) return n;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec t;
      memcpy(&t, CMSG_DATA(c), sizeof t);
      *stamp = t.tv_sec * 1000000000LL + t.tv_nsec;
    }
  }
  return n;
}

static size_t unstamped;

/* answer_all answers the complete requests among the bytes and says how many bytes they took; SIZE_MAX: connection gone. */
static size_t answer_all(int fd, const char *bytes, size_t have, int64_t stamp) {
  static char out[READ_BUFFER + 512 + LARGEST_REQUEST];
  struct connection *c = &connections[fd];
  struct request r;
  size_t used = 0, filled = 0;
  int64_t t = options.record_file ? now() : stamp;
  if (!stamp) stamp = t, unstamped++;
  while (used < have && !c->closing && read_request(bytes + used, have - used, &r)) {
    used += r.length;
    c->closing = r.close;
    bad += r.kind == BAD || r.kind == TOO_LARGE || r.kind == NO_LENGTH;
    refused += r.kind == REFUSED;
    int64_t token = r.kind == FORM || r.kind == SUBMITTED ? ++tokens_given : 0;
    size_t record = note(r.sequence, stamp, t);
    if (options.hold) {
      hold(fd, record, stamp, &r, token);
      continue;
    }
    filled += write_answer(out + filled, r.kind, token);
    if (filled > READ_BUFFER) {
      if (!send_bytes(fd, out, filled)) return SIZE_MAX;
      filled = 0;
    }
  }
  if (filled > 0 && !send_bytes(fd, out, filled)) return SIZE_MAX;
  return used;
}

static void read_connection(int fd) {
  struct connection *c = &connections[fd];
  size_t have = c->rest_length;
  if (have > 0) memcpy(read_buffer, c->rest, have);
  int64_t stamp;
  ssize_t n = receive(fd, read_buffer + have, READ_BUFFER - have, &stamp);
  if (n <= 0) {
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) close_connection(fd);
    return;
  }
  have += n;
  size_t used = answer_all(fd, read_buffer, have, stamp);
  if (used == SIZE_MAX) return;
  c->rest_length = have - used;
  if (c->rest_length == 0) return;
  c->rest = realloc(c->rest, c->rest_length);
  memcpy(c->rest, read_buffer + used, c->rest_length);
}

/* ---- the loop ---- */

static void sleep_until(int64_t t) {
  struct timespec until = {t / 1000000000LL, t % 1000000000LL};
  while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == EINTR && !ending) {
  }
}

static void stall_if_due(int64_t t) {
  if (!options.stall_for || stalled_from || !first_arrival || t < first_arrival + options.stall_at) return;
  stalled_from = t;
  sleep_until(first_arrival + options.stall_at + options.stall_for);
  stalled_to = now();
}

/* pause_until_due is how long epoll may sleep: until the stall begins or the next held answer is due; NULL: for ever. */
static struct timespec *pause_until_due(int64_t t, struct timespec *room) {
  int64_t due = INT64_MAX;
  if (held_count > 0) due = held[held_first].due;
  if (options.stall_for && !stalled_from && first_arrival && first_arrival + options.stall_at < due)
    due = first_arrival + options.stall_at;
  if (due == INT64_MAX) return NULL;
  int64_t left = due > t ? due - t : 0;
  *room = (struct timespec){left / 1000000000LL, left % 1000000000LL};
  return room;
}

static void serve(void) {
  struct epoll_event events[EVENTS];
  struct timespec room;
  while (!ending) {
    int64_t t = timed ? now() : 0;
    if (timed) stall_if_due(t), release_held(t);
    int n = syscall(SYS_epoll_pwait2, epoll, events, EVENTS, timed ? pause_until_due(t, &room) : NULL, NULL, 0);
    if (n < 0 && errno != EINTR) die("epoll_pwait2");
    for (int i = 0; i < n && !ending; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        accept_all();
      } else if (fd == STDIN_FILENO) {
        char c;
        if (read(STDIN_FILENO, &c, 1) <= 0) ending = 1;
      } else if (connections[fd].open) {
        if (events[i].events & EPOLLOUT) send_rest(fd);
        if (connections[fd].open && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_connection(fd);
      }
    }
  }
}

static void listen_on_loopback(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int on = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  /* accepted sockets inherit the option; the throughput runs, which record nothing, are spared its cost */
  if (options.record_file && setsockopt(listener, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) die("SO_TIMESTAMPNS");
  if (bind(listener, (struct sockaddr *)&address, length) < 0) die("bind");
  if (listen(listener, 1 << 16) < 0) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
}

static void write_record(void) {
  FILE *f = fopen(options.record_file, "wb");
  if (!f) die(options.record_file);
  if (fwrite(records, sizeof *records, recorded, f) != recorded || fclose(f) != 0) die(options.record_file);
}

static void usage(void) {
  fputs("sink [--port N] [--body BYTES] [--journey] [--hold SECONDS] [--stall-at S --stall-for S]\n"
        "     [--record FILE] [--records MOST]\n", stderr);
  exit(2);
}

static void read_options(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *name = argv[i];
    if (strcmp(name, "--journey") == 0) {
      options.journey = 1;
      continue;
    }
    char *value = i + 1 < argc ? argv[++i] : NULL;
    if (!value) usage();
    if (strcmp(name, "--port") == 0) options.port = atoi(value);
    else if (strcmp(name, "--body") == 0) options.body = strtoul(value, NULL, 10);
    else if (strcmp(name, "--hold") == 0) options.hold = (int64_t)(atof(value) * 1e9);
    else if (strcmp(name, "--stall-at") == 0) options.stall_at = (int64_t)(atof(value) * 1e9);
    else if (strcmp(name, "--stall-for") == 0) options.stall_for = (int64_t)(atof(value) * 1e9);
    else if (strcmp(name, "--record") == 0) options.record_file = value;
    else if (strcmp(name, "--records") == 0) options.records = strtoul(value, NULL, 10);
    else usage();
  }
  if (options.body > LARGEST_REQUEST || options.records == 0) usage();
  timed = options.stall_for > 0 || options.hold > 0;
}

static void make_room(void) {
  struct rlimit descriptors;
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);
  limit_of_descriptors = descriptors.rlim_max > 1 << 20 ? 1 << 20 : (int)descriptors.rlim_max;
  connections = calloc(limit_of_descriptors, sizeof *connections);
  if (options.record_file) /* untouched pages cost nothing */
    records = mmap(NULL, options.records * sizeof *records, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (records == MAP_FAILED || !connections) die("memory");
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  make_answers();
  make_room();
  signal(SIGPIPE, SIG_IGN);
  struct sigaction stop = {.sa_handler = end};
  sigaction(SIGTERM, &stop, NULL), sigaction(SIGINT, &stop, NULL);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event in = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
  epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &in); /* a file or /dev/null cannot be watched: then signals end it */
  listen_on_loopback();
  serve();
  if (options.record_file) write_record();
  printf("{\"answered\":%zu,\"recorded\":%zu,\"unrecorded\":%zu,\"unstamped\":%zu,\"bad\":%zu,\"refused\":%zu,\"connections\":%zu,"
         "\"most_open\":%zu,\"most_held\":%zu,\"first_ns\":%lld,\"stalled_from_ns\":%lld,\"stalled_to_ns\":%lld}\n",
         answered, recorded, unrecorded, unstamped, bad, refused, opened, most_open, most_held, (long long)first_arrival,
         (long long)stalled_from, (long long)stalled_to);
  return 0;
}
