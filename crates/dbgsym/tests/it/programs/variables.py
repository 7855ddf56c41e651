# Run by gdb: stops at breakpoints spread over all lines of one source, and writes at each stop what
# gdb knows of the variables of all frames, with a core file. Fields are separated by tabs:
#   stop  core
#   frame index-of-the-physical-frame  inlined-call  pc
#   var   name  argument?  line  static?  hidden?  type-key  size  state  ...
#   part  bit-offset  bit-size  state  ...
# where a state is: memory ADDRESS HEX, value HEX, pointer HEX (synthetic), gone, error TEXT.
#   type  key  code  size  target-key  text
#   field key  name  bit-offset  bit-size  base?  artificial?  type-key
#   global name  line  address
import os
import gdb

SOURCE = os.environ["SOURCE"]
IS_OPTIMISED = os.environ["OPTIMISED"] == "1"
STOPS = int(os.environ["STOPS"])
OUT = open(os.environ["OUT"], "w")
CORES = os.environ["CORES"]
SCRATCH = os.path.join(CORES, "scratch")
TYPES = {}
CODES = {getattr(gdb, "TYPE_CODE_" + name): name for name in [
    "PTR", "REF", "RVALUE_REF", "ARRAY", "STRUCT", "UNION", "ENUM", "FLAGS", "FUNC", "INT", "FLT",
    "VOID", "BOOL", "COMPLEX", "TYPEDEF", "CHAR", "MEMBERPTR", "METHODPTR", "METHOD"]}
DEPTH_MAX = 12


def say(*words):
    print(*[str(word).replace("\t", " ").replace("\n", " ") for word in words], sep="\t", file=OUT)


def type_key(ty, depth=0):
    if ty is None or ty.code == gdb.TYPE_CODE_VOID:
        return "-"
    if depth > DEPTH_MAX:
        return "?"
    text = str(ty)
    if ty.dynamic:
        return "?"
    known = (text, ty.code, ty.sizeof)
    if "{" not in text and known in TYPES:
        return TYPES[known]
    key = len(TYPES)
    if "{" in text:
        TYPES[(key,)] = key
    else:
        TYPES[known] = key
    target = "-"
    codes = [gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF, gdb.TYPE_CODE_ARRAY,
             gdb.TYPE_CODE_TYPEDEF, gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_MEMBERPTR]
    if ty.code in codes:
        target = type_key(ty.target(), depth + 1)
    say("type", key, CODES.get(ty.code, "OTHER"), ty.sizeof, target, text)
    if ty.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        for field in ty.fields():
            if not hasattr(field, "bitpos"):
                say("static", key, field.name)
                continue
            say("field", key, field.name or "-", field.bitpos, field.bitsize,
                int(field.is_base_class), int(field.artificial), type_key(field.type, depth + 1))
    elif ty.code == gdb.TYPE_CODE_ENUM:
        for field in ty.fields():
            say("enum", key, field.name, field.enumval)
    return key


def raw(value):
    gdb.set_convenience_variable("raw", value)
    gdb.execute("dump binary value %s $raw" % SCRATCH)
    with open(SCRATCH, "rb") as file:
        return file.read().hex()


def is_reference(value):
    return value.type.strip_typedefs().code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF)


def state(value):
    try:
        if value.is_optimized_out:
            return ["gone"]
        is_pointer = value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR
        if is_pointer and "synthetic pointer" in value.format_string():
            target = value.referenced_value()
            return ["pointer", "gone" if target.is_optimized_out else raw(target)]
        if is_reference(value) and IS_OPTIMISED:
            # gdb 13 dies of references that are in pieces.
            return ["reference"]
        if is_reference(value):
            referenced = value.referenced_value().address
            if referenced is None:
                return ["error", "a reference to what has no address"]
            pointer = int(referenced) & (2**64 - 1)
            return ["value", pointer.to_bytes(8, "little").hex()]
        if value.address is not None:
            address = int(value.address) & (2**64 - 1)
            if value.type.sizeof > 65536:
                return ["memory", "%x" % address, "huge"]
            memory = gdb.selected_inferior().read_memory(address, value.type.sizeof)
            return ["memory", "%x" % address, memory.tobytes().hex()]
        return ["value", raw(value)]
    except (gdb.error, OverflowError) as error:
        return ["error", error]


