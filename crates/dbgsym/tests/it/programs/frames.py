# Run by gdb: lets the program run until it is stopped by a signal, writes the frames of all threads
# as gdb unwinds them, and a core file. Each line: thread, kind of frame, registers in hexadecimal.
import os
import gdb

REGISTERS = ["rip", "rsp", "rbx", "rbp", "r12", "r13", "r14", "r15"]


def value(frame, name):
    try:
        return "%x" % (int(frame.read_register(name)) & (2**64 - 1))
    except gdb.error:
        return "-"


def write_frames(out, thread):
    thread.switch()
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() in (gdb.NORMAL_FRAME, gdb.SIGTRAMP_FRAME):
            kind = "signal" if frame.type() == gdb.SIGTRAMP_FRAME else "normal"
            values = [value(frame, name) for name in REGISTERS]
            print(thread.ptid[1], kind, *values, file=out)
        frame = frame.older()


for command in [
    "set confirm off",
    "set disable-randomization off",
    "set backtrace past-main on",
    "handle SIGUSR1 nostop noprint pass",
    "handle SIGUSR2 nostop noprint pass",
    "run",
]:
    gdb.execute(command)
with open(os.environ["FRAMES"], "w") as out:
    for thread in gdb.selected_inferior().threads():
        write_frames(out, thread)
gdb.execute("generate-core-file " + os.environ["CORE"])
gdb.execute("kill")
