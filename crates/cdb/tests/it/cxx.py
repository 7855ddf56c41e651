# Run by gdb: stops at PLACE, goes one frame out, and writes for each line of EXPRESSIONS the value
# and the size of its type, decimal, or the word ERROR: "VALUE 5 4".
import os
import gdb

gdb.execute("set pagination off")
stop = gdb.Breakpoint(os.environ["PLACE"])
print("PC %x" % stop.locations[0].address)
gdb.execute("run")
gdb.execute("up")
for text in os.environ["EXPRESSIONS"].split("\n"):
    try:
        value = gdb.parse_and_eval(text)
        ty = value.type.strip_typedefs()
        number = float(value) if ty.code == gdb.TYPE_CODE_FLT else int(value)
        print("VALUE %r %d" % (number, ty.sizeof))
    except (gdb.error, ValueError, OverflowError) as error:
        print("ERROR", error)
