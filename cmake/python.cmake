# What a wheel has beside its modules: program and library with all that they are linked with but the C library, found by an
# RPATH that holds for what these load, too; and the structs of the headers.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
foreach(pair "pare_program;$ORIGIN/../lib" "pare;$ORIGIN")
  list(GET pair 0 target)
  list(GET pair 1 rpath)
  set_target_properties(${target} PROPERTIES INSTALL_RPATH ${rpath} BUILD_WITH_INSTALL_RPATH ON)
  target_link_options(${target} PRIVATE LINKER:--disable-new-dtags)
endforeach()
set(abi ${PROJECT_BINARY_DIR}/_abi.py)
execute_process(COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/python/abi.py ${PROJECT_SOURCE_DIR}/include ${abi}
  COMMAND_ERROR_IS_FATAL ANY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS python/abi.py)
install(FILES ${abi} DESTINATION pare COMPONENT python)
install(PROGRAMS $<TARGET_FILE:pare_program> DESTINATION pare/bin COMPONENT python)
install(CODE "
  set(PROGRAM \"$<TARGET_FILE:pare_program>\")
  set(LIBRARY \"$<TARGET_FILE:pare>\")
  set(LIBRARY_NAME \"$<TARGET_SONAME_FILE_NAME:pare>\")
  set(STRIP \"${CMAKE_STRIP}\")" COMPONENT python)
install(SCRIPT cmake/bundle.cmake COMPONENT python)
