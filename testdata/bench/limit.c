/* limit: what this machine allows an HTTP load generator to do, as a yardstick for the others.
 *
 * One thread, one epoll set, one request prepared beforehand, and of the answers only the first is looked at: all later
 * ones must have its length. Nothing a real generator needs (templates, parsing, checks, time-outs, TLS) is here, so
 * what this program reaches is out of reach for one that is honest about them.
 *
 * Without --rate the loop is closed: every connection sends its next request when the answer to the last has come.
 * With --rate it is open: request k is due at start + k/rate (or at the k-th point of a Poisson process with --process
 * poisson), and the program wakes up for every single one: epoll_pwait2 with a timer slack of 1 ns, or, with --spin,
 * without ever sleeping. A request that finds no free connection waits, in order of due, while connections are opened up
 * to --most; that wait is part of its response time.
 *
 * response = answer complete - due, service = answer complete - written, lateness = written - due; closed loops know
 * only the service time, and there the response is the same number. One line of JSON on stdout, times in µs, start_ns
 * in nanoseconds of CLOCK_REALTIME.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, READ_BUFFER = 64 << 10 };

struct options {
  int port, connections, most, poisson, spin;
  double rate, seconds, drain;
  uint64_t seed;
  const char *path, *method;
  size_t body;
};

enum state { CONNECTING, FREE, BUSY };

struct connection {
  int fd;
  enum state state;
  size_t received;
  int64_t due, sent;
};

/* ---- histogram: 1,024 equal cells in each power of two of nanoseconds, so 0.1 % wide at most ---- */

enum { BITS = 10, CELLS = (64 - BITS) << BITS };

struct histogram {
  uint64_t count;
  int64_t most;
  uint64_t cells[CELLS];
};

static void add(struct histogram *h, int64_t ns) {
  if (ns < 0) ns = 0;
  if (ns > h->most) h->most = ns;
  h->count++;
  int shift = ns < 1 << BITS ? 0 : 63 - __builtin_clzll(ns) - BITS;
  h->cells[((uint64_t)shift << BITS) + ((uint64_t)ns >> shift)]++;
}

/* quantile is the upper end of the cell that holds the ceil(q·count)-th smallest value. */
static double quantile(const struct histogram *h, double q) {
  uint64_t rank = (uint64_t)ceil(q * h->count), seen = 0;
  for (uint64_t i = 0; i < CELLS && rank > 0; i++) {
    seen += h->cells[i];
    if (seen < rank) continue;
    if (i < 2 << BITS) return i / 1e3; /* the first two powers have cells of 1 ns */
    int shift = (int)(i >> BITS) - 1;
    int64_t top = (int64_t)(((i & ((1 << BITS) - 1)) + (1 << BITS) + 1) << shift) - 1;
    return (top < h->most ? top : h->most) / 1e3;
  }
  return 0;
}

static void print_times(const char *name, const struct histogram *h) {
  printf(",\"%s\":{\"p50_us\":%.1f,\"p90_us\":%.1f,\"p95_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}", name,
         quantile(h, .50), quantile(h, .90), quantile(h, .95), quantile(h, .99), quantile(h, .999), h->most / 1e3);
}

/* ---- the run ---- */

static struct options options = {.connections = 64, .seconds = 10, .drain = 10, .seed = 1, .path = "/", .method = "GET"};
static struct connection *connections;
static int opened, connecting, epoll, free_count, *free_list;
static char *request;
static size_t request_length, answer_length;
static char read_buffer[READ_BUFFER];
static struct histogram response, service, lateness;
static uint64_t completed, failed, in_flight;
static struct sockaddr_in target;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void open_connection(int wait) {
  int index = opened++;
  struct connection *c = &connections[index];
  int on = 1;
  *c = (struct connection){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0)};
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(c->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS) die("connect");
  struct epoll_event e = {.events = wait ? EPOLLIN : EPOLLIN | EPOLLOUT, .data.u32 = index};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) < 0) die("epoll_ctl");
  if (wait) {
    c->state = FREE;
    free_list[free_count++] = index;
  } else {
    c->state = CONNECTING;
    connecting++;
  }
}

static void connected(int index) {
  struct epoll_event e = {.events = EPOLLIN, .data.u32 = index};
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, connections[index].fd, &e) < 0) die("epoll_ctl");
  connections[index].state = FREE;
  connecting--;
  free_list[free_count++] = index;
}

