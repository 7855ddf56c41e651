# Run by gdb: stops at PLACE and writes the variables of every frame up to main as dv shows them,
# made of what gdb knows of their values: "VAR FRAME NAME = VALUE"; and first where PLACE is in the
# file: "PC ADDRESS". What is not compared has the value "?": long double, complex and 128-bit numbers,
# which gdb does not hand out.
import os
import struct
import gdb

DEPTH_MAX, ELEMENTS_MAX = 3, 16


def floating(value, size):
    if size > 8:
        raise ValueError("long double")
    number = float(value)
    if size == 4:
        pack = lambda one: struct.pack("f", one)
        digits = next(n for n in range(1, 10) if pack(float("%.*g" % (n, number))) == pack(number))
        number = float("%.*g" % (digits, number))
    text = repr(number)
    return text[:-2] if text.endswith(".0") else text


def character(number, ty):
    if number < 0 or ty.sizeof == 1 and number > 126 or chr(number) < " " or number == 127:
        return " ''"
    return " '%s'" % chr(number)


def is_character(ty):
    return str(ty.unqualified()) in ("char", "signed char", "unsigned char", "char16_t", "char32_t")


def is_wide(ty):
    return "wchar_t" in str(ty)


def escaped(text):
    for plain, shown in [("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")]:
        text = text.replace(plain, shown)
    return '"%s"' % text


def integer(value, ty, plain):
    number = int(value)
    if ty.sizeof > 8:
        raise ValueError("128 bits")
    is_signed = plain.is_signed
    if is_wide(ty) or str(plain.unqualified()) in ("char16_t", "char32_t"):
        return "0x%x%s" % (number & 0xFFFFFFFF, character(number, plain))
    if is_character(plain):
        return ("0n%d" if is_signed else "0x%x") % number + character(number, plain)
    return ("0n%d" if is_signed else "0x%x") % number


def enumeration(value, plain):
    number = int(value)
    names = [(field.name.split("::")[-1], field.enumval) for field in plain.fields()]
    for name, known in names:
        if known == number:
            return "%s (0n%d)" % (name, number)
    left, parts = number, []
    for name, known in names:
        if known > 0 and left & known == known:
            parts.append(name)
            left &= ~known
    if number > 0 and left == 0:
        return "%s (0x%x)" % (" | ".join(parts), number)
    return "0n%d (No matching name)" % number


def pointer(value, plain):
    target = plain.target()
    if int(value) == 0 or not (is_character(target.strip_typedefs()) or is_wide(target)):
        return "POINTER"
    try:
        return "POINTER " + escaped(value.string())
    except gdb.MemoryError:
        return "POINTER UNREADABLE"


def record(value, plain, depth):
    if depth >= DEPTH_MAX:
        return "{...}"
    parts = []
    for field in plain.fields():
        if not hasattr(field, "bitpos") or (field.name or "").startswith("_vptr"):
            continue
        text = show(value[field], field.type, depth + 1)
        parts.append("%s=%s" % (field.name, text) if field.name else text)
    return "{%s}" % " ".join(parts)


def array(value, plain, depth):
    low, high = plain.range()
    element = plain.target().strip_typedefs()
    if is_character(element):
        numbers = [int(value[index]) & 0xFF for index in range(low, high + 1)]
        text = bytes(numbers).split(b"\0")[0]
        is_text = text and all(31 < one < 127 for one in text) and not any(numbers[len(text):])
        if is_text or element.is_signed:
            return escaped(text.decode())
    if depth >= DEPTH_MAX:
        return "{...}"
    parts = [show(value[index], plain.target(), depth + 1)
             for index in range(low, min(high + 1, low + ELEMENTS_MAX))]
    return "{%s}" % ", ".join(parts + ["..."] * (high + 1 - low > ELEMENTS_MAX))


def show(value, ty, depth=0):
    plain = ty.strip_typedefs().unqualified()
    code = plain.code
    if code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        return "POINTER " + show(value.referenced_value(), plain.target(), depth + 1)
    if code == gdb.TYPE_CODE_PTR:
        return pointer(value, plain)
    if code in (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR):
        return integer(value, ty, plain)
    if code == gdb.TYPE_CODE_BOOL:
        return "true" if int(value) else "false"
    if code == gdb.TYPE_CODE_FLT:
        return floating(value, plain.sizeof)
    if code == gdb.TYPE_CODE_ENUM:
        return enumeration(value, plain)
    if code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return record(value, plain, depth)
    if code == gdb.TYPE_CODE_ARRAY:
        return array(value, plain, depth)
    raise ValueError(str(plain))


def variable(value, ty):
    plain = ty.strip_typedefs()
    text = show(value, ty)
    if plain.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY):
        return text[text.index("{") if "{" in text else text.index('"'):]
    return text


def frames():
    frame, number = gdb.newest_frame(), 0
    while frame is not None and frame.name() is not None:
        frame.select()
        block, blocks = frame.block(), []
        while block is not None and not block.is_global and not block.is_static:
            blocks.insert(0, block)
            if block.function is not None:
                break
            block = block.superblock
        for block in blocks:
            for symbol in block:
                if not (symbol.is_variable or symbol.is_argument or symbol.is_constant):
                    continue
                try:
                    value = symbol.value(frame)
                    text = "<value unavailable>" if value.is_optimized_out else \
                        variable(value, value.type)
                except (ValueError, gdb.error):
                    text = "?"
                print("VAR %d %s = %s" % (number, symbol.name, text))
        if frame.name() in ("main", "choices::main"):
            return
        frame, number = frame.older(), number + 1


gdb.execute("set pagination off")
stop = gdb.Breakpoint(os.environ["PLACE"])
print("PC %x" % stop.locations[0].address)
gdb.execute("run")
frames()
