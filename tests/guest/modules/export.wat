;; SPDX-License-Identifier: Apache-2.0
;; An exported function that is no entry.
(module
  (import "env" "memory" (memory 2))
  (global $__stack_pointer (mut i32) (i32.const 65536))
  (global $end i32 (i32.const 65536))
  (export "__gear_stack_end" (global $end))
  (func (export "handle"))
  (func (export "helper")))
