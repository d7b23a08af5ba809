/* Sockets as a program sees them: results, errno, contents, peers that go away. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void show(const char *what, long result) {
    printf("%s %ld %s\n", what, result, result < 0 ? strerrorname_np(errno) : "");
    errno = 0;
}

static struct sockaddr_in listening(int *listener) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *listener = socket(AF_INET, SOCK_STREAM, 0);
    show("bind", bind(*listener, (void *)&address, length));
    show("listen", listen(*listener, 5));
    getsockname(*listener, (void *)&address, &length);
    return address;
}

static void tcp(void) {
    int listener;
    char buffer[256] = {0};
    struct sockaddr_in address = listening(&listener), peer;
    socklen_t length = sizeof peer;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    show("connect", connect(client, (void *)&address, sizeof address));
    show("connect again", connect(client, (void *)&address, sizeof address));
    int server = accept(listener, (void *)&peer, &length);
    printf("accepted %d length %u family %d\n", server >= 0, length, peer.sin_family);
    show("send", send(client, "GET /path HTTP/1.1\r\nHost: here\r\n\r\n", 34, 0));
    show("peek", recv(server, buffer, 10, MSG_PEEK));
    show("recv", recv(server, buffer, sizeof buffer, 0));
    printf("[%s]\n", buffer);
    show("write", write(server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 43));
    memset(buffer, 0, sizeof buffer);
    show("read", read(client, buffer, sizeof buffer));
    printf("[%s]\n", buffer);
    show("nothing there", recv(client, buffer, sizeof buffer, MSG_DONTWAIT));
    show("shutdown", shutdown(client, SHUT_WR));
    show("end", recv(server, buffer, sizeof buffer, 0));
    show("other way", send(server, "still", 5, 0));
    show("still", recv(client, buffer, sizeof buffer, 0));
    show("close", close(client));
    send(server, "x", 1, MSG_NOSIGNAL);
    usleep(20000);
    show("gone", send(server, "x", 1, MSG_NOSIGNAL));
    close(server);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int connecting = connect(client, (void *)&address, sizeof address);
    printf("in progress %d\n", connecting == 0 || errno == EINPROGRESS);
    struct pollfd wait = {client, POLLOUT, 0};
    show("poll", poll(&wait, 1, 2000));
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    show("send later", send(client, "late", 4, 0));
    show("recv later", recv(server, buffer, sizeof buffer, 0));
    close(client);
    close(server);
    close(listener);
    client = socket(AF_INET, SOCK_STREAM, 0);
    show("refused", connect(client, (void *)&address, sizeof address));
    close(client);
    show("no such family", socket(999, SOCK_STREAM, 0));
    show("accept on nothing", accept(998, NULL, NULL));
    show("not a socket", send(0, "x", 1, 0));
}

static void udp(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
    socklen_t length = sizeof address;
    char first[32] = {0}, second[32] = {0};
    int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    bind(receiver, (void *)&address, length);
    getsockname(receiver, (void *)&address, &length);
    show("sendto", sendto(sender, "counter:1|c", 11, 0, (void *)&address, sizeof address));
    length = sizeof peer;
    show("recvfrom", recvfrom(receiver, first, sizeof first, 0, (void *)&peer, &length));
    connect(sender, (void *)&address, sizeof address);
    struct iovec out[2] = {{"first", 5}, {"second message", 14}};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &out[0], .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &out[1], .msg_iovlen = 1}}};
    show("sendmmsg", sendmmsg(sender, messages, 2, 0));
    struct iovec in[2] = {{first, sizeof first}, {second, 6}};
    struct mmsghdr incoming[2] = {{.msg_hdr = {.msg_iov = &in[0], .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &in[1], .msg_iovlen = 1}}};
    show("recvmmsg", recvmmsg(receiver, incoming, 2, MSG_TRUNC, NULL));
    printf("%u %u %s %.6s\n", incoming[0].msg_len, incoming[1].msg_len, first, second);
    show("empty", send(sender, "", 0, 0));
    show("empty received", recv(receiver, first, sizeof first, 0));
    send(sender, "a long datagram", 15, 0);
    show("cut", recv(receiver, first, 4, MSG_TRUNC));
    close(sender);
    close(receiver);
}

static void descriptors(void) {
    int ends[2], pipe_ends[2];
    char byte = 'b', buffer[8] = {0};
    show("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    show("pipe", pipe(pipe_ends));
    int file = open("/dev/null", O_RDWR);
    union { char space[CMSG_SPACE(2 * sizeof(int))]; struct cmsghdr align; } control = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), (int[]){pipe_ends[1], file}, 2 * sizeof(int));
    show("sendmsg", sendmsg(ends[0], &message, 0));
    memset(control.space, 0, sizeof control.space);
    message.msg_controllen = sizeof control.space;
    show("recvmsg", recvmsg(ends[1], &message, 0));
    int got[2];
    memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    show("write to what came", write(got[0], "passed", 6));
    show("and to the file", write(got[1], "passed", 6));
    show("read it", read(pipe_ends[0], buffer, sizeof buffer));
    printf("[%s]\n", buffer);
    FILE *stream = fdopen(ends[0], "w");
    fprintf(stream, "through a stream %d", 1);
    show("fclose", fclose(stream));
    char text[64] = {0};
    show("read", read(ends[1], text, sizeof text));
    printf("[%s]\n", text);
    show("end", read(ends[1], text, sizeof text));
}

static void names(void) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    printf("numeric %d\n", getaddrinfo("127.0.0.1", "80", &hints, &found));
    freeaddrinfo(found);
    int error = getaddrinfo("localhost", NULL, &hints, &found);
    printf("localhost %d\n", error);
    if (!error) freeaddrinfo(found);
    printf("by file %d\n", gethostbyname("localhost") != NULL);
    printf("bad name %d\n", getaddrinfo("bad..name", NULL, &hints, &found) != 0);
    printf("no name %d\n", getaddrinfo(NULL, "99999", &hints, &found) != 0);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    tcp();
    udp();
    descriptors();
    names();
    return 0;
}
