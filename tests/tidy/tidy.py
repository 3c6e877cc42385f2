"""Checks the tree against the project's own rules and names every place that breaks one.

    python3 tidy.py ROOT

Exceptions are lines of tests/tidy/allow.txt, `rule path reason...`; one that nothing needs any more is itself an error.
Exit code 0 where nothing fails; what is merely long is said and does not fail.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from source import Source, functions  # noqa: E402

# What a module may include, by its include root. Below the line of the architecture's picture nothing looks up.
LAYERS = {
    "base": {"base"},
    "hsm": {"hsm", "base"},
    "sealed-store": {"sealed_store", "base"},
    "appliance": {"appliance", "hsm", "sealed_store", "base"},
    "api": {"api", "appliance", "hsm", "base"},
    "provisioning": {"provisioning", "appliance", "hsm", "sealed_store", "base"},
    "channels": {"channels", "base"},
}
ROOTS = {root for roots in LAYERS.values() for root in roots}

# Third-party headers, and the only places that may include them; tests of a module stand under the module's rule.
THIRD_PARTY = [
    (r"p11-kit/|pkcs11", ["hsm/src/"]),
    (r"sqlite3|sqlcipher/", ["sealed-store/src/"]),
    (r"boost/(asio|beast)", ["api/"]),
    (r"curl/", ["channels/"]),
    (r"toml\+\+/", ["appliance/src/config", "provisioning/src/ceremony_plan.cpp"]),
    (r"spdlog/", ["base/"]),
    (r"libgfshare", ["base/src/shares.cpp"]),
    (r"qrencode", ["provisioning/src/"]),
    (r"CLI/", ["bench/", "provisioning/", "api/src/main.cpp", "channels/src/main.cpp"]),
    (r"prometheus/", ["api/"]),
]

# (rule, pattern, where it holds, where it does not, what to do instead)
BANNED = [
    ("compare", r"\b(memcmp|strcmp|strncmp|bcmp)\s*\(", "", ("tests/", "bench/"), "compare with base::constant_time_equal or =="),
    ("random", r"\b(rand|srand|rand_r|drand48|random_device|mt19937(_64)?)\b\s*[({\w]", "", ("tests/", "bench/"),
     "take randomness from the HSM or base::random_bytes"),
    ("sleep", r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(", "tests/", None, "wait for the event"),
    ("raw-pkcs11", r"\bC_[A-Z]\w+\s*\(", "", "hsm/src/", "go through hsm::Token"),
    ("raw-sqlite", r"\bsqlite3_\w+", "", "sealed-store/src/", "go through sealed_store::Store"),
    ("shell", r"\b(system|popen|execl|execlp|execvp)\s*\(", "", ("tests/", "bench/"), "no product code starts a program"),
    ("unsafe-c", r"\b(strcpy|strcat|sprintf|vsprintf|gets|alloca)\s*\(", "", None, "use a sized container"),
    ("stdout", r"(?<![\w.>])(std::)?(printf|puts|putchar)\s*\(|\bstd::(cout|cerr)\b", "", ("tests/", "bench/"),
     "log with base::log, or print in main and the commands"),
    ("environment", r"\b(secure_)?getenv\s*\(", "", ("tests/", "bench/"), "configuration is a file; a secret is never in the environment"),
    ("co-await-loop", r"\bwhile\s*\(\s*!?\s*co_await", "", None, "name the result: g++ 12 lays such a frame out wrongly"),
    ("using-namespace", r"\busing\s+namespace\s+(?!std::(literals|\w+_literals|chrono)\b|sigillo\b)", "", None,
     "name what is used"),
]
TEXT_RULES = [
    ("todo", r"\b(TODO|FIXME|HACK)\b", "finish it, or say in docs/ what is left and why"),
    ("registry-host", r"\b([a-z0-9-]+\.)*(debian|ubuntu|pypi|pythonhosted|npmjs|yarnpkg|crates|docker|ghcr|quay|golang)"
                      r"\.(org|io|com|dev)\b", "the machine's own sources say where things come from"),
    ("machine-path", r"(?<![\w.$}])/(home|root|work|Users|mnt|tmp/build)/", "no path of one machine"),
]
HEADER_LINES, SOURCE_LINES, FUNCTION_LINES = (120, 160), (350, 450), (70, 90)
SKIPPED_FOLDERS = {".git", "node_modules", "__pycache__", "var", "corpus"}
TEXT_ENDINGS = (".hpp", ".cpp", ".py", ".md", ".txt", ".cmake", ".json", ".toml", ".yaml", ".yml", ".sh", ".service", ".pml", "")


class Finding:
    def __init__(self, rule, path, line, message, fails=True):
        self.rule, self.path, self.line, self.message, self.fails = rule, path, line, message, fails

    def __str__(self):
        return f"{self.path}:{self.line}: {'' if self.fails else 'long, and not yet an error: '}{self.message} [{self.rule}]"


def list_files(root):
    """Paths from the root: what git knows or would take; in a tree without git, everything but what a build makes."""
    if os.path.isdir(os.path.join(root, ".git")):
        done = subprocess.run(["git", "-c", f"safe.directory={root}", "-C", root, "ls-files", "-co", "--exclude-standard"],
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return sorted(p for p in set(done.stdout.splitlines()) if os.path.isfile(os.path.join(root, p))
                          and not SKIPPED_FOLDERS & set(p.split("/")))
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS and not f.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def module_of(path):
    """The module whose rules hold: tests/<module>/ stands under the module's."""
    parts = path.split("/")
    if parts[0] == "tests" and len(parts) > 2:
        return None if parts[1] not in LAYERS else parts[1]
    return parts[0] if parts[0] in LAYERS else None


