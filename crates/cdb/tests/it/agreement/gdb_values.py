# Values as dv writes them, made of what gdb knows about them. What gdb does not hand out raises
# ValueError or gdb.error. A pointer is written <address=text> if it is to characters, and
# <address|value> else: what dv writes behind the address may be a symbol, and gdb does not tell a
# pointer of Rust from a reference, behind which the value stands.
import struct
import unicodedata
from decimal import Decimal

import gdb

DEPTH_MAX, ELEMENTS_MAX, CHARACTERS_MAX, VALUES_MAX = 3, 16, 128, 64
OBJECT_LEN_MAX = 64 * 1024
UNAVAILABLE = "<value unavailable>"
RECORDS = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
REFERENCES = (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF)

# How many values may still be shown of the variable.
values_left = VALUES_MAX


def floating(value, size):
    if size > 8:
        raise ValueError("long double")
    number = float(value)
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return str(number)
    text = repr(number)
    if size == 4:
        pack = lambda one: struct.pack("f", one)
        digits = next(n for n in range(1, 10) if pack(float("%.*g" % (n, number))) == pack(number))
        text = "%.*g" % (digits, number)
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    plain = "{:f}".format(Decimal(text).normalize())
    if len(plain) <= 20:
        return plain
    digits = "".join(map(str, digits))
    exponent += len(digits) - 1
    return "-" * sign + digits[0] + ("." + digits[1:]) * (len(digits) > 1) + "e%d" % exponent


def character(number, size):
    if size == 1 and not 32 <= number < 127:
        return " ''"
    if not 0 <= number < 0x110000 or 0xD800 <= number < 0xE000:
        return " ''"
    if unicodedata.category(chr(number)) == "Cc":
        return " ''"
    return " '%s'" % chr(number)


def is_character(ty):
    return str(ty.unqualified()) in ("char", "signed char", "unsigned char", "char16_t", "char32_t")


def is_wide(ty):
    return any(name in str(ty) for name in ("wchar_t", "char16_t", "char32_t"))


def escaped(text):
    shown = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    is_control = lambda one: unicodedata.category(one) == "Cc"
    plain = lambda one: "\\x%02x" % ord(one) if is_control(one) else one
    return '"%s"' % "".join(shown.get(one) or plain(one) for one in text)


# The memory at an address, as far as it can be read.
def memory(address, size):
    process = gdb.selected_inferior()
    try:
        return bytes(process.read_memory(address, size)) if size else b""
    except gdb.error:
        rest = -address % 4096
        return memory(address, rest) if 0 < rest < size else b""


# Text up to its end; is_cut says that more may follow.
def quoted(content, width, is_cut):
    units = [content[at:at + width] for at in range(0, len(content) - width + 1, width)]
    end = next((at for at, unit in enumerate(units) if not any(unit)), None)
    text = b"".join(units[:end]).decode({1: "utf-8", 2: "utf-16le", 4: "utf-32le"}[width], "replace")
    return escaped(text) + "..." * (is_cut and end is None)


def integer(value, ty, plain):
    number = int(str(value.format_string(format="d"))) if plain.sizeof > 8 else int(value)
    if is_wide(ty):
        number &= 0xFFFFFFFF
        return "0x%x%s" % (number, character(number, 4))
    if is_character(plain) or plain.code == gdb.TYPE_CODE_CHAR and plain.name == "char":
        text = "0n%d" if plain.is_signed and plain.sizeof == 1 else "0x%x"
        return text % number + character(number, plain.sizeof)
    return ("0n%d" if plain.is_signed else "0x%x") % number


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


