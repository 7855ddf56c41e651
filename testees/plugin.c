// A shared library whose constructor a test may stop. To be built with -shared -fPIC.

#include "testee.h"

// What there is before the constructor has run, and after.
volatile int plugin_state = 1;

STOP_HERE void plugin_begin(void)
{
    plugin_state = 2;
}

__attribute__((constructor)) static void construct(void)
{
    plugin_begin();
}

STOP_HERE int plugin_work(void)
{
    return plugin_state;
}
