# What the project is built from. The packages that bring it are listed in packages.txt, and nowhere else.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CURL REQUIRED)
pkg_check_modules(p11kit REQUIRED IMPORTED_TARGET p11-kit-1)
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(gfshare REQUIRED IMPORTED_TARGET libgfshare)
pkg_check_modules(qrencode REQUIRED IMPORTED_TARGET libqrencode)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(jemalloc REQUIRED IMPORTED_TARGET jemalloc)

pkg_check_modules(sqlcipher IMPORTED_TARGET sqlcipher)
if(NOT sqlcipher_FOUND)
  message(FATAL_ERROR "SQLCipher is missing: install libsqlcipher-dev 4.6 or newer from bookworm-backports (./run does it).")
endif()
# sqlcipher.pc carries SQLite's version, so the header is asked: 4.6.0 brought SQLite 3.46.
if(sqlcipher_VERSION VERSION_LESS 3.46)
  message(FATAL_ERROR "SQLCipher is too old (its SQLite is ${sqlcipher_VERSION}, 3.46 is needed, that is SQLCipher 4.6): "
    "install libsqlcipher-dev from bookworm-backports, as in: apt-get install -t bookworm-backports libsqlcipher-dev")
endif()

if(SIGILLO_TESTS)
  find_package(GTest REQUIRED)
endif()
