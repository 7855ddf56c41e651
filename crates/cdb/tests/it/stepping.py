# Run by gdb: steps COUNT times with STEP ("next" or "step") from the first instruction of walk() on,
# and writes where it is before each step: "AT LINK-ADDRESS LINE FILE FUNCTION", LINE 0 where none is
# known, or "OUTSIDE" when walk has been left; and for each row of the line tables
# "ROW LINK-ADDRESS IS-STATEMENT".
import os
import gdb


def run(command):
    return gdb.execute(command, to_string=True)


for setting in ["pagination off", "confirm off", "language c", "print thread-events off",
                "debug-file-directory /nonexistent"]:
    run("set " + setting)
run("handle SIGUSR1 nostop noprint pass")
entry = int(gdb.parse_and_eval("(unsigned long)&walk"))
for row in run("maint info line-table").splitlines():
    words = row.split()
    if words and words[0].isdigit() and words[1] != "END":
        print("ROW %x %d" % (int(words[2], 16), words[3:4] == ["Y"]))
run("break *&walk")
run("run > /dev/null 2>&1")
bias = int(gdb.parse_and_eval("$pc")) - entry
stack = int(gdb.parse_and_eval("(unsigned long)$sp"))
for step in range(int(os.environ["COUNT"])):
    frame = gdb.newest_frame()
    if int(gdb.parse_and_eval("(unsigned long)$sp")) > stack:
        print("OUTSIDE")
        break
    place = frame.find_sal()
    file = os.path.basename(place.symtab.filename) if place.symtab else "-"
    function = (frame.name() or "?").replace(" ", "")
    print("AT %x %d %s %s" % (frame.pc() - bias, place.line, file, function))
    try:
        run(os.environ["STEP"])
    except gdb.error as error:
        print("END", error)
        break
