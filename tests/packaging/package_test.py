"""The Debian package: the same bytes whoever makes it and wherever, with what the unit names, and nothing that starts by itself.
Arguments: the source folder, the build folder.

The programs are built once here. That another folder gives the same is shown by what they are made of: no path of this one in any byte,
debug information included, and some files compiled anew in another folder, by the build's own commands, are the same objects.
"""

import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = BUILD = None
PROGRAMS = ("sigillo", "sigillod", "sigillo-courier")
# A plain one, one that says where an error was made, one that is generated.
COMPILED_ANEW = ("base/src/clock.cpp", "hsm/src/rv.cpp", "built_in_templates.cpp")


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=300, **more).stdout


class Folders(unittest.TestCase):
    def test_no_program_has_a_byte_of_the_folder_it_was_built_in(self):
        for program in PROGRAMS:
            content = (BUILD / "bin" / program).read_bytes()
            for folder in {SOURCE, BUILD}:
                found = [content[max(0, m.start() - 40):m.end() + 80] for m in re.finditer(re.escape(bytes(folder) + b"/"), content)]
                self.assertEqual(found[:3], [], program)
            self.assertNotRegex(run("readelf", "-d", BUILD / "bin" / program), "RPATH|RUNPATH")
            self.assertRegex(run("readelf", "-n", BUILD / "bin" / program), "Build ID: [0-9a-f]{40}")

    def test_another_folder_gives_the_same_objects(self):
        commands = json.loads((BUILD / "compile_commands.json").read_text())
        with tempfile.TemporaryDirectory() as temporary:
            other = pathlib.Path(temporary).resolve() / "elsewhere"
            for module in ("base", "hsm", "appliance"):
                shutil.copytree(SOURCE / module, other / module)
            shutil.copytree(BUILD / "appliance", other / "build/appliance", ignore=lambda _, names: [n for n in names if not n.endswith(".cpp")])
            for name in COMPILED_ANEW:
                command = next(c["command"] for c in commands if c["file"].endswith(name))
                here, there = (re.sub(r" -o \S+", f" -o {temporary}/{folder}.o", command) for folder in ("here", "there"))
                there = re.sub(rf"{re.escape(str(BUILD))}(?=[/\s=]|$)", f"{other}/build", there)
                there = re.sub(rf"{re.escape(str(SOURCE))}(?=[/\s=]|$)", str(other), there)
                # Both anew, for a ccache may have put other names of the files into the build's own.
                for words, folder in ((here, BUILD), (there, other / "build")):
                    subprocess.run(words, shell=True, check=True, cwd=folder, timeout=300, env=os.environ | {"CCACHE_DISABLE": "1"})
                objects = [pathlib.Path(temporary, f"{folder}.o").read_bytes() for folder in ("here", "there")]
                self.assertTrue(objects[0] == objects[1], f"{name} is another object in another folder")


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        folder = pathlib.Path(cls.temporary.name)
        cls.package = cls.make(folder / "one")
        cls.again = cls.make(folder / "elsewhere" / "two", umask=0o077, environment={"TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"})
        cls.root, cls.scripts = folder / "root", folder / "scripts"
        run("dpkg-deb", "-x", cls.package, cls.root)
        run("dpkg-deb", "-e", cls.package, cls.scripts)

    @staticmethod
    def make(out, umask=-1, environment=None):
        said = run(SOURCE / "tools/package", BUILD, out, env=os.environ | (environment or {}), umask=umask)
        path, digest = said.split()
        if run("sha256sum", path).split()[0] != digest:
            raise AssertionError(said)
        return pathlib.Path(path)

    def field(self, name):
        return run("dpkg-deb", "-f", self.package, name).strip()

    def test_two_makings_give_the_same_bytes(self):
        self.assertEqual(self.package.name, self.again.name)
        self.assertTrue(self.package.read_bytes() == self.again.read_bytes(), "diffoscope says in what they differ")

    def test_no_file_has_a_byte_of_the_folder_it_was_made_in(self):
        for file in [file for file in self.root.glob("usr/**/*") if file.is_file()]:
            content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            self.assertFalse([folder for folder in (SOURCE, BUILD, self.package.parent) if bytes(folder) in content], file)

    def test_the_buildinfo_beside_it_names_its_digest_and_what_it_was_built_with(self):
        text = next(self.package.parent.glob("*.buildinfo")).read_text()
        self.assertIn(run("sha256sum", self.package).split()[0], text)
        for package in ("libsqlcipher-dev", "libssl-dev", "libboost1.81-dev", "gcc-12"):
            self.assertRegex(text, rf"(?m)^ {re.escape(package)} \(= ")

    def test_its_version_is_the_programs(self):
        self.assertEqual(run(self.root / "usr/bin/sigillod", "--version").split()[-1], self.field("Version"))

    def test_it_depends_on_the_libraries_that_the_programs_load(self):
        depends = self.field("Depends")
        for library in ("libc6", "libssl3", "libsqlcipher", "libp11-kit0"):
            self.assertRegex(depends, rf"(^|, ){library}\S* \(>= ")
        least = re.search(r"(?m)^libsqlcipher-dev/\S+ (\S+)$", (SOURCE / "packages.txt").read_text()).group(1)
        self.assertIn(f"libsqlcipher1 (>= {least})", depends)  # its symbols alone would let in what Debian 12 has

    def test_nobodys_rights_are_in_it_but_roots(self):
        for line in run("dpkg-deb", "-c", self.package).splitlines():
            rights, owner = line.split()[:2]
            self.assertEqual(owner, "root/root", line)
            self.assertIn(rights, ("drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--", "lrwxrwxrwx"), line)

    def test_the_programs_are_stripped(self):
        for program in PROGRAMS:
            self.assertNotRegex(run("readelf", "-S", "--wide", self.root / "usr/bin" / program), r"\.debug_|\.symtab")

    def test_what_the_units_name_is_there_and_systemd_takes_them(self):
        units = self.root / "lib/systemd/system"
        pages = [page for unit in units.iterdir() for page in re.findall(r"man:([\w-]+)\((\d)\)", unit.read_text())]
        for name, section in {("sigillo-courier", "8"), *pages}:
            self.assertTrue((self.root / f"usr/share/man/man{section}/{name}.{section}.gz").is_file(), name)
        (self.root / "etc/sigillo").mkdir(parents=True, exist_ok=True)
        for program in re.findall(r"(?<![\w/.])/(?:usr/)?bin/[\w-]+", "".join(u.read_text() for u in units.iterdir())):
            self.assertTrue((self.root / program[1:]).exists() or pathlib.Path(program).exists(), program)
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not on this machine")
        names = sorted(unit.name for unit in units.iterdir())
        self.assertEqual(names, ["sigillo-backup.service", "sigillo-backup.timer", "sigillod.service"])
        for other in [*map(pathlib.Path, ("/bin/mkdir", "/bin/find", "/bin/kill", "/bin/sh")), *pathlib.Path("/lib/systemd/system").glob("*.target")]:
            place = self.root / str(other)[1:]  # what every Debian has
            place.parent.mkdir(exist_ok=True)
            shutil.copy(other, place)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={self.root}", *names], capture_output=True, text=True, timeout=60,
                              check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
        ours = [line for line in done.stderr.splitlines() if "sigillo" in line]
        self.assertEqual(ours, [], done.stderr)
        for name in ("sigillod.service", "sigillo-backup.service"):
            run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(units / name))

    def test_its_user_and_folders_are_the_units(self):
        unit = (self.root / "lib/systemd/system/sigillod.service").read_text()
        user, home = re.search(r"(?m)^u (\S+) .* (/\S+) /usr/sbin/nologin$", (self.root / "usr/lib/sysusers.d/sigillo.conf").read_text()).groups()
        self.assertEqual(re.search(r"(?m)^User=(.*)$", unit).group(1), user)
        folders = dict(re.findall(r"(?m)^d (\S+) (\d+ \S+ \S+)$", (self.root / "usr/lib/tmpfiles.d/sigillo.conf").read_text()))
        mode = {key: re.search(rf"(?m)^{key}DirectoryMode=(.*)$", unit).group(1) for key in ("State", "Configuration")}
        self.assertEqual(folders, {home: f"{mode['State']} {user} {user}", "/etc/sigillo": f"{mode['Configuration']} root {user}"})
        script = (self.scripts / "postinst").read_text()
        self.assertLess(script.index("systemd-sysusers"), script.index("systemd-tmpfiles"))

    def test_no_script_starts_what_no_ceremony_made_or_removes_what_one_made(self):
        everything = {path.name: path.read_text() for path in self.scripts.iterdir()}
        self.assertEqual(set(everything), {"control", "md5sums", "postinst", "postrm", "prerm"})  # no conffiles: none is shipped
        self.assertNotRegex("".join(everything.values()), r"(systemctl|invoke)\b.* (start|restart|enable|try-restart|reload)\b")
        self.assertRegex(everything["prerm"], r'if \[ "\$1" = remove \] .*; then\n\tdeb-systemd-invoke stop .*sigillod\.service')
        for script in ("postinst", "postrm", "prerm"):
            self.assertNotRegex(everything[script], r"\brm\b|userdel|deluser|/var/lib/sigillo|/etc/sigillo")

    @unittest.skipUnless(os.geteuid() == 0, "dpkg installs for root alone")
    def test_dpkg_makes_user_and_folders_enables_nothing_and_a_purge_keeps_the_store(self):
        root = pathlib.Path(self.temporary.name) / "installed"
        for folder in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            (root / folder).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        dpkg = ("dpkg", f"--root={root}", "--log=/dev/null", "--force-depends", "--force-script-chrootless")
        run(*dpkg, "--install", self.package)
        user, _, uid, gid = (root / "etc/passwd").read_text().split("\n")[0].split(":")[:4]
        self.assertEqual(user, "sigillo")
        for folder, mode, owner in (("etc/sigillo", 0o40750, 0), ("var/lib/sigillo", 0o40700, int(uid))):
            found = (root / folder).stat()
            self.assertEqual((oct(found.st_mode), found.st_uid, found.st_gid), (oct(mode), owner, int(gid)))
        made = (root / "etc/sigillo/sigillo.toml", root / "var/lib/sigillo/sigillo.db")
        for file in made:
            file.touch()
        self.assertEqual([path for path in (root / "etc").rglob("*") if path.is_symlink()], [])
        run(*dpkg, "--install", self.package)
        run(*dpkg, "--purge", "sigillo")
        self.assertFalse((root / "usr/bin/sigillod").exists())
        self.assertEqual([file for file in made if not file.exists()], [])

    def test_what_there_is_to_read_is_the_sources_and_its_links_hold(self):
        documents = self.root / "usr/share/doc/sigillo"
        self.assertEqual((documents / "api/openapi.yaml").read_bytes(), (SOURCE / "api/openapi.yaml").read_bytes())
        self.assertTrue((documents / "packaging/systemd/sigillod.service.d.examples").is_file())
        for page in [documents / "README.md", *(documents / "docs").glob("*.md")]:
            for link in re.findall(r"\]\((?!https?:)([^)#]+\.(?:md|yaml))[^)]*\)", page.read_text()):
                self.assertTrue((page.parent / link).is_file(), f"{page.name}: {link}")


if __name__ == "__main__":
    SOURCE, BUILD = (pathlib.Path(sys.argv.pop(1)).resolve() for _ in range(2))
    unittest.main()
