# Every flag that is not the compiler's default, with its reason. All targets take them through sigillo_flags.
add_library(sigillo_flags INTERFACE)

target_compile_options(sigillo_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror   # a warning is a question, and a release has none open
  -Wshadow                           # a shadowed name has hidden a missing assignment before
  -Wconversion -Wno-sign-conversion  # a silent narrowing loses a count; sign conversions drown the rest
  -Wnon-virtual-dtor -Woverloaded-virtual
  -Wswitch-enum                      # a switch over an enum names every value
  -Wnull-dereference -Wimplicit-fallthrough
  -Wno-missing-field-initializers    # a designated initialiser names what differs; every member has a default
  -fstack-protector-strong           # a smashed frame ends the process before it returns
  -fstack-clash-protection           # a large frame may not jump over the guard page
  -fcf-protection=full               # indirect branches land on their targets only (CET)
  -fno-strict-aliasing               # wire formats are read as bytes; never let it be undefined
  -ftrivial-auto-var-init=zero       # an uninitialised local never shows what was on the stack
  -fno-plt
  # The same bytes from any folder: no path of this one in the log's `at=`, in debug information, and so in the linker's build-id.
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
  -ffile-prefix-map=${CMAKE_BINARY_DIR}=build) # of two that fit, the last one counts
target_compile_definitions(sigillo_flags INTERFACE
  _GLIBCXX_ASSERTIONS)               # bounds in the standard containers: abort, not read on
target_link_options(sigillo_flags INTERFACE
  -Wl,-z,relro,-z,now                # no writable GOT after start
  -Wl,-z,noexecstack
  -Wl,--as-needed)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # PIE: addresses differ at each start
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these wrongly in Boost and coroutine frames at -O2 (GCC bugs 105329, 105562 and kin).
  target_compile_options(sigillo_flags INTERFACE -Wno-null-dereference -Wno-maybe-uninitialized
    -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread -Wno-mismatched-new-delete)
else()
  target_compile_options(sigillo_flags INTERFACE -Wno-unknown-warning-option -Wno-c99-extensions
    -Wno-error) # clang builds the fuzz targets only; what it warns of is read, g++ is who decides
endif()

if(NOT SIGILLO_SANITIZE)
  # Bounds in libc calls; it needs the optimiser, and the sanitizers do it better.
  target_compile_definitions(sigillo_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
endif()
if(SIGILLO_SANITIZE)
  target_compile_options(sigillo_flags INTERFACE -fsanitize=${SIGILLO_SANITIZE} -fno-omit-frame-pointer -O1 -g1)
  target_link_options(sigillo_flags INTERFACE -fsanitize=${SIGILLO_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND SIGILLO_SANITIZE MATCHES undefined)
    # A test before each access through a pointer: three quarters of g++'s time. AddressSanitizer sees what follows from a
    # null pointer; alignment is checked where bytes from outside are read, by the fuzz targets, which clang builds.
    target_compile_options(sigillo_flags INTERFACE -fno-sanitize=null,alignment)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND SIGILLO_SANITIZE MATCHES thread)
    target_compile_options(sigillo_flags INTERFACE -Wno-tsan) # Asio's fences, which ThreadSanitizer does not know
  endif()
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