/* fire writes the request; a request always fits into an empty socket buffer. */
static void fire(int index, int64_t due, int64_t t) {
  struct connection *c = &connections[index];
  if (send(c->fd, request, request_length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)request_length) die("send");
  c->state = BUSY, c->due = due, c->sent = t, c->received = 0;
  in_flight++;
}

/* learn_length finds the length of the first answer, which all others must have. */
static void learn_length(const char *bytes, size_t have) {
  const char *end = memmem(bytes, have, "\r\n\r\n", 4);
  const char *field = end ? memmem(bytes, end - bytes, "\r\nContent-Length:", 17) : NULL;
  if (!field) fputs("limit: the first answer must come whole and with a Content-Length\n", stderr), exit(1);
  answer_length = (end + 4 - bytes) + strtoul(field + 17, NULL, 10);
}

/* receive reads what has come; 1: the answer is complete. */
static int receive(int index) {
  struct connection *c = &connections[index];
  ssize_t n = recv(c->fd, read_buffer, READ_BUFFER, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0 || c->state != BUSY) fputs("limit: the server closed a connection or spoke unasked\n", stderr), exit(1);
  if (answer_length == 0) learn_length(read_buffer, n);
  c->received += n;
  if (c->received < answer_length) return 0;
  failed += c->received > answer_length || memcmp(read_buffer, "HTTP/1.1 2", n < 10 ? n : 10) != 0;
  completed++;
  in_flight--;
  return 1;
}

static int wait_for_events(struct epoll_event *events, int64_t pause) {
  struct timespec room = {pause / 1000000000LL, pause % 1000000000LL};
  int n = syscall(SYS_epoll_pwait2, epoll, events, EVENTS, &room, NULL, 0);
  if (n < 0 && errno != EINTR) die("epoll_pwait2");
  return n < 0 ? 0 : n;
}

static void run_closed(int64_t start, int64_t stop) {
  struct epoll_event events[EVENTS];
  while (free_count > 0) fire(free_list[--free_count], start, now());
  for (;;) {
    int n = wait_for_events(events, 100000000);
    for (int i = 0; i < n; i++) {
      int index = events[i].data.u32;
      if (!receive(index)) continue;
      int64_t t = now();
      if (t >= stop) return;
      add(&service, t - connections[index].sent);
      fire(index, t, t);
    }
    if (n == 0 && now() >= stop) return;
  }
}

/* ---- the schedule ---- */

static uint64_t random_state;

static double uniform(void) { /* SplitMix64 (G. Steele, D. Lea, C. Flood, 2014), 53 bits, never 0 */
  uint64_t z = random_state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return ((z ^ z >> 31) >> 11) * 0x1p-53 + 0x1p-54;
}

static uint64_t planned;
static double poisson_at;

/* next_due is the due time of request k, counted from the start in ns; asked for once for each k, in order. */
static int64_t next_due(uint64_t k) {
  if (!options.poisson) return (int64_t)(k * 1e9 / options.rate);
  poisson_at -= log(uniform()) / options.rate * 1e9;
  return (int64_t)poisson_at;
}

static void run_open(int64_t start) {
  struct epoll_event events[EVENTS];
  uint64_t k = 0;
  int64_t due = start + next_due(0), give_up = start + (int64_t)((options.seconds + options.drain) * 1e9);
  for (;;) {
    int64_t t = now();
    while (k < planned && due <= t && free_count > 0) {
      fire(free_list[--free_count], due, t);
      add(&lateness, t - due);
      if (++k < planned) due = start + next_due(k);
      t = now();
    }
    uint64_t waiting = 0; /* a lower bound of how many are due and without a connection */
    if (k < planned && due <= t) waiting = options.poisson ? 1 : 1 + (uint64_t)((t - due) / 1e9 * options.rate);
    for (; waiting > (uint64_t)connecting && opened < options.most;) open_connection(0);
    if ((k == planned && in_flight == 0) || t > give_up) return;
    int64_t pause = k < planned && due > t ? due - t : 100000000;
    int n = wait_for_events(events, options.spin ? 0 : pause);
    for (int i = 0; i < n; i++) {
      int index = events[i].data.u32;
      struct connection *c = &connections[index];
      if (c->state == CONNECTING) {
        connected(index);
        continue;
      }
      if (!receive(index)) continue;
      t = now();
      add(&service, t - c->sent), add(&response, t - c->due);
      c->state = FREE;
      free_list[free_count++] = index;
    }
  }
}