def pointer(value, plain, depth, is_rust):
    target, address = plain.target(), int(value) & (1 << 64) - 1
    if address == 0:
        return "<0|>"
    width = target.strip_typedefs().sizeof
    if not is_rust and (is_character(target.strip_typedefs()) or is_wide(target)):
        content = memory(address, CHARACTERS_MAX * width)
        if not content:
            return "<%x=UNREADABLE>" % address
        return "<%x=%s>" % (address, quoted(content, width, len(content) == CHARACTERS_MAX * width))
    if is_rust and target.sizeof and target.strip_typedefs().code != gdb.TYPE_CODE_FUNC:
        try:
            return "<%x|%s>" % (address, show(value.dereference(), target, is_rust, depth + 1))
        except (ValueError, gdb.error):
            return "<%x|?>" % address
    return "<%x|>" % address


def reference(value, plain, depth, is_rust):
    target = value.referenced_value()
    address = int(target.address)
    try:
        return "<%x|%s>" % (address, show(target, plain.target(), is_rust, depth + 1))
    except gdb.MemoryError:
        return "<%x|>" % address


def members(value, plain):
    # Otherwise parts that are nowhere are zero.
    value.fetch_lazy()
    for field in plain.fields():
        if hasattr(field, "bitpos") and not (field.name or "").startswith("_vptr"):
            if value.address is None and field.type.strip_typedefs().code in REFERENCES:
                raise ValueError("gdb dies of references in what is not in memory")
            yield field, value[field]


def record(value, plain, depth, is_rust):
    if depth >= DEPTH_MAX:
        return "{...}"
    parts = []
    for field, member in members(value, plain):
        text = show(member, field.type, is_rust, depth + 1)
        parts.append("%s=%s" % (field.name, text) if field.name else text)
    return "{%s}" % " ".join(parts)


def array(value, plain, depth, is_rust):
    if "[]" in str(plain):
        raise ValueError("gdb does not find out how long the array is")
    low, high = plain.range()
    count, element = high + 1 - low, plain.target().strip_typedefs()
    if (is_character(element) or is_wide(plain.target())) and not is_rust and count > 0:
        wanted = min(count, CHARACTERS_MAX)
        numbers = [int(value[low + index]) & (1 << 8 * element.sizeof) - 1 for index in range(count)]
        content = b"".join(one.to_bytes(element.sizeof, "little") for one in numbers)
        text = content.split(b"\0")[0]
        is_printed = all(31 < one < 127 or one in b"\n\t\r" for one in text)
        is_text = text and is_printed and not any(content[len(text):])
        if is_text or str(element.unqualified()) != "unsigned char":
            return quoted(content[:wanted * element.sizeof], element.sizeof, wanted < count)
    if depth >= DEPTH_MAX:
        return "{...}"
    parts = [show(value[low + index], plain.target(), is_rust, depth + 1)
             for index in range(min(count, ELEMENTS_MAX))]
    return "{%s}" % ", ".join(parts + ["..."] * (count > ELEMENTS_MAX))


def is_known(value):
    try:
        return not value.is_optimized_out
    except gdb.error:
        return False


# The first pointer in a structure of Rust's library, or its length.
def found_inside(value, wanted):
    value.fetch_lazy()
    for field in value.type.strip_typedefs().fields():
        if not hasattr(field, "bitpos"):
            continue
        member = value[field]
        code = member.type.strip_typedefs().code
        if code == gdb.TYPE_CODE_PTR if wanted == "pointer" else field.name in ("len", "length"):
            return member
        if code == gdb.TYPE_CODE_STRUCT:
            inside = found_inside(member, wanted)
            if inside is not None:
                return inside
    return None


def rust_run(value, plain, name, depth):
    start, length = found_inside(value, "pointer"), found_inside(value, "length")
    if not is_known(start) or not is_known(length):
        return None
    start_type, start, length = start.type, int(start) & (1 << 64) - 1, int(length)
    if name in ("&str", "&mut str", "alloc::string::String"):
        wanted = min(length, CHARACTERS_MAX)
        content = memory(start, wanted)
        if len(content) < wanted:
            return UNAVAILABLE
        return escaped(content.decode("utf-8", "replace")) + "..." * (wanted < length)
    is_vector = name.startswith("alloc::vec::Vec<")
    element = plain.template_argument(0) if is_vector else start_type.target()
    heading = "{len=0x%x}" % length
    size = element.sizeof * min(length, ELEMENTS_MAX)
    if depth >= DEPTH_MAX or size > OBJECT_LEN_MAX:
        return heading
    if len(memory(start, size)) < size:
        return "%s %s" % (heading, UNAVAILABLE)
    first = gdb.Value(start).cast(element.pointer())
    parts = [show((first + index).dereference(), element, True, depth + 1)
             for index in range(min(length, ELEMENTS_MAX))]
    return "%s {%s}" % (heading, ", ".join(parts + ["..."] * (length > ELEMENTS_MAX)))


