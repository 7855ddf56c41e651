# For each address of the file $ADDRESSES: its line and the full path of its source file, or an empty
# line.
import gdb
import os

gdb.execute("set filename-display absolute")
for address in open(os.environ["ADDRESSES"]):
    place = gdb.find_pc_line(int(address, 16))
    if place.symtab is None or place.line == 0:
        print()
    else:
        print(place.line, place.symtab.fullname())
