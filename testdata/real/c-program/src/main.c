#include "count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--version") == 0) return puts("tally " VERSION) < 0;
    if (argc > 1) return fputs("usage: tally < FILE    counts equal lines\n", stderr), 2;
    struct line *lines = NULL;
    size_t length = 0;
    char buffer[4096];
    while (fgets(buffer, sizeof buffer, stdin)) {
        buffer[strcspn(buffer, "\n")] = '\0';
        length = count_line(&lines, length, buffer);
        if (length == 0) return fputs("tally: out of memory\n", stderr), 1;
    }
    for (size_t i = 0; i < length; i++) printf("%zu %s\n", lines[i].count, lines[i].text);
    return 0;
}
