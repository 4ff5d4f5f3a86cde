# with_python.sh PYTHON SCRIPT ARGUMENT…: runs it, or says what is missing and skips the test (77).
if [ -x "$1" ]; then exec "$@"; fi
echo "skipped: no $1: run ./dev setup"
exit 77
