"""Tidy is a test, so it is tested: a clean tree passes, and one violation of each rule is named where it is."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402
from source import Source, functions  # noqa: E402

OPENING = ("// Seal: the thing that this header is about, in a paragraph that says what it is and who owns it.\n"
           "// Thread rule: a value. Never: anything else.\n#pragma once\n\n")
CLEAN = {
    ".clang-format": "BasedOnStyle: Google\nColumnLimit: 110\n",
    "base/include/base/seal.hpp": OPENING + "namespace sigillo::base {\nint seal();\n}  // namespace sigillo::base\n",
    "base/src/seal.cpp": "#include <base/seal.hpp>\n\nnamespace sigillo::base {\n"
                         "// memcmp( and C_Sign( in a comment, rand() too\n"
                         'int seal() { return sizeof "strcmp(a, b) TO-DO"; }\n}  // namespace sigillo::base\n',
}
BODY = "namespace sigillo::{0} {{\n{1}\n}}  // namespace sigillo::{0}\n"


def code(namespace, text):
    return BODY.format(namespace, text)


# (rule, path, content): each is the only thing wrong with its tree.
VIOLATIONS = [
    ("layer", "base/src/a.cpp", "#include <hsm/token.hpp>\n"),
    ("layer", "hsm/src/a.cpp", "#include <sealed_store/store.hpp>\n"),
    ("layer", "sealed-store/src/a.cpp", "#include <hsm/token.hpp>\n"),
    ("layer", "appliance/src/a.cpp", "#include <api/routes.hpp>\n"),
    ("layer", "channels/src/a.cpp", "#include <appliance/contacts.hpp>\n"),
    ("layer", "provisioning/src/a.cpp", "#include <api/routes.hpp>\n"),
    ("layer", "api/src/a.cpp", "#include <sealed_store/store.hpp>\n"),
    ("layer", "api/src/a.cpp", '#include "../../hsm/src/objects.hpp"\n'),
    ("third-party", "appliance/src/a.cpp", "#include <p11-kit/pkcs11.h>\n"),
    ("third-party", "hsm/include/hsm/a.hpp", OPENING + "#include <pkcs11.h>\n"),
    ("third-party", "appliance/src/a.cpp", "#include <sqlcipher/sqlite3.h>\n"),
    ("third-party", "appliance/src/a.cpp", "#include <sqlite3.h>\n"),
    ("third-party", "appliance/src/a.cpp", "#include <boost/asio.hpp>\n"),
    ("third-party", "appliance/src/a.cpp", "#include <boost/beast/http.hpp>\n"),
    ("third-party", "appliance/src/a.cpp", "#include <curl/curl.h>\n"),
    ("third-party", "appliance/src/policy.cpp", "#include <toml++/toml.h>\n"),
    ("third-party", "hsm/src/a.cpp", "#include <spdlog/spdlog.h>\n"),
    ("third-party", "appliance/src/a.cpp", "#include <CLI/CLI.hpp>\n"),
    ("third-party", "appliance/src/a.cpp", "#include <prometheus/counter.h>\n"),
    ("third-party", "tests/appliance/a.cpp", "#include <sqlite3.h>\n"),
    ("compare", "appliance/src/a.cpp", code("appliance", "bool f(void* a, void* b) { return std::memcmp(a, b, 8) == 0; }")),
    ("compare", "appliance/src/a.cpp", code("appliance", "bool f(char* a, char* b) { return strcmp(a, b) == 0; }")),
    ("random", "appliance/src/a.cpp", code("appliance", "int f() { return rand(); }")),
    ("random", "appliance/src/a.cpp", code("appliance", "int f() { return std::mt19937{7}(); }")),
    ("sleep", "tests/hsm/a.cpp", code("hsm", "void f() { std::this_thread::sleep_for(second); }")),
    ("sleep", "tests/channels/a.py", "import time\ntime.sleep(1)\n"),
    ("raw-pkcs11", "appliance/src/a.cpp", code("appliance", "void f() { C_Sign(1); }")),
    ("raw-sqlite", "appliance/src/a.cpp", code("appliance", "void f() { sqlite3_step(nullptr); }")),
    ("shell", "provisioning/src/a.cpp", code("provisioning", 'void f() { std::system("ls"); }')),
    ("unsafe-c", "base/src/a.cpp", code("base", 'void f(char* to) { sprintf(to, "x"); }')),
    ("stdout", "appliance/src/a.cpp", code("appliance", 'void f() { std::printf("x"); }')),
    ("stdout", "appliance/src/a.cpp", code("appliance", "void f() { std::cout << 1; }")),
    ("environment", "appliance/src/a.cpp", code("appliance", 'const char* f() { return std::getenv("PIN"); }')),
    ("co-await-loop", "api/src/a.cpp", "task f() {\n  while (co_await g()) {\n  }\n}\n"),
    ("using-namespace", "base/src/a.cpp", "using namespace std;\n"),
    ("using-namespace", "base/include/base/a.hpp", OPENING + "using namespace sigillo::base;\n"),
    ("size", "base/include/base/a.hpp", OPENING + "int a();\n" * 160),
    ("size", "base/src/a.cpp", "int a();\n" * 451),
    ("function-size", "base/src/a.cpp", code("base", "int f(int a) {\n" + "  a += 1;\n" * 90 + "  return a;\n}")),
    ("header-opening", "base/include/base/a.hpp", "#pragma once\nint a();\n"),
    ("header-opening", "base/include/base/a.hpp", "// Too short.\n#pragma once\nint a();\n"),
    ("header-opening", "base/include/base/a.hpp", OPENING.replace("Thread rule", "Rule") + "int a();\n"),
    ("header-opening", "base/include/base/a.hpp", OPENING.replace("#pragma once", "#ifndef A") + "#endif\n"),
    ("format", "base/src/a.cpp", "int   a( );\n"),
    ("todo", "base/src/a.cpp", "// TO" "DO: later\n"),
    ("todo", "docs/a.md", "FIX" "ME\n"),
    ("registry-host", "run", "curl https://deb.deb" "ian.org/x\n"),
    ("registry-host", "tests/e2e/package.json", '{"resolved": "https://registry.npm' 'js.org/a"}\n'),
    ("machine-path", "cmake/a.cmake", "set(X /ho" "me/me/project)\n"),
    ("machine-path", "docs/a.md", "See `/wo" "rk/main`.\n"),
]


class Tree(tempfile.TemporaryDirectory):
    def __init__(self, files):
        super().__init__()
        for path, content in files.items():
            full = os.path.join(self.name, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(content)


def findings(files):
    with Tree(files) as root:
        return tidy.run(root)


def failing(files):
    return {(f.rule, f.path) for f in findings(files) if f.fails}


class TidyTest(unittest.TestCase):
    def test_a_clean_tree_passes(self):
        self.assertEqual([str(f) for f in findings(CLEAN)], [])

    def test_each_violation_is_named_where_it_is(self):
        for rule, path, content in VIOLATIONS:
            with self.subTest(rule=rule, path=path, content=content[:60]):
                self.assertEqual(failing({**CLEAN, path: content}), {(rule, path)})

    def test_every_rule_has_a_violation_here(self):
        tried = {rule for rule, _, _ in VIOLATIONS} | {"include-cycle", "allow-list"}
        named = {rule for rule, *_ in tidy.BANNED} | {rule for rule, *_ in tidy.TEXT_RULES}
        named |= {"layer", "third-party", "include-cycle", "size", "function-size", "header-opening", "format", "allow-list"}
        self.assertEqual(tried, named)

    def test_a_cycle_is_named_with_its_way(self):
        cycle = {**CLEAN, "base/include/base/a.hpp": OPENING + "#include <base/b.hpp>\n",
                 "base/include/base/b.hpp": OPENING + "#include <base/c.hpp>\n",
                 "base/include/base/c.hpp": OPENING + "#include <base/a.hpp>\n"}
        found = [f for f in findings(cycle) if f.rule == "include-cycle"]
        self.assertEqual(len(found), 1)
        self.assertIn("base/include/base/b.hpp -> base/include/base/c.hpp", found[0].message)

    def test_what_is_long_is_said_and_does_not_fail(self):
        found = findings({**CLEAN, "base/include/base/a.hpp": OPENING + "int a();\n" * 130})
        self.assertEqual([(f.rule, f.fails) for f in found], [("size", False)])

    def test_the_allowed_passes_with_a_reason_and_a_stale_exception_fails(self):
        bad = {**CLEAN, "base/src/a.cpp": "using namespace std;\n"}
        allow = "tests/tidy/allow.txt"
        self.assertEqual(failing({**bad, allow: "# why\nusing-namespace base/src/a.cpp it is generated\n"}), set())
        self.assertIn(("allow-list", allow), failing({**bad, allow: "using-namespace base/src/a.cpp\n"}))
        self.assertEqual(failing({**CLEAN, allow: "todo base/src/a.cpp gone long ago\n"}), {("allow-list", allow)})

    def test_modules_may_use_what_is_theirs(self):
        own = {"hsm/src/a.cpp": "#include <p11-kit/pkcs11.h>\n", "sealed-store/src/a.cpp": "#include <sqlcipher/sqlite3.h>\n",
               "api/src/a.cpp": "#include <boost/beast.hpp>\n", "tests/api/a.cpp": "#include <boost/asio.hpp>\n",
               "channels/src/a.cpp": "#include <curl/curl.h>\n", "appliance/src/config.cpp": "#include <toml++/toml.h>\n"}
        self.assertEqual(failing({**CLEAN, **own}), set())


class FunctionsTest(unittest.TestCase):
    def measure(self, text):
        return [(name, last - first + 1) for name, first, last in functions(Source("a.cpp", text).code)]

    def test_bodies_are_measured_from_head_to_brace(self):
        self.assertEqual(self.measure("namespace a {\nint f(\n    int x) {\n  if (x) {\n  }\n  return 1'000;\n}\n}\n"), [("f", 6)])

    def test_members_initialised_with_braces_do_not_hide_the_body(self):
        self.assertEqual(self.measure("class A {\n  A() : x_{1}, y_{2} {\n    f();\n  }\n  int x_;\n};\n"), [("A", 3)])

    def test_defaults_with_braces_and_lambdas_are_inside(self):
        self.assertEqual(self.measure("void f(B b = {}, int c = 1) {\n  auto g = [] {\n    return 1;\n  };\n}\n"), [("f", 5)])

    def test_literals_and_comments_hide_their_braces(self):
        self.assertEqual(self.measure('void f() {\n  g("}", \'}\', R"({{{)"); // }\n}\nvoid h() {}\n'), [("f", 3), ("h", 1)])


if __name__ == "__main__":
    unittest.main()
