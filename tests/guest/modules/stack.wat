;; SPDX-License-Identifier: Apache-2.0
;; Data below the end of the stack.
(module
  (import "env" "memory" (memory 2))
  (global $__stack_pointer (mut i32) (i32.const 65536))
  (global $end i32 (i32.const 65536))
  (export "__gear_stack_end" (global $end))
  (data (i32.const 65532) "beyond")
  (func (export "handle")))
