# SPDX-License-Identifier: Apache-2.0
# Checks one module file: MODULE, BYTES_MAX; with OBJDUMP and VALIDATE, WABT's tools. ALL_IMPORTS
# demands that every function of the list is imported. Fails with "refused: <defect>: ...".

# Name and type of each function a program may import: i is i32, L is i64. Source: the Gear ABI.
cmake_minimum_required(VERSION 3.25)
set(functions
    alloc:i>i free:i>i free_range:ii>i
    gr_size:i gr_read:iiii gr_source:i gr_value:i gr_message_id:i gr_program_id:i
    gr_block_height:i gr_block_timestamp:i gr_gas_available:i gr_value_available:i gr_env_vars:ii
    gr_random:ii
    gr_send:iiiii gr_send_wgas:iiiLii gr_send_init:i gr_send_push:iiii gr_send_push_input:iiii
    gr_send_commit:iiii gr_send_commit_wgas:iiLii gr_send_input:iiiii gr_send_input_wgas:iiiLii
    gr_reservation_send:iiiii gr_reservation_send_commit:iiii gr_reply_deposit:iLi
    gr_create_program:iiiiiii gr_create_program_wgas:iiiiiLii
    gr_reply:iiii gr_reply_wgas:iiLii gr_reply_push:iii gr_reply_push_input:iii gr_reply_commit:ii
    gr_reply_commit_wgas:Lii gr_reply_input:iiii gr_reply_input_wgas:iiLii
    gr_reservation_reply:iiii gr_reservation_reply_commit:ii
    gr_reply_to:i gr_reply_code:i gr_signal_from:i gr_signal_code:i
    gr_reserve_gas:Lii gr_unreserve_gas:ii gr_system_reserve_gas:Li
    gr_wait: gr_wait_for:i gr_wait_up_to:i gr_wake:iii
    gr_debug:ii gr_panic:ii gr_oom_panic: gr_leave: gr_exit:i)
set(entries init handle handle_reply handle_signal state metahash)

function(refuse defect)
  string(REPLACE ";" " " text "${ARGN}")
  message(FATAL_ERROR "refused: ${defect}: ${text}")
endfunction()

function(tool_output out)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE errors)
  if(failed)
    refuse(validation "${ARGN}: ${text}${errors}")
  endif()
  string(REPLACE "[" "(" text "${text}")
  string(REPLACE "]" ")" text "${text}")
  string(REPLACE ";" "," text "${text}")
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

file(SIZE ${MODULE} bytes)
if(bytes GREATER BYTES_MAX)
  refuse(size "${bytes} bytes are more than ${BYTES_MAX}")
endif()
tool_output(code ${OBJDUMP} -d ${MODULE})
if(code MATCHES "[ |]f(32|64)\\.")
  refuse(float "an instruction with floating point")
endif()
if(code MATCHES "memory\\.grow")
  refuse(grow "memory.grow")
endif()
tool_output(details ${OBJDUMP} -x ${MODULE})
if(details MATCHES "Start:")
  refuse(start "a start function")
endif()
string(REGEX MATCHALL " - type\\([0-9]+\\)[^\n]*" types "${details}")
if(types MATCHES "f32|f64")
  refuse(float "a type with floating point")
endif()
tool_output(unused ${VALIDATE} --disable-mutable-globals --disable-saturating-float-to-int
            --disable-sign-extension --disable-simd --disable-multi-value --disable-bulk-memory
            --disable-reference-types ${MODULE})

