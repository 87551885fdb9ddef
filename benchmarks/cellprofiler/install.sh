#!/usr/bin/env bash
# Make an environment of its own for CellProfiler 4.2.8: Python 3.11 and a JDK 17; nothing of it touches this package.
#
#     benchmarks/cellprofiler/install.sh [FOLDER]      default: benchmarks/cellprofiler/environment, which git ignores
#
# Run again, it finishes what is missing. PYTHON names another Python 3.11, JAVA_HOME another JDK.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${1:-$here/environment}"
folder=$(cd "${1:-$here/environment}" && pwd)
program=$folder/cellprofiler-4.2.8.1 # what `countception benchmark --method cellprofiler` starts

fail() {
    echo "$1" >&2
    exit 1
}

find_jdk() { # the folder of a JDK 17; a mere runtime lacks the headers that javabridge is built with
    for jdk in ${JAVA_HOME:+"$JAVA_HOME"} /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/*17*; do
        if [ -x "$jdk/bin/javac" ] && "$jdk/bin/javac" -version 2>&1 | grep -q '^javac 17\.'; then
            echo "$jdk"
            return
        fi
    done
}

if [ -x "$program" ] && "$program" --version >/dev/null 2>&1; then
    echo "CellProfiler is there: $program"
    exit
fi

jdk=$(find_jdk)
if [ -z "$jdk" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update && apt-get install -y --no-install-recommends --no-upgrade openjdk-17-jdk-headless
        jdk=$(find_jdk)
    fi
    [ -n "$jdk" ] || fail "CellProfiler needs a JDK 17: install openjdk-17-jdk-headless, or say in JAVA_HOME where one is."
fi
export JAVA_HOME=$jdk

python=${PYTHON:-python3.11}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
    fail "CellProfiler needs Python 3.11 and $python is none: say in PYTHON where one is."
[ -x "$folder/bin/pip" ] || "$python" -m venv "$folder"

install() {
    "$folder/bin/python" -m pip install --disable-pip-version-check --quiet -c "$here/constraints.txt" "$@"
}
install "numpy<2" "cython<3" "setuptools<70" wheel
install --no-build-isolation python-javabridge==4.0.5
install scipy scikit-image scikit-learn h5py centrosome matplotlib pyzmq tifffile imageio Pillow mahotas inflect \
    docutils psutil boto3 sentry-sdk requests future six
# without what only the window and the databases need (wxPython, mysqlclient)
install --no-deps cellprofiler==4.2.8.1 cellprofiler-core==4.2.8.1 python-bioformats==4.1.0 prokaryote==2.4.4

cat >"$program.new" <<EOF
#!/bin/sh
JAVA_HOME='$jdk' exec '$folder/bin/cellprofiler' "\$@"
EOF
chmod +x "$program.new"
"$program.new" --version >/dev/null 2>&1 || fail "CellProfiler was installed in $folder but does not start: $program.new --version says why."
mv "$program.new" "$program" # last, so that what is there works
echo "CellProfiler is ready: export COUNTCEPTION_CELLPROFILER='$folder'"