def rust_fields(value, plain, depth):
    if depth > DEPTH_MAX:
        return "(...)"
    parts = [show(part, field.type, True, depth + 1) for field, part in members(value, plain)]
    return "(%s)" % ", ".join(parts)


def rust_record(value, plain, depth):
    value.fetch_lazy()
    fields = plain.fields()
    name = str(plain)
    if "Infallible" in name:
        raise ValueError("gdb takes a variant that cannot be")
    if name.startswith(("&[", "&mut [", "&str", "&mut str", "alloc::vec::Vec<")) \
            or name == "alloc::string::String":
        text = rust_run(value, plain, name, depth)
        if text is not None:
            return text
    if fields and fields[0].artificial or len(fields) == 1 and is_variant(fields[0], name):
        variant = fields[-1]
        if variant.artificial:
            raise ValueError("no such variant")
        if value.address is None:
            raise ValueError("gdb takes the wrong variant of what is not in memory")
        inner = variant.type.strip_typedefs()
        name, value = variant.name, value[variant]
        if not inner.fields():
            return name
        if inner.fields()[0].name == "__0":
            return name + rust_fields(value, inner, depth)
        return "%s %s" % (name, record(value, inner, depth, True))
    if fields and fields[0].name == "__0":
        return rust_fields(value, plain, depth)
    return record(value, plain, depth, True)


# Enums with a single variant that can exist have no discriminant.
def is_variant(field, name):
    return field.name is not None and str(field.type) == "%s::%s" % (name, field.name)


def show(value, ty, is_rust, depth=0):
    global values_left
    if values_left == 0:
        return "..."
    values_left -= 1
    plain = ty.strip_typedefs().unqualified()
    # Which variant an object of Rust is of is known by the object.
    if is_rust and plain.code in RECORDS:
        plain = value.type.strip_typedefs().unqualified()
    code = plain.code
    if code in RECORDS:
        if is_rust and plain.code == gdb.TYPE_CODE_STRUCT:
            return rust_record(value, plain, depth)
        return record(value, plain, depth, is_rust)
    if code == gdb.TYPE_CODE_ARRAY:
        return array(value, plain, depth, is_rust)
    if is_rust and plain.sizeof == 0:
        return "()"
    if not is_known(value):
        return UNAVAILABLE
    if code in REFERENCES:
        return reference(value, plain, depth, is_rust)
    if code == gdb.TYPE_CODE_PTR:
        return pointer(value, plain, depth, is_rust)
    if code in (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR):
        return integer(value, ty, plain)
    if code == gdb.TYPE_CODE_BOOL:
        number = int(value) & 0xFF
        return ("false", "true")[number] if number < 2 else "true (0x%x)" % number
    if code == gdb.TYPE_CODE_FLT:
        return floating(value, plain.sizeof)
    if code == gdb.TYPE_CODE_ENUM:
        return enumeration(value, plain)
    if code == gdb.TYPE_CODE_MEMBERPTR:
        return "0n%d" % int(value.cast(gdb.lookup_type("long")))
    raise ValueError(str(plain))


# What dv shows behind "NAME = ", without the type.
def variable(symbol, frame, is_rust):
    global values_left
    values_left = VALUES_MAX
    if symbol.addr_class == gdb.SYMBOL_LOC_OPTIMIZED_OUT and symbol.type.sizeof:
        return UNAVAILABLE
    value = symbol.value(frame)
    return show(value, value.type, is_rust)
