;; SPDX-License-Identifier: Apache-2.0
;; A start function.
(module
  (import "env" "memory" (memory 2))
  (global $__stack_pointer (mut i32) (i32.const 65536))
  (global $end i32 (i32.const 65536))
  (export "__gear_stack_end" (global $end))
  (func $begin (export "handle"))
  (start $begin))