def check_layers(source):
    module = module_of(source.path)
    if source.path.startswith("tests/") or module is None:
        return
    for line, target, angled in source.includes:
        root = target.split("/")[0]
        if angled and root in ROOTS and root not in LAYERS[module]:
            yield Finding("layer", source.path, line, f"{module} may not know {target}")
        if not angled and (target.startswith("..") or target.split("/")[0] in ROOTS):
            yield Finding("layer", source.path, line, f'"{target}" leaves its module: include it as <module/...>')


def check_third_party(source):
    path = source.path
    if path.startswith("tests/"):
        module = module_of(path)
        places = [module + "/"] if module else None
    for line, target, _ in source.includes:
        for pattern, allowed in THIRD_PARTY:
            if not re.match(pattern, target):
                continue
            if path.startswith("tests/"):
                held = places is None or any(a.startswith(places[0]) for a in allowed)
            else:
                held = any(path.startswith(a) for a in allowed)
            if not held:
                yield Finding("third-party", path, line, f"{target} stays in {', '.join(allowed)}")


def check_cycles(sources):
    by_path = {s.path: s for s in sources}
    includes = {}
    for source in sources:
        reached = []
        for _, target, angled in source.includes:
            if angled:
                root = target.split("/")[0].replace("_", "-")
                reached.append(f"{root}/include/{target}")
            else:
                reached.append(os.path.normpath(os.path.join(os.path.dirname(source.path), target)))
        includes[source.path] = [p for p in reached if p in by_path]
    state, reported = {}, set()

    def visit(path, trail):
        state[path] = "open"
        for target in includes[path]:
            if state.get(target) == "open":
                cycle = trail[trail.index(target):] + [target]
                if frozenset(cycle) not in reported:
                    reported.add(frozenset(cycle))
                    yield Finding("include-cycle", path, 1, " -> ".join(cycle))
            elif target not in state:
                yield from visit(target, trail + [target])
        state[path] = "done"

    for path in includes:
        if path not in state:
            yield from visit(path, [path])


def check_banned(source):
    for rule, pattern, where, not_where, instead in BANNED:
        if not source.path.startswith(where) or (not_where and source.path.startswith(not_where)):
            continue
        raw = rule in ("raw-pkcs11", "raw-sqlite")
        if raw and source.path.startswith(("tests/fault/", "tests/" + not_where.split("/")[0])):
            continue
        for line, match in source.search(pattern):
            if rule != "stdout" or not source.path.endswith("/src/main.cpp"):  # sigillod says `ready` there
                yield Finding(rule, source.path, line, f"`{match.strip()}`: {instead}")
    if source.path.endswith(".hpp"):
        for line, match in source.search(r"\busing\s+namespace\s+sigillo\S*"):
            yield Finding("using-namespace", source.path, line, f"`{match.strip()}` in a header: name what is used")


def sized(rule, path, line, count, limits, what):
    soft, hard = limits
    if count > soft:
        yield Finding(rule, path, line, f"{what} has {count} lines (about {soft} are meant, {hard} are the end)", count > hard)


