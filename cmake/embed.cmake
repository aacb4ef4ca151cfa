# A file of the tree as an array of the library, so that the library can write it: NAME.inc in the build folder defines
# `static const unsigned char NAME[]` with the bytes of FILE and a zero behind them.
function(pare_embed file name)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/embedded/${name}.inc
    CONTENT "static const unsigned char @name@[] = {\n@bytes@\n0};\n" @ONLY)
endfunction()

pare_embed(${CMAKE_CURRENT_SOURCE_DIR}/src/run/modeling_pare.py modeling_pare)
