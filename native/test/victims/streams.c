/* Streams: every way to put text into one and to get it out, and what arrives. Works in its current directory. */
#include <err.h>
#include <errno.h>
#include <error.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

static int vprinted(FILE *to, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int result = vfprintf(to, format, values);
    va_end(values);
    return result;
}

static void all_ways(FILE *to, int rounds) {
    for (int i = 0; i < rounds; i++) {
        fprintf(to, "number %d of %s, %m\n", i, "many");
        vprinted(to, "%5.2f|%*d|%%\n", 3.14159, 6, i);
        fputs("a line\n", to);
        fputc('c', to);
        putc('d', to);
        putc_unlocked('e', to);
        putc_unlocked('\n', to);
        fwrite("0123456789", 1, 10, to);
        fwrite("abc", 3, 1, to);
        fputs_unlocked(" and the rest\n", to);
        if (i % 100 == 99) fflush(to);
    }
}

static void modes(const char *name, int mode, size_t size) {
    FILE *to = fopen(name, "w+");
    static char buffer[70000];
    setvbuf(to, buffer, mode, size);
    all_ways(to, 300);
    fprintf(to, "%0*d\n", 5000, 1);
    printf("%s: %ld bytes", name, ftell(to));
    rewind(to);
    char line[6000];
    unsigned lines = 0, sum = 0;
    while (fgets(line, sizeof line, to)) {
        lines++;
        for (char *c = line; *c; c++) sum = sum * 31 + (unsigned char)*c;
    }
    printf(", %u lines, sum %u, end %d, error %d\n", lines, sum, feof(to) != 0, ferror(to));
    fclose(to);
    remove(name);
}

static void reading(void) {
    FILE *to = fopen("streams.log", "w");
    fputs("first line\nsecond,third\nlast without end", to);
    fclose(to);
    FILE *from = fopen("streams.log", "r");
    char *line = NULL;
    size_t room = 0;
    printf("%zd ", getline(&line, &room, from));
    printf("%s", line);
    printf("%zd ", getdelim(&line, &room, ',', from));
    printf("%s %c%c\n", line, fgetc(from), getc(from));
    printf("%d ", ungetc('X', from));
    char buffer[64];
    size_t got = fread(buffer, 1, 5, from);
    printf("%zu %.*s\n", got, (int)got, buffer);
    printf("%d ", fscanf(from, "%63s", buffer));
    printf("%s\n", buffer);
    printf("%d %ld\n", fseek(from, 3, SEEK_SET), ftell(from));
    fpos_t position;
    fgetpos(from, &position);
    got = fread(buffer, 10, 9, from);
    printf("%zu ends %d\n", got, feof(from) != 0);
    fsetpos(from, &position);
    printf("%d\n", fgetc(from));
    from = freopen("missing-file", "r", from);
    printf("%d %s\n", from != NULL, strerrorname_np(errno));
    printf("write to a reader: ");
    from = fopen("streams.log", "r");
    printf("%d", fputs("x", from));
    printf(" %s\n", strerrorname_np(errno));
    fclose(from);
    free(line);
    remove("streams.log");
}

int main(void) {
    setlocale(LC_ALL, "C.UTF-8");
    puts("begin");
    all_ways(stdout, 150);
    fflush(stdout);
    all_ways(stderr, 3);
    errno = ENOENT;
    perror("perror");
    perror(NULL);
    errno = EACCES;
    warn("a warning of %d", 1);
    warnx("another %s", "one");
    error(0, ENOENT, "an error of %d", 2);
    error(0, 0, "%0*d", 300, 7);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        error(0, 0, "%0*d", 3000, 7);
        err(3, "ends with %s", "this");
    }
    int status;
    waitpid(child, &status, 0);
    printf("err %d\n", WEXITSTATUS(status));
    errno = EDOM;
    printf("errno is kept %d\n", errno == EDOM);
    modes("full.txt", _IOFBF, 512);
    modes("large.txt", _IOFBF, 65536);
    modes("line.txt", _IOLBF, 1024);
    modes("none.txt", _IONBF, 0);
    reading();
    int n = 0;
    printf("counted%n %d\n", &n, n);
    printf("position %2$s %1$s\n", "two", "one");
    fflush(stdout);
    dprintf(1, "straight %d\n", 5);
    fflush(stdout);
    char *memory = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&memory, &length);
    all_ways(to, 2);
    fclose(to);
    printf("%zu in memory\n", length);
    free(memory);
    fflush(stdout);
    FILE *command = popen("echo from a command; cat", "w");
    fputs("to a command\n", command);
    printf("pclose %d\n", pclose(command));
    FILE *wide = fopen("wide.txt", "w");
    fputws(L"w\u00efde \u20ac\n", wide);
    fputwc(L'\u20ac', wide);
    fclose(wide);
    wide = fopen("wide.txt", "r");
    wchar_t text[32];
    fgetws(text, 32, wide);
    printf("%zu %d\n", wcslen(text), fgetwc(wide) == L'\u20ac');
    fclose(wide);
    remove("wide.txt");
    putchar_unlocked('z');
    putchar('\n');
    fclose(stderr);
    printf("and this waits in the buffer until the end");
    return 0;
}
