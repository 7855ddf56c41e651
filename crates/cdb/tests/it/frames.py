# Run by gdb: stops at PLACE and writes for every frame up to main the registers that are preserved
# and the addresses of the variables that innermost blocks do not hide: "REG FRAME NAME VALUE",
# "ADDRESS FRAME NAME VALUE", numbers decimal; and first where PLACE is in the file: "PC ADDRESS".
import os
import gdb


def frames():
    frame, number = gdb.newest_frame(), 0
    while frame is not None and frame.name() is not None:
        for name in ("rsp", "rbp", "rip"):
            print("REG %d %s %d" % (number, name, int(frame.read_register(name))))
        block, seen = frame.block(), set()
        while block is not None and not block.is_global and not block.is_static:
            for symbol in block:
                if not (symbol.is_variable or symbol.is_argument) or symbol.name in seen:
                    continue
                seen.add(symbol.name)
                address = symbol.value(frame).address
                if address is not None:
                    print("ADDRESS %d %s %d" % (number, symbol.name, int(address)))
            if block.function is not None:
                break
            block = block.superblock
        if frame.name() == "main":
            return
        frame, number = frame.older(), number + 1


gdb.execute("set pagination off")
stop = gdb.Breakpoint(os.environ["PLACE"])
print("PC %x" % stop.locations[0].address)
gdb.execute("run")
frames()
