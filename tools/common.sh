# What ./run, ./test, .ci/run and tools/install share: words on the terminal, and the one way to build.
# Sourced with the working directory at the root of the project.

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
fail() {
  warn "sigillo: $*"
  exit 1
}

# follow TEXT: copies standard input to $LOG and shows how far the work is ("[12/345]"): on a terminal in one line,
# elsewhere at each tenth. (Not awk: Debian's reads ahead, and then there is nothing to see until the end.)
follow() {
  local line tenth=0 shown=0
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$LOG"
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    if [ -t 1 ]; then
      printf '\r%s  %d of %d ' "$1" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
      shown=1
    elif ((10 * BASH_REMATCH[1] / BASH_REMATCH[2] > tenth)); then
      tenth=$((10 * BASH_REMATCH[1] / BASH_REMATCH[2]))
      say "$1  $((10 * tenth))%"
    fi
  done
  if [ "$shown" = 1 ]; then printf '\n'; fi
}

# build PRESET [TARGET...]: configures where that was not done, builds, is quiet. The whole log is <folder>/build.log.
build() {
  local preset=$1 folder=build
  shift
  if [ "$preset" != release ]; then folder=build-$preset; fi
  mkdir -p "$folder"
  LOG=$folder/build.log
  : >"$LOG"
  if [ ! -f "$folder/build.ninja" ]; then
    say "Configuring ($preset) ..."
    if ! cmake --preset "$preset" >>"$LOG" 2>&1; then
      grep -A 8 'CMake Error' "$LOG" >&2 || tail -n 20 "$LOG" >&2
      fail "CMake could not configure the build; the whole log is $LOG."
    fi
  fi
  local started=$SECONDS status=0
  # Ninja alone has the terminal's number of jobs in hand; a failure must not be hidden by the pipe.
  ninja -C "$folder" "$@" 2>&1 | follow "Building ($preset)" || status=$?
  if [ "$status" != 0 ]; then
    # What failed, without the command lines: those are in the log.
    grep -E -A 4 'error:|undefined reference|ninja: error' "$LOG" | grep -v -E '^-?/usr/bin/(c\+\+|clang)|^--$|In file included|^ +from ' |
      head -n 40 >&2 || tail -n 30 "$LOG" >&2
    fail "the build failed; the whole log is $LOG."
  fi
  say "Built ($preset) in $((SECONDS - started)) s."
}

# run_ctest FOLDER [OPTION...]: the tests of a build folder, two at a time; the outcome also goes to FOLDER/tests.xml.
run_ctest() {
  local folder=$1
  shift
  rm -f "$folder/tests.xml"
  ctest --test-dir "$folder" --output-on-failure --parallel 2 --no-tests=error --output-junit "$PWD/$folder/tests.xml" "$@"
}

# close_with JUNIT...: the closing line "N passed, N failed" of these outcomes together. A test that was not run for a
# reason of its own ("skipped") is neither; a file that is missing is one failure, for then CTest did not get to its end.
close_with() {
  local file absent=0 outcomes=()
  for file in "$@"; do
    if [ -f "$file" ]; then outcomes+=("$file"); else absent=$((absent + 1)); fi
  done
  awk -v absent="$absent" '
    function number(name) {
      if (!match($0, name "=\"[0-9]+\"")) return 0
      return substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 3)
    }
    /<testsuite/ { inside = 1 }
    inside { tests += number("\ttests"); failed += number("\tfailures"); left_out += number("\tskipped") + number("\tdisabled") }
    />/ { inside = 0 }
    END { print tests - failed - left_out " passed, " failed + absent " failed" }' ${outcomes[@]+"${outcomes[@]}"} /dev/null
}