# Imports.
string(REGEX MATCHALL "[^\n]* <- [^\n]*" imports "${details}")
set(memory_pages "")
set(imported)
foreach(import ${imports})
  if(import MATCHES "^ - memory\\(0\\) pages: initial=([0-9]+) <- env\\.memory$")
    set(memory_pages ${CMAKE_MATCH_1})
  elseif(import MATCHES "^ - func\\([0-9]+\\) sig=([0-9]+) <[^>]*> <- env\\.([a-z_]+)$")
    set(signature ${CMAKE_MATCH_1})
    set(name ${CMAKE_MATCH_2})
    set(known FALSE)
    foreach(function ${functions})
      if(function MATCHES "^${name}:(.*)$")
        set(known TRUE)
        set(letters "${CMAKE_MATCH_1}")
      endif()
    endforeach()
    if(NOT known)
      refuse(import "function ${name}")
    endif()
    if(letters MATCHES "^(.*)>i$")
      set(letters "${CMAKE_MATCH_1}")
      set(result i32)
    else()
      set(result nil)
    endif()
    string(REGEX REPLACE "(.)" "\\1, " type "${letters}")
    string(REGEX REPLACE ", $" "" type "${type}")
    string(REPLACE i i32 type "${type}")
    string(REPLACE L i64 type "${type}")
    string(FIND "${details}" " - type(${signature}) (${type}) -> ${result}\n" found)
    if(found EQUAL -1)
      refuse(signature "import ${name} should have type (${type}) -> ${result}")
    endif()
    list(APPEND imported ${name})
  else()
    refuse(import "${import}")
  endif()
endforeach()
if(memory_pages STREQUAL "")
  refuse(import "no env.memory without a maximum")
endif()
if(ALL_IMPORTS)
  foreach(function ${functions})
    string(REGEX REPLACE ":.*" "" name ${function})
    if(NOT name IN_LIST imported)
      refuse(missing "import ${name}")
    endif()
  endforeach()
endif()

# Exports.
string(REGEX MATCHALL "[^\n]* -> \"[^\n]*" exports "${details}")
set(has_entry FALSE)
set(stack_end "")
foreach(export ${exports})
  if(export MATCHES "^ - func\\([0-9]+\\) <[^>]*> -> \"([a-z_]+)\"$" AND CMAKE_MATCH_1 IN_LIST entries)
    if(CMAKE_MATCH_1 MATCHES "^(init|handle)$")
      set(has_entry TRUE)
    endif()
  elseif(export MATCHES "^ - global\\(([0-9]+)\\)[^-]* -> \"__gear_stack_end\"$")
    if(NOT details MATCHES " - global\\(${CMAKE_MATCH_1}\\) i32 mutable=0 [^\n]*- init i32=([0-9]+)")
      refuse(stack "__gear_stack_end is no constant")
    endif()
    set(stack_end ${CMAKE_MATCH_1})
  else()
    refuse(export "${export}")
  endif()
endforeach()
if(NOT has_entry)
  refuse(export "neither init nor handle")
endif()

# The stack and what lies behind it.
if(NOT details MATCHES " - global\\([0-9]+\\) i32 mutable=1 <__stack_pointer> - init i32=([0-9]+)")
  refuse(stack "no __stack_pointer")
endif()
set(stack_pointer ${CMAKE_MATCH_1})
math(EXPR rest "0${stack_end} % 65536")
if(stack_end STREQUAL "" OR NOT rest EQUAL 0 OR NOT stack_end EQUAL stack_pointer)
  refuse(stack "the stack begins at ${stack_pointer}, __gear_stack_end is '${stack_end}'")
endif()
math(EXPR memory_bytes "${memory_pages} * 65536")
string(REGEX MATCHALL " - segment\\([^\n]* size=[0-9]+ - init i32=[0-9]+" segments "${details}")
foreach(segment ${segments})
  string(REGEX MATCH "size=([0-9]+) - init i32=([0-9]+)" unused "${segment}")
  math(EXPR segment_end "${CMAKE_MATCH_1} + ${CMAKE_MATCH_2}")
  if(CMAKE_MATCH_2 LESS stack_end OR segment_end GREATER memory_bytes)
    refuse(stack "data at ${CMAKE_MATCH_2} .. ${segment_end}, allowed is ${stack_end} .. ${memory_bytes}")
  endif()
endforeach()
message("${MODULE}: ${bytes} bytes, ${memory_pages} pages")
