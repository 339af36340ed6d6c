/*
 * The least that a program can do to write, read and watch the kernel's IPv4 table: what the dataplane is measured
 * against, and what it is measured with. It keeps no state, compares nothing, and believes that nobody else writes.
 *
 *   netlink write FILE add|replace|delete via ADDRESS LINK | nhid ID   one route for each prefix of FILE
 *   netlink dump                                                       reads all routes, and each attribute of them
 *   netlink settle FILE present|absent COUNT                           until they are there, and COUNT in all
 *   netlink moved FILE ADDRESS                                         until each prefix leads to that gateway
 *   netlink down FILE LINK ADDRESS                                     takes LINK down, then as `moved`
 *   netlink restore FILE                                               deletes each, one after the other, until back
 *
 * FILE has five octets a prefix: its length, its network. Each prints one line of JSON: `ms` it took, `at` which time
 * of CLOCK_MONOTONIC in ms it was done, `count` of routes, `cpuMs` of its own. Needs CAP_NET_ADMIN; acts on the main
 * table of its namespace.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  BATCH_OCTETS = 131072,
  READ_OCTETS = 1 << 18,
  ATTRIBUTE_OCTETS_MAX = 64,
  PROTOCOL = 99,
  METRIC = 1024,
  PATIENCE_MS = 60000,
  RESTORE_PATIENCE_MS = 2000,
  POLL_US = 100,
};

struct prefix {
  unsigned char length;
  unsigned char network[4];
};

struct request {
  struct nlmsghdr header;
  struct rtmsg route;
  char attributes[ATTRIBUTE_OCTETS_MAX];
};

static unsigned sequence;
static char answers[READ_OCTETS];

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/* Processor time that this process has used, in ms. */
static double used(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  long seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
  return seconds * 1e3 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static int open_netlink(unsigned groups) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  struct sockaddr_nl local = {.nl_family = AF_NETLINK, .nl_groups = groups};
  int octets = 8 << 20, yes = 1;
  if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0) fail("netlink");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof octets);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof octets);
  setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof yes);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
  return fd;
}

static struct prefix *read_prefixes(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(path);
  fseek(file, 0, SEEK_END);
  *count = ftell(file) / sizeof(struct prefix);
  rewind(file);
  struct prefix *all = malloc(*count * sizeof *all + 1);
  if (fread(all, sizeof *all, *count, file) != *count) fail(path);
  fclose(file);
  return all;
}

static void put(struct request *request, unsigned short type, const void *value) {
  char *at = request->attributes + request->header.nlmsg_len - NLMSG_LENGTH(sizeof request->route);
  struct rtattr head = {.rta_type = type, .rta_len = RTA_LENGTH(4)};
  memcpy(at, &head, sizeof head);
  memcpy(at + sizeof head, value, 4);
  request->header.nlmsg_len += head.rta_len;
}

/* Begins a message about `prefix`. */
static void begin(struct request *request, unsigned short type, unsigned short flags, const struct prefix *prefix) {
  request->header = (struct nlmsghdr){
    .nlmsg_len = NLMSG_LENGTH(sizeof request->route),
    .nlmsg_type = type,
    .nlmsg_flags = NLM_F_REQUEST | flags,
    .nlmsg_seq = ++sequence,
  };
  request->route = (struct rtmsg){.rtm_family = AF_INET, .rtm_dst_len = prefix->length};
  put(request, RTA_DST, prefix->network);
}

/* Sends some messages, and waits for the answer to the last: the kernel does them in order. */
static int transact(int fd, const void *messages, size_t octets, unsigned last) {
  int refused = 0;
  if (send(fd, messages, octets, 0) < 0) fail("send");
  for (;;) {
    ssize_t length = recv(fd, answers, sizeof answers, 0);
    if (length < 0) fail("recv");
    for (struct nlmsghdr *each = (struct nlmsghdr *)answers; NLMSG_OK(each, length); each = NLMSG_NEXT(each, length)) {
      if (each->nlmsg_type != NLMSG_ERROR) continue;
      refused += ((struct nlmsgerr *)NLMSG_DATA(each))->error != 0;
      if (each->nlmsg_seq == last) return refused;
    }
  }
}

/* Where routes are to lead: through a nexthop object, or through a gateway on a link. */
struct way {
  unsigned id;
  struct in_addr gateway;
  unsigned link;
};

static struct way parse_way(char **words) {
  struct way way = {0};
  if (strcmp(words[0], "nhid") == 0) {
    way.id = atoi(words[1]);
  } else {
    inet_aton(words[1], &way.gateway);
    way.link = if_nametoindex(words[2]);
  }
  return way;
}

