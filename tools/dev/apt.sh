# Which Debian packages does Jinx need, and are they here?
#
# The lists are tools/dev/apt-*.list, one package a line. Asking dpkg costs milliseconds; apt runs
# only when something is missing.

# missing_packages LIST: the packages of the list that dpkg does not have installed.
missing_packages() {
  local wanted installed
  wanted=$(grep -v '^#' "$1" | sort)
  # dpkg-query exits 1 when it does not know a package; that is an answer here.
  installed=$({ xargs dpkg-query -W -f='${Package} ${db:Status-Status}\n' <<<"$wanted" 2>/dev/null || true; } |
    sed -n 's/ installed$//p' | sort -u)
  comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed")
}

setup_apt() {
  local answer missing as_root=()
  answer=$(missing_packages "$JINX_ROOT/tools/dev/apt-$1.list")
  if [[ -z $answer ]]; then
    say "Debian packages ($1): all there"
    return
  fi
  mapfile -t missing <<<"$answer"
  say "Debian packages ($1): installing ${missing[*]}"
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "these packages need root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
}
