/* Files and descriptors as a program sees them: results, errno, contents. Works in its current directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void show(const char *what, long result) {
    printf("%s %ld %s\n", what, result, result < 0 ? strerrorname_np(errno) : "");
    errno = 0;
}

static void opening(void) {
    void *volatile bad = (void *)8;
    show("open missing", open("missing", O_RDONLY));
    show("open exclusive", open("files.txt", O_CREAT | O_EXCL | O_RDWR, 0640));
    show("open again", open("files.txt", O_CREAT | O_EXCL | O_RDWR, 0640));
    show("open bad address", open((const char *)8, O_RDONLY));
    show("stat bad address", stat((const char *)8, (struct stat *)16));
    show("open directory to write", open(".", O_WRONLY));
    show("openat of nothing", openat(999, "x", O_RDONLY));
    show("close nothing", close(999));
    show("close minus one", close(-1));
    show("read closed", read(999, NULL, 0));
    show("read bad buffer", read(3, bad, 10));
    show("write bad buffer", write(3, bad, 10));
    show("unlink missing", unlink("missing"));
    show("rename missing", rename("missing", "elsewhere"));
    show("opendir missing", opendir("missing") ? 0 : -1);
    struct stat found;
    errno = EDOM;
    stat("files.txt", &found);
    printf("errno is kept: %d, mode %o\n", errno == EDOM, found.st_mode & 0777);
    errno = 0;
}

static void moving(void) {
    char buffer[64] = {0};
    struct iovec parts[3] = {{"one ", 4}, {"two ", 4}, {"three", 5}};
    show("writev", writev(3, parts, 3));
    show("pwrite", pwrite(3, "ONE", 3, 0));
    show("lseek", lseek(3, 4, SEEK_SET));
    show("read", read(3, buffer, 3));
    printf("[%s]\n", buffer);
    show("short read", read(3, buffer, 60));
    printf("[%s]\n", buffer);
    show("end", read(3, buffer, 60));
    struct iovec into[2] = {{buffer, 2}, {buffer + 10, 40}};
    show("preadv2", preadv2(3, into, 2, 0, 0));
    show("preadv2 bad flags", preadv2(3, into, 2, 0, 0x40000000));
    show("lseek nowhere", lseek(3, -5, SEEK_SET));
    int copy = open("copy.txt", O_CREAT | O_RDWR | O_TRUNC, 0600);
    off_t offset = 0;
    show("sendfile", sendfile(copy, 3, &offset, 5));
    off64_t from = 5;
    show("copy_file_range", copy_file_range(3, &from, copy, NULL, 100, 0));
    show("size", lseek(copy, 0, SEEK_END));
    show("close", close(copy));
    show("close twice", close(copy));
    int ends[2];
    show("pipe", pipe(ends));
    show("seek in a pipe", lseek(ends[0], 0, SEEK_CUR));
    show("splice", splice(3, &(off64_t){0}, ends[1], NULL, 6, 0));
    show("read from pipe", read(ends[0], buffer, sizeof buffer));
    close(ends[0]);
    close(ends[1]);
}

static void duplicating(void) {
    char buffer[16];
    int a = open("files.txt", O_RDONLY);
    int b = dup(a);
    show("dup", b - a);
    show("dup2", dup2(a, 50));
    show("dup2 to itself", dup2(a, a));
    show("dup2 of nothing", dup2(998, a));
    show("dup3", dup3(a, 51, O_CLOEXEC));
    show("dup3 to itself", dup3(a, a, 0));
    show("fcntl dup", fcntl(a, F_DUPFD, 60));
    show("fcntl dup cloexec", fcntl(a, F_DUPFD_CLOEXEC, 60));
    show("fcntl flags", fcntl(61, F_GETFD));
    close(a);
    show("read of a duplicate", read(50, buffer, 4));
    show("read goes on", read(51, buffer, 4));
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    show("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
    show("high dup2", dup2(50, 2000));
    show("high read", read(2000, buffer, 4));
    show("high close", close(2000));
    show("close_range", close_range(50, 61, 0));
    show("closed", read(50, buffer, 1));
    show("close_range backwards", close_range(60, 50, 0));
    show("raw close", syscall(SYS_close, b));
    show("raw close again", syscall(SYS_close, b));
    closefrom(4);
    show("closefrom", read(4, buffer, 1));
    limit.rlim_cur = 5;
    setrlimit(RLIMIT_NOFILE, &limit);
    show("last descriptor", open("files.txt", O_RDONLY));
    show("too many", open("files.txt", O_RDONLY));
    show("too many streams", fopen("files.txt", "r") ? 0 : -1);
    close(4);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void naming(void) {
    show("mkdir", mkdir("directory", 0700));
    show("mkdir again", mkdir("directory", 0700));
    show("rename", rename("copy.txt", "directory/renamed.txt"));
    show("link", link("directory/renamed.txt", "directory/linked.txt"));
    show("symlink", symlink("renamed.txt", "directory/soft.txt"));
    show("chmod", chmod("directory/renamed.txt", 0400));
    show("truncate", truncate("directory/renamed.txt", 2));
    show("access", access("directory/renamed.txt", R_OK));
    struct dirent **names;
    int count = scandir("directory", &names, NULL, by_name);
    for (int i = 0; i < count; i++) printf("  %s\n", names[i]->d_name);
    DIR *directory = opendir("directory");
    int entries = 0;
    while (readdir(directory)) entries++;
    printf("%d entries\n", entries);
    show("closedir", closedir(directory));
    char template[] = "made-XXXXXX";
    int made = mkstemp(template);
    show("mkstemp", made >= 0);
    show("unlink", unlink(template));
    unlink("directory/renamed.txt");
    unlink("directory/linked.txt");
    unlink("directory/soft.txt");
    show("rmdir", rmdir("directory"));
    show("remove", remove("files.txt"));
}

int main(void) {
    opening();
    moving();
    duplicating();
    naming();
    fflush(stdout);
    struct rlimit limit = {10, 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    return 7;
}
