"""Manual pages and the completion for bash, from what the programs themselves say to --help, so that neither goes stale.

    python3 tools/manuals.py BIN OUT     writes OUT/sigillo.8, OUT/sigillod.8, OUT/sigillo-courier.8 and OUT/sigillo.bash
"""

import os
import re
import subprocess
import sys

PROGRAMS = {
    "sigillo": "the officers' commands of the Sigillo PIN appliance",
    "sigillod": "the server of a Sigillo PIN appliance",
    "sigillo-courier": "a courier of one medium for a Sigillo PIN appliance",
}
SECTIONS = ("Positionals", "Options", "Subcommands")


class Help:
    """One command's --help: what stands before the usage, the usage, the sections, and what stands behind them."""

    def __init__(self, binary, words):
        self.words = words
        done = subprocess.run([binary, *words[1:], "--help"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        self.about, _, rest = done.stdout.partition("Usage: ")
        self.usage, _, rest = rest.partition("\n")
        self.sections, self.behind, where = {name: [] for name in SECTIONS}, [], None
        for line in rest.splitlines():
            title = line[:-1] if line.endswith(":") else None
            if title in SECTIONS and not self.behind:
                where = title
            elif line.startswith("  ") and where:
                self.sections[where].append(line[2:])
            elif line.strip() or self.behind:
                where = None
                self.behind.append(line)

    def entries(self, section):
        """(what stands left, the words at its right) of a section."""
        found = []
        for line in self.sections[section]:
            split = re.match(r"(\S.*?)(?:  +(.*))?$", line)
            if split:
                found.append([split.group(1), split.group(2) or ""])
            elif line.strip() and found:
                found[-1][1] += " " + line.strip()
        return found

    def below(self):
        return [left.split()[0] for left, _ in self.entries("Subcommands")]

    def options(self):
        return [word for left, _ in self.entries("Options") for word in re.findall(r"(?<![\w-])(--?[a-z][a-z0-9-]*)", left)]


def every(binary, words):
    command = Help(binary, words)
    yield command
    for word in command.below():
        yield from every(binary, (*words, word))


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in text.splitlines())


def manual(program, commands):
    out = [f'.TH {program.upper().replace("-", chr(92) + "-")} 8 "" "Sigillo" "Sigillo"', ".SH NAME",
           f"{roff(program)} \\- {roff(PROGRAMS[program])}", ".SH SYNOPSIS", f".B {roff(commands[0].usage)}"]
    for number, command in enumerate(commands):
        out += [".SH DESCRIPTION" if number == 0 else f'.SH "{roff(" ".join(command.words)).upper()}"']
        out += [roff(" ".join(command.about.split()))]
        if number:
            out += [".PP", f".B {roff(command.usage)}"]
        for section in SECTIONS:
            for left, right in command.entries(section):
                out += [".TP", f".B {roff(left)}", roff(right)]
        if command.behind:
            out += [".PP", ".nf", roff("\n".join(command.behind).strip("\n")), ".fi"]
    return "\n".join(out) + "\n"


def completion(commands):
    """A command's next words by the words before it; files where an option or an argument wants one."""
    cases = []
    for command in commands:
        words = " ".join([*command.below(), *dict.fromkeys(command.options())])
        cases.append(f'    "{" ".join(command.words)}") known="{words}" ;;')
    return ("# Completion of sigillo's commands and options for bash, made from --help.\n"
            "_sigillo() {\n"
            '  local current=${COMP_WORDS[COMP_CWORD]} path=sigillo word known\n'
            '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do\n'
            '    case "$path $word" in\n'
            + "".join(f'      "{" ".join(c.words)}") path="$path $word" ;;\n' for c in commands[1:])
            + "    esac\n  done\n"
            '  case "$path" in\n' + "\n".join(cases) + "\n  esac\n"
            '  mapfile -t COMPREPLY < <(compgen -W "$known" -- "$current")\n'
            '  if [ "${#COMPREPLY[@]}" = 0 ]; then mapfile -t COMPREPLY < <(compgen -f -- "$current"); fi\n'
            "}\ncomplete -o filenames -F _sigillo sigillo\n")


def main():
    binaries, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    for program in PROGRAMS:
        commands = list(every(os.path.join(binaries, program), (program,)))
        with open(os.path.join(out, f"{program}.8"), "w", encoding="utf-8") as file:
            file.write(manual(program, commands))
        if program == "sigillo":
            with open(os.path.join(out, "sigillo.bash"), "w", encoding="utf-8") as file:
                file.write(completion(commands))


if __name__ == "__main__":
    main()
