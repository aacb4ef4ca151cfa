# What makes a memory error that slipped through harder to use. Of every build: a program that lies anywhere in memory,
# tables of functions that are read-only before main, no stack that can be executed. Of optimised builds without
# sanitizers, which would see less through them: a guard before each return address of a function with an array, and
# calls of the C library that know how large the room is that they write to (level 3, or 2 where compiler or C library
# have no more). -U first: some distributions' compilers define a level of their own. tests/installed/test_hardening.c
# reads what comes of it.
include(CheckCSourceCompiles)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(PARE_HARDENED_LINK LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
target_link_options(pare_options INTERFACE ${PARE_HARDENED_LINK})

if(NOT PARE_SANITIZE AND CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$")
  set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_c_source_compiles("#include <stdio.h>
#if __USE_FORTIFY_LEVEL < 3
#error no third level
#endif
int main(void) { return 0; }" PARE_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  target_compile_options(pare_options INTERFACE -fstack-protector-strong -U_FORTIFY_SOURCE
    -D_FORTIFY_SOURCE=$<IF:$<BOOL:${PARE_FORTIFY_3}>,3,2>)
  set(PARE_HARDENED_CODE ON)
endif()