static void write_routes(const char *path, const char *verb, char **words) {
  static char batch[BATCH_OCTETS];
  size_t count;
  struct prefix *all = read_prefixes(path, &count);
  int fd = open_netlink(0), refused = 0, delete = strcmp(verb, "delete") == 0;
  unsigned short flags = strcmp(verb, "add") == 0 ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_CREATE | NLM_F_REPLACE;
  unsigned metric = METRIC;
  struct way way = delete ? (struct way){0} : parse_way(words);
  double start = now(), idle = used();
  for (size_t at = 0; at < count;) {
    size_t octets = 0;
    struct request *request = NULL;
    for (; at < count && octets + sizeof *request <= sizeof batch; at++) {
      request = (struct request *)(batch + octets);
      begin(request, delete ? RTM_DELROUTE : RTM_NEWROUTE, delete ? 0 : flags, &all[at]);
      request->route.rtm_table = RT_TABLE_MAIN;
      request->route.rtm_protocol = PROTOCOL;
      request->route.rtm_type = RTN_UNICAST;
      request->route.rtm_scope = delete ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE;
      put(request, RTA_PRIORITY, &metric);
      if (way.id != 0) put(request, RTA_NH_ID, &way.id);
      if (way.link != 0) {
        put(request, RTA_GATEWAY, &way.gateway);
        put(request, RTA_OIF, &way.link);
      }
      octets += request->header.nlmsg_len;
    }
    request->header.nlmsg_flags |= NLM_F_ACK;
    refused += transact(fd, batch, octets, sequence);
  }
  double end = now(), busy = used() - idle;
  if (refused > 0) fprintf(stderr, "%d of %zu routes were refused\n", refused, count);
  printf("{\"ms\":%.3f,\"at\":%.3f,\"count\":%zu,\"cpuMs\":%.3f}\n", end - start, end, count, busy);
  exit(refused > 0);
}

static void dump(void) {
  struct prefix any = {0};
  struct request request;
  int fd = open_netlink(0), done = 0;
  size_t count = 0;
  unsigned long sum = 0;
  double start = now(), idle = used();
  begin(&request, RTM_GETROUTE, NLM_F_DUMP, &any);
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.route);
  request.route.rtm_table = RT_TABLE_MAIN;
  if (send(fd, &request, request.header.nlmsg_len, 0) < 0) fail("send");
  while (!done) {
    ssize_t length = recv(fd, answers, sizeof answers, 0);
    if (length < 0) fail("recv");
    for (struct nlmsghdr *each = (struct nlmsghdr *)answers; NLMSG_OK(each, length); each = NLMSG_NEXT(each, length)) {
      if (each->nlmsg_type == NLMSG_ERROR) fail("dump");
      if (each->nlmsg_type == NLMSG_DONE) done = 1;
      if (each->nlmsg_type != RTM_NEWROUTE) continue;
      int left = RTM_PAYLOAD(each);
      for (struct rtattr *one = RTM_RTA(NLMSG_DATA(each)); RTA_OK(one, left); one = RTA_NEXT(one, left))
        sum += one->rta_type + *(unsigned char *)RTA_DATA(one);
      count++;
    }
  }
  double end = now(), busy = used() - idle;
  /* what was read is used: nothing of the reading can be left out */
  printf("{\"ms\":%.3f,\"at\":%.3f,\"count\":%zu,\"cpuMs\":%.3f,\"sum\":%lu}\n", end - start, end, count, busy, sum);
}

/* The route of one address: the entry itself, or where a packet would go. NULL where there is none. */
static struct nlmsghdr *look_up(int fd, const struct prefix *prefix, unsigned flags) {
  struct request request;
  struct prefix host = *prefix;
  host.length = 32;
  begin(&request, RTM_GETROUTE, 0, &host);
  request.route.rtm_flags = flags;
  if (send(fd, &request, request.header.nlmsg_len, 0) < 0) fail("send");
  if (recv(fd, answers, sizeof answers, 0) < 0) fail("recv");
  struct nlmsghdr *header = (struct nlmsghdr *)answers;
  return header->nlmsg_type == RTM_NEWROUTE ? header : NULL;
}

static int is_there(int fd, const struct prefix *prefix) {
  struct nlmsghdr *found = look_up(fd, prefix, RTM_F_FIB_MATCH);
  return found != NULL && ((struct rtmsg *)NLMSG_DATA(found))->rtm_dst_len == prefix->length;
}

static int leads_to(int fd, const struct prefix *prefix, struct in_addr gateway) {
  struct nlmsghdr *found = look_up(fd, prefix, 0);
  if (found == NULL) return 0;
  int left = RTM_PAYLOAD(found);
  for (struct rtattr *one = RTM_RTA(NLMSG_DATA(found)); RTA_OK(one, left); one = RTA_NEXT(one, left))
    if (one->rta_type == RTA_GATEWAY) return memcmp(RTA_DATA(one), &gateway, sizeof gateway) == 0;
  return 0;
}

/* How many routes the main table has. Walks all of it: asked only when it may be as wanted. */
static size_t count_routes(void) {
  char line[256];
  int inside = 0;
  size_t count = 0;
  FILE *file = fopen("/proc/self/net/fib_triestat", "r");
  if (file == NULL) fail("fib_triestat");
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "Main:", 5) == 0) inside = 1;
    if (inside && sscanf(line, " Prefixes: %zu", &count) == 1) break;
  }
  fclose(file);
  return count;
}

