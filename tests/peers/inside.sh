# shellcheck shell=sh
# Going to a file by a name that a stranger sent, and to nothing outside of the directory that we
# stand in.

# Leaves us in the directory of the file NAME, with the last part of NAME in $file; fails when there
# is no such regular file to be had. For a subshell. The name is only ever between double quotes,
# and after "./", so that nothing in it is expanded, and it is no option. No part may start with a
# dot. Each step is taken alone, and we look where it has led: elsewhere, if it was a link.
enter() { # NAME
    file=$1
    # Longer than any path: to take it apart, which is done from its front each time, would be hours.
    [ ${#file} -le 4096 ] || return 1
    case $file in
        '' | /* | .* | */.*) return 1 ;;
    esac
    while [ "$file" != "${file#*/}" ]; do
        step=${file%%/*} file=${file#*/}
        [ -n "$step" ] || continue # "a//b" is "a/b"
        from=${PWD%/}
        CDPATH='' cd -P "./$step" 2>/dev/null && [ "$PWD" = "$from/$step" ] || return 1
    done
    [ -n "$file" ] && [ -f "./$file" ] && [ -r "./$file" ] && ! [ -L "./$file" ]
}

# Its size in bytes, in $size.
measure() { # FILE
    size=$(wc -c <"./$1") && size=$((size))
}

# Its first SIZE bytes. Fails when it has fewer by now: then nobody can say where the answer ends.
send() { # FILE SIZE
    head -c "$2" <"./$1" && measure "$1" && [ "$size" -ge "$2" ]
}
