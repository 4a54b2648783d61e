#!/bin/sh
# check_globals.sh BUILD-DIR - fails when one of our objects holds writable data (I1).
#
# Two VMs share an OS process, so nothing that can change may live outside a VM. Every object
# file of ours is asked for sections that are writable at run time: .data, .bss, .tdata, .tbss.
# Constant tables of pointers sit in .data.rel.ro, which the loader seals; they are allowed.
# Only the folders of src/ and the boot image count: tests may keep state.

set -eu
build=$1

case $(sed -n 's/.*-fsanitize=\([a-z]*\).*/\1/p' "$build/build.ninja" | head -n 1) in
    '') ;;
    *) echo "sanitizers bring globals of their own: not checked here"; exit 77 ;;
esac

objects=$(find "$build" -type f -name '*.o' |
    grep -E '/(src|stdlib)/|/(maggie-erl|mag|libmaggie\.a)\.p/' | sort || true)
[ -n "$objects" ] || { echo "no object files yet"; exit 77; }

# Lines of objdump -h are: index name size vma lma offset alignment. A section that holds nothing
# is of no interest. Common symbols would end in .bss at link time.
bad=0
for object in $objects; do
    found=$(objdump -h "$object" | awk '
        $2 ~ /^\.(data|bss|tdata|tbss)(\.|$)/ && $2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0+$/ { print $2 }')
    common=$(objdump -t "$object" | awk '/\*COM\*/ { print $NF }')
    [ -n "$found$common" ] || continue
    bad=$((bad + 1))
    echo "writable data in ${object#"$build"/}:"
    objdump -t "$object" | awk '
        / (\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && !/\.data\.rel\.ro/ && NF >= 5 &&
        $NF !~ /^\./ { print "    " $NF }'
done
[ "$bad" = 0 ] || { echo "$bad object files hold writable data"; exit 1; }
echo "$(echo "$objects" | wc -l) object files, none with writable data"
