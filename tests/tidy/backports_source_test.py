"""tools/backports-source on the apt sources that Debian 12 machines have."""

import os
import subprocess
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "backports-source")
MIRROR = "http://mirror.example/debian"
DEB822 = f"""# made at installation
Types: deb deb-src
URIs: {MIRROR}
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: {MIRROR}-security
Suites: bookworm-security
Components: main
"""
STRANGER = "deb [signed-by=/etc/apt/keyrings/stranger.gpg] https://apt.example bookworm main\n"


def derive(**files):
    """Contents by name, with the last _ of a name for its dot; the first line of the answer, and the rest."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, content in files.items():
            paths.append(os.path.join(folder, ".".join(name.rsplit("_", 1))))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(content)
        done = subprocess.run(["awk", "-f", SCRIPT, *paths], capture_output=True, text=True, check=True)
    form, _, entry = done.stdout.partition("\n")
    return form, entry


class BackportsSourceTest(unittest.TestCase):
    def test_a_deb822_source_gives_its_mirror_and_key(self):
        form, entry = derive(debian_sources=DEB822)
        self.assertEqual(form, "sources")
        self.assertEqual(entry, f"Types: deb\nURIs: {MIRROR}\nSuites: bookworm-backports\nComponents: main\n"
                                "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n")

    def test_a_key_that_stands_in_the_source_is_taken_whole(self):
        key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----\n"
        _, entry = derive(debian_sources=f"Types: deb\nURIs: {MIRROR}/\nSuites: bookworm\nComponents: main\n{key}")
        self.assertTrue(entry.endswith(key), entry)

    def test_a_one_line_source_gives_its_options(self):
        form, entry = derive(sources_list=f"# old\ndeb [arch=amd64 signed-by=/k.gpg] {MIRROR} bookworm main non-free # x\n"
                                          f"deb-src {MIRROR} bookworm main\n")
        self.assertEqual((form, entry), ("list", f"deb [arch=amd64 signed-by=/k.gpg] {MIRROR} bookworm-backports main\n"))

    def test_somebody_elses_bookworm_is_not_taken_for_debians(self):
        for files in ({"a_list": STRANGER, "debian_sources": DEB822}, {"debian_sources": DEB822, "z_list": STRANGER}):
            form, entry = derive(**files)
            self.assertEqual(form, "sources")
            self.assertIn(MIRROR, entry)

    def test_a_mirror_of_any_name_is_known_by_its_updates(self):
        _, entry = derive(a_list=STRANGER, sources_list="deb http://m.example/d12 bookworm main\n"
                                                        "deb http://m.example/d12 bookworm-updates main\n")
        self.assertEqual(entry, "deb http://m.example/d12 bookworm-backports main\n")

    def test_backports_that_are_there_are_seen_and_disabled_ones_are_not(self):
        there = f"Types: deb\nURIs: {MIRROR}\nSuites: bookworm-backports\nComponents: main\n"
        self.assertEqual(derive(debian_sources=DEB822, b_sources=there)[0], "present")
        self.assertEqual(derive(debian_sources=DEB822, b_sources="Enabled: no\n" + there)[0], "sources")
        self.assertEqual(derive(a_list=f"deb {MIRROR} bookworm main\n#deb {MIRROR} bookworm-backports main\n")[0], "list")

    def test_a_machine_without_debian_12_has_none(self):
        self.assertEqual(derive(debian_sources=DEB822.replace("bookworm", "trixie"))[0], "none")
        self.assertEqual(derive(sources_list="")[0], "none")


if __name__ == "__main__":
    unittest.main()
