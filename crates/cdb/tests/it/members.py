# Run by gdb: writes the members of the types in NAMES, one name in each line: "TYPE NAME", "FIELD
# OFFSET NAME" for each member with a name and a fixed place, "END SIZE". Types that gdb does not
# find by these names are left out, and so are enumerations and bases, which are no members.
import os
import gdb

for name in os.environ["NAMES"].split("\n"):
    try:
        found = gdb.lookup_type(name).strip_typedefs()
    except gdb.error:
        continue
    if found.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) or found.name not in (None, name, name.split(" ", 1)[-1]):
        continue
    fields = [field for field in found.fields()
              if hasattr(field, "bitpos") and field.name and not field.is_base_class]
    # What Rust's enumerations have depends on the object.
    if any(field.artificial for field in fields):
        continue
    print("TYPE", name)
    for field in fields:
        # Of a bit field, the byte that its first bit is in.
        print("FIELD", field.bitpos // 8, field.name)
    print("END", found.sizeof)
