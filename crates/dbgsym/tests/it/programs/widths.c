/* Arrays whose last index sets the highest bit of the form it is written in, and bit fields that
 * cross the units they are stored in. */
#include <stddef.h>

#define PACKED __attribute__((packed))

char below[128], byte[129], last_byte[256], above[257];
short word[40000], last_word[65536];
char rows[3][200];
char none[0];
extern char huge[0x80000000u];

struct PACKED packed {
    int first : 30;
    int crossing : 30;
    int few : 4;
    unsigned long wide : 50;
    unsigned char last : 7;
} packed;

struct plain {
    unsigned low : 3;
    unsigned high : 5;
    long wide : 33;
} plain;

int main(void) {
    return sizeof huge != 0 ? below[0] + packed.crossing + (int) plain.wide : 0;
}
