#include "count.h"

#include <stdlib.h>
#include <string.h>

size_t count_line(struct line **lines, size_t length, const char *text) {
    for (size_t i = 0; i < length; i++) {
        if (strcmp((*lines)[i].text, text) == 0) {
            (*lines)[i].count++;
            return length;
        }
    }
    struct line *grown = realloc(*lines, (length + 1) * sizeof **lines);
    if (!grown) return 0;
    *lines = grown;
    grown[length].text = strdup(text);
    grown[length].count = 1;
    return grown[length].text ? length + 1 : 0;
}