def check_sizes(source):
    header = source.path.endswith(".hpp") and not source.path.startswith("tests/")
    yield from sized("size", source.path, 1, source.text.count("\n"), HEADER_LINES if header else SOURCE_LINES,
                     "the header" if header else "the source")
    for name, first, last in functions(source.code):
        yield from sized("function-size", source.path, first, last - first + 1, FUNCTION_LINES, f"the function `{name}`")


def check_header(source):
    if not source.path.endswith(".hpp"):
        return
    opening = re.match(r"(?://[^\n]*\n)+", source.text)
    words = opening.group(0) if opening else ""
    if len(words.split()) < 12 or not re.match(r"\s*#pragma once", source.text[len(words):]):
        yield Finding("header-opening", source.path, 1, "a header opens with a paragraph (what, owner, thread rule, never) "
                                                        "and then #pragma once")
    elif not source.path.startswith("tests/") and "hread rule" not in re.sub(r"\s*\n//\s*", " ", words):
        yield Finding("header-opening", source.path, 1, "the opening paragraph does not say the thread rule")


def check_text(path, text):
    for rule, pattern, instead in TEXT_RULES:
        for match in re.finditer(pattern, text):
            yield Finding(rule, path, text.count("\n", 0, match.start()) + 1, f"`{match.group(0)}`: {instead}")
    if path.startswith("tests/") and path.endswith(".py"):
        for match in re.finditer(r"\btime\.sleep\s*\(", text):
            yield Finding("sleep", path, text.count("\n", 0, match.start()) + 1, "`time.sleep`: wait for the event")


def check_format(root, sources):
    if not sources or not os.path.isfile(os.path.join(root, ".clang-format")):
        return
    done = subprocess.run(["clang-format", "--dry-run", "--ferror-limit=1", *[s.path for s in sources]], cwd=root,
                          capture_output=True, text=True, check=False)
    reported = set()
    for match in re.finditer(r"^([^\s:]+):(\d+):\d+: (?:warning|error): code should be clang-formatted", done.stderr, re.M):
        if match.group(1) not in reported:
            reported.add(match.group(1))
            yield Finding("format", match.group(1), int(match.group(2)), f"run clang-format -i {match.group(1)}")
    if done.returncode != 0 and not reported:
        yield Finding("format", ".clang-format", 1, f"clang-format did not run: {done.stderr.strip()[:200]}")


def check(root):
    sources, findings = [], []
    for path in list_files(root):
        name = os.path.basename(path)
        if os.path.splitext(name)[1] not in TEXT_ENDINGS:
            continue
        try:
            with open(os.path.join(root, path), encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError:
            continue  # a binary sample of a test
        if not path.startswith("tests/tidy/"):  # the rules' own words are there
            findings += check_text(path, text)
        if path.endswith((".hpp", ".cpp")) and (module_of(path) or path.startswith(("tests/", "bench/"))):
            sources.append(Source(path, text))
    for source in sources:
        for rule in (check_layers, check_third_party, check_banned, check_sizes, check_header):
            findings += rule(source)
    return findings + list(check_cycles(sources)) + list(check_format(root, sources))


def apply_exceptions(findings, lines):
    """Takes away what the list allows; adds what is wrong with the list."""
    allowed, kept = {}, []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) < 3:
            kept.append(Finding("allow-list", "tests/tidy/allow.txt", number, "an exception is `rule path reason`"))
        else:
            allowed[tuple(words[:2])] = number
    used = set()
    for finding in findings:
        if (finding.rule, finding.path) in allowed:
            used.add((finding.rule, finding.path))
        else:
            kept.append(finding)
    return kept + [Finding("allow-list", "tests/tidy/allow.txt", number, f"nothing needs `{' '.join(key)}` any more")
                   for key, number in allowed.items() if key not in used]


def run(root):
    path = os.path.join(root, "tests", "tidy", "allow.txt")
    lines = []
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    return apply_exceptions(check(root), lines)


def main():
    findings = run(os.path.abspath(sys.argv[1]))
    for finding in sorted(findings, key=lambda f: (not f.fails, f.path, f.line)):
        print(finding)
    failing = sum(f.fails for f in findings)
    print(f"{failing} to correct, {len(findings) - failing} to watch.")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
