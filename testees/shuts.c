// Makes itself unattachable for those who are nobody special, and waits until its input ends.

#include "testee.h"

int main(void)
{
    CHECK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
    say("ready");
    wait_for_end_of_input();
    return 0;
}