/* ---- around it ---- */

static void make_request(void) {
  request = malloc(512 + options.body);
  request_length = sprintf(request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", options.method, options.path, options.port);
  if (options.body > 0) request_length += sprintf(request + request_length, "Content-Length: %zu\r\n", options.body);
  request_length += sprintf(request + request_length, "\r\n");
  memset(request + request_length, 'b', options.body);
  request_length += options.body;
}

static void usage(void) {
  fputs("limit --port N [--path P] [--method M] [--body BYTES] [--for SECONDS] [--connections C]\n"
        "      [--rate R [--process uniform|poisson] [--seed N] [--most C] [--spin] [--drain SECONDS]]\n", stderr);
  exit(2);
}

static void read_options(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *name = argv[i];
    if (strcmp(name, "--spin") == 0) {
      options.spin = 1;
      continue;
    }
    char *value = i + 1 < argc ? argv[++i] : NULL;
    if (!value) usage();
    if (strcmp(name, "--port") == 0) options.port = atoi(value);
    else if (strcmp(name, "--path") == 0) options.path = value;
    else if (strcmp(name, "--method") == 0) options.method = value;
    else if (strcmp(name, "--body") == 0) options.body = strtoul(value, NULL, 10);
    else if (strcmp(name, "--for") == 0) options.seconds = atof(value);
    else if (strcmp(name, "--drain") == 0) options.drain = atof(value);
    else if (strcmp(name, "--connections") == 0) options.connections = atoi(value);
    else if (strcmp(name, "--most") == 0) options.most = atoi(value);
    else if (strcmp(name, "--rate") == 0) options.rate = atof(value);
    else if (strcmp(name, "--seed") == 0) options.seed = strtoull(value, NULL, 10);
    else if (strcmp(name, "--process") == 0) options.poisson = strcmp(value, "poisson") == 0;
    else usage();
  }
  if (options.port == 0 || options.seconds <= 0 || options.connections < 1 || strlen(options.path) > 256) usage();
  if (options.most < options.connections) options.most = options.connections;
}

static void make_room(void) {
  struct rlimit descriptors;
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);
  connections = calloc(options.most, sizeof *connections);
  free_list = calloc(options.most, sizeof *free_list);
  if (!connections || !free_list) die("memory");
}

static void print_result(int64_t start_real, double elapsed) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  uint64_t unsent = options.rate > 0 ? planned - completed - in_flight : 0;
  if (options.rate == 0) response = service;
  printf("{\"completed\":%llu,\"failed\":%llu,\"unanswered\":%llu,\"unsent\":%llu,\"start_ns\":%lld,\"elapsed_s\":%.3f,"
         "\"per_second\":%.1f,\"connections\":%d,\"cpu_us_per_request\":%.2f,\"peak_rss_kb\":%ld",
         (unsigned long long)completed, (unsigned long long)failed, (unsigned long long)(options.rate > 0 ? in_flight : 0),
         (unsigned long long)unsent, (long long)start_real, elapsed, completed / elapsed, opened,
         completed ? cpu * 1e6 / completed : 0, used.ru_maxrss);
  print_times("response", &response);
  print_times("service", &service);
  print_times("lateness", &lateness);
  puts("}");
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  make_room();
  make_request();
  prctl(PR_SET_TIMERSLACK, 1);
  target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  epoll = epoll_create1(EPOLL_CLOEXEC);
  random_state = options.seed;
  planned = (uint64_t)(options.rate * options.seconds);
  for (int i = 0; i < options.connections; i++) open_connection(1);
  struct timespec real;
  clock_gettime(CLOCK_REALTIME, &real);
  int64_t lead = options.rate > 0 ? 10000000 : 0, start = now() + lead; /* an open loop begins rested */
  if (options.rate > 0) run_open(start);
  else run_closed(start, start + (int64_t)(options.seconds * 1e9));
  print_result(real.tv_sec * 1000000000LL + real.tv_nsec + lead, (now() - start) / 1e9);
  return failed > 0;
}
