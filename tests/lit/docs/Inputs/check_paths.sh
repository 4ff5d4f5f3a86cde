#!/usr/bin/env bash
# Do the pages name files that are there? Checks relative links, and paths in backticks that begin with a folder of the tree.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../../.."

dead=0
complain() {
  echo "$1: no such file: $2" >&2
  dead=1
}
for page in *.md docs/*.md docs/*/*.md; do
  [[ -f $page ]] || continue
  while read -r link; do
    [[ -e $(dirname "$page")/$link ]] || complain "$page" "$link"
  done < <(grep -oE '\]\([^)# ]*[./][^)# ]*' "$page" | cut -c3- | grep -v '^[a-z]*:' || true)
  while read -r path; do
    # A pattern stands for at least one file.
    compgen -G "$path" >/dev/null || complain "$page" "$path"
  done < <(grep -oE '`(frontends|ir|passes|codegen|runtime|tools|tests|docs)/[A-Za-z0-9_./*-]*`' "$page" | tr -d '`' || true)
done
exit "$dead"
