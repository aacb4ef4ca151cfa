# Manual pages and completions, which the program makes from its own option table, and where they are installed. A command is
# a file src/cli/cmd_NAME.c.
set(PARE_ZSH_DIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING "Where zsh looks for completions")
set(documents ${PROJECT_BINARY_DIR}/documents)
set(PARE_DOCUMENTS)

function(pare_document file)
  add_custom_command(OUTPUT ${documents}/${file} COMMAND pare_program help ${ARGN} > ${documents}/${file} DEPENDS pare_program
    COMMENT "Writing ${file}")
  set(PARE_DOCUMENTS ${PARE_DOCUMENTS} ${documents}/${file} PARENT_SCOPE)
endfunction()

# In packages they are compressed.
function(pare_page file)
  if(PARE_PACKAGING)
    add_custom_command(OUTPUT ${documents}/${file}.gz COMMAND pare_program help ${ARGN} | gzip -9n > ${documents}/${file}.gz
      DEPENDS pare_program COMMENT "Writing ${file}.gz")
    set(PARE_DOCUMENTS ${PARE_DOCUMENTS} ${documents}/${file}.gz PARENT_SCOPE)
  else()
    pare_document(${file} ${ARGN})
    set(PARE_DOCUMENTS ${PARE_DOCUMENTS} PARENT_SCOPE)
  endif()
endfunction()

file(MAKE_DIRECTORY ${documents}/man1)
pare_page(man1/pare.1 --man)
foreach(source ${PARE_PROGRAM_SOURCES})
  if(source MATCHES "/cmd_([a-z]+)\\.c$")
    pare_page(man1/pare-${CMAKE_MATCH_1}.1 --man ${CMAKE_MATCH_1})
  endif()
endforeach()
pare_document(pare.bash --completion bash)
pare_document(_pare --completion zsh)
pare_document(pare.fish --completion fish)
add_custom_target(pare_documents ALL DEPENDS ${PARE_DOCUMENTS})

install(DIRECTORY ${documents}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT pare)
install(FILES ${documents}/pare.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME pare COMPONENT pare)
install(FILES ${documents}/_pare DESTINATION ${PARE_ZSH_DIR} COMPONENT pare)
install(FILES ${documents}/pare.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT pare)