static void patience(double since) {
  if (now() - since < PATIENCE_MS) {
    usleep(POLL_US);
    return;
  }
  fprintf(stderr, "it is not as wanted after %d ms\n", PATIENCE_MS);
  exit(1);
}

static void settle(const char *path, int present, size_t wanted) {
  size_t count;
  struct prefix *all = read_prefixes(path, &count);
  int fd = open_netlink(0);
  double start = now();
  for (size_t at = 0; at < count; at++)
    while (is_there(fd, &all[at]) != present) patience(start);
  while (count_routes() != wanted) patience(start);
  double end = now();
  printf("{\"ms\":%.3f,\"at\":%.3f,\"count\":%zu}\n", end - start, end, wanted);
}

/* Waits until all lead to `gateway`, each looked at again in the end: one that came back is not there. */
static void wait_moved(const struct prefix *all, size_t count, struct in_addr gateway, double start) {
  int fd = open_netlink(0), moved = 0;
  double end = start;
  while (!moved) {
    for (size_t at = 0; at < count; at++)
      while (!leads_to(fd, &all[at], gateway)) patience(start);
    end = now();
    moved = 1;
    for (size_t at = 0; at < count; at++) moved &= leads_to(fd, &all[at], gateway);
  }
  printf("{\"ms\":%.3f,\"at\":%.3f,\"count\":%zu}\n", end - start, end, count);
}

static void take_down(const char *name) {
  struct ifreq request = {0};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) fail(name);
  request.ifr_flags &= ~IFF_UP;
  if (ioctl(fd, SIOCSIFFLAGS, &request) < 0) fail(name);
}

/* Deletes a route, and waits until somebody tells that it is there again. Answers the time, or -1. */
static double restore_one(int fd, int events, const struct prefix *prefix) {
  struct request request;
  struct pollfd ready = {.fd = events, .events = POLLIN};
  begin(&request, RTM_DELROUTE, NLM_F_ACK, prefix);
  request.route.rtm_table = RT_TABLE_MAIN;
  request.route.rtm_scope = RT_SCOPE_NOWHERE;
  double start = now();
  if (transact(fd, &request, request.header.nlmsg_len, sequence) > 0) return -1;
  for (;;) {
    double left = RESTORE_PATIENCE_MS - (now() - start);
    if (left <= 0 || poll(&ready, 1, (int)left + 1) <= 0) return -1;
    ssize_t length = recv(events, answers, sizeof answers, 0);
    double end = now();
    for (struct nlmsghdr *each = (struct nlmsghdr *)answers; NLMSG_OK(each, length); each = NLMSG_NEXT(each, length)) {
      if (each->nlmsg_type != RTM_NEWROUTE) continue;
      struct rtmsg *route = NLMSG_DATA(each);
      if (route->rtm_dst_len != prefix->length || route->rtm_table != RT_TABLE_MAIN) continue;
      int rest = RTM_PAYLOAD(each);
      for (struct rtattr *one = RTM_RTA(route); RTA_OK(one, rest); one = RTA_NEXT(one, rest))
        if (one->rta_type == RTA_DST && memcmp(RTA_DATA(one), prefix->network, 4) == 0) return end - start;
    }
  }
}

static void restore(const char *path) {
  size_t count, lost = 0;
  struct prefix *all = read_prefixes(path, &count);
  int fd = open_netlink(0), events = open_netlink(RTMGRP_IPV4_ROUTE);
  printf("{\"samples\":[");
  for (size_t at = 0; at < count; at++) {
    double ms = restore_one(fd, events, &all[at]);
    if (ms < 0) lost++;
    else printf("%s%.3f", at == lost ? "" : ",", ms);
    /* one that never comes back is as long as all the others */
    if (lost > 2) break;
    usleep(5000);
  }
  printf("],\"lost\":%zu,\"count\":%zu}\n", lost, count);
}

int main(int words, char **word) {
  struct in_addr gateway;
  size_t count;
  if (words >= 5 && strcmp(word[1], "write") == 0) write_routes(word[2], word[3], word + 4);
  else if (words >= 4 && strcmp(word[1], "write") == 0) write_routes(word[2], word[3], NULL);
  else if (words == 2 && strcmp(word[1], "dump") == 0) dump();
  else if (words == 5 && strcmp(word[1], "settle") == 0)
    settle(word[2], strcmp(word[3], "present") == 0, strtoul(word[4], NULL, 10));
  else if (words == 3 && strcmp(word[1], "restore") == 0) restore(word[2]);
  else if (words == 4 && strcmp(word[1], "moved") == 0 && inet_aton(word[3], &gateway)) {
    struct prefix *all = read_prefixes(word[2], &count);
    wait_moved(all, count, gateway, now());
  } else if (words == 5 && strcmp(word[1], "down") == 0 && inet_aton(word[4], &gateway)) {
    struct prefix *all = read_prefixes(word[2], &count);
    double start = now();
    take_down(word[3]);
    wait_moved(all, count, gateway, start);
  } else {
    fprintf(stderr, "usage: netlink write|dump|settle|moved|down|restore ...\n");
    return 2;
  }
  return 0;
}
