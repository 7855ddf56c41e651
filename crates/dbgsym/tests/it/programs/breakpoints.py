# For each location of the file $LOCATIONS: the addresses of a breakpoint there, in hexadecimal.
import gdb
import os

for location in open(os.environ["LOCATIONS"]):
    addresses = []
    try:
        breakpoint = gdb.Breakpoint(location.strip(), internal=True)
        addresses = [place.address for place in breakpoint.locations]
        breakpoint.delete()
    except gdb.error:
        pass
    print(" ".join("%x" % address for address in sorted(addresses)))
