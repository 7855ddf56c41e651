# Run by gdb: stops at places all over the functions of PROGRAM's own source, and writes to OUTPUT
# what it sees there. Lines of words with tabs between:
#   PLACE address                       a breakpoint, in the order in which cdb shall set them
#   HIT place                           a stop at this place; what follows belongs to it
#   FRAME pc sp kind part origin name linkage file line
#   VARS                                the variables of the frame before follow
#   VAR name value                      of the frame before; the value "?" is one gdb does not give
#   PASS place                          a stop where nothing is compared
#   CLEAR place                         the breakpoint is removed after the stop before
import os
import random
import re
import subprocess
import sys

import gdb

# Nothing is left behind beside the sources.
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(os.environ["SCRIPT"])))
import gdb_values

# At which of its hits a place is looked at. After the last one the breakpoint goes.
HITS = (1, 3)
LINES_MAX, INSTRUCTIONS_MAX = 4, 3
# How often the variables of those who called main are looked at as well.
WHOLE_EACH = 10

KINDS = {gdb.INLINE_FRAME: "inline", gdb.TAILCALL_FRAME: "tail call"}

output = open(os.environ["OUTPUT"], "w")


def write(*words):
    output.write("\t".join(str(word).replace("\t", " ") for word in words) + "\n")


# The block of the function whose code is at an address, not of those that are inlined there.
def function_block(address):
    block, found = gdb.block_for_pc(address), None
    while block is not None and not block.is_static and not block.is_global:
        found = block if block.function is not None else found
        block = block.superblock
    return found


def own_functions(program, source):
    names = subprocess.run(["nm", "-S", program], capture_output=True, text=True).stdout
    # The entry of the file's header, and where that is.
    with open(program, "rb") as file:
        linked = int.from_bytes(file.read(32)[24:], "little")
    entry = re.search("AT_ENTRY .* 0x([0-9a-f]+)", gdb.execute("info auxv", to_string=True))
    bias = int(entry.group(1), 16) - linked
    for line in sorted(set(names.splitlines())):
        words = line.split()
        if len(words) != 4 or words[2] not in "tTwW":
            continue
        start, size = int(words[0], 16) + bias, int(words[1], 16)
        block, place = function_block(start), gdb.find_pc_line(start).symtab
        if block is not None and place is not None and place.filename.endswith("/" + source):
            yield start, start + size, block.function


def places(program, source):
    architecture = gdb.selected_frame().architecture()
    chosen = {}
    for start, end, function in own_functions(program, source):
        dice = random.Random("%s %x" % (function.name, end - start))
        every = [one["addr"] for one in architecture.disassemble(start, end - 1)]
        rows = [address for address in every if gdb.find_pc_line(address).pc == address]
        some = [start] + dice.sample(rows, min(LINES_MAX, len(rows)))
        some += dice.sample(every, min(INSTRUCTIONS_MAX, len(every)))
        chosen.update(dict.fromkeys(some))
    return list(chosen)


def variables(frame):
    try:
        block = frame.block()
    except RuntimeError:
        return
    # The length of an array is computed in the frame that is selected.
    frame.select()
    is_rust, blocks = frame.language() == "rust", []
    while block is not None and not block.is_global and not block.is_static:
        blocks.insert(0, block)
        if block.function is not None:
            break
        block = block.superblock
    for symbol in (symbol for block in blocks for symbol in block):
        if not (symbol.is_variable or symbol.is_argument or symbol.is_constant):
            continue
        try:
            text = gdb_values.variable(symbol, frame, is_rust)
        except (ValueError, TypeError, gdb.error) as error:
            text = "? %s" % error
        write("VAR", symbol.name, text)


# Whether an address lies before the end of a function's first line, where it makes its stack.
def is_at_entry(address):
    block = function_block(address)
    return block is not None and address <= (gdb.find_pc_line(block.start).last or 0)


# The variables of those who called main are written if is_whole.
def frames(is_whole):
    frame, is_wanted = gdb.newest_frame(), True
    while frame is not None:
        place, function = frame.find_sal(), frame.function()
        file = place.symtab.filename if place.symtab else ""
        linkage = (function.linkage_name if function else None) or ""
        name = function.name if function else frame.name()
        words = ["%x" % frame.pc(), "%x" % frame.read_register("rsp")]
        words.append(KINDS.get(frame.type(), "frame"))
        words.append("entry" if is_at_entry(frame.pc()) else "body")
        # Its entry says only where what another one describes is.
        is_instance = function is not None and ("::" in name or function.symtab.filename[0] == "<")
        words.append("instance" if is_instance else "only")
        write("FRAME", *words, name, linkage, file, place.line)
        if function is not None and (is_wanted or is_whole):
            write("VARS")
            variables(frame)
        if frame.name() is not None and frame.name().split("::")[-1] == "main":
            is_wanted = False
        frame = frame.older()


def run(program, source):
    for setting in ("pagination off", "confirm off", "backtrace past-main on", "print elements 0",
                    "startup-with-shell on", "exec-wrapper " + os.environ["WRAPPER"]):
        gdb.execute("set " + setting)
    gdb.execute("handle SIGUSR1 nostop noprint pass", to_string=True)
    gdb.Breakpoint("main", temporary=True)
    gdb.execute("run", to_string=True)
    known = {}
    for number, address in enumerate(places(program, source)):
        write("PLACE", "%x" % address)
        known[address] = (number, gdb.Breakpoint("*0x%x" % address))
    hits, looks = {}, 0
    gdb.execute("kill", to_string=True)
    gdb.execute("run", to_string=True)
    while gdb.selected_inferior().pid:
        pc = gdb.newest_frame().pc()
        number, stop = known[pc]
        hits[pc] = hits.get(pc, 0) + 1
        write("HIT" if hits[pc] in HITS else "PASS", number)
        if hits[pc] in HITS:
            looks += 1
            frames(looks % WHOLE_EACH == 1)
        if hits[pc] == HITS[-1]:
            write("CLEAR", number)
            stop.delete()
        gdb.execute("continue", to_string=True)


run(os.environ["PROGRAM"], os.environ["SOURCE"])
write("END")
output.close()
