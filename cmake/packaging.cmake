# Debian packages (cpack -G DEB), as scripts/package makes them: pare, libpare0, libpare-dev, from one build with
# -DBUILD_SHARED_LIBS=ON -DPARE_PACKAGING=ON -DCMAKE_INSTALL_PREFIX=/usr.
set(PARE_MAINTAINER "pare maintainers <maintainers@pare.invalid>" CACHE STRING "Who answers for the packages")
set(PARE_PACKAGE_DATE "Thu, 01 Jan 1970 00:00:00 +0000" CACHE STRING "Of the packages' changelog, as date -R has it")
set(PARE_PACKAGE_REVISION 1 CACHE STRING "Of the packages")
set(debian_version ${PROJECT_VERSION}-${PARE_PACKAGE_REVISION})

configure_file(cmake/copyright.in copyright @ONLY)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/changelog.Debian @ONLY CONTENT
"pare (@debian_version@) unstable; urgency=medium

  * Built by scripts/package; what is new is in CHANGELOG.md of the source.

 -- @PARE_MAINTAINER@  @PARE_PACKAGE_DATE@
")
execute_process(COMMAND gzip -9nc ${PROJECT_BINARY_DIR}/changelog.Debian OUTPUT_FILE ${PROJECT_BINARY_DIR}/changelog.Debian.gz
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND gzip -9nc ${PROJECT_SOURCE_DIR}/CHANGELOG.md OUTPUT_FILE ${PROJECT_BINARY_DIR}/changelog.gz
  COMMAND_ERROR_IS_FATAL ANY)
foreach(package pare libpare0 libpare-dev)
  install(FILES ${PROJECT_BINARY_DIR}/copyright ${PROJECT_BINARY_DIR}/changelog.Debian.gz ${PROJECT_BINARY_DIR}/changelog.gz
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${package})
endforeach()
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/pare COMPONENT pare)
file(WRITE ${PROJECT_BINARY_DIR}/triggers "activate-noawait ldconfig\n")

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL pare libpare0 libpare-dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${PARE_PACKAGE_REVISION})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${PARE_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "prunes trained transformers and writes what stock engines load")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY "=") # 0.x promises no stable interface
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

# NAME: section, what it needs, and its description.
function(pare_package name section depends text)
  string(TOUPPER ${name} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${text}" PARENT_SCOPE)
endfunction()

pare_package(pare science "libpare0 (= ${debian_version})"
  "Removes attention heads, feed-forward channels, layers or single weights from\ntrained transformers (language models and vision transformers), repairs what\nis left, and writes checkpoints that stock engines load.\n.\nThis package has the program.")
pare_package(libpare0 libs ""
  "Removes attention heads, feed-forward channels, layers or single weights from\ntrained transformers, repairs what is left, and writes checkpoints that stock\nengines load.\n.\nThis package has the shared library.")
pare_package(libpare-dev libdevel "libpare0 (= ${debian_version})"
  "Removes attention heads, feed-forward channels, layers or single weights from\ntrained transformers, repairs what is left, and writes checkpoints that stock\nengines load.\n.\nThis package has the headers, and files for pkg-config and CMake.")
set(CPACK_DEBIAN_LIBPARE0_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/triggers)
set(CPACK_DEBIAN_LIBPARE-DEV_PACKAGE_SHLIBDEPS OFF)
include(CPack)
