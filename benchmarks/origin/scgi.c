/*
 * The SCGI origin in C: one process, one epoll loop, replies made beforehand. It is so cheap that a gateway in front of it is the only
 * bottleneck. argv: a directory with one file for each reply, head included, named as the last part of the path; the path of the unix
 * socket. It listens there and on a TCP port, and prints { "port": n }. A gateway that offers to keep the connection (SCGI_KEEPALIVE)
 * gets the reply with the same name and ".keepalive" where there is one, and the connection stays.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD 65536
#define MOST 64

struct reply { char name[64]; char *bytes; size_t length; };
struct client { int fd; int waits; int stays; size_t got, held, expected, sent; const struct reply *reply; char head[HEAD]; };

static struct reply replies[MOST];
static int known;
static const char missing[] = "Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n";
static const struct reply notFound = { "", (char *) missing, sizeof missing - 1 };

static void check(int result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static void load(const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL) check(-1, path);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL && known < MOST;) {
    struct reply *reply = &replies[known];
    if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof reply->name) continue;
    char name[4096];
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    FILE *file = fopen(name, "rb");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) < 0) check(-1, name);
    strcpy(reply->name, entry->d_name);
    reply->length = (size_t) status.st_size;
    reply->bytes = malloc(reply->length + 1);
    if (fread(reply->bytes, 1, reply->length, file) != reply->length) check(-1, name);
    fclose(file);
    known++;
  }
  closedir(directory);
}

static const char *parameter(const struct client *client, size_t from, size_t to, const char *wanted) {
  while (from < to) {
    const char *name = client->head + from;
    const char *value = name + strlen(name) + 1;
    if (strcmp(name, wanted) == 0) return value;
    from = (size_t) (value + strlen(value) + 1 - client->head);
  }
  return "";
}

static const struct reply *find(const char *name) {
  for (int i = 0; i < known; i++) if (strcmp(replies[i].name, name) == 0) return &replies[i];
  return NULL;
}

/* The netstring is there: what it asks for, and where the request ends. */
static void understand(struct client *client) {
  const char *colon = memchr(client->head, ':', client->held);
  if (colon == NULL) return;
  size_t from = (size_t) (colon + 1 - client->head), to = from + strtoul(client->head, NULL, 10);
  if (to + 1 > client->held) return;
  client->head[to] = 0;
  client->expected = to + 1 + strtoul(parameter(client, from, to, "CONTENT_LENGTH"), NULL, 10);
  const char *path = parameter(client, from, to, "REQUEST_URI");
  size_t length = strcspn(path, "?");
  for (const char *slash; (slash = memchr(path, '/', length)) != NULL; path = slash + 1) length -= (size_t) (slash + 1 - path);
  char name[64];
  client->reply = &notFound;
  client->stays = 0;
  if (length + sizeof ".keepalive" > sizeof name) return;
  memcpy(name, path, length);
  strcpy(name + length, ".keepalive");
  const struct reply *kept = find(name);
  name[length] = 0;
  const struct reply *closed = find(name);
  client->stays = kept != NULL && strcmp(parameter(client, from, to, "SCGI_KEEPALIVE"), "1") == 0;
  if (closed != NULL) client->reply = client->stays ? kept : closed;
}

/* False when the client is done with. */
static int answer(int loop, struct client *client) {
  while (client->sent < client->reply->length) {
    ssize_t bytes = send(client->fd, client->reply->bytes + client->sent, client->reply->length - client->sent, MSG_NOSIGNAL);
    if (bytes < 0) {
      if (errno != EAGAIN) return 0;
      struct epoll_event event = { .events = EPOLLOUT, .data.ptr = client };
      if (!client->waits) epoll_ctl(loop, EPOLL_CTL_MOD, client->fd, &event);
      client->waits = 1;
      return 1;
    }
    client->sent += (size_t) bytes;
  }
  if (!client->stays) return 0;
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
  if (client->waits) epoll_ctl(loop, EPOLL_CTL_MOD, client->fd, &event);
  client->waits = 0;
  client->reply = NULL;
  client->got = client->held = client->expected = client->sent = 0;
  return 1;
}

static int serve(int loop, struct client *client) {
  static char body[262144];
  while (client->reply == NULL || client->got < client->expected) {
    int isHead = client->reply == NULL;
    if (isHead && client->held == HEAD - 1) return 0;
    ssize_t bytes = isHead
      ? recv(client->fd, client->head + client->held, HEAD - 1 - client->held, 0)
      : recv(client->fd, body, sizeof body, 0);
    if (bytes < 0) return errno == EAGAIN;
    if (bytes == 0) return 0;
    client->got += (size_t) bytes;
    if (!isHead) continue;
    client->held += (size_t) bytes;
    understand(client);
  }
  return answer(loop, client);
}

static int listenAt(struct sockaddr *address, socklen_t length) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  check(fd, "socket");
  check(bind(fd, address, length), "bind");
  check(listen(fd, 4096), "listen");
  return fd;
}

int main(int count, char **values) {
  if (count != 3) return 2;
  load(values[1]);
  struct sockaddr_un local = { .sun_family = AF_UNIX };
  strncpy(local.sun_path, values[2], sizeof local.sun_path - 1);
  struct sockaddr_in remote = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  struct client listeners[2];
  listeners[0].fd = listenAt((struct sockaddr *) &local, sizeof local);
  check(chmod(values[2], 0777), "chmod");
  listeners[1].fd = listenAt((struct sockaddr *) &remote, sizeof remote);
  socklen_t length = sizeof remote;
  check(getsockname(listeners[1].fd, (struct sockaddr *) &remote, &length), "getsockname");
  printf("{\"port\":%d}\n", ntohs(remote.sin_port));
  fflush(stdout);
  int loop = epoll_create1(0);
  check(loop, "epoll_create1");
  for (int i = 0; i < 2; i++) {
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listeners[i] };
    check(epoll_ctl(loop, EPOLL_CTL_ADD, listeners[i].fd, &event), "epoll_ctl");
  }
  for (;;) {
    struct epoll_event events[256];
    int ready = epoll_wait(loop, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      struct client *client = events[i].data.ptr;
      if (client == &listeners[0] || client == &listeners[1]) {
        int fd;
        while ((fd = accept4(client->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          int on = 1;
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          struct client *fresh = malloc(sizeof *fresh);
          memset(fresh, 0, offsetof(struct client, head));
          fresh->fd = fd;
          struct epoll_event event = { .events = EPOLLIN, .data.ptr = fresh };
          epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
        }
        continue;
      }
      if (client->waits ? answer(loop, client) : serve(loop, client)) continue;
      close(client->fd);
      free(client);
    }
  }
}
