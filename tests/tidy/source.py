"""A C++ source as tidy sees it: its includes, its code without comments and literals, its functions."""

import re

# Comments and literals, in the order in which they hide one another. A ' after a digit separates digits.
HIDDEN = re.compile(r'R"(?P<tag>\w*)\((?:.|\n)*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\''
                    r"|//[^\n]*|/\*(?:.|\n)*?\*/")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
SCOPE = re.compile(r"^(?:\[\[\w+\]\]\s*|export\s+|inline\s+|typedef\s+|template\s*<.*>\s*)*"
                   r"(namespace|class|struct|union|enum|extern)\b", re.S)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


class Source:
    def __init__(self, path, text):
        self.path, self.text = path, text
        # Includes hide in nothing; their names would be blanked as literals.
        self.includes = [(text.count("\n", 0, m.start()) + 1, m.group(2), m.group(1) == "<") for m in INCLUDE.finditer(text)]
        self.code = HIDDEN.sub(blank, text)

    def search(self, pattern):
        for match in re.finditer(pattern, self.code):
            yield self.code.count("\n", 0, match.start()) + 1, match.group(0)


def functions(code):
    """(name, first line, last line) of each function body at namespace or class level, from its head to its brace."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, code, flags=re.M)
    stack = []  # of (kind, head, first line); kinds: scope, function, inner, expression
    head, first, parens, line = "", 1, 0, 1
    for position, char in enumerate(code):
        if char == "\n":
            line += 1
        if char == "(":
            parens += 1
        elif char == ")":
            parens -= 1
        if char == "{":
            outside = all(kind == "scope" for kind, _, _ in stack)
            text = head.strip()
            if parens > 0:
                kind = "expression"
            elif outside and SCOPE.match(text) and not re.search(r"\)\s*(const|noexcept|override|->.*)?\s*$", text):
                kind = "scope"
            else:
                kind = "function" if outside and "(" in text else "inner"
            stack.append((kind, head, first))
            if kind != "expression":
                head = ""
        elif char == "}" and stack:
            kind, before, began = stack.pop()
            after = code[position + 1:].lstrip()[:1] if kind == "function" else ""
            if after and after in ",{":  # a member initialised with braces: the body is still to come
                head, first = before + "{}", began
            elif kind == "function":
                yield re.sub(r"\s+", " ", before.split("(")[0]).strip().split(" ")[-1], began, line
            if kind != "expression" and not (after and after in ",{"):
                head = ""
        elif char == ";" and parens == 0:
            head = ""
        else:
            if not head.strip() and not char.isspace():
                first = line
                head = ""
            head += char