def write_parts(value, offset, depth=0):
    ty = value.type.strip_typedefs()
    if ty.code == gdb.TYPE_CODE_STRUCT and depth < 4 and value.is_optimized_out:
        for field in ty.fields():
            if hasattr(field, "bitpos") and not field.is_base_class and field.name:
                write_parts_of(value, field, offset, depth)
        return
    say("part", offset, ty.sizeof * 8, *state(value))


def write_parts_of(value, field, offset, depth):
    try:
        if field.bitsize == 0:
            write_parts(value[field], offset + field.bitpos, depth + 1)
    except gdb.error:
        pass


def write_symbol(symbol, frame, scope):
    static = symbol.addr_class == gdb.SYMBOL_LOC_STATIC
    seen = gdb.lookup_symbol(symbol.name, scope)[0]
    hidden = seen is not None and seen.line != symbol.line
    try:
        value = symbol.value(frame)
        key = type_key(value.type)
        found = state(value)
    except gdb.error as error:
        key, found, value = "?", ["error", error], None
    size = value.type.sizeof if value is not None else "-"
    say("var", symbol.name, int(symbol.is_argument), symbol.line, int(static), int(hidden), key,
        size, *found)
    if found == ["gone"] and value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        write_parts(value, 0)


def write_frame(frame):
    try:
        block = frame.block()
    except RuntimeError:
        return
    # Bounds of arrays are read in the selected frame.
    frame.select()
    innermost = block
    while block is not None and not block.is_global and not block.is_static:
        for symbol in block:
            if symbol.is_argument or symbol.is_variable or symbol.is_constant:
                write_symbol(symbol, frame, innermost)
        if block.function is not None:
            break
        block = block.superblock


def write_stack():
    frames = []
    frame = gdb.newest_frame()
    while frame is not None and len(frames) < 60:
        frames.append(frame)
        frame = frame.older()
    physical, inlined = 0, []
    for frame in frames:
        if frame.type() == gdb.INLINE_FRAME:
            inlined.append(frame)
            continue
        if frame.type() == gdb.TAILCALL_FRAME:
            # It has no frame any more; gdb makes one up.
            inlined = []
            continue
        for index, call in enumerate(inlined):
            say("frame", physical, len(inlined) - index, "%x" % call.pc())
            write_frame(call)
        say("frame", physical, 0, "%x" % frame.pc())
        write_frame(frame)
        physical, inlined = physical + 1, []


def line_addresses():
    found = set()
    for symtab in {symbol.symtab for symbol in functions()}:
        found.update(entry.pc for entry in symtab.linetable())
    return sorted(found)


def functions():
    main = gdb.lookup_global_symbol("main") or gdb.lookup_static_symbol("main")
    symtab = gdb.decode_line(SOURCE + ":1")[1][0].symtab if main is None else main.symtab
    return [symbol for block in (symtab.global_block(), symtab.static_block()) for symbol in block
            if symbol.is_function and symbol.symtab.filename.endswith(SOURCE)]


def write_globals():
    for symbol in gdb.decode_line(SOURCE + ":1")[1][0].symtab.static_block():
        write_global(symbol)
    for symbol in gdb.decode_line(SOURCE + ":1")[1][0].symtab.global_block():
        write_global(symbol)


def write_global(symbol):
    try:
        if not symbol.is_variable or symbol.needs_frame:
            return
        value = symbol.value()
        address = value.address
        if address is not None and not is_reference(value):
            say("global", symbol.name, symbol.line, "%x" % int(address), type_key(value.type))
    except gdb.error:
        # gdb 13 has no DW_OP_constx, by which split units describe thread-local variables.
        return


for command in ["set confirm off", "set pagination off", "set debuginfod enabled off",
                "set width 0", "set print entry-values no", "set max-completions 0",
                "set backtrace past-main on", "set max-value-size 65536",
                "tbreak main" if not SOURCE.endswith(".rs") else "tbreak variables::main", "run"]:
    gdb.execute(command, to_string=True)
addresses = line_addresses()
step = max(1, len(addresses) // STOPS)
for address in addresses[::step]:
    gdb.Breakpoint("*%d" % address, temporary=True, internal=True)
say("lines", len(addresses))
write_globals()
stops = 0
while gdb.selected_inferior().pid != 0:
    core = os.path.join(CORES, "core-%d" % stops)
    gdb.execute("generate-core-file " + core, to_string=True)
    say("stop", core)
    write_stack()
    stops += 1
    gdb.execute("continue", to_string=True)
OUT.close()
